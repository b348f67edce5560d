#include "aggregator/sqlite_writer.h"

#include <chrono>
#include <utility>

namespace fleetmeter::aggregator {
namespace {

// Calls in one transaction: enough to spread a sync thin, few enough that the first of them does
// not wait long.
constexpr std::size_t kGroupMax = 64;
constexpr std::chrono::seconds kProbeEvery{1};

bool is_about_the_store(const Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDataLoss;
}

Result<void> write_totals(SqliteDatabase& database, const StoreTotals& totals) {
  SqliteQuery query(database,
                    "UPDATE store SET last_position = ?1, pruned_to = ?2, evaluated = ?3, "
                    "log_bytes = ?4, once_count = ?5");
  query.bind(1, totals.last_position).bind(2, totals.pruned_to).bind(3, totals.evaluated);
  return query.bind(4, totals.log_bytes).bind(5, totals.once_count).run();
}

}  // namespace

SqliteWriter::SqliteWriter(SqliteDatabase database, StoreTotals totals, const Clock& clock,
                           Fault fault, std::function<void(const StoreTotals&)> committed)
    : database_(std::move(database)),
      totals_(totals),
      clock_(clock),
      fault_(std::move(fault)),
      committed_(std::move(committed)),
      thread_([this] { loop(); }) {}

SqliteWriter::~SqliteWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_all();
  thread_.join();
}

Result<void> SqliteWriter::run(std::string_view label, const Work& work) {
  Request request{.label = label, .work = &work, .result = {}};
  std::unique_lock lock(mutex_);
  // At most one a calling thread, which waits here: that bounds the queue.
  queue_.push_back(&request);
  queued_.notify_one();
  finished_.wait(lock, [&] { return request.done; });
  return std::move(request.result);
}

StoreHealth SqliteWriter::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void SqliteWriter::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto ready = [this] { return stopping_ || !queue_.empty(); };
    if (health_.writable) {
      queued_.wait(lock, ready);
    } else if (!queued_.wait_for(lock, kProbeEvery, ready)) {
      lock.unlock();
      note(probe(), 0);
      lock.lock();
      continue;
    }
    if (queue_.empty()) return;  // Only when stopping.
    std::deque<Request*> group;
    while (!queue_.empty() && group.size() < kGroupMax) {
      group.push_back(queue_.front());
      queue_.pop_front();
    }
    lock.unlock();
    run_group(group);
    lock.lock();
    for (Request* request : group) request->done = true;
    finished_.notify_all();
  }
}

void SqliteWriter::run_group(std::deque<Request*>& group) {
  StoreTotals totals = totals_;
  const Result<void> outcome = apply_group(group, totals);
  if (outcome) {
    totals_ = totals;
    committed_(totals_);
    call_fault(group, "after_commit");
  } else {
    if (database_.in_transaction()) (void)database_.execute("ROLLBACK");
    for (Request* request : group) {
      // A call refused for its own sake keeps its own reason.
      if (request->applied || request->result.has_value()) request->result = outcome;
    }
  }
  note(outcome, group.size());
}

Result<void> SqliteWriter::apply_group(std::deque<Request*>& group, StoreTotals& totals) {
  if (auto begun = database_.execute("BEGIN IMMEDIATE"); !begun) return begun;
  for (Request* request : group) {
    if (auto went_on = apply_one(*request, totals); !went_on) return went_on;
  }
  if (auto written = write_totals(database_, totals); !written) return written;
  call_fault(group, "before_commit");
  return database_.execute("COMMIT");
}

// An error return ends the whole group; the call's own refusal is in request.result.
Result<void> SqliteWriter::apply_one(Request& request, StoreTotals& totals) {
  const StoreTotals before = totals;
  if (auto saved = database_.execute("SAVEPOINT call"); !saved) return saved;
  request.result = (*request.work)(database_, totals);
  if (request.result) {
    request.applied = true;
    return database_.execute("RELEASE call");
  }
  if (is_about_the_store(request.result.error()) || !database_.in_transaction()) {
    return request.result.error();
  }
  totals = before;
  return database_.execute("ROLLBACK TO call; RELEASE call");
}

Result<void> SqliteWriter::probe() {
  SqliteQuery query(database_, "UPDATE store SET probe_ms = ?1");
  return query.bind(1, clock_.wall().time_since_epoch().count()).run();
}

void SqliteWriter::call_fault(const std::deque<Request*>& group, std::string_view point) const {
  if (!fault_) return;
  for (const Request* request : group) {
    if (request->applied) fault_(std::string(request->label) + "." + std::string(point));
  }
}

void SqliteWriter::note(const Result<void>& outcome, std::uint64_t requests) {
  const std::lock_guard lock(mutex_);
  health_.writable = outcome.has_value();
  health_.groups += requests == 0 ? 0 : 1;
  health_.requests += requests;
  if (outcome) {
    health_.failed = false;
    return;
  }
  ++health_.failures;
  health_.last_error = outcome.error().message;
  health_.failed = outcome.error().code != ErrorCode::kUnavailable;
}

}  // namespace fleetmeter::aggregator
