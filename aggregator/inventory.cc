#include "aggregator/inventory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

#include "aggregator/inventory_aws.h"
#include "aggregator/inventory_data.h"
#include "aggregator/inventory_readers.h"
#include "aggregator/inventory_terraform.h"
#include "proto/check.h"

namespace fleetmeter::aggregator {
namespace {

// FNV-1a, 64 bits: written down, so that a version means the same on every machine and release.
std::uint64_t stable_hash(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

template <typename Entry, typename Id>
void index_by(const std::vector<Entry>& entries, IdIndex& out, Id id_of) {
  out.reserve(entries.size());
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    if (const std::string_view id = id_of(entries[i]); !id.empty()) out.add(id, i);
  }
}

/// Of the entries of one id the last begun that holds: they are sorted by their beginning.
template <typename Entry>
const Entry* entry_at(const std::vector<Entry>& entries, EntryRange range, std::int64_t at_s) {
  for (std::uint32_t i = range.count; i-- > 0;) {
    const Entry& entry = entries[range.first + i];
    if (entry.valid.holds(at_s)) return &entry;
  }
  return nullptr;
}

/// What to name instead of a folder.
Error folder_error(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    const std::string kind = it->path().extension().string();
    if (kind == ".json" || kind == ".yaml" || kind == ".yml" || kind == ".tfstate")
      files.push_back(it->path().string());
  }
  std::sort(files.begin(), files.end());
  std::string message = path + ": is a folder; name its files one by one";
  constexpr std::size_t kShown = 3;
  for (std::size_t i = 0; i < std::min(files.size(), kShown); ++i)
    message += (i == 0 ? ": " : ", ") + files[i];
  if (files.size() > kShown) message += ", ...";
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return folder_error(path);
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int failed = errno;
    const bool pattern = failed == ENOENT && path.find_first_of("*?[") != std::string::npos;
    return Error{ErrorCode::kInvalidArgument,
                 path + ": cannot be read: " + std::strerror(failed) +
                     (pattern ? "; patterns are not read here, name the files one by one" : "")};
  }
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) return Error{ErrorCode::kInvalidArgument, path + ": cannot be read to its end"};
  return text;
}

/// By its byte order mark. YAML may be UTF-16; JSON between systems is UTF-8 (RFC 8259, 8.1).
bool is_utf16_json(std::string_view text) {
  if (!text.starts_with("\xff\xfe") && !text.starts_with("\xfe\xff")) return false;
  const std::size_t start = text.find_first_not_of(std::string_view(" \t\r\n\0", 5), 2);
  return start != std::string_view::npos && (text[start] == '{' || text[start] == '[');
}

void set_environments_of_resources(const Inventory& inventory, std::vector<Resource>& resources) {
  for (Resource& one : resources) {
    if (one.environment.empty()) one.environment = inventory.environment_of(facts_of(one));
  }
}

}  // namespace

std::string Resource::attribute(const std::string& name) const {
  const auto found = attributes.find(name);
  return found == attributes.end() ? std::string() : found->second;
}

Inventory::Facts facts_of(const Resource& resource) {
  const auto attribute = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      const auto found = resource.attributes.find(name);
      if (found != resource.attributes.end() && !found->second.empty())
        return std::string_view(found->second);
    }
    return std::string_view();
  };
  const bool machine = resource.type == "aws_instance";
  const bool group = resource.type == "aws_autoscaling_group";
  return {
      .account = resource.account,
      .region = resource.region,
      .vpc_id = attribute({"vpc_id"}),
      .subnet_id = attribute({"subnet_id", "subnets.0", "subnet_ids.0", "vpc_zone_identifier.0"}),
      .group = group ? attribute({"name"}) : std::string_view(),
      .instance_id =
          machine ? std::string_view(resource.id) : attribute({"instance_id", "instance"}),
      .interface_id = {},
      .at_s = std::max<std::int64_t>(resource.valid.from_s, 0),
      .tags = &resource.tags};
}

void InventoryWarnings::add(std::string message) {
  if (said_.insert(message).second) out_.push_back({.file = file_, .message = std::move(message)});
}

