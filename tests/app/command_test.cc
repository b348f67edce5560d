// Sub-commands as a user types them: arguments in, exit code and output out.
#include "app/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/parsers/base64_text.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kRecord =
    "2 123456789012 eni-1 10.0.1.1 203.0.113.9 40000 443 6 2 300 1734718982 1734719013 ACCEPT OK\n";

struct Outcome {
  int exit_code = 0;
  std::string out, err;
};

class CommandTest : public testing::Test {
 protected:
  CommandTest() {
    directory_ =
        fs::temp_directory_path() / ("fleetmeter-command-" + std::to_string(getpid()) + "-" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(directory_);
  }
  ~CommandTest() override { fs::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  static Outcome type(int (*command)(const CommandLine&), std::vector<std::string> arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.exit_code = command({std::move(arguments)});
    std::fflush(stdout);
    outcome.out = testing::internal::GetCapturedStdout();
    outcome.err = testing::internal::GetCapturedStderr();
    return outcome;
  }

 private:
  fs::path directory_;
};

TEST_F(CommandTest, FlowsReadsTheOtherPathsWhenOneLeadsToNothing) {
  const std::string file = write("flow.log", kRecord);
  const Outcome outcome = type(command_flows, {path("absent.log"), file});
  EXPECT_EQ(outcome.exit_code, kExitPartly);
  EXPECT_THAT(outcome.out, HasSubstr("203.0.113.9"));
  EXPECT_THAT(outcome.err, HasSubstr("absent.log: no such file"));
  EXPECT_EQ(type(command_flows, {path("absent.log")}).exit_code, kExitUsage);
}

TEST_F(CommandTest, FlowsSaysThatTheInputIsEmpty) {
  const Outcome outcome = type(command_flows, {write("empty.log", "")});
  EXPECT_EQ(outcome.exit_code, kExitDone) << "it was read to its end";
  EXPECT_THAT(outcome.err, HasSubstr("empty"));
}

TEST_F(CommandTest, FlowsPrintsDataOnStdoutAndDropsOnStderr) {
  const std::string file = write("flow.log", std::string(kRecord) + "broken line\n");
  const Outcome outcome = type(command_flows, {file});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_THAT(outcome.out, HasSubstr("203.0.113.9"));
  EXPECT_THAT(outcome.err, HasSubstr("1 flow log lines dropped: field_count 1"));
  EXPECT_EQ(type(command_flows, {file, "--strict"}).exit_code, kExitPartly);
  EXPECT_EQ(type(command_flows, {write("good.log", kRecord), "--strict"}).exit_code, kExitDone);
}

TEST_F(CommandTest, FlowsPrintsEveryFormat) {
  const std::string file = write("flow.log", kRecord);
  EXPECT_THAT(type(command_flows, {file, "--format", "json"}).out, StartsWith("{\"schema\":1,"));
  EXPECT_THAT(type(command_flows, {file, "--format", "csv"}).out,
              HasSubstr("\naction,accept,1,2,300,0,0\n"));
  EXPECT_THAT(type(command_flows, {file, "--format", "markdown"}).out,
              HasSubstr("\n## Top destination ports\n"));
  EXPECT_THAT(type(command_flows, {file, "--format", "html"}).out, StartsWith("<!doctype html>"));
  EXPECT_EQ(type(command_flows, {file, "--format", "xml"}).exit_code, kExitUsage);
}

TEST_F(CommandTest, FlowsShowsOneListAlone) {
  const Outcome outcome =
      type(command_flows, {write("flow.log", kRecord), "--by", "port", "--format", "csv"});
  EXPECT_THAT(outcome.out, HasSubstr("top_port,443,1,2,300"));
  EXPECT_EQ(outcome.out.find("top_source"), std::string::npos);
  EXPECT_EQ(type(command_flows, {path("flow.log"), "--by", "colour"}).exit_code, kExitUsage);
}

TEST_F(CommandTest, FlowsReadsTheOthersWhenOneFileIsBad) {
  const std::string good = write("a.log", kRecord);
  const std::string bad = write("b.parquet", "PAR1 and more of it PAR1");
  const Outcome outcome = type(command_flows, {good, bad, "--format", "json"});
  EXPECT_EQ(outcome.exit_code, kExitPartly);
  EXPECT_THAT(outcome.out, HasSubstr("\"total\":1,"));
  EXPECT_THAT(outcome.out, HasSubstr("\"file\":\"" + bad + "\",\"error\":\"is Parquet"));
  EXPECT_THAT(outcome.err, HasSubstr(bad + ": is Parquet"));
}

TEST_F(CommandTest, FlowsNamesAFileWhoseOneWrappedPayloadIsDamagedOrCut) {
  using parsers::testing::base64;
  using parsers::testing::gzip;
  const auto awslogs = [](const std::string& data) {
    return R"({"awslogs":{"data":")" + data + "\"}}";
  };
  const std::string event =
      R"({"messageType":"DATA_MESSAGE","owner":"o","logGroup":"g","logStream":"s",)"
      R"("subscriptionFilters":[],"logEvents":[{"id":"1","timestamp":1,"message":")" +
      std::string(kRecord, std::strlen(kRecord) - 1) + "\"}]}";
  const std::string good = write("good.log", kRecord), packed = gzip(event);
  std::string damaged = packed;
  for (std::size_t i = 20; i < 40; ++i) damaged[i] = '\xff';
  ASSERT_EQ(type(command_flows, {write("whole", awslogs(base64(packed)))}).exit_code, kExitDone);
  const std::pair<std::string, const char*> cases[] = {
      {awslogs(base64(packed.substr(0, 90))), "is cut short"},
      {awslogs(base64(damaged)), "holds damaged compressed data"},
      {awslogs("!!!"), "holds damaged base64"},
      {base64(packed.substr(0, 90)), "is cut short"},
      {base64(gzip(kRecord).substr(0, 60)), "is cut short"},
      {base64(damaged), "holds damaged compressed data"},
      {base64(packed).substr(0, 99), "holds damaged base64"},
      {base64(packed).insert(40, "\n!"), "holds damaged base64"}};
  for (const auto& [text, why] : cases) {
    const std::string bad = write("bad", text);
    const Outcome outcome = type(command_flows, {good, bad});
    EXPECT_EQ(outcome.exit_code, kExitPartly) << text;
    EXPECT_THAT(outcome.out, HasSubstr("203.0.113.9")) << text;
    EXPECT_THAT(outcome.err, HasSubstr(bad + ": " + why)) << text;
    EXPECT_EQ(type(command_flows, {bad}).exit_code, kExitUsage) << text;
  }
  const std::string batch = write("batch", awslogs("!!!") + "\n" + kRecord);
  EXPECT_EQ(type(command_flows, {batch}).exit_code, kExitDone) << "a counted drop among others";
}

