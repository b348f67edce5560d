#include <cstdio>

#include "aggregator/inventory_data.h"
#include "aggregator/inventory_document.h"
#include "aggregator/inventory_fields.h"
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
  void role(std::string_view name, proto::InterfaceRole value) {
    if (value != proto::ROLE_UNKNOWN) text(name, name_of_role(value));
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

template <typename Entry>
void write_list(Writer& out, std::string_view name, const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  out.key(name);
  out.open('[');
  for (const Entry& entry : entries) {
    out.open('{');
    visit_fields(out, entry);
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
