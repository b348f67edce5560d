#include "ingest/followed_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "ingest/compressed_copies.h"

namespace fleetmeter::ingest {

namespace {

constexpr std::size_t kOpenFilesMax = 512;  // Of a source, however many descriptors there are.
constexpr std::uint64_t kTurnBytesMax =
    16u << 20;  // Of one file a poll, so that one backlog does not starve the rest.
constexpr std::uint64_t kMagicBytes = 4;  // Fewer do not show what a file is.
constexpr auto kIdleCloses = std::chrono::seconds(60);
constexpr const char* kIncomplete =
    "is incomplete and has not grown for a minute; what is there was read, the rest is when it "
    "comes";

std::int64_t changed_ns_of(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

std::string inode_of(const struct stat& status) {
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

/// Does it no longer begin with what it was known by?
bool has_other_head(int fd, const std::string& path, const FileIdentity& known) {
  if (known.head_bytes == 0) return false;
  const auto now = identify(fd, {}, path, known.head_bytes);
  return !now || now->head_hash != known.head_hash || now->head_bytes != known.head_bytes;
}

bool is_text(const InputFile& file) {
  return !file.decoder.is_object() && is_plain(file.descriptor.get());
}

}  // namespace

bool FollowedFiles::poll(const std::vector<std::string>& paths, const std::stop_token& stop) {
  bool found = false;
  for (auto& [inode, followed] : files_) followed.seen = false;
  for (const std::string& path : paths) {
    if (stop.stop_requested() || reader_.halted()) return found;
    found = look(path, stop) || found;
  }
  found = leave_unseen(stop) || found;
  close_idle();
  has_polled_ = true;
  return found;
}

/// Reads what the file at `path` has more than before; true when there was something.
bool FollowedFiles::look(const std::string& path, const std::stop_token& stop) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) reader_.report_bad(path, std::strerror(errno));
    return false;  // Gone since it was listed: it may come back under another name.
  }
  if (!S_ISREG(status.st_mode)) {
    reader_.report_bad(path, "is no regular file");
    return false;
  }
  const auto size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  const std::int64_t changed_ns = changed_ns_of(status);
  const std::string inode = inode_of(status);
  const auto [at, is_new] = files_.try_emplace(inode);
  Followed& followed = at->second;
  if (followed.seen) return false;  // Two names of one file.
  followed.seen = true;
  if (is_new) notice_twin(path);
  const bool named = is_aws_object_name(std::filesystem::path(path).filename().string());
  const bool renamed = followed.named != named;
  followed.path = path;
  followed.named = named;
  const bool changed = is_new || size != followed.read_bytes || changed_ns != followed.changed_ns;
  if (!changed && !renamed) return false;

  // Shorter, or another text in the same place: opening it anew finds out and begins at its front.
  // So does a name that identifies: what was read of it without the name goes on under it.
  bool anew = renamed || size < followed.read_bytes || (size == followed.read_bytes && !is_new);
  if (!anew && followed.file)
    anew = has_other_head(followed.file->descriptor.get(), path, followed.file->identity);
  if (!anew && followed.damaged) {
    const Descriptor reopened(open_input(path, O_NONBLOCK));
    anew = has_other_head(reopened.get(), path, *followed.damaged);
  }
  if (anew) followed.file.reset();
  if (anew) followed.damaged.reset();
  followed.changed_ns =
      changed_ns;  // From before it is read: what is written meanwhile is seen by the next poll.
  if (followed.damaged) {
    followed.read_bytes = size;
    return false;
  }
  if (!followed.file) {
    // Some at a time, so that many new files are not as many searches for the quietest.
    if (open_files_ >= open_files_max()) close_quietest(open_files_max() * 3 / 4);
    switch (reader_.open(path, followed.file)) {
      case FileReader::Open::kOpened:
        ++open_files_;
        reader_.forget_bad(path);
        followed.read_at = clock_.steady();
        break;
      case FileReader::Open::kNothingNew:
        followed.read_bytes = size;
        return false;
      case FileReader::Open::kBad:
      case FileReader::Open::kFailed:
        files_.erase(at);
        return false;
    }
  }
  return read(followed, stop);
}