TEST_F(CommandTest, FlowsFailsWhenNothingCouldBeRead) {
  const Outcome parquet = type(command_flows, {write("b.parquet", "PAR1 and more of it PAR1")});
  EXPECT_EQ(parquet.exit_code, kExitUsage);
  EXPECT_EQ(parquet.out, "");
  EXPECT_EQ(type(command_flows, {path("absent.log")}).exit_code, kExitUsage);
  EXPECT_EQ(type(command_flows, {}).exit_code, kExitUsage);
  const Outcome prose = type(command_flows, {write("prose.txt", "dear reader\n")});
  EXPECT_EQ(prose.exit_code, kExitUsage);
  EXPECT_THAT(prose.err, HasSubstr("--flow-format"));
  for (const char* text : {R"({"requestId":"r","timestamp":1,"records":[{"data":"!!!!"}]})",
                           R"({"messageType":"DATA_MESSAGE"})", R"({"message":"hello world"})"}) {
    EXPECT_EQ(type(command_flows, {write("envelope.json", text)}).exit_code, kExitUsage) << text;
  }
  const char* control =
      R"({"messageType":"CONTROL_MESSAGE","owner":"o","logGroup":"","logStream":"",)"
      R"("subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL"}]})";
  EXPECT_EQ(type(command_flows, {write("control.json", control)}).exit_code, kExitDone);
}

TEST_F(CommandTest, FlowsFailsWhenAHeaderIsAllThatCouldBeRead) {
  const std::string header = "version interface-id srcaddr dstaddr bytes action\n";
  const std::string good = write("good.log", kRecord);
  const std::string bad = write("bad.log", header + "2 eni-1 here there many ACCEPT\n");
  const Outcome outcome = type(command_flows, {bad});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("no record could be read"));
  EXPECT_EQ(outcome.err.find("--flow-format"), outcome.err.npos) << "the header tells the columns";
  EXPECT_EQ(type(command_flows, {good, bad}).exit_code, kExitDone) << "a counted drop";
  EXPECT_EQ(type(command_flows, {write("header.log", header), "--strict"}).exit_code, kExitDone);
}

TEST_F(CommandTest, FlowsNamesTheOptionForColumnsOnlyWhereItApplies) {
  const std::string lines = write("lines.log", "eni-1 here there many ACCEPT\n");
  EXPECT_THAT(type(command_flows, {lines}).err, HasSubstr("--flow-format"));
  const Outcome told = type(
      command_flows, {lines, "--flow-format", "${interface-id} ${srcaddr} ${dstaddr} ${bytes}"});
  EXPECT_EQ(told.exit_code, kExitUsage);
  EXPECT_EQ(told.err.find("name them with"), told.err.npos);

  std::stringstream parquet;
  parquet << std::ifstream(FLEETMETER_SOURCE_DIR
                           "/tests/parsers/parquet/default-none-v1-plain.parquet",
                           std::ios::binary)
                 .rdbuf();
  std::string bytes = parquet.str();
  for (const std::string_view status : {"OK", "NODATA", "SKIPDATA"}) {
    for (std::size_t at = bytes.find(status); at != bytes.npos; at = bytes.find(status))
      bytes.replace(at, status.size(), status.size(), 'x');
  }
  const Outcome columns = type(command_flows, {write("bad.parquet", bytes)});
  EXPECT_EQ(columns.exit_code, kExitUsage);
  EXPECT_THAT(columns.err, HasSubstr("no record could be read"));
  EXPECT_EQ(columns.err.find("--flow-format"), columns.err.npos);
}

