#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "aggregator/shard.h"
#include "app/config_parts.h"

namespace fleetmeter::app {

namespace {

using alarms::Comparison;

struct Condition {
  Comparison comparison = Comparison::kGreater;
  double threshold = 0;
};

/// "> 80", ">= 80%", "< 10".
std::optional<Condition> parse_condition(std::string_view text) {
  static constexpr std::pair<std::string_view, Comparison> kOperators[] = {
      {">=", Comparison::kGreaterOrEqual},
      {"<=", Comparison::kLessOrEqual},
      {">", Comparison::kGreater},
      {"<", Comparison::kLess}};
  const auto trim = [](std::string_view s) {
    while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '%')) s.remove_suffix(1);
    return s;
  };
  text = trim(text);
  for (const auto& [sign, comparison] : kOperators) {
    if (!text.starts_with(sign)) continue;
    const auto number = parse_number(trim(text.substr(sign.size())));
    if (!number) return std::nullopt;
    return Condition{comparison, *number};
  }
  return std::nullopt;
}

Condition read_when(YamlObject& object) {
  const std::string text = object.required_text("when");
  const auto condition = parse_condition(text);
  if (!text.empty() && !condition)
    object.fail("when", "`" + text +
                            "` is not a condition; write a comparison and a number, like \"> 80\"");
  return condition.value_or(Condition{});
}

alarms::MetricSelector read_metric(YamlContext& context, const YAML::Node& node,
                                   const std::string& path) {
  alarms::MetricSelector metric;
  YamlObject object(context, node, path);
  metric.metric_namespace = object.required_text("namespace");
  metric.name = object.required_text("name");
  metric.statistic = object.text("statistic", "Average");
  if (const auto known = alarms::check_statistic(metric.statistic); !known)
    object.fail("statistic", known.error().message);
  YamlObject dimensions(context, object.take("dimensions"), object.path_of("dimensions"));
  for (const auto& [name, value] : dimensions.entries()) {
    metric.dimensions[name] =
        yaml_scalar(context, value, dimensions.path_of(name.c_str())).value_or("");
  }
  metric.exact = object.boolean("exact", false);
  object.done();
  return metric;
}

/// "3 of 5", or "5" for 5 of 5.
void read_datapoints(YamlObject& object, alarms::AlarmRule& rule) {
  const std::string text = object.text("datapoints", "1 of 1");
  const std::size_t of = text.find(" of ");
  const auto needed = parse_integer(std::string_view(text).substr(0, of));
  const auto periods =
      of == std::string::npos ? needed : parse_integer(std::string_view(text).substr(of + 4));
  if (!needed || !periods || *needed < 1 || *needed > *periods || *periods > 86400) {
    object.fail("datapoints", "`" + text + "` is not M of N with 1 <= M <= N, like 3 of 5");
    return;
  }
  rule.datapoints_to_alarm = static_cast<std::uint32_t>(*needed);
  rule.evaluation_periods = static_cast<std::uint32_t>(*periods);
}

alarms::MissingData read_missing(YamlObject& object, const alarms::MetricSelector& metric) {
  const std::string text =
      object.text("missing", alarms::to_string(alarms::default_missing(metric.metric_namespace)));
  static constexpr std::pair<std::string_view, alarms::MissingData> kTreatments[] = {
      {"missing", alarms::MissingData::kMissing},
      {"ignore", alarms::MissingData::kIgnore},
      {"breaching", alarms::MissingData::kBreaching},
      {"notBreaching", alarms::MissingData::kNotBreaching},
      {"not_breaching", alarms::MissingData::kNotBreaching}};
  for (const auto& [name, treatment] : kTreatments) {
    if (text == name) return treatment;
  }
  object.fail(
      "missing",
      "`" + text +
          "` is not a treatment of missing data; use missing, ignore, breaching or notBreaching");
  return alarms::MissingData::kMissing;
}

