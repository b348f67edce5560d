#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace fleetmeter::cost {

/// What would leave 64 bits stays at the end of the range instead, and so does what is computed
/// from it: fits() tells, and a report says unknown rather than the end.
[[nodiscard]] constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? std::numeric_limits<std::int64_t>::min()
               : std::numeric_limits<std::int64_t>::max();
}
[[nodiscard]] constexpr std::int64_t saturating_subtract(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a < 0 ? std::numeric_limits<std::int64_t>::min()
               : std::numeric_limits<std::int64_t>::max();
}

/// US dollars as an integer of 1e-10 USD: exact for unit prices like 0.0000166667, up to 922 M USD.
/// Never a double.
struct Money {
  std::int64_t e10_usd = 0;
  [[nodiscard]] constexpr bool fits() const noexcept {
    return e10_usd != std::numeric_limits<std::int64_t>::max();
  }
  friend constexpr auto operator<=>(const Money&, const Money&) = default;
  friend constexpr Money operator+(Money a, Money b) noexcept {
    return {saturating_add(a.e10_usd, b.e10_usd)};
  }
  friend constexpr Money operator-(Money a, Money b) noexcept {
    return {saturating_subtract(a.e10_usd, b.e10_usd)};
  }
  constexpr Money& operator+=(Money b) noexcept { return *this = *this + b; }
};

/// A quantity as an integer of 1e-9 units: hours, GB (2^30 bytes), GB-months, LCU-hours, requests.
struct Quantity {
  std::int64_t e9_units = 0;
  [[nodiscard]] constexpr bool fits() const noexcept {
    return e9_units != std::numeric_limits<std::int64_t>::max();
  }
  friend constexpr auto operator<=>(const Quantity&, const Quantity&) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) noexcept {
    return {saturating_add(a.e9_units, b.e9_units)};
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) noexcept {
    return a.fits() ? Quantity{saturating_subtract(a.e9_units, b.e9_units)} : a;
  }
};
inline constexpr std::int64_t kQuantityOne = 1'000'000'000;
/// `count` whole units; from 9.2 thousand million on it does not fit.
[[nodiscard]] constexpr Quantity units(std::int64_t count) noexcept {
  std::int64_t e9_units = 0;
  if (!__builtin_mul_overflow(count, kQuantityOne, &e9_units)) return {e9_units};
  return {count < 0 ? std::numeric_limits<std::int64_t>::min()
                    : std::numeric_limits<std::int64_t>::max()};
}

/// price x quantity, rounded half away from zero to 1e-10 USD; 128-bit inside.
[[nodiscard]] Money multiply(Money unit_price, Quantity quantity) noexcept;
/// Quantity times `factor` (hours of a month times a count), and a / b x quantity rounded half away
/// from zero; b > 0.
[[nodiscard]] Quantity multiply(Quantity quantity, std::int64_t factor) noexcept;
[[nodiscard]] Quantity scale(Quantity quantity, std::int64_t numerator,
                             std::int64_t denominator) noexcept;
/// The part of `total` that `part` of `whole` stands for, rounded half away from zero; whole > 0.
[[nodiscard]] Money share(Money total, Quantity part, Quantity whole) noexcept;
/// Price of one unit when `quantity` of them cost `amount`, rounded half away from zero; quantity >
/// 0.
[[nodiscard]] Money unit_price(Money amount, Quantity quantity) noexcept;
/// bytes / 2^30 (or / 10^9 with decimal GB), rounded half up to 1e-9.
[[nodiscard]] Quantity gigabytes(std::uint64_t bytes,
                                 std::uint64_t bytes_per_gb = 1ull << 30) noexcept;
/// count / per, rounded half up to 1e-9: requests in units of 1,000, seconds as hours. per > 0.
[[nodiscard]] Quantity ratio(std::uint64_t count, std::uint64_t per) noexcept;

/// Plain decimals: digits with at most one point, an optional sign, nothing else ("0.0000166667").
/// nullopt on anything else, on more digits after the point than can be kept, and beyond the range.
[[nodiscard]] std::optional<Money> parse_money(std::string_view decimal) noexcept;
/// `per_power10`: the text counts single units while the quantity is in units of 10^n, e.g. 6 for
/// "1M requests"; digits beyond 1e-9 of those are rounded half up.
[[nodiscard]] std::optional<Quantity> parse_quantity(std::string_view decimal,
                                                     unsigned per_power10 = 0) noexcept;
[[nodiscard]] std::string to_cents(Money money);    ///< Half up to cents: "32.85".
[[nodiscard]] std::string to_decimal(Money money);  ///< All digits that matter: "0.0000166667".
[[nodiscard]] std::string to_decimal(Quantity quantity);

}  // namespace fleetmeter::cost