Result<void> read_inventory_text(const std::string& text, InventoryEntries& out,
                                 InventoryWarnings& warnings) {
  if (is_utf16_json(text)) {
    return Error{
        ErrorCode::kInvalidArgument,
        "is JSON in UTF-16, as `>` of Windows PowerShell writes it; write UTF-8: `aws ... | "
        "Out-File -Encoding utf8 FILE`"};
  }
  const std::size_t start = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const bool json = start != std::string::npos && (text[start] == '{' || text[start] == '[');
  if (!json) return read_plain(text, /*json=*/false, InventoryOrigin::kFile, out, warnings);
  JsonDocument document;
  if (auto parsed = parse_json(text.substr(start), document); !parsed) {
    // YAML's flow style looks like JSON and need not be.
    if (read_plain(text, /*json=*/false, InventoryOrigin::kFile, out, warnings)) return {};
    return parsed.error();
  }
  if (const TerraformKind kind = terraform_kind(document.root); kind != TerraformKind::kNone) {
    read_terraform(document.root, kind, out, warnings);
    return {};
  }
  if (is_aws_output(document.root)) {
    read_aws(document.root, out, warnings);
    return {};
  }
  return read_plain(text.substr(start), /*json=*/true, InventoryOrigin::kFile, out, warnings);
}

void IdIndex::reserve(std::size_t ids) {
  std::size_t size = 16;
  while (size < 2 * ids) size *= 2;
  slots_.resize(size);
}

void IdIndex::add(std::string_view id, std::uint32_t first) {
  const std::size_t hash = std::hash<std::string_view>()(id);
  for (std::size_t at = hash;; ++at) {
    Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.range.count == 0)
      slot = {.id = id, .hash = hash, .range = {.first = first, .count = 0}};
    if (slot.hash != hash || slot.id != id) continue;
    ++slot.range.count;
    return;
  }
}

EntryRange IdIndex::find(std::string_view id) const noexcept {
  if (slots_.empty()) return {};
  const std::size_t hash = std::hash<std::string_view>()(id);
  for (std::size_t at = hash;; ++at) {
    const Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.range.count == 0) return {};
    if (slot.hash == hash && slot.id == id) return slot.range;
  }
}

void Inventory::Data::index() {
  index_by(entries.interfaces, interfaces,
           [](const Interface& one) -> std::string_view { return one.id; });
  index_by(entries.instances, instances,
           [](const Instance& one) -> std::string_view { return one.id; });
  index_by(entries.groups, groups, [](const Group& one) -> std::string_view { return one.name; });
  index_by(entries.subnets, subnets, [](const Subnet& one) -> std::string_view { return one.id; });
  index_by(entries.resources, resources,
           [](const Resource& one) -> std::string_view { return one.id; });
  for (const IdIndex* ids : {&interfaces, &instances, &groups, &subnets, &resources}) {
    ids->for_each_id([&](std::string_view id) { known.insert(id); });
  }
  links.resize(entries.interfaces.size());
  for (std::uint32_t i = 0; i < entries.interfaces.size(); ++i) {
    const Interface& one = entries.interfaces[i];
    links[i].instances = instances.find(one.instance_id);
    if (const EntryRange subnet = subnets.find(one.subnet_id); subnet.count != 0)
      links[i].subnet = subnet.first;
    if (!one.resource_id.empty()) known.insert(one.resource_id);
    for (const std::string& text : one.private_addresses) {
      if (const auto address = parse_address(text)) addresses[*address].push_back({i, true});
    }
    for (const std::string& text : one.public_addresses) {
      if (const auto address = parse_address(text)) addresses[*address].push_back({i, false});
    }
  }
  for (std::uint32_t i = 0; i < entries.subnets.size(); ++i) {
    if (const auto range = parse_cidr(entries.subnets[i].cidr)) subnet_ranges.add(*range, i);
  }
  for (const Vpc& vpc : entries.vpcs) {
    if (!vpc.id.empty()) known.insert(vpc.id);
    for (const std::string& text : vpc.cidrs) {
      // Which VPC does not matter: inside or not.
      if (const auto range = parse_cidr(text)) vpc_ranges.add(*range, 0);
    }
  }
  index_vpcs();
}

