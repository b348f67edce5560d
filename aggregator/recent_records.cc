#include "aggregator/recent_records.h"

#include <utility>

namespace fleetmeter::aggregator {

void RecentRecords::add(LogPosition position, proto::LogRecord record, std::size_t bytes) {
  kept_.push_back({{0, position, std::move(record)}, bytes});
  bytes_ += bytes;
  while (bytes_ > bytes_max_) drop_oldest();
}

std::vector<LogEntry> RecentRecords::take(LogPosition after, std::size_t records_max) {
  forget(after);
  std::vector<LogEntry> entries;
  while (!kept_.empty() && entries.size() < records_max &&
         kept_.front().entry.position == after + 1) {
    entries.push_back(std::move(kept_.front().entry));
    ++after;
    drop_oldest();
  }
  return entries;
}

void RecentRecords::forget(LogPosition up_to) {
  while (!kept_.empty() && kept_.front().entry.position <= up_to) drop_oldest();
}

void RecentRecords::drop_oldest() {
  bytes_ -= kept_.front().bytes;
  kept_.pop_front();
}

}  // namespace fleetmeter::aggregator
