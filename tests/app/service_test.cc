#include "app/service.h"

#include <gmock/gmock.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>

#include "app/run_summary.h"
#include "tests/app/service_fixture.h"

namespace fleetmeter::app {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(ServiceTest, ARunOverFilesFiresAndASecondOneChangesNothing) {
  write_day();
  write_config();
  EXPECT_EQ(run(), kExitDone) << err;
  const std::string events = read("events.jsonl");
  EXPECT_THAT(events, HasSubstr("\"rule\":\"hot\""));
  // Two first states, ALARM, OK.
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'), 4) << events;
  EXPECT_THAT(out, HasSubstr("ALARM"));
  EXPECT_THAT(err, HasSubstr("30 datapoints"));
  const auto position = last_position();

  EXPECT_EQ(run(), kExitDone) << err;
  EXPECT_EQ(read("events.jsonl"), events);
  EXPECT_THAT(err, HasSubstr("0 datapoints"));
  EXPECT_EQ(datapoints_in_log(), 30u);
  EXPECT_LE(last_position(), position + 2) << "no input end, no ticks; progress at most";
}

TEST_F(ServiceTest, TwoStatesOfTheSameFilesDecideTheSame) {
  write_day();
  write_config("files: { paths: [in] }", "one");
  ASSERT_EQ(run(), kExitDone) << err;
  const std::string events = read("events.jsonl");
  write_config("files: { paths: [in] }", "two");
  ASSERT_EQ(run(), kExitDone) << err;
  EXPECT_EQ(read("events.jsonl"), events);
}

TEST_F(ServiceTest, ARunThatFindsMoreFilesGoesOnWhereTheLastOneEnded) {
  write("in/a.json", cpu(0, 9, 10) + cpu(10, 19, 95));
  write_config();
  ASSERT_EQ(run(), kExitDone) << err;
  const std::string before = read("events.jsonl");
  write("in/b.json", cpu(20, 29, 10));
  ASSERT_EQ(run(), kExitDone) << err;
  const std::string events = read("events.jsonl");
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'),
            std::count(before.begin(), before.end(), '\n') + 1)
      << "back to OK";
  EXPECT_EQ(datapoints_in_log(), 30u);

  write_day();
  std::filesystem::remove(path("in/b.json"));
  write_config("files: { paths: [in] }", "at-once");
  ASSERT_EQ(run(), kExitDone) << err;
  EXPECT_EQ(read("events.jsonl"), events) << "as if read at once";
}

constexpr const char* kTrafficRule =
    "alarms:\n"
    "  - { name: traffic, metric: { namespace: Fleetmeter/VPC, name: AcceptedBytes },\n"
    "      for_each: InterfaceId, when: \"> 500\", period: 60s, datapoints: 2 of 2 }\n";

/// Flow records that were too late for a decision.
std::uint64_t late_records(Service& service) {
  std::uint64_t late = 0;
  for (const Evaluator::ShardView& shard : service.view()->shards) late += shard.late_records;
  return late;
}

TEST_F(ServiceTest, FlowLogsOfALaterRunAreNotLate) {
  const std::string source = "files: { paths: [in] }";
  write("in/a.log", flows(0, 9) + flows(10, 11, 1000));
  write_config(source, "state", kTrafficRule);
  ASSERT_EQ(run(), kExitDone) << err;
  write("in/b.log", flows(12, 13, 1000) + flows(14, 25));
  {
    const SystemClock clock;
    Service service(config(), clock, {.until_eof = true, .deliver = false});
    ASSERT_TRUE(service.start());
    ASSERT_TRUE(service.run_to_end());
    service.drain();
    EXPECT_EQ(late_records(service), 0u);
  }
  ASSERT_EQ(run(), kExitDone) << err;
  const std::string events = read("events.jsonl");
  EXPECT_THAT(events, HasSubstr("\"to\":\"ALARM\""));
  write_config(source, "at-once", kTrafficRule);
  ASSERT_EQ(run(), kExitDone) << err;
  EXPECT_EQ(read("events.jsonl"), events) << "as if read at once";
}

