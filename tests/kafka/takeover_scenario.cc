#include "tests/kafka/takeover_scenario.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "cost/usage_store.h"

namespace fleetmeter::ingest {

namespace {

constexpr int kPartitions = TakeoverTelemetry::kPartitions;
constexpr int kMinutes = TakeoverTelemetry::kMinutes;
constexpr double kRate = 90;        // Test clock seconds in a real one, where the machine can.
constexpr int kArrivalDelayS = 65;  // After its minute begins a minute's telemetry is sent.
constexpr int kAllowedS = 600;      // Publication delay and allowed lateness of the configuration.
// How far the clock may run while the test waits for processes. Ticks run up to a minute ahead of
// what a source has said: what is sent after both must still be within kAllowedS.
constexpr std::int64_t kListeningMs = 30 * 60'000;
constexpr std::int64_t kDyingMs = 3 * 60'000;
constexpr std::int64_t kRetriesMs = 60 * 60'000;

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TakeoverScenario::TakeoverScenario() : prefix_(fresh_prefix("takeover")) {
  // When a record was there is the broker's to say: a producer that waits for a core says less.
  const KafkaProperties settings = {{"message.timestamp.type", "LogAppendTime"}};
  cluster_.create(prefix_ + "-flows", kPartitions, settings);
  cluster_.create(prefix_ + "-metrics", kPartitions, settings);
  // Two hours back, so that the test clock never passes the real one by much.
  const auto start = std::chrono::system_clock::now() - std::chrono::hours(2);
  clock_ = std::make_unique<SteppedClock>(
      path("clock"), std::chrono::time_point_cast<Milliseconds>(start).time_since_epoch().count(),
      kRate);
  ::setenv("FLEETMETER_TEST_CLOCK", ("file:" + path("clock")).c_str(), 1);
  ::setenv("TAKEOVER_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", 1);
  for (const char* side : {"run", "workers"})
    std::ofstream(path(side) + ".yaml") << configuration(side);
}

TakeoverScenario::~TakeoverScenario() = default;

std::string TakeoverScenario::path(const std::string& name) const {
  return folder_.path() + "/" + name;
}

std::string TakeoverScenario::configuration(const std::string& side) const {
  std::string text = "fleet: takeover\nenvironments:\n";
  for (int e = 0; e < TakeoverTelemetry::kEnvironments; ++e) {
    text += fmt::format("  prod-{}: {{ accounts: [\"{}\"], region: us-east-1 }}\n", e,
                        TakeoverTelemetry::account(e));
  }
  const std::string head = R"yaml(sources:
  - kafka: {{ brokers: "{0}", topics: {{ flow_logs: {1}-flows, metrics: {1}-metrics }}, group: {1}-{2}, region: us-east-1, allowed_lateness: {4}s }}
kafka_log: {{ brokers: "{0}", prefix: {1}, partitions: {3}, session_timeout: 2s, transaction_timeout: 4s }}
series:
  - {{ namespace: AWS/EC2, publication_delay: {4}s }}
notify:
  ops: {{ webhook: {{ url: "{5}/{2}", secret_env: TAKEOVER_SECRET, attempts: 100 }} }}
)yaml";
  text += fmt::format(fmt::runtime(head), test_brokers(), prefix_, side, kPartitions, kAllowedS,
                      receiver_.url());
  // No `act`: an action expires by the clock, and then the group's next decision is another.
  return text + R"yaml(alarms:
  - { name: cpu, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average }, for_each: InstanceId, when: "> 80", period: 60s, datapoints: 2 of 3, missing: ignore, notify: [ops] }
  - { name: silent, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: SampleCount }, for_each: InstanceId, when: "< 1", period: 60s, datapoints: 5 of 5, missing: breaching, notify: [ops] }
  - { name: rejects, metric: { namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }, for_each: InterfaceId, when: "> 5", period: 60s, datapoints: 1 of 1, missing: ignore, notify: [ops] }
scaling:
  - group: { asg: web }
    min: 2
    max: 8
    desired: 4
    cooldown: 300s
    metrics: { cpu: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average } }
    policies:
      - simple: { metric: cpu, when: "> 70", for: 3m, add: 1 }
      - simple: { metric: cpu, when: "< 30", for: 5m, remove: 1 }
    notify: [ops]
)yaml";
}

std::unique_ptr<ChildProcess> TakeoverScenario::worker(const std::string& command,
                                                       const std::string& name, bool dies) {
  std::map<std::string, std::string> environment;
  if (dies) environment["FLEETMETER_TEST_FAULT"] = "transaction.before_commit:1:" + path("die-now");
  return std::make_unique<ChildProcess>(
      path(name),
      std::vector<std::string>{command, "-c", path("workers.yaml"), "--instance", name,
                               "--no-http"},
      environment);
}

