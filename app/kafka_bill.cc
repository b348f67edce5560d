#include "app/kafka_bill.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

namespace fleetmeter::app {

namespace {

using aggregator::LogPartition;
using aggregator::LogPosition;
using aggregator::UsageRecord;

constexpr std::size_t kReadRecords = 10'000;
// Without the end of a transaction in sight: the view is being rebuilt, and no moment is whole.
constexpr std::size_t kPutRecordsMax = 50'000;
constexpr auto kPruneInterval = std::chrono::hours(24);
constexpr std::int64_t kKeptHours = 397 * 24;  // 13 months.

struct Piece {
  std::vector<UsageRecord> records;
  std::int64_t next_offset = 0;
};

/// Reads on from `from`, to the last end of a transaction among what is there.
Result<Piece> read_piece(ingest::UsageTopic& usage, LogPartition partition, std::int64_t from) {
  Piece read;
  Piece whole{{}, from};
  std::size_t whole_records = 0;
  read.next_offset = from;
  while (read.records.size() < kPutRecordsMax) {
    auto messages = usage.read(partition, read.next_offset, kReadRecords);
    if (!messages) return std::move(messages).error();
    if (messages->empty()) break;
    for (ingest::UsageMessage& message : *messages) {
      read.next_offset = message.offset + 1;
      read.records.push_back(std::move(message.record));
      if (!cost::UsageStore::ends_transaction(read.records.back())) continue;
      whole_records = read.records.size();
      whole.next_offset = read.next_offset;
    }
    if (whole_records > 0) break;
  }
  if (whole_records == 0) return read;
  read.records.resize(whole_records);
  whole.records = std::move(read.records);
  return whole;
}

}  // namespace

Result<std::unique_ptr<KafkaBill>> KafkaBill::open(const std::string& cost_db, const Clock& clock,
                                                   const std::string& prefix) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(cost_db).parent_path(), error);
  if (error) {
    return Error{ErrorCode::kInvalidArgument,
                 "state directory of " + cost_db + ": " + error.message()};
  }
  const std::string topic = prefix + ".usage";
  auto store = cost::UsageStore::open(cost_db, topic);
  if (!store) return std::move(store).error();
  return std::unique_ptr<KafkaBill>(new KafkaBill(clock, topic, *std::move(store)));
}

Result<void> KafkaBill::connect(const ingest::KafkaLogOptions& options) {
  if (usage_) return {};
  auto usage = ingest::UsageTopic::open(options);
  if (!usage) return std::move(usage).error();
  usage_ = *std::move(usage);
  return {};
}

Result<bool> KafkaBill::follow() {
  bool any = false;
  for (LogPartition partition = 0; partition < usage_->partitions(); ++partition) {
    auto came = follow_one(partition);
    if (!came) return came;
    any = any || *came;
  }
  if (!any) prune();
  return any;
}

Result<bool> KafkaBill::follow_one(LogPartition partition) {
  std::int64_t from = 0;
  {
    const std::lock_guard lock(mutex_);
    if (taken_.contains(partition)) return false;
    auto next = store_->next_offset(partition);
    if (!next) return std::move(next).error();
    from = *next;
  }
  // Without the lock: an owner's loop must not wait for a broker's answer about others.
  auto piece = read_piece(*usage_, partition, from);
  if (!piece) return std::move(piece).error();
  if (piece->records.empty()) return false;
  const std::lock_guard lock(mutex_);
  if (taken_.contains(partition)) return false;
  if (auto put = store_->put(partition, piece->records, piece->next_offset); !put)
    return std::move(put).error();
  return true;
}

/// Under the lock.
Result<void> KafkaBill::complete(LogPartition partition) {
  auto from = store_->next_offset(partition);
  if (!from) return std::move(from).error();
  auto end = usage_->end(partition);
  if (!end) return std::move(end).error();
  if (*from > *end) {
    return Error{ErrorCode::kDataLoss, "cost.db holds more than topic " + topic_ +
                                           ": the topic was made anew; remove "
                                           "the file"};
  }
  for (;;) {
    auto piece = read_piece(*usage_, partition, *from);
    if (!piece) return std::move(piece).error();
    if (piece->records.empty()) return {};
    if (auto put = store_->put(partition, piece->records, piece->next_offset); !put) return put;
    *from = piece->next_offset;
  }
}

Result<LogPosition> KafkaBill::take(LogPartition partition) {
  const std::lock_guard lock(mutex_);
  taken_.insert(partition);
  if (auto completed = complete(partition); !completed) return std::move(completed).error();
  return store_->applied_position(partition);
}

void KafkaBill::release(LogPartition partition) {
  const std::lock_guard lock(mutex_);
  taken_.erase(partition);
  behind_.erase(partition);
}

Result<std::vector<UsageRecord>> KafkaBill::totals(LogPartition partition,
                                                   std::span<const aggregator::LogEntry> entries) {
  const std::lock_guard lock(mutex_);
  if (behind_.contains(partition)) {
    if (auto completed = complete(partition); !completed) return std::move(completed).error();
    behind_.erase(partition);
  }
  return store_->totals(partition, entries);
}

void KafkaBill::committed(LogPartition partition, std::span<const UsageRecord> records,
                          std::int64_t next_offset) {
  const std::lock_guard lock(mutex_);
  const auto put = store_->put(partition, records, next_offset);
  if (put) return;
  spdlog::error("{}; it is completed from the topic later", put.error().message);
  usage_->expect(partition, next_offset);
  behind_.insert(partition);
}

void KafkaBill::prune() {
  const SteadyTime now = clock_.steady();
  if (pruned_at_ != SteadyTime{} && now - pruned_at_ < kPruneInterval) return;
  pruned_at_ = now;
  const std::int64_t hour = clock_.wall().time_since_epoch().count() / 3'600'000;
  if (hour <= kKeptHours) return;
  const std::lock_guard lock(mutex_);
  const auto pruned = store_->prune(static_cast<std::uint32_t>(hour - kKeptHours));
  if (!pruned) spdlog::warn("cost.db not pruned: {}", pruned.error().message);
}

}  // namespace fleetmeter::app