TEST_F(CommandTest, RunAndReplayFailWhenNothingCouldBeRead) {
  const auto exit_codes = [&](const std::string& text) {
    const std::string file = write("in.log", text);
    const std::string config =
        write("fleet.yaml",
              "state: " + path("state") + "\nsources: [ files: { paths: [" + file + "] } ]\n");
    const Outcome ran = type(command_run, {"-c", config, "--until-eof"});
    const Outcome replayed = type(command_replay, {"-c", config, file});
    EXPECT_EQ(ran.exit_code == kExitUsage, ran.err.find("nothing could be read") != ran.err.npos);
    EXPECT_EQ(ran.exit_code, replayed.exit_code);
    fs::remove_all(path("state"));
    return ran.exit_code;
  };
  EXPECT_EQ(exit_codes("x\n"), kExitUsage);
  EXPECT_EQ(exit_codes(R"({"messageType":"DATA_MESSAGE"})"), kExitUsage);
  EXPECT_EQ(exit_codes("version srcaddr bytes\nx y z\n"), kExitUsage) << "a header is no record";
  EXPECT_EQ(exit_codes(""), kExitDone) << "it was read to its end";
  EXPECT_EQ(exit_codes(std::string(kRecord) + "x\n"), kExitDone) << "a counted drop";
}

/// The messages of `flows`, `run` and `replay` for one file that none of them can read.
class UnreadableFileTest : public CommandTest {
 protected:
  std::vector<Outcome> read(const std::string& name, const std::string& bytes) {
    const std::string file = write(name, bytes);
    const std::string config =
        write("fleet.yaml",
              "state: " + path("state") + "\nsources: [ files: { paths: [" + file + "] } ]\n");
    std::vector<Outcome> outcomes{type(command_flows, {file}),
                                  type(command_run, {"-c", config, "--until-eof"}),
                                  type(command_replay, {"-c", config, file})};
    fs::remove_all(path("state"));
    return outcomes;
  }
};

TEST_F(UnreadableFileTest, WhatIsNoTelemetryIsNamedWithWhatItSeemsToBeAndWhatIsRead) {
  const std::string rest(300, '\x01');
  const std::pair<std::string, const char*> kKinds[] = {
      {"PK\x03\x04" + rest, "a ZIP archive, which has to be unpacked first"},
      {"BZh91AY&SY" + rest, "bzip2, which has to be unpacked"},
      {std::string("\xff\xfe") + "2" + rest, "UTF-16 text, which has to be saved as UTF-8"},
      {std::string("SQLite format 3\0", 16) + rest, "an SQLite database"},
      {std::string("flow.log\0\0\0", 11) + std::string(246, '\0') + "ustar" + rest,
       "a tar archive"},
      {rest, "binary data"}};
  for (const auto& [bytes, kind] : kKinds) {
    for (const Outcome& outcome : read("taken.bin", bytes)) {
      EXPECT_EQ(outcome.exit_code, kExitUsage);
      EXPECT_THAT(outcome.err, HasSubstr("taken.bin: is neither a flow log"));
      EXPECT_THAT(outcome.err, HasSubstr("seems to be " + std::string(kind)));
      EXPECT_THAT(outcome.err, HasSubstr("read are flow logs (text, Parquet), metric streams"));
    }
  }
}

TEST_F(UnreadableFileTest, AnArrayOfObjectsIsToldHowToBecomeObjects) {
  for (const Outcome& outcome : read("a.json", "[{\"namespace\":\"N\"}]\n")) {
    EXPECT_EQ(outcome.exit_code, kExitUsage);
    EXPECT_THAT(outcome.err, HasSubstr("a.json: is a JSON array"));
    EXPECT_THAT(outcome.err, HasSubstr("jq -c '.[]'"));
  }
}

TEST_F(UnreadableFileTest, AnUnknownObjectIsNamedWithTheKeysThatAreExpected) {
  for (const Outcome& outcome : read("u.json", "{\"foo\":1}\n")) {
    EXPECT_EQ(outcome.exit_code, kExitUsage);
    EXPECT_THAT(outcome.err, HasSubstr("missing_key, such as " + path("u.json")));
    EXPECT_THAT(outcome.err, HasSubstr("has namespace, metric_name, timestamp and value"));
    EXPECT_THAT(outcome.err, HasSubstr("messageType and logEvents"));
  }
}

TEST_F(UnreadableFileTest, DamagedCompressionIsNotToldAsACutFile) {
  for (const Outcome& outcome : read("b.log.gz", "\x1f\x8b\x08garbage garbage garbage garbage")) {
    EXPECT_EQ(outcome.exit_code, kExitUsage);
    EXPECT_THAT(outcome.err, HasSubstr("b.log.gz: holds damaged compressed data"));
  }
}

TEST_F(UnreadableFileTest, LinesWithOtherColumnsAreToldWhereColumnsAreNamed) {
  const std::vector<Outcome> outcomes = read("c.log", "1 2 3\n");
  EXPECT_THAT(outcomes[0].err, HasSubstr("--flow-format"));
  for (const std::size_t command : {1u, 2u})
    EXPECT_THAT(outcomes[command].err, HasSubstr("`flow_format` of the source"));
}

TEST_F(UnreadableFileTest, ARunThatFoundNothingSaysSo) {
  for (const Outcome& outcome : read("e.log", "")) {
    EXPECT_EQ(outcome.exit_code, kExitDone);
    EXPECT_THAT(outcome.err, HasSubstr("the input is empty"));
  }
}

TEST_F(CommandTest, AnInventoryThatIsNotThereIsNamedWithTheReason) {
  const std::string file = write("flow.log", kRecord);
  const Outcome outcome = type(command_flows, {"--inventory", path("nope.json"), file});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("nope.json: cannot be read: No such file"));
}

