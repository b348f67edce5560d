#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <set>
#include <sstream>

#include "aggregator/sqlite_log.h"
#include "alarms/engine.h"
#include "cost/usage_store.h"
#include "proto/clock.h"
#include "proto/event.pb.h"
#include "tests/kafka/kafka_fixture.h"

// Two `ingest` and two `evaluate` processes on a real broker, one of each killed with -9 in the
// middle of the input, against one `run` that nothing happens to: same events, same sums, same
// bill. Both read the same topics at the same time on one test clock (docs/time.md 9).
namespace fleetmeter::ingest {
namespace {

constexpr double kRate = 90;        // Seconds of the test clock in a real one.
constexpr int kMinutes = 60;        // Of telemetry.
constexpr int kPartitions = 4;      // Of each input topic and of the aggregate topic.
constexpr int kEnvironments = 4;    // prod-0 ...: one a log partition.
constexpr int kMachines = 3;        // An environment.
constexpr int kArrivalDelayS = 65;  // After its minute begins a minute's telemetry arrives.
constexpr unsigned kSeed = 20261121;

std::string account(int environment) {
  return fmt::format("{}", 111111111111LL * (environment + 1));
}

/// A child process in a directory of its own.
class Process {
 public:
  Process(const std::string& directory, const std::vector<std::string>& arguments)
      : directory_(directory) {
    std::filesystem::create_directories(directory);
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int log = ::open((directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(log, 1);
    ::dup2(log, 2);
    if (::chdir(directory.c_str()) != 0) ::_exit(126);
    std::vector<char*> argv = {const_cast<char*>(FLEETMETER_BINARY)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(FLEETMETER_BINARY, argv.data());
    ::_exit(127);
  }
  ~Process() { end(SIGKILL); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Exit code, or minus the signal that ended it.
  int end(int signal) {
    if (pid_ <= 0) return status_;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return status_;
  }
  [[nodiscard]] std::string log() const {
    std::ifstream in(directory_ + "/log");
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  pid_t pid_ = 0;
  int status_ = 0;
};

/// Seeded telemetry, minute by minute. CPU surges, rejects come in bursts, one machine falls
/// silent for a while, every minute and environment has its own share.
class Telemetry {
 public:
  explicit Telemetry(std::int64_t start_s) : start_s_(start_s), random_(kSeed) {}

  struct Message {
    bool flow;
    int partition;
    std::string value;
  };
  std::vector<Message> minute(int m) {
    std::vector<Message> messages;
    for (int e = 0; e < kEnvironments; ++e) {
      for (int part = 0; part < 2; ++part)
        messages.push_back({true, (e + m + 2 * part) % kPartitions, flows(e, m)});
      messages.push_back({false, (e + m) % kPartitions, metrics(e, m)});
    }
    return messages;
  }
  [[nodiscard]] int messages_in_all() const { return kMinutes * kEnvironments * 3; }
  std::uint64_t flow_bytes = 0, flow_records = 0, metric_updates = 0;

 private:
  std::string flows(int e, int m) {
    std::string text;
    const std::int64_t start = start_s_ + m * 60;
    for (int i = 0; i < kMachines; ++i) {
      const std::uint64_t bytes = random_() % 1'000'000;
      text += line(e, i, start + i, bytes, "ACCEPT");
      if ((m + 7 * e) % 23 < 4) {
        for (int r = 0; r < 4; ++r)
          text += line(e, i, start + 10 + r, 40 + random_() % 20, "REJECT");
      }
    }
    return text;
  }
  std::string line(int e, int i, std::int64_t start, std::uint64_t bytes, const char* action) {
    flow_bytes += bytes;
    ++flow_records;
    return fmt::format(
        "2 {} eni-{:02}{:02} 10.{}.0.{} 198.51.100.{} 40000 443 6 3 {} {} {} {} OK\n", account(e),
        e, i, e, 10 + i, 1 + random_() % 200, bytes, start, start + 20, action);
  }
  std::string metrics(int e, int m) {
    std::string text;
    for (int i = 0; i < kMachines; ++i) {
      if (i == 2 && m >= 20 + e && m < 34 + e) continue;  // Falls silent.
      const bool surge = (m + 5 * e + 3 * i) % 29 < 7;
      const double value = surge ? 85 + static_cast<double>(random_() % 100) / 10
                                 : 20 + static_cast<double>(random_() % 300) / 10;
      ++metric_updates;
      text += fmt::format(
          R"({{"metric_stream_name":"s","account_id":"{}","region":"us-east-1",)"
          R"("namespace":"AWS/EC2","metric_name":"CPUUtilization",)"
          R"("dimensions":{{"InstanceId":"i-{:02}{:02}"}},"timestamp":{},)"
          R"("value":{{"max":{:.1f},"min":{:.1f},"sum":{:.1f},"count":1.0}},"unit":"Percent"}})"
          "\n",
          account(e), e, i, (start_s_ + m * 60) * 1000, value, value, value);
    }
    return text;
  }

  std::int64_t start_s_;
  std::mt19937_64 random_;
};

std::string configuration(const std::string& brokers, const std::string& prefix,
                          const std::string& group) {
  std::string text = "fleet: takeover\nenvironments:\n";
  for (int e = 0; e < kEnvironments; ++e)
    text += fmt::format("  prod-{}: {{ accounts: [\"{}\"], region: us-east-1 }}\n", e, account(e));
  text += fmt::format(
      "sources:\n"
      "  - kafka: {{ brokers: \"{0}\", topics: {{ flow_logs: {1}-flows, metrics: {1}-metrics }}, "
      "group: {2}, region: us-east-1 }}\n"
      "kafka_log: {{ brokers: \"{0}\", prefix: {1}, partitions: {3}, session_timeout: 2s, "
      "transaction_timeout: 4s }}\n"
      "alarms:\n"
      "  - {{ name: cpu, metric: {{ namespace: AWS/EC2, name: CPUUtilization, statistic: Average "
      "}}, "
      "for_each: InstanceId, when: \"> 80\", period: 60s, datapoints: 2 of 3, missing: ignore }}\n"
      "  - {{ name: silent, metric: {{ namespace: AWS/EC2, name: CPUUtilization, statistic: "
      "SampleCount }}, for_each: InstanceId, when: \"< 1\", period: 60s, datapoints: 5 of 5, "
      "missing: breaching }}\n"
      "  - {{ name: rejects, metric: {{ namespace: Fleetmeter/VPC, name: RejectedRecords, "
      "statistic: "
      "Sum }}, for_each: InterfaceId, when: \"> 5\", period: 60s, datapoints: 1 of 1, missing: "
      "ignore }}\n",
      brokers, prefix, group, kPartitions);
  return text;
}

class Takeover : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(test_brokers(), "") << "run under tests/kafka/broker.py";
    prefix = fresh_prefix("takeover");
    cluster = std::make_unique<TestCluster>();
    cluster->create(prefix + "-flows", kPartitions);
    cluster->create(prefix + "-metrics", kPartitions);
    const auto now = std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
    // Two hours back, so that the test clock never passes the real one by much.
    const WallTime start = now - std::chrono::hours(2);
    clock = std::make_unique<RateClock>(now, start, kRate);
    ::setenv("FLEETMETER_TEST_CLOCK",
             fmt::format("{}:{}:{}", now.time_since_epoch().count(),
                         start.time_since_epoch().count(), kRate)
                 .c_str(),
             1);
    write("run.yaml", configuration(test_brokers(), prefix, prefix + "-run"));
    write("workers.yaml", configuration(test_brokers(), prefix, prefix + "-workers"));
  }
  void TearDown() override {
    if (!HasFailure()) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (!entry.is_directory()) continue;
      std::ifstream in(entry.path() / "log");
      std::ostringstream text;
      text << in.rdbuf();
      const std::string all = text.str();
      std::cerr << "==== " << entry.path().filename().string() << "\n"
                << all.substr(all.size() > 3000 ? all.size() - 3000 : 0) << "\n";
    }
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder.path() + "/" + name) << text;
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return folder.path() + "/" + name;
  }
  std::unique_ptr<Process> worker(const std::string& command, const std::string& name) {
    return std::make_unique<Process>(
        path(name), std::vector<std::string>{command, "-c", path("workers.yaml"), "--instance",
                                             name, "--no-http"});
  }
  [[nodiscard]] std::int64_t clock_s() const {
    return clock->wall().time_since_epoch().count() / 1000;
  }
  void sleep_to(std::int64_t time_s) const {
    while (clock_s() < time_s) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::int64_t committed() {
    return cluster->committed(prefix + "-workers", prefix + "-flows", kPartitions) +
           cluster->committed(prefix + "-workers", prefix + "-metrics", kPartitions);
  }
  /// Every source partition has said that it is caught up, and every log partition holds the
  /// rules: nothing is sent before.
  bool everybody_listens() {
    std::set<std::string> caught_up;
    for (const auto& record : cluster->records(prefix + ".aggregates", 0)) {
      for (const auto& source : record.progress().sources()) {
        if (source.caught_up()) caught_up.insert(source.source());
      }
    }
    if (caught_up.size() != 2 * kPartitions) return false;
    for (int partition = 0; partition < kPartitions; ++partition) {
      const auto records = cluster->records(prefix + ".aggregates", partition);
      if (std::none_of(records.begin(), records.end(),
                       [](const auto& record) { return record.has_config(); })) {
        return false;
      }
    }
    return true;
  }
  static int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
  }
  /// What one side has and the other lacks, to read.
  static std::string difference(const std::vector<std::string>& got,
                                const std::vector<std::string>& expected) {
    std::vector<std::string> only;
    std::string text;
    std::set_difference(got.begin(), got.end(), expected.begin(), expected.end(),
                        std::back_inserter(only));
    for (const std::string& one : only) text += "only of the workers: " + one + "\n";
    only.clear();
    std::set_difference(expected.begin(), expected.end(), got.begin(), got.end(),
                        std::back_inserter(only));
    for (const std::string& one : only) text += "only of run: " + one + "\n";
    return text;
  }
  /// Events up to a time, as the event log shows them; each id once.
  std::vector<std::string> events_of_topic(std::int64_t before_s) {
    std::vector<proto::Event> events;
    std::set<std::string> ids;
    for (int partition = 0; partition < kPartitions; ++partition) {
      for (const auto& message : cluster->read(prefix + ".events", partition)) {
        EXPECT_TRUE(events.emplace_back().ParseFromString(message.value));
        EXPECT_TRUE(ids.insert(events.back().id()).second) << "twice: " << events.back().id();
      }
    }
    std::vector<std::string> lines;
    for (const proto::Event& event : events) {
      if (event.time_s() < before_s) lines.push_back(alarms::event_json(event));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  std::vector<std::string> events_of_run(aggregator::AggregateLog& log, std::int64_t before_s) {
    aggregator::EventQuery all;
    all.limit = 1'000'000;
    std::vector<std::string> lines;
    const auto events = log.events(all);
    EXPECT_TRUE(events);
    for (const proto::Event& event : *events) {
      if (event.time_s() < before_s) lines.push_back(alarms::event_json(event));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  /// Every row of cost.db that this telemetry makes.
  std::vector<std::string> usage_rows(const std::string& state) {
    std::vector<std::string> rows;
    auto store = cost::UsageStore::open_read_only(state + "/cost.db");
    EXPECT_TRUE(store) << store.error().message;
    if (!store) return rows;
    const auto hour = static_cast<std::uint32_t>(clock_s() / 3600);
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
      rows.push_back(fmt::format("{} {} {} {}: {}", one.environment, one.hour, one.kind,
                                 one.resource, one.quantity));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  /// `cost report` of a state directory, as it prints it.
  std::string report(const std::string& directory, const std::string& config) {
    Process process(directory, {"cost", "report", "-c", path(config), "--format", "json", "--out",
                                directory + "/report.json"});
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!std::filesystem::exists(directory + "/report.json") &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::ifstream in(directory + "/report.json");
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

  TestFolder folder;
  std::string prefix;
  std::unique_ptr<TestCluster> cluster;
  std::unique_ptr<RateClock> clock;
};

TEST_F(Takeover, SurvivorsOfAKilledIngestAndEvaluateDecideAndBillAsOneUndisturbedRun) {
  auto run = std::make_unique<Process>(
      path("run"), std::vector<std::string>{"run", "-c", path("run.yaml"), "--no-http"});
  auto ingest_a = worker("ingest", "ingest-a");
  auto ingest_b = worker("ingest", "ingest-b");
  auto evaluate_a = worker("evaluate", "evaluate-a");
  auto evaluate_b = worker("evaluate", "evaluate-b");
  ASSERT_TRUE(eventually([&] { return everybody_listens(); }));
  ASSERT_TRUE(eventually([&] { return count(run->log(), "reading kafka:") == 2 * kPartitions; }));
  std::this_thread::sleep_for(std::chrono::seconds(2));

  const std::int64_t start_s = clock_s() / 60 * 60 + 120;
  Telemetry telemetry(start_s);
  std::unique_ptr<Process> replacement;
  std::int64_t committed_at_kill = 0;
  for (int minute = 0; minute < kMinutes; ++minute) {
    sleep_to(start_s + minute * 60 + kArrivalDelayS);
    for (const Telemetry::Message& message : telemetry.minute(minute)) {
      cluster->send(prefix + (message.flow ? "-flows" : "-metrics"), message.partition,
                    message.value);
    }
    cluster->flush();
    if (minute == kMinutes / 2) {
      committed_at_kill = committed();
      EXPECT_EQ(ingest_a->end(SIGKILL), -SIGKILL);
      EXPECT_EQ(evaluate_a->end(SIGKILL), -SIGKILL);
      std::filesystem::remove_all(path("evaluate-a"));
      replacement = worker("evaluate", "evaluate-c");  // Its disk is empty.
    }
  }
  const double share = 100.0 * static_cast<double>(committed_at_kill) /
                       static_cast<double>(telemetry.messages_in_all());
  std::cout << fmt::format("killed with {} of {} input offsets committed ({:.0f} %)\n",
                           committed_at_kill, telemetry.messages_in_all(), share);
  EXPECT_GE(share, 30);
  EXPECT_LE(share, 70);
  ASSERT_TRUE(eventually([&] { return committed() == telemetry.messages_in_all(); }));
  // Long enough for all that was due without data, and for every session of the dead to end.
  const std::int64_t end_s = start_s + kMinutes * 60;
  sleep_to(end_s + 40 * 60);
  EXPECT_EQ(ingest_b->end(SIGTERM), 0) << ingest_b->log();
  EXPECT_EQ(evaluate_b->end(SIGTERM), 0) << evaluate_b->log();
  EXPECT_EQ(replacement->end(SIGTERM), 0) << replacement->log();
  EXPECT_EQ(run->end(SIGTERM), 0) << run->log();

  // Sums of everything committed.
  std::uint64_t bytes = 0, records = 0;
  for (int partition = 0; partition < kPartitions; ++partition) {
    for (const auto& record : cluster->records(prefix + ".aggregates", partition)) {
      for (const std::uint64_t one : record.batch().flows().bytes()) bytes += one;
      for (const std::uint64_t one : record.batch().flows().records()) records += one;
    }
  }
  EXPECT_EQ(bytes, telemetry.flow_bytes);
  EXPECT_EQ(records, telemetry.flow_records);

  SystemClock system;
  aggregator::SqliteLog::Options options;
  options.clock = &system;
  auto log = aggregator::SqliteLog::open(path("run") + "/fleetmeter-state/log.db", options);
  ASSERT_TRUE(log) << log.error().message;
  const auto expected = events_of_run(**log, end_s);
  EXPECT_GE(expected.size(), 20U);
  EXPECT_EQ(difference(events_of_topic(end_s), expected), "");
  std::cout << expected.size() << " events\n";

  const auto usage = usage_rows(path("run") + "/fleetmeter-state");
  EXPECT_GE(usage.size(), 20U);
  EXPECT_EQ(difference(usage_rows(path("evaluate-c") + "/fleetmeter-state"), usage), "");
  EXPECT_EQ(difference(usage_rows(path("evaluate-b") + "/fleetmeter-state"), usage), "");
  const std::string bill = report(path("run"), "run.yaml");
  EXPECT_NE(bill.find("\"total\""), std::string::npos);
  EXPECT_EQ(report(path("evaluate-c"), "workers.yaml"), bill);
}

}  // namespace
}  // namespace fleetmeter::ingest
