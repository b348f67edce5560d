#include "app/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <set>
#include <sstream>

namespace fleetmeter::app {

namespace {
constexpr std::size_t kWordMax = 64;

/// Parses and keeps nothing.
struct NoEvents final : YAML::EventHandler {
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};
}  // namespace

bool holds_more_documents(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  NoEvents nothing;
  return parser.HandleNextDocument(nothing) && parser.HandleNextDocument(nothing);
}

void YamlContext::fail(const YAML::Node& at, const std::string& path, const std::string& message) {
  if (problem_) return;
  const bool is_placed = at.IsDefined() && !at.Mark().is_null();
  int line = is_placed ? at.Mark().line + 1 : 0;
  for (const auto& [null, key_line] : nulls_) {
    if (at.IsDefined() && null.is(at)) line = key_line;
  }
  problem_ = ConfigProblem{line, path, message};
}

void YamlContext::note_null(const YAML::Node& key, const YAML::Node& value) {
  if (value.IsNull()) nulls_.emplace_back(value, key.Mark().line + 1);
}

void YamlContext::fail_missing(const YAML::Node& at, const std::string& in, const std::string& path,
                               const std::string& message) {
  if (problem_) return;
  fail(at, path, message);
  missing_in_ = in;
}

void YamlContext::fail_unknown(const YAML::Node& at, const std::string& in, const std::string& path,
                               const std::string& message) {
  if (problem_ && missing_in_ == in) problem_.reset();
  if (problem_) return;
  missing_in_.reset();
  fail(at, path, message);
}

std::string YamlContext::path_from_file(const std::string& path) const {
  if (path.empty() || path == "-" || std::filesystem::path(path).is_absolute()) return path;
  return (std::filesystem::path(file_).parent_path() / path).string();
}

void YamlContext::warn(const YAML::Node& at, const std::string& path, const std::string& message) {
  warnings_.push_back({at.IsDefined() ? at.Mark().line + 1 : 0, path, message});
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(value >= std::numeric_limits<double>::lowest() &&
        value <= std::numeric_limits<double>::max()))
    return std::nullopt;
  return value;
}