TEST_F(CommandTest, ACompressedCopyBesideItsFileIsLeftOutByEveryCommand) {
  fs::create_directories(path("logs"));
  write("logs/a.log", kRecord);
  // Not compressed in truth: what it holds decides.
  const std::string copy = write("logs/a.log.gz", kRecord);
  const std::string config =
      write("fleet.yaml", "state: " + path("state") + "\nsources: [ files: { paths: [" +
                              path("logs") + "] } ]\n");
  for (const Outcome& outcome :
       {type(command_flows, {path("logs")}), type(command_run, {"-c", config, "--until-eof"}),
        type(command_replay, {"-c", config, path("logs")})}) {
    EXPECT_EQ(outcome.exit_code, kExitDone);
    EXPECT_THAT(outcome.err, HasSubstr(copy + " holds nothing that " + path("logs/a.log")));
  }
  EXPECT_THAT(type(command_flows, {path("logs"), "--format", "json"}).out,
              HasSubstr("\"total\":1"));
}

/// In a process of its own, which has them closed.
TEST_F(CommandTest, ClosedStandardStreamsFailAndAreNoFileThatIsOpenedLater) {
  const std::string file = write("flow.log", kRecord);
  EXPECT_EXIT(
      {
        close(STDIN_FILENO);
        occupy_closed_streams();
        std::ifstream later(file);
        std::exit(command_flows({{"-"}}));
      },
      testing::ExitedWithCode(kExitUsage), "standard input");
  EXPECT_EXIT(
      {
        close(STDIN_FILENO);
        occupy_closed_streams();
        std::exit(command_rules({{"check", "-"}}));
      },
      testing::ExitedWithCode(kExitUsage), "<stdin>: cannot be read");
  EXPECT_EXIT(
      {
        close(STDOUT_FILENO);
        occupy_closed_streams();
        std::exit(flush_output(command_flows({{file}})));
      },
      testing::ExitedWithCode(kExitPartly), "standard output could not be written");
}

TEST_F(CommandTest, EveryHelpShowsExamples) {
  for (auto* command : {command_flows, command_cost, command_generate, command_receive,
                        command_version, command_run, command_replay, command_rules}) {
    const Outcome outcome = type(command, {"--help"});
    EXPECT_EQ(outcome.exit_code, kExitDone);
    EXPECT_THAT(outcome.out, HasSubstr("\nExamples:\n  "));
  }
}

TEST_F(CommandTest, TheExampleFormatOfFlowsShowsWhoTalks) {
  const std::string help = type(command_flows, {"--help"}).out;
  const std::size_t begin = help.find("--flow-format '") + 15;
  const std::string format = help.substr(begin, help.find('\'', begin) - begin);
  const std::string file =
      write("custom.log", "eni-1 10.0.1.1 203.0.113.9 443 2 300 1734718982 ACCEPT\n");
  const Outcome outcome = type(command_flows, {"--flow-format", format, file, "--format", "csv"});
  EXPECT_THAT(outcome.out, HasSubstr("\naction,accept,1,2,300"));
  EXPECT_THAT(outcome.out, HasSubstr("\ntop_port,443,1,2,300"));
}

TEST_F(CommandTest, FlowsNamesTheUnknownFieldOfAFormatAndTheOneThatWasMeant) {
  const std::string file = write("custom.log", "10.0.1.1 203.0.113.9 7 300 ACCEPT x\n");
  const Outcome outcome = type(
      command_flows,
      {"--flow-format", "${scraddr} ${dstaddr} ${latency-p99-of-all} ${bytes} ${action} ${bytes}",
       file, "--format", "json"});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_THAT(outcome.err,
              HasSubstr("`scraddr` is no field of a flow log; did you mean `srcaddr`?\n"));
  EXPECT_THAT(outcome.err, HasSubstr("`latency-p99-of-all` is no field of a flow log\n"));
  EXPECT_THAT(outcome.err, HasSubstr("`bytes` is named twice"));
  EXPECT_THAT(outcome.out, HasSubstr("\"unknown_fields\":3,"));
  EXPECT_EQ(
      type(command_flows, {"--flow-format", "srcaddr dstaddr pkt_srcaddr bytes action az-id", file})
          .err,
      "");
}

TEST_F(CommandTest, FlowsKnowsTheFormatsThatGenerateWritesByName) {
  std::string line =
      "5 123456789012 eni-1 10.0.1.1 203.0.113.9 40000 443 6 2 300 1734718982 "
      "1734719013 ACCEPT OK";
  for (int i = 0; i < 15; ++i) line += " -";
  const std::string file = write("v5.log", line + "\n");
  const Outcome outcome = type(command_flows, {"--flow-format", "v5", "--strict", file});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(flow_format_of("v2").find("vpc-id"), std::string::npos);
  EXPECT_THAT(flow_format_of("v3"), testing::EndsWith(" pkt-dstaddr"));
  EXPECT_EQ(flow_format_of("${srcaddr} bytes"), "${srcaddr} bytes");
}

TEST_F(CommandTest, FlowsSaysWhyAListByNatGatewaysIsEmpty) {
  const std::string file = write("flow.log", kRecord);
  EXPECT_THAT(type(command_flows, {file, "--by", "nat"}).err,
              HasSubstr("--by nat: no interface is known as a NAT gateway's; name them"));
  EXPECT_EQ(type(command_flows, {file}).err, "") << "not asked for";
  const std::string gateway = write("nat.yaml", "interfaces: [{ id: eni-9, role: nat }]\n");
  EXPECT_THAT(type(command_flows, {file, "--by", "nat_gateway", "--inventory", gateway}).err,
              HasSubstr("nothing went through the NAT gateways"));
}

