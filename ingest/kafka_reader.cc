#include "ingest/kafka_reader.h"

#include <spdlog/spdlog.h>

#include "ingest/kafka_ends.h"

namespace fleetmeter::ingest {

namespace {

constexpr int kSeekTimeoutMs = 10'000;
/// How often the brokers are asked where partitions end.
constexpr auto kAskInterval = std::chrono::milliseconds(250);
/// How often, and for how long, they are asked for topics that are not there.
constexpr auto kLookInterval = std::chrono::seconds(5);
constexpr int kLookTimeoutMs = 1000;
/// What was complete longer ago than this is behind.
constexpr std::int64_t kCaughtUpMs = 60'000;

std::string source_name(const TopicPartition& partition) {
  return "kafka:" + partition.first + "/" + std::to_string(partition.second);
}

/// Has the group taken it in? It need not have got a partition.
bool is_member(rd_kafka_t* consumer) {
  const std::unique_ptr<rd_kafka_consumer_group_metadata_t,
                        void (*)(rd_kafka_consumer_group_metadata_t*)>
      metadata(rd_kafka_consumer_group_metadata(consumer),
               rd_kafka_consumer_group_metadata_destroy);
  return metadata && rd_kafka_consumer_group_metadata_generation_id(metadata.get()) >= 0;
}

}  // namespace

struct KafkaReader::State {
  State(const SourceContext& context_in, const SourceSettings& settings_in, StoredOffset stored_in)
      : context(context_in), settings(settings_in), stored(std::move(stored_in)) {}
  ~State() {
    ends.reset();      // Uses the consumer.
    consumer.reset();  // Closing it still calls back, which takes inputs away.
  }

  SourceContext context;
  SourceSettings settings;
  StoredOffset stored;
  std::map<TopicPartition, std::unique_ptr<KafkaInput>> inputs;
  std::size_t uncommitted_bytes = 0;
  std::optional<Error> failure;  // Of a rebalance callback.
  KafkaHandle consumer;
  std::unique_ptr<KafkaEnds> ends;
  SteadyTime asked_at{};
  bool member = false;
  std::string trouble = "not connected yet";   // The last one before it became a member.
  std::map<std::string, std::string> missing;  // Topics that are not there, and what was said.
  SteadyTime looked_at{};                      // For them.

  static void rebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t event,
                        rd_kafka_topic_partition_list_t* list, void* opaque);
  void assign(rd_kafka_topic_partition_list_t* list);
  void read(const rd_kafka_message_t& message);
  static void failed(rd_kafka_t*, int error, const char* reason, void* opaque);
  void look_for_missing();
  void ask_for_ends();
  [[nodiscard]] std::int64_t wall_ms() const {
    return context.clock.wall().time_since_epoch().count();
  }
};

void KafkaReader::State::rebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t event,
                                   rd_kafka_topic_partition_list_t* list, void* opaque) {
  State& state = *static_cast<State*>(opaque);
  KafkaError error;
  if (event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    state.assign(list);
    error.reset(rd_kafka_incremental_assign(consumer, list));
  } else {
    for (int i = 0; i < list->cnt; ++i)
      state.inputs.erase({list->elems[i].topic, list->elems[i].partition});
    error.reset(rd_kafka_incremental_unassign(consumer, list));
  }
  if (error) state.failure = kafka_error(*error, "assignment");
}

void KafkaReader::State::assign(rd_kafka_topic_partition_list_t* list) {
  for (int i = 0; i < list->cnt; ++i) {
    const TopicPartition partition{list->elems[i].topic, list->elems[i].partition};
    auto input = std::make_unique<KafkaInput>(context, settings, source_name(partition));
    if (stored) {
      auto offset = stored(input->source);
      if (!offset)
        failure = std::move(offset).error();
      else if (*offset)
        list->elems[i].offset = **offset;
    }
    spdlog::info("reading {}", input->source);
    member = true;
    missing.erase(partition.first);
    inputs[partition] = std::move(input);
  }
}

