#include "ingest/kafka_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "ingest/kafka_worker.h"
#include "ingest/retry.h"

namespace fleetmeter::ingest {

namespace {

using aggregator::LogEntry;
using aggregator::LogPartition;
using aggregator::LogPosition;
using aggregator::Outputs;

constexpr std::int64_t kOnceMs = 48LL * 3600 * 1000;
constexpr int kPollMs = 100;

}  // namespace

Error KafkaLog::not_owned(LogPartition partition) {
  return {ErrorCode::kFenced,
          "partition " + std::to_string(partition) + " of the log is not this process's"};
}

KafkaLog::KafkaLog(const Clock& clock, KafkaLogOptions options, KafkaLogCallbacks callbacks)
    : clock_(clock), options_(std::move(options)), callbacks_(std::move(callbacks)) {}

KafkaLog::~KafkaLog() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

Result<void> KafkaLog::start() {
  std::error_code error;
  std::filesystem::create_directories(options_.state_dir, error);
  if (error) {
    return Error{ErrorCode::kInvalidArgument,
                 "state directory " + options_.state_dir + ": " + error.message()};
  }
  auto positions = TopicReader::open(options_.connection, {topic(".positions"), 0}, true);
  if (!positions) return std::move(positions).error();
  positions_reader_ = *std::move(positions);
  auto once = TopicReader::open(options_.connection, {topic(".once"), 0}, true);
  if (!once) return std::move(once).error();
  once_reader_ = *std::move(once);
  if (auto opened = open_session(); !opened) return opened;
  thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  return {};
}

// --- membership ---

Result<void> KafkaLog::open_session() {
  auto made = std::make_unique<Session>();
  auto transactions =
      KafkaTransactions::open(options_.connection, topic(".evaluate.") + options_.instance,
                              options_.transaction_timeout_ms);
  if (!transactions) return std::move(transactions).error();
  made->transactions = *std::move(transactions);
  made->transactions->fault = options_.fault;
  rd_kafka_t* producer = made->transactions->handle();
  if (auto created = ensure_topics(producer, log_topics(options_)); !created) return created;
  if (auto fits = check_partitions(producer, options_); !fits) return fits;
  KafkaHooks hooks;
  hooks.opaque = this;
  hooks.rebalance = rebalance;
  auto member = make_kafka_client(
      RD_KAFKA_CONSUMER, options_.connection,
      {{"group.id", topic(".evaluate")},
       {"auto.offset.reset", "earliest"},
       {"enable.auto.commit", "false"},
       {"enable.auto.offset.store", "false"},
       {"isolation.level", "read_committed"},
       {"partition.assignment.strategy", "cooperative-sticky"},
       {"session.timeout.ms", std::to_string(options_.session_timeout_ms)},
       {"heartbeat.interval.ms", std::to_string(std::max(options_.session_timeout_ms / 12, 100u))},
       {"queued.min.messages", "1"},
       {"queued.max.messages.kbytes", "1024"}},
      hooks);
  if (!member) return std::move(member).error();
  made->member = *std::move(member);
  PartitionList list;
  list.add({topic(".aggregates"), RD_KAFKA_PARTITION_UA});
  const auto error = rd_kafka_subscribe(made->member.get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(error, "subscription");
  const std::lock_guard lock(transaction_mutex_);
  session_ = std::move(made);
  broken_ = false;
  return {};
}

/// Leaves the group: what we own is released by callbacks, whose last commits still pass.
void KafkaLog::close_session() {
  if (!session_) return;
  (void)rd_kafka_consumer_close(session_->member.get());
  for (const auto& [partition, state] : all_owned()) release(partition, true);
  const std::lock_guard lock(transaction_mutex_);
  session_.reset();
}

void KafkaLog::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!session_) {
      if (auto opened = open_session(); !opened) {
        spdlog::warn("the aggregate log is not reached: {}", opened.error().message);
        note_trouble("the aggregate log is not reached: " + opened.error().message);
        std::this_thread::sleep_for(kRetryInterval);
        continue;
      }
    }
    const KafkaMessage message(rd_kafka_consumer_poll(session_->member.get(), kPollMs));
    char why[512];
    if (rd_kafka_fatal_error(session_->member.get(), why, sizeof why) != RD_KAFKA_RESP_ERR_NO_ERROR)
      broken_ = true;
    if (!broken_) continue;
    if (failed_) break;
    spdlog::warn("membership and producer of the aggregate log are made anew");
    close_session();
    if (std::exchange(pause_, false)) std::this_thread::sleep_for(kRetryInterval);
  }
  close_session();
}

