#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "aggregator/shard.h"
#include "alarms/rule.h"
#include "app/yaml_reader.h"
#include "tests/app/fleet_yaml.h"

namespace fleetmeter::app {
namespace {

using testing::HasSubstr;

Result<Config> parse(const std::string& yaml) {
  std::vector<ConfigProblem> warnings;
  return parse_config(yaml, "/etc/fleetmeter/fleet.yaml", warnings);
}
std::vector<ConfigProblem> warnings_of(const std::string& yaml) {
  std::vector<ConfigProblem> warnings;
  const auto config = parse_config(yaml, "fleet.yaml", warnings);
  EXPECT_TRUE(config) << config.error().message;
  return warnings;
}

TEST(Config, TheDocumentedExampleIsAcceptedWhole) {
  std::vector<ConfigProblem> warnings;
  const auto config = parse_config(kFleetYaml, "/etc/fleetmeter/fleet.yaml", warnings);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(warnings.empty()) << warnings.front().message;
  EXPECT_EQ(config->fleet, "hyperion");
  EXPECT_EQ(config->state, "/var/lib/fleetmeter");
  ASSERT_EQ(config->environments.size(), 1u);
  EXPECT_EQ(config->environments[0].tags.at("Environment"), "prod");
  EXPECT_EQ(config->environments[0].accounts, std::vector<std::string>{"123456789012"});
  EXPECT_EQ(config->environments[0].region, "us-east-1");
  EXPECT_EQ(config->budgets.at("prod").monthly.e10_usd, 500 * 10'000'000'000);
  EXPECT_EQ(config->budgets.at("prod").alert_at_percent, (std::vector<std::uint32_t>{80, 100}));
  ASSERT_EQ(config->kafka.size(), 1u);
  EXPECT_EQ(config->kafka[0].options.topics,
            (std::vector<std::string>{"vpc-flow-logs", "cw-metrics"}));
  ASSERT_EQ(config->firehose.size(), 1u);
  EXPECT_EQ(config->firehose[0].access_key.env, "FIREHOSE_KEY");
  ASSERT_EQ(config->files.size(), 1u);
  EXPECT_TRUE(config->files[0].follow);
  EXPECT_EQ(config->files[0].settings.allowed_lateness_s, 900);
  EXPECT_EQ(config->kafka[0].options.settings.allowed_lateness_s, 600);
  ASSERT_EQ(config->rules.alarms.size(), 1u);
  const alarms::AlarmRule& disk = config->rules.alarms[0];
  EXPECT_EQ(disk.for_each, "InstanceId");
  EXPECT_EQ(disk.threshold, 80);
  EXPECT_EQ(disk.comparison, alarms::Comparison::kGreater);
  EXPECT_EQ(disk.datapoints_to_alarm, 5u);
  EXPECT_EQ(disk.evaluation_periods, 5u);
  EXPECT_EQ(disk.notify, std::vector<std::string>{"ops"});
  ASSERT_EQ(config->rules.scaling.size(), 1u);
  const alarms::ScalingRule& group = config->rules.scaling[0];
  EXPECT_EQ(group.name, "hyperion-windows-fleet-asg");
  ASSERT_EQ(group.simple.size(), 2u);
  EXPECT_EQ(group.simple[0].for_s, 300u);
  EXPECT_EQ(group.simple[0].amount, 1);
  EXPECT_EQ(group.simple[1].amount, -1);
  EXPECT_EQ(group.act, std::vector<std::string>{"provisioning"});
  EXPECT_EQ(config->notify.at("provisioning").secret.env, "HOOK_SECRET");
  EXPECT_EQ(config->notify.at("ops").url.env, "SLACK_WEBHOOK_URL");
}

TEST(Config, AnEmptyFileIsADefaultConfiguration) {
  for (const char* text : {"", "# nothing\n", "fleet: x\n"}) {
    const auto config = parse(text);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->http_listen, "127.0.0.1:8080");
    EXPECT_EQ(config->state, "./fleetmeter-state");
    EXPECT_TRUE(config->files.empty());
  }
}

TEST(Config, RelativePathsAreRelativeToTheFile) {
  const auto config = parse(
      "sources:\n"
      "  - files: { paths: [flow/, /abs/x.log, \"-\"] }\n"
      "  - firehose: { listen: \"0.0.0.0:8443\", access_key_file: key.txt, tls: { cert: c.pem, "
      "key: /k.pem } }\n"
      "inventory: [ terraform: state.json, /abs/aws.json ]\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->files[0].paths,
            (std::vector<std::string>{"/etc/fleetmeter/flow/", "/abs/x.log", "-"}));
  EXPECT_EQ(config->firehose[0].access_key.file, "/etc/fleetmeter/key.txt");
  EXPECT_EQ(config->firehose[0].options.tls_cert, "/etc/fleetmeter/c.pem");
  EXPECT_EQ(config->firehose[0].options.tls_key, "/k.pem");
  EXPECT_EQ(config->inventory,
            (std::vector<std::string>{"/etc/fleetmeter/state.json", "/abs/aws.json"}));
}

TEST(Config, DurationsNameTheirUnit) {
  EXPECT_EQ(parse_duration_s("90s"), 90u);
  EXPECT_EQ(parse_duration_s("5m"), 300u);
  EXPECT_EQ(parse_duration_s("2h"), 7200u);
  EXPECT_EQ(parse_duration_s("1d"), 86400u);
  EXPECT_EQ(parse_duration_s("0s"), 0u);
  for (const char* bad :
       {"", "s", "90", "-5m", "1.5h", "5 m", "5M", "9999999999999999999d", "400d", "1m30s"})
    EXPECT_EQ(parse_duration_s(bad), std::nullopt) << bad;
}

TEST(Config, EqualTextHasEqualFingerprints) {
  EXPECT_EQ(parse("fleet: a\n")->fingerprint(), parse("fleet: a\n")->fingerprint());
  EXPECT_NE(parse("fleet: a\n")->fingerprint(), parse("fleet: b\n")->fingerprint());
  EXPECT_EQ(parse("fleet: a\n")->fingerprint().size(), 32u);
}

/// A configuration whose only problem is at `line`; the message names file, line, key and fix.
struct Wrong {
  const char* what;
  const char* yaml;
  int line;  ///< 0 = the message names no line.
  std::vector<const char*> says;
};

const char* const kAlarmHead =
    "notify: { ops: { slack: { url_env: URL } } }\n"
    "environments: { prod: }\n"
    "alarms:\n"
    "  - { name: first, metric: { namespace: N, name: M }, when: \"> 1\" }\n";
/// A second alarm on line 5.
std::string alarm(const std::string& body) {
  return std::string(kAlarmHead) + "  - " + body + "\n";
}
std::string alarm_with(const std::string& keys) {
  return alarm("{ name: second, metric: { namespace: N, name: M }, when: \"> 1\", " + keys + " }");
}
/// One scaling rule on line 3.
std::string group_with(const std::string& keys) {
  return "notify: { hook: { webhook: { url: \"https://h/x\" } }, ops: { slack: { url_env: URL } } "
         "}\n"
         "scaling:\n"
         "  - { group: { asg: g }, metrics: { cpu: { namespace: AWS/EC2, name: CPUUtilization } "
         "}, " +
         keys + " }\n";
}
const std::string kSimple = "policies: [ { simple: { metric: cpu, when: \"> 70\", add: 1 } } ]";

void expect_wrong(const std::string& what, const std::string& yaml, int line,
                  const std::vector<const char*>& says) {
  SCOPED_TRACE(what);
  const auto config = parse(yaml);
  ASSERT_FALSE(config) << yaml;
  const std::string& message = config.error().message;
  EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
  const std::string place =
      "/etc/fleetmeter/fleet.yaml:" + (line > 0 ? std::to_string(line) + ": " : "");
  EXPECT_EQ(message.substr(0, place.size()), place) << message;
  for (const char* word : says) EXPECT_THAT(message, HasSubstr(word));
}

TEST(Config, StructuralErrorsNameFileLineKeyAndFix) {
  const Wrong cases[] = {
      {"unknown key with suggestion",
       "fleet: x\nalarm: []\n",
       2,
       {"alarm", "did you mean `alarms`"}},
      {"unknown key instead of a required one",
       "sources:\n  - files: { path: [a] }\n",
       2,
       {"files.path: is not a known key", "did you mean `paths`"}},
      {"unknown key beside an optional one",
       "environments: { prod: { mach: { tag: { a: b } } } }\n",
       1,
       {"prod.mach", "did you mean `match`", "budget"}},
      {"unknown key without one",
       "fleet: x\nqqqqqqqqqq: 1\n",
       2,
       {"qqqqqqqqqq", "known here", "fleet"}},
      {"duplicate key", "fleet: x\nstate: a\nfleet: y\n", 3, {"fleet", "twice"}},
      {"duplicate nested key",
       "environments:\n  prod: {}\n  prod: {}\n",
       3,
       {"environments.prod", "twice"}},
      {"several documents", "fleet: x\n---\nfleet: y\n", 0, {"more than one YAML document"}},
      {"a second document that is none", "fleet: x\n---\n, y\n", 0, {"more than one", "keep one"}},
      {"not YAML", "fleet: [x\nstate: }\n", 2, {"not YAML"}},
      {"not YAML: tabs", "http:\n\tlisten: x\n", 2, {"not YAML", "tab"}},
      {"a kind without its keys",
       "fleet: f\nsources:\n  - files:\n    paths: [a]\n",
       3,
       {"sources[0].files", "is empty", "further in"}},
      {"a list at the top", "- fleet\n", 1, {"mapping"}},
      {"text at the top", "hello\n", 1, {"mapping"}},
      {"a list for a word", "fleet: [x]\n", 1, {"fleet", "single value"}},
      {"a word for a list", "alarms: disk\n", 1, {"alarms", "list"}},
      {"a word for a mapping", "http: 8080\n", 1, {"http", "mapping"}},
      {"no value", "fleet: x\nstate:\n", 2, {"state", "no value"}},
      {"a name with blanks", "fleet: my fleet\n", 1, {"fleet", "letters"}},
      {"a port too high",
       "http: { listen: \"127.0.0.1:65536\" }\n",
       1,
       {"http.listen", "host:port"}},
      {"log days", "log: { days: 0 }\n", 1, {"log.days", "1 to 400"}},
      {"log days, no number", "log: { days: two }\n", 1, {"log.days", "`two`"}},
      {"capture interval",
       "flow_logs: { capture_interval: 300s }\n",
       1,
       {"capture_interval", "600s"}},
      {"region",
       "environments:\n  prod: { region: mars }\n",
       2,
       {"prod.region", "`mars` is not an AWS region", "like us-east-1"}},
      {"region without hyphen",
       "environments:\n  prod: { region: us-east1 }\n",
       2,
       {"prod.region", "did you mean `us-east-1`?"}},
      {"empty region",
       "environments:\n  prod: { region: \"\" }\n",
       2,
       {"prod.region", "like us-east-1"}},
      {"inventory of standard input",
       "inventory: [ file: \"-\" ]\n",
       1,
       {"inventory[0].file", "`-` is not supported"}},
      {"budget",
       "environments:\n  prod: { budget: { monthly_usd: -5 } }\n",
       2,
       {"monthly_usd", "`-5`"}},
      {"budget share",
       "environments:\n  prod: { budget: { monthly_usd: 5, alert_at: [80] } }\n",
       2,
       {"alert_at", "80%"}},
      {"reserved environment", "environments:\n  unassigned: {}\n", 2, {"unassigned", "another"}},
      {"inventory kind",
       "inventory: [ teraform: x.json ]\n",
       1,
       {"teraform", "terraform, aws or file"}},
      {"inventory without a file",
       "inventory: [ { terraform: } ]\n",
       1,
       {"inventory[0]", "no value"}},
      {"inventory entry empty", "inventory:\n  - {}\n", 2, {"inventory[0]", "names no file"}},
  };
  for (const Wrong& wrong : cases) expect_wrong(wrong.what, wrong.yaml, wrong.line, wrong.says);
}

TEST(Config, SourceErrorsNameFileLineKeyAndFix) {
  const Wrong cases[] = {
      {"two kinds",
       "sources:\n  - files: { paths: [a] }\n    kafka: { brokers: b, topics: [t] }\n",
       2,
       {"sources[0]", "exactly one"}},
      {"no kind", "sources:\n  - {}\n", 2, {"sources[0]", "exactly one"}},
      {"unknown kind", "sources:\n  - file: { paths: [a] }\n", 2, {"file", "did you mean `files`"}},
      {"no paths", "sources:\n  - files: {}\n", 2, {"sources[0].files", "names no file"}},
      {"follow",
       "sources:\n  - files: { paths: [a], follow: yes }\n",
       2,
       {"follow", "true or false"}},
      {"lateness",
       "sources:\n  - files: { paths: [a], allowed_lateness: 10 }\n",
       2,
       {"allowed_lateness", "write it like 10s"}},
      {"no topics", "sources:\n  - kafka: { brokers: b, topics: {} }\n", 2, {"topics"}},
      {"no brokers", "sources:\n  - kafka: { topics: [t] }\n", 2, {"brokers", "missing"}},
      {"half of tls",
       "sources:\n  - firehose: { listen: \"h:1\", access_key_env: K, tls: { cert: c } }\n",
       2,
       {"tls", "both"}},
      {"kafka password",
       "sources:\n  - kafka: { brokers: b, topics: [t], password: hunter2 }\n",
       2,
       {"password_env", "secret"}},
      {"kafka property password",
       "sources:\n  - kafka: { brokers: b, topics: [t], properties: { sasl.password: hunter2 } }\n",
       2,
       {"sasl.password", "password_env"}},
      {"kafka property secret",
       "sources:\n  - kafka: { brokers: b, topics: [t], properties: { "
       "sasl.oauthbearer.client.secret: hunter2 } }\n",
       2,
       {"client.secret", "secret"}},
      {"log password",
       "kafka_log: { brokers: b, properties: { ssl.key.password: hunter2 } }\n",
       1,
       {"kafka_log.properties.ssl.key.password", "password_env"}},
      {"access key",
       "sources:\n  - firehose: { listen: \"h:1\", access_key: hunter2 }\n",
       2,
       {"access_key_env", "secret"}},
      {"two places of a key",
       "sources:\n  - firehose: { listen: \"h:1\", access_key_env: A, access_key_file: B }\n",
       2,
       {"access_key_env", "keep one"}},
      {"slack url",
       "notify:\n  ops: { slack: { url: \"https://hooks.example.com/hunter2\" } }\n",
       2,
       {"url_env", "secret"}},
      {"webhook secret",
       "notify:\n  a: { webhook: { url: \"https://h/x\", secret: hunter2 } }\n",
       2,
       {"secret_env"}},
      {"routing key",
       "notify:\n  a: { pagerduty: { routing_key: hunter2 } }\n",
       2,
       {"routing_key_env"}},
      {"user in a url",
       "notify:\n  a: { webhook: { url: \"https://me:hunter2@h/x\" } }\n",
       2,
       {"notify.a.webhook.url", "url_env"}},
      {"scheme", "notify:\n  a: { webhook: { url: \"ftp://h/x\" } }\n", 2, {"url", "https://"}},
      {"no host", "notify:\n  a: { webhook: { url: \"https:///x\" } }\n", 2, {"url", "host"}},
      {"no url", "notify:\n  a: { webhook: {} }\n", 2, {"notify.a.webhook.url", "missing"}},
      {"two receivers",
       "notify:\n  a: { slack: { url_env: U }, webhook: { url: \"https://h\" } }\n",
       2,
       {"notify.a", "exactly one"}},
      {"attempts",
       "notify:\n  a: { webhook: { url: \"https://h\", attempts: 0 } }\n",
       2,
       {"attempts", "1 to 100"}},
  };
  for (const Wrong& wrong : cases) {
    expect_wrong(wrong.what, wrong.yaml, wrong.line, wrong.says);
    EXPECT_EQ(parse(wrong.yaml).error().message.find("hunter2"), std::string::npos)
        << "a secret is never printed";
  }
}

TEST(Config, AlarmErrorsNameFileLineKeyAndFix) {
  const std::pair<std::string, std::vector<const char*>> cases[] = {
      {alarm("{ metric: { namespace: N, name: M }, when: \"> 1\" }"), {"`name` is missing"}},
      {alarm("{ name: second, when: \"> 1\" }"), {"`metric` is missing"}},
      {alarm("{ name: second, metric: { name: M }, when: \"> 1\" }"),
       {"alarms[1].metric", "`namespace` is missing"}},
      {alarm("{ name: second, metric: { namespace: N, name: M } }"), {"`when` is missing"}},
      {alarm("{ name: second, metric: { namespace: N, name: M }, when: \"80\" }"),
       {"alarms[1].when", "\"> 80\""}},
      {alarm("{ name: second, metric: { namespace: N, name: M }, when: \"> many\" }"),
       {"alarms[1].when"}},
      {alarm("{ name: second, metric: { namespace: N, name: M }, when: \"> nan\" }"),
       {"alarms[1].when"}},
      {alarm("{ name: second, metric: { namespace: N, name: M }, when: \"> 1e999\" }"),
       {"alarms[1].when"}},
      {alarm("{ name: second, metric: { namespace: N, name: M }, when: \"== 1\" }"),
       {"alarms[1].when"}},
      {alarm("{ name: first, metric: { namespace: N, name: M }, when: \"> 1\" }"),
       {"alarms[1].name", "two alarms"}},
      {alarm("{ name: second, metric: { namespace: N, name: M, statistic: avg }, when: \"> 1\" }"),
       {"statistic", "`avg`", "Average"}},
      {alarm("{ name: second, metric: { namespace: N, name: M, statistic: p0 }, when: \"> 1\" }"),
       {"statistic", "p99"}},
      {alarm_with("severity: bad"), {"severity", "critical, error, warning, info"}},
      {alarm_with("datapoints: 5 of 3"), {"alarms[1].datapoints", "M of N"}},
      {alarm_with("datapoints: 0 of 3"), {"alarms[1].datapoints"}},
      {alarm_with("datapoints: -1"), {"alarms[1].datapoints"}},
      {alarm_with("datapoints: 3/5"), {"alarms[1].datapoints", "3 of 5"}},
      {alarm_with("datapoints: 5000000000 of 5000000000"), {"alarms[1].datapoints"}},
      {alarm_with("period: 45s"), {"alarms[1].period", "10s, 20s, 30s or a multiple of 60s"}},
      {alarm_with("period: 60"), {"alarms[1].period", "60"}},
      {alarm_with("period: 90s"), {"alarms[1].period"}},
      {alarm_with("period: 1h, datapoints: 169 of 169"), {"alarms[1].datapoints", "604800"}},
      {alarm_with("period: 5m, datapoints: 289 of 289"), {"alarms[1].datapoints", "86400"}},
      {alarm_with("datapoints: 3 of 5, range: 4"), {"alarms[1].range"}},
      {alarm_with("datapoints: 3 of 5, range: 106"), {"alarms[1].range", "at most 105"}},
      {alarm_with("missing: zero"), {"alarms[1].missing", "notBreaching"}},
      {alarm_with("low_samples: skip"), {"alarms[1].low_samples", "evaluate, ignore"}},
      {alarm_with("low_samples: ignore"),
       {"alarms[1].low_samples", "percentiles below p100", "Average"}},
      {alarm_with("notify: [opps]"), {"alarms[1].notify", "`opps`", "`notify`"}},
      {alarm_with("environments: [prd]"), {"alarms[1].environments", "`prd`", "environments"}},
      {alarm_with("treshold: 5"), {"alarms[1].treshold", "not a known key"}},
  };
  for (const auto& [yaml, says] : cases) expect_wrong(yaml, yaml, 5, says);
}

TEST(Config, ScalingErrorsNameFileLineKeyAndFix) {
  const auto step = [](const std::string& steps) {
    return "policies: [ { step: { metric: cpu, when: \"> 70\", warm_up: 60s, steps: [" + steps +
           "] } } ]";
  };
  const std::pair<std::string, std::vector<const char*>> cases[] = {
      {group_with("min: 5, max: 2, " + kSimple), {"scaling[0].min", "above `max`"}},
      {group_with("min: -1, " + kSimple), {"scaling[0].min", "0 to"}},
      {group_with("min: 5, quota: 2, " + kSimple), {"scaling[0].quota", "below `min`"}},
      {group_with("max: 5, desired: 6, " + kSimple), {"scaling[0].desired", "above `max`", "5"}},
      {group_with("min: 5, desired: 4, " + kSimple), {"scaling[0].desired", "below `min`", "5"}},
      {group_with("cooldown: 5, " + kSimple), {"cooldown", "write it like 5s"}},
      {"scaling:\n\n  - { group: { asg: g }, " + kSimple + " }\n",
       {"scaling[0].metrics", "that policies name"}},
      {"scaling:\n\n  - { group: { asg: g }, metric: { cpu: { namespace: A, name: B } }, " +
           kSimple + " }\n",
       {"scaling[0].metric:", "did you mean `metrics`"}},
      {group_with("policies: []"), {"scaling[0].policies", "at least one policy"}},
      {group_with("min: 1"), {"`policies` is missing"}},
      {group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", add: 1 }, step: { } } ]"),
       {"policies[0]", "exactly one of simple, step"}},
      {group_with("policies: [ { simple: { metric: mem, when: \"> 7\", add: 1 } } ]"),
       {"policies[0].simple.metric", "`mem`", "`metrics`", "cpu"}},
      {group_with(
           "policies: [ { step: { metric: mem, when: \"> 7\", steps: [ { from: 0, add: 1 } ] "
           "} } ]"),
       {"policies[0].step.metric", "`mem`"}},
      {group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", add: 1, "
                  "min_adjustment_magnitude: 2 } } ]"),
       {"policies[0].simple.min_adjustment_magnitude", "add_percent"}},
      {group_with("policies: [ { step: { metric: cpu, when: \"> 7\", min_adjustment_magnitude: 2, "
                  "steps: [ { from: 0, add: 1 } ] } } ]"),
       {"policies[0].step.min_adjustment_magnitude", "add_percent"}},
      {group_with(
           "policies: [ { step: { metric: cpu, when: \"> 7\", steps: { from: 0, add: 1 } } } "
           "]"),
       {"policies[0].step.steps", "list of steps"}},
      {group_with("policies: [ { simple: { metric: cpu, when: \"> 7\" } } ]"),
       {"exactly one of add"}},
      {group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", add: 1, remove: 1 } } ]"),
       {"exactly one of add"}},
      {group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", set: -1 } } ]"),
       {"set", "whole number"}},
      {group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", add: 1, for: 30s } } ]"),
       {"for", "60s"}},
      {group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", add: 1, warm_up: 60s } } ]"),
       {"warm_up", "cooldown"}},
      {group_with("policies: [ { step: { metric: cpu, when: \"> 7\", cooldown: 60s, steps: [ { "
                  "from: 0, add: 1 } ] } } ]"),
       {"cooldown", "warm_up"}},
      {group_with(step("")), {"steps", "no step"}},
      {group_with(step("{ add: 1 }")), {"steps", "`from` or `to`"}},
      {group_with(step("{ from: 0, to: 10, add: 1 }, { from: 20, add: 2 }")),
       {"steps", "gap or overlap"}},
      {group_with(step("{ from: 0, to: 10, add: 1 }, { from: 5, add: 2 }")),
       {"steps", "gap or overlap"}},
      {group_with(step("{ from: 0, add: 1 }, { from: 5, add: 2 }")), {"steps", "gap or overlap"}},
      {group_with(step("{ from: 10, to: 0, add: 1 }")), {"steps", "above its `from`"}},
      {group_with(step("{ from: 0, to: 10, add: 1 }")), {"steps", "highest step must be open"}},
      {group_with(step("{ from: -5, to: 0, remove: 1 }")), {"steps", "lowest step must be open"}},
      {group_with(step("{ to: -1, add: 1 }")), {"steps", "below the threshold", "`from: 0`"}},
      {group_with(step("{ to: 0, add: 1 }")), {"steps", "below the threshold"}},
      {group_with("policies: [ { step: { metric: cpu, when: \"< 7\", steps: [ { from: 0, remove: 1 "
                  "} ] } } ]"),
       {"policies[0].step.steps", "above the threshold", "`to: 0`"}},
      {group_with(step("{ from: zero, add: 1 }")), {"from", "not a number"}},
      {group_with(step("{ from: 0, to: 10, add: 1 }, { from: 10, add_percent: 20 }")),
       {"adjust in one way"}},
      {group_with("act: [ops], " + kSimple), {"scaling[0].act", "only a webhook"}},
      {group_with("act: [ { slack: ops } ], " + kSimple), {"act[0]"}},
      {group_with("act: [nobody], " + kSimple), {"`nobody`", "notify"}},
      {"scaling:\n\n  - { group: { }, " + kSimple + " }\n", {"scaling[0].group", "asg"}},
      {"scaling:\n\n  - { group: { asg: g, other: h }, " + kSimple + " }\n",
       {"scaling[0].group", "asg, other", "keep one"}},
      {"scaling:\n\n  - { group: { ecs_service: cart }, " + kSimple + " }\n",
       {"scaling[0].group.ecs_service", "`cart`", "CLUSTER/SERVICE"}},
      {"scaling:\n\n  - { group: { ecs_service: shop/ }, " + kSimple + " }\n",
       {"scaling[0].group.ecs_service", "`shop/`"}},
      {"scaling:\n\n  - { group: { ecs_service: service/shop/cart }, " + kSimple + " }\n",
       {"scaling[0].group.ecs_service", "shop/cart"}},
      {group_with(kSimple) +
           "  - { group: { asg: g }, metrics: { cpu: { namespace: A, name: B } }, " + kSimple +
           " }\n",
       {"scaled by two rules"}},
  };
  for (const auto& [yaml, says] : cases)
    expect_wrong(yaml, yaml, says.front() == std::string("scaled by two rules") ? 4 : 3, says);
}

