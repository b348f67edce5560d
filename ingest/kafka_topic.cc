#include "ingest/kafka_topic.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <thread>

namespace fleetmeter::ingest {

namespace {

constexpr auto kReadTimeout = std::chrono::seconds(15);
constexpr std::size_t kFoldMessages = 1000;

std::string text_of(const void* bytes, std::size_t size) {
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

}  // namespace

struct TopicReader::State {
  KafkaHandle consumer;
  TopicPartition partition;
  bool skip_removed = false;
  std::atomic<std::int64_t> expected{0};  // Ends no earlier, once it is visible.
  std::mutex mutex;                       // Guards all below: one reader at a time.
  std::int64_t next = -1;      // Offset that the consumer goes on from; -1 = not assigned yet.
  std::int64_t ended_at = -1;  // The broker has said that nothing is before this offset.
  std::deque<TopicMessage> buffered;

  Result<std::pair<std::int64_t, std::int64_t>> ends() const;
  Result<void> go_to(std::int64_t offset);
  Result<bool> poll(int timeout_ms);
};

/// First offset kept and end, with everything that this process has committed.
Result<std::pair<std::int64_t, std::int64_t>> TopicReader::State::ends() const {
  const auto deadline = std::chrono::steady_clock::now() + kReadTimeout;
  for (;;) {
    auto found = watermarks(consumer.get(), partition);
    if (!found || found->second >= expected.load()) return found;
    if (std::chrono::steady_clock::now() > deadline) {
      return Error{ErrorCode::kUnavailable,
                   "kafka: " + partition.first + " does not show what was committed to it"};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Result<void> TopicReader::State::go_to(std::int64_t offset) {
  if (offset == next) return {};
  KafkaOffsets from;
  from[partition] = offset;
  const PartitionList list(from);
  const auto error = rd_kafka_assign(consumer.get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(error, "reading " + partition.first);
  buffered.clear();
  ended_at = -1;
  next = offset;
  return {};
}

/// Takes in one message, or the news that the partition ends; false when nothing came.
Result<bool> TopicReader::State::poll(int timeout_ms) {
  const KafkaMessage message(rd_kafka_consumer_poll(consumer.get(), timeout_ms));
  if (!message) return false;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    ended_at = std::max(ended_at, message->offset);
    return true;
  }
  if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    next = -1;
    return kafka_error(message->err, rd_kafka_message_errstr(message.get()));
  }
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return true;  // It reconnects by itself.
  if (message->offset < next) return true;
  buffered.push_back({message->offset, text_of(message->key, message->key_len),
                      text_of(message->payload, message->len)});
  return true;
}

TopicReader::TopicReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TopicReader::~TopicReader() = default;

Result<std::unique_ptr<TopicReader>> TopicReader::open(const KafkaConnection& connection,
                                                       TopicPartition partition,
                                                       bool skip_removed) {
  auto consumer = make_kafka_reader(connection);
  if (!consumer) return std::move(consumer).error();
  auto state = std::make_unique<State>();
  state->consumer = *std::move(consumer);
  state->partition = std::move(partition);
  state->skip_removed = skip_removed;
  return std::unique_ptr<TopicReader>(new TopicReader(std::move(state)));
}

Result<std::vector<TopicMessage>> TopicReader::read(std::int64_t from, std::size_t messages_max) {
  State& state = *state_;
  auto ends = state.ends();
  if (!ends) return std::move(ends).error();
  const auto [low, high] = *ends;
  if (from < low) {
    if (!state.skip_removed) {
      return Error{ErrorCode::kDataLoss,
                   state.partition.first + "/" + std::to_string(state.partition.second) +
                       " begins at offset " + std::to_string(low) + ", wanted is " +
                       std::to_string(from) + ": what is gone cannot be read again"};
    }
    from = low;
  }
  std::vector<TopicMessage> messages;
  if (from >= high) return messages;
  const std::lock_guard lock(state.mutex);
  if (auto there = state.go_to(from); !there) return std::move(there).error();
  const auto deadline = std::chrono::steady_clock::now() + kReadTimeout;
  while (messages.size() < messages_max) {
    if (!state.buffered.empty()) {
      state.next = state.buffered.front().offset + 1;
      messages.push_back(std::move(state.buffered.front()));
      state.buffered.pop_front();
      continue;
    }
    if (state.next >= high || state.ended_at >= high) break;
    auto came = state.poll(100);
    if (!came) return std::move(came).error();
    if (*came || std::chrono::steady_clock::now() < deadline) continue;
    if (!messages.empty()) break;
    return Error{ErrorCode::kUnavailable, "kafka: no answer from " + state.partition.first};
  }
  return messages;
}

void TopicReader::expect(std::int64_t end) noexcept {
  std::int64_t known = state_->expected.load();
  while (known < end && !state_->expected.compare_exchange_weak(known, end)) {
  }
}

bool TopicReader::wait(std::int64_t from, std::int64_t timeout_ms) {
  State& state = *state_;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  const auto left_ms = [&] {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  };
  const std::lock_guard lock(state.mutex);
  do {
    if (from == state.next) {
      if (!state.buffered.empty()) return true;
      (void)state.poll(left_ms());
      if (!state.buffered.empty()) return true;
      continue;
    }
    const auto last = watermarks(state.consumer.get(), state.partition);
    if (last && last->second > from) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(left_ms(), 20)));
  } while (left_ms() > 0);
  return false;
}

Result<std::int64_t> TopicReader::end() {
  auto ends = state_->ends();
  if (!ends) return std::move(ends).error();
  return ends->second;
}

Result<std::int64_t> TopicReader::begin() {
  auto ends = state_->ends();
  if (!ends) return std::move(ends).error();
  return ends->first;
}

Result<std::int64_t> TopicReader::fold(std::int64_t from,
                                       const std::function<Result<void>(TopicMessage&)>& each) {
  for (;;) {
    auto messages = read(from, kFoldMessages);
    if (!messages) return std::move(messages).error();
    if (messages->empty()) return from;
    for (TopicMessage& message : *messages) {
      from = message.offset + 1;
      if (auto done = each(message); !done) return std::move(done).error();
    }
  }
}

Result<void> wait_settled(const KafkaConnection& connection,
                          const std::vector<TopicPartition>& partitions, std::uint32_t timeout_ms) {
  auto committed = make_kafka_reader(connection);
  if (!committed) return std::move(committed).error();
  auto everything = make_kafka_client(
      RD_KAFKA_CONSUMER, connection,
      {{"group.id", "fleetmeter-unused"}, {"isolation.level", "read_uncommitted"}});
  if (!everything) return std::move(everything).error();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (const TopicPartition& partition : partitions) {
    for (;;) {
      const auto all = watermarks(everything->get(), partition);
      if (!all) return all.error();
      const auto stable = watermarks(committed->get(), partition);
      if (!stable) return stable.error();
      if (stable->second >= all->second) break;
      if (std::chrono::steady_clock::now() > deadline) {
        return Error{ErrorCode::kUnavailable,
                     "kafka: a transaction on " + partition.first + " stays open"};
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  return {};
}

}  // namespace fleetmeter::ingest
