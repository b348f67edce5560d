#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "aggregator/inventory_document.h"
#include "aggregator/inventory_fields.h"
#include "aggregator/inventory_readers.h"

namespace fleetmeter::aggregator {
namespace {

using Kind = DocumentNode::Kind;

/// What holds for a whole plain file unless an entry says otherwise.
struct FileDefaults {
  std::string region, account, vpc_id, environment;
};

/// Reads one map; remembers which keys were asked for, so that the rest can be warned of, and the
/// first error.
class MapReader {
 public:
  MapReader(const DocumentNode& node, std::string path, InventoryOrigin origin,
            InventoryWarnings& warnings)
      : node_(node),
        path_(std::move(path)),
        strict_(origin == InventoryOrigin::kFile),
        warnings_(warnings) {}

  const DocumentNode* take(std::string_view key) {
    asked_.insert(std::string(key));
    const DocumentNode* found = node_.find(key);
    return found == nullptr || found->kind == Kind::kNull ? nullptr : found;
  }
  void text(std::string_view key, std::string& out) {
    const DocumentNode* node = take(key);
    if (node == nullptr) return;
    if (node->kind != Kind::kScalar) return fail(*node, key, "a text");
    out = node->text;
  }
  void texts(std::string_view key, std::vector<std::string>& out) {
    const DocumentNode* node = take(key);
    if (node == nullptr) return;
    if (node->kind == Kind::kScalar) return out.push_back(node->text);
    if (node->kind != Kind::kList) return fail(*node, key, "a list of texts");
    for (const DocumentNode& item : node->items) {
      if (item.kind != Kind::kScalar) return fail(item, key, "a list of texts");
      out.push_back(item.text);
    }
  }
  void pairs(std::string_view key, std::map<std::string, std::string>& out) {
    const DocumentNode* node = take(key);
    if (node == nullptr) return;
    if (node->kind != Kind::kMap) return fail(*node, key, "a map of texts");
    for (const auto& [name, value] : node->entries) {
      if (value.kind != Kind::kScalar && value.kind != Kind::kNull) {
        const bool list = value.kind == Kind::kList;
        return fail(value, std::string(key) + "." + name,
                    list ? "one text; the elements of a list are keys of their own: `" + name +
                               ".#: " + std::to_string(value.items.size()) + "`, `" + name +
                               ".0: ...`"
                         : "one text; what is inside a block has keys of its own: `" + name +
                               ".0.<key>: ...`");
      }
      out[name] = value.text;
    }
  }
  void flag(std::string_view key, bool& out) {
    const DocumentNode* node = take(key);
    if (node == nullptr) return;
    if (node->kind != Kind::kScalar || (node->text != "true" && node->text != "false"))
      return fail(*node, key, "true or false");
    out = node->text == "true";
  }
  void number(std::string_view key, std::optional<std::int64_t>& out) {
    const DocumentNode* node = take(key);
    if (node == nullptr) return;
    std::int64_t value = 0;
    const char* end = node->text.data() + node->text.size();
    const auto [stop, failed] = std::from_chars(node->text.data(), end, value);
    if (node->kind != Kind::kScalar || failed != std::errc() || stop != end || value < 0) {
      return fail(*node, key,
                  "a whole number, 0 or more" +
                      (node->kind == Kind::kScalar ? ", not '" + node->text + "'" : ""));
    }
    out = value;
  }
  void time(std::string_view key, std::int64_t& out) {
    const DocumentNode* node = take(key);
    if (node == nullptr) return;
    if (node->kind != Kind::kScalar || !parse_rfc3339(node->text, out)) {
      fail(*node, key, "a time like 2024-05-01T00:00:00Z");
    }
  }
  void role(std::string_view key, proto::InterfaceRole& out) {
    std::string name;
    text(key, name);
    if (const auto known = role_by_name(name)) {
      out = *known;
    } else if (!name.empty()) {
      fail(*take(key), key,
           "instance, nat, alb, nlb, endpoint, rds, transit_gateway, lambda, other or unknown, "
           "not '" +
               name + "'");
    }
  }
  /// One of the words that there are.
  void check_word(std::string_view key, const std::string& value,
                  std::initializer_list<std::string_view> known) {
    if (!strict_ || value.empty() || std::find(known.begin(), known.end(), value) != known.end())
      return;
    std::string all;
    for (const std::string_view& one : known) {
      all += all.empty() ? "" : &one == known.end() - 1 ? " or " : ", ";
      all += one;
    }
    fail(*take(key), key, all + ", not '" + value + "'");
  }
  /// `value` of `key` within what the group's other numbers allow.
  void check_size(std::string_view key, bool right, const std::string& wanted) {
    const DocumentNode* node = take(key);
    if (strict_ && node != nullptr && !right)
      fail(*node, key, wanted + ", not '" + node->text + "'");
  }
  void validity(Validity& out) {
    time("valid_from", out.from_s);
    time("valid_to", out.to_s);
    if (!strict_ || out.to_s >= out.from_s) return;
    fail(*take("valid_to"), "valid_to",
         "a time not before valid_from, " + format_rfc3339(out.from_s));
  }
  void fail(const DocumentNode& node, std::string_view key, std::string_view wanted) {
    if (!error_.empty()) return;
    if (node.line > 0) error_ = "line " + std::to_string(node.line) + ": ";
    error_ += path_ + std::string(key) + " must be " + std::string(wanted);
  }
  void warn_unknown(const DocumentNode& value, const std::string& key) {
    const std::string line = value.line > 0 ? "line " + std::to_string(value.line) + ": " : "";
    warnings_.add(line + "unknown key " + path_ + key + " is ignored");
  }
  /// After the last take(): unknown keys warn, once a path.
  Result<void> finish() {
    for (const auto& [name, value] : node_.entries) {
      if (asked_.count(name) == 0) warn_unknown(value, name);
    }
    if (!error_.empty()) return Error{ErrorCode::kInvalidArgument, error_};
    return {};
  }

