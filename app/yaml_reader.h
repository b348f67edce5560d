#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config.h"
#include "proto/result.h"

namespace fleetmeter::app {

/// Whether a second document follows the first. Of a second one that begins with a comma yaml-cpp's
/// LoadAll makes nulls without end. Throws YAML::Exception for what is no YAML.
[[nodiscard]] bool holds_more_documents(const std::string& text);

/// Reads one YAML document strictly: the first problem is kept as an error that names file, line,
/// key and what would be right, and reading goes on with defaults so that the callers stay
/// straight-line code.
class YamlContext {
 public:
  YamlContext(std::string file, std::vector<ConfigProblem>& warnings)
      : file_(std::move(file)), warnings_(warnings) {}

  void fail(const YAML::Node& at, const std::string& path, const std::string& message);
  /// Of what a mapping lacks: gives way to an unknown key in the same mapping (`in`), which is
  /// most often that very key, misspelt.
  void fail_missing(const YAML::Node& at, const std::string& in, const std::string& path,
                    const std::string& message);
  void fail_unknown(const YAML::Node& at, const std::string& in, const std::string& path,
                    const std::string& message);
  void warn(const YAML::Node& at, const std::string& path, const std::string& message);
  /// A value that is not there is marked where the next one is; what is wrong with it is at its key.
  void note_null(const YAML::Node& key, const YAML::Node& value);
  [[nodiscard]] const std::optional<ConfigProblem>& problem() const noexcept { return problem_; }
  /// A path of the configuration as the process opens it: relative ones are relative to the
  /// configuration's own directory. Empty and "-" stay.
  [[nodiscard]] std::string path_from_file(const std::string& path) const;

 private:
  std::string file_;
  std::vector<ConfigProblem>& warnings_;
  std::optional<ConfigProblem> problem_;
  std::vector<std::pair<YAML::Node, int>> nulls_;  ///< With the lines of their keys.
  std::optional<std::string>
      missing_in_;  ///< Where the problem is, when it is of something missing.
};

/// One YAML mapping. Each getter takes a key; keys that nobody took are errors in done(). A missing
/// key gives the default.
class YamlObject {
 public:
  YamlObject(YamlContext& context, const YAML::Node& node, std::string path);

  [[nodiscard]] bool has(const char* key);         ///< Does not take it.
  [[nodiscard]] YAML::Node take(const char* key);  ///< Undefined node when the key is missing.
  [[nodiscard]] YAML::Node required(const char* key);
  [[nodiscard]] std::string path_of(const char* key) const {
    return path_.empty() ? key : path_ + "." + key;
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const YAML::Node& node() const noexcept { return node_; }

  [[nodiscard]] std::string text(const char* key, std::string fallback = {});
  [[nodiscard]] std::string required_text(const char* key);
  [[nodiscard]] std::string path_text(const char* key);  ///< See YamlContext::path_from_file.
  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t fallback, std::int64_t least,
                                     std::int64_t most);
  [[nodiscard]] std::optional<std::int64_t> optional_integer(const char* key, std::int64_t least,
                                                             std::int64_t most);
  [[nodiscard]] bool boolean(const char* key, bool fallback);
  /// "90s", "5m", "2h", "1d" to seconds.
  [[nodiscard]] std::uint32_t duration_s(const char* key, std::uint32_t fallback,
                                         std::uint32_t least, std::uint32_t most);
  [[nodiscard]] std::vector<std::string> texts(
      const char* key);  ///< A list of scalars, or one scalar.
  [[nodiscard]] std::vector<std::pair<std::string, YAML::Node>> entries();  ///< Every key, taken.

  void fail(const char* key, const std::string& message);
  void fail_missing(const char* key, const std::string& message);
  void done();

 private:
  [[nodiscard]] bool contains(const char* key) const;
  std::optional<std::string> read_scalar(const char* key, const YAML::Node& value);

  YamlContext& context_;
  YAML::Node node_;
  std::string path_;
  std::vector<std::string> taken_;
  std::vector<std::string> asked_;  ///< By has(): known, taken or not.
};

/// A scalar as text; nullopt and an error when it is none.
[[nodiscard]] std::optional<std::string> yaml_scalar(YamlContext& context, const YAML::Node& node,
                                                     const std::string& path);
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);
[[nodiscard]] std::optional<double> parse_number(std::string_view text);
[[nodiscard]] std::optional<std::uint32_t> parse_duration_s(std::string_view text);
/// The candidate nearest to `word`, if it is near enough to be a slip of the pen; else empty.
[[nodiscard]] std::string nearest_word(std::string_view word,
                                       const std::vector<std::string>& candidates);

}  // namespace fleetmeter::app