/// EvaluateLowSampleCountPercentile: whether a period with too few samples keeps the state.
bool read_low_samples(YamlObject& object, const alarms::MetricSelector& metric) {
  const std::string text = object.text("low_samples", "evaluate");
  if (text != "evaluate" && text != "ignore")
    object.fail("low_samples", "`" + text + "` is none of evaluate, ignore");
  if (text == "ignore" && alarms::samples_needed(metric.statistic) == 0) {
    object.fail("low_samples", "is for percentiles below p100, and the metric's statistic is " +
                                   metric.statistic + "; leave it out");
  }
  return text == "ignore";
}

/// Amazon CloudWatch API Reference, PutMetricAlarm: valid periods, and the longest window.
void check_period(YamlObject& object, const alarms::AlarmRule& rule) {
  const std::uint32_t period = rule.period_s;
  if (period != 10 && period != 20 && period != 30 && period % 60 != 0)
    object.fail("period", "must be 10s, 20s, 30s or a multiple of 60s");
  const std::uint64_t window_s = std::uint64_t{period} * rule.evaluation_periods;
  const std::uint64_t most_s = period >= 3600 ? 604800 : 86400;
  if (window_s > most_s) {
    object.fail("datapoints", "times `period` is " + std::to_string(window_s) + " s; at most " +
                                  std::to_string(most_s) + " s are evaluated");
  }
}

void read_alarm(YamlContext& context, const YAML::Node& node, const std::string& path,
                Config& config) {
  alarms::AlarmRule rule;
  YamlObject object(context, node, path);
  rule.name = object.required_text("name");
  rule.description = object.text("description");
  rule.severity = object.text("severity", "warning");
  static const std::set<std::string> kSeverities{"critical", "error", "warning", "info"};
  if (!kSeverities.contains(rule.severity))
    object.fail("severity", "`" + rule.severity + "` is none of critical, error, warning, info");
  rule.environments = object.texts("environments");
  rule.metric = read_metric(context, object.required("metric"), object.path_of("metric"));
  rule.for_each = object.text("for_each");
  const Condition condition = read_when(object);
  rule.comparison = condition.comparison;
  rule.threshold = condition.threshold;
  rule.period_s = object.duration_s("period", 60, 10, 604800);
  read_datapoints(object, rule);
  check_period(object, rule);
  rule.range_slots = static_cast<std::uint32_t>(object.integer("range", 0, 0, 100000));
  const std::uint32_t range_max = rule.evaluation_periods + alarms::kRangeSpareSlotsMax;
  if (rule.range_slots != 0 && rule.range_slots < rule.evaluation_periods)
    object.fail("range", "must hold at least the N of `datapoints: M of N`");
  if (rule.range_slots > range_max) {
    object.fail("range", "must be at most " + std::to_string(range_max) + ", which is " +
                             std::to_string(alarms::kRangeSpareSlotsMax) +
                             " more than the N of `datapoints: M of N`");
  }
  rule.missing = read_missing(object, rule.metric);
  rule.ignore_low_samples = read_low_samples(object, rule.metric);
  rule.notify = object.texts("notify");
  object.done();
  // The engine takes only rules that pass; what the checks above say better is said already.
  if (const auto valid = alarms::validate(rule); !valid)
    context.fail(node, path, valid.error().message);
  for (const alarms::AlarmRule& other : config.rules.alarms) {
    if (other.name == rule.name)
      object.fail("name", "`" + rule.name + "` names two alarms; names are unique");
  }
  config.rules.alarms.push_back(std::move(rule));
}

/// The two dimensions of a service's metrics; neither holds a slash. Amazon ECS API Reference,
/// CreateCluster "clusterName" and CreateService "serviceName".
bool is_cluster_and_service(std::string_view name) {
  return std::ranges::count(name, '/') == 1 && name.front() != '/' && name.back() != '/';
}

