#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "ingest/kafka_reader.h"
#include "ingest/kafka_transaction.h"
#include "ingest/kafka_worker.h"

namespace fleetmeter::ingest {

namespace {

constexpr int kPollMs = 100;
constexpr std::size_t kOnceKeysMax = 1'000'000;

/// The newest log event ids that this process has committed. A repeat that reaches another process,
/// or this one after a restart, is not found: bridges repeat within seconds, to the same partition.
class RecentKeys {
 public:
  void add(const std::string& key) {
    if (!keys_.insert(key).second) return;
    order_.push_back(key);
    if (order_.size() <= kOnceKeysMax) return;
    keys_.erase(order_.front());
    order_.pop_front();
  }
  [[nodiscard]] bool holds(const std::string& key) const { return keys_.contains(key); }

 private:
  std::unordered_set<std::string> keys_;
  std::deque<std::string> order_;
};

/// The log as batchers see it: gathers what all partitions append, for one transaction.
class GatheringLog final : public aggregator::IngestLog {
 public:
  Result<std::map<aggregator::LogPartition, aggregator::LogPosition>> append(
      aggregator::Commit&& commit) override {
    for (aggregator::Commit::Record& record : commit.records) {
      if (record.record.has_progress()) {
        for (proto::SourceProgress& source : *record.record.mutable_progress()->mutable_sources()) {
          *progress_[record.partition].add_sources() = std::move(source);
        }
      } else {
        records_.push_back(std::move(record));
      }
    }
    for (std::string& key : commit.once_keys) keys_.push_back(std::move(key));
    return std::map<aggregator::LogPartition, aggregator::LogPosition>();
  }
  Result<std::vector<std::string>> seen_keys(const std::vector<std::string>& keys) override {
    std::vector<std::string> seen;
    for (const std::string& key : keys) {
      if (recent_.holds(key)) seen.push_back(key);
    }
    return seen;
  }

  /// What was gathered, batches before progress: what has been read is in the log before anything
  /// says that it was read, whatever another writer appends in between.
  std::vector<KafkaRecord> take(const std::string& topic, std::int64_t now_ms) {
    for (auto& [partition, progress] : progress_) {
      proto::LogRecord record;
      *record.mutable_progress() = std::move(progress);
      records_.push_back({partition, std::move(record)});
    }
    progress_.clear();
    std::vector<KafkaRecord> made;
    for (aggregator::Commit::Record& record : records_) {
      record.record.set_append_time_ms(now_ms);
      made.push_back({{topic, record.partition}, {}, record.record.SerializeAsString(), now_ms});
    }
    records_.clear();
    return made;
  }
  void committed() {
    for (const std::string& key : keys_) recent_.add(key);
    keys_.clear();
  }
  void dropped() { *this = GatheringLog(std::move(recent_)); }

  GatheringLog() = default;

  /// Not asked: the consumer group's committed offsets say where to go on.
  Result<std::optional<std::string>> source_position(std::string_view) override {
    return std::optional<std::string>();
  }

 private:
  explicit GatheringLog(RecentKeys recent) : recent_(std::move(recent)) {}

  std::vector<aggregator::Commit::Record> records_;
  std::map<aggregator::LogPartition, proto::Progress> progress_;
  std::vector<std::string> keys_;
  RecentKeys recent_;
};

class Ingest final : public KafkaIngest {
 public:
  Ingest(const Clock& clock, const InventoryHolder& inventory, IngestCounters& counters,
         KafkaSourceOptions input, KafkaLogOptions log, std::vector<EnvironmentPartition> table)
      : clock_(clock),
        inventory_(inventory),
        counters_(counters),
        input_(std::move(input)),
        options_(std::move(log)) {
    for (EnvironmentPartition& entry : table) table_[entry.environment] = entry.partition;
  }
  ~Ingest() override { stop(); }

  Result<void> start() override {
    worker_.start([this](const std::stop_token& stop) { return run(stop); });
    return {};
  }
  void stop() override { worker_.stop(); }
  [[nodiscard]] std::optional<Error> failure() const override { return worker_.failure(); }
  [[nodiscard]] std::string blocked() const override { return worker_.blocked(); }

 private:
  /// A producer and a consumer that live and die together.
  struct Session {
    std::unique_ptr<KafkaTransactions> transactions;
    std::unique_ptr<KafkaReader> reader;
  };

  Result<void> run(const std::stop_token& stop);
  Result<Session> open();
  Result<void> read(Session& session, const std::stop_token& stop);
  Result<void> commit(Session& session);
  [[nodiscard]] SourceContext context(std::int32_t partitions);
  [[nodiscard]] std::string topic() const { return options_.prefix + ".aggregates"; }

