#include "ingest/gunzip.h"

#include <algorithm>

#include "parsers/inflate.h"

namespace fleetmeter::ingest {

Gunzip gunzip(std::string_view body, std::string& out, std::size_t bytes_max) {
  constexpr std::size_t kPieceBytes = 256 * 1024;
  out.clear();
  parsers::Inflater inflater(parsers::Compression::kGzip);
  bool ended = false, more_output = false;
  while (!body.empty() || more_output) {
    if (inflater.between_members() && parsers::is_member_padding(body)) break;
    const std::size_t before = out.size();
    if (before > bytes_max) return Gunzip::kTooLarge;
    out.resize(before + std::min(kPieceBytes, bytes_max + 1 - before));
    const parsers::InflateResult piece =
        inflater.inflate(body, out.data() + before, out.size() - before);
    out.resize(before + piece.put_bytes);
    body.remove_prefix(piece.taken_bytes);
    if (piece.status == parsers::InflateStatus::kDamaged) return Gunzip::kDamaged;
    ended = piece.status == parsers::InflateStatus::kMemberEnd;
    more_output = piece.status == parsers::InflateStatus::kNeedRoom;
  }
  if (out.size() > bytes_max) return Gunzip::kTooLarge;
  return ended || inflater.between_members() ? Gunzip::kDone : Gunzip::kDamaged;
}

}  // namespace fleetmeter::ingest