void KafkaLog::rebalance(rd_kafka_t* member, rd_kafka_resp_err_t event,
                         rd_kafka_topic_partition_list_t* list, void* opaque) {
  KafkaLog& log = *static_cast<KafkaLog*>(opaque);
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) return log.assign(member, list);
  const bool lost = rd_kafka_assignment_lost(member) != 0;
  for (int i = 0; i < list->cnt; ++i) log.release(list->elems[i].partition, lost);
  const KafkaError error(rd_kafka_incremental_unassign(member, list));
  if (error) log.broken_ = true;
}

void KafkaLog::assign(rd_kafka_t* member, rd_kafka_topic_partition_list_t* list) {
  const KafkaError error(rd_kafka_incremental_assign(member, list));
  if (error) {
    broken_ = true;
    return;
  }
  // Membership and offsets only: data comes by readers of its own.
  (void)rd_kafka_pause_partitions(member, list);
  for (int i = 0; i < list->cnt; ++i) {
    const LogPartition partition = list->elems[i].partition;
    auto taken = take(member, partition);
    if (!taken) {
      refuse(std::move(taken).error().with_context("log partition " + std::to_string(partition) +
                                                   " cannot be taken over"));
      return;
    }
    {
      const std::lock_guard lock(owned_mutex_);
      owned_[partition] = *taken;
    }
    spdlog::info("owning log partition {}, evaluated up to {}", partition,
                 (*taken)->evaluated.load());
    if (callbacks_.on_assigned) callbacks_.on_assigned(partition);
  }
  note_trouble({});
}

/// Ends the membership, for good where trying again cannot help.
void KafkaLog::refuse(const Error& why) {
  broken_ = true;
  if (is_final(why)) {
    failed_ = true;
    if (callbacks_.on_failed) callbacks_.on_failed(why);
    return;
  }
  pause_ = true;
  spdlog::error("{}", why.message);
  note_trouble(why.message);
}

void KafkaLog::note_trouble(const std::string& why) {
  if (callbacks_.on_trouble) callbacks_.on_trouble(why);
}