alarms::GroupRef read_group(YamlContext& context, const YAML::Node& node, const std::string& path) {
  using Kind = alarms::GroupRef::Kind;
  static constexpr std::pair<const char*, Kind> kKinds[] = {{"asg", Kind::kAsg},
                                                            {"ecs_service", Kind::kEcsService},
                                                            {"eks_nodegroup", Kind::kEksNodegroup},
                                                            {"other", Kind::kOther}};
  alarms::GroupRef group;
  YamlObject object(context, node, path);
  std::string given;
  int kinds = 0;
  for (const auto& [name, kind] : kKinds) {
    if (object.has(name)) {
      ++kinds;
      given += (given.empty() ? "" : ", ") + std::string(name);
    }
    const std::string value = object.text(name);
    if (value.empty()) continue;
    group.kind = kind;
    group.name = value;
  }
  object.done();
  if (kinds > 1) context.fail(node, path, "names more than one group: " + given + "; keep one");
  if (group.kind == Kind::kEcsService && !is_cluster_and_service(group.name)) {
    object.fail("ecs_service", "`" + group.name +
                                   "` is not CLUSTER/SERVICE, the metrics' ClusterName and "
                                   "ServiceName; write it like shop/cart");
  }
  if (group.name.empty())
    context.fail(node, path,
                 "must be { asg: NAME }, { ecs_service: CLUSTER/SERVICE }, { eks_nodegroup: "
                 "CLUSTER/GROUP } or { other: NAME }");
  return group;
}

/// One of add, remove, set, add_percent, remove_percent.
std::pair<alarms::Adjustment, std::int64_t> read_adjustment(YamlContext& context,
                                                            YamlObject& object) {
  using alarms::Adjustment;
  struct Form {
    const char* key;
    Adjustment kind;
    std::int64_t sign;
    const char* opposite;
  };
  static constexpr Form kForms[] = {{"add", Adjustment::kChange, 1, "remove"},
                                    {"remove", Adjustment::kChange, -1, "add"},
                                    {"set", Adjustment::kExact, 1, nullptr},
                                    {"add_percent", Adjustment::kPercent, 1, "remove_percent"},
                                    {"remove_percent", Adjustment::kPercent, -1, "add_percent"}};
  std::pair<Adjustment, std::int64_t> adjustment{Adjustment::kChange, 0};
  int given = 0;
  for (const Form& form : kForms) {
    const YAML::Node given_as = object.take(form.key);
    const std::string text = given_as.IsDefined() && given_as.IsScalar() ? given_as.Scalar() : "";
    if (form.opposite != nullptr && parse_integer(text).value_or(0) < 0) {
      object.fail(form.key, "`" + text + "` is below 0; write `" + form.opposite + ": " +
                                text.substr(1) + "`");
    }
    const auto amount = object.optional_integer(form.key, 0, 1'000'000);
    if (!amount) continue;
    ++given;
    adjustment = {form.kind, form.sign * *amount};
  }
  if (given != 1)
    context.fail(object.node(), object.path(),
                 "must hold exactly one of add, remove, set, add_percent, remove_percent");
  return adjustment;
}

/// A key of the rule's `metrics`, which are read before its policies. A rule without any has most
/// often misspelt the key `metrics` itself, and is told so.
std::string read_policy_metric(YamlObject& object, const alarms::ScalingRule& rule) {
  std::string metric = object.required_text("metric");
  if (metric.empty() || rule.metrics.empty() || rule.metrics.contains(metric)) return metric;
  std::string defined;
  for (const auto& [name, selector] : rule.metrics) defined += (defined.empty() ? "" : ", ") + name;
  object.fail("metric", "`" + metric +
                            "` is not defined under the rule's `metrics`, which define " + defined);
  return metric;
}

/// Amazon EC2 Auto Scaling API Reference, PutScalingPolicy, "MinAdjustmentMagnitude".
std::int64_t read_magnitude(YamlObject& object, alarms::Adjustment adjustment) {
  const std::int64_t magnitude = object.integer("min_adjustment_magnitude", 0, 0, 1'000'000);
  if (magnitude > 0 && adjustment != alarms::Adjustment::kPercent) {
    object.fail("min_adjustment_magnitude",
                "belongs to add_percent and remove_percent; leave it out");
  }
  return magnitude;
}

