#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "alarms/delivery.h"

namespace fleetmeter::sim {

/// Small seeded random numbers, equal on every machine and library.
class Random {
 public:
  explicit Random(std::uint64_t seed)
      : state_(seed * 0x9e3779b97f4a7c15ULL + 0x2545f4914f6cdd1dULL) {}
  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::int64_t below(std::int64_t limit) noexcept {  ///< In [0, limit); 0 for limit <= 0.
    return limit <= 0 ? 0 : static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(limit));
  }
  bool chance(double probability) noexcept {
    return static_cast<double>(next() >> 11) < probability * 0x1.0p53;
  }

 private:
  std::uint64_t state_;
};

/// A whole minute; the process starts here, telemetry 2 min later.
inline constexpr std::int64_t kStart = 1'700'000'100;
/// 0-3 in prod (group "web"), 4 and 5 in staging.
inline constexpr int kMachines = 6;

/// One thing that AWS has to tell: a line of a flow log or one datapoint as JSON, known from
/// `ready_s` on.
struct Item {
  int machine = 0;
  bool metric = false;
  bool by_file = false;  ///< Written to the followed file; else pushed.
  std::int64_t slot_end_s = 0;
  std::int64_t ready_s = 0;
  std::string text = {};
};

/// Telemetry of a fleet of six: CPU of each machine with surges, a minute apart; two flow lines a
/// minute and machine with bursts of rejects. With `silence` the last machine says nothing for ten
/// minutes. A function of its arguments alone.
struct Telemetry {
  Telemetry(std::uint32_t seed, std::int64_t minutes, bool silence = false);
  std::int64_t begin_s, end_s;
  /// Machine 5 sends no metrics whose slot ends in (from, to].
  std::int64_t silent_from_s, silent_to_s;
  std::vector<Item> items;                         ///< By ready time.
  std::uint64_t flow_bytes = 0, flow_records = 0;  ///< Of OK records.
  std::uint64_t log_lines = 0, datapoints = 0;     ///< Every line, NODATA too.
};

/// Which alarms: without rules that look at silence, or with such that take it for a fault.
enum class Rules : std::uint8_t { kPresent, kSilence };
[[nodiscard]] std::string config_yaml(Rules rules);
[[nodiscard]] std::string inventory_yaml();
[[nodiscard]] std::map<std::string, alarms::Receiver> receivers();
[[nodiscard]] std::string instance_id(int machine);

}  // namespace fleetmeter::sim