TEST(Config, AnErrorOfAPolicyNamesThePolicysOwnLine) {
  const auto rule = [](const std::string& policy) {
    return "scaling:\n"
           "  - group: { asg: g }\n"
           "    desired: 1\n"
           "    metrics: { cpu: { namespace: AWS/EC2, name: CPUUtilization } }\n"
           "    policies:\n"
           "      - simple: { metric: cpu, when: \"> 70\", add: 1 }\n"
           "      - " +
           policy + "\n";
  };
  const std::string metric = rule("simple: { metric: mem, when: \"> 1\", add: 1 }");
  expect_wrong(metric, metric, 7, {"policies[1].simple.metric"});
  const std::string magnitude = rule(
      "step: { metric: cpu, when: \"> 1\", min_adjustment_magnitude: 2, steps: [ { from: 0, add: 1 "
      "} ] }");
  expect_wrong(magnitude, magnitude, 7, {"policies[1].step.min_adjustment_magnitude"});
}

TEST(Config, WhatIsWrongIsAtItsKeysLine) {
  expect_wrong("a null at the end", "fleet: f\nalarms:\n", 2, {"alarms: must be a list"});
  expect_wrong("a null before others", "fleet: f\nalarms:\n\nscaling: []\n", 2, {"alarms"});
  expect_wrong("a null in a mapping", "http:\n  listen:\n\nfleet: f\n", 2, {"http.listen"});
  const std::string rule =
      "  - name: second\n    metric: { namespace: N, name: M }\n"
      "    when: \"> 1\"\n    ";
  expect_wrong("receiver", kAlarmHead + rule + "notify: [gone]\n", 8,
               {"alarms[1].notify", "`gone`"});
  expect_wrong("environment", kAlarmHead + rule + "environments: [gone]\n", 8,
               {"alarms[1].environments", "`gone`"});
}

