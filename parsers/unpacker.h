#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/inflate.h"

namespace fleetmeter::parsers {

/// Memory for one piece of inflated bytes: small enough to be parsed while the cache still has it.
/// The room in front lets what the piece before left unfinished be put there, so that the piece is
/// parsed where it was inflated; what lies behind is readable (what simdjson wants).
class PieceRoom {
 public:
  static constexpr std::size_t kBytes = 256 * 1024;
  static constexpr std::size_t kFrontBytes = 64 * 1024;
  static constexpr std::size_t kPaddingBytes = 64;

  PieceRoom();
  [[nodiscard]] char* data() const noexcept { return block_.get() + kFrontBytes; }

 private:
  std::unique_ptr<char[]> block_;
};

/// A member (gzip member, zlib stream, zstd frame) that ended in a piece.
struct MemberEnd {
  std::size_t plain_bytes;       ///< Of the piece that lie before the end.
  std::uint64_t next_at_offset;  ///< Of the file, behind the member; zero padding may follow.
};

/// Consecutive plain bytes of a stream, and what is known of the file bytes they came from.
struct PlainPiece {
  static constexpr std::size_t kMemberEndsMax = 1024;

  std::string_view plain;       ///< In `room`; else, where nothing is compressed, in the input.
  PieceRoom* room = nullptr;    ///< Whoever parses the piece may write in front of it.
  std::uint64_t raw_bytes = 0;  ///< Of the file, that were taken for it.
  std::vector<MemberEnd> member_ends;  ///< In order, at most so many.
  bool inside_member = false;          ///< Behind it.
  /// Behind it the file cannot be read: kDamaged or kTooLarge. Once, in the piece that met it; the
  /// rest of the file comes as pieces without plain bytes.
  std::optional<InflateStatus> broken;
};

/// The first half of reading a stream: file bytes, plain or compressed in any number of members,
/// become plain pieces, which Decoder::take() reads. The halves share nothing but the pieces, so
/// that each may have a thread of its own; one unpacker is one thread's. Its memory is Inflater's.
class Unpacker {
 public:
  /// Of a file that is read from `offset` on: 0, or the member start of a position. Behind the
  /// first member a file is known to be compressed: what is not is padding or damage.
  explicit Unpacker(std::uint64_t offset = 0) noexcept : offset_(offset), start_(offset) {}
  /// Of a file that is not compressed.
  [[nodiscard]] static Unpacker of_plain(std::uint64_t offset) noexcept;

  /// Replaces `piece` by the next: bytes are taken from the front of `input`. True while there is
  /// more to come of what was taken or of the rest of `input`: call again with it, even if it is
  /// empty. The piece dies with the next call, with `input` and with `room`.
  [[nodiscard]] bool unpack(std::string_view& input, PieceRoom& room, PlainPiece& piece);
  /// The file ends here; files shorter than any magic number are told now.
  void end(PieceRoom& room, PlainPiece& piece);

 private:
  bool take_magic(std::string_view& input);
  void tell_compression(std::string_view first);
  void inflate(std::string_view& input, PieceRoom& room, PlainPiece& piece);
  void skip_padding(std::string_view& input) noexcept;

  std::uint64_t offset_;  // Of the file, behind what was taken.
  std::uint64_t start_;
  std::string magic_;  // First bytes, until they are enough to tell the compression.
  std::optional<Compression> compression_;
  std::optional<Inflater> inflater_;
  bool has_output_ = false;  // The inflater may hold more than the room could take.
  bool broken_ = false;
};

}  // namespace fleetmeter::parsers