TEST_F(ServiceTest, AKillBetweenTheLastFileAndTheInputsEndLosesNothing) {
  write_day();
  write_config("files: { paths: [in] }", "whole");
  ASSERT_EQ(run(), kExitDone) << err;
  const std::string expected = read("events.jsonl");

  write_config("files: { paths: [in] }", "killed");
  {
    const SystemClock clock;
    Service service(config(), clock, {.until_eof = true, .deliver = false});
    ASSERT_TRUE(service.start());
    ASSERT_TRUE(within_10s([&] { return service.counters().files_done == 1; }));
  }  // Read and committed; its end was never said.
  ASSERT_EQ(datapoints_in_log("killed"), 30u);
  EXPECT_EQ(run(), kExitDone) << err;
  EXPECT_EQ(read("events.jsonl"), expected);
}

TEST_F(ServiceTest, AStopEndsABoundedRunAndTheNextGoesOn) {
  write_day();
  write_config();
  {
    const SystemClock clock;
    Service service(config(), clock, {.until_eof = true, .deliver = false});
    ASSERT_TRUE(service.start());
    std::stop_source stop;
    stop.request_stop();
    const auto ended = service.run_to_end(stop.get_token());
    ASSERT_FALSE(ended);
    EXPECT_THAT(ended.error().message, HasSubstr("stopped before the end"));
  }
  EXPECT_EQ(run(), kExitDone) << err;
  EXPECT_EQ(datapoints_in_log(), 30u);
  EXPECT_THAT(read("events.jsonl"), HasSubstr("\"to\":\"ALARM\""));
}

TEST_F(ServiceTest, DrainKeepsWhatWasRead) {
  write("in/a.json", cpu(0, 9, 10));
  write_config("files: { paths: [in], follow: true }");
  std::uint64_t read_records = 0;
  {
    const SystemClock clock;
    Service service(config(), clock, {.deliver = false});
    ASSERT_TRUE(service.start());
    EXPECT_FALSE(service.bounded());
    std::ofstream(path("in/a.json"), std::ios::app) << cpu(10, 19, 95);
    ASSERT_TRUE(within_10s([&] { return service.counters().bytes_read > 0; }));
    service.drain();
    service.drain();  // Again is nothing.
    const std::lock_guard lock(service.counters().mutex);
    read_records = service.counters().decode.metrics.datapoints;
  }
  EXPECT_GT(read_records, 0u);
  EXPECT_EQ(datapoints_in_log(), read_records);
  {
    const SystemClock clock;
    Service service(config(), clock, {.deliver = false});
    ASSERT_TRUE(service.start());
    ASSERT_TRUE(within_10s([&] {
      const std::lock_guard lock(service.counters().mutex);
      return read_records + service.counters().decode.metrics.datapoints == 20;
    })) << "the rest, once";
    service.drain();
  }
  EXPECT_EQ(datapoints_in_log(), 20u);
}

/// The system's clock, set wrong.
class WrongClock final : public Clock {
 public:
  explicit WrongClock(std::chrono::hours ahead) : ahead_(ahead) {}
  [[nodiscard]] WallTime wall() const override { return SystemClock().wall() + ahead_; }
  [[nodiscard]] SteadyTime steady() const override { return SystemClock().steady(); }

 private:
  std::chrono::hours ahead_;
};

TEST_F(ServiceTest, AClockThatWasSetBackIsToldUntilItHasPassedTheLastTick) {
  write_day();
  write_config("files: { paths: [in], follow: true }");
  {
    const WrongClock clock(std::chrono::hours(48));
    Service service(config(), clock, {.deliver = false});
    ASSERT_TRUE(service.start());
    const std::int64_t now_s = SystemClock().wall().time_since_epoch().count() / 1000;
    ASSERT_TRUE(within_10s([&] {
      const auto view = service.view();
      return !view->shards.empty() && view->shards[0].tick_s > now_s + 3600;
    }));
    EXPECT_THAT(service.not_ready(), testing::IsEmpty());
    service.drain();
  }
  const SystemClock clock;
  Service service(config(), clock, {.deliver = false});
  ASSERT_TRUE(service.start());
  EXPECT_THAT(service.not_ready(), testing::Contains(HasSubstr("the clock is behind")));
  service.drain();
}