TEST(Config, ErrorsAdviseWhatIsAccepted) {
  expect_wrong("unquoted condition",
               "alarms:\n  - name: a\n    metric: { namespace: N, name: M }\n    when: > 80\n", 4,
               {"not YAML", "quoted, like \"> 80\""});
  expect_wrong("no unit", alarm_with("period: 60"), 5, {"write it like 60s"});
  expect_wrong("no duration", alarm_with("period: soon"), 5, {"write it like 60s"});
  EXPECT_TRUE(parse(alarm_with("period: 60s")));
  const auto adjust = [](const std::string& how) {
    return group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", " + how + " } } ]");
  };
  expect_wrong("add", adjust("add: -1"), 3, {".add", "`remove: 1`"});
  expect_wrong("percent", adjust("remove_percent: -20"), 3, {"`add_percent: 20`"});
  expect_wrong("set", adjust("set: -1"), 3, {".set", "from 0 to"});
}

std::string flow_alarm(const std::string& name, const std::string& keys = "") {
  return "alarms:\n\n  - { name: a, metric: { namespace: Fleetmeter/VPC, name: " + name +
         " }, for_each: InterfaceId, when: \"> 1\"" + keys + " }\n";
}

TEST(Config, AFlowMetricIsOneThatThereIs) {
  for (const std::string& name : aggregator::flow_metric_names())
    EXPECT_TRUE(parse(flow_alarm(name))) << name;
  expect_wrong("alarm", flow_alarm("AcceptedByte"), 3,
               {"alarms[0].metric.name", "did you mean `AcceptedBytes`", "NatProcessedBytes"});
  expect_wrong("scaling",
               "scaling:\n\n  - { group: { asg: g }, metrics: { cpu: { namespace: Fleetmeter/VPC, "
               "name: Bits } }, " +
                   kSimple + " }\n",
               3, {"scaling[0].metrics.cpu.name", "`Bits`", "AcceptedBytes"});
}