void Inventory::Data::index_vpcs() {
  std::set<std::string_view> ids;
  for (const Vpc& one : entries.vpcs) ids.insert(one.id);
  for (const Subnet& one : entries.subnets) ids.insert(one.vpc_id);
  for (const Interface& one : entries.interfaces) ids.insert(one.vpc_id);
  ids.erase("");
  if (ids.size() < 2) return;
  vpc_ids.assign(ids.begin(), ids.end());
  for (const Vpc& one : entries.vpcs) {
    for (const std::string& text : one.cidrs) {
      if (const auto range = parse_cidr(text)) vpcs[one.id].all.add(*range, 0);
    }
  }
  for (std::uint32_t i = 0; i < entries.subnets.size(); ++i) {
    const Subnet& one = entries.subnets[i];
    if (const auto range = parse_cidr(one.cidr)) {
      vpcs[one.vpc_id].subnets.add(*range, i);
      vpcs[one.vpc_id].all.add(*range, 0);
    }
  }
}

std::optional<Place> Inventory::Data::place_within(std::string_view vpc_id,
                                                   const parsers::IpAddress& address,
                                                   std::int64_t at_s) const {
  const auto vpc = vpc_id.empty() ? vpcs.end() : vpcs.find(vpc_id);
  if (vpc == vpcs.end() || vpc->second.all.find(address) == CidrTable::kNone) return std::nullopt;
  const Interface* owner = nullptr;
  if (const auto owners = addresses.find(address); owners != addresses.end()) {
    for (const AddressOwner& one : owners->second) {
      const Interface& interface = entries.interfaces[one.interface];
      if (one.is_private && interface.vpc_id == vpc_id && interface.valid.holds(at_s))
        owner = &interface;
    }
  }
  Place place = place_of(owner, at_s);
  place.in_vpc = true;
  set_subnet(place, vpc->second.subnets, address);
  return place;
}

/// By the address, unless the interface names its own.
void Inventory::Data::set_subnet(Place& place, const CidrTable& ranges,
                                 const parsers::IpAddress& address) const {
  if (place.subnet != nullptr) return;
  const std::uint32_t around = ranges.find(address);
  if (around < CidrTable::kAmbiguous) place.subnet = &entries.subnets[around];
}

Place Inventory::Data::place_of(const Interface* interface, std::int64_t at_s) const {
  Place place;
  if (interface == nullptr) return place;
  const InterfaceLinks& link =
      links[static_cast<std::size_t>(interface - entries.interfaces.data())];
  place.interface = interface;
  place.instance = entry_at(entries.instances, link.instances, at_s);
  if (link.subnet != CidrTable::kNone) place.subnet = &entries.subnets[link.subnet];
  place.in_vpc = true;
  return place;
}

Inventory::Inventory(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Inventory::~Inventory() = default;

Result<std::shared_ptr<const Inventory>> Inventory::parse(
    const std::vector<std::pair<std::string, std::string>>& named_texts,
    std::vector<EnvironmentMatch> environments, std::vector<Problem>& warnings) {
  auto data = std::make_unique<Data>();
  for (const auto& [name, text] : named_texts) {
    InventoryWarnings of_file(name, warnings);
    if (auto read = read_inventory_text(text, data->entries, of_file); !read)
      return std::move(read.error()).with_context(name);
    if (!data->entries.environments.empty()) {
      of_file.add(
          "environments are declared in the configuration; those of an inventory file are ignored");
      data->entries.environments.clear();
    }
  }
  data->entries.environments = std::move(environments);
  merge_entries(data->entries);
  data->index();
  Data& inner = *data;
  const std::shared_ptr<Inventory> made(new Inventory(std::move(data)));
  set_environments_of_resources(*made, inner.entries.resources);  // Not part of any index.
  inner.serialized = write_inventory(inner.entries);
  inner.version = stable_hash(inner.serialized);
  return std::shared_ptr<const Inventory>(made);
}

Result<std::shared_ptr<const Inventory>> Inventory::load(const std::vector<std::string>& files,
                                                         std::vector<EnvironmentMatch> environments,
                                                         std::vector<Problem>& warnings) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const std::string& file : files) {
    auto text = read_file(file);
    if (!text) return text.error();
    texts.emplace_back(file, *std::move(text));
  }
  return parse(texts, std::move(environments), warnings);
}

std::shared_ptr<const Inventory> Inventory::empty(std::vector<EnvironmentMatch> environments) {
  std::vector<Problem> none;
  auto made = parse({}, std::move(environments), none);
  FM_CHECK(made.has_value());  // Nothing was read, so nothing can be wrong.
  return *std::move(made);
}

