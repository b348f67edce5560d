#include "ingest/files_source.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <mutex>
#include <thread>

#include "ingest/compressed_copies.h"
#include "ingest/file_reader.h"
#include "ingest/followed_files.h"

namespace fleetmeter::ingest {

namespace {

constexpr std::uint64_t kTurnBytes = 4u << 20;  // Between two looks at the clock.
constexpr std::uint64_t kWholeFile = std::numeric_limits<std::uint64_t>::max();

class FilesSource final : public Source {
 public:
  FilesSource(SourceContext context, FilesOptions options)
      : context_(std::move(context)),
        options_(std::move(options)),
        reader_(context_, options_.settings, options_.inflate_ahead) {}
  ~FilesSource() override { stop(); }

  Result<void> start() override;
  void stop() override;
  [[nodiscard]] bool finished() const override { return finished_.load(std::memory_order_acquire); }
  [[nodiscard]] std::optional<Error> failure() const override {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  [[nodiscard]] std::string blocked() const override { return batcher_.blocked(); }
  /// Once finished() is true.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> event_time_range_s() const override {
    return batcher_.event_time_range_s();
  }

 private:
  void run(const std::stop_token& stop);
  void run_bounded(const std::stop_token& stop);
  void run_following(const std::stop_token& stop);
  bool read_whole(const std::string& path, const std::stop_token& stop);
  bool follow_standard_input(const std::stop_token& stop);
  [[nodiscard]] std::vector<std::string> expand_now();
  bool commit_if_due(const std::stop_token& stop);
  void keep_time(const std::stop_token& stop);
  [[nodiscard]] std::int64_t wall_ms() const {
    return context_.clock.wall().time_since_epoch().count();
  }

