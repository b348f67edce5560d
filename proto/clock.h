#pragma once

#include <chrono>
#include <cstdint>

namespace fleetmeter {

using Milliseconds = std::chrono::milliseconds;
/// Milliseconds since the Unix epoch, UTC.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Milliseconds>;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// The only way real time enters: `wall()` to stamp and show, `steady()` to measure durations.
/// Thread safe. Code to the right of the aggregate log reads no clock at all (ARCHITECTURE.md D1).
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall() const = 0;
  [[nodiscard]] virtual SteadyTime steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
  }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

/// Test-only wall clock that starts at `start` when the real wall clock reads `anchor`, and runs
/// `rate` times as fast. Because it is a pure function of the real wall clock it goes on across
/// restarts when given the same values.
class RateClock final : public Clock {
 public:
  RateClock(WallTime anchor, WallTime start, double rate)
      : anchor_(anchor), start_(start), rate_(rate) {}
  [[nodiscard]] WallTime wall() const override {
    const auto real = std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
    const double elapsed_ms = static_cast<double>((real - anchor_).count()) * rate_;
    return start_ + Milliseconds(static_cast<std::int64_t>(elapsed_ms));
  }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }

 private:
  WallTime anchor_;
  WallTime start_;
  double rate_;
};

/// Stands still until told; for unit tests and the simulation.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start) : wall_(start) {}
  [[nodiscard]] WallTime wall() const override { return wall_; }
  [[nodiscard]] SteadyTime steady() const override {
    return SteadyTime(
        std::chrono::duration_cast<std::chrono::nanoseconds>(wall_.time_since_epoch()));
  }
  void advance(Milliseconds by) { wall_ += by; }
  void set(WallTime to) { wall_ = to; }

 private:
  WallTime wall_;
};

}  // namespace fleetmeter