TEST_F(ServiceTest, RunSaysWhatCouldNotBeReadByItsExitCode) {
  write_config("files: { paths: [nowhere.log] }");
  EXPECT_EQ(run(), kExitUsage);
  EXPECT_THAT(err, HasSubstr("nowhere.log"));

  write_config("files: { paths: [in], follow: true }");
  EXPECT_EQ(run(), kExitUsage);
  EXPECT_THAT(err, HasSubstr("--until-eof needs sources that end"));

  write("fleet.yaml", "alarm: []\n");
  EXPECT_EQ(run(), kExitUsage);
  EXPECT_THAT(err, HasSubstr("did you mean `alarms`"));

  EXPECT_EQ(type(command_run, {"-c", path("absent.yaml")}), kExitUsage);
  EXPECT_EQ(type(command_run, {"--until-eoff"}), kExitUsage);
  EXPECT_EQ(type(command_run, {"--log-level", "loud"}), kExitUsage);
}

TEST_F(ServiceTest, AStateOfLiveSourcesIsNotGoneOnFromToTheEnd) {
  write_day();
  write_config("firehose: { listen: \"127.0.0.1:0\" }");
  {
    const SystemClock clock;
    Service service(config(), clock, {.deliver = false});
    ASSERT_TRUE(service.start());
    // Progress and ticks.
    ASSERT_TRUE(within_10s([&] { return *service.log().last_position(0) >= 3; }));
    service.drain();
  }
  write_config();
  EXPECT_EQ(run(), kExitUsage);
  EXPECT_THAT(err, HasSubstr("live sources"));
}

TEST_F(ServiceTest, ATruncatedGzipIsReadAsFarAsItGoesAndExitsWithOne) {
  write("whole.json", cpu(0, 2000, 10));
  ASSERT_EQ(std::system(("gzip -c " + path("whole.json") + " > " + path("whole.gz")).c_str()), 0);
  const std::string whole = read("whole.gz");
  write("in/cut.json.gz", whole.substr(0, whole.size() * 3 / 4));
  write_config();
  EXPECT_EQ(run(), kExitPartly) << err;
  EXPECT_THAT(err, HasSubstr("cut.json.gz"));

  std::filesystem::remove(path("in/cut.json.gz"));
  write("in/cut.json.gz", whole.substr(0, 5));
  write_config("files: { paths: [in] }", "nothing");
  EXPECT_EQ(run(), kExitUsage) << "nothing at all could be read\n" << err;
}

TEST_F(ServiceTest, StrictMakesDropsAnExitCode) {
  write("in/a.json", cpu(0, 5, 10) + "{\"namespace\": broken\n" + cpu(6, 9, 10));
  write_config();
  EXPECT_EQ(run(), kExitDone) << err;
  EXPECT_THAT(err, HasSubstr("dropped 1"));
  write_config("files: { paths: [in] }", "again");
  EXPECT_EQ(run({"--strict"}), kExitPartly) << err;
}

TEST_F(ServiceTest, AStateThatIsInUseOrNotOursIsAnError) {
  write_day();
  write_config();
  std::filesystem::create_directories(path("state"));
  write("state/log.db", "this is no database, but somebody's file");
  EXPECT_NE(run(), kExitDone);
  EXPECT_THAT(err, HasSubstr("log.db"));
  EXPECT_EQ(read("state/log.db"), "this is no database, but somebody's file") << "left as it was";
  write_config("files: { paths: [in] }", "in/a.json");
  EXPECT_EQ(run(), kExitUsage);
  EXPECT_THAT(err, HasSubstr("`state:`"));
}

