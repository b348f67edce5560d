#include <spdlog/spdlog.h>

#include <atomic>
#include <charconv>
#include <mutex>
#include <thread>

#include "ingest/kafka_reader.h"

namespace fleetmeter::ingest {

namespace {

constexpr int kPollMs = 100;
constexpr std::uint32_t kSessionTimeoutMs = 10'000;
constexpr auto kRetryInterval = std::chrono::milliseconds(500);

std::optional<std::int64_t> parse_offset(const std::string& text) {
  std::int64_t offset = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (error != std::errc() || end != text.data() + text.size() || offset < 0) return std::nullopt;
  return offset;
}

/// Kafka in, any aggregate log out: its positions are in the log with the batches.
class KafkaSource final : public Source {
 public:
  KafkaSource(SourceContext context, KafkaSourceOptions options)
      : context_(std::move(context)), options_(std::move(options)) {}
  ~KafkaSource() override { stop(); }

  Result<void> start() override {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    return {};
  }
  void stop() override {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
  }
  [[nodiscard]] bool finished() const override { return false; }
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> event_time_range_s() const override {
    return {0, 0};  // Unbounded input has no end to report.
  }
  [[nodiscard]] std::optional<Error> failure() const override {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  [[nodiscard]] std::string blocked() const override {
    const std::lock_guard lock(mutex_);
    return blocked_;
  }

 private:
  void run(const std::stop_token& stop);
  Result<void> read(KafkaReader& reader, const std::stop_token& stop);
  Result<void> commit(KafkaReader& reader, const std::stop_token& stop);
  Result<std::optional<std::int64_t>> stored_offset(const std::string& source);
  void set_blocked(const std::string& why) {
    const std::lock_guard lock(mutex_);
    blocked_ = why;
  }

  SourceContext context_;
  KafkaSourceOptions options_;
  mutable std::mutex mutex_;  // Guards failure_ and blocked_.
  std::optional<Error> failure_;
  std::string blocked_;
  std::jthread thread_;
};

Result<std::optional<std::int64_t>> KafkaSource::stored_offset(const std::string& source) {
  auto position = context_.log.source_position(source);
  if (!position) return std::move(position).error();
  if (!*position) return std::optional<std::int64_t>();
  const auto offset = parse_offset(**position);
  if (!offset)
    return Error{ErrorCode::kDataLoss, source + ": its position in the log is no offset"};
  return offset;
}

void KafkaSource::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    auto reader =
        KafkaReader::open(context_, options_, kSessionTimeoutMs,
                          [this](const std::string& source) { return stored_offset(source); });
    const Result<void> ended = reader ? read(**reader, stop) : std::move(reader).error();
    if (ended) return;
    const Error& why = ended.error();
    if (why.code == ErrorCode::kInvalidArgument || why.code == ErrorCode::kDataLoss) {
      const std::lock_guard lock(mutex_);
      failure_ = why;
      return;
    }
    spdlog::warn("kafka source starts over: {}", why.message);
    set_blocked(why.message);
    if (!stop.stop_requested()) std::this_thread::sleep_for(kRetryInterval);
  }
}

Result<void> KafkaSource::read(KafkaReader& reader, const std::stop_token& stop) {
  SteadyTime committed_at = context_.clock.steady();
  while (!stop.stop_requested()) {
    auto found = reader.poll(kPollMs);
    if (!found) return std::move(found).error();
    const bool interval_over = context_.clock.steady() - committed_at >=
                               Milliseconds(options_.settings.commit_interval_ms);
    const std::size_t bytes = reader.uncommitted_bytes();
    const bool due = bytes >= options_.settings.commit_bytes_max ||
                     (interval_over && (bytes > 0 || reader.progress_due()));
    if (!due) continue;
    if (auto done = commit(reader, stop); !done) return done;
    committed_at = context_.clock.steady();
  }
  return commit(reader, stop);
}

Result<void> KafkaSource::commit(KafkaReader& reader, const std::stop_token& stop) {
  reader.note_progress();
  KafkaOffsets offsets;
  for (auto& [partition, input] : reader.inputs()) {
    std::map<std::string, std::string> positions;
    if (input->uncommitted) {
      offsets[partition] = input->next_offset;
      positions[input->source] = std::to_string(input->next_offset);
    }
    if (context_.fault) context_.fault("source.after_read");
    // Waits while the log cannot take it; what is never committed is read again from the log's
    // position.
    auto committed = input->batcher.commit(std::move(positions), {}, stop);
    if (!committed) return committed;
  }
  reader.mark_committed();
  set_blocked({});
  if (offsets.empty()) return {};
  // Only for those who watch the group's lag: positions in the log win.
  const PartitionList list(offsets);
  (void)rd_kafka_commit(reader.handle(), list.get(), 1);
  return {};
}

}  // namespace

std::unique_ptr<Source> make_kafka_source(SourceContext context, KafkaSourceOptions options) {
  return std::make_unique<KafkaSource>(std::move(context), std::move(options));
}

}  // namespace fleetmeter::ingest
