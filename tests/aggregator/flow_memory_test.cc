// Memory of the window table, counted at the allocator.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>
#include <vector>

#include "aggregator/flow_minute.h"
#include "aggregator/flow_windows.h"
#include "tests/aggregator/log_records.h"

namespace {

std::size_t bytes_held = 0;
std::size_t bytes_held_max = 0;

void* counted_allocate(std::size_t bytes) noexcept {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) return nullptr;
  bytes_held += malloc_usable_size(memory);
  if (bytes_held > bytes_held_max) bytes_held_max = bytes_held;
  return memory;
}
void counted_free(void* memory) noexcept {
  bytes_held -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

// The rest of the operators call these; under a sanitizer that of nothrow is its own.
void* operator new(std::size_t bytes) {
  if (void* const memory = counted_allocate(bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return counted_allocate(bytes);
}
void operator delete(void* memory) noexcept { counted_free(memory); }
void operator delete(void* memory, std::size_t) noexcept { counted_free(memory); }

namespace fleetmeter::aggregator {
namespace {

constexpr GridTime kNoon = 1'700'000'400;

TEST(FlowMinute, TakesAtMost80BytesAnInterfaceWhileItGrows) {
  FlowMinute minute;
  const std::size_t before = bytes_held;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    minute.at(i * 7).accepted_bytes += i;
    const std::size_t spare_block = 64 * sizeof(FlowMinuteSums);
    ASSERT_LE(bytes_held - before, 80 * (i + 1) + spare_block + 256) << i;
  }
}

// DESIGN.md, the goal of 96 bytes a key: an interface of a minute, its share of the name included.
TEST(FlowWindows, Take96BytesAKeyForTenMinutesOfAFleet) {
  constexpr int kInterfaces = 20'000;
  constexpr int kMinutes = 10;
  FlowWindows windows{0};
  const std::size_t before = bytes_held;
  for (int minute = 0; minute < kMinutes; ++minute) {
    std::vector<FlowRow> rows;
    for (int i = 0; i < kInterfaces; ++i) {
      rows.push_back({.start_s = kNoon + 60 * minute,
                      .interface = "eni-0123456789abc" + std::to_string(10'000 + i)});
    }
    windows.add(flow_record(0, "s", "e", rows).batch(), 0);
  }
  const double a_key = static_cast<double>(bytes_held - before) / (kInterfaces * kMinutes);
  RecordProperty("bytes_a_key", std::to_string(a_key));
  EXPECT_LE(a_key, 96);

  std::vector<FlowWindow> closed;
  windows.close(kNoon + 60 * kMinutes, closed);
  ASSERT_EQ(closed.size(), std::size_t{kInterfaces * kMinutes});
  std::vector<FlowWindow>().swap(closed);
  EXPECT_LE(bytes_held - before, std::size_t{kInterfaces} * 160) << "the names alone";
}

TEST(FlowWindows, ForgetTheNamesOfInterfacesThatAreGone) {
  FlowWindows windows{0};
  std::size_t at_first = 0;
  std::vector<FlowWindow> closed;
  const std::size_t before = bytes_held;
  for (int hour = 0; hour < 20; ++hour) {
    std::vector<FlowRow> rows;
    for (int i = 0; i < 5000; ++i) {
      rows.push_back({.start_s = kNoon + 3600 * hour,
                      .interface = "eni-" + std::to_string(hour) + "-" + std::to_string(i)});
    }
    windows.add(flow_record(0, "s", "e", rows).batch(), 0);
    std::vector<FlowRow>().swap(rows);
    windows.close(kNoon + 3600 * hour + 1200, closed);
    std::vector<FlowWindow>().swap(closed);
    if (hour == 2) at_first = bytes_held - before;
  }
  EXPECT_LE(bytes_held - before, 2 * at_first);
}

}  // namespace
}  // namespace fleetmeter::aggregator