std::optional<std::uint32_t> parse_duration_s(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t unit_s = 0;
  switch (text.back()) {
    case 's':
      unit_s = 1;
      break;
    case 'm':
      unit_s = 60;
      break;
    case 'h':
      unit_s = 3600;
      break;
    case 'd':
      unit_s = 86400;
      break;
    default:
      return std::nullopt;
  }
  const auto count = parse_integer(text.substr(0, text.size() - 1));
  if (!count || *count < 0 || *count > 366 * 86400LL / unit_s) return std::nullopt;
  return static_cast<std::uint32_t>(*count * unit_s);
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  if (word.size() > kWordMax) return best;  // No slip of the pen, and the work grows with it.
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t above = row[j];
        row[j] = std::min(
            {above + 1, row[j - 1] + 1, diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::optional<std::string> yaml_scalar(YamlContext& context, const YAML::Node& node,
                                       const std::string& path) {
  if (node.IsDefined() && node.IsScalar()) return node.Scalar();
  context.fail(node, path,
               node.IsDefined() && node.IsNull() ? "has no value"
                                                 : "must be a single value, not a list or mapping");
  return std::nullopt;
}

YamlObject::YamlObject(YamlContext& context, const YAML::Node& node, std::string path)
    : context_(context), node_(node), path_(std::move(path)) {
  if (!node_.IsDefined() || node_.IsNull()) return;
  if (!node_.IsMap()) {
    context_.fail(node_, path_, "must be a mapping of `key: value`");
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    context_.note_null(entry.first, entry.second);
    if (!entry.first.IsScalar()) {
      context_.fail(entry.first, path_, "keys must be plain words");
    } else if (!seen.insert(entry.first.Scalar()).second) {
      context_.fail(entry.first,
                    path_.empty() ? entry.first.Scalar() : path_ + "." + entry.first.Scalar(),
                    "is given twice; keep one");
    }
  }
}

bool YamlObject::has(const char* key) {
  asked_.emplace_back(key);
  return contains(key);
}

bool YamlObject::contains(const char* key) const {
  if (!node_.IsMap()) return false;
  const YAML::Node& readable = node_;  // The const operator[] does not insert.
  return readable[key].IsDefined();
}

YAML::Node YamlObject::take(const char* key) {
  taken_.emplace_back(key);
  if (!contains(key)) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node& readable = node_;
  return readable[key];
}

YAML::Node YamlObject::required(const char* key) {
  YAML::Node found = take(key);
  if (!found.IsDefined())
    context_.fail_missing(node_, path_, path_, std::string("`") + key + "` is missing");
  return found;
}

void YamlObject::fail(const char* key, const std::string& message) {
  const YAML::Node& readable = node_;
  context_.fail(contains(key) ? readable[key] : node_, path_of(key), message);
}

void YamlObject::fail_missing(const char* key, const std::string& message) {
  const YAML::Node& readable = node_;
  context_.fail_missing(contains(key) ? readable[key] : node_, path_, path_of(key), message);
}

std::optional<std::string> YamlObject::read_scalar(const char* key, const YAML::Node& value) {
  return yaml_scalar(context_, value, path_of(key));
}

std::string YamlObject::text(const char* key, std::string fallback) {
  const YAML::Node found = take(key);
  if (!found.IsDefined()) return fallback;
  return read_scalar(key, found).value_or(fallback);
}

std::string YamlObject::path_text(const char* key) { return context_.path_from_file(text(key)); }

std::string YamlObject::required_text(const char* key) {
  const YAML::Node found = required(key);
  if (!found.IsDefined()) return {};
  std::string value = read_scalar(key, found).value_or("");
  if (value.empty()) fail(key, "must not be empty");
  return value;
}

std::optional<std::int64_t> YamlObject::optional_integer(const char* key, std::int64_t least,
                                                         std::int64_t most) {
  if (!contains(key)) {
    taken_.emplace_back(key);
    return std::nullopt;
  }
  return integer(key, least, least, most);
}

std::int64_t YamlObject::integer(const char* key, std::int64_t fallback, std::int64_t least,
                                 std::int64_t most) {
  const YAML::Node found = take(key);
  if (!found.IsDefined()) return fallback;
  const auto scalar = read_scalar(key, found);
  if (!scalar) return fallback;
  const auto value = parse_integer(*scalar);
  if (!value || *value < least || *value > most) {
    fail(key, "`" + *scalar + "` is not a whole number from " + std::to_string(least) + " to " +
                  std::to_string(most));
    return fallback;
  }
  return *value;
}

bool YamlObject::boolean(const char* key, bool fallback) {
  const YAML::Node found = take(key);
  if (!found.IsDefined()) return fallback;
  const auto scalar = read_scalar(key, found);
  if (!scalar) return fallback;
  if (*scalar == "true") return true;
  if (*scalar == "false") return false;
  fail(key, "`" + *scalar + "` must be true or false");
  return fallback;
}

std::uint32_t YamlObject::duration_s(const char* key, std::uint32_t fallback, std::uint32_t least,
                                     std::uint32_t most) {
  const YAML::Node found = take(key);
  if (!found.IsDefined()) return fallback;
  const auto scalar = read_scalar(key, found);
  if (!scalar) return fallback;
  const auto value = parse_duration_s(*scalar);
  if (!value || *value < least || *value > most) {
    const std::uint32_t in_s = parse_duration_s(*scalar + "s").value_or(0);
    const bool lacks_unit = in_s > 0 && in_s >= least && in_s <= most;
    fail(key, "`" + *scalar + "` is not a duration from " + std::to_string(least) + "s to " +
                  std::to_string(most) + "s; write it like " +
                  (lacks_unit ? *scalar + "s" : "60s, 5m, 2h or 1d"));
    return fallback;
  }
  return *value;
}

std::vector<std::string> YamlObject::texts(const char* key) {
  const YAML::Node found = take(key);
  std::vector<std::string> values;
  if (!found.IsDefined()) return values;
  if (found.IsScalar()) return {found.Scalar()};
  if (!found.IsSequence()) {
    fail(key, "must be a list, like [a, b]");
    return values;
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto scalar =
        yaml_scalar(context_, found[i], path_of(key) + "[" + std::to_string(i) + "]");
    if (scalar) values.push_back(*scalar);
  }
  return values;
}

std::vector<std::pair<std::string, YAML::Node>> YamlObject::entries() {
  std::vector<std::pair<std::string, YAML::Node>> all;
  if (!node_.IsMap()) return all;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) continue;
    taken_.push_back(entry.first.Scalar());
    all.emplace_back(entry.first.Scalar(), entry.second);
  }
  return all;
}

void YamlObject::done() {
  if (!node_.IsMap()) return;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) continue;
    const std::string& key = entry.first.Scalar();
    if (std::find(taken_.begin(), taken_.end(), key) != taken_.end()) continue;
    std::vector<std::string> names = taken_;
    for (const std::string& name : asked_) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    const std::string near = nearest_word(key, names);
    std::string known;
    for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
    context_.fail_unknown(entry.first, path_, path_.empty() ? key : path_ + "." + key,
                          "is not a known key; " +
                              (near.empty() ? "" : "did you mean `" + near + "`? ") +
                              "known here: " + known);
    return;
  }
}

}  // namespace fleetmeter::app