void read_simple(YamlContext& context, YamlObject& object, alarms::ScalingRule& rule) {
  alarms::SimplePolicy policy;
  policy.metric = read_policy_metric(object, rule);
  const Condition condition = read_when(object);
  policy.comparison = condition.comparison;
  policy.threshold = condition.threshold;
  policy.for_s = object.duration_s("for", 300, 60, 86400);
  std::tie(policy.adjustment, policy.amount) = read_adjustment(context, object);
  policy.min_adjustment_magnitude = read_magnitude(object, policy.adjustment);
  if (object.has("cooldown")) policy.cooldown_s = object.duration_s("cooldown", 300, 0, 86400);
  if (object.has("warm_up"))
    object.fail("warm_up", "belongs to step policies; a simple policy has `cooldown`");
  rule.simple.push_back(std::move(policy));
}

/// Null is open, as in PutScalingPolicy.
std::optional<double> read_bound(YamlObject& object, const char* key) {
  if (object.take(key).IsNull()) return std::nullopt;
  const std::string text = object.text(key);
  if (text.empty()) return std::nullopt;
  const auto value = parse_number(text);
  if (!value) object.fail(key, "`" + text + "` is not a number");
  return value;
}

/// Amazon EC2 Auto Scaling User Guide, "Step adjustments for step scaling": no gap, no overlap,
/// open ends only outside. A policy none of whose steps holds a value that breaches never acts.
void check_steps(YamlObject& object, std::vector<alarms::Step> steps, Comparison comparison) {
  std::sort(steps.begin(), steps.end(), [](const alarms::Step& a, const alarms::Step& b) {
    return a.lower.value_or(-1e308) < b.lower.value_or(-1e308);
  });
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const alarms::Step& step = steps[i];
    if (!step.lower && !step.upper) object.fail("steps", "a step needs `from` or `to`");
    if (step.lower && step.upper && *step.upper <= *step.lower)
      object.fail("steps", "a step's `to` must be above its `from`");
    if (i > 0 && (!step.lower || !steps[i - 1].upper || *step.lower != *steps[i - 1].upper)) {
      object.fail("steps",
                  "must join without gap or overlap: each `from` is the `to` of the step before");
    }
  }
  if (steps.empty()) return object.fail("steps", "holds no step");
  if (steps.front().lower && *steps.front().lower < 0)
    object.fail("steps",
                "with a `from` below 0 the lowest step must be open: leave its `from` out");
  if (steps.back().upper && *steps.back().upper > 0)
    object.fail("steps", "with a `to` above 0 the highest step must be open: leave its `to` out");
  const bool above = alarms::breaches_above(comparison);
  if (above && steps.back().upper && *steps.back().upper <= 0) {
    object.fail(
        "steps",
        "lie below the threshold, where `when` does not hold, so none is ever taken: bounds "
        "count from the threshold; begin with `from: 0`");
  }
  if (!above && steps.front().lower && *steps.front().lower >= 0) {
    object.fail(
        "steps",
        "lie above the threshold, where `when` does not hold, so none is ever taken: bounds "
        "count from the threshold; end with `to: 0`");
  }
}

void read_step(YamlContext& context, YamlObject& object, alarms::ScalingRule& rule) {
  alarms::StepPolicy policy;
  policy.metric = read_policy_metric(object, rule);
  const Condition condition = read_when(object);
  policy.comparison = condition.comparison;
  policy.threshold = condition.threshold;
  policy.for_s = object.duration_s("for", 60, 60, 86400);
  const bool ecs = rule.group.kind == alarms::GroupRef::Kind::kEcsService;
  if (ecs && object.has("warm_up")) {
    object.fail("warm_up", "is not known to an ECS service; its step policies take `cooldown`");
  } else if (object.has("warm_up")) {
    policy.warm_up_s = object.duration_s("warm_up", 300, 0, 3600);
  }
  if (!ecs && object.has("cooldown")) {
    object.fail("cooldown", "belongs to simple policies; a step policy has `warm_up`");
  } else if (object.has("cooldown")) {
    policy.cooldown_s = object.duration_s("cooldown", 300, 0, 86400);
  }
  const YAML::Node steps = object.required("steps");
  if (steps.IsDefined() && !steps.IsSequence())
    object.fail("steps", "must be a list of steps, like [ { from: 0, add: 1 } ]");
  for (std::size_t i = 0; steps.IsDefined() && steps.IsSequence() && i < steps.size(); ++i) {
    YamlObject entry(context, steps[i], object.path_of("steps") + "[" + std::to_string(i) + "]");
    alarms::Step step;
    step.lower = read_bound(entry, "from");
    step.upper = read_bound(entry, "to");
    const auto [adjustment, amount] = read_adjustment(context, entry);
    if (i > 0 && adjustment != policy.adjustment)
      entry.fail("add", "all steps of a policy adjust in one way: change, percent or set");
    policy.adjustment = adjustment;
    step.amount = amount;
    entry.done();
    policy.steps.push_back(step);
  }
  policy.min_adjustment_magnitude = read_magnitude(object, policy.adjustment);
  check_steps(object, policy.steps, condition.comparison);
  rule.step.push_back(std::move(policy));
}

