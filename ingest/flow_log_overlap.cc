#include "ingest/flow_log_overlap.h"

#include <algorithm>
#include <bit>

#include "parsers/index_table.h"

namespace fleetmeter::ingest {
namespace {

/// Longer than a capture interval, so that both flow logs tell of a connection in one span.
constexpr std::uint64_t kSpanSeconds = 600;
constexpr std::uint32_t kSampledOfBatch = 16;
constexpr std::size_t kSeenMax = 1u << 16;
constexpr std::size_t kFlowLogsMax = 1024;
constexpr std::uint64_t kTold = ~std::uint64_t{0};

std::uint64_t hash_of(std::string_view interface, std::uint64_t span, parsers::Action action) {
  return parsers::mix(parsers::hash_text(interface), span << 2 | static_cast<unsigned>(action));
}

}  // namespace

std::string_view flow_log_of(std::string_view path) noexcept {
  constexpr std::string_view kService = "_vpcflowlogs_", kId = "_fl-";
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t service = name.find(kService);
  if (service == std::string_view::npos) return {};
  const std::size_t id = name.find(kId, service + kService.size());
  if (id == std::string_view::npos) return {};
  const std::size_t end = name.find('_', id + kId.size());
  return end == std::string_view::npos ? std::string_view() : name.substr(id + 1, end - id - 1);
}

void FlowLogOverlap::begin(std::string_view path) {
  const std::string_view name = flow_log_of(path);
  flow_log_ = kNone;
  if (name.empty()) return;
  const auto known = std::ranges::find(names_, name);
  if (known == names_.end() && names_.size() == kFlowLogsMax) return;
  flow_log_ = static_cast<std::uint32_t>(known - names_.begin());
  if (known == names_.end()) names_.emplace_back(name);
}

void FlowLogOverlap::on_flows(const parsers::FlowColumns& flows) {
  if (flow_log_ != kNone && flows.fields.has(parsers::FlowField::kInterfaceId) &&
      flows.fields.has(parsers::FlowField::kStart)) {
    const std::uint32_t step = std::max(flows.size / kSampledOfBatch, 1u);
    for (std::uint32_t record = 0; record < flows.size; record += step) look_at(flows, record);
  }
  to_.on_flows(flows);
}

void FlowLogOverlap::look_at(const parsers::FlowColumns& flows, std::uint32_t record) {
  using parsers::FlowField;
  if (flows.status[record] != parsers::LogStatus::kOk ||
      !flows.present(FlowField::kInterfaceId, record) || !flows.present(FlowField::kStart, record))
    return;
  const std::string_view interface = flows.texts(FlowField::kInterfaceId)[record];
  const std::uint64_t span = flows.numbers(FlowField::kStart)[record] / kSpanSeconds;
  const std::uint64_t hash = hash_of(interface, span, flows.action[record]);
  if (std::countl_zero(hash) < thinned_) return;
  const auto [seen, is_new] = seen_.try_emplace(hash, flow_log_);
  if (is_new) {
    if (seen_.size() > kSeenMax) thin();
  } else if (seen->second != flow_log_) {
    found(seen->second, interface, span);
  }
}

/// Where one flow log takes another's place, both have records of one span, and of no more.
void FlowLogOverlap::found(std::uint32_t other, std::string_view interface, std::uint64_t span) {
  const auto [first, is_new] =
      pairs_.try_emplace({std::min(other, flow_log_), std::max(other, flow_log_)}, span);
  if (is_new || first->second == kTold || first->second == span) return;
  first->second = kTold;
  const auto& [one, two] = first->first;
  notices_.push_back("flow logs " + names_[one] + " and " + names_[two] +
                     " both hold records of the same time and action, such as of " +
                     std::string(interface) + ": what both log counts twice; keep one of them");
}

/// Halves what is kept, whatever order it came in.
void FlowLogOverlap::thin() {
  ++thinned_;
  std::erase_if(seen_, [this](const auto& one) { return std::countl_zero(one.first) < thinned_; });
}

}  // namespace fleetmeter::ingest
