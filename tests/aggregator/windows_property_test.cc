// Laws of the way from bytes to closed windows and datapoints, on seeded telemetry with bad lines,
// headers in mid-stream, NODATA and SKIPDATA in it: how it is delivered, where commits lie and in
// which order their batches come changes nothing of what is summed, closed or stored.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "aggregator/partial_aggregator.h"
#include "aggregator/shard.h"
#include "generate/fleet.h"
#include "generate/metric_text.h"
#include "tests/aggregator/log_records.h"
#include "tests/parsers/deliveries.h"

namespace fleetmeter::aggregator {
namespace {

using generate::MetricFormat;
using parsers::testing::Delivery;

constexpr GridTime kNoon = 1'700'000'400;
constexpr GridTime kEnd = kNoon + 7200;
static_assert(kNoon % 600 == 0);
constexpr std::string_view kFleet = R"(
vpc_cidr: 10.0.0.0/16
region: us-east-1
subnets:
  - { id: subnet-a, cidr: 10.0.1.0/24, az: us-east-1a }
  - { id: subnet-b, cidr: 10.0.2.0/24, az: us-east-1b }
interfaces:
  - { id: eni-0, subnet: subnet-a, instance: i-a, addresses: [10.0.1.5], role: instance }
  - { id: eni-1, subnet: subnet-b, instance: i-b, addresses: [10.0.2.6], role: instance }
  - { id: eni-2, addresses: [10.0.101.78], role: nat }
)";

std::shared_ptr<const Inventory> fleet() {
  std::vector<Inventory::Problem> warnings;
  auto parsed = Inventory::parse({{"fleet.yaml", std::string(kFleet)}}, {}, warnings);
  EXPECT_TRUE(parsed.has_value());
  return parsed ? *parsed : Inventory::empty({});
}

/// The records of one source partition.
struct Source {
  std::string name;
  std::vector<std::string> records;
};

/// Of every series and slot, from the start, that has a value: count, sum, minimum, maximum, lower bound.
using Values =
    std::map<std::pair<std::string, GridTime>, std::tuple<double, double, double, double, bool>>;

struct Outcome {
  Combined sums;
  Values values;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// One way of commits: a commit after one of so many calls of the decoder; 0 = one at the end.
struct Commits {
  std::uint32_t one_in = 0;
  bool shuffled = false;
};

class WindowsPropertyTest : public testing::Test {
 protected:
  /// The batches of one source, in the order of its commits.
  std::vector<proto::AggregateBatch> batches_of(const Source& source, Delivery delivery,
                                                std::uint32_t commit_one_in) {
    PartialAggregatorOptions options;
    options.environment = "e";
    options.source = source.name;
    PartialAggregator aggregator(inventory, options);
    aggregator.set_now(end_s());
    parsers::DecoderOptions decoding;
    decoding.fields = PartialAggregator::fields_needed();
    parsers::Decoder decoder(decoding, aggregator);
    std::vector<proto::AggregateBatch> batches;
    const auto commit = [&] {
      for (proto::AggregateBatch& batch : aggregator.take()) batches.push_back(std::move(batch));
    };
    deliver(source.records, delivery, random, decoder, [&] {
      if (commit_one_in > 0 && random() % commit_one_in == 0) commit();
    });
    commit();
    return batches;
  }

  Outcome run(const std::vector<Source>& sources, Delivery delivery, Commits commits) {
    std::vector<proto::AggregateBatch> batches;
    for (const Source& source : sources) {
      for (proto::AggregateBatch& batch : batches_of(source, delivery, commits.one_in))
        batches.push_back(std::move(batch));
    }
    batch_count += batches.size();
    if (commits.shuffled) std::ranges::shuffle(batches, random);

    Shard shard(shard_options());
    Outcome outcome;
    for (proto::AggregateBatch& batch : batches) {
      combine(batch, outcome.sums);
      proto::LogRecord record;
      record.set_append_time_ms(end_s() * 1000);
      *record.mutable_batch() = std::move(batch);
      apply(shard, record);
    }
    for (const Source& source : sources)
      apply(shard, progress_record(end_s(), source.name, end_s()));
    apply(shard, tick_record(end_s(), end_s() - 10));
    EXPECT_EQ(shard.late_records(), 0u);
    outcome.values = values_of(shard);
    return outcome;
  }

  static ShardOptions shard_options() {
    ShardOptions options;
    options.environment = "e";
    // JSON says no period, and one that is learned depends on which starts come first.
    options.settings = {{"AWS/EC2", "", 60, -1}};
    return options;
  }

