#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fleetmeter::cost {

/// US dollars as an integer of 1e-10 USD: exact for unit prices like 0.0000166667, up to 922 M USD. Never a double.
struct Money {
  std::int64_t e10_usd = 0;
  friend constexpr auto operator<=>(const Money&, const Money&) = default;
  friend constexpr Money operator+(Money a, Money b) noexcept { return {a.e10_usd + b.e10_usd}; }
  friend constexpr Money operator-(Money a, Money b) noexcept { return {a.e10_usd - b.e10_usd}; }
  constexpr Money& operator+=(Money b) noexcept { e10_usd += b.e10_usd; return *this; }
};

/// A quantity as an integer of 1e-9 units: hours, GB (2^30 bytes), GB-months, LCU-hours, requests.
struct Quantity {
  std::int64_t e9_units = 0;
  friend constexpr auto operator<=>(const Quantity&, const Quantity&) = default;
};

/// price x quantity, rounded half away from zero to 1e-10 USD; 128-bit inside.
[[nodiscard]] Money multiply(Money unit_price, Quantity quantity) noexcept;
/// bytes / 2^30 (or / 10^9 with decimal GB), rounded half up to 1e-9.
[[nodiscard]] Quantity gigabytes(std::uint64_t bytes, std::uint64_t bytes_per_gb = 1ull << 30) noexcept;

[[nodiscard]] std::optional<Money> parse_money(std::string_view decimal) noexcept;       ///< "0.0000166667"
[[nodiscard]] std::optional<Quantity> parse_quantity(std::string_view decimal) noexcept;
[[nodiscard]] std::string to_cents(Money money);      ///< Half up to cents: "32.85".
[[nodiscard]] std::string to_decimal(Money money);    ///< All digits that matter: "0.0000166667".
[[nodiscard]] std::string to_decimal(Quantity quantity);

}  // namespace fleetmeter::cost
