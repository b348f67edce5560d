#include "app/flow_summary.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "aggregator/partial_aggregator.h"
#include "app/flow_log_events.h"
#include "app/flow_usage.h"
#include "app/top_talkers.h"

namespace fleetmeter::app {

namespace {

parsers::FieldSet with_talkers(parsers::FieldSet fields) {
  const parsers::FieldSet more = TopTalkers::fields_needed();
  for (std::size_t i = 0; i < parsers::kFlowFieldCount; ++i) {
    const auto field = static_cast<parsers::FlowField>(i);
    if (more.has(field)) fields.add(field);
  }
  return fields;
}

/// `classes` with everything of `whole` that is in none of them (the aggregator dropped it); they
/// hold `placed`.
PathClassTotals with_unplaced(PathClassTotals classes, const Traffic& whole,
                              const Traffic& placed) {
  Traffic unplaced = whole;
  unplaced -= placed;
  if (unplaced.records > 0) classes.back() += unplaced;
  return classes;
}

}  // namespace

std::uint64_t FlowSummary::malformed() const noexcept {
  return counts.flows.malformed() + counts.metrics.malformed();
}

Traffic FlowSummary::all() const noexcept {
  Traffic sum = accept;
  sum += reject;
  sum += no_action;
  return sum;
}

bool FlowSummary::anything_dropped() const noexcept {
  const bool payloads = std::any_of(std::begin(counts.dropped), std::end(counts.dropped),
                                    [](std::uint64_t count) { return count > 0; });
  return payloads || malformed() > 0 || !dropped.empty();
}

const std::vector<std::string>& top_keys() {
  static const std::vector<std::string> kKeys{"interface", "owner",           "nat_gateway",
                                              "nat",       "source",          "destination",
                                              "port",      "rejected_source", "rejected_port"};
  return kKeys;
}

struct FlowReader::State {
  State(std::shared_ptr<const aggregator::Inventory> inventory, const std::string& environment,
        const FlowUsageLimits& limits)
      : usage(std::move(inventory), environment, limits) {}

  FlowUsageReader usage;
  TopTalkers talkers;
  RecentLogEvents events;
};

FlowReader::FlowReader(std::shared_ptr<const aggregator::Inventory> inventory,
                       const std::string& environment, const FlowUsageLimits& limits)
    : state_(std::make_unique<State>(std::move(inventory), environment, limits)) {}
FlowReader::~FlowReader() = default;

void FlowReader::on_flows(const parsers::FlowColumns& flows) {
  state_->talkers.add(flows);
  state_->usage.add(flows);
}

bool FlowReader::keep_log_event(std::string_view event_id) {
  return state_->events.insert(event_id);
}

bool FlowReader::keep_request(std::string_view request_id) {
  return state_->events.insert("request:" + std::string(request_id));
}

parsers::FieldSet FlowReader::fields_needed() {
  return with_talkers(aggregator::PartialAggregator::fields_needed());
}

FlowSummary FlowReader::summarize(const parsers::DecodeCounts& counts,
                                  const std::vector<std::string>& keys, std::size_t entries_max) {
  State& state = *state_;
  FlowTotals totals = total_flows(state.usage.finish());
  const TopTalkers& talkers = state.talkers;
  const Traffic whole = talkers.not_rejected();

  FlowSummary summary;
  summary.counts = counts;
  summary.dropped = state.usage.dropped();
  summary.accept = talkers.accept();
  summary.reject = talkers.reject();
  summary.no_action = talkers.no_action();
  summary.path_classes = with_unplaced(totals.path_classes, summary.accept, totals.accept);
  summary.no_action_path_classes =
      with_unplaced(totals.no_action_path_classes, summary.no_action, totals.no_action);
  summary.charges = std::move(totals.charges);
  summary.over_limit = state.usage.over_limit();
  summary.first_s = talkers.first_s();
  summary.last_s = talkers.last_s();
  for (const std::string& key : keys) {
    const auto add = [&](TopList list) { summary.top.push_back(std::move(list)); };
    if (key == "interface") add(make_top(key, totals.interfaces, whole, entries_max));
    if (key == "owner") add(make_top(key, totals.owners, whole, entries_max));
    if (key == "nat_gateway") add(make_top(key, totals.nat_gateways, totals.nat(), entries_max));
    if (key == "nat") add(make_top(key, totals.nat_owners, totals.nat(), entries_max));
    if (key == "source") add(talkers.sources(entries_max));
    if (key == "destination") add(talkers.destinations(entries_max));
    if (key == "port") add(talkers.ports(entries_max));
    if (key == "rejected_source") add(talkers.rejected_sources(entries_max));
    if (key == "rejected_port") add(talkers.rejected_ports(entries_max));
  }
  return summary;
}

}  // namespace fleetmeter::app
