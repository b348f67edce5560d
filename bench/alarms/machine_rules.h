#pragma once

#include <memory>
#include <string>
#include <utility>

#include "alarms/engine.h"

namespace fleetmeter::alarms::bench {

/// One alarm for each instance: a metric of AWS/EC2 above 80 in 3 of 5 minutes.
[[nodiscard]] inline std::shared_ptr<const RuleSet> machine_rules(std::string metric) {
  auto rules = std::make_shared<RuleSet>();
  AlarmRule rule;
  rule.name = "cpu";
  rule.metric.metric_namespace = "AWS/EC2";
  rule.metric.name = std::move(metric);
  rule.for_each = "InstanceId";
  rule.threshold = 80;
  rule.evaluation_periods = 5;
  rule.datapoints_to_alarm = 3;
  rules->alarms.push_back(rule);
  return rules;
}

}  // namespace fleetmeter::alarms::bench