TEST_F(CommandTest, HelpOfAVerbIsThatOfItsCommand) {
  EXPECT_EQ(type(command_help, {"cost", "report"}).out, type(command_help, {"cost"}).out);
  EXPECT_EQ(type(command_help, {"rules", "check"}).exit_code, kExitDone);
  EXPECT_EQ(type(command_help, {"cost", "flows"}).exit_code, kExitUsage);
}

TEST_F(CommandTest, GenerateNamesTheOptionThatReplacesAnEarlierFleet) {
  const std::vector<std::string> arguments{"--out",      path("fleet"), "--machines",    "4",
                                           "--duration", "30m",         "--no-incidents"};
  ASSERT_EQ(type(command_generate, arguments).exit_code, kExitDone);
  EXPECT_THAT(type(command_generate, arguments).err, HasSubstr("or give --replace"));
}

TEST_F(CommandTest, GenerateSaysWhichTargetsAnIncidentHas) {
  const Outcome outcome =
      type(command_generate, {"--out", path("fleet"), "--machines", "4", "--duration", "4h",
                              "--incident", "cpu@65+18:99:92.5"});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("--incident: cpu@65+18: target 99 is not below 1, the number "
                                     "of such targets; they count from 0"));
}

TEST_F(CommandTest, GenerateWritesWhatFlowsReads) {
  const std::string fleet = path("fleet");
  const Outcome made = type(
      command_generate, {"--out", fleet, "--machines", "4", "--duration", "30m", "--no-incidents"});
  ASSERT_EQ(made.exit_code, kExitDone) << made.err;
  EXPECT_THAT(made.out, HasSubstr("flow log lines"));
  EXPECT_TRUE(fs::exists(fleet + "/truth.json"));
  const Outcome read = type(command_flows, {"--strict", fleet + "/telemetry"});
  EXPECT_EQ(read.exit_code, kExitDone) << read.err;
}

TEST_F(CommandTest, GenerateNamesTheBadOption) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--duration", "90"}, "--duration"},         {{"--start", "yesterday"}, "--start"},
      {{"--metrics", "xml"}, "--metrics"},          {{"--delivery", "pigeon"}, "--delivery"},
      {{"--incident", "flood@20+5"}, "flood@20+5"}, {{"--from-csv", "nab"}, "--from-csv"}};
  for (auto [arguments, name] : cases) {
    arguments.insert(arguments.end(), {"--out", path("fleet")});
    const Outcome outcome = type(command_generate, arguments);
    EXPECT_EQ(outcome.exit_code, kExitUsage) << name;
    EXPECT_THAT(outcome.err, HasSubstr(name));
  }
  EXPECT_FALSE(fs::exists(path("fleet")));
}

TEST_F(CommandTest, GenerateConvertsSeriesToOneFileOrToOneEach) {
  const std::string csv = "timestamp,value\n2014-02-14 14:30:00,0.132\n2014-02-14 14:35:00,0.134\n";
  const std::string a = write("ec2_cpu_utilization_5f5533.csv", csv);
  const std::string b = write("ec2_cpu_utilization_24ae8d.csv", csv);
  ASSERT_EQ(
      type(command_generate, {"--from-csv", "nab", a, b, "--out", path("all.json")}).exit_code,
      kExitDone);
  EXPECT_THAT(type(command_flows, {path("all.json"), "--format", "json"}).out,
              HasSubstr("\"datapoints\":4,"));
  ASSERT_EQ(type(command_generate, {"--from-csv", "nab", a, b, "--out", path("each/")}).exit_code,
            kExitDone);
  EXPECT_TRUE(fs::exists(path("each/ec2_cpu_utilization_24ae8d.json")));
}

TEST_F(CommandTest, ReceiveNeedsASecretOrTheWordThatItNeedsNone) {
  EXPECT_EQ(type(command_receive, {}).exit_code, kExitUsage);
  EXPECT_THAT(type(command_receive, {"--secret-env", "FLEETMETER_ABSENT"}).err,
              HasSubstr("FLEETMETER_ABSENT is not set"));
  EXPECT_THAT(type(command_receive, {"--no-verify", "--listen", "9000"}).err,
              HasSubstr("--listen"));
}

TEST_F(CommandTest, CostNamesWhatIsMissing) {
  EXPECT_THAT(type(command_cost, {}).err, HasSubstr("there is: report"));
  EXPECT_THAT(type(command_cost, {"dance"}).err, HasSubstr("`dance` is not a verb"));
  EXPECT_THAT(type(command_cost, {"report"}).err, HasSubstr("nothing to price"));
  const std::string inventory = write("i.yaml", "vpc_cidr: 10.0.0.0/16\n");
  const auto with = [&](std::string option, std::string value) {
    return type(command_cost,
                {"report", "--inventory", inventory, std::move(option), std::move(value)});
  };
  EXPECT_THAT(with("--month", "2026-13").err, HasSubstr("--month"));
  EXPECT_THAT(with("--basis", "guess").err, HasSubstr("--basis"));
  EXPECT_THAT(with("--basis", "to-date").err, HasSubstr("cost.db"));
  EXPECT_THAT(with("--hours", "800").err, HasSubstr("--hours"));
  EXPECT_THAT(with("--assume", "os=beos").err, HasSubstr("--assume"));
  EXPECT_THAT(with("--free-tier", "often").err, HasSubstr("--free-tier"));
  EXPECT_EQ(with("--free-tier", "always").exit_code, kExitDone);
  EXPECT_EQ(with("--month", "2026-11").exit_code, kExitDone);
}

