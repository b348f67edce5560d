#include "aggregator/attribution.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "aggregator/cidr.h"
#include "aggregator/inventory_data.h"
#include "parsers/flow_values.h"
#include "proto/check.h"

namespace fleetmeter::aggregator {
namespace {

/// A scan from the internet brings ever new addresses; beyond this many the look-ups start afresh.
constexpr std::size_t kAddressesMax = 1u << 18;
constexpr std::size_t kCapturesMax = 1u << 16;

/// Whether the interface-type of a record (version 11), an open list, is `name`: written with either
/// sign between its words.
bool is_type(const CaptureTexts& texts, std::string_view name) {
  return std::ranges::equal(texts.text[CaptureTexts::kType], name,
                            [](char a, char b) { return a == b || (a == '-' && b == '_'); });
}

bool is_nat_resource(const CaptureTexts& texts) {
  return texts.text[CaptureTexts::kResource].starts_with("nat-");
}

/// Role by interface-type; by instance-id where a record has one.
proto::InterfaceRole role_of(const CaptureTexts& texts) {
  const auto is = [&texts](std::string_view name) { return is_type(texts, name); };
  if (is("nat_gateway") || is("regional_nat_gateway")) return proto::ROLE_NAT;
  if (is("network_load_balancer")) return proto::ROLE_NLB;
  if (is("vpc_endpoint")) return proto::ROLE_ENDPOINT;
  if (is("transit_gateway")) return proto::ROLE_TRANSIT_GATEWAY;
  if (is("lambda")) return proto::ROLE_LAMBDA;
  if (is_nat_resource(texts)) return proto::ROLE_NAT;
  if (!texts.text[CaptureTexts::kInstance].empty()) return proto::ROLE_INSTANCE;
  return proto::ROLE_UNKNOWN;
}

/// Of a NAT gateway's record. Rule: Amazon VPC User Guide, "Flow log records" (interface-id,
/// resource-id).
bool is_regional(const CaptureTexts& texts) {
  const bool is_named = is_nat_resource(texts) || is_type(texts, "regional_nat_gateway");
  return is_named && texts.text[CaptureTexts::kInterface].empty();
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

std::uint64_t hash_facts(const AddressFacts& facts) noexcept {
  const std::uint64_t end = std::uint64_t{facts.end.az} << 8 | facts.end.in_vpc << 2 |
                            facts.end.is_private << 1 | std::uint64_t{facts.end.present};
  std::uint64_t hash = parsers::mix(end, std::uint64_t{facts.text} << 32 | facts.owner);
  hash = parsers::mix(hash, std::uint64_t{facts.place} << 32 | facts.region);
  return parsers::mix(
      hash, std::uint64_t{facts.interface} << 32 | static_cast<std::uint32_t>(facts.role));
}

/// Of a range in IPv4: the prefixes of 16 bits that it reaches into.
struct Prefixes {
  std::uint32_t first = 0, count = 0;
};

Prefixes prefixes_of(const Cidr& range) noexcept {
  if (range.network.high != 0) return {};
  const bool is_v4 = range.length >= 96 && range.network.is_v4();
  if (range.length >= 96 && !is_v4) return {};
  if (!is_v4) return {0, 1u << 16};
  return {range.network.v4() >> 16, range.length < 112 ? 1u << (112 - range.length) : 1u};
}

}  // namespace

Attribution::Attribution(std::shared_ptr<const Inventory> inventory, std::string forced_environment,
                         std::string account, std::string region, StringPool& strings)
    : inventory_(std::move(inventory)),
      forced_environment_(std::move(forced_environment)),
      account_(std::move(account)),
      region_(std::move(region)),
      strings_(strings) {
  read_inventory();
}

void Attribution::set_inventory(std::shared_ptr<const Inventory> inventory) {
  inventory_ = std::move(inventory);
  read_inventory();
}

void Attribution::read_inventory() {
  read_bounds();
  read_prefixes();
  forget();
}

void Attribution::forget() {
  addresses_.clear();
  v4_table_.clear();
  address_table_.clear();
  peer_table_.clear();
  captures_.clear();
  capture_facts_.clear();
  long_texts_.clear();
  capture_table_.clear();
  recent_.clear();
  peers_.clear();
  add_facts({}, kAbsent);  // kAbsent.
  AddressFacts internet;
  internet.end.present = true;
  internet.place = strings_.intern("internet");
  FM_CHECK(add_peer(internet) == kInternet);
}

bool Attribution::shrink() {
  const bool is_large = addresses_.size() > kAddressesMax || captures_.size() > kCapturesMax;
  if (is_large) forget();
  return is_large;
}

void Attribution::read_prefixes() {
  prefixes_ = {};
  const auto set = [this](const Cidr& range, Prefix value) {
    const auto [first, count] = prefixes_of(range);
    for (std::uint32_t prefix = first; prefix < first + count; ++prefix) {
      std::uint64_t& word = prefixes_[prefix / 32];
      const std::uint32_t at = prefix % 32 * 2;
      word = (word & ~(std::uint64_t{3} << at)) | std::uint64_t{value} << at;
    }
  };
  for (const SpecialNetwork& special : kSpecialNetworks)
    set(special.cidr, special.cidr.length <= 112 ? kPlain : kSpecial);
  const auto add = [&](const std::string& text) {
    if (const auto range = parse_cidr(text)) set(*range, kSpecial);
  };
  for (const Subnet& subnet : inventory_->subnets()) add(subnet.cidr);
  for (const Vpc& vpc : inventory_->vpcs()) {
    for (const std::string& cidr : vpc.cidrs) add(cidr);
  }
  std::vector<parsers::IpAddress> addresses;
  for (const Interface& interface : inventory_->interfaces()) {
    add_addresses(interface.private_addresses, addresses);
    add_addresses(interface.public_addresses, addresses);
  }
  for (const parsers::IpAddress& address : addresses) set({address, 128}, kSpecial);
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

std::uint32_t Attribution::find_epoch(std::int64_t at_s) {
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

bool Attribution::is_same(std::uint32_t capture, const CaptureTexts& texts,
                          std::uint32_t epoch) const noexcept {
  const CaptureEntry& entry = captures_[capture];
  if (entry.epoch != epoch || entry.present != texts.present) return false;
  if (entry.is_long) return std::ranges::equal(long_texts_.at(capture), texts.text);
  for (std::uint32_t left = texts.present; left != 0; left &= left - 1) {
    const auto field = static_cast<std::size_t>(std::countr_zero(left));
    const std::string_view text = texts.text[field];
    if (text.size() != entry.sizes[field] ||
        !equal_bytes(entry.bytes.data() + entry.offsets[field], text.data(), text.size()))
      return false;
  }
  return true;
}

bool Attribution::is_own(std::uint32_t capture, const parsers::IpAddress& address) const noexcept {
  if (!captures_[capture].has_addresses) return false;
  const std::vector<parsers::IpAddress>& own = capture_facts_[capture].addresses;
  return std::ranges::find(own, address) != own.end();
}

void Attribution::find_ends(std::uint32_t capture, const parsers::IpAddress* source,
                            const parsers::IpAddress* destination, std::int64_t at_s, Ends& out) {
  out = {};
  if (source != nullptr) {
    out.source = address(capture, *source, at_s);
    out.source_is_own = is_own(capture, *source);
  }
  if (destination != nullptr) {
    out.destination = address(capture, *destination, at_s);
    out.destination_is_own = is_own(capture, *destination);
  }
}

std::uint32_t Attribution::capture(const CaptureTexts& texts, std::int64_t at_s,
                                   std::uint32_t epoch) {
  const std::string_view id =
      first_of(texts.text[CaptureTexts::kInterface], texts.text[CaptureTexts::kResource]);
  const std::uint32_t recent = recent_.find(id);
  if (recent != kNoCapture && is_same(recent, texts, epoch)) return recent;
  const std::uint32_t found = find_capture(texts, at_s, epoch);
  recent_.note(id, found);
  return found;
}

std::uint32_t Attribution::find_capture(const CaptureTexts& texts, std::int64_t at_s,
                                        std::uint32_t epoch) {
  std::uint64_t hash = epoch;
  for (std::uint32_t left = texts.present; left != 0; left &= left - 1) {
    hash = parsers::mix(
        hash, parsers::hash_text(texts.text[static_cast<std::size_t>(std::countr_zero(left))]));
  }
  const std::uint32_t found =
      capture_table_.find(hash, [&](std::uint32_t index) { return is_same(index, texts, epoch); });
  if (found != parsers::IndexTable::kNone) return found;
  add_capture(texts, at_s, epoch);
  const auto capture = static_cast<std::uint32_t>(captures_.size() - 1);
  capture_table_.insert(hash, capture);
  return capture;
}

void Attribution::add_capture(const CaptureTexts& texts, std::int64_t at_s, std::uint32_t epoch) {
  const auto capture = static_cast<std::uint32_t>(captures_.size());
  Captured captured = make_capture(texts, at_s);
  const CaptureFacts& facts = capture_facts_.emplace_back(std::move(captured.facts));
  CaptureEntry& entry = captures_.emplace_back();
  entry.epoch = epoch;
  entry.scope = scope_of(epoch, captured.vpc_id);
  entry.present = texts.present;
  entry.is_nat = facts.role == proto::ROLE_NAT;
  if (!entry.is_nat) {
    entry.hidden_texts = static_cast<std::uint8_t>(kOfPeer | (facts.owner != 0 ? kOfOwn : 0) |
                                                   (facts.name() != 0 ? kOfBoth : 0));
  }
  entry.has_addresses = !facts.addresses.empty();
  std::size_t bytes = 0;
  for (const std::string_view text : texts.text) bytes += text.size();
  entry.is_long = bytes > entry.bytes.size();
  if (entry.is_long) {
    std::ranges::copy(texts.text, long_texts_[capture].begin());
    return;
  }
  std::size_t at = 0;
  for (std::size_t field = 0; field < CaptureTexts::kCount; ++field) {
    const std::string_view text = texts.text[field];
    entry.offsets[field] = static_cast<std::uint8_t>(at);
    entry.sizes[field] = static_cast<std::uint8_t>(text.size());
    std::ranges::copy(text, entry.bytes.data() + at);
    at += text.size();
  }
}

void Attribution::note_run(std::uint32_t capture, const CaptureTexts& texts,
                           const CaptureRun& run) {
  CaptureEntry& entry = captures_[capture];
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < run.count; ++i) bytes += run.pieces[i].size();
  if (bytes > entry.bytes.size() || entry.is_long) return;
  entry.order = run.order;
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < run.count; ++i) {
    const std::string_view piece = run.pieces[i];
    entry.piece_sizes[i] = static_cast<std::uint8_t>(piece.size());
    std::ranges::copy(piece, entry.bytes.data() + at);
    for (std::uint32_t left = texts.present; left != 0; left &= left - 1) {
      const auto field = static_cast<std::size_t>(std::countr_zero(left));
      const char* const text = texts.text[field].data();
      if (text >= piece.data() && text < piece.data() + piece.size())
        entry.offsets[field] =
            static_cast<std::uint8_t>(at + static_cast<std::size_t>(text - piece.data()));
    }
    at += piece.size();
  }
}

Attribution::Captured Attribution::make_capture(const CaptureTexts& texts, std::int64_t at_s) {
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
  out.is_regional = out.role == proto::ROLE_NAT && is_regional(texts);
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
  return {std::move(out), facts.vpc_id};
}

std::uint32_t Attribution::scope_of(std::uint32_t epoch, std::string_view vpc_id) const {
  const std::vector<std::string>& ids = inventory_->vpc_ids();
  const auto at = std::ranges::lower_bound(ids, vpc_id);
  const auto unknown = static_cast<std::uint32_t>(ids.size());
  const bool is_known = at != ids.end() && *at == vpc_id;
  const auto vpc = is_known ? static_cast<std::uint32_t>(at - ids.begin()) : unknown;
  return epoch * (unknown + 1) + vpc;
}

std::string_view Attribution::vpc_of(std::uint32_t scope) const {
  const std::vector<std::string>& ids = inventory_->vpc_ids();
  const std::size_t vpc = scope % (ids.size() + 1);
  return vpc < ids.size() ? std::string_view(ids[vpc]) : std::string_view();
}

std::uint32_t Attribution::find_address(std::uint32_t scope, const parsers::IpAddress& address,
                                        std::int64_t at_s) {
  const auto make = [&] { return add_address(make_address(address, at_s, vpc_of(scope))); };
  if (address.is_v4()) {
    const std::uint32_t made = prefix_of(address.v4()) != kPublic ? make() : kInternet;
    v4_table_.insert(v4_key(scope, address), made);
    return made;
  }
  const WordTable<3>::Key key{address.high, address.low, scope};
  std::uint32_t found = address_table_.find(key);
  if (found == WordTable<3>::kNone) {
    found = make();
    address_table_.insert(key, found);
  }
  return found;
}

std::uint32_t Attribution::add_address(const AddressFacts& facts) {
  AddressFacts peer = facts;
  peer.text = 0;
  const std::uint32_t as_peer = add_peer(peer);
  if (facts.text == 0) return as_peer;
  return add_facts(facts, as_peer);
}

std::uint32_t Attribution::add_peer(const AddressFacts& facts) {
  const std::uint64_t hash = hash_facts(facts);
  const std::uint32_t found =
      peer_table_.find(hash, [&](std::uint32_t index) { return addresses_[index] == facts; });
  if (found != parsers::IndexTable::kNone) return found;
  const std::uint32_t index = add_facts(facts, static_cast<std::uint32_t>(addresses_.size()));
  peer_table_.insert(hash, index);
  return index;
}

std::uint32_t Attribution::add_facts(const AddressFacts& facts, std::uint32_t as_peer) {
  addresses_.push_back(facts);
  peers_.push_back(
      {as_peer << 2 | (facts.interface != 0 ? 2u : 0u) | (facts.is_inside() ? 1u : 0u)});
  return static_cast<std::uint32_t>(addresses_.size() - 1);
}

AddressFacts Attribution::make_address(const parsers::IpAddress& address, std::int64_t at_s,
                                       std::string_view vpc_id) {
  const Place place = inventory_->place_of_address(address, at_s, vpc_id);
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
