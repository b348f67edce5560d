#include "cost/usage_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

namespace fleetmeter::cost {
namespace {

std::size_t line_of(const YAML::Node& node) {
  return static_cast<std::size_t>(node.Mark().line) + 1;
}

/// Where we are in the file, for errors.
struct Reader {
  std::string name;

  [[nodiscard]] Error bad(const YAML::Node& node, const std::string& key,
                          const std::string& what) const {
    return {ErrorCode::kInvalidArgument,
            fmt::format("{}:{}: {}: {}", name, line_of(node), key, what)};
  }

  /// Keys of a map as text; an error names what else stands there.
  [[nodiscard]] Result<void> expect_map(const YAML::Node& node, const std::string& key) const {
    if (!node.IsMap()) return bad(node, key, "must be a map of keys to values");
    std::set<std::string> met;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) return bad(entry.first, key, "a key must be a plain word");
      if (entry.first.Scalar() == "<<")
        return bad(entry.first, key, "merge keys (<<) are not read; write the keys out");
      if (!met.insert(entry.first.Scalar()).second)
        return bad(entry.first, entry.first.Scalar(), "is given twice");
    }
    return {};
  }

  Result<void> read_values(const YAML::Node& node, const std::string& key,
                           const std::string& prefix, UsageValues& out) const {
    if (node.IsNull()) return {};
    if (auto map = expect_map(node, key); !map) return map;
    for (const auto& entry : node) {
      const std::string name_in = prefix + entry.first.Scalar();
      const std::string full = key + "." + entry.first.Scalar();
      if (entry.second.IsMap()) {
        if (auto read = read_values(entry.second, full, name_in + ".", out); !read) return read;
      } else if (entry.second.IsScalar()) {
        out[name_in] = {entry.second.Scalar(), line_of(entry.second)};
      } else if (!entry.second.IsNull()) {
        return bad(entry.second, full, "must be a number or a word, or a map of them");
      }
    }
    return {};
  }

  Result<void> read_group(const YAML::Node& node, const std::string& key, bool types,
                          std::map<std::string, UsageValues, std::less<>>& out) const {
    if (node.IsNull()) return {};
    if (auto map = expect_map(node, key); !map) return map;
    for (const auto& entry : node) {
      const std::string& of = entry.first.Scalar();
      if (types && of.find('.') != std::string::npos)
        return bad(entry.first, key + "." + of, "must be a resource type, such as aws_nat_gateway");
      // What is no Terraform resource goes by its id or name, which may be any word but a type.
      if (!types && of.starts_with("aws_") && of.find_first_of("./") == std::string::npos) {
        return bad(entry.first, key + "." + of,
                   "must be an address, such as aws_nat_gateway.main; for all of a type use "
                   "resource_type_default_usage");
      }
      if (auto read = read_values(entry.second, key + "." + of, "", out[of]); !read) return read;
    }
    return {};
  }

  Result<StatedLine> read_stated(const YAML::Node& node,
                                 std::vector<NamedEnvironment>& environments) const {
    const std::string key = "fleetmeter.stated[]";
    if (auto map = expect_map(node, key); !map) return std::move(map).error();
    StatedLine line;
    for (const auto& entry : node) {
      const std::string& what = entry.first.Scalar();
      if (!entry.second.IsScalar())
        return bad(entry.second, key + "." + what, "must be a single value");
      const std::string& value = entry.second.Scalar();
      if (what == "environment") {
        line.environment = value;
        environments.push_back({value, key + ".environment", line_of(entry.second)});
      } else if (what == "resource") {
        line.resource = value;
      } else if (what == "component") {
        line.component = value;
      } else if (what == "amount") {
        line.amount = parse_money(value);
        if (!line.amount)
          return bad(entry.second, key + ".amount", "must be USD as a decimal, such as 64.00");
      } else {
        return bad(entry.first, key + "." + what,
                   "is unknown; one of environment, resource, component, amount");
      }
    }
    return line;
  }

  Result<void> read_own(const YAML::Node& node, std::string& environment,
                        std::vector<StatedLine>& stated,
                        std::vector<NamedEnvironment>& environments) const {
    if (auto map = expect_map(node, "fleetmeter"); !map) return map;
    for (const auto& entry : node) {
      const std::string& key = entry.first.Scalar();
      if (key == "environment") {
        if (!entry.second.IsScalar())
          return bad(entry.second, "fleetmeter.environment", "must be a name");
        environment = entry.second.Scalar();
        environments.push_back({environment, "fleetmeter.environment", line_of(entry.second)});
      } else if (key == "stated") {
        if (!entry.second.IsSequence())
          return bad(entry.second, "fleetmeter.stated", "must be a list of lines");
        for (const YAML::Node& item : entry.second) {
          Result<StatedLine> line = read_stated(item, environments);
          if (!line) return std::move(line).error();
          stated.push_back(*std::move(line));
        }
      } else {
        return bad(entry.first, "fleetmeter." + key, "is unknown; one of environment, stated");
      }
    }
    return {};
  }
};