void read_policies(YamlContext& context, YamlObject& object, alarms::ScalingRule& rule) {
  const YAML::Node policies = object.required("policies");
  if (!policies.IsDefined()) return;
  if (!policies.IsSequence())
    return object.fail("policies", "must be a list of { simple: ... } or { step: ... }");
  if (policies.size() == 0) object.fail("policies", "must hold at least one policy");
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const std::string path = object.path_of("policies") + "[" + std::to_string(i) + "]";
    YamlObject entry(context, policies[i], path);
    const YAML::Node simple = entry.take("simple"), step = entry.take("step");
    entry.done();
    if (simple.IsDefined() == step.IsDefined()) {
      context.fail(policies[i], path, "must be exactly one of simple, step");
      continue;
    }
    YamlObject body(context, simple.IsDefined() ? simple : step,
                    path + (simple.IsDefined() ? ".simple" : ".step"));
    if (simple.IsDefined()) read_simple(context, body, rule);
    if (step.IsDefined()) read_step(context, body, rule);
    body.done();
  }
}

/// `act: [ webhook: provisioning ]` or `act: [ provisioning ]`.
std::vector<std::string> read_act(YamlContext& context, YamlObject& object) {
  std::vector<std::string> names;
  const YAML::Node act = object.take("act");
  if (!act.IsDefined()) return names;
  if (act.IsScalar()) return {act.Scalar()};
  if (!act.IsSequence()) {
    object.fail("act", "must be a list of receivers, like [ webhook: provisioning ]");
    return names;
  }
  for (std::size_t i = 0; i < act.size(); ++i) {
    const std::string path = object.path_of("act") + "[" + std::to_string(i) + "]";
    if (act[i].IsScalar()) {
      names.push_back(act[i].Scalar());
      continue;
    }
    YamlObject entry(context, act[i], path);
    const std::string name = entry.required_text("webhook");
    entry.done();
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

void warn_of_mix_ups(YamlContext& context, const YamlObject& object,
                     const alarms::ScalingRule& rule, bool cooldown_given) {
  if (rule.minimum && rule.maximum && rule.quota && *rule.quota < *rule.maximum) {
    context.warn(object.node(), object.path(),
                 "`quota` is below `max`: the quota is the hard limit");
  }
  if (rule.group.kind == alarms::GroupRef::Kind::kEcsService) return;  // Cooldowns alone.
  if (cooldown_given && rule.simple.empty() && !rule.step.empty()) {
    context.warn(object.node(), object.path(),
                 "`cooldown` holds back simple policies only, and this group has step policies; "
                 "give them `warm_up`");
  }
  if (rule.default_warm_up_s && rule.step.empty()) {
    context.warn(object.node(), object.path(),
                 "`warm_up` is for step policies only, and this group has simple policies; they "
                 "take `cooldown`");
  }
  for (const alarms::StepPolicy& step : rule.step) {
    if (!step.warm_up_s && !rule.default_warm_up_s) {
      context.warn(object.node(), object.path(),
                   "a step policy without `warm_up` takes the cooldown of " +
                       std::to_string(rule.cooldown_s) + "s as warm-up");
    }
  }
}

/// Whether some environment is in both lists; an empty one holds all.
bool overlap(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return a.empty() || b.empty() || std::ranges::any_of(a, [&](const std::string& name) {
           return std::ranges::find(b, name) != b.end();
         });
}

void read_scaling_rule(YamlContext& context, const YAML::Node& node, const std::string& path,
                       Config& config) {
  alarms::ScalingRule rule;
  YamlObject object(context, node, path);
  rule.group = read_group(context, object.required("group"), object.path_of("group"));
  rule.name = object.text("name", rule.group.name);
  rule.environments = object.texts("environments");
  rule.minimum = object.optional_integer("min", 0, 1'000'000);
  rule.maximum = object.optional_integer("max", 0, 1'000'000);
  rule.quota = object.optional_integer("quota", 0, 1'000'000);
  rule.desired = object.optional_integer("desired", 0, 1'000'000);
  if (rule.minimum && rule.maximum && *rule.minimum > *rule.maximum)
    object.fail("min", "is above `max`");
  if (rule.minimum && rule.quota && *rule.minimum > *rule.quota)
    object.fail("quota", "is below `min`, and the quota is the hard limit");
  if (rule.desired && rule.maximum && *rule.desired > *rule.maximum) {
    object.fail("desired", "is above `max`; write at most " + std::to_string(*rule.maximum) +
                               " or raise `max`");
  }
  if (rule.desired && rule.minimum && *rule.desired < *rule.minimum) {
    object.fail("desired", "is below `min`; write at least " + std::to_string(*rule.minimum) +
                               " or lower `min`");
  }
  const bool cooldown_given = object.has("cooldown");
  rule.cooldown_s = object.duration_s("cooldown", 300, 0, 86400);
  rule.grace_s = object.duration_s("grace", 0, 0, 86400);
  if (object.has("warm_up")) rule.default_warm_up_s = object.duration_s("warm_up", 300, 0, 3600);
  YamlObject metrics(context, object.take("metrics"), object.path_of("metrics"));
  for (const auto& [name, body] : metrics.entries())
    rule.metrics.emplace(name, read_metric(context, body, metrics.path_of(name.c_str())));
  read_policies(context, object, rule);
  rule.act = read_act(context, object);
  rule.notify = object.texts("notify");
  object.done();
  if (rule.metrics.empty()) object.fail("metrics", "must define the metrics that policies name");
  if (const auto valid = alarms::validate(rule); !valid)
    context.fail(node, path, valid.error().message);
  for (const alarms::ScalingRule& other : config.rules.scaling) {
    const bool same_group =
        other.group.kind == rule.group.kind && other.group.name == rule.group.name;
    if (same_group && overlap(other.environments, rule.environments))
      object.fail("group",
                  "`" + rule.group.name + "` is scaled by two rules; a group has one writer");
    else if (other.name == rule.name && overlap(other.environments, rule.environments))
      object.fail("name", "`" + rule.name + "` names two rules; names are unique");
  }
  warn_of_mix_ups(context, object, rule, cooldown_given);
  config.rules.scaling.push_back(std::move(rule));
}

/// Of the flow logs' metrics we know them all: a misspelt one would never have data.
void check_flow_metric(YamlContext& context, const YAML::Node& metric, const std::string& path) {
  const std::string name = metric["name"].Scalar();
  const std::vector<std::string> known = aggregator::flow_metric_names();
  if (std::ranges::find(known, name) != known.end()) return;
  const std::string near = nearest_word(name, known);
  context.fail(
      metric["name"], path + ".name",
      fmt::format("`{}` is no metric of {}; {}known: {}", name, aggregator::kFlowNamespace,
                  near.empty() ? "" : "did you mean `" + near + "`? ", fmt::join(known, ", ")));
}

/// Whether a value of the metric is a share in percent: by its name, or one of the metrics whose unit
/// CloudWatch gives as Percent though their names do not say so. Rule: the services' pages of
/// metrics, such as Amazon RDS User Guide, "Amazon CloudWatch metrics for Amazon RDS". What a metric
/// that is none of AWS's is in, its owner knows.
bool is_in_percent(const alarms::MetricSelector& metric) {
  if (metric.statistic.starts_with("PR(")) return true;  // The share of values in a range.
  if (metric.statistic == "SampleCount") return false;
  if (!metric.metric_namespace.starts_with("AWS/")) return true;
  std::string name = metric.name;
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  for (const std::string_view part : {"percent", "utilization", "utilisation", "%"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  for (const std::string_view end :
       {"burstbalance", "hitratio", "hitrate", "errorrate", "reservation", "memorypressure"}) {
    if (name.ends_with(end)) return true;
  }
  static const std::set<std::string_view> kNames{"cpuuser",
                                                 "cpusystem",
                                                 "cpuidle",
                                                 "cpuiowait",
                                                 "cpunice",
                                                 "cpusoftirq",
                                                 "kafkadatalogsdiskused",
                                                 "kafkaapplogsdiskused",
                                                 "heapusage",
                                                 "rootdiskused",
                                                 "heapmemoryaftergc"};
  return kNames.contains(name);
}

/// A `%` in a condition on a metric that is no share would be taken for nothing: 10 bytes for 10 %.
void check_percent(YamlContext& context, const YAML::Node& when, const std::string& path,
                   const alarms::MetricSelector& metric) {
  if (!when.IsDefined() || !when.IsScalar()) return;
  const std::string text = when.Scalar();
  const std::string bare = text.substr(0, text.find('%'));
  if (bare.size() == text.size()) return;
  const auto condition = parse_condition(text);
  if (!condition) return;  // Said already.
  if (std::ranges::count(text, '%') > 1)
    return context.fail(when, path,
                        fmt::format("`{}` holds more than one %; write \"{}%\"", text, bare));
  if (metric.name.empty() || is_in_percent(metric)) return;
  static const std::set<std::string_view> kBytes{"FreeStorageSpace", "FreeLocalStorage",
                                                 "FreeableMemory", "FreeEphemeralStorage"};
  std::string instead = "in the metric's own unit and without %";
  if (metric.metric_namespace.starts_with("AWS/") && kBytes.contains(metric.name)) {
    constexpr double kBytesOf20Gib = 20.0 * 1024 * 1024 * 1024;
    instead = fmt::format("in bytes: \"{}{:.0f}\" is {}% of 20 GiB",
                          text.substr(0, text.find_first_of("0123456789.+-")),
                          condition->threshold / 100 * kBytesOf20Gib, condition->threshold);
  }
  context.fail(when, path,
               fmt::format("`{}`: {} {} is not in percent; write the number {}", text,
                           metric.metric_namespace, metric.name, instead));
}

/// A simple policy that changes nothing: EC2 Auto Scaling takes it, and nobody means it.
void check_adjustment(YamlContext& context, const YAML::Node& simple, const std::string& path) {
  for (const char* key : {"add", "remove", "add_percent", "remove_percent"}) {
    const YAML::Node given = simple[key];
    if (given.IsDefined() && given.IsScalar() && parse_integer(given.Scalar()) == 0)
      context.warn(given, path + "." + key, "`0` changes nothing; write 1 or more");
  }
}

}  // namespace

void check_conditions(YamlContext& context, const YAML::Node& root, const Config& config) {
  for (std::size_t i = 0; i < config.rules.alarms.size(); ++i) {
    const YAML::Node alarm = root["alarms"][i];
    check_percent(context, alarm["when"], fmt::format("alarms[{}].when", i),
                  config.rules.alarms[i].metric);
  }
  for (std::size_t i = 0; i < config.rules.scaling.size(); ++i) {
    const YAML::Node policies = root["scaling"][i]["policies"];
    if (!policies.IsDefined() || !policies.IsSequence()) continue;
    for (std::size_t j = 0; j < policies.size(); ++j) {
      for (const char* kind : {"simple", "step"}) {
        const YAML::Node policy = policies[j];
        if (!policy.IsMap() || !policy[kind].IsDefined() || !policy[kind].IsMap()) continue;
        const YAML::Node body = policy[kind];
        const std::string path = fmt::format("scaling[{}].policies[{}].{}", i, j, kind);
        if (policies[j]["simple"].IsDefined()) check_adjustment(context, body, path);
        const auto& metrics = config.rules.scaling[i].metrics;
        const auto metric = body["metric"].IsDefined() && body["metric"].IsScalar()
                                ? metrics.find(body["metric"].Scalar())
                                : metrics.end();
        if (metric == metrics.end()) continue;
        check_percent(context, body["when"], path + ".when", metric->second);
      }
    }
  }
}

void read_alarms(YamlContext& context, const YAML::Node& node, Config& config) {
  if (!node.IsDefined()) return;
  if (!node.IsSequence()) return context.fail(node, "alarms", "must be a list of alarms");
  for (std::size_t i = 0; i < node.size(); ++i)
    read_alarm(context, node[i], "alarms[" + std::to_string(i) + "]", config);
}

void read_scaling(YamlContext& context, const YAML::Node& node, Config& config) {
  if (!node.IsDefined()) return;
  if (!node.IsSequence()) return context.fail(node, "scaling", "must be a list of groups");
  for (std::size_t i = 0; i < node.size(); ++i)
    read_scaling_rule(context, node[i], "scaling[" + std::to_string(i) + "]", config);
}

void check_references(YamlContext& context, const YAML::Node& root, const Config& config) {
  const auto value_at = [&root](const char* list, std::size_t index, const char* key) {
    const YAML::Node rule = root[list][index];
    return rule[key];
  };
  const auto check_receivers = [&](const char* list, std::size_t index, const char* key,
                                   const std::vector<std::string>& names, bool action) {
    for (const std::string& name : names) {
      const auto found = config.notify.find(name);
      const std::string path = std::string(list) + "[" + std::to_string(index) + "]." + key;
      if (found == config.notify.end()) {
        context.fail(value_at(list, index, key), path,
                     "`" + name + "` is not defined under `notify`");
      } else if (action && found->second.receiver.kind != alarms::Receiver::Kind::kWebhook) {
        context.fail(value_at(list, index, key), path,
                     "`" + name + "` cannot act: only a webhook can");
      }
    }
  };
  const auto check_environments = [&](const char* list, std::size_t index,
                                      const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const bool declared = name == "unassigned" ||
                            std::any_of(config.environments.begin(), config.environments.end(),
                                        [&](const auto& match) { return match.name == name; });
      if (!declared)
        context.fail(value_at(list, index, "environments"),
                     std::string(list) + "[" + std::to_string(index) + "].environments",
                     "`" + name + "` is not declared under `environments`");
    }
  };
  for (std::size_t i = 0; i < config.rules.alarms.size(); ++i) {
    check_receivers("alarms", i, "notify", config.rules.alarms[i].notify, false);
    check_environments("alarms", i, config.rules.alarms[i].environments);
  }
  for (std::size_t i = 0; i < config.rules.scaling.size(); ++i) {
    check_receivers("scaling", i, "notify", config.rules.scaling[i].notify, false);
    check_receivers("scaling", i, "act", config.rules.scaling[i].act, true);
    check_environments("scaling", i, config.rules.scaling[i].environments);
  }
}

void check_flow_rules(YamlContext& context, const YAML::Node& root, const Config& config) {
  const auto is_flow = [](const alarms::MetricSelector& metric) {
    return metric.metric_namespace == aggregator::kFlowNamespace && !metric.name.empty();
  };
  const std::uint32_t interval_s = std::max(config.capture_interval_s, 60U);
  for (std::size_t i = 0; i < config.rules.alarms.size(); ++i) {
    const alarms::AlarmRule& rule = config.rules.alarms[i];
    if (!is_flow(rule.metric)) continue;
    const YAML::Node node = root["alarms"][i];
    const std::string path = fmt::format("alarms[{}]", i);
    check_flow_metric(context, node["metric"], path + ".metric");
    if (rule.period_s >= interval_s) continue;
    context.warn(
        node, path,
        fmt::format("a `period` of {}s is shorter than the {}s that flow logs are captured "
                    "at: the alarm gets no datapoint",
                    rule.period_s, interval_s));
  }
  for (std::size_t i = 0; i < config.rules.scaling.size(); ++i) {
    for (const auto& [key, metric] : config.rules.scaling[i].metrics) {
      if (!is_flow(metric)) continue;
      const YAML::Node metrics = root["scaling"][i]["metrics"];
      check_flow_metric(context, metrics[key], fmt::format("scaling[{}].metrics.{}", i, key));
    }
  }
}

}  // namespace fleetmeter::app
