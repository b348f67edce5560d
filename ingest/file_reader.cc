#include "ingest/file_reader.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "ingest/files_source.h"
#include "parsers/inflate.h"

namespace fleetmeter::ingest {

namespace {

std::string errno_text() { return std::strerror(errno); }

/// Does `fd` still begin with the bytes that `position` was made on, and is it no shorter than what
/// was read of it?
bool is_same_file(int fd, const std::string& path, const FileIdentity& identity,
                  const FilePosition& position) {
  if (identity.size < position.size) return false;
  if (position.head_bytes == 0) return true;
  const auto head = identify(fd, {}, path, position.head_bytes);
  return head && head->head_bytes == position.head_bytes && head->head_hash == position.head_hash;
}

}  // namespace

bool is_plain(int fd) {
  std::array<char, 4> magic{};
  const ssize_t got = pread(fd, magic.data(), magic.size(), 0);
  return got == static_cast<ssize_t>(magic.size()) &&
         parsers::compression_of({magic.data(), magic.size()}) == parsers::Compression::kNone;
}

FileReader::FileReader(const SourceContext& context, const SourceSettings& settings,
                       InflateAhead inflate_ahead)
    : context_(context),
      settings_(settings),
      batcher_(context, settings, settings.name),
      inflate_ahead_(inflate_ahead) {}

void FileReader::report_bad(const std::string& path, const std::string& why) {
  {
    const std::lock_guard lock(context_.counters.mutex);
    if (!context_.counters.bad_inputs.insert_or_assign(path, why).second) return;
  }
  ++context_.counters.files_failed;
  if (!settings_.bounded) spdlog::warn("{}: {} {}", settings_.name, path, why);
}

void FileReader::forget_bad(const std::string& path) {
  const std::lock_guard lock(context_.counters.mutex);
  context_.counters.bad_inputs.erase(path);
}

void FileReader::notice(const std::string& text) {
  if (!settings_.bounded) return spdlog::warn("{}: {}", settings_.name, text);
  const std::lock_guard lock(context_.counters.mutex);
  context_.counters.notices.push_back(text);
}

Result<std::optional<FilePosition>> FileReader::stored_position(const std::string& key) {
  // Read already, to be committed with what follows.
  if (const auto waiting = positions_.find(key); waiting != positions_.end())
    return decode_position(waiting->second);
  auto stored = context_.log.source_position(key);
  if (!stored) return std::move(stored).error();
  return *stored ? decode_position(**stored) : std::nullopt;
}

void FileReader::resume(InputFile& file, const FilePosition& position) {
  const int fd = file.descriptor.get();
  file.identity.head_bytes = position.head_bytes;
  file.identity.head_hash = position.head_hash;
  if (file.object) {
    file.offset = position.size;
    return file.decoder.begin_object(*file.object, position.stream);
  }
  const bool plain = position.stream.member_start == 0 && is_plain(fd);
  file.offset = plain ? position.stream.plain_bytes : position.stream.member_start;
  (void)lseek(fd, static_cast<off_t>(file.offset), SEEK_SET);
  if (plain) {
    file.unpacker = parsers::Unpacker::of_plain(file.offset);
    file.decoder.resume_plain(position.stream);
  } else {
    file.unpacker = parsers::Unpacker(file.offset);
    file.decoder.resume(position.stream);
  }
}

FileReader::Open FileReader::open(const std::string& path, std::unique_ptr<InputFile>& file) {
  const int fd = open_input(path, O_NONBLOCK);
  if (fd < 0) {
    report_bad(path, errno_text());
    return Open::kBad;
  }
  const bool piped = path == "-" || is_piped(fd);
  auto identity = piped ? FileIdentity{} : identify(fd, settings_.name, path);
  auto opened = std::make_unique<InputFile>(fd, path, identity.value_or(FileIdentity{}),
                                            batcher_.decoder_options(), overlap_);
  if (!identity) {
    report_bad(path, errno_text());
    return Open::kBad;
  }
  if (piped) {
    file = std::move(opened);
    return Open::kOpened;
  }
  auto position = stored_position(identity->key);
  if (position && !*position && identity->named) {
    // Downloads get their name when they are whole; what was read under another name before is not
    // read again.
    position = stored_position(identity->inode_key);
    if (position && *position && !is_same_file(fd, path, *identity, **position)) position->reset();
  } else if (position && *position && !identity->named &&
             !is_same_file(fd, path, *identity, **position)) {
    position->reset();
  }
  if (!position) {
    failure_ = std::move(position).error();
    halted_ = true;
    return Open::kFailed;
  }
  if (is_parquet_file(fd)) {
    opened->object.emplace(fd);
    opened->decoder.begin_object(*opened->object);
  }
  if (*position) {
    if ((*position)->done && identity->size <= (*position)->size) return Open::kNothingNew;
    resume(*opened, **position);
  }
  file = std::move(opened);
  return Open::kOpened;
}

/// Notes how far the file has been read, to go with the next commit.
void FileReader::note(InputFile& file, bool done) {
  if (file.identity.key.empty()) return;
  FileIdentity& identity = file.identity;
  if (identity.head_bytes < kHeadBytesMax && file.offset > identity.head_bytes) {
    // It was smaller when it was first seen. The longer its known head, the surer it is told from
    // its successor, whose first line is often the same header.
    const FilePosition so_far{{}, identity.head_bytes, identity.head_hash, false, file.offset};
    const auto longer = identify(file.descriptor.get(), {}, file.path);
    if (longer && is_same_file(file.descriptor.get(), file.path, *longer, so_far)) {
      identity.head_bytes = longer->head_bytes;
      identity.head_hash = longer->head_hash;
    }
  }
  positions_[identity.key] =
      encode({file.decoder.position(), identity.head_bytes, identity.head_hash, done, file.offset});
}

void FileReader::count(InputFile& file, std::uint64_t raw_bytes) {
  batcher_.count(file.decoder, raw_bytes, file.path);
  for (const std::string& text : overlap_.take_notices()) notice(text);
}

FileReader::Turn FileReader::read_on(InputFile& file, std::uint64_t bytes_max,
                                     const std::stop_token& stop,
                                     const std::function<void(std::uint64_t)>& on_bytes) {
  overlap_.begin(file.path);
  if (file.object) return read_object(file, bytes_max, stop, on_bytes);
  const std::uint64_t begin = file.offset;
  FileTurn pieces(file.descriptor.get(), file.identity.key.empty(), file.unpacker, memory_,
                  bytes_max, inflate_ahead_);
  const Turn turn = read_pieces(file, pieces, stop, on_bytes);
  if (file.offset > begin && !halted_) {
    note(file, false);
    batcher_.behind();
  }
  return turn;
}

FileReader::Turn FileReader::read_pieces(InputFile& file, FileTurn& pieces,
                                         const std::stop_token& stop,
                                         const std::function<void(std::uint64_t)>& on_bytes) {
  while (!stop.stop_requested()) {
    const FileTurn::Next next = pieces.next();
    switch (next.step) {
      case FileTurn::Step::kPiece:
        break;
      case FileTurn::Step::kEnoughRead:
      case FileTurn::Step::kNothingYet:
        return Turn::kMore;
      case FileTurn::Step::kFileEnd:
        return Turn::kEnd;
      case FileTurn::Step::kFailed:
        report_bad(file.path, std::strerror(pieces.error_number()));
        return Turn::kBad;
    }
    const std::uint64_t bytes = next.piece->raw_bytes;
    file.decoder.take(*next.piece);
    file.offset += bytes;
    const std::string why = file.decoder.damaged() ? explain_bad_file(file.decoder) : "";
    count(file, bytes);
    if (on_bytes) on_bytes(bytes);
    if (!why.empty()) {
      report_bad(file.path, why);
      return Turn::kBad;
    }
    if (!batcher_.full()) continue;
    note(file, false);
    batcher_.behind();
    if (!commit(stop)) break;
  }
  return Turn::kStopped;
}

/// The same of an object, whose rows stand for its bytes.
FileReader::Turn FileReader::read_object(InputFile& file, std::uint64_t bytes_max,
                                         const std::stop_token& stop,
                                         const std::function<void(std::uint64_t)>& on_bytes) {
  const std::uint64_t begin = file.offset;
  bool anything = false;
  Turn turn = Turn::kMore;
  while (turn == Turn::kMore && file.offset - begin < bytes_max) {
    if (stop.stop_requested()) {
      turn = Turn::kStopped;
      break;
    }
    const bool taken = file.decoder.read_object();
    anything = anything || taken;
    const std::uint64_t bytes =
        std::max(file.offset, file.decoder.object_bytes_done()) - file.offset;
    file.offset += bytes;
    const std::string why = file.decoder.damaged() ? explain_bad_file(file.decoder) : "";
    count(file, bytes);
    if (on_bytes && bytes > 0) on_bytes(bytes);
    if (!why.empty()) {
      report_bad(file.path, why);
      turn = Turn::kBad;
    } else if (!taken) {
      turn = Turn::kEnd;
    } else if (batcher_.full()) {
      note(file, false);
      batcher_.behind();
      if (!commit(stop)) return Turn::kStopped;
    }
  }
  if (anything) {
    note(file, false);
    batcher_.behind();
  }
  return turn;
}

void FileReader::finish(InputFile& file) {
  overlap_.begin(file.path);
  if (!file.object) {
    file.unpacker.end(memory_.slot.room, memory_.slot.piece);
    file.decoder.take(memory_.slot.piece);
  }
  const bool whole = file.decoder.finish();
  const std::string why = whole ? "" : explain_bad_file(file.decoder);
  count(file, 0);
  if (whole) ++context_.counters.files_done;
  if (!whole) report_bad(file.path, why);
  note(file, whole);  // One that was not whole is looked at, and reported, by the next run too.
}

bool FileReader::commit(const std::stop_token& stop) {
  if (halted_) return false;
  if (context_.fault) context_.fault("source.after_read");
  auto committed = batcher_.commit(std::move(positions_), {}, stop);
  positions_.clear();
  if (committed) return true;
  halted_ = true;
  // Unavailable, and told to stop meanwhile: no failure, the next start reads it again.
  if (committed.error().code != ErrorCode::kUnavailable || !stop.stop_requested())
    failure_ = std::move(committed).error();
  return false;
}

}  // namespace fleetmeter::ingest
