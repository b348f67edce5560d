#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/inventory.h"
#include "app/flow_totals.h"
#include "app/flow_usage.h"
#include "parsers/decoder.h"

namespace fleetmeter::app {

/// Everything that `fleetmeter flows` says of its input. docs/json.md.
struct FlowSummary {
  struct BadFile {
    std::string file, error;
  };
  parsers::DecodeCounts counts;
  std::map<std::string, std::uint64_t> dropped;  ///< By the aggregator, by reason.
  Traffic accept, reject, no_action;
  /// Adds up to `accept`, the other to `no_action`: what no window takes is unclassified.
  PathClassTotals path_classes{}, no_action_path_classes{};
  std::map<cost::Charge, std::uint64_t> charges;
  std::vector<TopList> top;
  /// Records that count as "other" in the lists by interface and by owner: too many to tell apart.
  FlowsOverLimit over_limit;
  std::optional<std::uint64_t> first_s, last_s;  ///< Of the flow records; nullopt = none.
  std::vector<BadFile> bad_files;
  /// By reason: the file of a line that was dropped for it, and the line.
  parsers::FlowDropSamples::ByReason drop_samples;

  [[nodiscard]] std::uint64_t malformed() const noexcept;  ///< Lines and datapoints.
  [[nodiscard]] Traffic all() const noexcept;              ///< Of any action and none.
  /// Drops of any kind, for --strict.
  [[nodiscard]] bool anything_dropped() const noexcept;
};

/// What the lists of talkers are by, in the order they are shown.
[[nodiscard]] const std::vector<std::string>& top_keys();

/// Reads flow logs into a summary: a decoder's sink. Bounded input: nothing is late. Not thread
/// safe.
class FlowReader final : public parsers::PayloadSink {
 public:
  /// `environment` is forced on every record; empty = by the inventory.
  FlowReader(std::shared_ptr<const aggregator::Inventory> inventory, const std::string& environment,
             const FlowUsageLimits& limits = {});
  ~FlowReader() override;
  void on_flows(const parsers::FlowColumns& flows) override;
  /// Datapoints are counted by the decoder, nothing more is said of them.
  void on_metrics(const parsers::MetricBatch& /*metrics*/) override {}
  /// Refuses repeats, as far as RecentLogEvents remembers.
  bool keep_log_event(std::string_view event_id) override;
  bool keep_request(std::string_view request_id) override;

  [[nodiscard]] static parsers::FieldSet fields_needed();
  /// `counts`: the decoder's, over all input. `keys`: of top_keys().
  [[nodiscard]] FlowSummary summarize(const parsers::DecodeCounts& counts,
                                      const std::vector<std::string>& keys,
                                      std::size_t entries_max);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One document, `schema` 1, without line end.
[[nodiscard]] std::string flow_summary_json(const FlowSummary& summary);
/// Sections for people (table, markdown, html), or one flat CSV.
[[nodiscard]] std::string flow_summary_tables(const FlowSummary& summary);
[[nodiscard]] std::string flow_summary_markdown(const FlowSummary& summary);
[[nodiscard]] std::string flow_summary_html(const FlowSummary& summary);
[[nodiscard]] std::string flow_summary_csv(const FlowSummary& summary);
/// Drops by reason and files not read to their end, for stderr; empty = none.
[[nodiscard]] std::string flow_summary_problems(const FlowSummary& summary);

}  // namespace fleetmeter::app