TEST_F(CommandTest, CostWritesAFileInTheFormatOfItsName) {
  const std::string inventory = write("i.yaml", "vpc_cidr: 10.0.0.0/16\n");
  const std::string out = path("report.json");
  const Outcome outcome =
      type(command_cost, {"report", "--inventory", inventory, "--month", "2026-11", "--out", out});
  ASSERT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  std::string text;
  std::getline(std::ifstream(out), text, '\0');
  EXPECT_THAT(text, HasSubstr("\"schema\""));
  EXPECT_THAT(text, HasSubstr("2026-11"));
}

TEST_F(CommandTest, CostSaysWhichEndingsOfAFileItKnows) {
  const std::string inventory = write("i.yaml", "vpc_cidr: 10.0.0.0/16\n");
  const auto to = [&](const std::string& out, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"report", "--inventory", inventory, "--out", path(out)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return type(command_cost, std::move(arguments));
  };
  const Outcome pdf = to("x.pdf");
  EXPECT_EQ(pdf.exit_code, kExitUsage);
  EXPECT_THAT(pdf.err, HasSubstr("`.pdf` is none of the endings .html, .json, .csv, .md, .txt"));
  EXPECT_FALSE(fs::exists(path("x.pdf")));
  EXPECT_EQ(to("x.pdf", {"--format", "html"}).exit_code, kExitDone);
  EXPECT_EQ(to("x.txt").exit_code, kExitDone);
  EXPECT_EQ(to("x").exit_code, kExitDone);
  EXPECT_THAT(to("absent/x.csv").err, HasSubstr("cannot be written: No such file or directory"));
}

TEST_F(CommandTest, CostDoesNotOverwriteWhatItReads) {
  const std::string inventory = write("i.json", R"({"vpc_cidr": "10.0.0.0/16"})");
  fs::create_symlink(inventory, path("link.json"));
  for (const std::string& out : {inventory, path("link.json")}) {
    const Outcome outcome = type(command_cost, {"report", "--inventory", inventory, "--out", out});
    EXPECT_EQ(outcome.exit_code, kExitUsage);
    EXPECT_THAT(outcome.err, HasSubstr("is read for the report; choose another file"));
  }
  EXPECT_EQ(fs::file_size(inventory), 27U);
}

TEST_F(CommandTest, CostNamesAnEnvironmentOfTheUsageFileThatThereIsNot) {
  const std::string config = write("fleet.yaml", "environments: { prod: { region: us-east-1 } }\n");
  const std::string usage = write("u.yml", "version: 0.1\nfleetmeter: {environment: porod}\n");
  const Outcome outcome = type(command_cost, {"report", "-c", config, "--usage", usage});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("u.yml:2: fleetmeter.environment: `porod` is none of prod, "
                                     "unassigned; did you mean `prod`?"));
  EXPECT_EQ(type(command_cost, {"report", "--usage", usage}).exit_code, kExitDone)
      << "without declared environments any name is one";
}

TEST_F(CommandTest, CommandsThatReadTheInventoryNameItsPlaceInTheConfiguration) {
  const std::string config = write(
      "fleet.yaml", "sources: [ files: { paths: [x.log] } ]\ninventory: [ terraform: s.json ]\n");
  for (const Outcome& outcome : {type(command_run, {"-c", config, "--until-eof"}),
                                 type(command_replay, {"-c", config, write("flow.log", kRecord)}),
                                 type(command_cost, {"report", "-c", config})}) {
    EXPECT_EQ(outcome.exit_code, kExitUsage);
    EXPECT_THAT(outcome.err, HasSubstr("fleet.yaml:2: inventory[0].terraform: " + path("s.json") +
                                       ": No such file or directory; "));
  }
}

TEST_F(CommandTest, CostRefusesInventoriesThatHoldNothing) {
  const std::string nothing = write("nothing.json", "{}");
  const std::string unread = write("endpoints.json", R"({"VpcEndpoints":[{"VpcEndpointId":"v"}]})");
  const Outcome outcome =
      type(command_cost, {"report", "--inventory", nothing, "--inventory", unread});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("nothing to price in " + nothing + ", " + unread));
  EXPECT_EQ(outcome.out, "");
  const std::string some = write("some.yaml", "region: us-east-1\ninstances: [{ id: i-1 }]\n");
  EXPECT_EQ(type(command_cost, {"report", "--inventory", nothing, "--inventory", some}).exit_code,
            kExitDone)
      << "one that holds something is enough";
  const std::string usage = write("usage.yml", "version: 0.1\n");
  EXPECT_EQ(type(command_cost, {"report", "--inventory", nothing, "--usage", usage}).exit_code,
            kExitDone)
      << "the usage file's lines are left";
}

TEST_F(CommandTest, CostTakesBothNamesOfTheFreeTier) {
  const std::string usage = write("usage.yml",
                                  "resource_usage: { aws_data_transfer.a: { region: us-east-1, "
                                  "monthly_outbound_internet_gb: 1000 } }\n");
  const auto egress = [&](const char* tier) {
    return type(command_cost, {"report", "--usage", usage, "--free-tier", tier, "--format", "csv"})
        .out;
  };
  EXPECT_EQ(egress("legacy"), egress("always"));
  EXPECT_EQ(egress("none"), egress("never"));
  EXPECT_NE(egress("legacy"), egress("none"));
  const Outcome outcome = type(command_cost, {"report", "--usage", usage, "--free-tier", "some"});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("none of always, never, legacy, none"));
}

constexpr const char* kHostile =
    "2 123456789012 <img/src=x>|`a`*_[b](c)& 10.0.1.1 203.0.113.9 40000 443 6 2 300 1734718982 "
    "1734719013 ACCEPT OK\n";

