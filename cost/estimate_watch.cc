#include <fmt/format.h>

#include "cost/estimate.h"

namespace fleetmeter::cost {
namespace {

/// A standard alarm is billed by metric evaluated; a period of 10 or 30 s makes it high-resolution.
/// Rule: Amazon CloudWatch pricing, "Alarms".
void price_alarm(Subject& subject) {
  std::int64_t metrics = 0;
  std::int64_t period_s = subject.integer("period", 60);
  for (std::int64_t i = 0; i < subject.count("metric_query"); ++i) {
    const std::string metric = fmt::format("metric_query.{}.metric", i);
    if (subject.count(metric) == 0) continue;  // An expression over the others.
    ++metrics;
    period_s = subject.integer(metric + ".0.period", period_s);
  }
  const bool high_resolution = period_s < 60;
  subject.add(high_resolution ? "high-resolution alarm" : "alarm",
              high_resolution ? "cloudwatch.alarm.high_resolution" : "cloudwatch.alarm.standard",
              units(metrics > 0 ? metrics : 1));
}

void price_composite_alarm(Subject& subject) {
  subject.add("composite alarm", "cloudwatch.alarm.composite", units(1));
}

void price_dashboard(Subject& subject) {
  subject.add("dashboard", "cloudwatch.dashboard", units(1));
}

void price_log_group(Subject& subject) {
  const bool infrequent = subject.text("log_group_class") == "INFREQUENT_ACCESS";
  subject.add_usage(
      "log ingestion",
      infrequent ? "cloudwatch.logs.ingestion_infrequent_access" : "cloudwatch.logs.ingestion",
      "monthly_data_ingested_gb");
  subject.add_if_used("log storage", "cloudwatch.logs.storage", "storage_gb");
  subject.add_if_used("log data scanned", "cloudwatch.logs.scanned", "monthly_data_scanned_gb");
}

/// Flow logs are vended logs: priced by where they go. Their log group then carries no ingestion of
/// theirs. Rule: Amazon CloudWatch pricing, "Vended logs".
void price_flow_log(Subject& subject) {
  const std::string destination = subject.text("log_destination_type", "cloud-watch-logs");
  const std::string key = destination == "cloud-watch-logs"        ? "cloud_watch_logs"
                          : destination == "kinesis-data-firehose" ? "kinesis_data_firehose"
                                                                   : destination;
  subject
      .add_usage("flow log ingestion", "cloudwatch.vended_logs." + key, "monthly_data_ingested_gb")
      .unit = "GB";
}

void price_metric_stream(Subject& subject) {
  subject.add_usage("metric updates", "cloudwatch.metric_stream.updates", "monthly_metric_updates",
                    3);
}

void price_zone(Subject& subject) {
  subject.add("hosted zone", "route53.zone", units(1));
  subject.add_if_used("standard queries", "route53.queries.standard", "monthly_standard_queries",
                      6);
}

void price_firehose(Subject& subject) {
  subject.add_usage("data ingested", "firehose.data", "monthly_data_ingested_gb");
}

void price_kafka(Subject& subject) {
  const std::int64_t brokers = subject.integer("number_of_broker_nodes", 0);
  const std::string type = subject.text("broker_node_group_info.0.instance_type");
  if (brokers == 0 || type.empty())
    return subject.add_unknown("broker hours", "number or type of the brokers is not known");
  subject.add("broker hours, " + type, "msk.broker." + type, multiply(subject.month(), brokers))
      .unit = "h";
  for (const char* key :
       {"broker_node_group_info.0.ebs_volume_size",
        "broker_node_group_info.0.storage_info.0.ebs_storage_info.0.volume_size"}) {
    if (const auto size = subject.number(key))
      return void(subject.add("broker storage", "msk.storage", multiply(*size, brokers)));
  }
  subject.add_unknown("broker storage", "the brokers' volume size is not known");
}

}  // namespace

std::vector<TypeEntry> watch_types() {
  return {{"aws_cloudwatch_metric_alarm", price_alarm},
          {"aws_cloudwatch_composite_alarm", price_composite_alarm},
          {"aws_cloudwatch_dashboard", price_dashboard},
          {"aws_cloudwatch_log_group", price_log_group},
          {"aws_cloudwatch_metric_stream", price_metric_stream},
          {"aws_flow_log", price_flow_log},
          {"aws_route53_zone", price_zone},
          {"aws_kinesis_firehose_delivery_stream", price_firehose},
          {"aws_msk_cluster", price_kafka}};
}

}  // namespace fleetmeter::cost
