#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/flow_columns.h"
#include "proto/log.pb.h"
#include "proto/result.h"

namespace fleetmeter::aggregator {

/// Half-open validity [from_s, to_s), Unix seconds of event time.
struct Validity {
  std::int64_t from_s = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_s = std::numeric_limits<std::int64_t>::max();
  [[nodiscard]] bool holds(std::int64_t at_s) const noexcept {
    return from_s <= at_s && at_s < to_s;
  }
};

using Tags = std::map<std::string, std::string>;

struct Vpc;  // inventory_data.h
struct Subnet {
  std::string id, vpc_id, name, cidr, az, region, account;
  Tags tags;
};
struct Interface {
  std::string id, subnet_id, vpc_id, az, account, region;
  std::string instance_id;  ///< Empty = not attached to an instance.
  /// Owner when not an instance: nat-..., load balancer name, vpce-..., db identifier.
  std::string resource_id;
  std::string description;
  std::vector<std::string> private_addresses, public_addresses;
  proto::InterfaceRole role = proto::ROLE_UNKNOWN;
  Tags tags;
  Validity valid;
};
struct Instance {
  std::string id, type, az, group, vpc_id, subnet_id, account, region, state, name;
  bool windows = false;  ///< Pays the Windows Server licence; bring-your-own does not.
  Tags tags;
  Validity valid;
};
/// An Auto Scaling group, ECS service or node group whose capacity scaling rules set.
struct Group {
  std::string name, kind, account, region;
  std::optional<std::int64_t> minimum, maximum, desired;
  std::vector<std::string> instance_ids;
  std::string instance_type;
  bool windows = false;
  Tags tags;
  Validity valid;
  bool planned = false;  ///< From a plan: for the bill only; group() does not find it.
};
/// Anything that costs money and needs no lookup by address: gateways, volumes, databases, load
/// balancers, ... Attributes by the name that Terraform gives them ("instance_class",
/// "allocated_storage"); nested blocks dotted, list elements by index, `.#` is a list's length
/// ("root_block_device.0.volume_size", "subnet_ids.#"). Every Terraform resource of a known type is
/// here, instances and groups too; the same id in instances() or groups() is the same thing.
struct Resource {
  std::string address;  ///< Terraform address, or type/id from the AWS CLI.
  std::string type;     ///< Terraform type: aws_nat_gateway, aws_ebs_volume, ...
  std::string id, region, account, environment;
  std::map<std::string, std::string> attributes;
  Tags tags;
  Validity valid;
  bool planned = false;  ///< From a plan: for the bill only.

  /// Empty if it has none of that name.
  [[nodiscard]] std::string attribute(const std::string& name) const;
};

/// What one `environments:` entry of the configuration matches; empty = not asked.
struct EnvironmentMatch {
  std::string name = {};
  std::vector<std::string> accounts = {};
  std::string region = {};
  std::vector<std::string> vpcs = {}, subnets = {}, groups = {}, instances = {};
  Tags tags = {};
  /// Has no match at all: takes everything if it is the only one.
  [[nodiscard]] bool empty() const noexcept;
};

/// Where an address or interface belongs, as far as known; empty strings are unknown.
struct Place {
  const Interface* interface = nullptr;
  const Instance* instance = nullptr;
  const Subnet* subnet = nullptr;
  bool in_vpc = false;  ///< Inside a CIDR of a known VPC.
};

/// The fleet as known at one version: immutable, shared between threads. Entries are valid [from,
/// to) and looked up by event time. Sources: Terraform state JSON (`terraform show -json` and raw
/// tfstate), Terraform plan JSON (resources and groups, for the bill only), `aws ec2
/// describe-instances | describe-network-interfaces | describe-subnets | describe-nat-gateways |
/// describe-volumes` and `aws autoscaling describe-auto-scaling-groups` JSON, and plain YAML or
/// JSON (docs/inventory.md). Attributes outside the allow-list are never kept: plans print secrets
/// in clear.
class Inventory {
 public:
  struct Problem {
    std::string file, message;
  };