TEST_F(CommandTest, NothingOfARecordIsMarkupInFlows) {
  const std::string file = write("flow.log", kHostile);
  EXPECT_THAT(type(command_flows, {file, "--format", "markdown"}).out,
              HasSubstr(R"(| &lt;img/src=x>\|\`a\`\*\_\[b\](c)&amp; | 1 |)"));
  EXPECT_THAT(type(command_flows, {file, "--format", "html"}).out,
              HasSubstr("<td>&lt;img/src=x&gt;|`a`*_[b](c)&amp;</td>"));
}

TEST_F(CommandTest, AnInventoryOnStandardInputIsRefusedWithWhatToDo) {
  const std::string file = write("flow.log", kRecord);
  for (const Outcome& outcome : {type(command_flows, {"--inventory", "-", file}),
                                 type(command_cost, {"report", "--inventory", "-"})}) {
    EXPECT_EQ(outcome.exit_code, kExitUsage);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("fleetmeter: --inventory: `-` is not supported"));
    EXPECT_THAT(outcome.err, HasSubstr("/dev/stdin"));
  }
}

/// Standard input for as long as it lives.
class Stdin {
 public:
  explicit Stdin(const std::string& text) : text_(text), before_(std::cin.rdbuf(&text_)) {
    std::cin.clear();
  }
  ~Stdin() { std::cin.rdbuf(before_); }

 private:
  std::stringbuf text_;
  std::streambuf* before_;
};

TEST_F(CommandTest, RulesCheckReadsStandardInput) {
  {
    const Stdin good("fleet: f\n");
    const Outcome outcome = type(command_rules, {"check", "-"});
    EXPECT_EQ(outcome.exit_code, kExitDone);
    EXPECT_THAT(outcome.out, StartsWith("<stdin>: ok: 0 alarms, 0 scaling groups, "));
  }
  const Stdin wrong("fleet: f\nalarm: []\n");
  const Outcome outcome = type(command_rules, {"check", "-"});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("fleetmeter: <stdin>:2: alarm: is not a known key; did you "
                                      "mean `alarms`?"));
  EXPECT_THAT(type(command_rules, {"check", "-", "-"}).err, HasSubstr("given twice"));
}