std::string alarm_on(const std::string& metric, const std::string& when) {
  return "alarms:\n  - name: a\n    metric: " + metric + "\n    when: \"" + when + "\"\n";
}

TEST(Config, APercentSignIsForMetricsInPercent) {
  const std::string storage = "{ namespace: AWS/RDS, name: FreeStorageSpace, statistic: Minimum }";
  expect_wrong("bytes", alarm_on(storage, "< 10%"), 4,
               {"alarms[0].when", "`< 10%`: AWS/RDS FreeStorageSpace is not in percent",
                "in bytes: \"< 2147483648\" is 10% of 20 GiB"});
  expect_wrong(
      "count of samples",
      alarm_on("{ namespace: AWS/EC2, name: CPUUtilization, statistic: SampleCount }", "< 10%"), 4,
      {"is not in percent"});
  for (const char* metric :
       {"{ namespace: AWS/EC2, name: CPUUtilization }",
        "{ namespace: AWS/EBS, name: BurstBalance }",
        "{ namespace: CWAgent, name: disk_used_percent }",
        "{ namespace: CWAgent, name: cpu_usage_idle }", "{ namespace: My/App, name: memory_used }",
        "{ namespace: AWS/CloudFront, name: 5xxErrorRate }",
        "{ namespace: AWS/ApplicationELB, name: TargetResponseTime, statistic: \"PR(:1)\" }"}) {
    EXPECT_TRUE(parse(alarm_on(metric, "< 10%"))) << metric;
  }
  EXPECT_TRUE(parse(alarm_on(storage, "< 2147483648")));
  std::vector<ConfigProblem> warnings;
  EXPECT_TRUE(
      parse_config(alarm_on(storage, "< 10%"), "fleet.yaml", warnings, nullptr, ConfigOrigin::kLog))
      << "an earlier release took it into the log";
}

