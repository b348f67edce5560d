#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "cost/draft.h"

namespace fleetmeter::cost {
namespace {

/// All drafts that share one price and its tiers.
struct Pool {
  const Price* price = nullptr;
  std::int64_t factor = 1;
  Quantity quantity, free;
  std::vector<std::size_t> members;
};

/// A free allowance is spread over the pools of its keys and regions pro rata.
void allow_free(const PriceBook& prices, std::uint32_t month_hours,
                std::map<std::tuple<std::string, std::string, std::int64_t>, Pool>& pools) {
  struct Shared {
    Quantity free, used;
    std::vector<Pool*> pools;
  };
  std::map<std::string, Shared> allowances;
  for (auto& [key, pool] : pools) {
    const FreeAllowance* allowance = prices.free_allowance(std::get<0>(key));
    if (allowance == nullptr) continue;
    Shared& shared = allowances[allowance->per_region ? allowance->name + "@" + std::get<1>(key)
                                                      : allowance->name];
    shared.free = multiply(allowance->quantity, allowance->per_hour ? month_hours : 1);
    shared.used = shared.used + pool.quantity;
    shared.pools.push_back(&pool);
  }
  for (auto& [name, shared] : allowances) {
    if (shared.used == Quantity{}) continue;
    Quantity left = std::min(shared.free, shared.used);
    const Quantity all = left;
    for (Pool* pool : shared.pools) {
      // The last one takes what rounding leaves.
      pool->free = pool == shared.pools.back()
                       ? std::min(left, pool->quantity)
                       : std::min(left, scale(pool->quantity, all.e9_units, shared.used.e9_units));
      left = left - pool->free;
    }
  }
}

/// What is beyond the range of its type says so, and nothing else.
void doubt_size(Line& line) {
  line.quantity.reset();
  line.amount.reset();
  line.reason =
      "too large to be counted here: a quantity ends at 9.2 thousand million, an amount "
      "at 922 million USD";
}

std::vector<PriceTier> times(std::vector<PriceTier> tiers, std::int64_t factor) {
  for (PriceTier& tier : tiers) tier.price = multiply(tier.price, units(factor));
  return tiers;
}

/// Amounts of a pool: exact where one rate holds for all of it, else the pool's cost shared by
/// quantity, the last member taking what rounding leaves.
void price_pool(const Pool& pool, const std::vector<Draft>& drafts, std::vector<Line>& lines) {
  const std::vector<PriceTier> tiers = times(pool.price->tiers, pool.factor);
  const bool one_rate =
      pool.free == Quantity{} && (tiers.size() == 1 || pool.quantity <= tiers[1].from);
  const Money total = tiered_cost(tiers, pool.quantity - pool.free);
  const Money blended = pool.quantity > Quantity{} && !one_rate ? unit_price(total, pool.quantity)
                                                                : tiers.front().price;
  const bool counted = one_rate || (pool.quantity.fits() && total.fits());
  Money spread;
  for (std::size_t i = 0; i < pool.members.size(); ++i) {
    Line& line = lines[pool.members[i]];
    line.unit = pool.price->unit;
    line.price = blended;
    const std::optional<Quantity>& quantity = drafts[pool.members[i]].quantity;
    if (!quantity) continue;
    if (!counted || !quantity->fits()) {
      line.price = tiers.front().price;
      doubt_size(line);
      continue;
    }
    if (one_rate) {
      line.amount = multiply(blended, *quantity);
      if (!line.amount->fits()) doubt_size(line);
      continue;
    }
    Money part = share(total, *quantity, pool.quantity);
    spread += part;
    const bool last =
        std::none_of(pool.members.begin() + static_cast<std::ptrdiff_t>(i) + 1, pool.members.end(),
                     [&drafts](std::size_t at) { return drafts[at].quantity.has_value(); });
    if (last) part += total - spread;
    line.amount = part;
    const std::string how =
        pool.free > Quantity{}
            ? fmt::format("list price {} after {} {} free", to_decimal(tiers.front().price),
                          to_decimal(pool.free), line.unit)
            : fmt::format("mean price of the tiers for {} {} of all environments",
                          to_decimal(pool.quantity), line.unit);
    line.reason = line.reason.empty() ? how : line.reason + "; " + how;
  }
}

/// The amount of a draft whose things go through the tiers one by one: each costs the same, for the
/// part of the month that the quantity has of it. No free allowance is of such a price.
void price_each(const Price& price, const Draft& draft, Line& line) {
  const std::vector<PriceTier> tiers = times(price.tiers, draft.price_factor);
  const Quantity each = *draft.tiered_by;
  const Money cost = tiered_cost(tiers, each);
  line.unit = price.unit;
  line.price = unit_price(cost, each);
  if (!draft.quantity) return;
  if (!draft.quantity->fits() || !each.fits() || !cost.fits()) return doubt_size(line);
  line.amount = share(cost, *draft.quantity, each);
  if (tiers.size() == 1 || each <= tiers[1].from) return;
  const std::string how =
      fmt::format("mean price of the tiers for {} {} each", to_decimal(each), line.unit);
  line.reason = line.reason.empty() ? how : line.reason + "; " + how;
}

Line line_of(const Draft& draft) {
  Line line;
  line.resource = draft.resource;
  line.component = draft.component;
  line.quantity = draft.quantity;
  line.unit = draft.unit;
  line.source = draft.source;
  line.reason = draft.reason;
  return line;
}

bool is_stated(const StatedLine& stated, const std::string& environment, const Line& line) {
  return (stated.environment.empty() || stated.environment == environment) &&
         matches_pattern(stated.resource, line.resource) &&
         matches_pattern(stated.component, line.component);
}

/// Amounts of lines as they are added up.
struct Sum {
  Money known;
  std::uint32_t known_lines = 0, unknown_lines = 0;