TEST_F(CommandTest, RulesCheckTellsProblemsInTheirParts) {
  const std::string good =
      write("good.yaml",
            "scaling:\n  - { group: { asg: g }, warm_up: 60s,\n      "
            "metrics: { cpu: { namespace: A, name: B } },\n      policies: [ { "
            "simple: { metric: cpu, when: \"> 70\", add: 1 } } ] }\n");
  const std::string wrong = write("wrong.yaml", "environments:\n  prod: { region: mars }\n");
  const std::string absent = path("absent.yaml");
  const std::vector<std::string> files{"check", good, wrong, absent, "--format"};
  const auto as = [&](const char* format) {
    std::vector<std::string> arguments = files;
    arguments.emplace_back(format);
    return type(command_rules, arguments);
  };
  const Outcome json = as("json");
  EXPECT_EQ(json.exit_code, kExitUsage);
  EXPECT_THAT(json.out, StartsWith(R"({"schema":1,"files":[{"file":")" + good +
                                   R"(","valid":true,"contents":{"alarms":0,"scaling_groups":1,)"
                                   R"("environments":0,"sources":0,"receivers":0},"errors":[],)"
                                   R"("warnings":[{"line":2,"key":"scaling[0]","message":")"));
  EXPECT_THAT(json.out, HasSubstr(R"({"file":")" + wrong +
                                  R"(","valid":false,"contents":null,"errors":[{"line":2,)"
                                  R"("key":"environments.prod.region","message":"`mars` is)"));
  EXPECT_THAT(json.out, HasSubstr(R"("errors":[{"line":null,"key":null,"message":"cannot be op)"));
  EXPECT_THAT(json.err, HasSubstr(wrong + ":2: environments.prod.region: `mars`"));
  EXPECT_THAT(as("csv").out, HasSubstr("\n" + wrong + ",2,error,environments.prod.region,"));
  EXPECT_THAT(as("csv").out, HasSubstr("\n" + good + ",,ok,,\"0 alarms, 1 scaling groups, "));
  EXPECT_THAT(as("markdown").out, StartsWith("| file | line |"));
  EXPECT_THAT(as("html").out, StartsWith("<!doctype html>"));
  EXPECT_EQ(as("yaml").exit_code, kExitUsage);
  EXPECT_EQ(type(command_rules, {"check", good, "--format", "json"}).exit_code, kExitDone);
}

TEST_F(CommandTest, RunWithoutASourceSaysSoAtOnce) {
  for (const char* sources : {"", "sources: []\n"}) {
    const std::string config =
        write("fleet.yaml", "state: " + path("state") + "\n" + std::string(sources));
    for (const std::vector<std::string>& more :
         {std::vector<std::string>{}, std::vector<std::string>{"--until-eof"}}) {
      std::vector<std::string> arguments{"-c", config, "--http", "127.0.0.1:0"};
      arguments.insert(arguments.end(), more.begin(), more.end());
      const Outcome outcome = type(command_run, arguments);
      EXPECT_EQ(outcome.exit_code, kExitUsage);
      EXPECT_THAT(outcome.err, HasSubstr("fleet.yaml: sources: there is none"));
    }
  }
  EXPECT_FALSE(fs::exists(path("state")));
}

TEST_F(CommandTest, ReplayNeedsNoSource) {
  const std::string config = write("fleet.yaml", "fleet: f\n");
  const Outcome outcome = type(command_replay, {"-c", config, write("flow.log", kRecord)});
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
}

TEST_F(CommandTest, OfReplaysPathsOneThatLeadsToNothingIsNamedAndTheOthersAreRead) {
  const std::string config = write("fleet.yaml", "fleet: f\n");
  const std::string flow = write("flow.log", kRecord);
  const std::string gone = flow + ".gone";
  const Outcome partly = type(command_replay, {"-c", config, gone, flow, "--format", "json"});
  EXPECT_EQ(partly.exit_code, kExitPartly);
  EXPECT_THAT(partly.err, HasSubstr(gone + ": no such file, directory or match"));
  EXPECT_THAT(partly.out, HasSubstr("\"total\":1"));
  const Outcome nothing = type(command_replay, {"-c", config, gone});
  EXPECT_EQ(nothing.exit_code, kExitUsage);
  EXPECT_THAT(nothing.err, HasSubstr(gone + ": no such file, directory or match"));
}

TEST_F(CommandTest, ADroppedLineIsShownBesideItsReasonWithItsFile) {
  const std::string config = write("fleet.yaml", "fleet: f\n");
  const std::string file = write("flow.log", std::string(kRecord) + "2 not a record\n");
  const std::string sample = "field_count, such as " + file + ": 2 not a record";
  EXPECT_THAT(type(command_flows, {file}).err, HasSubstr(sample));
  EXPECT_THAT(type(command_flows, {file, "--format", "json"}).out,
              HasSubstr(R"("malformed_samples":{"field_count":")" + file + ": 2 not a record\"}"));
  const Outcome replayed = type(command_replay, {"-c", config, file});
  EXPECT_THAT(replayed.out + replayed.err, HasSubstr(sample));
}

class BudgetCommandTest : public CommandTest {
 protected:
  /// The report of a machine that costs 70.08 USD in prod, and of one in dev, of a type that no
  /// price list knows.
  Outcome report(const std::string& budgets, std::vector<std::string> more = {}) {
    write("machines.yaml",
          "region: us-east-1\n"
          "instances:\n"
          "  - { id: i-1, type: m5.large, os: linux, tags: { Environment: prod } }\n"
          "  - { id: i-2, type: m99.large, os: linux, tags: { Environment: dev } }\n");
    const std::string config =
        write("fleet.yaml", "environments:\n" + budgets + "inventory: [ file: machines.yaml ]\n");
    std::vector<std::string> arguments{"report", "-c", config, "--basis", "estimate"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return type(command_cost, std::move(arguments));
  }
  static std::string environment(const std::string& name, const std::string& budget) {
    return "  " + name + ": { match: { tag: { Environment: " + name + " } }, budget: " + budget +
           " }\n";
  }
};

TEST_F(BudgetCommandTest, AnExceededBudgetIsExitCode3AndSaysSo) {
  const std::string budgets = environment("prod", "{ monthly_usd: 50, alert_at: [80%, 100%] }");
  const Outcome outcome = report(budgets);
  EXPECT_EQ(outcome.exit_code, kExitBroken);
  EXPECT_THAT(outcome.err, HasSubstr("the budget of prod is exceeded: 70.08 of 50.00 USD\n"));
  EXPECT_THAT(outcome.out, HasSubstr("Total of prod: 70.08 USD (budget 50.00 USD: exceeded, 100 % "
                                     "of it reached)\n"));
  const Outcome json = report(budgets, {"--format", "json"});
  EXPECT_EQ(json.exit_code, kExitBroken);
  EXPECT_THAT(
      json.out,
      HasSubstr(
          R"("budget":{"monthly_usd":"50.00","state":"exceeded","alert_percent":100},"lines")"));
  EXPECT_EQ(report(budgets, {"--format", "csv"}).exit_code, kExitBroken);
  for (const char* format : {"markdown", "html"})
    EXPECT_THAT(report(budgets, {"--format", format}).out, HasSubstr("budget 50.00 USD: exceeded"));
}

TEST_F(BudgetCommandTest, AShareOfABudgetIsShownAndNoFailure) {
  const Outcome outcome = report(environment("prod", "{ monthly_usd: 80, alert_at: [80%, 100%] }"),
                                 {"--format", "json"});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_THAT(outcome.out,
              HasSubstr(R"("budget":{"monthly_usd":"80.00","state":"within","alert_percent":80})"));
  EXPECT_THAT(outcome.out, HasSubstr(R"("budget":null)")) << "unassigned has none";
}

TEST_F(BudgetCommandTest, ABudgetWithLinesWithoutAmountIsUnknown) {
  const Outcome outcome = report(environment("dev", "{ monthly_usd: 80 }"), {"--format", "json"});
  EXPECT_EQ(outcome.exit_code, kExitDone);
  EXPECT_THAT(outcome.out,
              HasSubstr(R"({"monthly_usd":"80.00","state":"unknown","alert_percent":null})"));
}

TEST_F(BudgetCommandTest, ABudgetOfNothingIsNotTakenForKept) {
  const std::string budgets = environment("staging", "{ monthly_usd: 80 }");
  EXPECT_THAT(report(budgets).out, HasSubstr("the budget of staging is not checked"));
  EXPECT_THAT(report(budgets, {"--environment", "unassigned"}).out,
              testing::Not(HasSubstr("not checked")))
      << "it was not asked for";
}

}  // namespace
}  // namespace fleetmeter::app