Result<std::shared_ptr<KafkaLog::Owned>> KafkaLog::take(rd_kafka_t* member,
                                                        LogPartition partition) {
  auto made = std::make_shared<Owned>();
  const TopicPartition data{topic(".aggregates"), partition};
  // Waits for what a dead owner has left open, so that the topics read below are complete.
  auto offsets = committed_offsets(member, {data});
  if (!offsets) return std::move(offsets).error();
  made->evaluated = std::max<std::int64_t>(offsets->at(data), 0);
  // Its last commit becomes visible topic by topic: a view that is built too early would lack the
  // end of it.
  auto settled = wait_settled(
      options_.connection,
      {{topic(".events"), partition}, {topic(".outbox"), partition}, {topic(".usage"), partition}},
      2 * options_.transaction_timeout_ms + 10'000);
  if (!settled) return std::move(settled).error();
  auto reader = TopicReader::open(options_.connection, data, false);
  if (!reader) return std::move(reader).error();
  made->reader = *std::move(reader);
  auto view = KafkaView::open(clock_, options_, partition);
  if (!view) return std::move(view).error();
  made->view = *std::move(view);
  if (auto completed = made->view->complete(); !completed) return std::move(completed).error();
  return made;
}

void KafkaLog::release(LogPartition partition, bool lost) {
  const std::shared_ptr<Owned> state = owned(partition);
  if (!state) return;
  if (lost) {  // Nothing can be committed any more.
    const std::lock_guard lock(owned_mutex_);
    owned_.erase(partition);
  }
  state->releasing = true;
  spdlog::info("releasing log partition {}", partition);
  if (callbacks_.on_revoked) callbacks_.on_revoked(partition);
  const std::lock_guard lock(owned_mutex_);
  owned_.erase(partition);
  std::erase_if(outbox_partition_, [&](const auto& known) { return known.second == partition; });
}

std::shared_ptr<KafkaLog::Owned> KafkaLog::owned(LogPartition partition) const {
  const std::lock_guard lock(owned_mutex_);
  const auto found = owned_.find(partition);
  return found == owned_.end() ? nullptr : found->second;
}

std::map<LogPartition, std::shared_ptr<KafkaLog::Owned>> KafkaLog::all_owned() const {
  const std::lock_guard lock(owned_mutex_);
  return owned_;
}

// --- writing ---

/// One transaction with the evaluated positions of `partitions`, or `offsets` where given, so that
/// the group's generation fences it.
Result<KafkaOffsets> KafkaLog::transact(const std::vector<KafkaRecord>& records,
                                        const std::vector<LogPartition>& partitions,
                                        const KafkaOffsets& offsets) {
  const std::lock_guard lock(transaction_mutex_);
  KafkaOffsets with = offsets;
  bool releasing = false;
  for (const LogPartition partition : partitions) {
    const std::shared_ptr<Owned> state = owned(partition);
    if (!state) return not_owned(partition);
    releasing = releasing || state->releasing;
    with.try_emplace({topic(".aggregates"), partition}, state->evaluated.load());
  }
  if (!session_ || broken_)
    return Error{ErrorCode::kFenced, "kafka: the session of the aggregate log has ended"};
  auto committed = session_->transactions->commit(records, with, session_->member.get());
  if (committed) {
    // Before the next transaction may begin: it would commit the older positions again.
    for (const auto& [partition, offset] : with) {
      if (const auto state = owned(partition.second)) state->evaluated = offset;
    }
    for (const auto& [partition, offset] : *committed) note_written(partition, offset + 1);
    return committed;
  }
  if (session_->transactions->broken()) {
    // Committed or not: only a new session can tell, after recovery.
    broken_ = true;
    return Error{ErrorCode::kFenced, committed.error().message};
  }
  // While the group rebalances, generations are refused; whether a partition is still ours the
  // callbacks say.
  if (committed.error().code == ErrorCode::kFenced && !releasing)
    return Error{ErrorCode::kUnavailable, committed.error().message};
  return committed;
}

void KafkaLog::note_written(const TopicPartition& partition, std::int64_t end) {
  if (partition.first == topic(".positions")) positions_reader_->expect(end);
  if (partition.first == topic(".once")) once_reader_->expect(end);
  if (partition.first != topic(".aggregates")) return;
  if (const std::shared_ptr<Owned> state = owned(partition.second)) state->reader->expect(end);
}

Result<std::map<LogPartition, LogPosition>> KafkaLog::append(aggregator::Commit&& commit) {
  const std::int64_t now_ms = wall_ms();
  std::vector<KafkaRecord> records;
  std::set<LogPartition> touched;
  for (aggregator::Commit::Record& record : commit.records) {
    const bool stamp = record.record.append_time_ms() == 0;
    if (stamp) record.record.set_append_time_ms(now_ms);
    touched.insert(record.partition);
    records.push_back({{topic(".aggregates"), record.partition},
                       {},
                       record.record.SerializeAsString(),
                       record.record.append_time_ms()});
    if (stamp) record.record.clear_append_time_ms();  // It may have to come again, later.
  }
  for (const auto& [source, position] : commit.positions)
    records.push_back({{topic(".positions"), 0}, source, position});
  for (const std::string& key : commit.once_keys)
    records.push_back({{topic(".once"), 0}, key, std::to_string(now_ms)});
  auto written = transact(records, {touched.begin(), touched.end()}, {});
  if (!written) return std::move(written).error();
  std::map<LogPartition, LogPosition> positions;
  for (const LogPartition partition : touched)
    positions[partition] = written->at({topic(".aggregates"), partition}) + 1;
  return positions;
}

Result<void> KafkaLog::commit_outputs(Outputs outputs) {
  const std::shared_ptr<Owned> state = owned(outputs.partition);
  if (!state) return not_owned(outputs.partition);
  if (outputs.evaluated < state->evaluated) {
    return Error{ErrorCode::kFenced, "evaluated up to " + std::to_string(outputs.evaluated) +
                                         ", but " + std::to_string(state->evaluated.load()) +
                                         " is committed"};
  }
  std::vector<KafkaRecord> records;
  for (const proto::Event& event : outputs.events)
    records.push_back(event_record(options_.prefix, outputs.partition, event));
  for (const aggregator::OutboxEntry& entry : outputs.outbox)
    records.push_back(outbox_record(options_.prefix, outputs.partition, entry, false));
  for (proto::LogRecord& record : outputs.append) {
    if (record.append_time_ms() == 0) record.set_append_time_ms(wall_ms());
    records.push_back({{topic(".aggregates"), outputs.partition},
                       {},
                       record.SerializeAsString(),
                       record.append_time_ms()});
  }
  const TopicPartition usage{topic(".usage"), outputs.partition};
  for (const aggregator::UsageRecord& total : outputs.usage)
    records.push_back({usage, total.key, total.value, 0, total.value.empty()});
  KafkaOffsets offsets;
  offsets[{topic(".aggregates"), outputs.partition}] = outputs.evaluated;
  auto committed = transact(records, {outputs.partition}, offsets);
  if (!committed) return std::move(committed).error();
  state->view->apply(outputs.events, outputs.outbox);
  if (!outputs.usage.empty() && callbacks_.on_usage)
    callbacks_.on_usage(outputs.partition, outputs.usage, committed->at(usage) + 1);
  return {};
}

// --- reading ---

std::vector<LogPartition> KafkaLog::owned_partitions() {
  std::vector<LogPartition> partitions;
  for (const auto& [partition, state] : all_owned()) partitions.push_back(partition);
  return partitions;
}

Result<std::vector<LogEntry>> KafkaLog::read(LogPartition partition, LogPosition after,
                                             std::size_t records_max) {
  const std::shared_ptr<Owned> state = owned(partition);
  if (!state) return not_owned(partition);
  // A position is the offset after its record, so that 0 is before the first.
  auto messages = state->reader->read(after, records_max);
  if (!messages) return std::move(messages).error();
  std::vector<LogEntry> entries;
  for (const TopicMessage& message : *messages) {
    LogEntry& entry = entries.emplace_back();
    entry.partition = partition;
    entry.position = message.offset + 1;
    if (!entry.record.ParseFromString(message.value)) {
      return Error{ErrorCode::kDataLoss, topic(".aggregates") + "/" + std::to_string(partition) +
                                             " at offset " + std::to_string(message.offset) +
                                             ": not a record of ours"};
    }
  }
  return entries;
}

bool KafkaLog::wait(LogPartition partition, LogPosition after, std::int64_t timeout_ms) {
  const std::shared_ptr<Owned> state = owned(partition);
  if (state) return state->reader->wait(after, timeout_ms);
  std::this_thread::sleep_for(std::chrono::milliseconds(timeout_ms));
  return false;
}

Result<LogPosition> KafkaLog::last_position(LogPartition partition) {
  const std::shared_ptr<Owned> state = owned(partition);
  if (!state) return not_owned(partition);
  return state->reader->end();
}

Result<LogPosition> KafkaLog::evaluated_position(LogPartition partition) {
  const std::shared_ptr<Owned> state = owned(partition);
  if (!state) return not_owned(partition);
  return state->evaluated.load();
}

Result<void> KafkaLog::catch_positions_up() {
  auto next = positions_reader_->fold(positions_next_, [&](TopicMessage& message) -> Result<void> {
    positions_[message.key] = std::move(message.value);
    return {};
  });
  if (!next) return std::move(next).error();
  positions_next_ = *next;
  return {};
}

Result<void> KafkaLog::catch_keys_up() {
  auto next = once_reader_->fold(once_next_, [&](TopicMessage& message) -> Result<void> {
    std::int64_t at_ms = 0;
    std::from_chars(message.value.data(), message.value.data() + message.value.size(), at_ms);
    once_keys_[message.key] = at_ms;
    return {};
  });
  if (!next) return std::move(next).error();
  once_next_ = *next;
  std::erase_if(once_keys_, [&](const auto& key) { return key.second <= wall_ms() - kOnceMs; });
  return {};
}

Result<std::optional<std::string>> KafkaLog::source_position(std::string_view source) {
  const std::lock_guard lock(tables_mutex_);
  if (auto done = catch_positions_up(); !done) return std::move(done).error();
  const auto found = positions_.find(source);
  if (found == positions_.end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

Result<std::vector<std::string>> KafkaLog::seen_keys(const std::vector<std::string>& keys) {
  const std::lock_guard lock(tables_mutex_);
  if (auto done = catch_keys_up(); !done) return std::move(done).error();
  std::vector<std::string> seen;
  for (const std::string& key : keys) {
    if (once_keys_.contains(key)) seen.push_back(key);
  }
  return seen;
}

}  // namespace fleetmeter::ingest