std::int64_t TakeoverScenario::committed() {
  return cluster_.committed(prefix_ + "-workers", prefix_ + "-flows", kPartitions) +
         cluster_.committed(prefix_ + "-workers", prefix_ + "-metrics", kPartitions);
}

std::vector<proto::LogRecord> TakeoverScenario::log_records(int partition) {
  return cluster_.records(prefix_ + ".aggregates", partition);
}

/// Every source partition has said that it is caught up, and every log partition holds the rules:
/// nothing is sent before.
bool TakeoverScenario::everybody_listens() {
  std::set<std::string> caught_up;
  for (int partition = 0; partition < kPartitions; ++partition) {
    bool has_rules = false;
    for (const auto& record : log_records(partition)) {
      has_rules = has_rules || record.has_config();
      for (const auto& source : record.progress().sources()) {
        if (partition == 0 && source.caught_up()) caught_up.insert(source.source());
      }
    }
    if (!has_rules) return false;
  }
  return caught_up.size() == 2 * kPartitions &&
         count(run_->log(), "reading kafka:") == 2 * kPartitions;
}

bool TakeoverScenario::everything_is_delivered() {
  std::set<std::string> open;
  for (const Outbox& entry : outbox()) {
    if (!entry.record.result()) open.insert(entry.record.event_id());
    if (entry.record.result() &&
        entry.record.state() == static_cast<unsigned>(aggregator::DeliveryState::kDelivered)) {
      open.erase(entry.record.event_id());
    }
  }
  return open.empty();
}

void TakeoverScenario::play() {
  run_ = std::make_unique<ChildProcess>(
      path("run"), std::vector<std::string>{"run", "-c", path("run.yaml"), "--no-http"});
  ingest_a_ = worker("ingest", "ingest-a", true);
  ingest_b_ = worker("ingest", "ingest-b");
  evaluate_a_ = worker("evaluate", "evaluate-a", true);
  evaluate_b_ = worker("evaluate", "evaluate-b");
  clock_->allow(clock_->now_ms() + kListeningMs);
  ASSERT_TRUE(eventually([&] { return everybody_listens(); })) << logs();
  feed();
  if (testing::Test::HasFatalFailure()) return;
  end();
}

void TakeoverScenario::send(int minute) {
  for (TakeoverTelemetry::Message& message : telemetry_->minute(minute)) {
    cluster_.send(prefix_ + (message.flow ? "-flows" : "-metrics"), message.partition,
                  message.value);
    sent_.push_back({std::move(message), 0});
  }
  cluster_.flush();
}

void TakeoverScenario::feed() {
  start_s_ = clock_->now_ms() / 60'000 * 60 + 120;
  telemetry_ = std::make_unique<TakeoverTelemetry>(start_s_);
  for (int minute = 0; minute < kMinutes; ++minute) {
    clock_->run_to((start_s_ + minute * 60 + kArrivalDelayS) * 1000);
    send(minute);
    if (minute == kMinutes / 2 - 10) receiver_.refuse("/workers");
    if (minute == kMinutes / 2) {
      first_deaths();
      if (testing::Test::HasFatalFailure()) return;
    }
    if (minute == kMinutes * 2 / 3) ingest_c_ = worker("ingest", "ingest-c");
    if (minute == kMinutes * 3 / 4) {
      EXPECT_EQ(ingest_b_->end(SIGKILL), -SIGKILL);
      EXPECT_EQ(evaluate_b_->end(SIGKILL), -SIGKILL);
    }
  }
}

void TakeoverScenario::first_deaths() {
  std::ofstream(path("die-now")) << "inside the next transaction\n";
  clock_->allow(clock_->now_ms() + kDyingMs);
  ASSERT_TRUE(eventually([&] { return ingest_a_->ended() && evaluate_a_->ended(); })) << logs();
  EXPECT_EQ(ingest_a_->end(0), -SIGKILL) << ingest_a_->log();
  EXPECT_EQ(evaluate_a_->end(0), -SIGKILL) << evaluate_a_->log();
  killed_s_ = clock_->now_ms() / 1000;
  killed_ms_ = clock_->real_ms(clock_->now_ms());
  receiver_.refuse("");
  evaluate_c_ = worker("evaluate", "evaluate-c");
}

