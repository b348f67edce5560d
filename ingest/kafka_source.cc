#include "ingest/kafka_source.h"

#include <charconv>

#include "ingest/kafka_reader.h"
#include "ingest/kafka_worker.h"

namespace fleetmeter::ingest {

namespace {

constexpr int kPollMs = 100;
constexpr std::uint32_t kSessionTimeoutMs = 10'000;

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
    worker_.start([this](const std::stop_token& stop) { return run(stop); });
    return {};
  }
  void stop() override { worker_.stop(); }
  [[nodiscard]] bool finished() const override { return false; }
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> event_time_range_s() const override {
    return {0, 0};  // Unbounded input has no end to report.
  }
  [[nodiscard]] std::optional<Error> failure() const override { return worker_.failure(); }
  [[nodiscard]] std::string blocked() const override { return worker_.blocked(); }

 private:
  Result<void> run(const std::stop_token& stop);
  Result<void> read(KafkaReader& reader, const std::stop_token& stop);
  Result<void> commit(KafkaReader& reader, const std::stop_token& stop);
  Result<std::optional<std::int64_t>> stored_offset(const std::string& source);

  SourceContext context_;
  KafkaSourceOptions options_;
  KafkaWorker worker_{"kafka source"};  // Last: uses all above.
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

Result<void> KafkaSource::run(const std::stop_token& stop) {
  auto reader =
      KafkaReader::open(context_, options_, kSessionTimeoutMs,
                        [this](const std::string& source) { return stored_offset(source); });
  if (!reader) return std::move(reader).error();
  return read(**reader, stop);
}

Result<void> KafkaSource::read(KafkaReader& reader, const std::stop_token& stop) {
  SteadyTime committed_at = context_.clock.steady();
  while (!stop.stop_requested()) {
    auto found = reader.poll(kPollMs);
    if (!found) return std::move(found).error();
    if (!*found) worker_.set_blocked(reader.waiting());
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
      offsets[partition] = input->progress.next_offset();
      positions[input->source] = std::to_string(input->progress.next_offset());
    }
    if (context_.fault) context_.fault("source.after_read");
    // Waits while the log cannot take it; what is never committed is read again from the log's
    // position.
    auto committed = input->batcher.commit(std::move(positions), {}, stop);
    if (!committed) return committed;
  }
  reader.mark_committed();
  worker_.set_blocked(reader.waiting());
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
