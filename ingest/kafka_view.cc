#include "ingest/kafka_view.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <filesystem>
#include <mutex>

#include "ingest/kafka_topic.h"
#include "proto/kafka.pb.h"

namespace fleetmeter::ingest {

namespace {

using aggregator::OutboxEntry;

OutboxEntry entry_of(proto::OutboxRecord& record) {
  OutboxEntry entry;
  entry.event_id = record.event_id();
  entry.receiver = record.receiver();
  entry.body = std::move(*record.mutable_body());
  entry.content_type = record.content_type();
  entry.event_time_s = record.event_time_s();
  entry.expires_s = record.expires_s();
  entry.action = record.action();
  entry.attempts = record.attempts();
  entry.next_attempt_ms = record.next_attempt_ms();
  entry.state = static_cast<aggregator::DeliveryState>(record.state());
  entry.last_error = record.last_error();
  return entry;
}

}  // namespace

KafkaRecord event_record(const std::string& prefix, aggregator::LogPartition partition,
                         const proto::Event& event) {
  return {{prefix + ".events", partition}, event.id(), event.SerializeAsString()};
}

KafkaRecord outbox_record(const std::string& prefix, aggregator::LogPartition partition,
                          const OutboxEntry& entry, bool result) {
  proto::OutboxRecord record;
  record.set_event_id(entry.event_id);
  record.set_receiver(entry.receiver);
  if (!result) {
    record.set_body(entry.body);
    record.set_content_type(entry.content_type);
  }
  record.set_event_time_s(entry.event_time_s);
  record.set_expires_s(entry.expires_s);
  record.set_action(entry.action);
  record.set_attempts(entry.attempts);
  record.set_next_attempt_ms(entry.next_attempt_ms);
  record.set_state(static_cast<std::uint32_t>(entry.state));
  record.set_last_error(entry.last_error);
  record.set_result(result);
  return {{prefix + ".outbox", partition},
          entry.event_id + "/" + entry.receiver,
          record.SerializeAsString()};
}

struct KafkaView::State {
  std::unique_ptr<aggregator::SqliteLog> tables;
  std::unique_ptr<TopicReader> events, outbox;
  std::mutex mutex;   // Guards stale, and completing.
  bool stale = true;  // Lacks something that is in the topics.
  std::string path;