TEST(Config, OnePercentSignIsEnough) {
  expect_wrong("twice", alarm_on("{ namespace: AWS/EC2, name: CPUUtilization }", "< 10%%"), 4,
               {"alarms[0].when", "`< 10%%` holds more than one %; write \"< 10%\""});
}

TEST(Config, APercentSignOfAPolicyIsForMetricsInPercentToo) {
  const auto rule = [](const std::string& policy) {
    return "scaling:\n- group: { asg: g }\n  metrics: { cpu: { namespace: AWS/EC2, name: "
           "CPUUtilization }, queue: { namespace: AWS/SQS, name: "
           "ApproximateNumberOfMessagesVisible } }\n  policies:\n  - " +
           policy + "\n";
  };
  EXPECT_TRUE(parse(rule("simple: { metric: cpu, when: \"> 70%\", add: 1 }")));
  expect_wrong("simple", rule("simple: { metric: queue, when: \"> 70%\", add: 1 }"), 5,
               {"scaling[0].policies[0].simple.when", "is not in percent"});
  expect_wrong("step",
               rule("step: { metric: queue, when: \"> 70%\", steps: [ { from: 0, add: 1 } ] }"), 5,
               {"scaling[0].policies[0].step.when", "is not in percent"});
}

TEST(Config, AnAccountThatIsNotTwelveDigitsIsWarnedOf) {
  const std::string head = "environments:\n  prod:\n    accounts: ";
  const auto warnings = warnings_of(head + "[\"123456789012\", \"12345\"]\n");
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].line, 3);
  EXPECT_THAT(warnings[0].text(), HasSubstr("environments.prod.accounts"));
  EXPECT_THAT(warnings[0].text(), HasSubstr("`12345` is not an account id: 12 digits"));
  EXPECT_EQ(warnings_of(head + "my-account\n").size(), 1U);
  EXPECT_TRUE(warnings_of(head + "\"012345678901\"\n").empty());
}

