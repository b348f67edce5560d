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

/// What is skipped between members and behind the last, at the front of `bytes`: zeros, which tapes
/// and block devices leave and gzip(1) ignores at the end of a file, and line ends, which Firehose
/// puts behind each record when it is told to (Amazon Data Firehose Developer Guide, "Add a
/// new line delimiter when delivering data to Amazon S3").
[[nodiscard]] std::size_t member_padding_bytes(std::string_view bytes) noexcept;

/// What zstd(1) reads without being told to use more memory; `--ultra -22` stays within it.
inline constexpr std::size_t kZstdWindowBytesMax = std::size_t{128} << 20;

enum class InflateStatus : std::uint8_t {
  /// All input was taken; the member goes on. What else it tells of, held_back() has.
  kNeedInput,
  kNeedRoom,   ///< The output is full.
  kMemberEnd,  ///< A member ended and its checksum holds. The next call begins a new one.
  kDamaged,    ///< Header, data or checksum is wrong. What was put out before is all there is.
  kTooLarge,   ///< A zstd frame that wants over kZstdWindowBytesMax of its output kept.
};

struct InflateResult {
  InflateStatus status;
  std::size_t taken_bytes;  ///< Of the input.
  std::size_t put_bytes;    ///< Into the output.
};

/// Inflates one compressed member (gzip member, zlib stream, zstd frame) after another, in pieces
/// of any size and with memory that does not depend on what the input says: gzip and zlib have 32
/// KiB of window, and parts of a gzip header are passed over however long they are; zstd has the
/// window that its frame asks for, up to a limit. Rules: RFC 1952, RFC 1950, RFC 8878. zlib by
/// zlib, zstd by libzstd, gzip by ISA-L, or by zlib where ISA-L is not built in or not wanted.
class Inflater {
 public:
  /// Which library inflates gzip.
  enum class Gzip : std::uint8_t { kFastest, kZlib };
  explicit Inflater(Compression compression, Gzip gzip = Gzip::kFastest);
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  [[nodiscard]] InflateResult inflate(std::string_view input, char* output,
                                      std::size_t output_bytes);
  /// Of input that ends inside a member: what its last bits tell beyond what was put out. ISA-L looks
  /// up as many as three literals at once, and the first two would come with the bits of the third.
  static constexpr std::size_t kHeldBackBytesMax = 2;
  [[nodiscard]] std::size_t held_back(char (&output)[kHeldBackBytesMax]) const;
  /// True between members: nothing of a next one has been taken.
  [[nodiscard]] bool between_members() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::parsers