/// The log is gone, or comes from a backup, and cost.db is what it was.
TEST_F(ServiceTest, ABillOfAnotherLogIsAReasonNotToStartAndNeverLosesUsage) {
  namespace fs = std::filesystem;
  write("in/a.json", cpu(0, 9, 10));
  write_config();
  ASSERT_EQ(run(), kExitDone) << err;
  fs::copy(path("state"), path("backup"));
  write("in/b.json", cpu(10, 19, 10));
  ASSERT_EQ(run(), kExitDone) << err;

  const auto remove = [&](const std::string& file) {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path(file + suffix));
  };
  remove("state/log.db");
  fs::copy_file(path("backup/log.db"), path("state/log.db"));
  EXPECT_EQ(run(), kExitUsage);
  EXPECT_THAT(err, HasSubstr(path("state/cost.db") + ": holds usage up to log position"));
  EXPECT_THAT(err, HasSubstr("beyond the end of " + path("state/log.db")));
  remove("state/log.db");
  EXPECT_EQ(run(), kExitUsage);
  EXPECT_THAT(err, HasSubstr("another log than " + path("state/log.db")));

  remove("state/cost.db");
  EXPECT_EQ(run(), kExitDone) << err;
  EXPECT_EQ(datapoints_in_log(), 20u);
}

TEST_F(ServiceTest, ACostDbThatWasLostIsRebuiltAsFarAsAPrunedLogReaches) {
  write_day();
  write_config();
  ASSERT_EQ(run(), kExitDone) << err;
  {
    const SystemClock clock;
    aggregator::SqliteLog::Options options;
    options.clock = &clock;
    auto log = aggregator::SqliteLog::open(path("state/log.db"), std::move(options));
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_TRUE((*log)->prune(0, /*before_ms=*/0, /*bytes_max=*/1));
    ASSERT_GT((*log)->status().pruned_to, 0);
  }
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(path(std::string("state/cost.db") + suffix));
  EXPECT_EQ(run(), kExitDone) << err;
}

TEST_F(ServiceTest, ReplayReadsItsPathsAndLeavesNoState) {
  write_day();
  write_config("files: { paths: [nowhere] }");
  EXPECT_EQ(type(command_replay,
                 {"-c", path("fleet.yaml"), "--events", path("events.jsonl"), path("in")}),
            kExitDone)
      << err;
  EXPECT_THAT(out, HasSubstr("Nothing was delivered"));
  EXPECT_THAT(read("events.jsonl"), HasSubstr("\"to\":\"ALARM\""));
  EXPECT_FALSE(std::filesystem::exists(path("state"))) << "never the state of `run`";
  const std::string events = read("events.jsonl");
  write_config();
  ASSERT_EQ(run(), kExitDone);
  EXPECT_EQ(read("events.jsonl"), events) << "a replay decides what a run decides";

  EXPECT_EQ(type(command_replay, {"-c", path("fleet.yaml")}), kExitUsage);
  EXPECT_THAT(err, HasSubstr("PATH"));
  EXPECT_EQ(type(command_replay, {"-c", path("fleet.yaml"), path("nowhere.log")}), kExitUsage);
}

TEST_F(ServiceTest, RulesCheckSaysAllThatIsWrong) {
  write_config();
  EXPECT_EQ(type(command_rules, {"check", path("fleet.yaml")}), kExitDone);
  EXPECT_THAT(out, HasSubstr("ok: 2 alarms"));
  write("bad.yaml", "fleet: a b\n");
  EXPECT_EQ(type(command_rules, {"check", path("bad.yaml"), path("fleet.yaml"), path("none.yaml")}),
            kExitUsage);
  EXPECT_THAT(err, HasSubstr("bad.yaml:1: fleet"));
  EXPECT_THAT(err, HasSubstr("none.yaml"));
  EXPECT_THAT(out, HasSubstr("ok: 2 alarms")) << "the good one between them";
  EXPECT_EQ(type(command_rules, {}), kExitUsage);
  EXPECT_EQ(type(command_rules, {"chek"}), kExitUsage);
}

