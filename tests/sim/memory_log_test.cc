#include "tests/sim/memory_log.h"

#include "tests/aggregator/log_contract.h"

// The simulation's log is held to the contract of the real ones: a law that holds over it holds
// over them.
namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kStartMs = 1'700'000'000'000;

class MemoryHarness final : public LogHarness {
 public:
  std::unique_ptr<AggregateLog> open() override {
    return std::make_unique<sim::MemoryLog>(disk_, clock_);
  }
  ManualClock& clock() override { return clock_; }
  bool damage_newest_snapshot() override { return disk_.damage_newest_snapshot(); }

 private:
  ManualClock clock_{WallTime(Milliseconds(kStartMs))};
  sim::MemoryDisk disk_;
};

INSTANTIATE_TEST_SUITE_P(Memory, LogContract,
                         testing::Values(LogHarnessFactory{
                             "memory", [] { return std::make_unique<MemoryHarness>(); }}));

}  // namespace
}  // namespace fleetmeter::aggregator
