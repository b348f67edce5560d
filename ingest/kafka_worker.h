#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "proto/result.h"

namespace fleetmeter::ingest {

/// Trying again does not mend it.
[[nodiscard]] bool is_final(const Error& error);

/// The thread of a member of a consumer group. Its work ends when it is stopped, or with an error:
/// then it begins anew, from what is committed, until it is stopped. Final errors (kInvalidArgument,
/// kDataLoss) end it for good. start() and stop() from one thread.
class KafkaWorker {
 public:
  /// Runs until `stop`, or fails. Says set_blocked({}) once it works.
  using Work = std::function<Result<void>(const std::stop_token& stop)>;

  explicit KafkaWorker(std::string name) : name_(std::move(name)) {}
  ~KafkaWorker() { stop(); }
  KafkaWorker(const KafkaWorker&) = delete;
  KafkaWorker& operator=(const KafkaWorker&) = delete;

  void start(Work work);
  void stop();  ///< Joins; idempotent.

  /// Why it takes nothing right now; empty = it does. Thread safe, as failure().
  [[nodiscard]] std::string blocked() const;
  void set_blocked(const std::string& why);
  [[nodiscard]] std::optional<Error> failure() const;  ///< What has ended it for good.

 private:
  void run(const Work& work, const std::stop_token& stop);

  std::string name_;
  mutable std::mutex mutex_;  // Guards the two below.
  std::optional<Error> failure_;
  std::string blocked_ = "kafka: not connected yet";
  std::jthread thread_;
};

}  // namespace fleetmeter::ingest
