#include <cstdio>

#include "aggregator/inventory_data.h"
#include "aggregator/inventory_document.h"
#include "aggregator/inventory_readers.h"

namespace fleetmeter::aggregator {
namespace {

/// Appends JSON to a text; what is empty is left out, so that equal content has one form.
class Writer {
 public:
  void open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    first_ = false;
  }
  void key(std::string_view name) {
    string(name);
    out_ += ':';
    first_ = true;  // No comma between a key and its value.
  }
  void string(std::string_view text) {
    separate();
    out_ += '"';
    for (const char c : text) escape(c);
    out_ += '"';
  }
  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    key(name);
    string(value);
  }
  void raw(std::string_view name, const std::string& value) {
    key(name);
    separate();
    out_ += value;
  }
  void flag(std::string_view name, bool value) {
    if (value) raw(name, "true");
  }
  void number(std::string_view name, const std::optional<std::int64_t>& value) {
    if (value) raw(name, std::to_string(*value));
  }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    key(name);
    open('[');
    for (const std::string& value : values) string(value);
    close(']');
  }
  void pairs(std::string_view name, const std::map<std::string, std::string>& values) {
    if (values.empty()) return;
    key(name);
    open('{');
    for (const auto& [one, value] : values) {
      key(one);
      string(value);
    }
    close('}');
  }
  void validity(const Validity& valid) {
    const Validity any;
    if (valid.from_s != any.from_s) text("valid_from", format_rfc3339(valid.from_s));
    if (valid.to_s != any.to_s) text("valid_to", format_rfc3339(valid.to_s));
  }
  std::string take() { return std::move(out_); }

 private:
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  void escape(char c) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out_ += code;
    } else {
      out_ += c;
    }
  }
  std::string out_;
  bool first_ = true;
};

void owner(Writer& out, const std::string& region, const std::string& account, const Tags& tags) {
  out.text("region", region);
  out.text("account", account);
  out.pairs("tags", tags);
}

void write(Writer& out, const Vpc& one) {
  out.text("id", one.id);
  out.text("name", one.name);
  out.texts("cidrs", one.cidrs);
  owner(out, one.region, one.account, one.tags);
}
void write(Writer& out, const Subnet& one) {
  out.text("id", one.id);
  out.text("name", one.name);
  out.text("cidr", one.cidr);
  out.text("az", one.az);
  out.text("vpc_id", one.vpc_id);
  owner(out, one.region, one.account, one.tags);
}
void write(Writer& out, const Interface& one) {
  out.text("id", one.id);
  out.text("subnet", one.subnet_id);
  out.text("vpc_id", one.vpc_id);
  out.text("az", one.az);
  out.text("instance", one.instance_id);
  out.text("resource", one.resource_id);
  out.text("description", one.description);
  out.texts("addresses", one.private_addresses);
  out.texts("public_addresses", one.public_addresses);
  if (one.role != proto::ROLE_UNKNOWN) out.text("role", name_of_role(one.role));
  out.validity(one.valid);
  owner(out, one.region, one.account, one.tags);
}
void write(Writer& out, const Instance& one) {
  out.text("id", one.id);
  out.text("type", one.type);
  out.text("az", one.az);
  out.text("group", one.group);
  out.text("subnet", one.subnet_id);
  out.text("vpc_id", one.vpc_id);
  out.text("state", one.state);
  out.text("name", one.name);
  out.flag("windows", one.windows);
  out.validity(one.valid);
  owner(out, one.region, one.account, one.tags);
}
void write(Writer& out, const Group& one) {
  out.text("name", one.name);
  out.text("kind", one.kind);
  out.number("minimum", one.minimum);
  out.number("maximum", one.maximum);
  out.number("desired", one.desired);
  out.texts("instances", one.instance_ids);
  out.text("instance_type", one.instance_type);
  out.flag("windows", one.windows);
  out.flag("planned", one.planned);
  out.validity(one.valid);
  owner(out, one.region, one.account, one.tags);
}
void write(Writer& out, const Resource& one) {
  out.text("address", one.address);
  out.text("type", one.type);
  out.text("id", one.id);
  out.text("environment", one.environment);
  out.pairs("attributes", one.attributes);
  out.flag("planned", one.planned);
  out.validity(one.valid);
  owner(out, one.region, one.account, one.tags);
}
void write(Writer& out, const EnvironmentMatch& one) {
  out.text("name", one.name);
  out.texts("accounts", one.accounts);
  out.text("region", one.region);
  out.texts("vpcs", one.vpcs);
  out.texts("subnets", one.subnets);
  out.texts("groups", one.groups);
  out.texts("instances", one.instances);
  out.pairs("tags", one.tags);
}

template <typename Entry>
void write_list(Writer& out, std::string_view name, const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  out.key(name);
  out.open('[');
  for (const Entry& entry : entries) {
    out.open('{');
    write(out, entry);
    out.close('}');
  }
  out.close(']');
}

}  // namespace

std::string write_inventory(const InventoryEntries& entries) {
  Writer out;
  out.open('{');
  write_list(out, "vpcs", entries.vpcs);
  write_list(out, "subnets", entries.subnets);
  write_list(out, "interfaces", entries.interfaces);
  write_list(out, "instances", entries.instances);
  write_list(out, "groups", entries.groups);
  write_list(out, "resources", entries.resources);
  write_list(out, "environments", entries.environments);
  out.close('}');
  return out.take();
}

}  // namespace fleetmeter::aggregator