void KafkaReader::State::read(const rd_kafka_message_t& message) {
  const auto found = inputs.find({rd_kafka_topic_name(message.rkt), message.partition});
  if (found == inputs.end()) return;  // Taken away while it was under way.
  KafkaInput& input = *found->second;
  if (message.offset < input.progress.next_offset()) return;  // Fetched before a seek.
  // The last commit may have waited long for its transaction: what comes now is not of the future.
  if (!std::exchange(input.uncommitted, true)) input.batcher.refresh();
  input.progress.read_up_to(message.offset + 1);
  uncommitted_bytes += message.len;
  // Where a restart begins must not decide which header a message stands behind.
  input.decoder.begin_messages();
  input.decoder.message({static_cast<const char*>(message.payload), message.len});
  input.batcher.count(input.decoder, message.len);
}

void KafkaReader::State::failed(rd_kafka_t*, int error, const char* reason, void* opaque) {
  std::string text = log_kafka_trouble(error, reason);
  // Of this one each broker's own trouble says more.
  if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
    static_cast<State*>(opaque)->trouble = std::move(text);
}

/// A topic that was made meanwhile may be another member's to read.
void KafkaReader::State::look_for_missing() {
  const SteadyTime now = context.clock.steady();
  if (missing.empty() || now - looked_at < kLookInterval) return;
  looked_at = now;
  std::erase_if(missing, [&](const auto& topic) {
    const auto count = partitions_known(consumer.get(), topic.first, kLookTimeoutMs);
    return count && *count > 0;
  });
}

/// Takes in the answer that has come, and asks again at the interval.
void KafkaReader::State::ask_for_ends() {
  if (const auto answer = ends->answer()) {
    for (const auto& [partition, end] : answer->ends) {
      const auto found = inputs.find(partition);
      if (found != inputs.end()) found->second->progress.ended_at(answer->asked_ms, end);
    }
  }
  const SteadyTime now = context.clock.steady();
  if (ends->asking() || inputs.empty() || now - asked_at < kAskInterval) return;
  asked_at = now;
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, input] : inputs) partitions.push_back(partition);
  ends->ask(partitions, wall_ms());
}

KafkaReader::KafkaReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
KafkaReader::~KafkaReader() = default;

Result<std::unique_ptr<KafkaReader>> KafkaReader::open(const SourceContext& context,
                                                       const KafkaSourceOptions& options,
                                                       std::uint32_t session_timeout_ms,
                                                       StoredOffset stored) {
  auto state = std::make_unique<State>(context, options.settings, std::move(stored));
  KafkaHooks hooks;
  hooks.opaque = state.get();
  hooks.rebalance = State::rebalance;
  hooks.failed = State::failed;
  auto consumer = make_kafka_client(
      RD_KAFKA_CONSUMER, options.connection,
      {{"group.id", options.group},
       {"auto.offset.reset", "earliest"},
       {"enable.auto.commit", "false"},
       {"enable.auto.offset.store", "false"},
       {"isolation.level", "read_committed"},
       {"partition.assignment.strategy", "cooperative-sticky"},
       {"session.timeout.ms", std::to_string(session_timeout_ms)},
       {"heartbeat.interval.ms", std::to_string(std::max(session_timeout_ms / 12, 100u))},
       {"enable.partition.eof", "true"},
       // How soon a topic, or partition, that is made later is read; five minutes otherwise.
       {"topic.metadata.refresh.interval.ms", "10000"},
       {"receive.message.max.bytes", "200000000"},
       {"queued.max.messages.kbytes", "65536"}},
      hooks);
  if (!consumer) return std::move(consumer).error();
  state->consumer = *std::move(consumer);
  state->ends = std::make_unique<KafkaEnds>(state->consumer.get());
  PartitionList topics;
  for (const std::string& topic : options.topics) topics.add({topic, RD_KAFKA_PARTITION_UA});
  const auto error = rd_kafka_subscribe(state->consumer.get(), topics.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(error, "subscription");
  return std::unique_ptr<KafkaReader>(new KafkaReader(std::move(state)));
}

Result<bool> KafkaReader::poll(int timeout_ms) {
  State& state = *state_;
  state.ask_for_ends();
  const KafkaMessage message(rd_kafka_consumer_poll(state.consumer.get(), timeout_ms));
  if (state.failure) return *state.failure;
  if (!message) return false;
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    state.read(*message);
    return true;
  }
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    const auto found = state.inputs.find({rd_kafka_topic_name(message->rkt), message->partition});
    // Also past records that no reader sees: the ends of transactions.
    if (found != state.inputs.end()) found->second->progress.read_up_to(message->offset);
    return false;
  }
  char why[512];
  const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(state.consumer.get(), why, sizeof why);
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(fatal, why);
  spdlog::warn("kafka input: {}", rd_kafka_message_errstr(message.get()));
  const bool of_topic = message->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                        message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
  if (of_topic && message->rkt != nullptr)
    state.missing[rd_kafka_topic_name(message->rkt)] = rd_kafka_message_errstr(message.get());
  else
    state.trouble = rd_kafka_message_errstr(message.get());
  return false;
}

