#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/attribution.h"
#include "aggregator/datapoint_rows.h"
#include "aggregator/metric_owner.h"
#include "parsers/index_table.h"
#include "parsers/metric_batch.h"
#include "parsers/metric_support.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// CloudWatch takes no longer text in what names a metric: 1,024 bytes are a dimension's value, names
/// have 255 (Amazon CloudWatch API Reference, "Dimension", "MetricDatum"). Each distinct text is
/// kept: without a limit few datapoints fill the memory.
inline constexpr std::size_t kMetricTextBytesMax = 1024;
inline constexpr std::size_t kMetricTextsBytesMax = 64 * 1024;  ///< 30 dimensions have room.

/// The metric half of the partial aggregates: series of a commit by identity, datapoints as they
/// came. What the table makes of two values of one key is decided where all of them meet, so a
/// commit may be cut anywhere.
class MetricCollector {
 public:
  MetricCollector(Attribution& attribution, std::uint32_t series_max)
      : attribution_(attribution), series_max_(series_max) {}

  /// Environment index of the record; its series is known from here on.
  struct Taken {
    std::uint32_t environment = 0;
    /// Why the datapoint is not kept: "series_over_limit", of a new series beyond series_max;
    /// "text_over_limit", of one with longer texts than that. Else null.
    const char* drop = nullptr;
  };
  Taken add(const parsers::MetricBatch& batch, const parsers::MetricRecord& record,
            std::int64_t start_s);

  /// Moves the datapoints of an environment into its batch.
  void take(std::uint32_t environment, proto::AggregateBatch& batch);
  /// After every environment was taken; keeps the memory.
  void clear();
  /// Environments are looked up again from here on; datapoints already added stay where they are.
  void inventory_changed();

 private:
  /// What the commit has of an environment: whole blocks in `batch`, and the rows behind them.
  struct Open {
    proto::AggregateBatch batch;
    DatapointRows block;
    std::size_t block_rows = 0;
    std::uint32_t rows = 0;  ///< Of all blocks.
  };
  struct KnownSeries {
    std::string_view key;  ///< Into keys_: the texts of its identity, each after its size.
    std::uint32_t environment = 0;
    std::uint32_t epoch = 0;
    Validity stretch = {};     ///< Within the epoch: the environment is known for it.
    std::uint64_t commit = 0;  ///< Last commit that carried it.
    std::uint32_t batch_environment = 0, in_batch = 0;  ///< Where it stands there.
    /// MetricRecord::identity of the last record that it was compared with as a whole.
    std::uint64_t identity = 0;
  };
  std::uint32_t environment_of(const parsers::MetricRecord& record,
                               std::span<const parsers::Dimension> dimensions, std::int64_t at_s,
                               Validity& stretch);
  std::string_view environment_by(Inventory::Facts facts, const MetricOwner& owner) const;
  /// Index of its series, which is known from here on; kNone when its texts are too long.
  std::uint32_t series_of(const parsers::MetricRecord& record,
                          std::span<const parsers::Dimension> dimensions);
  std::uint32_t index_in_batch(KnownSeries& series, std::uint32_t environment);
  static void write_block(Open& open);

  Attribution& attribution_;
  std::optional<MetricOwners> owners_;  ///< Made when first needed.
  std::uint32_t series_max_;
  std::uint32_t series_in_commit_ = 0;
  std::uint64_t commit_ = 1;
  std::string key_;  ///< Scratch: the identity of a new series.
  parsers::IndexTable ids_;
  std::vector<KnownSeries> series_;
  parsers::TextArena keys_;
  std::uint32_t last_ = 0;  ///< Series of the last datapoint.
  std::vector<Open> open_;  ///< By environment.
};

}  // namespace fleetmeter::aggregator