TEST(Config, ASimplePolicyThatChangesNothingIsWarnedOf) {
  const auto simple = [](const std::string& how) {
    return warnings_of(
        group_with("policies: [ { simple: { metric: cpu, when: \"> 7\", " + how + " } } ]"));
  };
  const auto warnings = simple("add: 0");
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0].text(), HasSubstr("scaling[0].policies[0].simple.add"));
  EXPECT_THAT(warnings[0].text(), HasSubstr("`0` changes nothing; write 1 or more"));
  EXPECT_EQ(simple("remove_percent: 0").size(), 1U);
  EXPECT_TRUE(simple("set: 0").empty());
}

TEST(Config, APeriodShorterThanFlowLogsAreCapturedAtIsWarnedOf) {
  EXPECT_TRUE(warnings_of(flow_alarm("AcceptedBytes")).empty());
  EXPECT_EQ(warnings_of(flow_alarm("AcceptedBytes", ", period: 30s")).size(), 1U);
  const std::string slow = "flow_logs: { capture_interval: 600s }\n";
  const auto warnings = warnings_of(slow + flow_alarm("AcceptedBytes"));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0].text(), HasSubstr("alarms[0]: a `period` of 60s is shorter"));
  EXPECT_TRUE(warnings_of(slow + flow_alarm("AcceptedBytes", ", period: 600s")).empty());
}

