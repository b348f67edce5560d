#pragma once

#include <cstddef>
#include <cstdint>

namespace fleetmeter::ingest {

/// Raises the process's soft limit of open descriptors to its hard one, to 65,536 at most.
void raise_descriptor_limit() noexcept;

/// How many descriptors one of many users may hold: connections half of the process's soft limit,
/// followed files a quarter, each an equal part of it; the rest is for stores, webhooks and Kafka,
/// which no sender and no backlog of files may starve. Thread safe.
class DescriptorShare {
 public:
  enum class Kind : std::uint8_t { kConnections, kFiles };
  explicit DescriptorShare(Kind kind) noexcept;
  ~DescriptorShare();
  DescriptorShare(const DescriptorShare&) = delete;
  DescriptorShare& operator=(const DescriptorShare&) = delete;
  /// At present, since users come and go; at least 1.
  [[nodiscard]] std::size_t count() const noexcept;

 private:
  Kind kind_;
};

}  // namespace fleetmeter::ingest
