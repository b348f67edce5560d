#include "ingest/kafka_transaction.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace fleetmeter::ingest {

namespace {

using Deadline = std::chrono::steady_clock::time_point;

int left_ms(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

using GroupMetadata = std::unique_ptr<rd_kafka_consumer_group_metadata_t,
                                      void (*)(rd_kafka_consumer_group_metadata_t*)>;

/// Member and generation that the broker checks offsets against. A consumer that has just lost its
/// membership names none; the broker would take such offsets unchecked, as those of a client
/// without a group, and what another member has read already would count twice.
Result<GroupMetadata> membership(rd_kafka_t* member) {
  GroupMetadata metadata(rd_kafka_consumer_group_metadata(member),
                         rd_kafka_consumer_group_metadata_destroy);
  if (!metadata || rd_kafka_consumer_group_metadata_generation_id(metadata.get()) < 0)
    return Error{ErrorCode::kFenced, "kafka: not a member of the group at the moment"};
  return metadata;
}

}  // namespace

struct KafkaTransactions::State {
  std::uint32_t timeout_ms = 10'000;
  bool broken = false;
  KafkaOffsets written;  // By delivery reports of the open transaction.
  rd_kafka_resp_err_t lost = RD_KAFKA_RESP_ERR_NO_ERROR;  // First record that was not delivered.
  KafkaHandle producer;  // Last: its destruction may still report deliveries.

  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  [[nodiscard]] Deadline deadline() const {
    return std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  }
  Result<void> settle(KafkaError error, const char* step);
  template <typename Call>
  Result<void> call(const char* step, Call&& call);
  Result<void> abort(Error why);
  Result<void> produce(const KafkaRecord& record, Deadline deadline);
};

void KafkaTransactions::State::delivered(rd_kafka_t*, const rd_kafka_message_t* message,
                                         void* opaque) {
  State& state = *static_cast<State*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (state.lost == RD_KAFKA_RESP_ERR_NO_ERROR) state.lost = message->err;
    return;
  }
  std::int64_t& last = state.written[{rd_kafka_topic_name(message->rkt), message->partition}];
  last = std::max(last, message->offset);
}

/// Aborts the open transaction; afterwards nothing of it is visible. Where even that fails the
/// producer is of no further use.
Result<void> KafkaTransactions::State::abort(Error why) {
  char reason[512];
  const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer.get(), reason, sizeof reason);
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {  // Fenced: what was queued was purged.
    broken = true;
    return kafka_error(fatal, reason);
  }
  const KafkaError error(rd_kafka_abort_transaction(producer.get(), static_cast<int>(timeout_ms)));
  if (error) broken = true;
  return why;
}

/// What a failed step means: a transaction that must be aborted is not committed; everything else
/// leaves its outcome open.
Result<void> KafkaTransactions::State::settle(KafkaError error, const char* step) {
  Error why = kafka_error(*error, step);
  if (rd_kafka_error_is_fatal(error.get()) == 0 &&
      rd_kafka_error_txn_requires_abort(error.get()) != 0) {
    return abort(std::move(why));
  }
  broken = true;
  return why;
}

template <typename Call>
Result<void> KafkaTransactions::State::call(const char* step, Call&& call) {
  const Deadline until = deadline();
  for (;;) {
    KafkaError error(call(std::max(left_ms(until), 1)));
    if (!error) return {};
    const bool again = rd_kafka_error_is_retriable(error.get()) != 0 &&
                       rd_kafka_error_txn_requires_abort(error.get()) == 0;
    if (!again || left_ms(until) == 0) return settle(std::move(error), step);
    rd_kafka_poll(producer.get(), 20);
  }
}

Result<void> KafkaTransactions::State::produce(const KafkaRecord& record, Deadline until) {
  // librdkafka copies the payload; its signature only lacks const.
  void* value = record.tombstone ? nullptr : const_cast<char*>(record.value.data());
  for (;;) {
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        producer.get(), RD_KAFKA_V_TOPIC(record.to.first.c_str()),
        RD_KAFKA_V_PARTITION(record.to.second),
        RD_KAFKA_V_KEY(record.key.data(), record.key.size()),
        RD_KAFKA_V_VALUE(value, record.value.size()), RD_KAFKA_V_TIMESTAMP(record.timestamp_ms),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL || left_ms(until) == 0)
      return kafka_error(error, "produce to " + record.to.first);
    rd_kafka_poll(producer.get(), 20);
  }
}