/// A file and what it was compressed to are two files here, and which is read when is chance.
void FollowedFiles::notice_twin(const std::string& path) {
  const std::string plain = name_before_compression(path);
  if (plain.empty()) return;
  struct stat status {};
  const bool exists = stat(plain.c_str(), &status) == 0;
  // One that is there was looked at before, as its name is shorter; one that is gone was followed up
  // to now. The first poll knows of none, and may find very many files.
  const bool is_twin = exists ? files_.contains(inode_of(status))
                              : has_polled_ && std::ranges::any_of(files_, [&](const auto& entry) {
                                  return entry.second.path == plain;
                                });
  if (is_twin) {
    reader_.notice(path + " seems to be " + plain +
                   " compressed, and counts once more: let `paths` match one of the two");
  }
}

bool FollowedFiles::read(Followed& followed, const std::stop_token& stop) {
  InputFile& file = *followed.file;
  const std::uint64_t offset_before = file.offset;
  const FileReader::Turn turn = reader_.read_on(file, kTurnBytesMax, stop);
  const bool found = file.offset != offset_before;
  followed.read_bytes = file.offset;
  if (found) followed.read_at = clock_.steady();
  if (turn == FileReader::Turn::kBad) {
    followed.damaged = file.identity;
    followed.file.reset();
    return found;
  }
  // An object is uploaded whole. While a member is unfinished it is still being copied here; once
  // all of them are whole nothing will be appended, and its last line needs no line end. Plain text
  // does not show it.
  if (turn == FileReader::Turn::kEnd && (followed.named || file.decoder.is_object()) &&
      file.offset >= kMagicBytes && !file.decoder.inside_member() && !is_text(file)) {
    reader_.finish(file);
    followed.file.reset();
  }
  return found;
}

/// Files that no path leads to any more: rotated away or deleted, perhaps still written to by who
/// has them open.
bool FollowedFiles::leave_unseen(const std::stop_token& stop) {
  bool found = false;
  for (auto at = files_.begin(); at != files_.end();) {
    Followed& followed = at->second;
    if (!followed.seen && followed.file) found = read(followed, stop) || found;
    at = !followed.seen && !followed.file ? files_.erase(at) : std::next(at);
  }
  return found;
}

void FollowedFiles::close_idle() {
  const SteadyTime now = clock_.steady();
  open_files_ = 0;
  for (auto& [inode, followed] : files_) {
    if (!followed.file) continue;
    if (now - followed.read_at >= kIdleCloses) {
      // Whole, it would have been finished. Should the rest come after all, it is read.
      if (followed.named && is_text(*followed.file)) {
        reader_.finish(*followed.file);
      } else if (followed.named) {
        reader_.report_bad(followed.path, kIncomplete);
      }
      followed.file.reset();
    } else {
      ++open_files_;
    }
  }
  if (open_files_ > open_files_max()) close_quietest(open_files_max());
}

/// Closes those that have been quiet for longest until `keep` are open.
void FollowedFiles::close_quietest(std::size_t keep) {
  std::vector<Followed*> open;
  for (auto& [inode, followed] : files_) {
    if (followed.file) open.push_back(&followed);
  }
  open_files_ = std::min(open.size(), keep);
  std::sort(open.begin(), open.end(),
            [](const Followed* a, const Followed* b) { return a->read_at < b->read_at; });
  for (std::size_t i = 0; i < open.size() - open_files_; ++i) open[i]->file.reset();
}

std::size_t FollowedFiles::open_files_max() const noexcept {
  return std::min(kOpenFilesMax, descriptors_.count());
}

}  // namespace fleetmeter::ingest