/// Dies on what is no JSON of schema 1.
simdjson::dom::element document(simdjson::dom::parser& parser, const std::string& text) {
  simdjson::dom::element root = parser.parse(text);
  EXPECT_EQ(std::int64_t(root["schema"]), 1);
  return root;
}

TEST_F(ServiceTest, ARunAndAReplaySayAsJsonWhatTheyDecided) {
  write_day();
  write("in/broken.log", flows(0, 1) + "no flow record\n");
  write_config();
  ASSERT_EQ(run({"--format", "json"}), kExitDone) << err;
  simdjson::dom::parser parser;
  const auto ran = document(parser, out);
  ASSERT_EQ(ran["alarm_changes"].get_array().size(), 2u);
  EXPECT_EQ(std::string_view(ran["alarm_changes"].at(0)["rule"]), "hot");
  EXPECT_EQ(std::string_view(ran["alarm_changes"].at(0)["to"]), "ALARM");
  EXPECT_EQ(std::int64_t(ran["first_states"]), 2);
  EXPECT_EQ(ran["scaling"].get_array().size(), 0u);
  EXPECT_EQ(ran["rule_warnings"].get_array().size(), 0u);
  EXPECT_EQ(ran["cost"].error(), simdjson::NO_SUCH_FIELD);
  EXPECT_EQ(std::int64_t(ran["input"]["records"]["total"]), 3);
  EXPECT_EQ(std::int64_t(ran["input"]["records"]["malformed_by_reason"]["field_count"]), 1);
  EXPECT_EQ(std::int64_t(ran["input"]["datapoints"]), 30);
  EXPECT_THAT(err, HasSubstr("Data quality:")) << "drops are summed up there whatever the format";

  ASSERT_EQ(type(command_replay, {"-c", path("fleet.yaml"), path("in"), "--format", "json"}),
            kExitDone)
      << err;
  simdjson::dom::parser replayed;
  const auto replay = document(replayed, out);
  EXPECT_EQ(replay["alarm_changes"].get_array().size(), 2u);
  ASSERT_EQ(replay["cost"].get_array().size(), 1u);
  EXPECT_EQ(std::string_view(replay["cost"].at(0)["month"]), "2024-12");
}

TEST_F(ServiceTest, ARunAndAReplayPrintEveryFormat) {
  write_day();
  write_config();
  ASSERT_EQ(run({"--format", "csv"}), kExitDone) << err;
  EXPECT_THAT(out, testing::StartsWith("time,type,environment,rule,series,from,to,reason\n"
                                       "2024-12-20T00:13:00Z,alarm.state_changed,"));
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
  for (const auto& [format, begin] :
       {std::pair{"markdown", "# Backtest\n\n## Alarm changes: 2 (and 2 first states)\n\n| Time |"},
        std::pair{"html", "<!doctype html>"}, std::pair{"table", "Alarm changes: 2 (and 2"},
        std::pair{"csv", "time,type,"}}) {
    ASSERT_EQ(type(command_replay, {"-c", path("fleet.yaml"), path("in"), "--format", format}),
              kExitDone)
        << err;
    EXPECT_THAT(out, testing::StartsWith(begin));
    EXPECT_EQ(
        out.find("2024-12, ") != std::string::npos || out.find("of 2024-12") != std::string::npos,
        std::string(format) != "csv")
        << format << ": the bill";
  }
  EXPECT_EQ(run({"--format", "xml"}), kExitUsage);
}

TEST_F(ServiceTest, AFormatIsForRunsThatEnd) {
  write_config();
  EXPECT_EQ(type(command_run, {"-c", path("fleet.yaml"), "--format", "json"}), kExitUsage);
  EXPECT_THAT(err, HasSubstr("--until-eof"));
}

}  // namespace
}  // namespace fleetmeter::app