TEST(Config, ANullBoundOfAStepIsOpen) {
  for (const char* open : {"null", "~", ""}) {
    const auto config = parse(
        group_with("policies: [ { step: { metric: cpu, when: \"> 70\", warm_up: 60s, steps: [ { "
                   "from: 0, to: 10, add: 1 }, { from: 10, add: 2, to: " +
                   std::string(open) + " } ] } } ]"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->rules.scaling.at(0).step.at(0).steps.at(1).upper, std::nullopt);
  }
}

TEST(Config, AStepPolicyThatHoldsOnlyForPartOfWhatBreachesIsAccepted) {
  const auto policy = [](const std::string& when, const std::string& steps) {
    return parse(group_with("policies: [ { step: { metric: cpu, when: \"" + when +
                            "\", warm_up: 60s, steps: [ " + steps + " ] } } ]"));
  };
  EXPECT_TRUE(policy("> 70", "{ from: 10, add: 1 }"));
  EXPECT_TRUE(policy(">= 70", "{ to: 0, add: 0 }, { from: 0, add: 1 }"));
  EXPECT_TRUE(policy("< 70", "{ to: -10, remove: 1 }"));
  EXPECT_TRUE(policy("<= 70", "{ to: 0, remove: 1 }, { from: 0, remove: 0 }"));
}

TEST(Config, StepPoliciesOfAnEcsServiceTakeACooldownAndNoWarmUp) {
  const auto service = [](const std::string& keys) {
    return "scaling:\n\n  - { group: { ecs_service: shop/cart }, metrics: { cpu: { namespace: "
           "AWS/ECS,"
           " name: CPUUtilization } }, policies: [ { step: { metric: cpu, when: \"> 70\", " +
           keys + " steps: [ { from: 0, add: 2 } ] } } ] }\n";
  };
  const auto config = parse(service("cooldown: 120s,"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->rules.scaling.at(0).step.at(0).cooldown_s, 120U);
  EXPECT_TRUE(warnings_of(service("cooldown: 120s,")).empty());
  EXPECT_TRUE(warnings_of(service("")).empty());
  const std::string wrong = service("warm_up: 120s,");
  expect_wrong(wrong, wrong, 3, {"warm_up", "ECS service"});
}

TEST(Config, MetricsOfDynamoDbIgnoreMissingDataUnlessTheRuleSaysOtherwise) {
  const auto treatment = [](const std::string& space, const std::string& more) {
    const auto config = parse("alarms: [ { name: a, metric: { namespace: " + space +
                              ", name: M }, when: \"> 1\"" + more + " } ]\n");
    EXPECT_TRUE(config) << config.error().message;
    return config->rules.alarms.at(0).missing;
  };
  EXPECT_EQ(treatment("AWS/DynamoDB", ""), alarms::MissingData::kIgnore);
  EXPECT_EQ(treatment("AWS/DynamoDB", ", missing: missing"), alarms::MissingData::kMissing);
  EXPECT_EQ(treatment("AWS/EC2", ""), alarms::MissingData::kMissing);
}

TEST(Config, AGroupHasOneWriterInEachEnvironment) {
  const std::string group =
      "  - { group: { asg: g }, metrics: { cpu: { namespace: A, name: B } }, policies: [ { simple: "
      "{ "
      "metric: cpu, when: \"> 70\", add: 1 } } ]";
  const std::string declared = "environments: { prod: {}, staging: {} }\n";
  EXPECT_TRUE(parse(declared + "scaling:\n" + group + ", environments: [prod] }\n" + group +
                    ", environments: [staging] }\n"));
  const auto both = parse(declared + "scaling:\n" + group + ", name: a, environments: [prod] }\n" +
                          group + ", name: b }\n");
  ASSERT_FALSE(both);
  EXPECT_THAT(both.error().message, HasSubstr("scaled by two rules"));
}

TEST(Config, MixUpsOfCooldownAndWarmUpAreWarnings) {
  const std::string step =
      "policies: [ { step: { metric: cpu, when: \"> 70\", steps: [ { from: 0, add: 1 } ] } } ]";
  const auto cooldown = warnings_of(group_with("cooldown: 300s, warm_up: 60s, " + step));
  ASSERT_EQ(cooldown.size(), 1u);
  EXPECT_EQ(cooldown[0].line, 3);
  EXPECT_THAT(cooldown[0].message, HasSubstr("`cooldown` holds back simple policies only"));
  const auto warm_up = warnings_of(group_with("warm_up: 60s, " + kSimple));
  ASSERT_EQ(warm_up.size(), 1u);
  EXPECT_THAT(warm_up[0].message, HasSubstr("`warm_up` is for step policies only"));
  const auto neither = warnings_of(group_with(step));
  ASSERT_EQ(neither.size(), 1u);
  EXPECT_THAT(neither[0].message, HasSubstr("cooldown of 300s as warm-up"));
  const auto quota = warnings_of(group_with("min: 1, max: 9, quota: 5, " + kSimple));
  ASSERT_EQ(quota.size(), 1u);
  EXPECT_THAT(quota[0].message, HasSubstr("quota"));
  EXPECT_TRUE(warnings_of(group_with("cooldown: 60s, " + kSimple)).empty());
}

TEST(Config, SourcesThatNobodyReadsOverKafkaAreWarnings) {
  const std::string sources =
      "sources:\n"
      "  - kafka: { brokers: b, topics: [t] }\n"
      "  - files: { paths: [flow/] }\n"
      "  - firehose: { listen: \"127.0.0.1:0\" }\n";
  EXPECT_TRUE(warnings_of(sources).empty());
  const auto warnings = warnings_of(sources + "kafka_log: { brokers: b }\n");
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0].line, 3);
  EXPECT_THAT(warnings[0].text(), HasSubstr("sources[1]: is read by `run` only"));
  EXPECT_THAT(warnings[1].text(), HasSubstr("sources[2]: is read by `run` only"));
}

