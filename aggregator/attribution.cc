#include "aggregator/attribution.h"

#include <algorithm>
#include <bit>

#include "parsers/flow_values.h"

namespace fleetmeter::aggregator {
namespace {

/// A scan from the internet brings ever new addresses; beyond this many the look-ups start afresh.
constexpr std::size_t kAddressesMax = 1u << 18;
constexpr std::size_t kCapturesMax = 1u << 16;

/// Role by interface-type (version 11), an open list; by instance-id where a record has one.
proto::InterfaceRole role_of(const CaptureTexts& texts) {
  const std::string_view type = texts.text[CaptureTexts::kType];
  if (type == "nat_gateway" || type == "regional_nat_gateway") return proto::ROLE_NAT;
  if (type == "network_load_balancer") return proto::ROLE_NLB;
  if (type == "vpc_endpoint") return proto::ROLE_ENDPOINT;
  if (type == "transit_gateway") return proto::ROLE_TRANSIT_GATEWAY;
  if (type == "lambda") return proto::ROLE_LAMBDA;
  if (texts.text[CaptureTexts::kResource].starts_with("nat-")) return proto::ROLE_NAT;
  if (!texts.text[CaptureTexts::kInstance].empty()) return proto::ROLE_INSTANCE;
  return proto::ROLE_UNKNOWN;
}

std::string_view first_of(std::string_view a, std::string_view b) { return a.empty() ? b : a; }

std::string_view owner_of(const Interface& interface) {
  return first_of(interface.instance_id, interface.resource_id);
}

std::string_view zone_of(const Place& place) {
  if (place.subnet != nullptr && !place.subnet->az.empty()) return place.subnet->az;
  if (place.interface != nullptr && !place.interface->az.empty()) return place.interface->az;
  return place.instance != nullptr ? std::string_view(place.instance->az) : std::string_view();
}

std::string_view region_of(const Place& place) {
  if (place.subnet != nullptr && !place.subnet->region.empty()) return place.subnet->region;
  if (place.interface != nullptr && !place.interface->region.empty())
    return place.interface->region;
  return place.instance != nullptr ? std::string_view(place.instance->region) : std::string_view();
}

void add_addresses(const std::vector<std::string>& texts, std::vector<parsers::IpAddress>& out) {
  for (const std::string& text : texts) {
    parsers::IpAddress address;
    if (parsers::parse_address(text.data(), text.size(), address)) out.push_back(address);
  }
}

}  // namespace

Attribution::Attribution(std::shared_ptr<const Inventory> inventory, std::string forced_environment,
                         std::string account, std::string region, StringPool& strings)
    : inventory_(std::move(inventory)),
      forced_environment_(std::move(forced_environment)),
      account_(std::move(account)),
      region_(std::move(region)),
      strings_(strings) {
  read_bounds();
}

void Attribution::set_inventory(std::shared_ptr<const Inventory> inventory) {
  inventory_ = std::move(inventory);
  forget();
  read_bounds();
}

void Attribution::forget() {
  addresses_.clear();
  address_table_.clear();
  captures_.clear();
  capture_table_.clear();
}

void Attribution::shrink() {
  if (addresses_.size() > kAddressesMax || captures_.size() > kCapturesMax) forget();
}

void Attribution::read_bounds() {
  bounds_.clear();
  last_epoch_ = 0;
  const auto add = [this](const auto& entries) {
    for (const auto& entry : entries) {
      const Validity unbounded;
      if (entry.valid.from_s != unbounded.from_s) bounds_.push_back(entry.valid.from_s);
      if (entry.valid.to_s != unbounded.to_s) bounds_.push_back(entry.valid.to_s);
    }
  };
  add(inventory_->interfaces());
  add(inventory_->instances());
  add(inventory_->groups());
  std::ranges::sort(bounds_);
  bounds_.erase(std::unique(bounds_.begin(), bounds_.end()), bounds_.end());
}

std::uint32_t Attribution::epoch(std::int64_t at_s) {
  const std::uint32_t last = last_epoch_;
  const bool same =
      (last == 0 || bounds_[last - 1] <= at_s) && (last == bounds_.size() || at_s < bounds_[last]);
  if (same) return last;
  last_epoch_ =
      static_cast<std::uint32_t>(std::ranges::upper_bound(bounds_, at_s) - bounds_.begin());
  return last_epoch_;
}

std::uint32_t Attribution::environment_index(std::string_view name) {
  const auto at = std::ranges::find(environments_, name);
  if (at != environments_.end()) return static_cast<std::uint32_t>(at - environments_.begin());
  environments_.emplace_back(name);
  return static_cast<std::uint32_t>(environments_.size() - 1);
}

std::string_view Attribution::environment_of(Inventory::Facts facts) const {
  if (!forced_environment_.empty()) return forced_environment_;
  facts.account = first_of(facts.account, account_);
  facts.region = first_of(facts.region, region_);
  return inventory_->environment_of(facts);
}

const CaptureFacts& Attribution::capture(const CaptureTexts& texts, std::int64_t at_s,
                                         std::uint32_t epoch) {
  std::uint64_t hash = epoch;
  for (std::uint32_t left = texts.present; left != 0; left &= left - 1) {
    hash = mix(hash, hash_text(texts.text[static_cast<std::size_t>(std::countr_zero(left))]));
  }
  const std::uint32_t found = capture_table_.find(hash, [&](std::uint32_t index) {
    const CaptureEntry& entry = captures_[index];
    if (entry.epoch != epoch || entry.present != texts.present) return false;
    for (std::uint32_t left = texts.present; left != 0; left &= left - 1) {
      const auto field = static_cast<std::size_t>(std::countr_zero(left));
      if (entry.text[field] != texts.text[field]) return false;
    }
    return true;
  });
  if (found != IndexTable::kNone) return captures_[found].facts;
  CaptureEntry entry{{}, texts.present, epoch, make_capture(texts, at_s)};
  std::copy(texts.text.begin(), texts.text.end(), entry.text.begin());
  captures_.push_back(std::move(entry));
  capture_table_.insert(hash, static_cast<std::uint32_t>(captures_.size() - 1));
  return captures_.back().facts;
}

CaptureFacts Attribution::make_capture(const CaptureTexts& texts, std::int64_t at_s) {
  using enum CaptureTexts::Field;
  const std::string_view id = first_of(texts.text[kInterface], texts.text[kResource]);
  const Place place = inventory_->place_of_interface(id, at_s);
  Inventory::Facts facts{
      .account = texts.text[kAccount] == "unknown" ? std::string_view() : texts.text[kAccount],
      .region = texts.text[kRegion],
      .vpc_id = texts.text[kVpc],
      .subnet_id = texts.text[kSubnet],
      .group = {},
      .instance_id = texts.text[kInstance],
      .interface_id = id,
      .at_s = at_s};
  if (place.interface != nullptr) {
    facts.vpc_id = first_of(facts.vpc_id, place.interface->vpc_id);
    facts.subnet_id = first_of(facts.subnet_id, place.interface->subnet_id);
    facts.instance_id = first_of(facts.instance_id, place.interface->instance_id);
    facts.region = first_of(facts.region, place.interface->region);
  }
  if (place.subnet != nullptr) facts.vpc_id = first_of(facts.vpc_id, place.subnet->vpc_id);
  if (place.instance != nullptr) facts.group = place.instance->group;

  CaptureFacts out;
  out.environment = environment_index(environment_of(facts));
  out.interface = strings_.intern(id);
  out.role = place.interface != nullptr ? place.interface->role : proto::ROLE_UNKNOWN;
  if (out.role == proto::ROLE_UNKNOWN) out.role = role_of(texts);
  out.vpcs_known = !inventory_->subnets().empty();
  out.az = strings_.intern(first_of(zone_of(place), texts.text[kAz]));
  out.owner = strings_.intern(texts.text[kInstance]);
  if (place.interface != nullptr) {
    if (const std::string_view owner = owner_of(*place.interface); !owner.empty())
      out.owner = strings_.intern(owner);
    add_addresses(place.interface->private_addresses, out.addresses);
    add_addresses(place.interface->public_addresses, out.addresses);
  } else if (out.owner == 0) {
    out.owner = strings_.intern(texts.text[kResource]);
  }
  return out;
}

const AddressFacts& Attribution::address(const parsers::IpAddress& address, std::int64_t at_s,
                                         std::uint32_t epoch) {
  const std::uint64_t hash = mix(address.low, address.high + epoch);
  const std::uint32_t found = address_table_.find(hash, [&](std::uint32_t index) {
    const AddressEntry& entry = addresses_[index];
    return entry.address == address && entry.epoch == epoch;
  });
  if (found != IndexTable::kNone) return addresses_[found].facts;
  addresses_.push_back({address, epoch, make_address(address, at_s)});
  address_table_.insert(hash, static_cast<std::uint32_t>(addresses_.size() - 1));
  return addresses_.back().facts;
}

AddressFacts Attribution::make_address(const parsers::IpAddress& address, std::int64_t at_s) {
  const Place place = inventory_->place_of_address(address, at_s);
  AddressFacts out;
  out.end.present = true;
  out.end.is_private = range_of(address) != AddressRange::kPublic;
  out.end.in_vpc = place.in_vpc;
  out.end.az = strings_.intern(zone_of(place));
  if (out.end.is_private || out.end.in_vpc) out.text = strings_.intern(address_text(address));
  out.region = strings_.intern(region_of(place));
  if (place.interface != nullptr) {
    out.interface = strings_.intern(place.interface->id);
    out.owner = strings_.intern(owner_of(*place.interface));
    out.role = place.interface->role;
  } else if (place.instance != nullptr) {
    out.owner = strings_.intern(place.instance->id);
    out.role = proto::ROLE_INSTANCE;
  }
  if (place.subnet != nullptr) {
    out.place = strings_.intern(
        first_of(place.subnet->id, first_of(place.subnet->name, place.subnet->cidr)));
  } else {
    out.place = strings_.intern(range_name(address));
  }
  return out;
}

}  // namespace fleetmeter::aggregator