std::string KafkaReader::waiting() {
  State& state = *state_;
  state.look_for_missing();
  if (!state.missing.empty()) return "kafka: " + state.missing.begin()->second;
  state.member = state.member || is_member(state.consumer.get());
  return state.member ? std::string() : "kafka: " + state.trouble;
}

std::size_t KafkaReader::uncommitted_bytes() const noexcept { return state_->uncommitted_bytes; }

bool KafkaReader::progress_due() const noexcept {
  for (const auto& [partition, input] : state_->inputs) {
    if (input->batcher.progress_due()) return true;
  }
  return false;
}

void KafkaReader::note_progress() {
  State& state = *state_;
  state.ask_for_ends();
  for (auto& [partition, input] : state.inputs) {
    const std::int64_t complete_ms = input->progress.complete_ms();
    if (complete_ms > 0) input->batcher.caught_up(complete_ms);
    if (complete_ms == 0 || state.wall_ms() - complete_ms > kCaughtUpMs) input->batcher.behind();
  }
}

KafkaOffsets KafkaReader::offsets() const {
  KafkaOffsets offsets;
  for (const auto& [partition, input] : state_->inputs) {
    if (input->progress.next_offset() >= 0) offsets[partition] = input->progress.next_offset();
  }
  return offsets;
}

void KafkaReader::mark_committed() {
  state_->uncommitted_bytes = 0;
  for (auto& [partition, input] : state_->inputs) input->uncommitted = false;
}

Result<void> KafkaReader::rewind() {
  State& state = *state_;
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, input] : state.inputs) {
    if (input->uncommitted) partitions.push_back(partition);
  }
  state.uncommitted_bytes = 0;
  if (partitions.empty()) return {};
  auto committed = committed_offsets(state.consumer.get(), partitions);
  if (!committed) return std::move(committed).error();
  for (auto& [partition, offset] : *committed) {
    if (offset < 0) offset = RD_KAFKA_OFFSET_BEGINNING;
    state.inputs[partition] =
        std::make_unique<KafkaInput>(state.context, state.settings, source_name(partition));
  }
  const PartitionList list(*committed);
  const KafkaError error(
      rd_kafka_seek_partitions(state.consumer.get(), list.get(), kSeekTimeoutMs));
  if (error) return kafka_error(*error, "seek");
  for (int i = 0; i < list.get()->cnt; ++i) {
    if (list.get()->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return kafka_error(list.get()->elems[i].err, "seek");
  }
  return {};
}

std::map<TopicPartition, std::unique_ptr<KafkaInput>>& KafkaReader::inputs() noexcept {
  return state_->inputs;
}
rd_kafka_t* KafkaReader::handle() const noexcept { return state_->consumer.get(); }

}  // namespace fleetmeter::ingest