  /// Reads and merges files; kind by content. Unknown keys and resources are `warnings`; an
  /// unreadable file is an Error.
  static Result<std::shared_ptr<const Inventory>> load(const std::vector<std::string>& files,
                                                       std::vector<EnvironmentMatch> environments,
                                                       std::vector<Problem>& warnings);
  static Result<std::shared_ptr<const Inventory>> parse(
      const std::vector<std::pair<std::string, std::string>>& named_texts,
      std::vector<EnvironmentMatch> environments, std::vector<Problem>& warnings);
  static std::shared_ptr<const Inventory> empty(std::vector<EnvironmentMatch> environments);
  ~Inventory();

  /// Equal for equal content; goes into every batch.
  [[nodiscard]] std::uint64_t version() const noexcept;
  [[nodiscard]] std::string serialize() const;  ///< For InventoryVersion records.
  static Result<std::shared_ptr<const Inventory>> deserialize(std::string_view bytes);

  [[nodiscard]] Place place_of_interface(std::string_view interface_id, std::int64_t at_s) const;
  /// As seen from `vpc_id`, empty where that is not known: VPCs may use the same ranges, and what
  /// lies in the own one is meant first.
  [[nodiscard]] Place place_of_address(const parsers::IpAddress& address, std::int64_t at_s,
                                       std::string_view vpc_id = {}) const;
  /// Of all VPCs, ascending; empty where there is one or none, so that it does not matter from
  /// which an address is seen.
  [[nodiscard]] const std::vector<std::string>& vpc_ids() const noexcept;
  [[nodiscard]] const Instance* instance(std::string_view id, std::int64_t at_s) const;
  [[nodiscard]] const Group* group(std::string_view name, std::int64_t at_s) const;
  /// By id: nat-..., vol-..., db identifier.
  [[nodiscard]] const Resource* resource(std::string_view id) const;
  /// Ever had an entry of any kind with this id.
  [[nodiscard]] bool known(std::string_view resource_id) const;

  /// The environment of a record, by the most stable fact that exactly one environment matches:
  /// account and region, VPC, subnet, group, then instance and tags; the next fact narrows where
  /// several match. An environment that does not ask for a fact is not matched by it. Else the only
  /// declared environment if it has no match and names no other account or region; else
  /// "unassigned". Rule: docs/inventory.md, "Environments".
  struct Facts {
    std::string_view account = {}, region = {}, vpc_id = {}, subnet_id = {}, group = {},
                     instance_id = {}, interface_id = {};
    std::int64_t at_s = 0;
    const Tags* tags = nullptr;  ///< Its own, nearer than those of instance, interface and group.
  };
  [[nodiscard]] std::string_view environment_of(const Facts& facts) const;
  [[nodiscard]] std::string_view environment_of_tags(const Tags& tags, std::string_view account,
                                                     std::string_view region) const;

  [[nodiscard]] const std::vector<Vpc>& vpcs() const noexcept;
  [[nodiscard]] const std::vector<Subnet>& subnets() const noexcept;
  [[nodiscard]] const std::vector<Interface>& interfaces() const noexcept;
  [[nodiscard]] const std::vector<Instance>& instances() const noexcept;
  [[nodiscard]] const std::vector<Group>& groups() const noexcept;
  [[nodiscard]] const std::vector<Resource>& resources() const noexcept;
  [[nodiscard]] const std::vector<EnvironmentMatch>& environments() const noexcept;

 private:
  struct Data;
  explicit Inventory(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

/// All that a resource says of itself and of what it lies in or hangs on; at its beginning.
[[nodiscard]] Inventory::Facts facts_of(const Resource& resource);

/// Whether two ids, accounts, regions, ... may be one: unless both are known and differ.
[[nodiscard]] inline bool may_be(std::string_view a, std::string_view b) noexcept {
  return a.empty() || b.empty() || a == b;
}

}  // namespace fleetmeter::aggregator