 private:
  const DocumentNode& node_;
  std::string path_;
  bool strict_;
  InventoryWarnings& warnings_;
  std::unordered_set<std::string> asked_;
  std::string error_;
};

void or_default(std::string& value, const std::string& fallback) {
  if (value.empty()) value = fallback;
}

template <typename Entry>
void fill_owner(const FileDefaults& defaults, Entry& entry) {
  or_default(entry.region, defaults.region);
  or_default(entry.account, defaults.account);
  if (!defaults.environment.empty()) entry.tags.try_emplace("Environment", defaults.environment);
}

void check_cidr(MapReader& map, std::string_view key, const std::string& text) {
  const DocumentNode* node = map.take(key);
  if (node != nullptr && !text.empty() && !parse_cidr(text))
    map.fail(*node, key, "a range like 10.0.0.0/16");
}

void check_addresses(MapReader& map, std::string_view key, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (!parse_address(text))
      map.fail(*map.take(key), key, "an address like 10.0.1.5, not '" + text + "'");
  }
}

void require(MapReader& map, const DocumentNode& node, std::string_view key,
             const std::string& value) {
  if (value.empty()) map.fail(node, key, "given");
}

/// What an entry says besides the fields that are written (visit_fields): other spellings of keys,
/// what follows from the file, and what must be given.
void complete(MapReader& map, const DocumentNode&, const FileDefaults& defaults, Vpc& out) {
  map.texts("cidr", out.cidrs);
  for (const std::string& cidr : out.cidrs)
    check_cidr(map, "cidr", cidr), check_cidr(map, "cidrs", cidr);
  fill_owner(defaults, out);
}

void complete(MapReader& map, const DocumentNode& node, const FileDefaults& defaults, Subnet& out) {
  or_default(out.vpc_id, defaults.vpc_id);
  or_default(out.id, out.name);
  or_default(out.id, out.cidr);
  require(map, node, "id", out.id);
  check_cidr(map, "cidr", out.cidr);
  fill_owner(defaults, out);
}

void complete(MapReader& map, const DocumentNode& node, const FileDefaults& defaults,
              Interface& out) {
  map.text("subnet_id", out.subnet_id);
  map.text("instance_id", out.instance_id);
  map.text("resource_id", out.resource_id);
  map.texts("address", out.private_addresses);
  check_addresses(map, map.take("address") != nullptr ? "address" : "addresses",
                  out.private_addresses);
  map.texts("public_address", out.public_addresses);
  check_addresses(map,
                  map.take("public_address") != nullptr ? "public_address" : "public_addresses",
                  out.public_addresses);
  or_default(out.vpc_id, defaults.vpc_id);
  require(map, node, "id", out.id);
  fill_owner(defaults, out);
}

void complete(MapReader& map, const DocumentNode& node, const FileDefaults& defaults,
              Instance& out) {
  map.text("subnet_id", out.subnet_id);
  // Rule: Amazon EC2 API Reference, "InstanceState".
  map.check_word("state", out.state,
                 {"pending", "running", "shutting-down", "terminated", "stopping", "stopped"});
  or_default(out.vpc_id, defaults.vpc_id);
  require(map, node, "id", out.id);
  fill_owner(defaults, out);
}

/// Rule: Amazon EC2 Auto Scaling User Guide, "Set scaling limits for your Auto Scaling group".
void check_sizes(MapReader& map, const Group& group) {
  if (group.minimum && group.maximum) {
    map.check_size("min", *group.minimum <= *group.maximum,
                   "at most max, " + std::to_string(*group.maximum));
  }
  if (!group.desired) return;
  if (group.minimum) {
    map.check_size("desired", *group.desired >= *group.minimum,
                   "at least min, " + std::to_string(*group.minimum));
  }
  if (group.maximum) {
    map.check_size("desired", *group.desired <= *group.maximum,
                   "at most max, " + std::to_string(*group.maximum));
  }
}

void complete(MapReader& map, const DocumentNode& node, const FileDefaults& defaults, Group& out) {
  map.number("min", out.minimum);
  map.number("max", out.maximum);
  map.check_word("kind", out.kind, {"asg", "ecs_service", "eks_node_group", "other"});
  check_sizes(map, out);
  require(map, node, "name", out.name);
  fill_owner(defaults, out);
}

/// A misspelt attribute is one that nobody reads.
void warn_of_attributes(MapReader& map) {
  const DocumentNode* attributes = map.take("attributes");
  if (attributes == nullptr) return;
  for (const auto& [name, value] : attributes->entries) {
    if (!is_known_attribute(name)) map.warn_unknown(value, "attributes." + name);
  }
}

void complete(MapReader& map, const DocumentNode& node, const FileDefaults& defaults,
              Resource& out) {
  warn_of_attributes(map);
  or_default(out.environment, defaults.environment);
  require(map, node, "type", out.type);
  if (out.address.empty()) out.address = out.type + "/" + out.id;
  fill_owner(defaults, out);
}

void complete(MapReader& map, const DocumentNode& node, const FileDefaults&,
              EnvironmentMatch& out) {
  require(map, node, "name", out.name);
}

template <typename Entry>
Result<void> read_list(MapReader& file, std::string_view key, const FileDefaults& defaults,
                       InventoryOrigin origin, InventoryWarnings& warnings,
                       std::vector<Entry>& out) {
  const DocumentNode* list = file.take(key);
  if (list == nullptr) return {};
  if (list->kind != Kind::kList) {
    file.fail(*list, key, "a list");
    return file.finish();
  }
  for (const DocumentNode& node : list->items) {
    MapReader map(node, std::string(key) + "[].", origin, warnings);
    if (node.kind != Kind::kMap) {
      map.fail(node, "", "a map");
      return map.finish();
    }
    Entry entry;
    visit_fields(map, entry);
    complete(map, node, defaults, entry);
    if (auto done = map.finish(); !done) return done;
    out.push_back(std::move(entry));
  }
  return {};
}

}  // namespace

