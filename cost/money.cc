#include "cost/money.h"

#include <algorithm>

#include "proto/check.h"

namespace fleetmeter::cost {
namespace {

__extension__ typedef __int128 Wide;

constexpr Wide kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr Wide kInt64Min = std::numeric_limits<std::int64_t>::min();

std::int64_t narrow(Wide value) noexcept {
  return static_cast<std::int64_t>(std::clamp(value, kInt64Min, kInt64Max));
}

/// value / divisor rounded half away from zero; divisor > 0.
Wide divide_rounded(Wide value, Wide divisor) noexcept {
  const Wide half = divisor / 2;
  return value >= 0 ? (value + half) / divisor : -((-value + half) / divisor);
}

/// The integer value of `decimal` x 10^digits; `round` allows further digits and rounds them half
/// up.
std::optional<std::int64_t> parse_scaled(std::string_view decimal, int digits,
                                         bool round) noexcept {
  const bool negative = decimal.starts_with('-');
  if (negative || decimal.starts_with('+')) decimal.remove_prefix(1);
  Wide value = 0;
  int after_point = -1;  // Digits met behind the point; -1 before it.
  bool any = false;
  bool round_up = false;
  for (const char c : decimal) {
    if (c == '.' && after_point < 0) {
      after_point = 0;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    any = true;
    if (after_point >= digits) {
      if (!round && c != '0') return std::nullopt;
      if (after_point == digits) round_up = c >= '5';
      ++after_point;
      continue;
    }
    if (after_point >= 0) ++after_point;
    value = value * 10 + (c - '0');
    if (value > kInt64Max) return std::nullopt;
  }
  if (!any) return std::nullopt;
  for (int i = std::max(after_point, 0); i < digits; ++i) {
    value *= 10;
    if (value > kInt64Max) return std::nullopt;
  }
  if (round_up) ++value;
  if (value > kInt64Max) return std::nullopt;
  return static_cast<std::int64_t>(negative ? -value : value);
}

/// `value` / 10^digits with at least `keep` digits behind the point and no further trailing zeros.
std::string format_scaled(Wide value, int digits, int keep) {
  const bool negative = value < 0;
  Wide rest = negative ? -value : value;
  std::string text;
  for (int i = 0; rest > 0 || i <= digits; ++i) {
    if (i == digits && digits > 0) text.push_back('.');
    text.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  }
  std::reverse(text.begin(), text.end());
  if (const std::size_t point = text.find('.'); point != std::string::npos) {
    const std::size_t least = keep == 0 ? point : point + 1 + static_cast<std::size_t>(keep);
    while (text.size() > least && (text.back() == '0' || text.back() == '.')) text.pop_back();
  }
  return negative ? "-" + text : text;
}

}  // namespace

Money multiply(Money unit_price, Quantity quantity) noexcept {
  if (!quantity.fits()) return {std::numeric_limits<std::int64_t>::max()};
  return {narrow(divide_rounded(Wide{unit_price.e10_usd} * quantity.e9_units, kQuantityOne))};
}

Quantity multiply(Quantity quantity, std::int64_t factor) noexcept {
  if (!quantity.fits()) return quantity;
  return {narrow(Wide{quantity.e9_units} * factor)};
}

Quantity scale(Quantity quantity, std::int64_t numerator, std::int64_t denominator) noexcept {
  FM_CHECK(denominator > 0);
  if (!quantity.fits()) return quantity;
  return {narrow(divide_rounded(Wide{quantity.e9_units} * numerator, denominator))};
}

Money share(Money total, Quantity part, Quantity whole) noexcept {
  FM_CHECK(whole.e9_units > 0);
  return {narrow(divide_rounded(Wide{total.e10_usd} * part.e9_units, whole.e9_units))};
}

Money unit_price(Money amount, Quantity quantity) noexcept {
  FM_CHECK(quantity.e9_units > 0);
  return {narrow(divide_rounded(Wide{amount.e10_usd} * kQuantityOne, quantity.e9_units))};
}

Quantity gigabytes(std::uint64_t bytes, std::uint64_t bytes_per_gb) noexcept {
  return ratio(bytes, bytes_per_gb);
}

Quantity ratio(std::uint64_t count, std::uint64_t per) noexcept {
  FM_CHECK(per > 0);
  return {narrow(divide_rounded(Wide{count} * kQuantityOne, Wide{per}))};
}

std::optional<Money> parse_money(std::string_view decimal) noexcept {
  const std::optional<std::int64_t> value = parse_scaled(decimal, 10, false);
  if (!value) return std::nullopt;
  return Money{*value};
}

std::optional<Quantity> parse_quantity(std::string_view decimal, unsigned per_power10) noexcept {
  FM_CHECK(per_power10 <= 9);
  const std::optional<std::int64_t> value =
      parse_scaled(decimal, 9 - static_cast<int>(per_power10), per_power10 > 0);
  if (!value) return std::nullopt;
  return Quantity{*value};
}

std::string to_cents(Money money) {
  return format_scaled(divide_rounded(Wide{money.e10_usd}, 100'000'000), 2, 2);
}

std::string to_decimal(Money money) { return format_scaled(money.e10_usd, 10, 0); }

std::string to_decimal(Quantity quantity) { return format_scaled(quantity.e9_units, 9, 0); }

}  // namespace fleetmeter::cost
