#include <fmt/format.h>

#include "cost/estimate.h"

namespace fleetmeter::cost {
namespace {

/// A standard alarm is billed by metric evaluated; a period of 10 or 30 s makes it high-resolution;
/// one on an anomaly detection band evaluates the metric and both edges of the band. Rule: Amazon
/// CloudWatch pricing, "Alarms".
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
  const std::string band = subject.text("comparison_operator");
  if (!subject.text("threshold_metric_id").empty() || band.ends_with("UpperThreshold") ||
      band == "LessThanLowerThreshold") {
    metrics = 3;
  }
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
  if (subject.text("destination_options.0.file_format") == "parquet")
    subject.add_usage("Parquet conversion", "cloudwatch.vended_logs.parquet",
                      "monthly_data_ingested_gb");
}

void price_metric_stream(Subject& subject) {
  subject.add_usage("metric updates", "cloudwatch.metric_stream.updates", "monthly_metric_updates",
                    3);
}

/// A zone pays for the whole month, but for one that is deleted within 12 hours. Rule: Amazon Route
/// 53 pricing, "Managing hosted zones".
void price_zone(Subject& subject) {
  const aggregator::Validity &valid = subject.resource.valid, all;
  const bool brief = valid.from_s != all.from_s && valid.to_s != all.to_s &&
                     valid.to_s - valid.from_s <= std::int64_t{12} * 3600;
  if (!brief) subject.add("hosted zone", "route53.zone", units(1)).part = Part::kWholeMonth;
  subject.add_if_used("standard queries", "route53.queries.standard", "monthly_standard_queries",
                      6);
  subject.add_if_used("latency based queries", "route53.queries.latency",
                      "monthly_latency_based_queries", 6);
  subject.add_if_used("geo queries", "route53.queries.geo", "monthly_geo_queries", 6);
}

/// By where its endpoint lies, and by option: HTTPS, text match, an interval of 10 s, latency. Rule:
/// Amazon Route 53 pricing, "Health Checks".
void price_health_check(Subject& subject) {
  std::string endpoint = subject.usage_text("endpoint_type");
  const bool told = !endpoint.empty();
  if (endpoint != "non_aws") endpoint = "aws";
  Draft& check = subject.add("health check", "route53.health_check." + endpoint, units(1));
  if (!told) check.reason = "an endpoint in AWS is assumed; else state endpoint_type: non_aws";
  const std::string type = subject.text("type");
  const std::int64_t options = std::int64_t{type.starts_with("HTTPS")} +
                               std::int64_t{type.ends_with("_STR_MATCH")} +
                               std::int64_t{subject.integer("request_interval", 30) == 10} +
                               std::int64_t{subject.flag("measure_latency")};
  if (options > 0)
    subject.add("options", "route53.health_check.option_" + endpoint, units(options));
}

void price_resolver(Subject& subject) {
  const std::int64_t interfaces = subject.count("ip_address");
  if (interfaces == 0)
    return subject.add_unknown("endpoint hours", "the number of its addresses is not known");
  subject.add("endpoint hours", "route53.resolver_endpoint.hours",
              multiply(subject.month(), interfaces));
}

void price_topic(Subject& subject) {
  subject.add_usage("requests", "sns.requests", "monthly_requests", 6);
}

void price_queue(Subject& subject) {
  subject.add_usage("requests",
                    subject.flag("fifo_queue") ? "sqs.requests.fifo" : "sqs.requests.standard",
                    "monthly_requests", 6);
}

/// A day of retention is included, up to a week is paid by the shard, and what is kept longer by
/// the GB. Rule: Amazon Kinesis Data Streams pricing.
void price_stream(Subject& subject) {
  constexpr std::int64_t kIncludedRetentionH = 24, kExtendedRetentionH = 168;
  const std::int64_t retention_h = subject.integer("retention_period", kIncludedRetentionH);
  if (subject.text("stream_mode_details.0.stream_mode") == "ON_DEMAND") {
    subject.add("stream hours", "kinesis.on_demand.hours", subject.month());
    subject.add_usage("data in", "kinesis.on_demand.in", "monthly_on_demand_data_in_gb");
    if (retention_h > kIncludedRetentionH) {
      subject
          .add_usage("extended retention", "kinesis.on_demand.extended_retention",
                     "monthly_on_demand_extended_retention_gb")
          .unit = "GB-month";
    }
    return (void)subject.add_usage("data out", "kinesis.on_demand.out",
                                   "monthly_on_demand_data_out_gb");
  }
  const std::optional<Quantity> shards = subject.number("shard_count");
  const Quantity hours = product(subject.month(), shards.value_or(units(1)));
  const auto add_hours = [&](const char* component, const char* key) {
    Draft& draft = subject.add(component, key, hours);
    if (!shards) draft.reason = "one shard assumed: shard_count is not known";
  };
  add_hours("shard hours", "kinesis.shard.hours");
  if (retention_h > kIncludedRetentionH)
    add_hours("extended retention", "kinesis.extended_retention.hours");
  if (retention_h > kExtendedRetentionH) {
    subject
        .add_usage("long-term retention", "kinesis.long_term_retention.storage",
                   "monthly_provisioned_long_term_retention_gb")
        .unit = "GB-month";
  }
  subject.add_usage("PUT units", "kinesis.put_units", "monthly_provisioned_put_units", 6);
}

/// The price of viewers in Europe and North America; other regions are dearer.
void price_distribution(Subject& subject) {
  subject.add_usage("transfer to viewers, US", "cloudfront.egress",
                    "monthly_data_transfer_to_internet_gb.us");
  subject.add_if_used("transfer to viewers, Europe", "cloudfront.egress",
                      "monthly_data_transfer_to_internet_gb.europe");
  subject.add_if_used("HTTP requests, US", "cloudfront.requests.http", "monthly_http_requests.us",
                      4);
  subject.add_if_used("HTTPS requests, US", "cloudfront.requests.https",
                      "monthly_https_requests.us", 4);
  subject.add_if_used("transfer to origin, US", "cloudfront.origin",
                      "monthly_data_transfer_to_origin_gb.us");
}

void price_web_acl(Subject& subject) {
  subject.add("web ACL", "waf.acl", units(1));
  if (const std::int64_t rules = subject.count("rule"); rules > 0)
    subject.add("rules", "waf.rule", units(rules));
  subject.add_usage("requests", "waf.requests", "monthly_requests", 6);
}

/// The first trail's management events are free.
void price_trail(Subject& subject) {
  subject.add_if_used("additional management events", "cloudtrail.management_events",
                      "monthly_additional_management_events", 5);
  subject.add_if_used("data events", "cloudtrail.data_events", "monthly_data_events", 5);
}

void price_parameter(Subject& subject) {
  if (subject.text("tier") == "Advanced")
    subject.add("advanced parameter", "ssm.advanced_parameter", units(1));
}

void price_firehose(Subject& subject) {
  subject.add_usage("data ingested", "firehose.data", "monthly_data_ingested_gb");
  const std::string conversion = "extended_s3_configuration.0.data_format_conversion_configuration";
  if (subject.count(conversion) > 0 && subject.text(conversion + ".0.enabled") != "false") {
    subject.add_usage("format conversion", "firehose.format_conversion", "monthly_data_ingested_gb")
        .unit = "GB";
  }
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
          {"aws_route53_health_check", price_health_check},
          {"aws_route53_resolver_endpoint", price_resolver},
          {"aws_sns_topic", price_topic},
          {"aws_sqs_queue", price_queue},
          {"aws_kinesis_stream", price_stream},
          {"aws_cloudfront_distribution", price_distribution},
          {"aws_wafv2_web_acl", price_web_acl},
          {"aws_cloudtrail", price_trail},
          {"aws_ssm_parameter", price_parameter},
          {"aws_kinesis_firehose_delivery_stream", price_firehose},
          {"aws_msk_cluster", price_kafka}};
}

}  // namespace fleetmeter::cost
