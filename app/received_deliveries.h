#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "app/receive.h"
#include "proto/result.h"

namespace fleetmeter::app {

/// What the receiver answers to one request, and why.
struct ReceiveAnswer {
  std::uint16_t status = 200;
  std::string text;       ///< Short plain text for people; never holds the secret.
  bool injected = false;  ///< A failure asked for by `fail_first`.
};

struct ReceiveRequest {
  std::string_view id, timestamp, signature;  ///< Standard Webhooks headers; empty = absent.
  std::string_view body;
};

struct ReceiveCounts {
  std::uint64_t requests = 0, deliveries = 0, duplicates = 0, conflicts = 0, failures_injected = 0,
                rejected = 0;
};

/// The receiver without its sockets: verifies, remembers one body hash per id, writes what it
/// accepts. Owned by the receiver's thread; `options` must outlive it.
class ReceivedDeliveries {
 public:
  explicit ReceivedDeliveries(const ReceiveOptions& options);
  /// Opens the output, reads the expected ids.
  [[nodiscard]] Result<void> open();
  [[nodiscard]] ReceiveAnswer accept(const ReceiveRequest& request);
  /// Every expected id has arrived; false when none were given.
  [[nodiscard]] bool complete() const noexcept { return expected_any_ && missing_.empty(); }
  [[nodiscard]] const ReceiveCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] std::size_t missing() const noexcept { return missing_.size(); }
  [[nodiscard]] std::string summary_json() const;

 private:
  struct Known {
    std::string sha256;  ///< Empty until a body was accepted.
    std::uint64_t attempts = 0;
  };
  ReceiveAnswer refuse(std::uint16_t status, std::string text);
  ReceiveAnswer store(const ReceiveRequest& request, const std::string& id, Known& known);
  bool write_line(const ReceiveRequest& request, const std::string& id, const Known& known,
                  const std::string& sha256);
  [[nodiscard]] std::int64_t now_ms() const;

  const ReceiveOptions& options_;
  SystemClock system_clock_;
  std::ofstream file_;
  std::unordered_map<std::string, Known> known_;  ///< At most options_.ids_max.
  std::unordered_set<std::string> missing_;
  bool expected_any_ = false;
  std::uint64_t distinct_ids_ = 0;
  ReceiveCounts counts_;
};

}  // namespace fleetmeter::app