Result<void> read_plain(const std::string& text, bool json, InventoryOrigin origin,
                        InventoryEntries& out, InventoryWarnings& warnings) {
  const auto document = json ? parse_json_document(text) : parse_yaml_document(text);
  if (!document) return document.error();
  if (document->kind == Kind::kNull) {
    warnings.add("holds nothing");
    return {};
  }
  if (document->kind != Kind::kMap) {
    return Error{ErrorCode::kInvalidArgument,
                 "no inventory: neither Terraform state or plan, nor AWS CLI output, nor a map of "
                 "the plain form"};
  }
  MapReader file(*document, "", origin, warnings);
  FileDefaults defaults;
  file.text("region", defaults.region);
  file.text("account", defaults.account);
  file.text("vpc_id", defaults.vpc_id);
  file.text("environment", defaults.environment);
  Vpc vpc{.id = defaults.vpc_id,
          .name = {},
          .region = defaults.region,
          .account = defaults.account,
          .cidrs = {},
          .tags = {}};
  file.texts("vpc_cidr", vpc.cidrs);
  for (const std::string& cidr : vpc.cidrs) check_cidr(file, "vpc_cidr", cidr);
  if (!vpc.cidrs.empty() || !vpc.id.empty()) out.vpcs.push_back(std::move(vpc));

  const auto read = [&](std::string_view key, auto& entries) {
    return read_list(file, key, defaults, origin, warnings, entries);
  };
  if (auto done = read("vpcs", out.vpcs); !done) return done;
  if (auto done = read("subnets", out.subnets); !done) return done;
  if (auto done = read("interfaces", out.interfaces); !done) return done;
  if (auto done = read("instances", out.instances); !done) return done;
  if (auto done = read("groups", out.groups); !done) return done;
  if (auto done = read("resources", out.resources); !done) return done;
  if (auto done = read("environments", out.environments); !done) return done;
  return file.finish();
}

}  // namespace fleetmeter::aggregator