TEST(Config, SecretsComeFromTheEnvironmentOrAFile) {
  const std::string file = testing::TempDir() + "config_test_secret";
  std::ofstream(file) << "from-file \r\nsecond line\n";
  ASSERT_EQ(setenv("CONFIG_TEST_SECRET", "from-env", 1), 0);
  ASSERT_EQ(unsetenv("CONFIG_TEST_ABSENT"), 0);
  EXPECT_EQ(*resolve_secret({.env = "CONFIG_TEST_SECRET", .file = {}}), "from-env");
  EXPECT_EQ(*resolve_secret({.env = {}, .file = file}), "from-file");
  EXPECT_THAT(resolve_secret({.env = "CONFIG_TEST_ABSENT", .file = {}}).error().message,
              HasSubstr("CONFIG_TEST_ABSENT is not set"));
  EXPECT_THAT(resolve_secret({.env = {}, .file = "/nowhere/key"}).error().message,
              HasSubstr("/nowhere/key"));

  const auto log = parse("kafka_log: { brokers: b, password_env: CONFIG_TEST_SECRET }\n");
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_TRUE(log->kafka_log.connection.properties.empty());
  EXPECT_EQ(resolve_kafka_log(*log)->connection.properties.at("sasl.password"), "from-env");
}

TEST(Config, ReceiversThatCannotWorkAreErrorsBeforeAnythingRuns) {
  ASSERT_EQ(setenv("CONFIG_TEST_URL", "not a url hunter2", 1), 0);
  ASSERT_EQ(unsetenv("CONFIG_TEST_ABSENT"), 0);
  const auto bad = parse("notify: { ops: { slack: { url_env: CONFIG_TEST_URL } } }\n");
  ASSERT_TRUE(bad) << "rules check resolves no secret";
  const auto resolved = resolve_receivers(*bad);
  ASSERT_FALSE(resolved);
  EXPECT_THAT(resolved.error().message, HasSubstr("notify.ops"));
  EXPECT_EQ(resolved.error().message.find("hunter2"), std::string::npos);
  const auto absent = resolve_receivers(
      *parse("notify: { a: { pagerduty: { routing_key_env: CONFIG_TEST_ABSENT } } }\n"));
  ASSERT_FALSE(absent);
  EXPECT_THAT(absent.error().message, HasSubstr("CONFIG_TEST_ABSENT"));
}

TEST(Config, AnInventoryFileThatCannotBeOpenedIsNamedWhereTheConfigurationNamesIt) {
  const auto problem = [](const std::string& entry) {
    const auto config = parse("fleet: f\ninventory:\n  - " + entry + "\n");
    EXPECT_TRUE(config) << "rules check opens no file";
    const auto opened = check_inventory(*config);
    return opened ? std::string() : opened.error().message;
  };
  EXPECT_THAT(problem("terraform: state.json"),
              testing::AllOf(HasSubstr("/etc/fleetmeter/fleet.yaml:3: inventory[0].terraform: "
                                       "/etc/fleetmeter/state.json: No such file or directory"),
                             HasSubstr("terraform show -json"),
                             HasSubstr("relative to the configuration")));
  EXPECT_THAT(problem("aws: \"dumps/*.json\""),
              testing::AllOf(HasSubstr("inventory[0].aws"), HasSubstr("No such file"),
                             HasSubstr("patterns are not read here")));
  EXPECT_THAT(problem("/dev/null/state.json"), HasSubstr("Not a directory"));
  EXPECT_EQ(problem("/dev/null"), "");
}

TEST(Config, ABudgetBeyondWhatCanBeCountedSaysSo) {
  const auto budget = [](const std::string& usd) {
    return "environments:\n  prod: { budget: { monthly_usd: " + usd + " } }\n";
  };
  expect_wrong("large", budget("99999999999999"), 2,
               {"monthly_usd", "cannot be counted: at most 922 million USD"});
  expect_wrong("fine", budget("0.000000000001"), 2, {"at most 10 digits behind the point"});
  expect_wrong("nothing", budget("0"), 2, {"is not an amount above 0"});
}

TEST(Config, FilesThatAreNoneSaySo) {
  std::vector<ConfigProblem> warnings;
  EXPECT_THAT(load_config("/nowhere/fleet.yaml", warnings).error().message,
              HasSubstr("fleetmeter help config"));
  EXPECT_EQ(load_config("/nowhere/fleet.yaml", warnings).error().code, ErrorCode::kNotFound);
  EXPECT_THAT(load_config("/nowhere/fleet.yaml", warnings).error().message,
              HasSubstr("cannot be opened: No such file"));
  EXPECT_THAT(load_config("/dev/null/fleet.yaml", warnings).error().message,
              HasSubstr("Not a directory"));
  EXPECT_THAT(load_config("/tmp", warnings).error().message, HasSubstr("is a directory"));
}

}  // namespace
}  // namespace fleetmeter::app
