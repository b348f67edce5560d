#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace fleetmeter::app {

/// Ids of CloudWatch Logs events and Firehose requests met lately, to tell repeats by. Bounded: it holds the last
/// `ids_max` ids at least and twice as many at most, some 60 MB when full; a repeat of an id that it
/// forgot counts as new. A text too long for an id (they have 56 digits) is never a repeat.
class RecentLogEvents {
 public:
  static constexpr std::size_t kIdsMax = 1u << 18, kIdBytesMax = 128;

  explicit RecentLogEvents(std::size_t ids_max = kIdsMax) : ids_max_(ids_max) {}

  /// False when the id was met before.
  [[nodiscard]] bool insert(std::string_view id) {
    if (id.size() > kIdBytesMax) return true;
    std::string key(id);
    if (older_.contains(key) || !newer_.insert(std::move(key)).second) return false;
    if (newer_.size() < ids_max_) return true;
    std::swap(older_, newer_);
    newer_.clear();
    return true;
  }

 private:
  std::size_t ids_max_;
  std::unordered_set<std::string> newer_, older_;  // The older is full, or empty.
};

}  // namespace fleetmeter::app
