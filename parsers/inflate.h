#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace fleetmeter::parsers {

enum class Compression : std::uint8_t { kNone, kGzip, kZlib, kZstd };

/// By the magic bytes at the front: gzip 1f 8b, zlib 78 01/5e/9c/da with a valid header checksum,
/// zstd 28 b5 2f fd (or a skippable frame). Fewer bytes than a magic has: kNone.
[[nodiscard]] Compression compression_of(std::string_view bytes) noexcept;

/// Zero bytes at the front: what tapes and block devices leave behind a member; skipped between
/// members. gzip(1) ignores them at the end of a file.
[[nodiscard]] std::size_t zero_padding_bytes(std::string_view bytes) noexcept;
[[nodiscard]] inline bool is_zero_padding(std::string_view bytes) noexcept {
  return zero_padding_bytes(bytes) == bytes.size();
}

enum class InflateStatus : std::uint8_t {
  kNeedInput,  ///< All input was taken; the member goes on.
  kNeedRoom,   ///< The output is full.
  kMemberEnd,  ///< A member ended and its checksum holds. The next call begins a new one.
  kDamaged,    ///< Header, data or checksum is wrong. What was put out before is all there is.
};

struct InflateResult {
  InflateStatus status;
  std::size_t taken_bytes;  ///< Of the input.
  std::size_t put_bytes;    ///< Into the output.
};

/// Inflates one compressed member (gzip member, zlib stream, zstd frame) after another, in pieces
/// of any size and with memory that does not depend on what the input says (gzip and zlib 32 KiB of
/// window; zstd at most 128 MiB, its default limit). Rules: RFC 1952, RFC 1950, RFC 8878. gzip by
/// ISA-L, zlib by zlib, zstd by libzstd.
class Inflater {
 public:
  explicit Inflater(Compression compression);
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  [[nodiscard]] InflateResult inflate(std::string_view input, char* output,
                                      std::size_t output_bytes);
  /// True between members: nothing of a next one has been taken.
  [[nodiscard]] bool between_members() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::parsers
