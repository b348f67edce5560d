#include "parsers/unpacker.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kMagicBytes = 4;

}  // namespace

PieceRoom::PieceRoom()
    : block_(std::make_unique_for_overwrite<char[]>(kFrontBytes + kBytes + kPaddingBytes)) {
  std::memset(block_.get() + kFrontBytes + kBytes, 0, kPaddingBytes);
}

Unpacker Unpacker::of_plain(std::uint64_t offset) noexcept {
  Unpacker unpacker{offset};
  unpacker.compression_ = Compression::kNone;
  return unpacker;
}

bool Unpacker::unpack(std::string_view& input, PieceRoom& room, PlainPiece& piece) {
  const std::size_t given = input.size();
  piece.plain = {};
  piece.room = nullptr;
  piece.member_ends.clear();
  piece.broken.reset();
  if (compression_ || take_magic(input)) {
    if (broken_) {
      input = {};
    } else if (compression_ != Compression::kNone) {
      inflate(input, room, piece);
    } else if (!magic_.empty()) {
      std::memcpy(room.data(), magic_.data(), magic_.size());
      piece.plain = {room.data(), std::exchange(magic_, {}).size()};
      piece.room = &room;
    } else {
      piece.plain = std::exchange(input, {});
      offset_ += piece.plain.size();
    }
  }
  piece.raw_bytes = given - input.size();
  piece.inside_member = inflater_ && !inflater_->between_members();
  return !input.empty() || has_output_;
}

void Unpacker::end(PieceRoom& room, PlainPiece& piece) {
  if (!compression_) tell_compression(magic_);
  std::string_view nothing;
  (void)unpack(nothing, room, piece);
  char held_back[Inflater::kHeldBackBytesMax];
  if (!piece.inside_member || broken_ || has_output_) return;
  const std::size_t put =
      std::min(inflater_->held_back(held_back), PieceRoom::kBytes - piece.plain.size());
  std::memcpy(room.data() + piece.plain.size(), held_back, put);
  piece.plain = {room.data(), piece.plain.size() + put};
  piece.room = &room;
}

/// True once it is known what the file is.
bool Unpacker::take_magic(std::string_view& input) {
  if (start_ > 0 && magic_.empty()) skip_padding(input);
  if (magic_.empty() && input.size() >= kMagicBytes) {
    tell_compression(input.substr(0, kMagicBytes));
    return true;
  }
  const std::size_t wanted = std::min(kMagicBytes - magic_.size(), input.size());
  magic_.append(input.substr(0, wanted));
  input.remove_prefix(wanted);
  if (magic_.size() < kMagicBytes) return false;
  tell_compression(magic_);
  return true;
}

void Unpacker::tell_compression(std::string_view first) {
  compression_ = compression_of(first);
  if (compression_ == Compression::kNone && start_ > 0) compression_ = Compression::kGzip;
  if (compression_ != Compression::kNone) inflater_.emplace(*compression_);
}

/// Fills the room as far as the input goes: every call of a decompressor has its price, and so has
/// every piece that is parsed.
void Unpacker::inflate(std::string_view& input, PieceRoom& room, PlainPiece& piece) {
  std::size_t put = 0;
  const auto step = [&](std::string_view& from) {
    const InflateResult result =
        inflater_->inflate(from, room.data() + put, PieceRoom::kBytes - put);
    from.remove_prefix(result.taken_bytes);
    offset_ += result.taken_bytes;
    put += result.put_bytes;
    has_output_ = result.status == InflateStatus::kNeedRoom;
    if (result.status == InflateStatus::kMemberEnd) piece.member_ends.push_back({put, offset_});
    if (result.status != InflateStatus::kDamaged && result.status != InflateStatus::kTooLarge)
      return;
    piece.broken = result.status;
    broken_ = true;
    input = {};
  };
  if (!magic_.empty()) {
    std::string_view first = magic_;
    step(first);  // No member is so short.
    magic_.clear();
  }
  while (!broken_ && put < PieceRoom::kBytes &&
         piece.member_ends.size() < PlainPiece::kMemberEndsMax) {
    if (inflater_->between_members()) skip_padding(input);
    if (input.empty() && !has_output_) break;
    step(input);
  }
  piece.plain = {room.data(), put};
  piece.room = &room;
}

/// Between members and behind the last.
void Unpacker::skip_padding(std::string_view& input) noexcept {
  const std::size_t padding = member_padding_bytes(input);
  offset_ += padding;
  input.remove_prefix(padding);
}

}  // namespace fleetmeter::parsers
