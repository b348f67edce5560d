#include "tests/sim/memory_log.h"

#include <algorithm>
#include <chrono>
#include <tuple>

namespace fleetmeter::sim {

using aggregator::DeliveryState;
using aggregator::LogEntry;
using aggregator::LogPartition;
using aggregator::LogPosition;
using aggregator::OutboxEntry;
using aggregator::Snapshot;

namespace {

constexpr std::int64_t kKeysKeptMs = 48 * 3'600'000;

}  // namespace

std::string MemoryDisk::fingerprint() const {
  const std::lock_guard lock(mutex);
  std::string out = std::to_string(last) + " " + std::to_string(evaluated) + "\n";
  for (const LogEntry& entry : records)
    out += std::to_string(entry.position) + entry.record.SerializeAsString();
  for (const auto& [source, position] : positions) out += source + "=" + position + "\n";
  for (const auto& [key, at] : once_keys) out += key + "@" + std::to_string(at) + "\n";
  for (const auto& [id, event] : events) out += event.SerializeAsString();
  for (const auto& [key, entry] : outbox)
    out +=
        key.first + key.second + entry.body + std::to_string(static_cast<int>(entry.state)) + "\n";
  for (const KeptSnapshot& kept : snapshots)
    out += std::to_string(kept.snapshot.position) + kept.snapshot.state;
  return out;
}

bool MemoryDisk::damage_newest_snapshot() {
  const std::lock_guard lock(mutex);
  if (snapshots.empty() || snapshots.back().snapshot.state.empty()) return false;
  snapshots.back().snapshot.state.front() ^= 1;
  return true;
}

MemoryLog::MemoryLog(MemoryDisk& disk, const Clock& clock, FaultHook fault)
    : disk_(disk), clock_(clock), fault_(std::move(fault)) {
  const std::lock_guard lock(disk_.mutex);
  epoch_ = ++disk_.owner;
}

bool MemoryLog::crashed() const {
  const std::lock_guard lock(disk_.mutex);
  return crashed_;
}

std::optional<Error> MemoryLog::gone(bool owner_only) const {
  if (crashed_) return Error{ErrorCode::kFenced, "this process has crashed"};
  if (owner_only && epoch_ != disk_.owner)
    return Error{ErrorCode::kFenced, "another owner took over"};
  return std::nullopt;
}

Result<void> MemoryLog::commit(Write kind, const std::function<void()>& write) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(kind != Write::kAppend)) return *std::move(why);
  const Fault fault = fault_ ? fault_(kind) : Fault::kNone;
  if (fault == Fault::kRefuse) return Error{ErrorCode::kUnavailable, "refused"};
  if (fault != Fault::kCrashBefore) write();
  crashed_ = fault != Fault::kNone;
  if (fault == Fault::kCrashUnsure) return Error{ErrorCode::kUnavailable, "the sync failed"};
  if (crashed_) return Error{ErrorCode::kFenced, "crash"};
  return {};
}

LogPosition MemoryLog::add(proto::LogRecord record) {
  if (record.append_time_ms() == 0) record.set_append_time_ms(wall_ms());
  disk_.records.push_back({0, ++disk_.last, std::move(record)});
  return disk_.last;
}

Result<std::map<LogPartition, LogPosition>> MemoryLog::append(aggregator::Commit&& commit_in) {
  std::map<LogPartition, LogPosition> written;
  auto done = commit(Write::kAppend, [&] {
    for (auto& one : commit_in.records) written[one.partition] = add(std::move(one.record));
    for (const auto& [source, position] : commit_in.positions) disk_.positions[source] = position;
    for (const std::string& key : commit_in.once_keys) disk_.once_keys[key] = wall_ms();
  });
  disk_.appended.notify_all();
  if (!done) return std::move(done).error();
  return written;
}

Result<std::optional<std::string>> MemoryLog::source_position(std::string_view source) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  const auto found = disk_.positions.find(source);
  if (found == disk_.positions.end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

Result<std::vector<std::string>> MemoryLog::seen_keys(const std::vector<std::string>& keys) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  std::vector<std::string> seen;
  for (const std::string& key : keys) {
    const auto found = disk_.once_keys.find(key);
    if (found != disk_.once_keys.end() && found->second > wall_ms() - kKeysKeptMs)
      seen.push_back(key);
  }
  return seen;
}

Result<std::vector<LogEntry>> MemoryLog::read(LogPartition, LogPosition after,
                                              std::size_t records_max) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  const auto first = std::ranges::upper_bound(disk_.records, after, {}, &LogEntry::position);
  const auto count = std::min<std::ptrdiff_t>(disk_.records.end() - first,
                                              static_cast<std::ptrdiff_t>(records_max));
  return std::vector<LogEntry>(first, first + count);
}

