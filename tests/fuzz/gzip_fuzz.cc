// gzip framing: our inflater, by ISA-L and by zlib, against zlib's own loop, on the input as it is, on a file of members
// made of it, and on the input as raw deflate bits in a true frame. What zlib reads whole, ours
// does, member by member; what zlib finds damaged never comes out as anything else than the
// beginning of what is there. Pieces of input and room for output of any size change nothing.
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/inflate.h"
#include "proto/check.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace fleetmeter;
using parsers::InflateStatus;

/// A bomb shows as much in its first bytes.
constexpr std::size_t kPlainBytesMax = 1u << 18;

struct Inflated {
  std::string plain;
  std::size_t members = 0;
  std::size_t taken_bytes = 0;
  bool damaged = false;
  bool cut = false;  ///< Ends inside a member.
  bool full = false;
};

enum class Framing : std::uint8_t { kGzipMembers, kOneRawStream };

Inflated by_zlib(std::string_view bytes, Framing framing) {
  const bool raw = framing == Framing::kOneRawStream;
  Inflated out;
  z_stream stream{};
  FM_CHECK(inflateInit2(&stream, raw ? -15 : 31) == Z_OK);
  char room[1024];
  bool inside = false;
  while (!out.damaged && !out.full) {
    if (!inside && !raw)
      out.taken_bytes += parsers::member_padding_bytes(bytes.substr(out.taken_bytes));
    const std::string_view rest = bytes.substr(out.taken_bytes);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
    stream.avail_in = static_cast<uInt>(rest.size());
    stream.next_out = reinterpret_cast<Bytef*>(room);
    stream.avail_out = sizeof room;
    inside = inside || !rest.empty();
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.taken_bytes += rest.size() - stream.avail_in;
    out.plain.append(room, sizeof room - stream.avail_out);
    out.full = out.plain.size() > kPlainBytesMax;
    if (status == Z_STREAM_END) {
      ++out.members;
      inside = false;
      if (raw) break;
      FM_CHECK(inflateReset(&stream) == Z_OK);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      out.damaged = true;
    } else if (stream.avail_out > 0) {
      break;  // Nothing is left to read.
    }
  }
  out.cut = inside && !out.damaged && !out.full;
  inflateEnd(&stream);
  return out;
}

Inflated by_ours(parsers::Inflater::Gzip gzip, std::string_view bytes, const fuzz::Pieces& pieces,
                 std::size_t room_bytes) {
  Inflated out;
  parsers::Inflater inflater{parsers::Compression::kGzip, gzip};
  std::string room(room_bytes, '\0');
  fuzz::for_each_piece(bytes, pieces, [&](std::string_view piece) {
    while (!out.damaged && !out.full) {
      if (inflater.between_members()) {
        const std::size_t padding = parsers::member_padding_bytes(piece);
        piece.remove_prefix(padding);
        out.taken_bytes += padding;
        if (piece.empty()) return;
      }
      const parsers::InflateResult result = inflater.inflate(piece, room.data(), room.size());
      FM_CHECK(result.taken_bytes <= piece.size());
      FM_CHECK(result.put_bytes <= room.size());
      piece.remove_prefix(result.taken_bytes);
      out.taken_bytes += result.taken_bytes;
      out.plain.append(room, 0, result.put_bytes);
      out.full = out.plain.size() > kPlainBytesMax;
      out.damaged = result.status == InflateStatus::kDamaged;
      out.members += result.status == InflateStatus::kMemberEnd ? 1 : 0;
      if (result.status == InflateStatus::kNeedInput) {
        FM_CHECK(piece.empty());
        return;
      }
    }
  });
  out.cut = !inflater.between_members() && !out.damaged && !out.full;
  char held_back[parsers::Inflater::kHeldBackBytesMax];
  if (out.cut) out.plain.append(held_back, inflater.held_back(held_back));
  return out;
}

bool begin_alike(std::string_view a, std::string_view b) noexcept {
  const std::size_t common = std::min(a.size(), b.size());
  return a.substr(0, common) == b.substr(0, common);
}

