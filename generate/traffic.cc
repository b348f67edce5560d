#include "generate/traffic.h"

#include <algorithm>

namespace fleetmeter::generate {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kPathSameVpc = 1, kPathVpn = 3, kPathInternet = 8;
constexpr std::uint8_t kSyn = 2, kSynFin = 3, kSynAckFin = 19;

/// What one machine does in one minute.
class MachineMinute {
 public:
  MachineMinute(const FleetOptions& options, const Topology& fleet, const ScriptMinute& script,
                std::uint32_t machine, std::vector<FlowLine>& lines)
      : fleet_(fleet),
        script_(script),
        self_(fleet.machines[machine]),
        index_(machine),
        lines_(lines),
        minute_s_(options.start_s + std::int64_t{script.minute()} * 60),
        random_(options.seed, 0x666c6f77ull + (std::uint64_t{machine} << 24),
                static_cast<std::uint64_t>(script.minute())),
        load_(daily_load(minute_s_)) {}

  void add() {
    inside_vpc(same_zone_peer(), 443, 6'000, 24'000);
    inside_vpc(other_zone_peer(), 1433, 4'000, 16'000);
    through_nat();
    company_network();
    log_datagram();
    rejected();
  }

 private:
  struct Span {
    std::int64_t start_s, end_s;
  };
  Span span() {
    const std::int64_t start = minute_s_ + random_.below(25);
    return {start, start + 5 + random_.below(30)};  // At most second 58.
  }
  std::uint64_t sized(std::uint32_t usual) {
    return 40 + std::uint64_t{usual} * self_.traffic_weight * load_ / 256 +
           random_.below(usual / 8);
  }
  std::uint16_t client_port() { return static_cast<std::uint16_t>(32'768 + random_.below(28'000)); }

  std::uint32_t same_zone_peer() {
    const std::vector<std::uint32_t>& near = fleet_.zones[self_.at.zone].machines;
    const auto count = static_cast<std::uint32_t>(near.size());
    return near[(self_.place + 1 + random_.below(count - 1)) % count];
  }
  std::uint32_t other_zone_peer() {
    const auto zones = static_cast<std::uint32_t>(fleet_.zones.size());
    if (zones == 1) return same_zone_peer();
    const std::uint32_t zone = (self_.at.zone + 1 + random_.below(zones - 1)) % zones;
    const std::vector<std::uint32_t>& far = fleet_.zones[zone].machines;
    return far[random_.below(static_cast<std::uint32_t>(far.size()))];
  }

  FlowLine line(const Endpoint& at, std::string_view source, std::string_view destination,
                const Span& when) const {
    FlowLine out;
    out.at = &at;
    out.source = out.packet_source = source;
    out.destination = out.packet_destination = destination;
    out.protocol = kTcp;
    out.machine = index_;
    out.start_s = when.start_s;
    out.end_s = when.end_s;
    return out;
  }
  static void carry(FlowLine& out, std::uint64_t bytes) {
    out.bytes = bytes;
    out.packets = bytes / 1200 + 1;
  }
  static void ports(FlowLine& out, std::uint16_t source, std::uint16_t destination) {
    out.source_port = source;
    out.destination_port = destination;
  }

  /// One direction between two machines, seen at both.
  void both_ends(std::uint32_t from, std::uint32_t to, FlowLine out) {
    const Endpoint& sender = fleet_.machines[from].at;
    const Endpoint& receiver = fleet_.machines[to].at;
    out.path = sender.zone == receiver.zone ? PathClass::kSameAz : PathClass::kCrossAz;
    out.at = &sender;
    out.machine = from;
    out.egress = true;
    out.traffic_path = kPathSameVpc;
    lines_.push_back(out);
    out.at = &receiver;
    out.machine = to;
    out.egress = false;
    out.traffic_path = 0;
    lines_.push_back(out);
  }

