#include "generate/truth.h"

#include <algorithm>
#include <numeric>

#include "generate/json_text.h"

namespace fleetmeter::generate {
namespace {

constexpr std::array<const char*, static_cast<std::size_t>(PathClass::kCount)> kPathNames = {
    "same_az", "cross_az", "vpc_unknown_az", "other_private", "external"};
constexpr std::size_t kTop = 10;

std::string decimal(double value) {
  std::string text;
  append_json_double(value, text);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

void volume(JsonWriter& json, const Volume& v) {
  json.pair("records", v.records).pair("packets", v.packets).pair("bytes", v.bytes);
}

/// Indexes by falling value, equal ones in order.
template <typename Value>
std::vector<std::size_t> largest_first(std::size_t count, const Value& value) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&value](std::size_t a, std::size_t b) { return value(a) > value(b); });
  return order;
}

void write_flows(JsonWriter& json, const FlowTotals& t) {
  json.key("records").open('{').pair("total", t.ok + t.nodata + t.skipdata).pair("ok", t.ok);
  json.pair("nodata", t.nodata).pair("skipdata", t.skipdata).close('}');
  json.key("accept").open('{');
  volume(json, t.accept);
  json.close('}').key("reject").open('{');
  volume(json, t.reject);
  json.close('}').key("path_classes").open('[');
  for (std::size_t p = 0; p < t.paths.size(); ++p) {
    json.open('{').pair("class", kPathNames[p]);
    volume(json, t.paths[p]);
    json.close('}');
  }
  json.close(']');
}

void write_charges(JsonWriter& json, const Topology& fleet, const FlowTotals& t) {
  const auto processed =
      std::accumulate(t.machine_nat.begin(), t.machine_nat.end(), std::uint64_t{0});
  json.key("charges").open('{').pair("nat_processed_bytes", processed);
  json.pair("internet_egress_bytes", t.internet_egress_bytes)
      .pair("cross_az_bytes", t.cross_az_bytes)
      .close('}');
  json.key("nat_gateways").open('[');
  for (std::size_t g = 0; g < fleet.gateways.size(); ++g) {
    const auto& [from_source, to_destination, from_destination, to_source] = t.gateway_nat[g];
    json.open('{')
        .pair("gateway", fleet.gateways[g].id)
        .pair("interface", fleet.gateways[g].at.interface_id);
    json.pair("processed_bytes", from_source + to_source).pair("in_from_source_bytes", from_source);
    json.pair("out_to_destination_bytes", to_destination)
        .pair("in_from_destination_bytes", from_destination);
    json.pair("out_to_source_bytes", to_source).close('}');
  }
  json.close(']').key("nat_by_private_address").open('[');
  for (const std::size_t m :
       largest_first(t.machine_nat.size(), [&t](std::size_t i) { return t.machine_nat[i]; })) {
    json.open('{')
        .pair("address", fleet.machines[m].at.address)
        .pair("instance", fleet.machines[m].at.instance_id);
    json.pair("bytes", t.machine_nat[m]).close('}');
  }
  json.close(']');
}

void write_top(JsonWriter& json, const Topology& fleet, const FlowTotals& t) {
  const std::size_t machines = fleet.machines.size();
  std::vector<std::size_t> order =
      largest_first(t.interfaces.size(), [&t](std::size_t i) { return t.interfaces[i].bytes; });
  order.resize(std::min(order.size(), kTop));
  json.key("top_interfaces").open('[');
  for (const std::size_t i : order) {
    const Endpoint& at = i < machines ? fleet.machines[i].at : fleet.gateways[i - machines].at;
    json.open('{').pair("interface", at.interface_id);
    json.pair("owner", i < machines ? at.instance_id : fleet.gateways[i - machines].id);
    volume(json, t.interfaces[i]);
    json.close('}');
  }
  json.close(']');
}

void write_datapoints(JsonWriter& json, const std::map<std::string, std::uint64_t>& datapoints) {
  std::uint64_t total = 0;
  for (const auto& [name, count] : datapoints) total += count;
  json.key("datapoints").open('{').pair("total", total).key("by_namespace").open('{');
  for (const auto& [name, count] : datapoints) json.pair(name, count);
  json.close('}').close('}');
}

const std::string& target_name(const Incident& i, const FleetOptions& options,
                               const Topology& fleet) {
  switch (i.kind) {
    case IncidentKind::kCpu:
      return options.groups[i.target].name;
    case IncidentKind::kAzLoss:
      return fleet.zones[i.target].name;
    case IncidentKind::kNatDrops:
      return fleet.gateways[i.target].id;
    default:
      return fleet.machines[i.target].at.instance_id;
  }
}

void write_incidents(JsonWriter& json, const std::vector<Incident>& script,
                     const FleetOptions& options, const Topology& fleet) {
  json.key("incidents").open('[');
  for (const Incident& i : script) {
    const std::int64_t start_s = options.start_s + std::int64_t{i.start_min} * 60;
    json.open('{').pair("kind", to_string(i.kind)).pair("start", rfc3339(start_s));
    json.pair("end", rfc3339(start_s + std::int64_t{i.length_min} * 60));
    json.pair("target", target_name(i, options, fleet)).pair("value", decimal(i.value)).close('}');
  }
  json.close(']');
}

