#include "parsers/sniff.h"

#include <algorithm>
#include <cstddef>

#include "parsers/decoder.h"
#include "parsers/inflate.h"
#include "parsers/metric_otlp.h"
#include "parsers/payload_text.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kEnough = 32;  // Bytes that settle every rule but base64.
// A token shorter than this in base64's alphabet may be anything.
constexpr std::size_t kBase64LineMin = 24;
// Without a blank in so many bytes it is no flow log line.
constexpr std::size_t kBase64Enough = 4096;

constexpr std::size_t kEmptyFramesMax = 4096;

struct Varint {
  std::uint64_t value = 0;
  std::size_t width = 0;  // 0: cut or over five bytes.
};

Varint varint_at(std::string_view bytes, std::size_t at) noexcept {
  Varint varint;
  for (std::size_t i = 0; i < 5 && at + i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[at + i]);
    varint.value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    varint.width = i + 1;
    return varint;
  }
  return varint;
}

unsigned char byte_at(std::string_view bytes, std::size_t at) noexcept {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}

/// A ResourceMetrics field (tag 0a) at `at`, `limit` bytes long at most, whose content begins with
/// a field of that message: resource, scope or library metrics, schema url.
bool is_resource_metrics(std::string_view bytes, std::size_t at, std::uint64_t limit) noexcept {
  if (byte_at(bytes, at) != 0x0a) return false;
  const Varint length = varint_at(bytes, at + 1);
  if (length.width == 0 || length.value < 2 || 1 + length.width + length.value > limit)
    return false;
  const unsigned char tag = byte_at(bytes, at + 1 + length.width);
  if (tag != 0x0a && tag != 0x12 && tag != 0x1a) return false;
  const Varint inner = varint_at(bytes, at + 2 + length.width);
  return inner.width > 0 && inner.value + inner.width < length.value;
}

bool is_frame(std::string_view bytes) noexcept {
  const Varint length = varint_at(bytes, 0);
  return length.width > 0 && is_resource_metrics(bytes, length.width, length.value);
}

bool is_base64_byte(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '=';
}

bool is_base64(std::string_view bytes) noexcept {
  const std::size_t end = bytes.find_first_of("\r\n");
  const std::string_view line = bytes.substr(0, end);
  return line.size() >= kBase64LineMin && std::all_of(line.begin(), line.end(), is_base64_byte);
}

bool is_json_array(std::string_view head) noexcept {
  const std::size_t first = skip_blanks(head, 0);
  if (!head.substr(first).starts_with('[')) return false;
  const std::size_t second = skip_blanks(head, first + 1);
  return second == head.size() || head[second] == '{' || head[second] == '[' || head[second] == ']';
}

/// An object with a key, whatever its texts hold.
bool is_json_object(std::string_view head) noexcept {
  const std::size_t first = skip_blanks(head, 0);
  return head.substr(first).starts_with('{') &&
         head.substr(skip_blanks(head, first + 1)).starts_with('"');
}

bool is_text(std::string_view bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t';
  });
}

/// Formats that come by mistake, by their first bytes. What is packed has to be unpacked.
struct ForeignFormat {
  std::string_view magic;
  std::string_view name;
  bool is_packed = false;
};

constexpr ForeignFormat kForeignFormats[] = {
    {"PK\x03\x04", "a ZIP archive", true},
    {"BZh", "bzip2", true},
    {"\xfd"
     "7zXZ",
     "xz", true},
    {"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", true},
    {"\x04\x22\x4d\x18", "LZ4", true},
    {"\xff\x06", "Snappy", true},
    {"\xff\xfe", "UTF-16 text, which has to be saved as UTF-8"},
    {"\xfe\xff", "UTF-16 text, which has to be saved as UTF-8"},
    {"Obj\x01", "Avro"},
    {"ORC", "ORC"},
    {"SQLite format 3", "an SQLite database"},
    {"\x7f"
     "ELF",
     "a program"},
    {"%PDF-", "PDF"},
    {"\x89PNG", "an image"},
    {"\xff\xd8\xff", "an image"},
    {"\xd4\xc3\xb2\xa1", "a packet capture"},
    {"\xa1\xb2\xc3\xd4", "a packet capture"},
    {"\x0a\x0d\x0d\x0a", "a packet capture"},
};

