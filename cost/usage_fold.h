#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "proto/log.pb.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// Number of a string in the store's dictionary; 0 is the empty string.
using TextId = std::uint32_t;
/// Number of a combination of facts: an id of table flow_key.
using FlowKeyId = std::int64_t;

/// Facts of a flow as numbers, in the order of the columns of table flow_key.
enum FlowFact : std::size_t {
  kEnvironment,
  kStatus,
  kAction,
  kDirection,
  kPathClass,
  kNatLeg,
  kRole,
  kPeerRole,
  kInterface,
  kInterfaceAz,
  kOwner,
  kOwnerAz,
  kPeerOwner,
  kPeerAz,
  kPeerService,
  kPeerRegion,
  kPeerInterface,
  kTrafficPath,
  kFlowFacts,
};
using FlowFacts = std::array<std::uint32_t, kFlowFacts>;

/// Those facts of a series that are no text, all others 0.
[[nodiscard]] FlowFacts plain_facts(const proto::FlowAggregates& flows, int series);

/// Under what the minutes of one metric of a NAT gateway are kept. No instance id has a '/'.
[[nodiscard]] std::string gateway_sighting(std::string_view gateway, std::string_view metric);
/// Gateway and metric that a sighting is of; nullopt = it is an instance's.
[[nodiscard]] std::optional<std::pair<std::string_view, std::string_view>> read_gateway_sighting(
    std::string_view sighting) noexcept;

struct FlowFactsHash {
  [[nodiscard]] std::size_t operator()(const FlowFacts& facts) const noexcept;
};
/// In the order of table flow_hour.
struct FlowHour {
  std::uint32_t hour = 0;
  FlowKeyId key = 0;
  friend auto operator<=>(const FlowHour&, const FlowHour&) = default;
};
/// Of an hour. They stop at kMax instead of wrapping: over 2.5 PB/s, and what SQLite's INTEGER holds.
struct FlowSums {
  static constexpr std::uint64_t kMax = 0x7fffffffffffffff;
  std::uint64_t bytes = 0, packets = 0, records = 0;
  void add(const FlowSums& more) noexcept;
};

/// Gives strings and facts their numbers. May write to the store, hence may fail.
class TextIds {
 public:
  virtual ~TextIds() = default;
  virtual Result<TextId> id_of(std::string_view text) = 0;
  virtual Result<FlowKeyId> key_of(const FlowFacts& facts) = 0;
};

/// Of two values of one metric period the larger sample count wins, then the larger quantity: a
/// maximum, so that order never matters.
struct PeriodValue {
  std::int64_t sample_count_e6 = 0;
  std::int64_t quantity = 0;
  friend auto operator<=>(const PeriodValue&, const PeriodValue&) = default;
};

/// What some records of the log add to the hourly usage, in memory. Sums, maxima and unions only:
/// any order and any split of the records gives the same content.
class UsageFold {
 public:
  /// environment, hour, kind, resource
  using HourKey = std::tuple<TextId, std::uint32_t, TextId, TextId>;
  /// environment, instance or what gateway_sighting names, hour
  using MinuteKey = std::tuple<TextId, TextId, std::uint32_t>;
  /// environment, kind, resource, metric, start
  using PeriodKey = std::tuple<TextId, TextId, TextId, TextId, std::int64_t>;

  explicit UsageFold(TextIds& ids) : ids_(&ids) {}

  /// kDataLoss when the batch's columns do not fit together; what was added before stays.
  Result<void> add(const proto::AggregateBatch& batch);

  std::map<FlowHour, FlowSums> flows;
  std::map<HourKey, std::uint64_t> volumes;
  std::map<MinuteKey, std::uint64_t> minutes;  ///< Bit i = minute i of the hour was seen.
  std::map<PeriodKey, PeriodValue> periods;

 private:
  struct Strings;
  struct FlowSeries;
  struct MetricSeries;
  Result<std::vector<FlowSeries>> read_series(const proto::AggregateBatch& batch,
                                              TextId environment, Strings& strings);
  void add_rows(const aggregator::FlowRows& rows, std::span<FlowSeries> all);
  Result<void> add_unsized(const aggregator::FlowRows& rows, std::span<const FlowSeries> all,
                           TextId environment);
  Result<void> add_flows(const proto::AggregateBatch& batch, TextId environment, Strings& strings);
  Result<void> add_volumes(const proto::AggregateBatch& batch, TextId environment);
  Result<std::vector<MetricSeries>> read_metrics(const proto::AggregateBatch& batch);
  void add_points(const aggregator::DatapointRows& points, std::span<const MetricSeries> all,
                  TextId environment);
  Result<void> add_datapoints(const proto::AggregateBatch& batch, TextId environment);
  void see(TextId environment, TextId instance, std::int64_t first_minute,
           std::int64_t minutes_count);

  TextIds* ids_;
};

}  // namespace fleetmeter::cost