  SourceContext context_;
  FilesOptions options_;
  FileReader reader_;
  Batcher& batcher_ = reader_.batcher();
  std::vector<std::string> files_;  // Bounded: what to read, in order.
  std::uint64_t bytes_done_ = 0, bytes_all_ = 0;
  std::unique_ptr<InputFile> standard_input_;
  SteadyTime committed_at_{};
  std::atomic<bool> finished_{false};
  mutable std::mutex mutex_;  // Guards failure_.
  std::optional<Error> failure_;
  std::jthread thread_;
};

Result<void> FilesSource::start() {
  if (!options_.follow) {
    ExpandedPaths expanded = expand_paths(options_.paths);
    if (expanded.files.empty() && !expanded.missing.empty()) {
      const auto& [path, why] = expanded.missing.front();
      return Error{ErrorCode::kNotFound, path + ": " + why};
    }
    for (const auto& [path, why] : expanded.missing) reader_.report_bad(path, why);
    files_ = std::move(expanded.files);
    for (const CompressedTwin& twin : take_out_compressed_copies(files_))
      reader_.notice(to_text(twin));
    for (const std::string& file : files_) {
      std::error_code error;
      const auto size = std::filesystem::file_size(file, error);
      if (!error) bytes_all_ += size;
    }
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  return {};
}

void FilesSource::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void FilesSource::run(const std::stop_token& stop) {
  committed_at_ = context_.clock.steady();
  batcher_.refresh();
  if (options_.follow) run_following(stop);
  if (!options_.follow) run_bounded(stop);
  if (reader_.failure()) {
    const std::lock_guard lock(mutex_);
    failure_ = reader_.failure();
  }
}

/// False when the source must end.
bool FilesSource::commit_if_due(const std::stop_token& stop) {
  const SteadyTime now = context_.clock.steady();
  const bool waited = now - committed_at_ >= Milliseconds(options_.settings.commit_interval_ms);
  const bool anything = batcher_.has_records() || reader_.has_positions();
  if (!(waited && anything) && !batcher_.progress_due()) return true;
  committed_at_ = now;
  return reader_.commit(stop);
}

void FilesSource::run_bounded(const std::stop_token& stop) {
  // The first progress says that there is something to read, before live sources drive the clock.
  if (options_.beside_live && !commit_if_due(stop)) return;
  for (const std::string& path : files_) {
    if (!read_whole(path, stop)) {
      (void)reader_.commit(stop);  // What was read before the stop.
      return;
    }
  }
  batcher_.caught_up(wall_ms());
  if (!reader_.commit(stop)) return;
  finished_.store(true, std::memory_order_release);
  if (options_.beside_live) keep_time(stop);
}

/// Beside live sources the files that were read stay a source that is caught up: silent, it would
/// hold back the clock of the environments that it carried.
void FilesSource::keep_time(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    batcher_.caught_up(wall_ms());
    if (!commit_if_due(stop)) return;
    std::this_thread::sleep_for(Milliseconds(options_.poll_interval_ms));
  }
}

/// Reads one file to its end, from where an earlier run left it; false only when the source must
/// stop.
bool FilesSource::read_whole(const std::string& path, const std::stop_token& stop) {
  std::unique_ptr<InputFile> file;
  const auto opened = reader_.open(path, file);
  if (opened == FileReader::Open::kFailed) return false;
  std::error_code no_size;
  const auto size = path == "-" ? 0 : std::filesystem::file_size(path, no_size);
  const std::uint64_t done_after = bytes_done_ + (no_size ? 0 : size);
  const auto show = [this] {
    if (context_.on_progress) context_.on_progress(bytes_done_, bytes_all_);
  };
  auto turn =
      opened == FileReader::Open::kOpened ? FileReader::Turn::kMore : FileReader::Turn::kBad;
  if (file) bytes_done_ += file->offset;  // Read by an earlier run.
  // Where nothing else wakes the reader of the log, small commits are wasted.
  const std::uint64_t turn_bytes = options_.beside_live ? kTurnBytes : kWholeFile;
  while (turn == FileReader::Turn::kMore) {
    turn = reader_.read_on(*file, turn_bytes, stop, [&](std::uint64_t bytes) {
      bytes_done_ += bytes;
      show();
    });
    if (options_.beside_live && !commit_if_due(stop)) return false;
  }
  if (turn == FileReader::Turn::kStopped) return false;
  if (turn == FileReader::Turn::kEnd) reader_.finish(*file);
  if (path != "-") bytes_done_ = done_after;
  show();
  // Small files share a commit: their positions wait with the reader.
  return !stop.stop_requested();
}

/// What the paths match now. One that matches nothing yet keeps nobody from reading the others.
std::vector<std::string> FilesSource::expand_now() {
  ExpandedPaths all = expand_paths(options_.paths);
  std::erase(all.files, "-");
  context_.counters.files_missing = all.missing.size();
  return std::move(all.files);
}

void FilesSource::run_following(const std::stop_token& stop) {
  FollowedFiles followed(reader_, context_.clock);
  if (std::find(options_.paths.begin(), options_.paths.end(), "-") != options_.paths.end())
    (void)reader_.open("-", standard_input_);
  while (!stop.stop_requested() && !reader_.halted()) {
    const std::int64_t poll_began_ms = wall_ms();
    batcher_.refresh();
    bool found = followed.poll(expand_now(), stop);
    found = follow_standard_input(stop) || found;
    if (!found && !stop.stop_requested()) batcher_.caught_up(poll_began_ms);
    if (!commit_if_due(stop)) return;
    if (!found) std::this_thread::sleep_for(Milliseconds(options_.poll_interval_ms));
  }
  (void)reader_.commit(stop);
}

bool FilesSource::follow_standard_input(const std::stop_token& stop) {
  if (!standard_input_) return false;
  const std::uint64_t before = standard_input_->offset;
  const auto turn = reader_.read_on(*standard_input_, kTurnBytes, stop);
  const bool found = standard_input_->offset != before;
  if (turn == FileReader::Turn::kEnd) reader_.finish(*standard_input_);
  if (turn == FileReader::Turn::kEnd || turn == FileReader::Turn::kBad) standard_input_.reset();
  return found;
}

bool finish_file(parsers::Decoder& decoder, std::string& error) {
  if (decoder.finish()) return true;
  error = explain_bad_file(decoder);
  return false;
}

bool decode_object(int fd, parsers::Decoder& decoder, std::string& error,
                   const std::function<void(std::uint64_t)>& on_bytes) {
  const FileBytes bytes(fd);
  decoder.begin_object(bytes);
  for (std::uint64_t done = 0; decoder.read_object();) {
    const std::uint64_t now = decoder.object_bytes_done();
    if (on_bytes && now > done) on_bytes(now - done);
    done = now;
  }
  return finish_file(decoder, error);
}

}  // namespace

std::unique_ptr<Source> make_files_source(SourceContext context, FilesOptions options) {
  return std::make_unique<FilesSource>(std::move(context), std::move(options));
}

std::string explain_bad_file(const parsers::Decoder& decoder) {
  using parsers::PayloadDrop;
  if (!decoder.problem().empty()) return decoder.problem();
  const auto dropped = [&decoder](PayloadDrop reason) {
    return decoder.counts().dropped[static_cast<std::size_t>(reason)] > 0;
  };
  if (dropped(PayloadDrop::kBadBase64))  // Its other lines may have looked like anything.
    return "holds damaged base64; what could be read was kept";
  if (dropped(PayloadDrop::kBadGzip))
    return "holds damaged compressed data; what came before it was kept";
  if (dropped(PayloadDrop::kTruncated)) return "is cut short; what came before the cut was kept";
  if (dropped(PayloadDrop::kTooLarge)) return "holds a value larger than the limit of one message";
  return "is damaged or cut short; what could be read was kept";
}

bool decode_file(const std::string& path, parsers::Decoder& decoder, std::string& error,
                 const std::function<void(std::uint64_t)>& on_bytes) {
  const int fd = open_input(path);
  const Descriptor holder(fd);
  if (fd >= 0 && path != "-" && is_parquet_file(fd))
    return decode_object(fd, decoder, error, on_bytes);
  if (fd < 0) {
    error = std::strerror(errno);
    return false;
  }
  parsers::Unpacker unpacker;
  PieceMemory memory;
  decoder.resume({});
  FileTurn pieces(fd, false, unpacker, memory, kWholeFile, InflateAhead::kWhereItPays);
  for (auto next = pieces.next(); next.step != FileTurn::Step::kFileEnd; next = pieces.next()) {
    if (next.step == FileTurn::Step::kFailed) {
      error = std::strerror(pieces.error_number());
      return false;
    }
    if (next.piece == nullptr) continue;
    decoder.take(*next.piece);
    if (on_bytes) on_bytes(next.piece->raw_bytes);
  }
  unpacker.end(memory.slot.room, memory.slot.piece);
  decoder.take(memory.slot.piece);
  return finish_file(decoder, error);
}

}  // namespace fleetmeter::ingest