KafkaTransactions::KafkaTransactions(std::unique_ptr<State> state) : state_(std::move(state)) {}
KafkaTransactions::~KafkaTransactions() = default;

Result<std::unique_ptr<KafkaTransactions>> KafkaTransactions::open(
    const KafkaConnection& connection, const std::string& transactional_id,
    std::uint32_t timeout_ms) {
  auto state = std::make_unique<State>();
  state->timeout_ms = timeout_ms;
  KafkaHooks hooks;
  hooks.opaque = state.get();
  hooks.delivered = State::delivered;
  auto producer = make_kafka_client(RD_KAFKA_PRODUCER, connection,
                                    {{"transactional.id", transactional_id},
                                     {"transaction.timeout.ms", std::to_string(timeout_ms)},
                                     {"message.timeout.ms", std::to_string(timeout_ms)},
                                     {"linger.ms", "0"},
                                     {"compression.codec", "zstd"},
                                     {"message.max.bytes", "67108864"},
                                     {"queue.buffering.max.kbytes", "262144"}},
                                    hooks);
  if (!producer) return std::move(producer).error();
  state->producer = *std::move(producer);
  // An open transaction of a dead process with this id is aborted here.
  auto ready = state->call("init of transactions", [&](int wait_ms) {
    return rd_kafka_init_transactions(state->producer.get(), wait_ms);
  });
  if (!ready) return std::move(ready).error();
  return std::unique_ptr<KafkaTransactions>(new KafkaTransactions(std::move(state)));
}

Result<KafkaOffsets> KafkaTransactions::commit(const std::vector<KafkaRecord>& records,
                                               const KafkaOffsets& offsets, rd_kafka_t* member) {
  State& state = *state_;
  rd_kafka_t* producer = state.producer.get();
  if (state.broken) return Error{ErrorCode::kFenced, "kafka: the producer has failed for good"};
  state.written.clear();
  state.lost = RD_KAFKA_RESP_ERR_NO_ERROR;
  GroupMetadata group(nullptr, rd_kafka_consumer_group_metadata_destroy);
  if (!offsets.empty()) {
    auto known = membership(member);
    if (!known) return std::move(known).error();
    group = *std::move(known);
  }
  const Deadline until = state.deadline();
  auto begun = state.call("begin of a transaction",
                          [&](int) { return rd_kafka_begin_transaction(producer); });
  if (!begun) return std::move(begun).error();
  for (const KafkaRecord& record : records) {
    if (auto sent = state.produce(record, until); !sent)
      return std::move(state.abort(std::move(sent).error())).error();
  }
  // Serves the delivery reports, which say where the records went.
  const rd_kafka_resp_err_t flushed = rd_kafka_flush(producer, std::max(left_ms(until), 1));
  if (flushed != RD_KAFKA_RESP_ERR_NO_ERROR || state.lost != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const auto error = state.lost != RD_KAFKA_RESP_ERR_NO_ERROR ? state.lost : flushed;
    return std::move(state.abort(kafka_error(error, "produce"))).error();
  }
  if (!offsets.empty()) {
    const PartitionList list(offsets);
    auto sent = state.call("offsets of a transaction", [&](int wait_ms) {
      return rd_kafka_send_offsets_to_transaction(producer, list.get(), group.get(), wait_ms);
    });
    if (!sent) return std::move(sent).error();
  }
  if (fault) fault("transaction.before_commit");
  auto committed = state.call("commit of a transaction", [&](int wait_ms) {
    return rd_kafka_commit_transaction(producer, wait_ms);
  });
  if (!committed) return std::move(committed).error();
  if (fault) fault("transaction.after_commit");
  return state.written;
}

bool KafkaTransactions::broken() const noexcept { return state_->broken; }
rd_kafka_t* KafkaTransactions::handle() const noexcept { return state_->producer.get(); }

}  // namespace fleetmeter::ingest