constexpr std::string_view kTarMagic = "ustar";
constexpr std::size_t kTarMagicAt = 257;

std::string name_of_foreign(std::string_view bytes) {
  if (bytes.size() > kTarMagicAt && bytes.substr(kTarMagicAt).starts_with(kTarMagic))
    return "a tar archive, which has to be unpacked first";
  for (const ForeignFormat& format : kForeignFormats) {
    if (bytes.starts_with(format.magic))
      return std::string(format.name) +
             (format.is_packed ? ", which has to be unpacked first" : "");
  }
  return "binary data";
}

}  // namespace

std::optional<Content> sniff(std::string_view bytes, bool last) noexcept {
  if (bytes.empty()) return last ? std::optional{Content::kLines} : std::nullopt;
  if (bytes.size() < kEnough && !last) return std::nullopt;
  const std::string_view head = bytes.substr(0, kEnough);
  const Compression compression = compression_of(head);
  // 78 01 is "x" and a control byte, 78 5e is "x^", 78 9c and 78 da are no UTF-8: none begins a
  // line of ours.
  if (compression != Compression::kNone) return Content::kCompressed;
  if (is_parquet(head)) return Content::kParquet;
  // Before OTLP: "\n{\n " could be the begin of a request.
  if (is_json_object(head) && is_text(head)) return Content::kLines;
  // Empty requests come first at times.
  const std::size_t zeros = std::min(bytes.find_first_not_of('\0'), bytes.size());
  const std::string_view frame = bytes.substr(zeros, kEnough);
  if (zeros > 0 && zeros < kEmptyFramesMax && frame.size() < kEnough && !last) return std::nullopt;
  // Blank lines in front of text are tags and sizes as well; a request is no text for so long.
  const bool may_be_otlp = !is_text(head);
  if (may_be_otlp && is_frame(frame) && zeros < kEmptyFramesMax) return Content::kFrames;
  if (may_be_otlp && is_resource_metrics(bytes, 0, last ? bytes.size() : ~std::uint64_t{0}))
    return Content::kResources;
  if (is_json_object(head)) return Content::kLines;
  if (!is_text(head)) {
    // A frame can be so short, or cut so early, that only its prefix shows.
    const FramePrefix prefix = read_frame_prefix(frame);
    const bool whole =
        prefix.kind == FramePrefix::Kind::kComplete && byte_at(frame, prefix.prefix_bytes) == 0x0a;
    return zeros < kEmptyFramesMax && (whole || (last && frame.empty())) ? Content::kFrames
                                                                         : Content::kUnknown;
  }
  if (is_json_array(head)) return Content::kJsonArray;
  if (!std::all_of(head.begin(), head.end(), is_base64_byte) &&
      head.find_first_of("\r\n") == std::string_view::npos) {
    return Content::kLines;
  }
  // No further than this, however much is there: the answer must not depend on how a stream is cut.
  const std::string_view start = bytes.substr(0, kBase64Enough);
  const bool line_ended = start.find_first_of("\r\n") != std::string_view::npos;
  if (!line_ended && !last && start.size() < kBase64Enough) return std::nullopt;
  return is_base64(start) ? Content::kBase64 : Content::kLines;
}

std::optional<Content> sniff_resumed(std::string_view bytes, bool last) noexcept {
  const std::optional<Content> content = sniff(bytes, last);
  if (!content || *content == Content::kCompressed) return content;
  const bool otlp = *content == Content::kFrames || *content == Content::kResources;
  return otlp && !is_text(bytes.substr(0, kEnough)) ? content : Content::kLines;
}

std::string explain_unread(Content content, std::string_view bytes) {
  if (content == Content::kJsonArray) {
    return "is a JSON array; JSON objects are read, one after the other: `jq -c '.[]'` makes them "
           "of "
           "an array";
  }
  if (content != Content::kUnknown) return {};
  return "is neither a flow log, a metric stream nor an envelope of them, but seems to be " +
         name_of_foreign(bytes) +
         "; read are flow logs (text, Parquet), metric streams (JSON, OpenTelemetry), and the "
         "envelopes of CloudWatch Logs and Firehose, plain, gzip or zstd";
}

}  // namespace fleetmeter::parsers
