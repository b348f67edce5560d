#include "app/top_talkers.h"

#include <algorithm>

#include "aggregator/path_class.h"

namespace fleetmeter::app {

namespace {

using parsers::FlowField;

constexpr std::size_t kPorts = 65536;
constexpr std::size_t kNoPort = kPorts;

/// A column of numbers with its presence; an unfilled one has no value anywhere.
class Numbers {
 public:
  Numbers(const parsers::FlowColumns& flows, FlowField field)
      : flows_(flows), field_(field), values_(flows.numbers(field)) {}
  [[nodiscard]] bool has(std::uint32_t record) const noexcept {
    return !values_.empty() && flows_.present(field_, record);
  }
  [[nodiscard]] std::uint64_t value_or_0(std::uint32_t record) const noexcept {
    return has(record) ? values_[record] : 0;
  }

 private:
  const parsers::FlowColumns& flows_;
  FlowField field_;
  std::span<const std::uint64_t> values_;
};

std::vector<TopEntry> port_entries(const std::vector<Traffic>& ports) {
  std::vector<TopEntry> entries;
  for (std::size_t port = 0; port < ports.size(); ++port) {
    if (ports[port].records > 0)
      entries.push_back({port == kNoPort ? "" : std::to_string(port), false, ports[port]});
  }
  return entries;
}

}  // namespace

void AddressTraffic::add(const parsers::IpAddress& address, const Traffic& traffic) {
  const std::uint64_t hash = parsers::mix(address.high, address.low);
  std::uint32_t at =
      index_.find(hash, [&](std::uint32_t i) { return entries_[i].address == address; });
  if (at == parsers::IndexTable::kNone) {
    if (entries_.size() >= keys_max_) {
      other_ += traffic;
      return;
    }
    at = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({address, {}});
    index_.insert(hash, at);
  }
  entries_[at].traffic += traffic;
}

std::vector<TopEntry> AddressTraffic::entries() const {
  std::vector<TopEntry> entries;
  entries.reserve(entries_.size() + 2);
  for (const Entry& entry : entries_)
    entries.push_back({aggregator::address_text(entry.address), false, entry.traffic});
  if (other_.records > 0) entries.push_back({"other", false, other_});
  if (unknown_.records > 0) entries.push_back({"", false, unknown_});
  return entries;
}

TopTalkers::TopTalkers(std::uint32_t addresses_max)
    : sources_(addresses_max),
      destinations_(addresses_max),
      rejected_sources_(addresses_max),
      ports_(kPorts + 1),
      rejected_ports_(kPorts + 1) {}

void TopTalkers::add(const parsers::FlowColumns& flows) {
  const Numbers bytes(flows, FlowField::kBytes), packets(flows, FlowField::kPackets);
  const Numbers start(flows, FlowField::kStart), end(flows, FlowField::kEnd);
  const Numbers port(flows, FlowField::kDstport);
  const auto sources = flows.addresses(FlowField::kSrcaddr);
  const auto destinations = flows.addresses(FlowField::kDstaddr);
  for (std::uint32_t i = 0; i < flows.size; ++i) {
    if (start.has(i)) {
      const std::uint64_t at = start.value_or_0(i);
      first_s_ = std::min(first_s_.value_or(at), at);
    }
    if (start.has(i) || end.has(i))
      last_s_ = std::max({last_s_.value_or(0), start.value_or_0(i), end.value_or_0(i)});
    if (flows.status[i] != parsers::LogStatus::kOk) continue;
    const Traffic traffic{.records = 1,
                          .packets = packets.value_or_0(i),
                          .bytes = bytes.value_or_0(i),
                          .records_without_packets = packets.has(i) ? 0u : 1u,
                          .records_without_bytes = bytes.has(i) ? 0u : 1u};
    sum_of(flows.action[i]) += traffic;
    const bool rejected = flows.action[i] == parsers::Action::kReject;
    AddressTraffic& from = rejected ? rejected_sources_ : sources_;
    if (!sources.empty() && flows.present(FlowField::kSrcaddr, i)) {
      from.add(sources[i], traffic);
    } else {
      from.add_unknown(traffic);
    }
    if (!destinations.empty() && flows.present(FlowField::kDstaddr, i)) {
      if (!rejected) destinations_.add(destinations[i], traffic);
    } else if (!rejected) {
      destinations_.add_unknown(traffic);
    }
    // The parser refuses ports beyond 65535.
    const std::size_t to = port.has(i) ? port.value_or_0(i) % kPorts : kNoPort;
    (rejected ? rejected_ports_ : ports_)[to] += traffic;
  }
}

Traffic& TopTalkers::sum_of(parsers::Action action) noexcept {
  switch (action) {
    case parsers::Action::kAccept:
      return accept_;
    case parsers::Action::kReject:
      return reject_;
    case parsers::Action::kNone:
      break;
  }
  return no_action_;
}

Traffic TopTalkers::not_rejected() const noexcept {
  Traffic sum = accept_;
  sum += no_action_;
  return sum;
}

TopList TopTalkers::sources(std::size_t entries_max) const {
  return make_top("source", sources_.entries(), not_rejected(), entries_max, TopRank::kBytes);
}
TopList TopTalkers::destinations(std::size_t entries_max) const {
  return make_top("destination", destinations_.entries(), not_rejected(), entries_max,
                  TopRank::kBytes);
}
TopList TopTalkers::ports(std::size_t entries_max) const {
  return make_top("port", port_entries(ports_), not_rejected(), entries_max, TopRank::kBytes);
}
TopList TopTalkers::rejected_sources(std::size_t entries_max) const {
  return make_top("rejected_source", rejected_sources_.entries(), reject_, entries_max,
                  TopRank::kRecords);
}
TopList TopTalkers::rejected_ports(std::size_t entries_max) const {
  return make_top("rejected_port", port_entries(rejected_ports_), reject_, entries_max,
                  TopRank::kRecords);
}

parsers::FieldSet TopTalkers::fields_needed() {
  return {FlowField::kSrcaddr, FlowField::kDstaddr, FlowField::kDstport,
          FlowField::kPackets, FlowField::kBytes,   FlowField::kStart,
          FlowField::kEnd,     FlowField::kAction,  FlowField::kLogStatus};
}

}  // namespace fleetmeter::app