  Result<std::int64_t> position(const char* topic);
  Result<std::int64_t> fold_events(std::int64_t from);
  Result<std::int64_t> fold_outbox(std::int64_t from);
  Result<void> write(std::vector<proto::Event> new_events, std::vector<OutboxEntry> entries) const {
    aggregator::Outputs outputs;
    outputs.events = std::move(new_events);
    outputs.outbox = std::move(entries);
    return tables->commit_outputs(std::move(outputs));
  }
};

Result<std::int64_t> KafkaView::State::position(const char* topic) {
  auto stored = tables->source_position(topic);
  if (!stored) return std::move(stored).error();
  std::int64_t offset = 0;
  if (*stored) std::from_chars((*stored)->data(), (*stored)->data() + (*stored)->size(), offset);
  return offset;
}

Result<std::int64_t> KafkaView::State::fold_events(std::int64_t from) {
  std::vector<proto::Event> found;
  auto end = events->fold(from, [&](TopicMessage& message) -> Result<void> {
    if (!found.emplace_back().ParseFromString(message.value)) {
      return Error{ErrorCode::kDataLoss,
                   "an event record at offset " + std::to_string(message.offset) + " is damaged"};
    }
    if (found.size() < 1000) return {};
    return write(std::exchange(found, {}), {});
  });
  if (!end) return end;
  if (auto done = write(std::move(found), {}); !done) return std::move(done).error();
  return end;
}

/// Entries are written with their newest state; a result whose entry went in earlier updates it.
Result<std::int64_t> KafkaView::State::fold_outbox(std::int64_t from) {
  std::vector<OutboxEntry> found;
  std::map<std::string, std::size_t> index;
  auto end = outbox->fold(from, [&](TopicMessage& message) -> Result<void> {
    proto::OutboxRecord record;
    if (!record.ParseFromString(message.value)) {
      return Error{ErrorCode::kDataLoss,
                   "an outbox record at offset " + std::to_string(message.offset) + " is damaged"};
    }
    OutboxEntry entry = entry_of(record);
    const auto held = index.find(message.key);
    if (!record.result()) {
      if (held != index.end()) return {};  // The first body stays.
      index.emplace(message.key, found.size());
      found.push_back(std::move(entry));
      return {};
    }
    if (held != index.end()) {
      OutboxEntry& first = found[held->second];
      first.state = entry.state;
      first.attempts = entry.attempts;
      first.next_attempt_ms = entry.next_attempt_ms;
      first.last_error = std::move(entry.last_error);
      // The row may be there already, with an older state.
    }
    auto updated = tables->record_delivery(held == index.end() ? entry : found[held->second]);
    if (!updated && updated.error().code == ErrorCode::kNotFound) return {};
    return updated;
  });
  if (!end) return end;
  if (auto done = write({}, std::move(found)); !done) return std::move(done).error();
  return end;
}

KafkaView::KafkaView(std::unique_ptr<State> state) : state_(std::move(state)) {}

KafkaView::~KafkaView() = default;

Result<std::unique_ptr<KafkaView>> KafkaView::open(const Clock& clock,
                                                   const KafkaLogOptions& options,
                                                   aggregator::LogPartition partition) {
  auto state = std::make_unique<State>();
  state->path = (std::filesystem::path(options.state_dir) /
                 (options.prefix + "-view-" + std::to_string(partition) + ".db"))
                    .string();
  aggregator::SqliteLog::Options tables;
  tables.clock = &clock;
  auto opened = aggregator::SqliteLog::open(state->path, std::move(tables));
  if (!opened) {
    Error why = std::move(opened).error();
    if (why.code == ErrorCode::kDataLoss)
      why.message += "; the file is a view of the topics and may be removed";
    return why;
  }
  state->tables = *std::move(opened);
  auto events =
      TopicReader::open(options.connection, {options.prefix + ".events", partition}, true);
  if (!events) return std::move(events).error();
  state->events = *std::move(events);
  auto outbox =
      TopicReader::open(options.connection, {options.prefix + ".outbox", partition}, true);
  if (!outbox) return std::move(outbox).error();
  state->outbox = *std::move(outbox);
  return std::unique_ptr<KafkaView>(new KafkaView(std::move(state)));
}

Result<void> KafkaView::complete() {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (!state.stale) return {};
  aggregator::Commit commit;
  for (const char* topic : {"events", "outbox"}) {
    const bool is_events = std::string_view(topic) == "events";
    auto from = state.position(topic);
    if (!from) return std::move(from).error();
    auto end = (is_events ? state.events : state.outbox)->end();
    if (!end) return std::move(end).error();
    if (*from > *end) {
      return Error{ErrorCode::kDataLoss, state.path + " holds more than the topic " + topic +
                                             ": the topic was made anew; remove the file"};
    }
    auto reached = is_events ? state.fold_events(*from) : state.fold_outbox(*from);
    if (!reached) return std::move(reached).error();
    commit.positions[topic] = std::to_string(*reached);
  }
  if (auto written = state.tables->append(std::move(commit)); !written)
    return std::move(written).error();
  state.stale = false;
  return {};
}

void KafkaView::apply(const std::vector<proto::Event>& events,
                      const std::vector<OutboxEntry>& outbox) {
  if (events.empty() && outbox.empty()) return;
  State& state = *state_;
  const auto written = state.write(events, outbox);
  if (written) return;
  spdlog::error("{}: {}; it is completed from the topics later", state.path,
                written.error().message);
  const std::lock_guard lock(state.mutex);
  state.stale = true;
}

void KafkaView::apply_result(const OutboxEntry& entry) {
  State& state = *state_;
  const auto written = state.tables->record_delivery(entry);
  if (written) return;
  const std::lock_guard lock(state.mutex);
  state.stale = true;
}

aggregator::SqliteLog& KafkaView::tables() noexcept { return *state_->tables; }

}  // namespace fleetmeter::ingest