void write_rules(JsonWriter& json) {
  json.key("rules").open('[');
  for (const ExpectedRule& r : expected_rules()) {
    json.open('{')
        .pair("rule", r.name)
        .pair("namespace", r.metric_namespace)
        .pair("metric", r.metric);
    json.pair("statistic", r.statistic)
        .pair("for_each", r.for_each)
        .pair("above", decimal(r.above));
    json.pair("period_s", std::uint64_t{60}).pair("periods", std::int64_t{r.periods});
    json.pair("evaluation_range_periods", std::int64_t{r.periods + kExtraRangePeriods})
        .pair("missing", r.missing)
        .close('}');
  }
  json.close(']');
}

void write_expected(JsonWriter& json, const FleetOptions& options, const Topology& fleet,
                    const Expected& expected) {
  json.key("alarms").open('[');
  for (const AlarmTransition& a : expected.alarms) {
    json.open('{')
        .pair("time", rfc3339(a.time_s))
        .pair("environment", a.environment)
        .pair("rule", a.rule);
    json.pair("series", a.series).pair("from", a.from).pair("to", a.to).close('}');
  }
  json.close(']').key("scaling").open('[');
  for (const ScalingDecision& s : expected.scaling) {
    json.open('{')
        .pair("time", rfc3339(s.time_s))
        .pair("environment", s.environment)
        .pair("group", s.group);
    json.pair("from", std::uint64_t{s.from}).pair("to", std::uint64_t{s.to}).close('}');
  }
  json.close(']').key("groups").open('[');
  for (std::size_t g = 0; g < options.groups.size(); ++g) {
    json.open('{')
        .pair("group", options.groups[g].name)
        .pair("environment", options.groups[g].environment);
    json.pair("machines", std::uint64_t{fleet.group_machines[g].size()})
        .pair("minimum", std::uint64_t{options.groups[g].minimum});
    json.pair("maximum", std::uint64_t{group_maximum(options, fleet, g)});
    json.pair("desired_at_end", std::uint64_t{expected.desired[g].back().second}).close('}');
  }
  json.close(']');
}

const char* name(MetricFormat format) noexcept {
  switch (format) {
    case MetricFormat::kOtlp07:
      return "opentelemetry0.7";
    case MetricFormat::kOtlp10:
      return "opentelemetry1.0";
    case MetricFormat::kJson:
      break;
  }
  return "json";
}

}  // namespace

void FlowTotals::add(const std::vector<FlowLine>& lines) {
  const std::size_t machines = machine_nat.size();
  for (const FlowLine& line : lines) {
    if (line.status != LineStatus::kOk) {
      ++(line.status == LineStatus::kNoData ? nodata : skipdata);
      continue;
    }
    ++ok;
    (line.accept ? accept : reject).add(line);
    if (!line.accept) continue;
    paths[static_cast<std::size_t>(line.path)].add(line);
    interfaces[line.gateway == kNoGateway ? line.machine : machines + line.gateway].add(line);
    if (line.nat != NatFlow::kNone)
      gateway_nat[line.gateway][static_cast<std::size_t>(line.nat) - 1] += line.bytes;
    const bool inside = line.nat == NatFlow::kFromSource || line.nat == NatFlow::kToSource;
    if (inside) machine_nat[line.machine] += line.bytes;
    if (line.nat == NatFlow::kToDestination) internet_egress_bytes += line.bytes;
    // A gateway's inside leg is the only record of it that has both private addresses.
    if (line.path == PathClass::kCrossAz && (inside || line.egress)) cross_az_bytes += line.bytes;
  }
}

std::string truth_json(const FleetOptions& options, const Topology& fleet,
                       const std::vector<Incident>& script, const Expected& expected,
                       const FlowTotals& totals,
                       const std::map<std::string, std::uint64_t>& datapoints) {
  const std::string end = rfc3339(options.start_s + std::int64_t{options.duration_min} * 60);
  JsonWriter json;
  json.open('{').pair("schema", std::uint64_t{1}).pair("seed", options.seed);
  json.pair("start", rfc3339(options.start_s)).pair("end", end).pair("alarms_until", end);
  json.pair("account", options.account)
      .pair("region", options.region)
      .pair("machines", std::uint64_t{fleet.machines.size()});
  json.key("files")
      .open('{')
      .pair("flow_format", options.flow_format)
      .pair("metric_format", name(options.metric_format))
      .close('}');
  write_flows(json, totals);
  write_charges(json, fleet, totals);
  write_top(json, fleet, totals);
  write_datapoints(json, datapoints);
  write_incidents(json, script, options, fleet);
  write_rules(json);
  write_expected(json, options, fleet, expected);
  json.close('}');
  return json.take();
}

}  // namespace fleetmeter::generate