  void inside_vpc(std::uint32_t peer, std::uint16_t service, std::uint32_t request,
                  std::uint32_t reply) {
    const Span when = span();
    const std::uint16_t port = client_port();
    const std::uint64_t out_bytes = sized(request), back_bytes = sized(reply);
    const Endpoint& other = fleet_.machines[peer].at;
    if (script_.zone_lost(other.zone)) return;
    FlowLine ask = line(self_.at, self_.at.address, other.address, when);
    ports(ask, port, service);
    ask.tcp_flags = kSynFin;
    carry(ask, out_bytes);
    both_ends(index_, peer, ask);
    FlowLine answer = line(other, other.address, self_.at.address, when);
    ports(answer, service, port);
    answer.tcp_flags = kSynAckFin;
    carry(answer, back_bytes);
    both_ends(peer, index_, answer);
  }

  void through_nat() {
    const Span when = span();
    std::string_view host = kInternetHosts[random_.below(kInternetHosts.size())];
    const std::uint16_t port = client_port(), nat_port = client_port();
    const std::uint64_t out_bytes = sized(12'000), back_bytes = sized(36'000);
    const std::uint32_t gateway = fleet_.zones[self_.at.zone].gateway;
    const Endpoint& nat = fleet_.gateways[gateway].at;
    if (script_.zone_lost(nat.zone)) return;
    std::string_view own = self_.at.address;
    std::string_view inside = nat.address;
    const PathClass leg = nat.zone == self_.at.zone ? PathClass::kSameAz : PathClass::kCrossAz;

    FlowLine ask = line(self_.at, own, host, when);
    ports(ask, port, 443);
    ask.tcp_flags = kSynFin;
    carry(ask, out_bytes);
    FlowLine answer = line(self_.at, host, own, when);
    ports(answer, 443, port);
    answer.tcp_flags = kSynAckFin;
    carry(answer, back_bytes);

    FlowLine out = ask;
    out.path = PathClass::kExternal;
    out.egress = true;
    out.traffic_path = kPathSameVpc;  // As AWS logs it: the next hop is the gateway's interface.
    lines_.push_back(out);

    const auto at_nat = [&](FlowLine record, std::string_view source, std::string_view destination,
                            PathClass path, NatFlow flow) {
      record.at = &nat;
      record.gateway = gateway;
      record.source = source;
      record.destination = destination;
      record.path = path;
      record.nat = flow;
      record.egress = flow == NatFlow::kToDestination || flow == NatFlow::kToSource;
      record.traffic_path = flow == NatFlow::kToDestination ? kPathInternet
                            : flow == NatFlow::kToSource    ? kPathSameVpc
                                                            : 0;
      return record;
    };
    lines_.push_back(at_nat(ask, own, inside, leg, NatFlow::kFromSource));
    FlowLine leaving = at_nat(ask, inside, host, PathClass::kExternal, NatFlow::kToDestination);
    leaving.packet_source = inside;
    leaving.source_port = nat_port;
    lines_.push_back(leaving);
    FlowLine coming = at_nat(answer, host, inside, PathClass::kExternal, NatFlow::kFromDestination);
    coming.packet_destination = inside;
    coming.destination_port = nat_port;
    lines_.push_back(coming);
    lines_.push_back(at_nat(answer, inside, own, leg, NatFlow::kToSource));

    FlowLine back = answer;
    back.path = PathClass::kExternal;
    lines_.push_back(back);
  }