/// Waits for all that was due without data, then ends every process as SIGTERM does.
void TakeoverScenario::end() {
  EXPECT_TRUE(eventually([&] { return committed() == TakeoverTelemetry::kMessages; })) << logs();
  clock_->run_to((end_s() + kAllowedS + 10 * 60) * 1000);
  const auto ticked = [&] {
    for (int partition = 0; partition < kPartitions; ++partition) {
      const auto records = log_records(partition);
      if (std::none_of(records.begin(), records.end(), [&](const auto& record) {
            return record.tick().time_s() >= end_s() + kAllowedS + 60;
          })) {
        return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(eventually(ticked)) << logs();
  clock_->allow(clock_->now_ms() + kRetriesMs);
  EXPECT_TRUE(eventually([&] { return everything_is_delivered(); })) << logs();
  EXPECT_EQ(ingest_c_->end(SIGTERM), 0) << ingest_c_->log();
  EXPECT_EQ(evaluate_c_->end(SIGTERM), 0) << evaluate_c_->log();
  EXPECT_EQ(run_->end(SIGTERM), 0) << run_->log();
  note_arrivals();
}

/// When the broker took each message: they come in the order in which they were sent.
void TakeoverScenario::note_arrivals() {
  std::map<TopicPartition, std::vector<Sent*>> by_partition;
  for (Sent& one : sent_) {
    by_partition[{prefix_ + (one.message.flow ? "-flows" : "-metrics"), one.message.partition}]
        .push_back(&one);
  }
  for (const auto& [partition, sent] : by_partition) {
    const auto messages = cluster_.read(partition.first, partition.second);
    ASSERT_EQ(messages.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i]->appended_ms = messages[i].timestamp_ms;
  }
}

std::string TakeoverScenario::source_name(const Sent& sent, const std::string& prefix) {
  return fmt::format("kafka:{}{}/{}", prefix, sent.message.flow ? "-flows" : "-metrics",
                     sent.message.partition);
}

std::vector<proto::Event> TakeoverScenario::events_of_workers() {
  std::vector<proto::Event> events;
  std::set<std::string> ids;
  for (int partition = 0; partition < kPartitions; ++partition) {
    for (const auto& message : cluster_.read(prefix_ + ".events", partition)) {
      EXPECT_TRUE(events.emplace_back().ParseFromString(message.value));
      EXPECT_TRUE(ids.insert(events.back().id()).second) << "twice: " << events.back().id();
    }
  }
  return events;
}

std::vector<proto::Event> TakeoverScenario::events_of_run() {
  SystemClock system;
  aggregator::SqliteLog::Options options;
  options.clock = &system;
  auto log = aggregator::SqliteLog::open(path("run") + "/fleetmeter-state/log.db", options);
  EXPECT_TRUE(log) << log.error().message;
  aggregator::EventQuery all;
  all.limit = 1'000'000;
  auto events = (*log)->events(all);
  EXPECT_TRUE(events);
  return *std::move(events);
}

std::vector<TakeoverScenario::Outbox> TakeoverScenario::outbox() {
  std::vector<Outbox> entries;
  for (int partition = 0; partition < kPartitions; ++partition) {
    for (const auto& message : cluster_.read(prefix_ + ".outbox", partition)) {
      Outbox& entry = entries.emplace_back();
      EXPECT_TRUE(entry.record.ParseFromString(message.value));
      entry.at_ms = message.timestamp_ms;
    }
  }
  return entries;
}

std::vector<std::string> TakeoverScenario::usage_rows(const std::string& name) const {
  std::vector<std::string> rows;
  auto store = cost::UsageStore::open_read_only(path(name) + "/fleetmeter-state/cost.db");
  EXPECT_TRUE(store) << store.error().message;
  if (!store) return rows;
  const auto hour = static_cast<std::uint32_t>(clock_->now_ms() / 3'600'000);
  const auto flows = (*store)->flows(hour - 48, hour + 48);
  EXPECT_TRUE(flows);
  for (const cost::FlowUsage& flow : *flows) {
    rows.push_back(fmt::format("flow {} {} {} {} {} {} {} {} {}: {} {} {}", flow.environment,
                               flow.hour, static_cast<int>(flow.status),
                               static_cast<int>(flow.action), static_cast<int>(flow.direction),
                               static_cast<int>(flow.path_class), flow.interface, flow.owner,
                               flow.peer_owner, flow.bytes, flow.packets, flow.records));
  }
  const auto usage = (*store)->usage(hour - 48, hour + 48);
  EXPECT_TRUE(usage);
  for (const cost::HourlyUsage& one : *usage) {
    rows.push_back(fmt::format("{} {} {} {}: {}", one.environment, one.hour, one.kind, one.resource,
                               one.quantity));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::string TakeoverScenario::bill(const std::string& name) const {
  const std::string out = path(name) + "/report.json";
  ChildProcess process(path(name),
                       {"cost", "report", "-c", path(name == "run" ? "run.yaml" : "workers.yaml"),
                        "--format", "json", "--out", out});
  EXPECT_TRUE(eventually([&] { return process.ended(); }));
  std::ifstream in(out);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string TakeoverScenario::logs() const {
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    if (!entry.is_directory()) continue;
    std::ifstream in(entry.path() / "log");
    std::ostringstream text;
    text << in.rdbuf();
    const std::string log = text.str();
    all += "==== " + entry.path().filename().string() + "\n" +
           log.substr(log.size() > 3000 ? log.size() - 3000 : 0) + "\n";
  }
  return all;
}

}  // namespace fleetmeter::ingest