bool MemoryLog::wait(LogPartition, LogPosition after, std::int64_t timeout_ms) {
  std::unique_lock lock(disk_.mutex);
  return disk_.appended.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                 [&] { return disk_.last > after; });
}

Result<LogPosition> MemoryLog::last_position(LogPartition) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  return disk_.last;
}

Result<LogPosition> MemoryLog::evaluated_position(LogPartition) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  return disk_.evaluated;
}

Result<void> MemoryLog::commit_outputs(aggregator::Outputs outputs) {
  auto done = commit(Write::kOutputs, [&] {
    disk_.evaluated = std::max(disk_.evaluated, outputs.evaluated);
    for (const proto::Event& event : outputs.events) {
      const auto [at, added] = disk_.events.try_emplace(event.id(), event);
      if (!added && at->second.SerializeAsString() != event.SerializeAsString())
        ++disk_.events_changed;
    }
    for (const OutboxEntry& entry : outputs.outbox)
      disk_.outbox.try_emplace({entry.event_id, entry.receiver}, entry);
    for (const proto::LogRecord& record : outputs.append) add(record);
  });
  disk_.appended.notify_all();
  return done;
}

Result<void> MemoryLog::put_snapshot(LogPartition, const Snapshot& snapshot) {
  return commit(Write::kSnapshot, [&] {
    disk_.snapshots.push_back({snapshot, std::hash<std::string>()(snapshot.state)});
    if (disk_.snapshots.size() > 2) disk_.snapshots.erase(disk_.snapshots.begin());
  });
}

Result<std::optional<Snapshot>> MemoryLog::latest_snapshot(LogPartition) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  for (auto kept = disk_.snapshots.rbegin(); kept != disk_.snapshots.rend(); ++kept) {
    if (kept->whole()) return std::optional<Snapshot>(kept->snapshot);
  }
  return std::optional<Snapshot>();
}

Result<std::uint64_t> MemoryLog::prune(LogPartition, std::int64_t before_ms,
                                       std::uint64_t bytes_max) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(true)) return *std::move(why);
  const auto whole = std::ranges::find_if(disk_.snapshots, &MemoryDisk::KeptSnapshot::whole);
  const LogPosition covered = whole == disk_.snapshots.end() ? 0 : whole->snapshot.position;
  std::uint64_t bytes = 0;
  for (const LogEntry& entry : disk_.records) bytes += entry.record.ByteSizeLong();
  std::uint64_t gone_count = 0;
  std::erase_if(disk_.records, [&](const LogEntry& entry) {
    if (entry.position > covered) return false;
    if (entry.record.append_time_ms() >= before_ms && bytes <= bytes_max) return false;
    bytes -= entry.record.ByteSizeLong();
    ++gone_count;
    return true;
  });
  return gone_count;
}

Result<std::vector<proto::Event>> MemoryLog::events(const aggregator::EventQuery& query) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  std::vector<proto::Event> found;
  for (const auto& [id, event] : disk_.events) {
    if (!query.environment.empty() && event.environment() != query.environment) continue;
    if (!event.type().starts_with(query.type_prefix) || event.time_s() < query.since_s) continue;
    found.push_back(event);
  }
  std::ranges::stable_sort(found, {}, &proto::Event::time_s);
  if (found.size() > query.limit)
    found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(query.limit));
  return found;
}

Result<std::vector<OutboxEntry>> MemoryLog::due_outbox(std::int64_t now_ms, std::size_t limit) {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  std::vector<OutboxEntry> due;
  for (const auto& [key, entry] : disk_.outbox) {
    if (entry.state == DeliveryState::kPending && entry.next_attempt_ms <= now_ms)
      due.push_back(entry);
  }
  std::ranges::stable_sort(due, {}, &OutboxEntry::event_time_s);
  if (due.size() > limit) due.resize(limit);
  return due;
}

Result<void> MemoryLog::record_delivery(const OutboxEntry& entry) {
  return commit(Write::kDelivery, [&] {
    const auto found = disk_.outbox.find({entry.event_id, entry.receiver});
    if (found == disk_.outbox.end()) return;
    found->second.state = entry.state;
    found->second.attempts = entry.attempts;
    found->second.next_attempt_ms = entry.next_attempt_ms;
    found->second.last_error = entry.last_error;
  });
}

Result<std::map<DeliveryState, std::uint64_t>> MemoryLog::outbox_counts() {
  const std::lock_guard lock(disk_.mutex);
  if (auto why = gone(false)) return *std::move(why);
  std::map<DeliveryState, std::uint64_t> counts;
  for (const auto& [key, entry] : disk_.outbox) ++counts[entry.state];
  return counts;
}

}  // namespace fleetmeter::sim
