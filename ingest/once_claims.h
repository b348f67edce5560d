#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

namespace fleetmeter::ingest {

/// Once keys that somebody is about to commit, so that two who read one log event at a time do not
/// both find it new in the log (docs/time.md 10). One for each log, shared by all sources of the
/// process; holds no more keys than their open commits do. Thread safe.
///
/// Two kinds of holders, by what their upstream can do:
/// - A reader (files, Kafka) claims a key before it looks it up in the log, and keeps it until the
///   commit that takes it along is settled. What another reader holds it passes over: the holder
///   commits it, or reads it again.
/// - A request (Firehose) cannot be read again by us. It takes all its keys at the moment of its
///   commit, and waits for no one while it holds them; readers wait until it leaves. So there is no
///   circle of those who wait.
/// Everybody releases only when the log answers for the key, or never will.
class OnceClaims {
 public:
  /// For readers, of a key that they do not hold. False: another reader holds it. Waits while a
  /// request holds it.
  [[nodiscard]] bool claim(const std::string& key);
  /// For requests: takes all of `keys` at once, when nobody else holds any of them. False: that did
  /// not come to pass within `limit`, and none was taken.
  [[nodiscard]] bool enter(const std::set<std::string>& keys, std::chrono::milliseconds limit);
  /// The caller holds all of `keys`.
  void release(const std::set<std::string>& keys);
  /// While this number stands, nobody has released anything: what the log did not hold it still
  /// does not hold.
  [[nodiscard]] std::uint64_t outcomes() const;

 private:
  enum class Holder : std::uint8_t { kReader, kRequest };

  mutable std::mutex mutex_;  // Guards the two below.
  std::unordered_map<std::string, Holder> held_;
  std::uint64_t outcomes_ = 0;
  std::condition_variable released_;
};

}  // namespace fleetmeter::ingest