/// "aws_instance.a[3]" and "aws_instance.a["x"]" -> "aws_instance.a[*]"; every index of the path is
/// replaced.
std::string with_wildcards(std::string_view address) {
  std::string out;
  while (true) {
    const std::size_t open = address.find('[');
    out.append(address.substr(0, open));
    if (open == std::string_view::npos) return out;
    const bool quoted = address.substr(open).starts_with("[\"");
    const std::size_t close = quoted ? address.find("\"]", open + 2) : address.find(']', open);
    if (close == std::string_view::npos) return out.append(address.substr(open));
    out.append("[*]");
    address.remove_prefix(close + (quoted ? 2 : 1));
  }
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<UsageFile> UsageFile::load(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return Error{ErrorCode::kInvalidArgument, path + ": is a folder and cannot be read"};
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int failed = errno;
    return Error{ErrorCode::kNotFound,
                 fmt::format("usage file {}: cannot be read: {}", path, std::strerror(failed))};
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad())
    return Error{ErrorCode::kNotFound,
                 fmt::format("usage file {}: cannot be read to its end", path)};
  return parse(path, text);
}

Result<UsageFile> UsageFile::parse(const std::string& name, const std::string& text) {
  UsageFile file;
  file.name_ = name;
  const Reader reader{name};
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return file;
    if (auto map = reader.expect_map(root, "usage file"); !map) return std::move(map).error();
    for (const auto& entry : root) {
      const std::string& key = entry.first.Scalar();
      Result<void> read;
      if (key == "version") {
        if (!entry.second.IsScalar() || entry.second.Scalar() != "0.1")
          read = reader.bad(entry.second, key, "must be 0.1");
      } else if (key == "resource_type_default_usage") {
        read = reader.read_group(entry.second, key, true, file.defaults_);
      } else if (key == "resource_usage") {
        read = reader.read_group(entry.second, key, false, file.resources_);
      } else if (key == "fleetmeter") {
        read =
            reader.read_own(entry.second, file.environment_, file.stated_, file.own_environments_);
      } else {
        read = reader.bad(
            entry.first, key,
            "is unknown; one of version, resource_type_default_usage, resource_usage, fleetmeter");
      }
      if (!read) return std::move(read).error();
    }
  } catch (const YAML::Exception& failed) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{}:{}: {}", name, failed.mark.line + 1, failed.msg)};
  }
  for (const auto& [address, values] : file.resources_) {
    if (address.find("[*]") != std::string::npos)
      file.patterns_[with_wildcards(address)].push_back(address);
  }
  return file;
}

const UsageValues* UsageFile::entry_of(std::string_view address) const {
  if (const auto own = resources_.find(address); own != resources_.end()) return &own->second;
  const auto patterns = patterns_.find(with_wildcards(address));
  if (patterns == patterns_.end()) return nullptr;
  const std::string* best = nullptr;
  std::pair<std::size_t, std::size_t> best_rank;
  for (const std::string& pattern : patterns->second) {
    if (!matches_pattern(pattern, address)) continue;
    std::size_t wildcards = 0;
    for (std::size_t at = pattern.find("[*]"); at != std::string::npos;
         at = pattern.find("[*]", at + 1))
      ++wildcards;
    // Less is more exact: few wildcards, and the first of them far behind.
    const std::pair rank{wildcards, pattern.size() - pattern.find("[*]")};
    if (best != nullptr && best_rank <= rank) continue;
    best = &pattern;
    best_rank = rank;
  }
  return best == nullptr ? nullptr : &resources_.find(*best)->second;
}

UsageValues UsageFile::values(std::string_view type, std::string_view address) const {
  UsageValues values;
  if (const auto found = defaults_.find(type); found != defaults_.end()) values = found->second;
  if (const UsageValues* own = entry_of(address)) {
    for (const auto& [key, value] : *own) values[key] = value;
  }
  return values;
}

std::vector<std::string> UsageFile::addresses_of(std::string_view type) const {
  std::vector<std::string> addresses;
  for (const auto& [address, values] : resources_) {
    const std::string_view text = address;
    if (text.starts_with(type) && text.substr(type.size()).starts_with('.'))
      addresses.push_back(address);
  }
  return addresses;
}

std::vector<NamedEnvironment> UsageFile::environments() const {
  std::vector<NamedEnvironment> named = own_environments_;
  for (const auto* group : {&defaults_, &resources_}) {
    for (const auto& [of, values] : *group) {
      if (const auto found = values.find("environment");
          found != values.end() && of.starts_with("aws_data_transfer")) {
        named.push_back({found->second.text, of + ".environment", found->second.line});
      }
    }
  }
  return named;
}

}  // namespace fleetmeter::cost
