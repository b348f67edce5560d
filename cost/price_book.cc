#include "cost/price_book.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "cost/csv_reader.h"
#include "cost/embedded_prices.h"

namespace fleetmeter::cost {
namespace {

constexpr std::string_view kInstanceTypes = "instance-types", kFreeTier = "free-tier";

Error bad(const std::string& name, std::size_t line, const std::string& what) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", name, line, what)};
}

/// Without the byte order mark that spreadsheets write in front.
Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const std::string why = std::strerror(errno);
    return Error{ErrorCode::kUnavailable,
                 fmt::format("{}: cannot be read: {}", path.string(), why)};
  }
  std::string text(std::istreambuf_iterator<char>(file), {});
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (text.starts_with(kMark)) text.erase(0, kMark.size());
  return text;
}

/// "us-east-1", "us-gov-west-1": by its form, since AWS adds regions.
bool is_region(std::string_view name) {
  const std::size_t last = name.rfind('-');
  if (last == std::string_view::npos || name.find('-') == last) return false;
  const std::string_view place = name.substr(0, last), number = name.substr(last + 1);
  return !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos &&
         place.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string_view::npos;
}

/// Families of keys that hold the name of a type, of which AWS adds others.
bool is_open_family(std::string_view key) {
  for (const std::string_view family :
       {"ec2.instance.", "ec2.windows_surcharge.", "ec2.cpu_credits.", "rds.instance.",
        "rds.performance_insights.", "elasticache.node.", "msk.broker."}) {
    if (key.starts_with(family)) return true;
  }
  return false;
}

/// "m5.large" out of "ec2.instance.m5.large.linux"; empty for another key.
std::string_view linux_type(std::string_view key) {
  constexpr std::string_view kPrefix = "ec2.instance.", kSuffix = ".linux";
  if (!key.starts_with(kPrefix) || !key.ends_with(kSuffix)) return {};
  return key.substr(kPrefix.size(), key.size() - kPrefix.size() - kSuffix.size());
}

}  // namespace

Money tiered_cost(const std::vector<PriceTier>& tiers, Quantity quantity) noexcept {
  Money cost;
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    if (quantity <= tiers[i].from) break;
    const bool last = i + 1 == tiers.size();
    const Quantity end = last || quantity < tiers[i + 1].from ? quantity : tiers[i + 1].from;
    cost += multiply(tiers[i].price, end - tiers[i].from);
  }
  return cost;
}

Result<PriceBook> PriceBook::embedded() {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const EmbeddedFile& file : embedded_prices()) texts.emplace_back(file.name, file.text);
  return parse(texts);
}

Result<PriceBook> PriceBook::load(const std::string& directory,
                                  std::vector<std::string>* warnings) {
  std::error_code failed;
  std::set<std::filesystem::path> paths;  // In a fixed order, whatever the file system's.
  for (std::filesystem::directory_iterator it(directory, failed), end; !failed && it != end;
       it.increment(failed)) {
    if (it->path().extension() == ".csv") paths.insert(it->path());
  }
  if (failed) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("price directory {}: {}", directory, failed.message())};
  }
  constexpr const char* kNames =
      "<region>.csv such as us-east-1.csv, instance-types.csv or free-tier.csv";
  if (paths.empty()) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("price directory {}: holds no price file; give it {}", directory, kNames)};
  }
  Result<PriceBook> built_in = embedded();
  if (!built_in) return built_in;
  std::vector<std::pair<std::string, std::string>> texts;
  for (const EmbeddedFile& file : embedded_prices()) texts.emplace_back(file.name, file.text);
  std::vector<std::string> unknown;
  for (const std::filesystem::path& path : paths) {
    const std::string stem = path.stem().string();
    const bool prices = is_region(stem);
    if (!prices && stem != kInstanceTypes && stem != kFreeTier) {
      return Error{
          ErrorCode::kInvalidArgument,
          fmt::format("{}: is no price file by its name; it must be {}", path.string(), kNames)};
    }
    Result<std::string> text = read_file(path);
    if (!text) return std::move(text).error();
    if (prices) {
      if (auto right = built_in->check_overlay(path.string(), *text, unknown); !right)
        return std::move(right).error();
    }
    texts.emplace_back(path.string(), *std::move(text));
  }
  if (warnings != nullptr) warnings->insert(warnings->end(), unknown.begin(), unknown.end());
  return parse(texts);
}

