#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cost/money.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// A line of the fleet's own cost document: report lines that match it have scope "stated", the
/// others "added".
struct StatedLine {
  std::string environment;      ///< Empty = any.
  std::string resource = "*";   ///< Pattern with '*' over Line::resource.
  std::string component = "*";  ///< Pattern with '*' over Line::component.
  /// What the document says of all lines that match, when it says it.
  std::optional<Money> amount;
};

/// One value of the file: a number or word as written, with where it stands.
struct UsageValue {
  std::string text;
  std::size_t line = 0;
};
/// Nested keys dotted: "standard.storage_gb".
using UsageValues = std::map<std::string, UsageValue, std::less<>>;

/// An environment that the file names, and where.
struct NamedEnvironment {
  std::string name, key;
  std::size_t line = 0;
};

/// Monthly usage that no inventory knows, by Terraform address. The format is that of infracost's
/// usage file, version 0.1, so that existing files work, with our own section `fleetmeter:` besides
/// (docs/cost.md, "Usage file"). `[*]` in an address holds for every index of count or for_each
/// there; the entry with more exact indexes replaces the others entirely, of as many the one whose
/// outer ones are exact. Values of an address go over those of its type, key by key.
class UsageFile {
 public:
  /// Errors name file, line, key and fix.
  static Result<UsageFile> load(const std::string& path);
  static Result<UsageFile> parse(const std::string& name, const std::string& text);

  /// Values for a resource: type defaults, then its address's. Empty when the file does not speak
  /// of it.
  [[nodiscard]] UsageValues values(std::string_view type, std::string_view address) const;
  /// Addresses of the file of pseudo resource `type`, such as aws_data_transfer, that stand for no
  /// inventory entry.
  [[nodiscard]] std::vector<std::string> addresses_of(std::string_view type) const;
  [[nodiscard]] const std::vector<StatedLine>& stated() const noexcept { return stated_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Environment of the pseudo resources and of what no inventory entry places; empty = unassigned.
  [[nodiscard]] const std::string& environment() const noexcept { return environment_; }
  /// Every environment that the file names, in no special order, for checking that there is one.
  [[nodiscard]] std::vector<NamedEnvironment> environments() const;
  /// Every address of the file, for telling of those that match nothing.
  [[nodiscard]] const std::map<std::string, UsageValues, std::less<>>& resources() const noexcept {
    return resources_;
  }
  /// The same of the types with values of their own.
  [[nodiscard]] const std::map<std::string, UsageValues, std::less<>>& defaults() const noexcept {
    return defaults_;
  }

 private:
  /// The entry of the address, else of the most exact pattern that it fits; nullptr = none.
  [[nodiscard]] const UsageValues* entry_of(std::string_view address) const;

  std::string name_, environment_;
  std::map<std::string, UsageValues, std::less<>> defaults_;   // By type.
  std::map<std::string, UsageValues, std::less<>> resources_;  // By address.
  // Addresses of the file that hold "[*]", by their form in which every index is one.
  std::map<std::string, std::vector<std::string>, std::less<>> patterns_;
  std::vector<StatedLine> stated_;
  std::vector<NamedEnvironment> own_environments_;  // Of the section `fleetmeter:`.
};

/// '*' stands for any text, also an empty one; everything else for itself.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text) noexcept;

}  // namespace fleetmeter::cost