Result<std::shared_ptr<const Inventory>> Inventory::deserialize(std::string_view bytes) {
  InventoryEntries entries;
  std::vector<Problem> unknown;  // Keys of a newer release: it may say more than we know.
  InventoryWarnings warnings("inventory", unknown);
  if (auto read =
          read_plain(std::string(bytes), /*json=*/true, InventoryOrigin::kLog, entries, warnings);
      !read) {
    Error error = std::move(read.error()).with_context("stored inventory");
    error.code = ErrorCode::kDataLoss;
    return error;
  }
  auto data = std::make_unique<Data>();
  data->entries = std::move(entries);
  merge_entries(data->entries);
  data->index();
  data->serialized = write_inventory(data->entries);
  data->version = stable_hash(data->serialized);
  return std::shared_ptr<const Inventory>(new Inventory(std::move(data)));
}

std::uint64_t Inventory::version() const noexcept { return data_->version; }
std::string Inventory::serialize() const { return data_->serialized; }

const Instance* Inventory::instance(std::string_view id, std::int64_t at_s) const {
  return entry_at(data_->entries.instances, data_->instances.find(id), at_s);
}

const Group* Inventory::group(std::string_view name, std::int64_t at_s) const {
  const EntryRange range = data_->groups.find(name);
  for (std::uint32_t i = range.count; i-- > 0;) {
    const Group& one = data_->entries.groups[range.first + i];
    if (!one.planned && one.valid.holds(at_s)) return &one;
  }
  return nullptr;
}

const Resource* Inventory::resource(std::string_view id) const {
  const EntryRange range = data_->resources.find(id);
  return range.count == 0 ? nullptr : &data_->entries.resources[range.first + range.count - 1];
}

bool Inventory::known(std::string_view resource_id) const {
  return data_->known.count(resource_id) != 0;
}

Place Inventory::place_of_interface(std::string_view interface_id, std::int64_t at_s) const {
  return data_->place_of(
      entry_at(data_->entries.interfaces, data_->interfaces.find(interface_id), at_s), at_s);
}

const std::vector<std::string>& Inventory::vpc_ids() const noexcept { return data_->vpc_ids; }

Place Inventory::place_of_address(const parsers::IpAddress& address, std::int64_t at_s,
                                  std::string_view vpc_id) const {
  if (const auto place = data_->place_within(vpc_id, address, at_s)) return *place;
  if (const auto owners = data_->addresses.find(address); owners != data_->addresses.end()) {
    const Interface* owner = nullptr;
    bool is_private = false;
    bool ambiguous = false;
    for (const Data::AddressOwner& one : owners->second) {
      const Interface& interface = data_->entries.interfaces[one.interface];
      if (!interface.valid.holds(at_s)) continue;
      ambiguous = ambiguous || (owner != nullptr && owner->id != interface.id);
      owner = &interface;
      is_private = one.is_private;
    }
    // Two VPCs may use one range: an address of both is nobody's.
    if (owner != nullptr && !ambiguous) {
      Place place = data_->place_of(owner, at_s);
      place.in_vpc = is_private;
      if (is_private) data_->set_subnet(place, data_->subnet_ranges, address);
      return place;
    }
  }
  Place place;
  const std::uint32_t subnet = data_->subnet_ranges.find(address);
  if (subnet < CidrTable::kAmbiguous) place.subnet = &data_->entries.subnets[subnet];
  place.in_vpc = subnet != CidrTable::kNone || data_->vpc_ranges.find(address) != CidrTable::kNone;
  return place;
}

const std::vector<Vpc>& Inventory::vpcs() const noexcept { return data_->entries.vpcs; }
const std::vector<Subnet>& Inventory::subnets() const noexcept { return data_->entries.subnets; }
const std::vector<Interface>& Inventory::interfaces() const noexcept {
  return data_->entries.interfaces;
}
const std::vector<Instance>& Inventory::instances() const noexcept {
  return data_->entries.instances;
}
const std::vector<Group>& Inventory::groups() const noexcept { return data_->entries.groups; }
const std::vector<Resource>& Inventory::resources() const noexcept {
  return data_->entries.resources;
}
const std::vector<EnvironmentMatch>& Inventory::environments() const noexcept {
  return data_->entries.environments;
}

}  // namespace fleetmeter::aggregator