Result<void> PriceBook::check_overlay(const std::string& name, std::string_view text,
                                      std::vector<std::string>& warnings) const {
  Result<std::vector<CsvRow>> rows = read_csv(name, text, {"key", "unit"});
  if (!rows) return std::move(rows).error();
  std::set<std::string> met;
  for (const CsvRow& row : *rows) {
    const std::string& key = row.fields[0];
    const std::string_view unit = unit_of(key);
    if (!unit.empty() && !row.fields[1].empty() && row.fields[1] != unit) {
      return bad(name, row.line,
                 fmt::format("unit of '{}' must be {}, as the built-in price's is, not '{}'", key,
                             unit, row.fields[1]));
    }
    if (unit.empty() && !key.empty() && !is_open_family(key) && met.insert(key).second) {
      warnings.push_back(
          fmt::format("{}:{}: '{}' is the key of no built-in price; nothing may ask for it", name,
                      row.line, key));
    }
  }
  return {};
}

Result<PriceBook> PriceBook::parse(
    const std::vector<std::pair<std::string, std::string>>& named_texts) {
  PriceBook book;
  for (const auto& [name, text] : named_texts) {
    const std::string stem = std::filesystem::path(name).stem().string();
    Result<void> read = stem == kInstanceTypes ? book.read_instance_types(name, text)
                        : stem == kFreeTier    ? book.read_free_tier(name, text)
                                               : book.read_prices(name, stem, text);
    if (!read) return std::move(read).error();
  }
  book.add_surcharged();
  return book;
}

Result<void> PriceBook::read_prices(const std::string& name, const std::string& region,
                                    std::string_view text) {
  Result<std::vector<CsvRow>> rows =
      read_csv(name, text, {"key", "tier_from", "unit", "price_usd", "as_of", "confidence"});
  if (!rows) return std::move(rows).error();
  Prices& prices = regions_[region];
  // Keys of this file: the first row of a key replaces what an earlier file said.
  std::set<std::string> met;
  for (const CsvRow& row : *rows) {
    const std::string& key = row.fields[0];
    const std::optional<Quantity> from = parse_quantity(row.fields[1]);
    const std::optional<Money> price = parse_money(row.fields[3]);
    if (key.empty()) return bad(name, row.line, "key is empty");
    if (!from || *from < Quantity{})
      return bad(name, row.line, "tier_from must be a decimal, 0 or more");
    if (!price || *price < Money{}) {
      return bad(name, row.line,
                 "price_usd must be a decimal, 0 or more, with at most 10 digits behind the point");
    }
    if (row.fields[2].empty()) return bad(name, row.line, "unit is empty");
    if (met.insert(key).second)
      prices[key] = Price{row.fields[2], {}, row.fields[4], row.fields[5]};
    Price& entry = prices[key];
    if (entry.tiers.empty() ? *from != Quantity{} : *from <= entry.tiers.back().from) {
      return bad(name, row.line,
                 fmt::format("tiers of '{}' must start at 0 and ascend, each once", key));
    }
    if (entry.unit != row.fields[2])
      return bad(name, row.line, fmt::format("tiers of '{}' differ in unit", key));
    entry.tiers.push_back({*from, *price});
  }
  return {};
}

Result<void> PriceBook::read_instance_types(const std::string& name, std::string_view text) {
  Result<std::vector<CsvRow>> rows =
      read_csv(name, text, {"instance_type", "vcpu", "memory_gib", "arch", "burstable"});
  if (!rows) return std::move(rows).error();
  for (const CsvRow& row : *rows) {
    InstanceType type;
    const std::string& vcpu = row.fields[1];
    const auto [end, failed] = std::from_chars(vcpu.data(), vcpu.data() + vcpu.size(), type.vcpu);
    if (failed != std::errc{} || end != vcpu.data() + vcpu.size() || type.vcpu <= 0) {
      return bad(name, row.line, "vcpu must be a whole number above 0");
    }
    type.memory_gib = row.fields[2];
    type.arm = row.fields[3] == "arm64";
    type.burstable = row.fields[4] == "yes";
    types_[row.fields[0]] = type;
  }
  return {};
}

Result<void> PriceBook::read_free_tier(const std::string& name, std::string_view text) {
  Result<std::vector<CsvRow>> rows = read_csv(name, text, {"key", "quantity", "pool", "unit"});
  if (!rows) return std::move(rows).error();
  for (const CsvRow& row : *rows) {
    const std::optional<Quantity> quantity = parse_quantity(row.fields[1]);
    if (!quantity || *quantity < Quantity{})
      return bad(name, row.line, "quantity must be a decimal, 0 or more");
    if (row.fields[2] != "payer" && row.fields[2] != "region") {
      return bad(name, row.line, "pool must be payer or region");
    }
    free_[row.fields[0]] = {row.fields[0], *quantity, row.fields[3].ends_with("/h"),
                            row.fields[2] == "region"};
  }
  return {};
}