  const Clock& clock_;
  const InventoryHolder& inventory_;
  IngestCounters& counters_;
  KafkaSourceOptions input_;
  KafkaLogOptions options_;
  std::map<std::string, std::int32_t, std::less<>> table_;
  GatheringLog gathered_;
  OnceClaims claims_;
  KafkaWorker worker_{"ingest"};  // Last: uses all above.
};

SourceContext Ingest::context(std::int32_t partitions) {
  SourceContext made{.log = gathered_,
                     .clock = clock_,
                     .inventory = inventory_,
                     .counters = counters_,
                     .claims = claims_};
  // What no environment claims, and what the table does not name, is partition 0's.
  made.partition_of = [this](std::string_view environment) {
    const auto found = table_.find(environment);
    return found == table_.end() ? aggregator::LogPartition{0} : found->second;
  };
  for (std::int32_t i = 0; i < partitions; ++i) made.all_partitions.push_back(i);
  return made;
}

Result<Ingest::Session> Ingest::open() {
  Session session;
  auto transactions =
      KafkaTransactions::open(options_.connection, options_.prefix + ".ingest." + options_.instance,
                              options_.transaction_timeout_ms);
  if (!transactions) return std::move(transactions).error();
  session.transactions = *std::move(transactions);
  session.transactions->fault = options_.fault;
  rd_kafka_t* producer = session.transactions->handle();
  if (auto made = ensure_topics(producer, log_topics(options_)); !made)
    return std::move(made).error();
  auto partitions = partition_count(producer, topic());
  if (!partitions) return std::move(partitions).error();
  for (const auto& [environment, partition] : table_) {
    if (partition >= 0 && partition < *partitions) continue;
    return Error{ErrorCode::kInvalidArgument,
                 "environment " + environment + " has partition " + std::to_string(partition) +
                     ", but topic " + topic() + " has only " + std::to_string(*partitions)};
  }
  gathered_.dropped();
  auto reader = KafkaReader::open(context(*partitions), input_, options_.session_timeout_ms, {});
  if (!reader) return std::move(reader).error();
  session.reader = *std::move(reader);
  return session;
}

/// Whatever ended it, a new producer settles the old transaction and the group's committed offsets
/// say where to go on.
Result<void> Ingest::run(const std::stop_token& stop) {
  auto session = open();
  if (!session) return std::move(session).error();
  auto ended = read(*session, stop);
  session->reader.reset();  // Leaves the group first, so that a survivor need not wait.
  return ended;
}

Result<void> Ingest::read(Session& session, const std::stop_token& stop) {
  SteadyTime committed_at = clock_.steady();
  while (!stop.stop_requested()) {
    auto found = session.reader->poll(kPollMs);
    if (!found) return std::move(found).error();
    if (!*found) worker_.set_blocked(session.reader->waiting());
    const bool interval_over =
        clock_.steady() - committed_at >= Milliseconds(input_.settings.commit_interval_ms);
    const std::size_t bytes = session.reader->uncommitted_bytes();
    const bool due = bytes >= input_.settings.commit_bytes_max ||
                     (interval_over && (bytes > 0 || session.reader->progress_due()));
    if (!due) continue;
    if (auto done = commit(session); !done) return done;
    committed_at = clock_.steady();
  }
  return commit(session);
}

/// One transaction of everything read: batches, progress and input offsets. Gathering releases the
/// claims, but nothing is read before the outcome is known.
Result<void> Ingest::commit(Session& session) {
  KafkaReader& reader = *session.reader;
  reader.note_progress();
  for (auto& [partition, input] : reader.inputs()) {
    auto gathered = input->batcher.try_commit({}, {});
    FM_CHECK(gathered.has_value());  // Gathering cannot fail.
  }
  const auto records = gathered_.take(topic(), clock_.wall().time_since_epoch().count());
  if (records.empty() && reader.uncommitted_bytes() == 0) return {};
  auto committed = session.transactions->commit(records, reader.offsets(), reader.handle());
  if (committed) {
    gathered_.committed();
    reader.mark_committed();
    worker_.set_blocked(reader.waiting());
    return {};
  }
  ++counters_.commit_failures;
  gathered_.dropped();
  if (session.transactions->broken()) return std::move(committed).error();
  spdlog::warn("ingest reads again from the committed offsets: {}", committed.error().message);
  return reader.rewind();
}

}  // namespace

std::unique_ptr<KafkaIngest> make_kafka_ingest(const Clock& clock, const InventoryHolder& inventory,
                                               IngestCounters& counters, KafkaSourceOptions input,
                                               KafkaLogOptions log,
                                               std::vector<EnvironmentPartition> table) {
  return std::make_unique<Ingest>(clock, inventory, counters, std::move(input), std::move(log),
                                  std::move(table));
}

}  // namespace fleetmeter::ingest
