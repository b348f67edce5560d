#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fleetmeter::parsers {

/// What plain bytes are, by their beginning.
enum class Content : std::uint8_t {
  kLines,       ///< Text: flow log lines and JSON values, mixed at will.
  kFrames,      ///< OTLP: varint length and a request, again and again.
  kResources,   ///< One OTLP request without a frame.
  kCompressed,  ///< gzip, zlib or zstd once more.
  kBase64,      ///< Nothing but base64.
  kParquet,
  kJsonArray,  ///< No AWS source delivers an array of objects.
  kUnknown,
};

/// In this order, first match wins: gzip, zlib and zstd by their first bytes, Parquet by "PAR1", a
/// JSON object, OTLP frames, an OTLP request, an array of objects, base64, text. nullopt: more bytes
/// are needed to tell (never with `last`, which says that `bytes` is all there is). OTLP is told by
/// the shape of its first nested fields, so that a frame that is cut short still shows as one.
[[nodiscard]] std::optional<Content> sniff(std::string_view bytes, bool last) noexcept;

/// The same at a record border inside a stream, which need not look like a beginning: only OTLP and
/// compressed members are told anew, everything else is text there. So is what holds text alone,
/// though "}\n{\n" has the shape of a frame.
[[nodiscard]] std::optional<Content> sniff_resumed(std::string_view bytes, bool last) noexcept;

/// What bytes that begin so seem to be, and what would be read instead, to go on after their file's
/// name ("is neither ..."). Of kUnknown and kJsonArray; of anything else "".
[[nodiscard]] std::string explain_unread(Content content, std::string_view bytes);

}  // namespace fleetmeter::parsers