  static void apply(Shard& shard, const proto::LogRecord& record) {
    std::vector<Change> changes;
    shard.apply(record, changes);
    for (const Change& change : changes) shard.table().set_retention(change.series, 86'400);
  }

  [[nodiscard]] GridTime end_s() const { return from_s + (kEnd - kNoon); }

  Values values_of(const Shard& shard) const {
    Values values;
    for (SeriesId id = 0; id < shard.table().size(); ++id) {
      const SeriesInfo& info = shard.table().info(id);
      const GridTime period_s = info.own_period_s;
      for (GridTime end_s = from_s; end_s <= from_s + 3600; end_s += period_s) {
        const Slot slot = shard.table().slot(id, end_s, info.own_period_s, shard.frontier());
        if (slot.state != SlotState::kPresent) continue;
        values[{info.key.display(), end_s - from_s}] = {slot.value.sample_count, slot.value.sum,
                                                        slot.value.minimum, slot.value.maximum,
                                                        slot.value.lower_bound};
      }
    }
    return values;
  }

  std::shared_ptr<const Inventory> inventory = fleet();
  GridTime from_s = kNoon;
  std::mt19937 random{1};
  std::size_t batch_count = 0;
};

TEST_F(WindowsPropertyTest, AnyDeliveryAnyCommitsAndAnyOrderOfBatchesCloseTheSameWindows) {
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    const parsers::testing::LineOptions options{.start_s = kNoon, .long_records = seed % 2 == 1};
    const std::vector<Source> sources = {
        {"file-1", parsers::testing::mixed_lines(seed, 250, options)},
        {"file-2", parsers::testing::mixed_lines(seed + 100, 150, options)}};
    const Outcome whole = run(sources, Delivery::kText, {});
    ASSERT_GT(whole.sums.flows.size(), 100u);
    ASSERT_GT(whole.values.size(), seed % 2 == 1 ? 30u : 300u);
    for (const Delivery delivery : parsers::testing::kDeliveries) {
      SCOPED_TRACE(std::string{to_string(delivery)} + ", seed " + std::to_string(seed));
      ASSERT_EQ(run(sources, delivery, {.one_in = 1, .shuffled = true}), whole);
      ASSERT_EQ(run(sources, delivery, {.one_in = 6, .shuffled = true}), whole);
    }
  }
  EXPECT_GT(batch_count, 500u);
}

TEST_F(WindowsPropertyTest, WindowsClosedWhileTheFileIsReadAreThoseOfTheWholeFile) {
  std::size_t closings = 0;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    const Source source{
        "file-1", parsers::testing::mixed_lines(seed, 300, {.start_s = kNoon, .by_time = true})};
    const Outcome whole = run({source}, Delivery::kText, {});
    Shard shard(shard_options());
    for (const proto::AggregateBatch& batch : batches_of(source, Delivery::kGzipMembers, 4)) {
      const GridTime read_to_s = batch.event_time_max_s();
      proto::LogRecord record;
      record.set_append_time_ms(kEnd * 1000);
      *record.mutable_batch() = batch;
      apply(shard, record);
      const std::size_t before = values_of(shard).size();
      apply(shard, progress_record(kEnd, source.name, read_to_s, {.caught_up = false}));
      apply(shard, tick_record(kEnd, read_to_s / 10 * 10));
      closings += values_of(shard).size() > before ? 1 : 0;
    }
    apply(shard, progress_record(kEnd, source.name, kEnd));
    apply(shard, tick_record(kEnd, kEnd - 10));
    EXPECT_EQ(shard.late_records(), 0u);
    ASSERT_EQ(values_of(shard), whole.values);
  }
  EXPECT_GT(closings, 10u);
}

// docs/time.md 3: the bill alone splits them.
TEST_F(WindowsPropertyTest, RecordsAcrossAMonthsFirstMidnightCloseTheWindowsOfAnyOtherDay) {
  constexpr GridTime kDecember = 1'701'388'800;
  static_assert(kDecember % 86'400 == 0);
  for (const std::int64_t length_s : {59, 61, 119, 120, 300, 900}) {
    SCOPED_TRACE(length_s);
    const auto values_at = [&](GridTime midnight_s) {
      from_s = midnight_s - 600;
      const Source source{"file-1", parsers::testing::mixed_lines(
                                        3, 250, {.start_s = from_s, .length_s = length_s})};
      return run({source}, Delivery::kText, {.one_in = 3}).values;
    };
    const Values whole = values_at(kDecember + 86'400);
    ASSERT_GT(whole.size(), 30u);
    EXPECT_EQ(values_at(kDecember), whole);
  }
}

/// Datapoints of a few series, many of them for a slot that has one already, of another count.
std::vector<std::string> datapoints(MetricFormat format, std::mt19937& random) {
  generate::MetricText text{format, "s", "123456789012", "us-east-1"};
  std::vector<std::uint32_t> series;
  for (int i = 0; i < 4; ++i) {
    series.push_back(text.add_series(
        {"AWS/EC2", "CPUUtilization", "Percent", {{"InstanceId", "i-" + std::to_string(i)}}}));
  }
  std::vector<std::string> records(200);
  for (std::string& record : records) {
    const double value = static_cast<double>(random() % 1000) / 8;
    const auto count = static_cast<double>(1 + random() % 3);
    text.append(series[random() % series.size()], kNoon + 60 * (random() % 20), 60,
                {count, count * value, value / 2, value}, record);
    text.end_frame(record);
  }
  return records;
}

TEST_F(WindowsPropertyTest, AnyDeliveryAnyCommitsAndAnyOrderOfBatchesStoreTheSameDatapoints) {
  Values of_json;
  for (const MetricFormat format :
       {MetricFormat::kJson, MetricFormat::kOtlp07, MetricFormat::kOtlp10}) {
    std::mt19937 same_for_all{7};
    const std::vector<Source> sources = {{"metrics-1", datapoints(format, same_for_all)},
                                         {"metrics-2", datapoints(format, same_for_all)}};
    const Outcome whole = run(sources, Delivery::kText, {});
    ASSERT_GT(whole.values.size(), 60u);
    if (of_json.empty()) of_json = whole.values;
    ASSERT_EQ(whole.values, of_json) << "the three formats say the same";
    for (const Delivery delivery : parsers::testing::kDeliveries) {
      if (parsers::testing::is_for_messages(delivery)) continue;
      SCOPED_TRACE(to_string(delivery));
      ASSERT_EQ(run(sources, delivery, {.one_in = 1, .shuffled = true}), whole);
      ASSERT_EQ(run(sources, delivery, {.one_in = 6, .shuffled = true}), whole);
    }
  }
}

}  // namespace
}  // namespace fleetmeter::aggregator