void check_alike(const Inflated& expected, const Inflated& got) {
  FM_CHECK(begin_alike(expected.plain, got.plain));
  if (expected.full || got.full) return;
  if (expected.damaged) {
    // ISA-L takes code sets that zlib calls incomplete; a member ends with a true checksum, though.
    FM_CHECK(got.members >= expected.members);
    return;
  }
  // ISA-L may see what is wrong with a cut block before zlib has read as far.
  if (expected.cut && got.damaged) return;
  FM_CHECK(!got.damaged);
  FM_CHECK(got.cut == expected.cut);
  FM_CHECK(got.members == expected.members);
  FM_CHECK(got.taken_bytes == expected.taken_bytes);
  FM_CHECK(got.plain.size() <= expected.plain.size());
  // Held back may be a literal behind the same one.
  FM_CHECK(got.plain.size() + (expected.cut ? 1 : 0) >= expected.plain.size());
}

void check(std::string_view bytes, const fuzz::Pieces& pieces, std::size_t room_bytes) {
  const Inflated expected = by_zlib(bytes, Framing::kGzipMembers);
  for (const auto gzip : {parsers::Inflater::Gzip::kFastest, parsers::Inflater::Gzip::kZlib})
    check_alike(expected, by_ours(gzip, bytes, pieces, room_bytes));
}

void append_little_endian(std::string& out, std::uint64_t number, int bytes) {
  for (; bytes > 0; --bytes, number >>= 8) out += static_cast<char>(number & 0xff);
}

/// A header with the optional parts that `flags` names, and a true checksum of it.
std::string header(std::uint8_t flags) {
  std::string out{"\x1f\x8b\x08", 3};
  out += static_cast<char>(flags & 0x1e);
  out += std::string("\0\0\0\0\0\3", 6);
  if ((flags & 4) != 0) out += std::string("\5\0extra", 7);
  if ((flags & 8) != 0) out += std::string("name\0", 5);
  if ((flags & 16) != 0) out += std::string("comment\0", 8);
  if ((flags & 2) != 0) {
    const uLong checksum =
        crc32(0, reinterpret_cast<const Bytef*>(out.data()), static_cast<uInt>(out.size()));
    append_little_endian(out, checksum & 0xffff, 2);
  }
  return out;
}

std::string member(std::string_view deflated, std::string_view plain, std::uint8_t flags) {
  std::string out = header(flags);
  out += deflated;
  const uLong checksum =
      crc32(0, reinterpret_cast<const Bytef*>(plain.data()), static_cast<uInt>(plain.size()));
  append_little_endian(out, checksum, 4);
  append_little_endian(out, plain.size(), 4);
  return out;
}

std::string deflated(std::string_view plain, int level, int strategy) {
  z_stream stream{};
  FM_CHECK(deflateInit2(&stream, level, Z_DEFLATED, -15, 1, strategy) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(plain.size())) + 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  FM_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

/// The bytes in three members of unequal kind, with padding between, one byte changed or not.
std::string members_of(std::string_view plain, std::uint8_t kind, std::uint8_t where) {
  std::string file;
  for (int i = 0; i < 3; ++i) {
    const std::string_view part = plain.substr(0, i < 2 ? plain.size() / 3 : plain.size());
    plain.remove_prefix(part.size());
    file += member(deflated(part, (kind + i) % 10, (kind / 16 + i) % 5), part,
                   static_cast<std::uint8_t>(kind >> i));
    file.append(kind % 3, '\0');
  }
  if (where >= 0x80) {
    char& byte = file[(where - 0x80u) * file.size() / 0x80];
    byte = static_cast<char>(byte ^ (1 << where % 8));
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const fuzz::Pieces pieces{input};
  const std::size_t room_bytes = input.choice() * 8u + 1;
  const std::uint8_t kind = input.choice();
  const std::uint8_t where = input.choice();
  const std::string_view bytes = input.rest();
  check(bytes, pieces, room_bytes);
  check(members_of(bytes, kind, where), pieces, room_bytes);

  const Inflated raw = by_zlib(bytes, Framing::kOneRawStream);
  if (raw.full) return 0;
  check(member(bytes.substr(0, raw.taken_bytes), raw.plain, kind), pieces, room_bytes);
  return 0;
}
