#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregator/inventory.h"
#include "cost/draft.h"

namespace fleetmeter::cost {

/// Where things belong, from the inventory: environment and region of each kind of entry.
class Placement {
 public:
  Placement(const aggregator::Inventory& inventory, std::string default_region);
  [[nodiscard]] std::string environment_of(const aggregator::Resource& resource) const;
  [[nodiscard]] std::string environment_of(const aggregator::Instance& instance) const;
  [[nodiscard]] std::string environment_of(const aggregator::Group& group) const;
  [[nodiscard]] std::string environment_of(const aggregator::Interface& interface) const;
  /// The region that the entry names, else the environment's (by configuration, or of its entries if
  /// they agree), else the only one of the inventory, else the default.
  [[nodiscard]] std::string region_or(const std::string& region,
                                      const std::string& environment) const;
  /// The only environment there is; "unassigned" where there are none or several.
  [[nodiscard]] std::string only_environment() const;

 private:
  const aggregator::Inventory* inventory_;
  std::string only_region_;
  std::map<std::string, std::string> regions_;  // By environment; of several, none.
};

class Estimator;

/// One resource while it is priced.
class Subject {
 public:
  Subject(Estimator& estimator, const aggregator::Resource& resource, std::string environment,
          std::string region, UsageValues usage);

  // Attributes by Terraform's name; empty or nullopt = absent. One that is there and cannot be read
  // is nullopt or false too, and makes what the inventory says of the whole resource unknown.
  [[nodiscard]] std::string text(const std::string& attribute,
                                 const std::string& otherwise = {}) const;
  [[nodiscard]] std::optional<Quantity> number(const std::string& attribute) const;
  [[nodiscard]] std::int64_t integer(const std::string& attribute, std::int64_t otherwise) const;
  [[nodiscard]] bool flag(const std::string& attribute) const;
  /// Elements of a list or of nested blocks.
  [[nodiscard]] std::int64_t count(const std::string& list) const;
  /// The same where a plan's configuration may tell more elements than the list holds.
  [[nodiscard]] std::int64_t planned_count(const std::string& list) const;

  /// A key of the usage file, in units of 10^per_power10; a text that is no number is an error of
  /// the whole estimate.
  [[nodiscard]] std::optional<Quantity> usage(const std::string& key, unsigned per_power10 = 0);
  [[nodiscard]] std::string usage_text(const std::string& key);

  [[nodiscard]] Quantity month() const;  ///< Hours of the month.
  /// A line with a known quantity.
  Draft& add(const std::string& component, const std::string& price_key, Quantity quantity,
             const char* source = "inventory");
  /// A line whose quantity is the usage key's, else unknown: depends on usage.
  Draft& add_usage(const std::string& component, const std::string& price_key,
                   const std::string& key, unsigned per_power10 = 0);
  /// The same, but no line at all without the key: most resources of the type do not use it.
  void add_if_used(const std::string& component, const std::string& price_key,
                   const std::string& key, unsigned per_power10 = 0);
  void add_unknown(const std::string& component, const std::string& reason);
  /// The system of the machines that are added next, where the resource's attributes do not say it.
  void set_system(std::string system) { system_ = std::move(system); }
  [[nodiscard]] std::string system() const { return text("system", system_); }
  void warn_unused_keys();

  const aggregator::Resource& resource;
  Estimator& estimator;
  std::string environment, region;

 private:
  UsageValues usage_;
  std::set<std::string> used_;
  std::string system_;
};

/// The seconds [from_s, to_s) that lines are of; by default all time.
using Period = aggregator::Validity;
/// Of a month like "2026-11", UTC; all time where it is empty.
[[nodiscard]] Period period_of_month(std::string_view month);

/// Lines of a month from the inventory and the usage file. One use: run(). Entries that do not hold
/// in `period` count nothing, those that hold for a part of it count for that part.
class Estimator {
 public:
  Estimator(const ReportOptions& options, const PriceBook& prices,
            const aggregator::Inventory& inventory, const UsageFile* usage_file, Period period);
  Result<std::vector<Draft>> run(std::vector<std::string>& warnings);

  const ReportOptions& options;
  const PriceBook& prices;
  const aggregator::Inventory& inventory;
  const UsageFile* usage_file;
  const Period period;
  Placement placement;

  std::vector<Draft> drafts;
  std::vector<std::string>* warnings = nullptr;
  std::optional<Error> error;  ///< The first one.
  /// Attributes of the resource that is being priced that cannot be what they say.
  std::set<std::string> misread;

  /// Another resource of `type` by id, ARN, name or address.
  [[nodiscard]] const aggregator::Resource* find(std::string_view type,
                                                 std::string_view reference) const;
  [[nodiscard]] const aggregator::Instance* instance(const std::string& id) const;
  [[nodiscard]] const aggregator::Group* group(const std::string& name) const;
  /// The Auto Scaling group or EKS node group among the resources, which bills the machine; nullptr
  /// = none.
  [[nodiscard]] const aggregator::Resource* group_of(const aggregator::Instance& machine) const;
  /// Whether volumes of the group's machines are in the inventory by themselves.
  [[nodiscard]] bool lists_volumes_of(const aggregator::Resource& group) const;
  /// Public addresses of a machine that no aws_eip entry bills: what its resource and its
  /// interfaces say.
  [[nodiscard]] std::int64_t public_addresses(const Subject& machine) const;
  /// All of a type.
  [[nodiscard]] const std::vector<const aggregator::Resource*>& of_type(
      std::string_view type) const;
  /// "windows", "linux", "rhel", "suse", ...: the option, else the usage file, else what the
  /// inventory says: the attribute "system", else `windows`.
  [[nodiscard]] std::string system_of(Subject& subject, bool windows) const;
  /// Machines that run in a group, as far as known.
  [[nodiscard]] std::vector<const aggregator::Instance*> members_of(
      const aggregator::Group& group) const;

