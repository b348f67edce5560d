#include "ingest/files_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <list>
#include <mutex>
#include <thread>

#include "ingest/batcher.h"
#include "ingest/file_position.h"

namespace fleetmeter::ingest {

namespace {

constexpr std::size_t kReadBytes = 1u << 20;
constexpr std::size_t kOpenFilesMax =
    512;  // Followed files kept open; the one read longest ago closes first.

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ > 0) close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

int open_input(const std::string& path) {
  return path == "-" ? 0 : open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

std::string errno_text() { return std::strerror(errno); }

/// One file being read: its decoder keeps the unfinished last line or member.
struct OpenFile {
  OpenFile(std::unique_ptr<Descriptor> descriptor_in, std::string path_in, FileIdentity identity_in,
           parsers::DecoderOptions options, parsers::PayloadSink& sink)
      : descriptor(std::move(descriptor_in)),
        path(std::move(path_in)),
        identity(std::move(identity_in)),
        decoder(std::move(options), sink) {}
  std::unique_ptr<Descriptor> descriptor;
  std::string path;
  FileIdentity identity;
  parsers::Decoder decoder;
  std::uint64_t offset = 0;  // Next byte to read.
  bool bad = false;          // Damaged: what follows cannot be read either.

  [[nodiscard]] FilePosition position(bool done) const {
    FilePosition made;
    made.stream = decoder.position();
    made.head_bytes = identity.head_bytes;
    made.head_hash = identity.head_hash;
    made.done = done;
    made.size = offset;
    return made;
  }
};

class FilesSource final : public Source {
 public:
  FilesSource(SourceContext context, FilesOptions options)
      : context_(std::move(context)),
        options_(std::move(options)),
        batcher_(context_, options_.settings, options_.settings.name) {}
  ~FilesSource() override { stop(); }

  Result<void> start() override;
  void stop() override;
  [[nodiscard]] bool finished() const override { return finished_.load(std::memory_order_acquire); }
  [[nodiscard]] std::optional<Error> failure() const override {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  [[nodiscard]] std::string blocked() const override { return batcher_.blocked(); }
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> event_time_range_s() const override {
    return batcher_.event_time_range_s();
  }

 private:
  void run_bounded(const std::stop_token& stop);
  void run_following(const std::stop_token& stop);
  bool read_whole(const std::string& path, const std::stop_token& stop);
  bool read_new(const std::string& path, const std::stop_token& stop);
  OpenFile* open_file(const std::string& path);
  bool follow_on(OpenFile& file, const std::stop_token& stop);
  bool commit(OpenFile* file, bool done, const std::stop_token& stop);
  void report_bad(const std::string& path, const std::string& why);
  void fail(Error error);
  [[nodiscard]] std::int64_t wall_ms() const {
    return context_.clock.wall().time_since_epoch().count();
  }

  SourceContext context_;
  FilesOptions options_;
  Batcher batcher_;
  std::vector<std::string> files_;  // Bounded: what to read, in order.
  std::uint64_t bytes_done_ = 0, bytes_all_ = 0;
  std::list<std::unique_ptr<OpenFile>> open_;  // Followed, most recently read first.
  std::map<std::string, std::string>
      done_;  // Followed: path -> identity key of files that need no look again.
  std::map<std::string, std::string> positions_;  // To go with the next commit.
  std::size_t uncommitted_bytes_ = 0;
  std::string buffer_ = std::string(kReadBytes, '\0');
  std::atomic<bool> finished_{false};
  mutable std::mutex mutex_;  // Guards failure_.
  std::optional<Error> failure_;
  std::jthread thread_;
};

Result<void> FilesSource::start() {
  if (!options_.follow) {
    auto expanded = expand_paths(options_.paths);
    if (!expanded) return std::move(expanded).error();
    files_ = *std::move(expanded);
    for (const std::string& file : files_) {
      std::error_code error;
      const auto size = std::filesystem::file_size(file, error);
      if (!error) bytes_all_ += size;
    }
  }
  thread_ = std::jthread([this](const std::stop_token& stop) {
    if (options_.follow) run_following(stop);
    if (!options_.follow) run_bounded(stop);
  });
  return {};
}

void FilesSource::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void FilesSource::fail(Error error) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(error);
}

void FilesSource::report_bad(const std::string& path, const std::string& why) {
  ++context_.counters.files_failed;
  const std::lock_guard lock(context_.counters.mutex);
  context_.counters.bad_inputs[path] = why;
}

/// Commits what was read of `file` with its position; false when stopped before it was durable, or
/// for good.
bool FilesSource::commit(OpenFile* file, bool done, const std::stop_token& stop) {
  if (file != nullptr) positions_[file->identity.key] = encode(file->position(done));
  if (context_.fault) context_.fault("source.after_read");
  auto committed = batcher_.commit(positions_, {}, stop);
  if (!committed) {
    if (committed.error().code != ErrorCode::kUnavailable) fail(std::move(committed).error());
    return false;
  }
  positions_.clear();
  uncommitted_bytes_ = 0;
  return true;
}

void FilesSource::run_bounded(const std::stop_token& stop) {
  for (const std::string& path : files_) {
    if (stop.stop_requested()) return;
    if (!read_whole(path, stop)) return;
  }
  batcher_.caught_up(wall_ms());
  if (!commit(nullptr, true, stop)) return;
  finished_.store(true, std::memory_order_release);
}

/// Reads one file to its end, from where an earlier run left it; false only when the source must
/// stop.
bool FilesSource::read_whole(const std::string& path, const std::stop_token& stop) {
  const std::uint64_t done_before = bytes_done_;
  OpenFile* file = open_file(path);
  if (file == nullptr) return !failure();
  bool to_the_end = true;
  std::string why;
  while (!file->bad) {
    const ssize_t got = read(file->descriptor->get(), buffer_.data(), buffer_.size());
    if (got < 0) {
      why = errno_text();
      to_the_end = false;
      break;
    }
    if (got == 0) break;
    const auto bytes = static_cast<std::size_t>(got);
    file->decoder.feed(std::string_view(buffer_).substr(0, bytes));
    file->offset += bytes;
    uncommitted_bytes_ += bytes;
    bytes_done_ += bytes;
    batcher_.count(file->decoder, bytes);
    batcher_.behind();
    if (context_.on_progress) context_.on_progress(bytes_done_, bytes_all_);
    if (uncommitted_bytes_ >= options_.settings.commit_bytes_max && !commit(file, false, stop))
      return false;
    if (stop.stop_requested()) return commit(file, false, stop) && false;
  }
  if (to_the_end && !file->decoder.finish()) {
    to_the_end = false;
    why = "is damaged or cut short; what could be read was kept";
  }
  batcher_.count(file->decoder, 0);
  if (to_the_end) ++context_.counters.files_done;
  if (!to_the_end) report_bad(path, why);
  bytes_done_ = done_before + file->offset;
  // Small files share a commit: their positions wait in positions_ until enough was read.
  positions_[file->identity.key] = encode(file->position(true));
  const bool full = uncommitted_bytes_ >= options_.settings.commit_bytes_max;
  open_.clear();
  return !full || commit(nullptr, true, stop);
}

/// Opens a file at its committed position; null when there is nothing to read in it or it cannot be
/// opened.
OpenFile* FilesSource::open_file(const std::string& path) {
  const int fd = open_input(path);
  if (fd < 0) {
    report_bad(path, errno_text());
    return nullptr;
  }
  auto descriptor = std::make_unique<Descriptor>(fd);
  auto identity = identify(fd, options_.settings.name, path);
  if (!identity) {
    report_bad(path, errno_text());
    return nullptr;
  }
  std::optional<FilePosition> position;
  if (const auto waiting = positions_.find(identity->key); waiting != positions_.end()) {
    position =
        decode_position(waiting->second);  // Read already, to be committed with what follows.
  } else if (path != "-") {
    auto stored = context_.log.source_position(identity->key);
    if (!stored) {
      fail(std::move(stored).error());
      return nullptr;
    }
    if (*stored) position = decode_position(**stored);
  }
  if (position && !identity->named) {
    // The same file only if it still begins with the bytes it began with, and is no shorter than
    // what was read of it.
    const auto head =
        identify(fd, options_.settings.name, path, std::max(position->head_bytes, 1u));
    const bool same =
        head && (position->head_bytes == 0 || (head->head_bytes == position->head_bytes &&
                                               head->head_hash == position->head_hash));
    const std::uint64_t read_to = position->done ? position->size : position->stream.member_start;
    if (!same || identity->size < read_to) position.reset();
    if (position && position->head_bytes != 0) {
      identity->head_bytes = position->head_bytes;
      identity->head_hash = position->head_hash;
    }
  }
  if (position && position->done &&
      (identity->named || (!options_.follow && identity->size <= position->size))) {
    done_[path] = identity->key;
    return nullptr;
  }
  if (position && path != "-")
    (void)lseek(fd, static_cast<off_t>(position->stream.member_start), SEEK_SET);
  open_.push_front(std::make_unique<OpenFile>(std::move(descriptor), path, *std::move(identity),
                                              batcher_.decoder_options(), batcher_.sink()));
  OpenFile& file = *open_.front();
  if (position) {
    file.decoder.resume(position->stream);
    file.offset = position->stream.member_start;
  }
  return &file;
}

void FilesSource::run_following(const std::stop_token& stop) {
  auto last_commit = context_.clock.steady();
  while (!stop.stop_requested()) {
    const std::int64_t poll_began_ms = wall_ms();
    bool found = false;
    if (const auto expanded = expand_paths(options_.paths)) {
      for (const std::string& path : *expanded) {
        if (stop.stop_requested()) break;
        found = read_new(path, stop) || found;
        if (failure()) return;
      }
    }
    if (!found) batcher_.caught_up(poll_began_ms);
    const bool due =
        context_.clock.steady() - last_commit >= Milliseconds(options_.settings.commit_interval_ms);
    if ((due && (batcher_.has_records() || !positions_.empty())) || batcher_.progress_due()) {
      if (!commit(nullptr, false, stop) && failure()) return;
      last_commit = context_.clock.steady();
    }
    if (!found) std::this_thread::sleep_for(Milliseconds(options_.poll_interval_ms));
  }
  (void)commit(nullptr, false, stop);
}

/// Reads what a followed file has more than before; true when there was something.
bool FilesSource::read_new(const std::string& path, const std::stop_token& stop) {
  const auto known = std::find_if(open_.begin(), open_.end(),
                                  [&](const auto& file) { return file->path == path; });
  if (known != open_.end()) {
    const int fd = open_input(path);
    if (fd < 0) return false;
    const Descriptor holder(fd);
    const auto now =
        identify(fd, options_.settings.name, path, std::max((*known)->identity.head_bytes, 1u));
    const bool same =
        now && now->key == (*known)->identity.key && now->size >= (*known)->offset &&
        ((*known)->identity.head_bytes == 0 || now->head_hash == (*known)->identity.head_hash);
    if (same) {
      if (now->size == (*known)->offset || (*known)->bad) return false;
      if ((*known)->identity.head_bytes == 0) (*known)->identity = *now;
      return follow_on(**known, stop);
    }
    (void)follow_on(**known, stop);  // The rest of the file that went under another name.
    open_.erase(known);
    done_.erase(path);
  }
  if (const auto done = done_.find(path); done != done_.end()) {
    if (done->second.find("/name:") != std::string::npos) return false;
    done_.erase(done);
  }
  OpenFile* file = open_file(path);
  if (file == nullptr) return false;
  if (open_.size() > kOpenFilesMax) open_.pop_back();
  return follow_on(*file, stop);
}

bool FilesSource::follow_on(OpenFile& file, const std::stop_token& stop) {
  bool found = false;
  while (!file.bad && !stop.stop_requested()) {
    const ssize_t got = read(file.descriptor->get(), buffer_.data(), buffer_.size());
    if (got <= 0) break;
    found = true;
    const auto bytes = static_cast<std::size_t>(got);
    file.decoder.feed(std::string_view(buffer_).substr(0, bytes));
    file.offset += bytes;
    uncommitted_bytes_ += bytes;
    batcher_.count(file.decoder, bytes);
    batcher_.behind();
    positions_[file.identity.key] = encode(file.position(false));
    if (uncommitted_bytes_ >= options_.settings.commit_bytes_max && !commit(&file, false, stop))
      return found;
  }
  if (found && file.identity.named) {
    // Objects are whole when they appear under their name: nothing will be appended.
    const bool whole = file.decoder.finish();
    batcher_.count(file.decoder, 0);
    if (!whole) report_bad(file.path, "is damaged or cut short; what could be read was kept");
    if (whole) ++context_.counters.files_done;
    positions_[file.identity.key] = encode(file.position(true));
    file.bad = true;
  }
  return found;
}

}  // namespace

std::unique_ptr<Source> make_files_source(SourceContext context, FilesOptions options) {
  return std::make_unique<FilesSource>(std::move(context), std::move(options));
}

bool decode_file(const std::string& path, parsers::Decoder& decoder, std::string& error,
                 const std::function<void(std::uint64_t)>& on_bytes) {
  const int fd = open_input(path);
  if (fd < 0) {
    error = errno_text();
    return false;
  }
  const Descriptor holder(fd);
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0) {
      error = errno_text();
      return false;
    }
    if (got == 0) break;
    decoder.feed(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
    if (on_bytes) on_bytes(static_cast<std::uint64_t>(got));
  }
  if (decoder.finish()) return true;
  error = "is damaged or cut short; what could be read was kept";
  return false;
}

}  // namespace fleetmeter::ingest
