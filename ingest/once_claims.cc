#include "ingest/once_claims.h"

#include <algorithm>

#include "proto/check.h"

namespace fleetmeter::ingest {

bool OnceClaims::claim(const std::string& key) {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [&] {
    const auto found = held_.find(key);
    return found == held_.end() || found->second != Holder::kRequest;
  });
  return held_.try_emplace(key, Holder::kReader).second;
}

bool OnceClaims::enter(const std::set<std::string>& keys, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  const bool free = released_.wait_for(lock, limit, [&] {
    return std::none_of(keys.begin(), keys.end(),
                        [this](const std::string& key) { return held_.contains(key); });
  });
  if (!free) return false;
  for (const std::string& key : keys) held_.emplace(key, Holder::kRequest);
  return true;
}

void OnceClaims::release(const std::set<std::string>& keys) {
  if (keys.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& key : keys) FM_CHECK(held_.erase(key) == 1);
    ++outcomes_;
  }
  released_.notify_all();
}

std::uint64_t OnceClaims::outcomes() const {
  const std::lock_guard lock(mutex_);
  return outcomes_;
}

}  // namespace fleetmeter::ingest
