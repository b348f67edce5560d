#include "cost/estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include "aggregator/inventory_document.h"

namespace fleetmeter::cost {
namespace {

/// Types that cost nothing by themselves: what they do is billed elsewhere. Prefixes end in '*'.
constexpr std::array<std::string_view, 64> kFreeTypes{"aws_vpc",
                                                      "aws_subnet",
                                                      "aws_route_table*",
                                                      "aws_route",
                                                      "aws_main_route_table*",
                                                      "aws_internet_gateway",
                                                      "aws_egress_only_internet_gateway",
                                                      "aws_security_group*",
                                                      "aws_vpc_security_group*",
                                                      "aws_network_acl*",
                                                      "aws_default_*",
                                                      "aws_network_interface*",
                                                      "aws_customer_gateway",
                                                      "aws_vpn_gateway*",
                                                      "aws_vpn_connection_route",
                                                      "aws_vpc_peering_connection*",
                                                      "aws_ec2_transit_gateway_route*",
                                                      "aws_eip_association",
                                                      "aws_vpc_dhcp_options*",
                                                      "aws_iam_*",
                                                      "aws_launch_template",
                                                      "aws_launch_configuration",
                                                      "aws_key_pair",
                                                      "aws_placement_group",
                                                      "aws_volume_attachment",
                                                      "aws_autoscaling_policy",
                                                      "aws_autoscaling_schedule",
                                                      "aws_autoscaling_attachment",
                                                      "aws_autoscaling_lifecycle_hook",
                                                      "aws_autoscaling_notification",
                                                      "aws_appautoscaling_*",
                                                      "aws_lb_listener*",
                                                      "aws_lb_target_group*",
                                                      "aws_alb_listener*",
                                                      "aws_alb_target_group*",
                                                      "aws_db_subnet_group",
                                                      "aws_db_parameter_group",
                                                      "aws_db_option_group",
                                                      "aws_rds_cluster_parameter_group",
                                                      "aws_elasticache_subnet_group",
                                                      "aws_elasticache_parameter_group",
                                                      "aws_ecs_cluster*",
                                                      "aws_ecs_capacity_provider",
                                                      "aws_ecs_task_definition",
                                                      "aws_eks_addon",
                                                      "aws_eks_access_*",
                                                      "aws_eks_fargate_profile",
                                                      "aws_lambda_permission",
                                                      "aws_lambda_alias",
                                                      "aws_lambda_event_source_mapping",
                                                      "aws_s3_bucket_*",
                                                      "aws_secretsmanager_secret_*",
                                                      "aws_kms_alias",
                                                      "aws_kms_grant",
                                                      "aws_route53_record",
                                                      "aws_acm_certificate*",
                                                      "aws_sns_topic_*",
                                                      "aws_sqs_queue_*",
                                                      "aws_cloudwatch_event_*",
                                                      "aws_cloudwatch_log_stream",
                                                      "aws_cloudwatch_log_subscription_filter",
                                                      "aws_vpc_endpoint_*",
                                                      "aws_ecr_lifecycle_policy",
                                                      "aws_ecr_repository_policy"};

bool is_free(std::string_view type) {
  return std::any_of(kFreeTypes.begin(), kFreeTypes.end(),
                     [type](std::string_view pattern) { return matches_pattern(pattern, type); });
}

const std::map<std::string_view, PriceFunction>& known_types() {
  static const std::map<std::string_view, PriceFunction> kTypes = [] {
    std::map<std::string_view, PriceFunction> types;
    for (const auto& list : {compute_types(), network_types(), data_types(), watch_types()}) {
      for (const TypeEntry& entry : list) types.emplace(entry.type, entry.price);
    }
    return types;
  }();
  return kTypes;
}

/// Of the usage file alone.
constexpr std::string_view kDataTransfer = "aws_data_transfer";

/// A plan's entry with what it leaves unsaid of the thing that it changes or replaces.
aggregator::Resource completed(const aggregator::Resource& planned,
                               const aggregator::Resource& standing) {
  aggregator::Resource all = planned;
  const auto fill = [](std::string& into, const std::string& from) {
    if (into.empty()) into = from;
  };
  fill(all.region, standing.region);
  fill(all.account, standing.account);
  fill(all.environment, standing.environment);
  all.tags.insert(standing.tags.begin(), standing.tags.end());
  if (planned.id != standing.id) return all;  // A new thing begins anew.
  const aggregator::Validity any;
  if (all.valid.from_s == any.from_s) all.valid.from_s = standing.valid.from_s;
  if (all.valid.to_s == any.to_s) all.valid.to_s = standing.valid.to_s;
  // What a plan never tells. The rest it has too, unless it takes it away.
  for (const char* name : {"instance_lifecycle", "state", "system", "windows"}) {
    const auto told = standing.attributes.find(name);
    if (told != standing.attributes.end()) all.attributes.insert(*told);
  }
  return all;
}

}  // namespace

Period period_of_month(std::string_view month) {
  int year = 0;
  unsigned number = 0;
  const std::size_t dash = month.find('-');
  if (dash == std::string_view::npos) return {};  // None is named.
  std::from_chars(month.data(), month.data() + dash, year);
  std::from_chars(month.data() + dash + 1, month.data() + month.size(), number);
  const std::chrono::year_month first{std::chrono::year{year}, std::chrono::month{number}};
  if (!first.ok()) return {};
  const auto begin = [](std::chrono::year_month of) {
    const std::chrono::sys_seconds at = std::chrono::sys_days{of / std::chrono::day{1}};
    return std::int64_t{at.time_since_epoch().count()};
  };
  return {begin(first), begin(first + std::chrono::months{1})};
}

Quantity product(Quantity a, Quantity b) noexcept {
  return b.fits() ? scale(a, b.e9_units, kQuantityOne) : b;
}

Subject::Subject(Estimator& of, const aggregator::Resource& about, std::string in, std::string at,
                 UsageValues values)
    : resource(about),
      estimator(of),
      environment(std::move(in)),
      region(std::move(at)),
      usage_(std::move(values)) {}

std::string Subject::text(const std::string& attribute, const std::string& otherwise) const {
  const std::string found = resource.attribute(attribute);
  return found.empty() ? otherwise : found;
}

std::optional<Quantity> Subject::number(const std::string& attribute) const {
  const std::string told = text(attribute);
  if (told.empty()) return std::nullopt;
  const std::optional<Quantity> value = parse_quantity(told);
  if (value && *value >= Quantity{}) return value;
  estimator.misread.insert(
      fmt::format("{} must be a plain number, 0 or more, not '{}'", attribute, told));
  return std::nullopt;
}

std::int64_t Subject::integer(const std::string& attribute, std::int64_t otherwise) const {
  const std::optional<Quantity> value = number(attribute);
  return value ? value->e9_units / kQuantityOne : otherwise;
}

bool Subject::flag(const std::string& attribute) const {
  const std::string value = text(attribute);
  if (!value.empty() && value != "true" && value != "1" && value != "false" && value != "0") {
    estimator.misread.insert(fmt::format("{} must be true or false, not '{}'", attribute, value));
  }
  return value == "true" || value == "1";
}

std::int64_t Subject::count(const std::string& list) const {
  if (const std::int64_t told = integer(list + ".#", -1); told >= 0) return told;
  // Without a length, the elements themselves tell.
  std::int64_t found = 0;
  while (true) {
    const std::string prefix = fmt::format("{}.{}", list, found);
    const auto at = resource.attributes.lower_bound(prefix);
    const bool here = at != resource.attributes.end() && at->first.starts_with(prefix) &&
                      (at->first.size() == prefix.size() || at->first[prefix.size()] == '.');
    if (!here) return found;
    ++found;
  }
}

std::int64_t Subject::planned_count(const std::string& list) const {
  return std::max(count(list), integer(list + "_count", 0));
}

std::optional<Quantity> Subject::usage(const std::string& key, unsigned per_power10) {
  const auto found = usage_.find(key);
  if (found == usage_.end()) return std::nullopt;
  used_.insert(key);
  const std::optional<Quantity> value = parse_quantity(found->second.text, per_power10);
  if (value && *value >= Quantity{}) return value;
  if (!estimator.error) {
    estimator.error = Error{ErrorCode::kInvalidArgument,
                            fmt::format("{}:{}: {}.{}: must be a plain number, 0 or more, not '{}'",
                                        estimator.usage_file->name(), found->second.line,
                                        resource.address, key, found->second.text)};
  }
  return std::nullopt;
}

std::string Subject::usage_text(const std::string& key) {
  const auto found = usage_.find(key);
  if (found == usage_.end()) return {};
  used_.insert(key);
  return found->second.text;
}

Quantity Subject::month() const { return units(estimator.options.hours); }

Draft& Subject::add(const std::string& component, const std::string& price_key, Quantity quantity,
                    const char* source) {
  Draft& draft = estimator.drafts.emplace_back();
  draft.environment = environment;
  draft.region = region;
  draft.resource = resource.address;
  draft.type = resource.type;
  draft.component = component;
  draft.price_key = price_key;
  draft.quantity = quantity;
  draft.source = source;
  return draft;
}

Draft& Subject::add_usage(const std::string& component, const std::string& price_key,
                          const std::string& key, unsigned per_power10) {
  const std::optional<Quantity> quantity = usage(key, per_power10);
  Draft& draft = add(component, price_key, quantity.value_or(Quantity{}), "usage_file");
  if (!quantity) {
    draft.quantity.reset();
    draft.reason =
        fmt::format("depends on usage: state {} of {} in the usage file", key, resource.address);
  }
  return draft;
}

void Subject::add_if_used(const std::string& component, const std::string& price_key,
                          const std::string& key, unsigned per_power10) {
  const std::optional<Quantity> quantity = usage(key, per_power10);
  if (quantity) add(component, price_key, *quantity, "usage_file");
}

void Subject::add_unknown(const std::string& component, const std::string& reason) {
  Draft& draft = add(component, {}, Quantity{});
  draft.quantity.reset();
  draft.reason = reason;
}

void Subject::warn_unused_keys() {
  for (const auto& [key, value] : usage_) {
    if (used_.contains(key)) continue;
    estimator.warnings->push_back(fmt::format("{}:{}: {} of {} is not used",
                                              estimator.usage_file->name(), value.line, key,
                                              resource.address));
  }
}

Estimator::Estimator(const ReportOptions& report_options, const PriceBook& price_book,
                     const aggregator::Inventory& of, const UsageFile* file, Period in)
    : options(report_options),
      prices(price_book),
      inventory(of),
      usage_file(file),
      period(in),
      placement(of, report_options.region) {
  choose_entries();
  index();
}

void Estimator::choose_entries() {
  using aggregator::Resource;
  using Name = std::pair<std::string_view, std::string_view>;  // Type, and id or address.
  std::map<Name, const Resource*> planned_ids, planned_addresses;
  for (const Resource& one : inventory.resources()) {
    if (!one.planned) continue;
    if (!one.id.empty()) planned_ids[{one.type, one.id}] = &one;
    planned_addresses[{one.type, one.address}] = &one;
  }
  const auto environment = [this](const Resource& one) {
    std::string name = placement.environment_of(one);
    return name == "unassigned" ? std::string() : name;
  };
  std::map<const Resource*, const Resource*> standing_of;  // By the plan's entry.
  std::set<const Resource*> left_out;
  const bool plan_counts = options.basis == ReportOptions::Basis::kEstimate;
  for (const Resource& one : inventory.resources()) {
    if (one.planned) continue;
    const Resource* twin = nullptr;
    if (const auto found = planned_ids.find({one.type, one.id}); found != planned_ids.end()) {
      twin = found->second;
    } else if (const auto named = planned_addresses.find({one.type, one.address});
               named != planned_addresses.end() && !standing_of.contains(named->second)) {
      // Replaced, so that its id is not known yet. States of several environments may use an
      // address each.
      const Resource& planned = *named->second;
      using aggregator::may_be;
      if (may_be(one.id, planned.id) && may_be(one.account, planned.account) &&
          may_be(one.region, planned.region) && may_be(environment(one), environment(planned)))
        twin = &planned;
    }
    if (twin == nullptr) continue;
    standing_of[twin] = &one;
    left_out.insert(plan_counts ? &one : twin);
  }
  for (const Resource& one : inventory.resources()) {
    if (left_out.contains(&one)) continue;
    const Resource* chosen = &one;
    if (const auto standing = standing_of.find(&one); standing != standing_of.end()) {
      chosen = &completed_.emplace_back(completed(one, *standing->second));
      standing_of_.emplace(chosen, standing->second);
    }
    if (counts(*chosen)) resources_.push_back(chosen);
  }
}

void Estimator::index() {
  for (const aggregator::Resource* one : resources_) {
    const aggregator::Resource& resource = *one;
    by_type_[resource.type].push_back(&resource);
    auto& references = by_reference_[resource.type];
    const auto standing = standing_of_.find(one);
    for (const aggregator::Resource* named :
         {one, standing == standing_of_.end() ? one : standing->second}) {
      for (const std::string& name :
           {named->id, named->attribute("arn"), named->attribute("name"),
            named->attribute("family"), named->attribute("node_group_name"),
            named->attribute("allocation_id"), named->attribute("public_ip"),
            named->attribute("identifier"), named->address}) {
        if (!name.empty()) references.emplace(name, one);
      }
    }
    // The Auto Scaling groups that EKS made for a node group.
    if (resource.type == "aws_eks_node_group") {
      for (const auto& [attribute, value] : resource.attributes) {
        if (matches_pattern("resources.*.autoscaling_groups.*.name", attribute))
          references.emplace(value, &resource);
      }
    }
  }
  // The latest of its times.
  for (const aggregator::Instance& entry : inventory.instances()) {
    if (counts(entry.valid)) instances_[entry.id] = &entry;
  }
  // Of a name, what stands comes before what is planned.
  const bool plan_counts = options.basis == ReportOptions::Basis::kEstimate;
  for (const aggregator::Group& entry : inventory.groups()) {
    if (!counts(entry.valid)) continue;
    const aggregator::Group*& held = groups_[entry.name];
    if (held == nullptr || plan_counts || held->planned || !entry.planned) held = &entry;
  }
  for (const aggregator::Resource* volume : of_type("aws_ebs_volume")) {
    const aggregator::Instance* machine = instance(volume->attribute("instance_id"));
    if (machine != nullptr) listed_volumes_.insert(group_of(*machine));
  }
  for (const aggregator::Resource* association : of_type("aws_eip_association")) {
    for (const char* attribute : {"instance_id", "instance_id_address"})
      elastic_instances_.insert(association->attribute(attribute));
  }
  for (const aggregator::Resource* address : of_type("aws_eip")) {
    for (const char* attribute : {"instance", "instance_address"})
      elastic_instances_.insert(address->attribute(attribute));
    elastic_addresses_.insert(address->attribute("public_ip"));
  }
  for (const aggregator::Interface& interface : inventory.interfaces()) {
    if (!counts(interface.valid)) continue;
    if (interface.instance_id.empty() || interface.public_addresses.empty()) continue;
    addresses_of_[interface.instance_id].insert(interface.public_addresses.begin(),
                                                interface.public_addresses.end());
  }
}

bool Estimator::counts(const aggregator::Validity& valid) const noexcept {
  return valid.from_s < period.to_s && period.from_s < valid.to_s;
}

/// What is gone without a time at which it went is taken to be gone for long.
bool Estimator::counts(const aggregator::Resource& resource) const noexcept {
  const std::string state = resource.attribute("state");
  const bool gone = state == "deleted" || state == "deleting" || state == "failed";
  if (gone && resource.valid.to_s == aggregator::Validity().to_s) return false;
  return counts(resource.valid);
}

void Estimator::doubt(std::size_t first) {
  std::string reason;
  for (const std::string& one : misread) reason += (reason.empty() ? "" : "; ") + one;
  misread.clear();
  if (reason.empty()) return;
  for (std::size_t i = first; i < drafts.size(); ++i) {
    Draft& draft = drafts[i];
    if (draft.source != "inventory") continue;
    draft.quantity.reset();
    draft.reason = reason;
  }
}

void Estimator::cut_to(const aggregator::Validity& valid, std::size_t first) {
  const Period all;
  if (period.from_s == all.from_s || period.to_s == all.to_s) return;
  const bool begins = valid.from_s > period.from_s, ends = valid.to_s < period.to_s;
  if (!begins && !ends) return;
  const std::int64_t part_s =
      std::min(valid.to_s, period.to_s) - std::max(valid.from_s, period.from_s);
  const std::int64_t whole_s = period.to_s - period.from_s;
  const std::int64_t full_hours = (part_s * options.hours + whole_s - 1) / whole_s;
  std::string how = "counted";
  if (begins) how += " from " + aggregator::format_rfc3339(valid.from_s);
  if (ends) how += " until " + aggregator::format_rfc3339(valid.to_s);
  for (std::size_t i = first; i < drafts.size(); ++i) {
    Draft& draft = drafts[i];
    if (draft.source != "inventory" || !draft.quantity || draft.part == Part::kWholeMonth) continue;
    draft.quantity = draft.part == Part::kFullHours
                         ? scale(*draft.quantity, full_hours, options.hours)
                         : scale(*draft.quantity, part_s, whole_s);
    draft.reason += (draft.reason.empty() ? "" : "; ") + how;
  }
}

const aggregator::Instance* Estimator::instance(const std::string& id) const {
  const auto found = instances_.find(id);
  return id.empty() || found == instances_.end() ? nullptr : found->second;
}

const aggregator::Group* Estimator::group(const std::string& name) const {
  const auto found = groups_.find(name);
  return name.empty() || found == groups_.end() ? nullptr : found->second;
}

const aggregator::Resource* Estimator::group_of(const aggregator::Instance& machine) const {
  for (const char* type : {"aws_autoscaling_group", "aws_eks_node_group"}) {
    if (const aggregator::Resource* found = find(type, machine.group)) return found;
  }
  // Rule: Amazon EKS User Guide, "Managed node groups", tags of the nodes.
  const auto name = machine.tags.find("eks:nodegroup-name");
  const auto cluster = machine.tags.find("eks:cluster-name");
  if (name == machine.tags.end()) return nullptr;
  for (const aggregator::Resource* one : of_type("aws_eks_node_group")) {
    const std::string of = one->attribute("cluster_name");
    if (one->attribute("node_group_name") == name->second &&
        (of.empty() || cluster == machine.tags.end() || of == cluster->second))
      return one;
  }
  return nullptr;
}

bool Estimator::lists_volumes_of(const aggregator::Resource& group) const {
  return listed_volumes_.contains(&group);
}

std::int64_t Estimator::public_addresses(const Subject& machine) const {
  std::set<std::string> addresses;
  if (const auto of = addresses_of_.find(machine.resource.id);
      of != addresses_of_.end() && !machine.resource.id.empty())
    addresses = of->second;
  if (std::string own = machine.text("public_ip"); !own.empty()) addresses.insert(std::move(own));
  auto count = static_cast<std::int64_t>(addresses.size());
  if (count == 0 && machine.flag("associate_public_ip_address")) count = 1;
  const auto elastic = std::ranges::count_if(addresses, [this](const std::string& address) {
    return elastic_addresses_.contains(address);
  });
  if (elastic > 0) return count - elastic;
  // Which of them it is, a plan does not say.
  const auto has = [this](const std::string& name) {
    return !name.empty() && elastic_instances_.contains(name);
  };
  const bool held = has(machine.resource.id) || has(machine.resource.address);
  return std::max<std::int64_t>(0, count - std::int64_t{held});
}

const aggregator::Resource* Estimator::find(std::string_view type,
                                            std::string_view reference) const {
  const auto references = by_reference_.find(type);
  if (references == by_reference_.end() || reference.empty()) return nullptr;
  const auto found = references->second.find(std::string(reference));
  return found == references->second.end() ? nullptr : found->second;
}

const std::vector<const aggregator::Resource*>& Estimator::of_type(std::string_view type) const {
  static const std::vector<const aggregator::Resource*> kNone;
  const auto found = by_type_.find(type);
  return found == by_type_.end() ? kNone : found->second;
}

std::vector<const aggregator::Instance*> Estimator::members_of(
    const aggregator::Group& group) const {
  std::set<std::string_view> listed(group.instance_ids.begin(), group.instance_ids.end());
  std::vector<const aggregator::Instance*> members;
  for (const aggregator::Instance& one : inventory.instances()) {
    if (one.group != group.name && !listed.contains(one.id)) continue;
    const bool runs = one.state.empty() || one.state == "running" || one.state == "pending";
    if (runs && counts(one.valid) && instance(one.id) == &one) members.push_back(&one);
  }
  return members;
}

std::string Estimator::system_of(Subject& subject, bool windows) const {
  const std::string stated = subject.usage_text("operating_system");
  if (options.assume_windows) return *options.assume_windows ? "windows" : "linux";
  if (!stated.empty()) return stated;
  const std::string own = subject.system();
  return own.empty() ? (windows ? "windows" : "linux") : own;
}

Result<std::vector<Draft>> Estimator::run(std::vector<std::string>& out_warnings) {
  warnings = &out_warnings;
  take_addresses();
  // Gateways first.
  for (const aggregator::Resource* gateway : of_type("aws_nat_gateway")) price(*gateway);
  for (const aggregator::Resource* resource : resources_) {
    if (resource->type != "aws_nat_gateway" && !taken_addresses_.contains(resource))
      price(*resource);
  }
  price_lone_instances();
  add_unknown_machines();
  price_lone_groups();
  price_data_transfer();
  warn_unmatched();
  warn_left_out();
  if (error) return *std::move(error);
  return std::move(drafts);
}

void Estimator::price(const aggregator::Resource& resource) {
  if (is_free(resource.type)) return;
  if (is_facts_of_machine(resource) && instance(resource.id) != nullptr) return;
  std::string environment = placement.environment_of(resource);
  std::string region = placement.region_or(resource.region, environment);
  UsageValues usage;
  if (usage_file != nullptr) {
    usage = usage_file->values(resource.type, resource.address);
    matched_addresses_.insert(resource.address);
  }
  Subject subject(*this, resource, std::move(environment), std::move(region), std::move(usage));
  const auto known = known_types().find(resource.type);
  if (known == known_types().end()) {
    const bool of_aws = resource.type.starts_with("aws_");
    subject.add_unknown(
        resource.type,
        of_aws ? fmt::format("unsupported: the estimate does not know {} yet", resource.type)
               : fmt::format("unsupported: {} is no type of the AWS provider, such as "
                             "aws_nat_gateway",
                             resource.type));
    return;
  }
  const std::size_t first = drafts.size();
  known->second(subject);
  doubt(first);
  aggregator::Validity valid = resource.valid;
  // Terraform's state goes on naming a machine that the AWS CLI knows to be gone.
  if (const aggregator::Instance* machine =
          resource.type == "aws_instance" ? instance(resource.id) : nullptr)
    valid.to_s = std::min(valid.to_s, machine->valid.to_s);
  cut_to(valid, first);
  subject.warn_unused_keys();
}

void Estimator::price_lone_instances() {
  std::set<std::string_view> priced_groups;
  std::set<std::string_view> members;
  for (const aggregator::Group& group : inventory.groups()) {
    if (!counts(group.valid)) continue;
    priced_groups.insert(group.name);
    members.insert(group.instance_ids.begin(), group.instance_ids.end());
  }
  for (const aggregator::Instance& instance : inventory.instances()) {
    if (!counts(instance.valid)) continue;
    const aggregator::Resource* own = find("aws_instance", instance.id);
    if (own != nullptr && !is_facts_of_machine(*own)) continue;
    if (priced_groups.contains(instance.group) || members.contains(instance.id) ||
        group_of(instance) != nullptr)
      continue;
    aggregator::Resource stand_in;
    stand_in.type = "aws_instance";
    stand_in.address = instance.id;
    stand_in.id = instance.id;
    if (own != nullptr) stand_in.attributes = own->attributes;
    std::string environment = placement.environment_of(instance);
    std::string region = placement.region_or(instance.region, environment);
    UsageValues usage;
    if (usage_file != nullptr) usage = usage_file->values(stand_in.type, stand_in.address);
    matched_addresses_.insert(stand_in.address);
    Subject subject(*this, stand_in, std::move(environment), std::move(region), std::move(usage));
    const std::size_t first = drafts.size();
    add_lone_machine(subject, instance);
    doubt(first);
    cut_to(instance.valid, first);
  }
}

/// Machines that only an interface names: nothing says what they are. Where the environment has
/// groups, they may be billed with one of these.
void Estimator::add_unknown_machines() {
  std::set<std::string> with_groups;
  for (const aggregator::Group& group : inventory.groups())
    with_groups.insert(placement.environment_of(group));
  for (const char* type : {"aws_autoscaling_group", "aws_eks_node_group"}) {
    for (const aggregator::Resource* group : of_type(type))
      with_groups.insert(placement.environment_of(*group));
  }
  std::set<std::string> told;
  for (const aggregator::Instance& one : inventory.instances()) told.insert(one.id);
  for (const aggregator::Interface& interface : inventory.interfaces()) {
    const std::string& id = interface.instance_id;
    if (id.empty() || !counts(interface.valid) || find("aws_instance", id) != nullptr) continue;
    std::string environment = placement.environment_of(interface);
    if (with_groups.contains(environment) || !told.insert(id).second) continue;
    aggregator::Resource stand_in;
    stand_in.type = "aws_instance";
    stand_in.address = stand_in.id = id;
    std::string region = placement.region_or(interface.region, environment);
    Subject(*this, stand_in, std::move(environment), std::move(region), {})
        .add_unknown("instance hours",
                     "only interfaces of the inventory name this instance, so nothing says what it "
                     "is");
  }
}

void Estimator::price_lone_groups() {
  for (const aggregator::Group& group : inventory.groups()) {
    if (!counts(group.valid)) continue;
    const bool priced = find("aws_autoscaling_group", group.name) != nullptr ||
                        find("aws_ecs_service", group.name) != nullptr ||
                        find("aws_eks_node_group", group.name) != nullptr;
    if (priced) continue;
    const aggregator::Group* latest = this->group(group.name);
    if (latest != nullptr && latest->planned != group.planned && latest->region == group.region)
      continue;
    aggregator::Resource stand_in;
    stand_in.type = "aws_autoscaling_group";
    stand_in.address = group.name;
    std::string environment = placement.environment_of(group);
    std::string region = placement.region_or(group.region, environment);
    UsageValues usage;
    if (usage_file != nullptr) usage = usage_file->values(stand_in.type, stand_in.address);
    matched_addresses_.insert(stand_in.address);
    Subject subject(*this, stand_in, std::move(environment), std::move(region), std::move(usage));
    if (group.kind == "ecs_service") {
      subject.add_unknown("task hours", "the service's task definition is not in the inventory");
      continue;
    }
    std::optional<Quantity> count = subject.usage("instances");
    const std::optional<std::int64_t> size = group.desired ? group.desired : group.minimum;
    if (!count && size && *size >= 0) count = units(*size);
    if (!count) {
      subject.add_unknown("instance hours", "the group's desired and minimum size are not known");
      continue;
    }
    const std::size_t first = drafts.size();
    add_lone_group(subject, group, *count);
    doubt(first);
    cut_to(group.valid, first);
  }
}

/// Transfer that no resource of the inventory stands for: aws_data_transfer.<name> of the usage
/// file.
void Estimator::price_data_transfer() {
  if (usage_file == nullptr) return;
  for (const std::string& address : usage_file->addresses_of(kDataTransfer)) {
    matched_addresses_.insert(address);
    aggregator::Resource stand_in;
    stand_in.type = kDataTransfer;
    stand_in.address = address;
    Subject subject(*this, stand_in, {}, {}, usage_file->values(kDataTransfer, address));
    subject.environment = subject.usage_text("environment");
    if (subject.environment.empty()) subject.environment = usage_file->environment();
    if (subject.environment.empty()) subject.environment = placement.only_environment();
    subject.region = placement.region_or(subject.usage_text("region"), subject.environment);
    subject.add_if_used("internet egress", "transfer.internet_egress",
                        "monthly_outbound_internet_gb");
    // Both sides of a byte that crosses zones pay, so the file's one-way figure counts twice.
    if (const auto gb = subject.usage("monthly_intra_region_gb")) {
      subject.add("cross-AZ transfer, both halves", "transfer.regional", multiply(*gb, 2),
                  "usage_file");
    }
    subject.add_if_used("transfer to other regions", "transfer.inter_region",
                        "monthly_outbound_other_regions_gb");
    subject.add_if_used("transfer between us-east regions", "transfer.inter_region.us_east",
                        "monthly_outbound_us_east_to_us_east_gb");
    subject.warn_unused_keys();
  }
}

void Estimator::warn_unmatched() {
  if (usage_file == nullptr) return;
  for (const auto& [type, values] : usage_file->defaults()) {
    if (type == kDataTransfer || known_types().contains(type)) continue;
    warnings->push_back(
        fmt::format("{}: resource_type_default_usage.{} is of no type that is known",
                    usage_file->name(), type));
  }
  for (const auto& [address, values] : usage_file->resources()) {
    const std::string_view text = address;
    // A wildcard stands for any one index, which is what a pattern's '*' between the brackets says
    // too.
    const bool met = matched_addresses_.contains(address) ||
                     (text.find("[*]") != std::string_view::npos &&
                      std::any_of(matched_addresses_.begin(), matched_addresses_.end(),
                                  [text](const std::string& matched) {
                                    return matches_pattern(text, matched);
                                  }));
    if (!met) {
      warnings->push_back(fmt::format("{}: resource_usage.{} matches no resource of the inventory",
                                      usage_file->name(), address));
    }
  }
}

/// To date, what had not begun or was over when nothing was seen is no news.
void Estimator::warn_left_out() {
  if (options.basis != ReportOptions::Basis::kEstimate) return;
  std::set<std::string_view> ids;
  for (const aggregator::Instance& one : inventory.instances()) {
    if (!counts(one.valid)) ids.insert(one.id);
  }
  for (const aggregator::Group& one : inventory.groups()) {
    if (!counts(one.valid)) ids.insert(one.name);
  }
  for (const aggregator::Resource& one : inventory.resources()) {
    if (!counts(one.valid)) ids.insert(one.id.empty() ? one.address : one.id);
  }
  if (ids.empty()) return;
  warnings->push_back(fmt::format(
      "{} of the inventory's entries do not hold in {} (valid_from, valid_to) and are left out",
      ids.size(), options.month));
}

bool Estimator::take_named(const aggregator::Resource& holder, const std::string& attribute) {
  const std::string id = holder.attribute(attribute);
  // Of a plan, without the index where there are several.
  const std::string planned = holder.attribute(attribute + "_address");
  const aggregator::Resource* address = find("aws_eip", id);
  if (address == nullptr) address = find("aws_eip", planned);
  for (const aggregator::Resource* candidate : of_type("aws_eip")) {
    if (address != nullptr || planned.empty()) break;
    if (!taken_addresses_.contains(candidate) && candidate->address.starts_with(planned + "["))
      address = candidate;
  }
  if (address != nullptr) taken_addresses_.insert(address);
  return !id.empty() || !planned.empty();
}

void Estimator::take_addresses() {
  const auto take_all = [this](const aggregator::Resource& holder, const std::string& list,
                               const std::string& inside) {
    const std::int64_t count = Subject(*this, holder, {}, {}, {}).planned_count(list);
    for (std::int64_t i = 0; i < count; ++i) {
      // A plan names all of a list at once.
      if (!take_named(holder, fmt::format("{}.{}{}", list, i, inside))) take_named(holder, list);
    }
  };
  for (const char* type : {"aws_lb", "aws_alb"}) {
    for (const aggregator::Resource* balancer : of_type(type))
      take_all(*balancer, "subnet_mapping", ".allocation_id");
  }
  std::vector<const aggregator::Resource*> silent;
  for (const aggregator::Resource* gateway : of_type("aws_nat_gateway")) {
    if (gateway->attribute("connectivity_type") == "private") continue;
    take_all(*gateway, "secondary_allocation_ids", "");
    if (!take_named(*gateway, "allocation_id")) silent.push_back(gateway);
  }
  misread.clear();  // It is told when the holder is priced.
  // Of the AWS CLI, the gateway's interfaces tell.
  std::set<std::string_view> told;
  for (const aggregator::Interface& interface : inventory.interfaces()) {
    if (find("aws_nat_gateway", interface.resource_id) == nullptr) continue;
    for (const std::string& address : interface.public_addresses) {
      const aggregator::Resource* held = find("aws_eip", address);
      if (held != nullptr && taken_addresses_.insert(held).second)
        told.insert(interface.resource_id);
    }
  }
  std::set<const aggregator::Resource*> associated;
  for (const aggregator::Resource* association : of_type("aws_eip_association")) {
    for (const char* attribute : {"allocation_id", "allocation_id_address"})
      associated.insert(find("aws_eip", association->attribute(attribute)));
  }
  // Nothing says which: any of the environment that nothing else holds.
  for (const aggregator::Resource* gateway : silent) {
    if (told.contains(gateway->id)) continue;
    const std::string environment = placement.environment_of(*gateway);
    const auto fits = [&](const aggregator::Resource* candidate) {
      if (associated.contains(candidate)) return false;
      for (const char* holder :
           {"instance", "network_interface", "instance_address", "network_interface_address"}) {
        if (!candidate->attribute(holder).empty()) return false;
      }
      return !taken_addresses_.contains(candidate) &&
             placement.environment_of(*candidate) == environment;
    };
    const auto& all = of_type("aws_eip");
    const auto found = std::ranges::find_if(all, fits);
    if (found != all.end()) taken_addresses_.insert(*found);
  }
}

}  // namespace fleetmeter::cost