/// Aurora I/O-Optimized asks 30 % more for the instance and for serverless capacity. Rule: Amazon
/// Aurora pricing, "Aurora Cluster Configurations".
std::string io_optimized_key(std::string_view key) {
  constexpr std::string_view kServerless = "rds.aurora.serverless_v2", kSingle = ".single_az";
  if (key == kServerless) return std::string(key) + "_io_optimized";
  if (!key.starts_with("rds.instance.") || !key.ends_with(kSingle) ||
      key.find(".aurora-") == std::string_view::npos)
    return {};
  return std::string(key.substr(0, key.size() - kSingle.size())) + ".io_optimized";
}

/// Licence-included rates that the list derives from the Linux one: Windows adds a fixed sum per
/// vCPU and hour, or per size where the family is burstable; RHEL adds one per vCPU that falls with
/// size. Rows of their own win. Rule: Amazon EC2 On-Demand Pricing; Red Hat Enterprise Linux on
/// Amazon EC2 pricing (per vCPU since 2024-04-01).
void PriceBook::add_surcharged() {
  for (auto& [region, prices] : regions_) {
    const auto surcharge = [&prices = prices](const std::string& key,
                                              std::int64_t count) -> std::optional<Money> {
      const auto found = prices.find(key);
      if (found == prices.end()) return std::nullopt;
      return multiply(found->second.tiers.front().price, units(count));
    };
    Prices added;
    for (const auto& [key, price] : prices) {
      if (const std::string optimized = io_optimized_key(key);
          !optimized.empty() && !prices.contains(optimized)) {
        constexpr Quantity kFactor{kQuantityOne / 10 * 13};
        added[optimized] = {price.unit,
                            {{Quantity{}, multiply(price.tiers.front().price, kFactor)}},
                            price.as_of,
                            "derived"};
      }
      const std::string type{linux_type(key)};
      const auto known = types_.find(type);
      if (type.empty() || known == types_.end()) continue;
      const auto add = [&](const char* os, std::optional<Money> extra) {
        const std::string derived = fmt::format("ec2.instance.{}.{}", type, os);
        if (!extra || prices.contains(derived)) return;
        added[derived] = {
            price.unit, {{Quantity{}, price.tiers.front().price + *extra}}, price.as_of, "derived"};
      };
      const std::int64_t vcpu = known->second.vcpu;
      if (!known->second.arm) {
        add("windows", known->second.burstable ? surcharge("ec2.windows_surcharge." + type, 1)
                                               : surcharge("ec2.windows_surcharge.vcpu", vcpu));
      }
      add("rhel", surcharge(vcpu >= 128 ? "ec2.rhel_surcharge.vcpu_from_128"
                            : vcpu > 8  ? "ec2.rhel_surcharge.vcpu_over_8"
                                        : "ec2.rhel_surcharge.vcpu_to_8",
                            vcpu));
    }
    prices.merge(added);
  }
}

const Price* PriceBook::find(std::string_view region, std::string_view key) const {
  const auto prices = regions_.find(region);
  if (prices == regions_.end()) return nullptr;
  const auto price = prices->second.find(key);
  return price == prices->second.end() ? nullptr : &price->second;
}

const FreeAllowance* PriceBook::free_allowance(std::string_view key) const {
  if (const auto own = free_.find(key); own != free_.end()) return &own->second;
  for (const auto& [name, allowance] : free_) {
    const std::string_view pool = name;
    if (pool.ends_with(".*") && key.starts_with(pool.substr(0, pool.size() - 1))) return &allowance;
  }
  return nullptr;
}

std::string_view PriceBook::unit_of(std::string_view key) const {
  for (const auto& [region, prices] : regions_) {
    if (const auto found = prices.find(key); found != prices.end()) return found->second.unit;
  }
  return {};
}

const InstanceType* PriceBook::instance_type(std::string_view type) const {
  const auto found = types_.find(type);
  return found == types_.end() ? nullptr : &found->second;
}

std::vector<std::string> PriceBook::regions() const {
  std::vector<std::string> names;
  for (const auto& [region, prices] : regions_) names.push_back(region);
  return names;
}

bool PriceBook::has_region(std::string_view region) const {
  return regions_.find(region) != regions_.end();
}

}  // namespace fleetmeter::cost
