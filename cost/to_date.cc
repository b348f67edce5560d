#include "cost/to_date.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

namespace fleetmeter::cost {
namespace {

using aggregator::Resource;

/// Collects drafts of one report.
class ToDate {
 public:
  ToDate(const ReportOptions& options, std::uint32_t month_hours, const PriceBook& prices,
         const aggregator::Inventory& inventory, const MonthUsage& usage,
         std::vector<std::string>& warnings)
      : options_(options),
        month_hours_(std::max<std::uint32_t>(1, month_hours)),
        prices_(prices),
        inventory_(inventory),
        usage_(usage),
        standing_(
            options, prices, inventory, nullptr,
            {std::int64_t{usage.first_hour} * 3600, (std::int64_t{usage.last_hour} + 1) * 3600}),
        warnings_(warnings) {}

  std::vector<Draft> run() {
    stand();
    add_instances();
    add_nat_gateways();
    add_transfer();
    add_metered(
        "lcu_hours_e9", "LCU", [](std::uint64_t q) { return ratio(q, 1'000'000'000); },
        [](const std::string& id, const Resource*) {
          return id.starts_with("net/") ? "elb.network.lcu" : "elb.application.lcu";
        });
    add_metered(
        "log_bytes", "log ingestion",
        [this](std::uint64_t q) { return gigabytes(q, options_.bytes_per_gb); },
        [](const std::string&, const Resource* group) {
          return group != nullptr && group->attribute("log_group_class") == "INFREQUENT_ACCESS"
                     ? "cloudwatch.logs.ingestion_infrequent_access"
                     : "cloudwatch.logs.ingestion";
        });
    add_metered(
        "dynamodb_read_units_e3", "read requests",
        [](std::uint64_t q) { return ratio(q, 1'000'000'000); },
        [](const std::string&, const Resource* table) {
          return is_provisioned(table) ? "" : "dynamodb.on_demand.read";
        });
    add_metered(
        "dynamodb_write_units_e3", "write requests",
        [](std::uint64_t q) { return ratio(q, 1'000'000'000); },
        [](const std::string&, const Resource* table) {
          return is_provisioned(table) ? "" : "dynamodb.on_demand.write";
        });
    add_metered(
        "flow_log_bytes", "flow log ingestion",
        [this](std::uint64_t q) { return gigabytes(q, options_.bytes_per_gb); },
        [this](const std::string&, const Resource*) { return flow_log_key(); });
    add_unsized_flow_logs();
    add_standing();
    add_metered(
        "metric_updates", "metric updates", [](std::uint64_t q) { return ratio(q, 1000); },
        [](const std::string&, const Resource*) { return "cloudwatch.metric_stream.updates"; });
    return std::move(drafts_);
  }

 private:
  Draft& add(const std::string& environment, const std::string& region, const std::string& resource,
             const std::string& component, const std::string& key,
             std::optional<Quantity> quantity) {
    Draft& draft = drafts_.emplace_back();
    draft.environment = environment;
    draft.region = standing_.placement.region_or(region, environment);
    draft.resource = resource;
    draft.component = component;
    draft.price_key = key;
    draft.quantity = quantity;
    draft.source = "telemetry";
    return draft;
  }

  /// Such a table pays for its capacity, whatever is used of it. One that the inventory does not
  /// know is taken to be on demand.
  static bool is_provisioned(const Resource* table) {
    return table != nullptr && table->attribute("billing_mode") != "PAY_PER_REQUEST";
  }

  /// What the inventory says of the thing that a metric's dimension names.
  const Resource* described(std::string_view kind, const std::string& name) const {
    if (kind == "log_bytes") return standing_.find("aws_cloudwatch_log_group", name);
    if (kind.starts_with("dynamodb_")) return standing_.find("aws_dynamodb_table", name);
    if (kind != "lcu_hours_e9") return nullptr;
    for (const char* type : {"aws_lb", "aws_alb"}) {
      for (const Resource* balancer : standing_.of_type(type)) {
        // The dimension is the last part of the ARN, which is Terraform's id.
        if (balancer->id == name || balancer->id.ends_with(":loadbalancer/" + name))
          return balancer;
      }
    }
    return nullptr;
  }

  /// Without a key, the thing does not pay by this meter.
  template <typename Amount, typename Key>
  void add_metered(const char* kind, const char* component, Amount amount, Key key) {
    const auto found = usage_.totals.find(kind);
    if (found == usage_.totals.end()) return;
    for (const auto& [owner, quantity] : found->second) {
      const std::string& resource =
          owner.second.empty()
              ? std::string(kind == std::string_view("metric_updates") ? "metric stream"
                                                                       : "flow logs")
              : owner.second;
      const Resource* of = described(kind, owner.second);
      const std::string price_key = key(owner.second, of);
      if (price_key.empty()) continue;
      add(owner.first, of != nullptr ? of->region : "", resource, component, price_key,
          amount(quantity));
    }
  }

  /// Where the inventory's flow logs go; CloudWatch Logs, the dearest, if one goes there or it does
  /// not say.
  std::string flow_log_key() const {
    std::string key;
    for (const Resource& resource : inventory_.resources()) {
      if (resource.type != "aws_flow_log") continue;
      const auto type = resource.attributes.find("log_destination_type");
      if (type == resource.attributes.end() || type->second == "cloud-watch-logs") {
        key.clear();
        break;
      }
      key = type->second == "s3" ? "cloudwatch.vended_logs.s3"
                                 : "cloudwatch.vended_logs.kinesis_data_firehose";
    }
    return key.empty() ? "cloudwatch.vended_logs.cloud_watch_logs" : key;
  }

  /// Ingestion is billed by the text that AWS wrote the records from; of Parquet nobody tells it.
  void add_unsized_flow_logs() {
    const auto found = usage_.totals.find("flow_log_unsized_records");
    if (found == usage_.totals.end()) return;
    for (const auto& [owner, records] : found->second) {
      Draft& draft = add(owner.first, {}, "flow logs", "flow log ingestion of Parquet",
                         flow_log_key(), std::nullopt);
      draft.reason = fmt::format(
          "{} records came as Parquet, which does not tell how much was ingested for them",
          records);
    }
  }

  /// What the bill knows of a machine besides, at the time of its entry.
  using Facts = std::unordered_multimap<std::string_view, const Resource*>;
  static const Resource* facts_of(const Facts& facts, const aggregator::Instance& instance) {
    const auto [first, last] = facts.equal_range(instance.id);
    const auto found = std::find_if(first, last, [&instance](const auto& one) {
      const aggregator::Validity& valid = one.second->valid;
      return valid.from_s < instance.valid.to_s && instance.valid.from_s < valid.to_s;
    });
    return found == last ? nullptr : found->second;
  }

  /// The machine as it was when the hour began, else as it came to be within it.
  const aggregator::Instance* entry_at(const std::string& id, std::uint32_t hour) const {
    const std::int64_t begin_s = std::int64_t{hour} * 3600;
    const aggregator::Instance* entry = inventory_.instance(id, begin_s);
    return entry != nullptr ? entry : inventory_.instance(id, begin_s + 3599);
  }

  /// Seconds by what the machine was; what no entry is of has the entry of the last hour seen.
  std::map<const aggregator::Instance*, std::uint64_t> seconds_by_entry(
      const std::string& id, const MonthUsage::InstanceTime& time) const {
    std::map<const aggregator::Instance*, std::uint64_t> seconds;
    std::uint32_t last_hour = 0;
    for (const auto& run : time.runs) {
      const std::uint32_t end = run.first_hour + run.hours;
      last_hour = std::max(last_hour, end - 1);
      for (std::uint32_t hour = run.first_hour; hour < end;) {
        const aggregator::Instance* entry = entry_at(id, hour);
        const bool stays = entry != nullptr && entry_at(id, end - 1) == entry;
        const std::uint32_t next = stays ? end : hour + 1;
        seconds[entry] += std::uint64_t{run.seconds} * (next - hour);
        hour = next;
      }
    }
    const auto without = seconds.extract(nullptr);
    if (!without.empty()) seconds[entry_at(id, last_hour)] += without.mapped();
    return seconds;
  }

  /// Seconds by instance, in the environment that the inventory names today.
  void add_instances() {
    Facts facts;
    for (const Resource& one : inventory_.resources()) {
      if (one.type == "aws_instance") facts.emplace(one.id, &one);
    }
    // One line per environment, type and system: a fleet of thousands stays readable.
    using Key = std::tuple<std::string, std::string, MachineKind>;
    std::map<Key, std::pair<std::uint64_t, std::size_t>> machines;
    std::map<std::string, std::pair<std::uint64_t, std::size_t>> strangers;
    for (const auto& [id, time] : usage_.instances) {
      std::map<Key, std::uint64_t> own;
      for (const auto& [instance, seconds] : seconds_by_entry(id, time)) {
        if (instance == nullptr || instance->type.empty()) {
          strangers[time.environment].first += seconds;
          ++strangers[time.environment].second;
          continue;
        }
        std::string environment = time.environment;
        if (environment == "unassigned")
          environment = standing_.placement.environment_of(*instance);
        own[{std::move(environment), instance->region,
             kind_of(options_, *instance, facts_of(facts, *instance))}] += seconds;
      }
      for (const auto& [key, seconds] : own) {
        machines[key].first += seconds;
        ++machines[key].second;
      }
    }
    for (const auto& [key, machine] : machines) {
      const auto& [environment, region, kind] = key;
      const std::string price_key =
          kind.unpriced.empty() ? fmt::format("ec2.instance.{}.{}", kind.type, kind.system) : "";
      Draft& draft = add(environment, region, fmt::format("{} instances", machine.second),
                         fmt::format("instance hours, {} {}", kind.type, kind.system), price_key,
                         ratio(machine.first, 3600));
      draft.unit = "h";
      draft.reason = kind.unpriced;
    }
    for (const auto& [environment, total] : strangers) {
      Draft& draft = add(environment, {}, fmt::format("{} instances", total.second),
                         "instance hours", {}, ratio(total.first, 3600));
      draft.unit = "h";
      draft.reason = "the inventory does not know these instances, so neither their type";
    }
  }

  /// The gateway of a network interface, and of an id that is a gateway's already.
  std::string gateway_of(const std::string& interface_id, std::uint32_t hour) const {
    const aggregator::Place place =
        inventory_.place_of_interface(interface_id, std::int64_t{hour} * 3600);
    return place.interface != nullptr && !place.interface->resource_id.empty()
               ? place.interface->resource_id
               : interface_id;
  }

  /// What a gateway processed, hour by hour.
  struct Processed {
    std::map<std::uint32_t, std::uint64_t> bytes;
    std::uint64_t partly_metered = 0;  ///< Hours of which the metrics tell only a part.
  };

  /// The bytes of an hour are the metrics' where both are there in all of its minutes. Either
  /// telling is a lower bound elsewhere, so the larger counts: a stream that began late, or that
  /// leaves out a metric, must not replace what the flow records saw. The first and the last hour
  /// are cut short by when we listened, which is nothing to tell.
  static Processed processed_by(const MonthUsage::GatewayHours& metered,
                                const std::map<std::uint32_t, std::uint64_t>& recorded) {
    Processed processed{recorded, 0};
    for (const auto& [hour, bytes] : metered.bytes) {
      const auto found = metered.minutes.find(hour);
      const MonthUsage::GatewayHours::Minutes minutes =
          found == metered.minutes.end() ? MonthUsage::GatewayHours::Minutes{} : found->second;
      std::uint64_t& counted = processed.bytes[hour];
      if (minutes.from_source >= 60 && minutes.from_destination >= 60) {
        counted = bytes;
        continue;
      }
      const bool is_edge =
          hour == metered.bytes.begin()->first || hour == metered.bytes.rbegin()->first;
      const bool is_told = found != metered.minutes.end();
      const bool lacks_minutes =
          is_told && (!is_edge || minutes.from_source != minutes.from_destination);
      if (lacks_minutes || counted > bytes) ++processed.partly_metered;
      counted = std::max(counted, bytes);
    }
    return processed;
  }

  /// By what telemetry and the inventory know one thing: environment and address of its entry.
  using Entry = std::pair<std::string, std::string>;
  Entry entry_of(const Resource& resource) const {
    return {standing_.placement.environment_of(resource), resource.address};
  }

  /// What the inventory says of the hours seen; nothing where none were: no time has passed then that
  /// we know of.
  void stand() {
    if (options_.hours == 0) return;
    Result<std::vector<Draft>> drafts = standing_.run(warnings_);
    if (drafts) standing_drafts_ = *std::move(drafts);  // Only a usage file can be wrong.
    for (const Draft& draft : standing_drafts_) {
      if (draft.type != "aws_nat_gateway" || draft.component != "gateway hours") continue;
      GatewayTime& time = gateway_times_[{draft.environment, draft.resource}];
      time.hours = time.hours + draft.quantity.value_or(Quantity{});
      time.reason = draft.reason;
    }
  }

  /// A gateway is billed by the hour whether anything passes it or not, so one that the inventory has
  /// stands in all hours seen that it holds in; of another the hours count in which its metrics or
  /// its interface's records were there. Rule: Amazon VPC pricing, "NAT gateway".
  void add_nat_gateways() {
    std::map<std::string, std::map<std::uint32_t, std::uint64_t>> recorded;
    std::map<std::string, std::string> environment_of;
    for (const auto& [gateway, hours] : usage_.metered_gateways)
      environment_of[gateway] = hours.environment;
    for (const auto& [interface, hours] : usage_.recorded_gateways) {
      for (const auto& [hour, bytes] : hours.bytes) {
        const std::string gateway = gateway_of(interface, hour);
        recorded[gateway][hour] += bytes;
        environment_of.try_emplace(gateway, hours.environment);
      }
    }
    for (const auto& [gateway, environment] : environment_of) {
      const auto metered = usage_.metered_gateways.find(gateway);
      const auto& [hours, partly_metered] = processed_by(
          metered == usage_.metered_gateways.end() ? MonthUsage::GatewayHours{} : metered->second,
          recorded[gateway]);
      std::uint64_t bytes_total = 0;
      for (const auto& [hour, bytes] : hours) bytes_total += bytes;
      const Resource* resource = inventory_.resource(gateway);
      const std::string region = resource != nullptr ? resource->region : std::string();
      Quantity count = units(static_cast<std::int64_t>(hours.size()));
      std::string reason;
      if (resource != nullptr) {
        seen_gateways_.insert(entry_of(*resource));
        const auto standing = gateway_times_.find(entry_of(*resource));
        if (standing != gateway_times_.end() && standing->second.hours > count) {
          count = standing->second.hours;
          reason = standing->second.reason;
        }
      }
      add(environment, region, gateway, "gateway hours", "vpc.nat_gateway.hours", count).reason =
          reason;
      Draft& data = add(environment, region, gateway, "data processed", "vpc.nat_gateway.data",
                        gigabytes(bytes_total, options_.bytes_per_gb));
      if (partly_metered > 0) {
        data.reason = fmt::format(
            "in {} of {} hours its metrics do not tell both directions of every minute; of them "
            "and "
            "the flow records the larger counts there",
            partly_metered, hours.size());
      }
      const std::int64_t addresses =
          resource == nullptr
              ? 1
              : addresses_of_gateway(Subject(standing_, *resource, environment, region, {}));
      if (addresses > 0) {
        add(environment, region, gateway, "public IPv4", "vpc.public_ipv4.in_use",
            multiply(count, addresses))
            .reason = reason;
      }
    }
  }

  void add_transfer() {
    // Halves are counted for what both sides pay. Bytes between zones of which only the receiver
    // wrote records are a line of their own, since a half of them is missing here; so are those of
    // which another environment pays the other half.
    enum class Halves : std::uint8_t { kBoth, kReceived, kOwn };
    std::map<std::tuple<std::string, Charge, Halves>, std::uint64_t> bytes;
    for (const ChargedBytes& entry : usage_.charged) {
      Halves halves = Halves::kBoth;
      if (entry.charge == Charge::kCrossAz && entry.halves == 1)
        halves = entry.share == Share::kAll ? Halves::kReceived : Halves::kOwn;
      bytes[{entry.environment, entry.charge, halves}] +=
          entry.bytes * std::max<std::uint32_t>(1, entry.halves);
    }
    for (const auto& [key, count] : bytes) {
      const auto& [environment, charge, halves] = key;
      const Quantity gb = gigabytes(count, options_.bytes_per_gb);
      switch (charge) {
        case Charge::kNone:
        case Charge::kNatProcessing:
          break;
        case Charge::kCrossAz:
          if (halves == Halves::kReceived) {
            add(environment, {}, "network", "cross-AZ transfer, receiver's half",
                "transfer.regional", gb)
                .reason = "the senders wrote no records here, so their half is not counted";
          } else {
            add(environment, {}, "network",
                halves == Halves::kBoth ? "cross-AZ transfer, both halves"
                                        : "cross-AZ transfer with other environments, own half",
                "transfer.regional", gb);
          }
          break;
        case Charge::kRegionalPublic:
          add(environment, {}, "network", "transfer to public addresses of the region",
              "transfer.regional", gb);
          break;
        case Charge::kInterfaceEndpoint:
          add(environment, {}, "network", "interface endpoint data", "vpc.interface_endpoint.data",
              gb);
          break;
        case Charge::kInterRegion:
          add(environment, {}, "network", "transfer to other regions", "transfer.inter_region", gb);
          break;
        case Charge::kInterRegionUsEast:
          add(environment, {}, "network", "transfer between us-east regions",
              "transfer.inter_region.us_east", gb);
          break;
        case Charge::kInternetEgress:
          add(environment, {}, "network", "internet egress", "transfer.internet_egress", gb);
          break;
        case Charge::kTransitGateway:
          add(environment, {}, "network", "transit gateway data", "vpc.transit_gateway.data", gb);
          break;
        case Charge::kVpn:
          add_unpriced(environment, "VPN or Direct Connect", gb,
                       "the records do not tell a VPN from Direct Connect, which differ in price");
          break;
        case Charge::kUnclassified:
          add_unpriced(environment, "unclassified transfer", gb,
                       "the records do not say what these bytes pay");
          break;
      }
    }
    for (const auto& [environment, count] : usage_.without_action) {
      add_unpriced(environment, "transfer without action", gigabytes(count, options_.bytes_per_gb),
                   "the records do not say whether these bytes were accepted or rejected");
    }
    if (const auto found = usage_.totals.find("flow_records_without_bytes");
        found != usage_.totals.end()) {
      std::uint64_t count = 0;
      for (const auto& [owner, records] : found->second) count += records;
      warnings_.push_back(fmt::format(
          "{} flow records do not tell their bytes: that traffic is missing here", count));
    }
    if (usage_.skipped_records > 0) {
      warnings_.push_back(
          fmt::format("{} flow records say SKIPDATA: traffic of their interfaces is missing here",
                      usage_.skipped_records));
    }
  }

  /// What stands and costs by the hour or the month without being metered: volumes, databases, load
  /// balancers, endpoints, clusters. It is taken to have stood in all the hours seen.
  void add_standing() {
    std::size_t unmetered = 0;
    for (Draft& draft : standing_drafts_) {
      if (is_metered(draft)) continue;
      if (!draft.quantity && draft.reason.starts_with("depends on usage")) {
        ++unmetered;
        continue;
      }
      const std::string_view unit = prices_.unit_of(draft.price_key);
      if (draft.quantity && unit.ends_with("-month") && draft.part != Part::kWholeMonth)
        draft.quantity = scale(*draft.quantity, options_.hours, month_hours_);
      drafts_.push_back(std::move(draft));
    }
    if (unmetered > 0) {
      warnings_.push_back(fmt::format(
          "{} parts of the inventory pay by use that no telemetry here meters, and are left out; "
          "an estimate lists them",
          unmetered));
    }
  }

  /// Machines are counted as seen, not as the inventory has them, and so is a gateway that telemetry
  /// speaks of.
  bool is_metered(const Draft& draft) const {
    const bool database =
        draft.type == "aws_db_instance" || draft.type == "aws_rds_cluster_instance";
    return (draft.component.starts_with("instance hours") && !database) ||
           seen_gateways_.contains({draft.environment, draft.resource});
  }

  void add_unpriced(const std::string& environment, const std::string& component, Quantity gb,
                    const char* reason) {
    Draft& draft = add(environment, {}, "network", component, {}, gb);
    draft.unit = "GB";
    draft.reason = reason;
  }

  const ReportOptions& options_;
  std::uint32_t month_hours_;
  const PriceBook& prices_;
  const aggregator::Inventory& inventory_;
  const MonthUsage& usage_;
  Estimator standing_;
  std::vector<std::string>& warnings_;
  struct GatewayTime {
    Quantity hours;
    std::string reason;
  };
  std::vector<Draft> standing_drafts_;
  std::map<Entry, GatewayTime> gateway_times_;  // Of the inventory's.
  std::set<Entry> seen_gateways_;
  std::vector<Draft> drafts_;
};

}  // namespace

std::vector<Draft> drafts_to_date(const ReportOptions& options, std::uint32_t month_hours,
                                  const PriceBook& prices, const aggregator::Inventory& inventory,
                                  const MonthUsage& usage, std::vector<std::string>& warnings) {
  return ToDate(options, month_hours, prices, inventory, usage, warnings).run();
}

}  // namespace fleetmeter::cost
