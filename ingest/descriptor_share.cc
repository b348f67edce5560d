#include "ingest/descriptor_share.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>

namespace fleetmeter::ingest {

namespace {

constexpr rlim_t kRaisedMax = 65'536;
constexpr rlim_t kUnknownLimit = 1024;  // What Linux gives by default.

std::atomic<std::size_t> users[2];  // Of each kind, in the process.

std::atomic<std::size_t>& users_of(DescriptorShare::Kind kind) noexcept {
  return users[static_cast<std::size_t>(kind)];
}

}  // namespace

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t raised = std::min(limit.rlim_max, kRaisedMax);
  if (raised <= limit.rlim_cur) return;
  limit.rlim_cur = raised;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

DescriptorShare::DescriptorShare(Kind kind) noexcept : kind_(kind) { ++users_of(kind_); }
DescriptorShare::~DescriptorShare() { --users_of(kind_); }

std::size_t DescriptorShare::count() const noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = kUnknownLimit;
  const rlim_t all = limit.rlim_cur / (kind_ == Kind::kConnections ? 2 : 4);
  return std::max<std::size_t>(1, all / users_of(kind_));
}

}  // namespace fleetmeter::ingest
