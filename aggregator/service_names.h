#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "aggregator/equal_bytes.h"
#include "aggregator/string_pool.h"

namespace fleetmeter::aggregator {

/// Small numbers for the names of AWS services (`pkt-src-aws-service`), of which there are some
/// twenty: met in most records, so found in a cache line each. Others than the first few dozen have
/// none. Not thread safe.
class ServiceNames {
 public:
  static constexpr int kBits = 7;  ///< Of a number.
  static constexpr std::uint32_t kNone = 0;
  static constexpr std::uint32_t kMany = (1u << kBits) - 1;  ///< A name without a number.

  /// kNone for the empty name.
  [[nodiscard]] std::uint32_t number(std::string_view name, StringPool& strings) {
    if (name.empty()) return kNone;
    if (name.size() > sizeof(Place::bytes)) return kMany;
    std::size_t at = (7 * name.size() + static_cast<unsigned char>(name.back())) % kPlaces;
    for (;; at = (at + 1) % kPlaces) {
      const Place& place = places_[at];
      const bool is_name =
          place.size == name.size() && equal_bytes(place.bytes.data(), name.data(), name.size());
      if (is_name) return static_cast<std::uint32_t>(at + 1);
      if (place.size == 0) break;
    }
    if (count_ == kPlaces / 2) return kMany;
    ++count_;
    Place& place = places_[at];
    place.id = strings.intern(name);
    place.size = static_cast<std::uint8_t>(name.size());
    std::memcpy(place.bytes.data(), name.data(), name.size());
    return static_cast<std::uint32_t>(at + 1);
  }
  /// In the pool that `number` was asked with.
  [[nodiscard]] std::uint32_t id(std::uint32_t number) const noexcept {
    return number == kNone ? 0 : places_[number - 1].id;
  }
  void clear() noexcept {
    places_ = {};
    count_ = 0;
  }

 private:
  struct alignas(32) Place {
    std::uint32_t id = 0;
    std::uint8_t size = 0;  ///< 0 = free.
    std::array<char, 27> bytes{};
  };
  static constexpr std::size_t kPlaces = 64;
  static_assert(kPlaces < kMany);

  std::array<Place, kPlaces> places_{};
  std::size_t count_ = 0;
};

}  // namespace fleetmeter::aggregator