 private:
  /// Fills resources_.
  void choose_entries();
  /// Marks the aws_eip entries that NAT gateways and load balancers hold: they are billed with
  /// these.
  void take_addresses();
  /// The one that an attribute of `holder` names; whether it names one.
  bool take_named(const aggregator::Resource& holder, const std::string& attribute);
  void index();
  void price(const aggregator::Resource& resource);
  /// What the inventory says in the drafts from `first` on is unknown if something was misread.
  void doubt(std::size_t first);
  [[nodiscard]] bool counts(const aggregator::Validity& valid) const noexcept;
  [[nodiscard]] bool counts(const aggregator::Resource& resource) const noexcept;
  /// Cuts what the inventory says in the drafts from `first` on down to the part of the period in
  /// which their entry holds.
  void cut_to(const aggregator::Validity& valid, std::size_t first);
  void price_lone_instances();
  void add_unknown_machines();
  void price_lone_groups();
  void price_data_transfer();
  void warn_unmatched();
  void warn_left_out();

  /// What counts, in the inventory's order: of what stands and a plan has too, the plan's entry in an
  /// estimate, and the standing one to date.
  std::vector<const aggregator::Resource*> resources_;
  std::deque<aggregator::Resource> completed_;  // Entries of plans, with what they leave unsaid.
  std::unordered_map<const aggregator::Resource*, const aggregator::Resource*>
      standing_of_;  // What these change or replace.
  std::map<std::string, std::vector<const aggregator::Resource*>, std::less<>> by_type_;
  std::map<std::string, std::unordered_map<std::string, const aggregator::Resource*>, std::less<>>
      by_reference_;
  std::unordered_map<std::string, const aggregator::Instance*> instances_;
  std::unordered_map<std::string, const aggregator::Group*> groups_;
  std::set<std::string> elastic_instances_;  // By id, or by address in a plan.
  std::set<std::string> elastic_addresses_;  // Where known.
  std::unordered_map<std::string, std::set<std::string>>
      addresses_of_;  // Public ones, by instance.
  std::set<const aggregator::Resource*> taken_addresses_;
  std::set<const aggregator::Resource*> listed_volumes_;  // Groups whose volumes are.
  std::set<std::string> matched_addresses_;               // Of the usage file.
};

/// Adds the lines of one resource. One function a Terraform type, in the estimate_*.cc files.
using PriceFunction = void (*)(Subject&);
struct TypeEntry {
  std::string_view type;
  PriceFunction price;
};
[[nodiscard]] std::vector<TypeEntry> compute_types();
[[nodiscard]] std::vector<TypeEntry> network_types();
[[nodiscard]] std::vector<TypeEntry> data_types();
[[nodiscard]] std::vector<TypeEntry> watch_types();

/// Hours of `count` machines of a type; spot and dedicated are not told apart here.
void add_machines(Subject& subject, const std::string& type, bool windows, Quantity count);
/// Whether a resource holds no more of a machine than what its entry in instances() does not say,
/// as the AWS CLI gives it.
[[nodiscard]] bool is_facts_of_machine(const aggregator::Resource& resource);
/// A machine of the inventory that no resource stands for; the subject has its facts.
void add_lone_machine(Subject& subject, const aggregator::Instance& instance);
/// Machines of a group that no resource stands for, and what they have besides their hours.
/// Each known member is priced by its own kind; of `count` other machines than there are known
/// members, kinds have the members' share.
void add_lone_group(Subject& subject, const aggregator::Group& group, Quantity count);
/// Public addresses of a NAT gateway: one, and those of further allocations; a private one has none.
[[nodiscard]] std::int64_t addresses_of_gateway(const Subject& gateway);
/// CPU credits of `count` machines of a type, if the usage file tells how many hours.
void add_cpu_credits(Subject& subject, const std::string& price_key, const std::string& type,
                     Quantity count);
/// What the rate of a machine depends on. Machines of one kind cost the same.
struct MachineKind {
  std::string type;
  std::string system;    ///< As in price keys: "windows", "linux", "rhel", ...
  std::string unpriced;  ///< Why the list has no price, such as of spot; empty = it has.
  auto operator<=>(const MachineKind&) const = default;
};
/// `facts`: the machine's resource, if there is one.
[[nodiscard]] MachineKind kind_of(const ReportOptions& options,
                                  const aggregator::Instance& instance,
                                  const aggregator::Resource* facts);
/// One volume, or `count` equal ones.
struct VolumeSpec {
  std::string kind;
  std::optional<Quantity> size_gb;
  std::optional<Quantity> iops, throughput_mibps;
  std::string assumption;  ///< Why the size is what it is, where nothing states it.
};
void add_volume(Subject& subject, const std::string& name, const VolumeSpec& volume,
                Quantity count);

/// vCPUs of an instance type or database class, from the usage file or the list of types. nullopt =
/// not known.
[[nodiscard]] std::optional<Quantity> vcpus_of(Subject& subject, const std::string& type);

/// a x b of two quantities, rounded half up.
[[nodiscard]] Quantity product(Quantity a, Quantity b) noexcept;

}  // namespace fleetmeter::cost