  void add(const Line& line) noexcept {
    known += line.amount.value_or(Money{});
    ++(line.amount ? known_lines : unknown_lines);
  }
  [[nodiscard]] std::optional<Money> total() const noexcept {
    if ((known_lines == 0 && unknown_lines > 0) || !known.fits()) return std::nullopt;
    return known;
  }
};

/// Sets the lines' scope by the document's list and tells where its figures differ from ours.
void compare_with_document(const UsageFile& file, Report& report) {
  if (file.stated().empty()) return;
  std::vector<Sum> sums(file.stated().size());
  for (EnvironmentReport& environment : report.environments) {
    for (Line& line : environment.lines) {
      line.scope = "added";
      for (std::size_t i = 0; i < file.stated().size(); ++i) {
        if (!is_stated(file.stated()[i], environment.environment, line)) continue;
        line.scope = "stated";
        sums[i].add(line);
        break;  // The first entry that matches has it, so that no line is compared twice.
      }
    }
    // What the document states comes first, then what it left out.
    std::ranges::stable_partition(environment.lines,
                                  [](const Line& line) { return line.scope == "stated"; });
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const StatedLine& stated = file.stated()[i];
    if (sums[i].known_lines + sums[i].unknown_lines == 0) {
      report.warnings.push_back(
          fmt::format("{}: stated line '{}' '{}' matches nothing in this report", file.name(),
                      stated.resource, stated.component));
      continue;
    }
    if (!stated.amount) continue;
    const std::optional<Money> known = sums[i].total();
    std::string exact = known ? to_cents(*known) : "unknown";
    if (known && sums[i].unknown_lines > 0) exact = "unknown, at least " + exact;
    if (exact == to_cents(*stated.amount)) continue;
    report.warnings.push_back(fmt::format("stated {} for '{}' '{}', exact {}",
                                          to_cents(*stated.amount), stated.resource,
                                          stated.component, exact));
  }
}

void add_up(Report& report) {
  Sum all, stated;
  for (EnvironmentReport& environment : report.environments) {
    Sum of_all, of_stated;
    for (const Line& line : environment.lines) {
      for (Sum* sum : {&all, &of_all}) sum->add(line);
      if (line.scope != "stated") continue;
      for (Sum* sum : {&stated, &of_stated}) sum->add(line);
    }
    environment.total = of_all.total();
    environment.stated_total = of_stated.total();
  }
  report.total = all.total();
  report.stated_total = stated.total();
  report.unknown_lines = all.unknown_lines;
}

}  // namespace

Report settle(const ReportOptions& options, std::uint32_t month_hours, const PriceBook& prices,
              const UsageFile* usage_file, std::vector<Draft> drafts) {
  std::vector<Line> lines;
  lines.reserve(drafts.size());
  std::map<std::tuple<std::string, std::string, std::int64_t>, Pool> pools;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const Draft& draft = drafts[i];
    lines.push_back(line_of(draft));
    if (draft.price_key.empty()) continue;
    const Price* price = prices.find(draft.region, draft.price_key);
    if (price == nullptr) {
      if (lines[i].unit.empty()) lines[i].unit = prices.unit_of(draft.price_key);
      const std::string missing =
          draft.region.empty()
              ? "price_not_found: the region is not known; name it in the inventory, of the "
                "environment, or with --region"
              : fmt::format("price_not_found: no price of {} in {}", draft.price_key, draft.region);
      // Without its quantity too, both have to be found.
      lines[i].reason = draft.quantity ? missing : missing + "; " + draft.reason;
      continue;
    }
    if (draft.tiered_by) {
      price_each(*price, draft, lines[i]);
      continue;
    }
    Pool& pool = pools[{draft.price_key, draft.region, draft.price_factor}];
    pool.price = price;
    pool.factor = draft.price_factor;
    if (draft.quantity) pool.quantity = pool.quantity + *draft.quantity;
    pool.members.push_back(i);
  }
  if (options.free_tier) allow_free(prices, month_hours, pools);
  for (const auto& [key, pool] : pools) price_pool(pool, drafts, lines);

  Report report;
  report.month = options.month;
  report.basis = options.basis == ReportOptions::Basis::kEstimate ? "estimate" : "to_date";
  report.hours = options.hours;
  std::map<std::string, EnvironmentReport> environments;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const std::string& name = drafts[i].environment;
    if (!options.environment.empty() && name != options.environment) continue;
    EnvironmentReport& environment = environments[name];
    environment.environment = name;
    environment.lines.push_back(std::move(lines[i]));
  }
  for (auto& [name, environment] : environments)
    report.environments.push_back(std::move(environment));
  if (usage_file != nullptr) compare_with_document(*usage_file, report);
  add_up(report);
  return report;
}

}  // namespace fleetmeter::cost
