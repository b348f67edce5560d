#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "ingest/source.h"
#include "proto/check.h"

namespace fleetmeter::ingest::testing {

inline constexpr std::int64_t kEventTime = 1'700'000'040;

/// A directory of its own, gone afterwards.
class Folder {
 public:
  Folder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fleetmeter-ingest-XXXXXX").string();
    FM_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string path(const std::string& name = {}) const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }
  std::string write(const std::string& name, const std::string& bytes, bool append = false) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, append ? std::ios::binary | std::ios::app : std::ios::binary)
        << bytes;
    return path(name);
  }
  void append(const std::string& name, const std::string& bytes) const { write(name, bytes, true); }
  void rename(const std::string& from, const std::string& to) const {
    std::filesystem::rename(path_ / from, path_ / to);
  }

 private:
  std::filesystem::path path_;
};

/// The process's soft limit of open descriptors, until it goes.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t count) {
    FM_CHECK(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit now{count, before_.rlim_max};
    FM_CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~DescriptorLimit() { (void)setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

/// A log in memory that can refuse: what batchers need of one, and what tests ask of it.
class MemoryLog final : public aggregator::IngestLog {
 public:
  Result<std::map<aggregator::LogPartition, aggregator::LogPosition>> append(
      aggregator::Commit&& commit) override {
    if (on_append) on_append(commit);
    const std::lock_guard lock(mutex_);
    if (refuse_) return *refuse_;
    if (commits_left_ == 0) return Error{ErrorCode::kFenced, "killed"};
    if (commits_left_ > 0) --commits_left_;
    for (auto& [source, position] : commit.positions) positions_[source] = position;
    for (const std::string& key : commit.once_keys) keys_.insert(key);
    commits_.push_back(std::move(commit));
    return std::map<aggregator::LogPartition, aggregator::LogPosition>();
  }
  Result<std::optional<std::string>> source_position(std::string_view source) override {
    const std::lock_guard lock(mutex_);
    const auto found = positions_.find(std::string(source));
    return found == positions_.end() ? std::nullopt : std::optional<std::string>(found->second);
  }
  Result<std::vector<std::string>> seen_keys(const std::vector<std::string>& keys) override {
    const std::lock_guard lock(mutex_);
    if (refuse_reads_) return *refuse_reads_;
    std::vector<std::string> seen;
    for (const std::string& key : keys) {
      if (keys_.contains(key)) seen.push_back(key);
    }
    return seen;
  }

  void refuse(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    refuse_ = std::move(error);
  }
  void refuse_reads(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    refuse_reads_ = std::move(error);
  }
  /// So many more commits succeed, then each is fenced; -1 = no limit.
  void allow_commits(int count) {
    const std::lock_guard lock(mutex_);
    commits_left_ = count;
  }
  [[nodiscard]] std::vector<aggregator::Commit> commits() const {
    const std::lock_guard lock(mutex_);
    return commits_;
  }
  [[nodiscard]] std::map<std::string, std::string> positions() const {
    const std::lock_guard lock(mutex_);
    return positions_;
  }
  struct Sums {
    std::uint64_t records = 0, bytes = 0, datapoints = 0;
    friend bool operator==(const Sums&, const Sums&) = default;
    friend void PrintTo(const Sums& sums, std::ostream* out) {
      *out << sums.records << " records, " << sums.bytes << " bytes, " << sums.datapoints
           << " datapoints";
    }
  };
  [[nodiscard]] Sums sums() const {
    Sums sums;
    const std::lock_guard lock(mutex_);
    for (const aggregator::Commit& commit : commits_) {
      for (const auto& record : commit.records) {
        for (const std::uint64_t n :
             aggregator::FlowRows::of(record.record.batch().flows()).records)
          sums.records += n;
        for (const std::uint64_t n : aggregator::FlowRows::of(record.record.batch().flows()).bytes)
          sums.bytes += n;
        sums.datapoints += aggregator::datapoint_count(record.record.batch().datapoints());
      }
    }
    return sums;
  }
  [[nodiscard]] std::vector<proto::SourceProgress> progress() const {
    std::vector<proto::SourceProgress> told;
    const std::lock_guard lock(mutex_);
    for (const aggregator::Commit& commit : commits_) {
      for (const auto& record : commit.records) {
        for (const auto& source : record.record.progress().sources()) told.push_back(source);
      }
    }
    return told;
  }
  std::function<void(const aggregator::Commit&)> on_append;  ///< Set before any thread runs.

 private:
  mutable std::mutex mutex_;  // Guards all below.
  std::vector<aggregator::Commit> commits_;
  std::map<std::string, std::string> positions_;
  std::set<std::string> keys_;
  std::optional<Error> refuse_, refuse_reads_;
  int commits_left_ = -1;
};

/// What a source works with.
struct World {
  MemoryLog log;
  SystemClock clock;
  InventoryHolder inventory{aggregator::Inventory::empty({})};
  IngestCounters counters;
  OnceClaims claims;
  [[nodiscard]] SourceContext context(aggregator::IngestLog* other_log = nullptr,
                                      const Clock* other_clock = nullptr) {
    return {other_log ? *other_log : log,
            other_clock ? *other_clock : clock,
            inventory,
            counters,
            claims,
            [](std::string_view) { return aggregator::LogPartition{0}; },
            {0},
            {},
            {}};
  }
  std::map<std::string, std::string> bad_inputs() {
    const std::lock_guard lock(counters.mutex);
    return counters.bad_inputs;
  }
  std::uint64_t dropped(const std::string& reason) {
    const std::lock_guard lock(counters.mutex);
    const auto found = counters.dropped.find(reason);
    return found == counters.dropped.end() ? 0 : found->second;
  }
  parsers::DecodeCounts decoded() {
    const std::lock_guard lock(counters.mutex);
    return counters.decode;
  }
};

/// One flow log line in the default format, of so many bytes.
inline std::string flow_line(std::uint64_t bytes, std::int64_t start_s = kEventTime,
                             std::uint32_t host = 1) {
  return "2 123456789010 eni-1235b8ca123456789 10.0.0." + std::to_string(host % 250 + 1) +
         " 10.0.1.2 20641 22 6 20 " + std::to_string(bytes) + " " + std::to_string(start_s) + " " +
         std::to_string(start_s + 60) + " ACCEPT OK\n";
}

/// A subscription envelope with one flow record, of one byte, for each log event.
inline std::string log_events(const std::vector<std::string>& event_ids) {
  std::string line = flow_line(1);
  line.pop_back();
  std::string events;
  for (const std::string& id : event_ids) {
    events += std::string(events.empty() ? "" : ",") + R"({"id":")" + id +
              R"(","timestamp":1700000040000,"message":")" + line + "\"}";
  }
  return R"({"logStream":"eni-1-all","messageType":"DATA_MESSAGE","owner":"123456789012","logEvents":[)" +
         events + "]}";
}

template <typename Condition>
[[nodiscard]] bool eventually(Condition condition,
                              std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace fleetmeter::ingest::testing
