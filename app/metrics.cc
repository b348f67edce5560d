#include "app/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "app/command.h"

namespace fleetmeter::app {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// Families in the order they are added; one call a sample.
class Families {
 public:
  void add(const char* name, const char* help, MetricType type, double value,
           std::vector<ClientMetric::Label> labels = {}) {
    if (families_.empty() || families_.back().name != name)
      families_.push_back({name, help, type, {}});
    ClientMetric metric;
    metric.label = std::move(labels);
    if (type == MetricType::Counter) metric.counter.value = value;
    if (type == MetricType::Gauge) metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void counter(const char* name, const char* help, std::uint64_t value,
               std::vector<ClientMetric::Label> labels = {}) {
    add(name, help, MetricType::Counter, static_cast<double>(value), std::move(labels));
  }
  void gauge(const char* name, const char* help, double value,
             std::vector<ClientMetric::Label> labels = {}) {
    add(name, help, MetricType::Gauge, value, std::move(labels));
  }
  [[nodiscard]] const std::vector<MetricFamily>& all() const noexcept { return families_; }

 private:
  std::vector<MetricFamily> families_;
};

Families about_us() {
  Families out;
  out.gauge("fleetmeter_build_info", "Always 1; the version is a label.", 1,
            {{"version", std::string(kVersion)}});
  return out;
}

void add_decode(Families& out, const parsers::DecodeCounts& counts,
                const std::map<std::string, std::uint64_t>& dropped) {
  const char* records = "Flow records kept, by log-status.";
  out.counter("fleetmeter_flow_records_total", records, counts.flows.ok, {{"status", "OK"}});
  out.counter("fleetmeter_flow_records_total", records, counts.flows.nodata,
              {{"status", "NODATA"}});
  out.counter("fleetmeter_flow_records_total", records, counts.flows.skipdata,
              {{"status", "SKIPDATA"}});
  out.counter("fleetmeter_flow_headers_total", "Header lines of flow logs.", counts.flows.headers);
  out.counter("fleetmeter_flow_unwindowed_total",
              "Flow records without start, or of a format without bytes: in no window.",
              counts.flows.unwindowed);
  out.counter("fleetmeter_flow_unknown_fields_total", "Columns that no flow log version knows.",
              counts.flows.unknown_fields);
  out.counter("fleetmeter_flow_unknown_values_total", "Values that no flow log version knows.",
              counts.flows.unknown_values);
  out.counter("fleetmeter_flow_absent_values_total",
              "Values that cannot be read or are out of range, taken as absent.",
              counts.flows.absent_optional);
  out.counter("fleetmeter_datapoint_unknown_keys_total",
              "Keys and statistics of datapoints that are unknown, or whose value cannot be read.",
              counts.metrics.unknown_keys);
  out.counter("fleetmeter_datapoints_total", "Datapoints of metric streams kept.",
              counts.metrics.datapoints);
  out.counter("fleetmeter_control_messages_total", "CloudWatch Logs control messages.",
              counts.control_messages);
  out.counter("fleetmeter_duplicate_log_events_total",
              "Log events dropped because their id was seen before.", counts.duplicate_events);
  out.counter("fleetmeter_duplicate_requests_total",
              "Firehose requests in messages or files dropped because their id was seen before.",
              counts.duplicate_requests);
  const char* help = "Input dropped, by reason: lines, datapoints, frames or payloads.";
  for (std::size_t i = 0; i < static_cast<std::size_t>(parsers::FlowDrop::kCount); ++i) {
    out.counter("fleetmeter_dropped_total", help, counts.flows.dropped[i],
                {{"kind", "flow_record"},
                 {"reason", std::string(to_string(static_cast<parsers::FlowDrop>(i)))}});
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(parsers::MetricDrop::kCount); ++i) {
    out.counter("fleetmeter_dropped_total", help, counts.metrics.dropped[i],
                {{"kind", "datapoint"},
                 {"reason", std::string(to_string(static_cast<parsers::MetricDrop>(i)))}});
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(parsers::PayloadDrop::kCount); ++i) {
    out.counter("fleetmeter_dropped_total", help, counts.dropped[i],
                {{"kind", "payload"},
                 {"reason", std::string(to_string(static_cast<parsers::PayloadDrop>(i)))}});
  }
  for (const auto& [reason, count] : dropped) {
    out.counter("fleetmeter_dropped_total", help, count, {{"kind", "record"}, {"reason", reason}});
  }
}

void add_ingest(Families& out, ingest::IngestCounters& counters) {
  out.counter("fleetmeter_read_bytes_total", "Raw bytes read from all sources.",
              counters.bytes_read);
  out.counter("fleetmeter_commits_total", "Commits of batches with their positions.",
              counters.commits);
  out.counter("fleetmeter_commit_failures_total",
              "Commits that the log refused; each is tried again.", counters.commit_failures);
  out.counter("fleetmeter_firehose_requests_total", "POST requests to the Firehose endpoint.",
              counters.requests);
  out.counter("fleetmeter_firehose_refused_total", "Of these, refused.", counters.requests_refused);
  out.counter("fleetmeter_firehose_repeated_total",
              "Of these, repeats of a committed request: answered, not counted again.",
              counters.requests_repeated);
  out.counter("fleetmeter_files_done_total", "Files read to their end.", counters.files_done);
  out.gauge("fleetmeter_files_missing", "Paths of followed sources that match nothing yet.",
            static_cast<double>(counters.files_missing));
  out.counter("fleetmeter_files_failed_total", "Files that could not be read to their end.",
              counters.files_failed);
  const std::lock_guard lock(counters.mutex);
  add_decode(out, counters.decode, counters.dropped);
}

void add_evaluation(Families& out, const EvaluationView& view) {
  out.gauge("fleetmeter_log_position", "Last position of the aggregate log.",
            static_cast<double>(view.last));
  out.gauge("fleetmeter_log_applied_position", "Position up to which the log is evaluated.",
            static_cast<double>(view.applied));
  std::map<std::pair<std::string, std::string>, std::uint64_t> states;
  for (const alarms::AlarmView& alarm : view.alarms)
    ++states[{alarm.environment, alarm.unknown ? "UNKNOWN" : to_string(alarm.state)}];
  for (const auto& [key, count] : states) {
    out.gauge("fleetmeter_alarms",
              "Alarms by state; UNKNOWN = not heard of, the state is the last known one.",
              static_cast<double>(count), {{"environment", key.first}, {"state", key.second}});
  }
  for (const auto& [type, count] : view.events_by_type) {
    out.counter("fleetmeter_events_total", "Events decided since start, by type.", count,
                {{"type", type}});
  }
  const auto per_shard = [&](const char* name, const char* help, auto value, MetricType type) {
    for (const Evaluator::ShardView& shard : view.shards) {
      out.add(name, help, type, static_cast<double>(value(shard)),
              {{"environment", shard.environment}});
    }
  };
  using Shard = Evaluator::ShardView;
  per_shard(
      "fleetmeter_series", "Series in the datapoint table.",
      [](const Shard& s) { return s.series; }, MetricType::Gauge);
  per_shard(
      "fleetmeter_series_over_limit_total", "New series kept out by the limit.",
      [](const Shard& s) { return s.series_over_limit; }, MetricType::Counter);
  per_shard(
      "fleetmeter_late_records_total", "Flow records too late for a decision; billed all the same.",
      [](const Shard& s) { return s.late_records; }, MetricType::Counter);
  per_shard(
      "fleetmeter_evaluations_total", "Alarm evaluations.",
      [](const Shard& s) { return s.evaluations; }, MetricType::Counter);
  for (const auto& lag : view.lags) {
    out.gauge("fleetmeter_source_read_to_seconds",
              "Event time that a source has been read to, Unix seconds.",
              static_cast<double>(lag.read_to_s), {{"source", lag.source}});
  }
}

void add_delivery(Families& out, const alarms::DeliveryCounters* delivery) {
  if (delivery == nullptr) return;
  out.counter("fleetmeter_delivery_attempts_total", "Attempts to deliver.", delivery->attempts);
  out.counter("fleetmeter_delivered_total", "Deliveries that the receiver took.",
              delivery->delivered);
  out.counter("fleetmeter_delivery_failed_total", "Attempts that failed and are tried again.",
              delivery->failed);
  out.counter("fleetmeter_delivery_dead_total", "Given up: dead letters.", delivery->dead);
  out.counter("fleetmeter_delivery_expired_total", "Scaling actions that came too late to act on.",
              delivery->expired);
}

void add_outbox(Families& out, Service& service) {
  const auto counts = service.log().outbox_counts();
  if (!counts) return;
  const auto pending = counts->find(aggregator::DeliveryState::kPending);
  out.gauge("fleetmeter_outbox_pending", "Deliveries that wait.",
            pending == counts->end() ? 0 : static_cast<double>(pending->second));
}

}  // namespace

std::string metrics_text(ingest::IngestCounters& counters) {
  Families out = about_us();
  add_ingest(out, counters);
  return prometheus::TextSerializer().Serialize(out.all());
}

std::string metrics_text(const alarms::DeliveryCounters* delivery) {
  Families out = about_us();
  add_delivery(out, delivery);
  return prometheus::TextSerializer().Serialize(out.all());
}

std::string metrics_text(Service& service) {
  Families out = about_us();
  add_ingest(out, service.counters());
  add_evaluation(out, *service.view());
  add_delivery(out, service.delivery());
  add_outbox(out, service);
  return prometheus::TextSerializer().Serialize(out.all());
}

}  // namespace fleetmeter::app