  void company_network() {
    const Span when = span();
    std::string_view host = kCorporateHosts[random_.below(kCorporateHosts.size())];
    const std::uint16_t port = client_port();
    FlowLine ask = line(self_.at, host, self_.at.address, when);
    ports(ask, port, 443);
    ask.path = PathClass::kOtherPrivate;
    ask.tcp_flags = kSynFin;
    carry(ask, sized(1'500));
    lines_.push_back(ask);
    FlowLine answer = line(self_.at, self_.at.address, host, when);
    ports(answer, 443, port);
    answer.path = PathClass::kOtherPrivate;
    answer.tcp_flags = kSynAckFin;
    answer.egress = true;
    answer.traffic_path = kPathVpn;
    carry(answer, sized(5'000));
    lines_.push_back(answer);
  }

  void log_datagram() {
    const Span when = span();
    const std::uint32_t collector = same_zone_peer();
    FlowLine datagram =
        line(self_.at, self_.at.address, fleet_.machines[collector].at.address, when);
    ports(datagram, client_port(), 514);
    datagram.protocol = kUdp;
    carry(datagram, sized(800));
    both_ends(index_, collector, datagram);
  }

  void rejected() {
    FlowLine probe = line(self_.at, kCorporateHosts[random_.below(kCorporateHosts.size())],
                          self_.at.address, span());
    reject(probe, 3389, PathClass::kOtherPrivate);
    std::string_view host = kInternetHosts[random_.below(kInternetHosts.size())];
    const std::uint32_t gateway = fleet_.zones[self_.at.zone].gateway;
    const Endpoint& nat = fleet_.gateways[gateway].at;
    if (self_.place != 0) {
      FlowLine mail = line(self_.at, self_.at.address, host, span());
      mail.egress = true;
      mail.traffic_path = kPathSameVpc;
      reject(mail, 25, PathClass::kExternal);
    } else if (!script_.zone_lost(nat.zone)) {
      FlowLine knock = line(nat, host, nat.address, span());
      knock.gateway = gateway;
      reject(knock, 23, PathClass::kExternal);
    }
  }
  void reject(FlowLine& out, std::uint16_t port, PathClass path) {
    ports(out, client_port(), port);
    out.path = path;
    out.accept = false;
    out.tcp_flags = kSyn;
    out.packets = 1 + random_.below(3);
    out.bytes = out.packets * 44;
    lines_.push_back(out);
  }

  const Topology& fleet_;
  const ScriptMinute& script_;
  const Machine& self_;
  std::uint32_t index_;
  std::vector<FlowLine>& lines_;
  std::int64_t minute_s_;
  Random random_;
  std::uint32_t load_;
};

FlowLine silent(const Endpoint& at, LineStatus status, std::int64_t minute_s) {
  FlowLine out;
  out.at = &at;
  out.status = status;
  out.start_s = minute_s;
  out.end_s = minute_s + 59;
  return out;
}

void scan(const FleetOptions& options, const Machine& target, std::uint32_t index,
          const ScriptMinute& script, std::uint32_t count, std::vector<FlowLine>& lines) {
  const std::int64_t minute_s = options.start_s + std::int64_t{script.minute()} * 60;
  Random random(options.seed, 0x7363616e, static_cast<std::uint64_t>(script.minute()));
  for (std::uint32_t n = 0; n < count; ++n) {
    FlowLine out;
    out.at = &target.at;
    out.machine = index;
    out.source = out.packet_source = kScanner;
    out.destination = out.packet_destination = target.at.address;
    out.source_port = 54'321;
    out.destination_port = static_cast<std::uint16_t>(1 + (n + random.below(16) * 4096u) % 65'535);
    out.protocol = kTcp;
    out.tcp_flags = kSyn;
    out.accept = false;
    out.path = PathClass::kOtherPrivate;
    out.packets = 1;
    out.bytes = 44;
    out.start_s = minute_s + random.below(50);
    out.end_s = out.start_s + random.below(9);
    lines.push_back(out);
  }
  FlowLine skipped = silent(target.at, LineStatus::kSkipData, minute_s);
  skipped.machine = index;
  lines.push_back(skipped);
}

}  // namespace

void Traffic::minute(const ScriptMinute& script, std::vector<FlowLine>& lines) const {
  lines.clear();
  const std::int64_t minute_s = options_.start_s + std::int64_t{script.minute()} * 60;
  for (std::uint32_t m = 0; m < fleet_.machines.size(); ++m) {
    const Machine& machine = fleet_.machines[m];
    if (script.zone_lost(machine.at.zone)) {
      lines.push_back(silent(machine.at, LineStatus::kNoData, minute_s));
      lines.back().machine = m;
      continue;
    }
    MachineMinute(options_, fleet_, script, m, lines).add();
    const double rejects = script.value(IncidentKind::kScan, m);
    if (rejects > 0) scan(options_, machine, m, script, static_cast<std::uint32_t>(rejects), lines);
  }
  for (std::uint32_t g = 0; g < fleet_.gateways.size(); ++g) {
    if (!script.zone_lost(fleet_.gateways[g].at.zone)) continue;
    lines.push_back(silent(fleet_.gateways[g].at, LineStatus::kNoData, minute_s));
    lines.back().gateway = g;
  }
}

}  // namespace fleetmeter::generate
