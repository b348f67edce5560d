#include "ingest/compressed_copies.h"

#include <fcntl.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include "ingest/file_bytes.h"
#include "ingest/file_turn.h"

namespace fleetmeter::ingest {

namespace {

constexpr std::string_view kExtensions[] = {".gz", ".zst"};

/// Whether the file begins with `text` at `offset`; `room` is to compare in.
bool holds(const FileBytes& file, std::uint64_t offset, std::string_view text, std::string& room) {
  room.resize(text.size());
  return file.read(offset, room.data(), room.size()) && room == text;
}

/// A compressed file that is cut short, as one that is still being written, may be a copy; one that
/// is damaged, or cannot be read, is none.
bool begins_with(const std::string& plain, const std::string& compressed) {
  const Descriptor plain_file(open_input(plain, O_NONBLOCK));
  const Descriptor compressed_file(open_input(compressed, O_NONBLOCK));
  if (plain_file.get() < 0 || compressed_file.get() < 0 || is_piped(plain_file.get()) ||
      is_piped(compressed_file.get()))
    return false;
  const FileBytes bytes(plain_file.get());
  parsers::Unpacker unpacker;
  PieceMemory memory;
  std::string room;
  std::uint64_t offset = 0;
  FileTurn pieces(compressed_file.get(), false, unpacker, memory,
                  std::numeric_limits<std::uint64_t>::max(), InflateAhead::kNever);
  for (auto next = pieces.next(); next.step != FileTurn::Step::kFileEnd; next = pieces.next()) {
    if (next.piece == nullptr || next.piece->broken) return false;
    if (!holds(bytes, offset, next.piece->plain, room)) return false;
    offset += next.piece->plain.size();
  }
  unpacker.end(memory.slot.room, memory.slot.piece);
  return holds(bytes, offset, memory.slot.piece.plain, room);
}

}  // namespace

std::string name_before_compression(const std::string& path) {
  for (const std::string_view extension : kExtensions) {
    if (path.ends_with(extension)) return path.substr(0, path.size() - extension.size());
  }
  return {};
}

std::string to_text(const CompressedTwin& twin) {
  return twin.is_copy
             ? twin.compressed + " holds nothing that " + twin.plain + " does not, and is left out"
             : twin.compressed + " and " + twin.plain +
                   " are both read: by their names one is the other's compressed form, but "
                   "they hold different text; what is in both counts twice";
}

std::vector<CompressedTwin> take_out_compressed_copies(std::vector<std::string>& files) {
  const std::set<std::string> names(files.begin(), files.end());
  std::vector<CompressedTwin> twins;
  std::erase_if(files, [&](const std::string& path) {
    const std::string plain = name_before_compression(path);
    if (plain.empty() || !names.contains(plain)) return false;
    twins.push_back({plain, path, begins_with(plain, path)});
    return twins.back().is_copy;
  });
  return twins;
}

}  // namespace fleetmeter::ingest
