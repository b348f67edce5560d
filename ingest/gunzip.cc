#include "ingest/gunzip.h"

#include <algorithm>

#include "parsers/inflate.h"

namespace fleetmeter::ingest {

Gunzip gunzip(std::string_view body, std::string& out, std::size_t bytes_max) {
  constexpr std::size_t kPieceBytes = 256 * 1024, kRoomBytesMin = 16 * 1024;
  out.clear();
  parsers::Inflater inflater(parsers::Compression::kGzip);
  std::size_t put = 0;
  bool ended = false, more_output = false;
  while (!body.empty() || more_output) {
    if (inflater.between_members()) {
      body.remove_prefix(parsers::member_padding_bytes(body));
      if (body.empty()) break;
    }
    if (put > bytes_max) return Gunzip::kTooLarge;
    // Not for each of very many small members: what is added is cleared.
    if (out.size() - put < kRoomBytesMin) out.resize(std::min(put + kPieceBytes, bytes_max + 1));
    const parsers::InflateResult piece = inflater.inflate(body, out.data() + put, out.size() - put);
    put += piece.put_bytes;
    body.remove_prefix(piece.taken_bytes);
    if (piece.status == parsers::InflateStatus::kDamaged) return Gunzip::kDamaged;
    ended = piece.status == parsers::InflateStatus::kMemberEnd;
    more_output = piece.status == parsers::InflateStatus::kNeedRoom;
  }
  out.resize(put);
  if (out.size() > bytes_max) return Gunzip::kTooLarge;
  return ended || inflater.between_members() ? Gunzip::kDone : Gunzip::kDamaged;
}

}  // namespace fleetmeter::ingest
