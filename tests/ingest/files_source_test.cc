#include "ingest/files_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <sstream>

#include "tests/ingest/ingest_fixture.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::ingest {
namespace {

using parsers::testing::gzip;
using parsers::testing::zstd;
using testing::eventually;
using testing::flow_line;
using testing::Folder;
using testing::MemoryLog;
using testing::World;
using Sums = MemoryLog::Sums;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kAwsName =
    "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20231114T2215Z_deadbeef.log.gz";
constexpr const char* kFirehoseName =
    "vpc-logs-3-2026-11-29-17-05-59-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

/// The system's, until a test skips time; other threads read it meanwhile.
class SkippingClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override { return real_.wall() + Milliseconds(skipped_ms_); }
  [[nodiscard]] SteadyTime steady() const override {
    return real_.steady() + Milliseconds(skipped_ms_);
  }
  void skip(Milliseconds by) { skipped_ms_ += by.count(); }

 private:
  SystemClock real_;
  std::atomic<std::int64_t> skipped_ms_{0};
};

class FilesSourceTest : public ::testing::Test {
 protected:
  FilesOptions options(std::vector<std::string> paths, bool follow = false) const {
    FilesOptions made;
    made.settings.name = "files:0";
    made.settings.bounded = !follow;
    made.settings.commit_interval_ms = 10;
    made.paths = std::move(paths);
    made.follow = follow;
    made.poll_interval_ms = 5;
    return made;
  }
  /// Reads bounded input to its end; false when the source failed.
  bool read_all(FilesOptions wanted) {
    const auto source = make_files_source(world_.context(), std::move(wanted));
    const auto started = source->start();
    EXPECT_TRUE(started) << started.error().message;
    EXPECT_TRUE(eventually([&] { return source->finished() || source->failure(); }));
    source->stop();
    return source->finished();
  }
  std::unique_ptr<Source> follow(std::vector<std::string> paths) {
    auto source = make_files_source(world_.context(), options(std::move(paths), true));
    EXPECT_TRUE(source->start());
    return source;
  }
  [[nodiscard]] bool reaches(const Sums& wanted) {
    return eventually([&] { return world_.log.sums() == wanted; }, std::chrono::seconds(10));
  }
  /// Long enough for several polls.
  static void let_poll() { std::this_thread::sleep_for(std::chrono::milliseconds(60)); }

  Folder folder_;
  World world_;
};

TEST_F(FilesSourceTest, ReadsPlainGzipAndZstd) {
  folder_.write("a.log", flow_line(1) + flow_line(2));
  folder_.write("b.log.gz", gzip(flow_line(4)) + gzip(flow_line(8)));
  folder_.write("c.log.zst", zstd(flow_line(16)));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{5, 31, 0}));
  EXPECT_EQ(world_.counters.files_done, 3u);
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
}

TEST_F(FilesSourceTest, SmallFilesShareACommit) {
  for (int i = 0; i < 200; ++i) folder_.write("f" + std::to_string(i), flow_line(1));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{200, 200, 0}));
  EXPECT_EQ(world_.log.commits().size(), 1u);
  EXPECT_EQ(world_.log.positions().size(), 200u);
}

TEST_F(FilesSourceTest, ALastLineWithoutLineEndIsARecord) {
  std::string cut = flow_line(2);
  cut.pop_back();
  folder_.write("a.log", flow_line(1) + cut);
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{2, 3, 0}));
}

TEST_F(FilesSourceTest, ACompressedCopyBesideItsFileCountsOnceAndIsNamed) {
  folder_.write("a.log", flow_line(1) + flow_line(2));
  const std::string copy = folder_.write("a.log.gz", gzip(flow_line(1) + flow_line(2)));
  const std::string other = folder_.write("b.log.gz", gzip(flow_line(4)));
  folder_.write("b.log", flow_line(8));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{4, 15, 0}));
  EXPECT_THAT(world_.counters.notices,
              ElementsAre(AllOf(HasSubstr(copy), HasSubstr("left out")),
                          AllOf(HasSubstr(other), HasSubstr("both read"))));
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
}

TEST_F(FilesSourceTest, AFollowedFileThatTurnsUpCompressedIsWarnedOf) {
  std::ostringstream said;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "files", std::make_shared<spdlog::sinks::ostream_sink_mt>(said)));
  folder_.write("a.log", flow_line(1));
  const auto source = follow({folder_.path()});
  EXPECT_TRUE(reaches({1, 1, 0}));
  folder_.rename("a.log", "a.log.1");
  let_poll();
  const std::string compressed = folder_.write("a.log.1.gz", gzip(flow_line(1)));
  EXPECT_TRUE(reaches({2, 2, 0}));
  source->stop();
  spdlog::set_default_logger(before);
  EXPECT_THAT(said.str(), HasSubstr(compressed + " seems to be " + folder_.path("a.log.1")));
}

TEST_F(FilesSourceTest, AFileThatGrowsBetweenBoundedRunsCountsEachLineOnceWhereverItWasCut) {
  const std::string lines = flow_line(1) + flow_line(2) + flow_line(4);
  for (std::size_t cut = 1; cut < lines.size(); cut += 7) {
    World world;
    const auto read = [&] {
      const auto source = make_files_source(world.context(), options({folder_.path("a.log")}));
      ASSERT_TRUE(source->start());
      ASSERT_TRUE(eventually([&] { return source->finished(); }));
    };
    folder_.write("a.log", lines.substr(0, cut));
    read();
    folder_.append("a.log", lines.substr(cut));
    read();
    EXPECT_EQ(world.log.sums(), (Sums{3, 7, 0})) << cut;
  }
}

TEST_F(FilesSourceTest, TheRestOfALineThatCountedBeforeItsEndWasThereIsDroppedByTheNextRun) {
  const std::string header = "version interface-id action log-status start end packets bytes\n";
  folder_.write("a.log", header + "2 eni-1 ACCEPT OK 1700000040 1700000100 1 12");
  ASSERT_TRUE(read_all(options({folder_.path("a.log")})));
  EXPECT_EQ(world_.log.sums(), (Sums{1, 12, 0}));
  folder_.append("a.log", "34\n2 eni-1 ACCEPT OK 1700000040 1700000100 1 7\n");
  ASSERT_TRUE(read_all(options({folder_.path("a.log")})));
  EXPECT_EQ(world_.log.sums(), (Sums{2, 19, 0}));
  EXPECT_EQ(
      world_.decoded().dropped[static_cast<std::size_t>(parsers::PayloadDrop::kContinuedLine)], 1u);
  EXPECT_EQ(world_.decoded().flows.malformed(), 0u);
}

TEST_F(FilesSourceTest, TwoSourcesThatReadTheSameLogEventsAtATimeCountEachOnce) {
  constexpr int kFiles = 20, kEvents = 50;
  for (int f = 0; f < kFiles; ++f) {
    std::vector<std::string> ids;
    for (int e = 0; e < kEvents; ++e) ids.push_back(std::to_string(f) + "-" + std::to_string(e));
    folder_.write("one/" + std::to_string(f), testing::log_events(ids));
    folder_.write("other/" + std::to_string(kFiles - f), testing::log_events(ids));
  }
  // Neither commits before both have read everything.
  std::atomic<int> have_read{0};
  SourceContext context = world_.context();
  context.fault = [&](std::string_view) {
    ++have_read;
    EXPECT_TRUE(eventually([&] { return have_read >= 2; }));
  };
  std::vector<std::unique_ptr<Source>> sources;
  for (const char* name : {"one", "other"}) {
    FilesOptions wanted = options({folder_.path(name)});
    wanted.settings.name = std::string("files:") + name;
    sources.push_back(make_files_source(context, std::move(wanted)));
  }
  for (const auto& source : sources) ASSERT_TRUE(source->start());
  for (const auto& source : sources) EXPECT_TRUE(eventually([&] { return source->finished(); }));
  for (const auto& source : sources) source->stop();
  EXPECT_EQ(world_.log.sums(), (Sums{kFiles * kEvents, kFiles * kEvents, 0}));
  EXPECT_EQ(world_.decoded().duplicate_events, std::uint64_t{kFiles * kEvents});
}

TEST_F(FilesSourceTest, ASecondRunReadsOnlyWhatIsNew) {
  folder_.write("a.log", flow_line(1));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
  folder_.append("a.log", flow_line(2));
  folder_.write("b.log.gz", gzip(flow_line(4)));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{3, 7, 0}));
}

TEST_F(FilesSourceTest, AResumedPlainFileIsNotReadAgainFromItsFront) {
  folder_.write("a.log", std::string(200, '\n') + flow_line(1));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  world_.counters.bytes_read = 0;
  folder_.append("a.log", flow_line(2));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.counters.bytes_read, flow_line(2).size());
  EXPECT_EQ(world_.log.sums(), (Sums{2, 3, 0}));
}

TEST_F(FilesSourceTest, ATruncatedGzipKeepsWhatIsBeforeTheCutAndTheRestGoesOn) {
  const std::string whole = gzip(flow_line(1) + flow_line(2));
  folder_.write("a.log.gz", gzip(flow_line(4)) + whole.substr(0, whole.size() - 6));
  folder_.write("b.log", flow_line(8));
  for (int run = 0; run < 2; ++run) {  // Reported by each run, counted by the first.
    world_.counters.bad_inputs.clear();
    ASSERT_TRUE(read_all(options({folder_.path()})));
    EXPECT_EQ(world_.log.sums(), (Sums{4, 15, 0}));
    ASSERT_EQ(world_.bad_inputs().count(folder_.path("a.log.gz")), 1u);
  }
}

TEST_F(FilesSourceTest, ADamagedGzipIsReportedAndTheRestGoesOn) {
  std::string damaged = gzip(flow_line(2));
  damaged[damaged.size() - 6] =
      static_cast<char>(damaged[damaged.size() - 6] ^ 0x55);  // Its checksum.
  folder_.write("a.log.gz", gzip(flow_line(1)) + damaged + gzip(flow_line(64)));
  folder_.write("b.log", flow_line(8));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.bad_inputs().count(folder_.path("a.log.gz")), 1u);
  EXPECT_EQ(world_.counters.files_failed, 1u);
  EXPECT_GE(world_.log.sums().bytes, 9u);
  EXPECT_LT(world_.log.sums().bytes, 64u);
}

TEST_F(FilesSourceTest, AFileThatCannotBeOpenedIsReported) {
  folder_.write("a.log", flow_line(1));
  const std::string gone = folder_.path("gone.log");
  ASSERT_EQ(symlink("/nonexistent/file", gone.c_str()), 0);
  auto wanted = options({folder_.path("*.log")});
  ASSERT_TRUE(read_all(wanted));
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
  EXPECT_EQ(world_.bad_inputs().count(gone), 1u);
}

TEST_F(FilesSourceTest, AnObjectNameOfAwsIsReadOnceWhereverItLies) {
  folder_.write(std::string("x/") + kAwsName, gzip(flow_line(1)));
  folder_.write(std::string("y/") + kAwsName, gzip(flow_line(1)));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
}

TEST_F(FilesSourceTest, StandardInputIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int saved = dup(0);
  dup2(ends[0], 0);
  close(ends[0]);
  const std::string text = flow_line(1) + flow_line(2);
  const auto source = make_files_source(world_.context(), options({"-"}));
  ASSERT_TRUE(source->start());
  ASSERT_EQ(write(ends[1], text.data(), 150), 150);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_FALSE(source->finished());
  ASSERT_EQ(write(ends[1], text.data() + 150, text.size() - 150),
            static_cast<ssize_t>(text.size() - 150));
  close(ends[1]);
  EXPECT_TRUE(eventually([&] { return source->finished(); }));
  source->stop();
  dup2(saved, 0);
  close(saved);
  EXPECT_EQ(world_.log.sums(), (Sums{2, 3, 0}));
  EXPECT_THAT(world_.log.positions(), IsEmpty());  // Nothing to come back to.
}

TEST_F(FilesSourceTest, AStopWhileStandardInputIsSilentEnds) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int saved = dup(0);
  dup2(ends[0], 0);
  for (const bool follows : {false, true}) {
    const auto source = make_files_source(world_.context(), options({"-"}, follows));
    ASSERT_TRUE(source->start());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto before = std::chrono::steady_clock::now();
    source->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  }
  dup2(saved, 0);
  close(saved);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(FilesSourceTest, ANamedPipeIsReadToItsEndAndAStopWhileItIsSilentEnds) {
  const std::string pipe_path = folder_.path("telemetry");
  ASSERT_EQ(mkfifo(pipe_path.c_str(), 0600), 0);
  for (const bool has_writer : {false, true}) {
    SCOPED_TRACE(has_writer);
    const auto silent = make_files_source(world_.context(), options({pipe_path}));
    ASSERT_TRUE(silent->start());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const int writer = has_writer ? open(pipe_path.c_str(), O_WRONLY | O_NONBLOCK) : -1;
    EXPECT_EQ(writer >= 0, has_writer);
    EXPECT_FALSE(silent->finished());
    const auto before = std::chrono::steady_clock::now();
    silent->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
    EXPECT_FALSE(silent->failure());
    if (writer >= 0) close(writer);
  }
  const auto source = make_files_source(world_.context(), options({pipe_path}));
  ASSERT_TRUE(source->start());
  std::ofstream(pipe_path, std::ios::binary) << flow_line(1) + flow_line(2);
  EXPECT_TRUE(eventually([&] { return source->finished(); }));
  source->stop();
  EXPECT_EQ(world_.log.sums(), (Sums{2, 3, 0}));
  EXPECT_THAT(world_.log.positions(), IsEmpty());  // Nothing to come back to.
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
}

TEST_F(FilesSourceTest, BesideLiveSourcesFilesThatWereReadStayCaughtUp) {
  folder_.write("a.log", flow_line(1));
  auto wanted = options({folder_.path()});
  wanted.beside_live = true;
  const auto source = make_files_source(world_.context(), wanted);
  ASSERT_TRUE(source->start());
  EXPECT_TRUE(eventually([&] { return source->finished() && world_.log.progress().size() >= 3; }));
  EXPECT_TRUE(world_.log.progress().back().caught_up());
  source->stop();
}

// --- Restart ---

/// A run over all files with the log fenced after so many commits, then runs with one commit more
/// each, to the end.
TEST_F(FilesSourceTest, KilledBetweenAnyTwoCommitsTheTotalsAreThose) {
  std::mt19937_64 random(42);
  const auto lines = [&](int count) {
    std::string text =
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
        "start end action log-status\n";
    for (int i = 0; i < count; ++i)
      text += flow_line(random() >> 24,
                        testing::kEventTime + static_cast<std::int64_t>(random() % 3600),
                        static_cast<std::uint32_t>(random()));
    return text;
  };
  folder_.write("a.log", lines(5000));
  std::string members;
  for (int i = 0; i < 5; ++i) members += gzip(lines(2500));
  folder_.write("b.log.gz", members);
  folder_.write("c.log.zst", zstd(lines(5000)) + zstd(lines(3000)));
  folder_.write("d.log", lines(3000));
  auto wanted = options({folder_.path()});
  ASSERT_TRUE(read_all(wanted));
  const Sums whole = world_.log.sums();
  ASSERT_EQ(whole.records, 28500u);

  for (int first = 0; first < 6; ++first) {
    World world;
    wanted.settings.commit_bytes_max = 1;  // Each step of reading is a commit.
    int runs = 0;
    for (int commits = first;; commits = 1 + runs % 3) {
      SCOPED_TRACE("first " + std::to_string(first) + ", run " + std::to_string(runs));
      wanted.inflate_ahead = runs % 2 == first % 2 ? InflateAhead::kAlways : InflateAhead::kNever;
      ASSERT_LT(++runs, 200);
      world.log.allow_commits(commits);
      const auto source = make_files_source(world.context(), wanted);
      ASSERT_TRUE(source->start());
      ASSERT_TRUE(eventually([&] { return source->finished() || source->failure(); }));
      source->stop();
      if (source->finished()) break;
    }
    EXPECT_GT(runs, 3);
    EXPECT_EQ(world.log.sums(), whole);
  }
}

TEST_F(FilesSourceTest, AStopKeepsWhatWasReadAndTheNextStartGoesOn) {
  folder_.write("a.log", flow_line(1));
  auto source = follow({folder_.path()});
  ASSERT_TRUE(reaches({1, 1, 0}));
  folder_.append("a.log", flow_line(2) + "2 1234");
  source->stop();
  source = follow({folder_.path()});
  folder_.append("a.log", flow_line(4).substr(6));
  EXPECT_TRUE(reaches({3, 7, 0}));
  source->stop();
  EXPECT_EQ(world_.log.sums(), (Sums{3, 7, 0}));
}

TEST_F(FilesSourceTest, AFullDiskDuringAStopLosesNothing) {
  folder_.write("a.log", flow_line(1));
  world_.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
  auto source = follow({folder_.path()});
  ASSERT_TRUE(eventually([&] { return !source->blocked().empty(); }));
  EXPECT_EQ(source->blocked(), "files:0: disk full");
  source->stop();
  EXPECT_FALSE(source->failure());
  world_.log.refuse(std::nullopt);
  EXPECT_THAT(world_.log.positions(), IsEmpty());
  source = follow({folder_.path()});
  EXPECT_TRUE(reaches({1, 1, 0}));
  source->stop();
}

// --- Followed files ---

TEST_F(FilesSourceTest, TheUnfinishedLastLineOfAFollowedFileIsPending) {
  const std::string line = flow_line(2);
  folder_.write("a.log", flow_line(1) + line.substr(0, 40));
  const auto source = follow({folder_.path()});
  ASSERT_TRUE(reaches({1, 1, 0}));
  let_poll();
  folder_.append("a.log", line.substr(40));
  EXPECT_TRUE(reaches({2, 3, 0}));
  source->stop();
  EXPECT_EQ(world_.decoded().flows.malformed(), 0u);
}

TEST_F(FilesSourceTest, TheUnfinishedMemberOfAFollowedFileIsPending) {
  const std::string bytes = gzip(flow_line(1)) + gzip(flow_line(2));
  folder_.write("a.log.gz", bytes.substr(0, bytes.size() - 20));
  const auto source = follow({folder_.path()});
  let_poll();
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
  folder_.append("a.log.gz", bytes.substr(bytes.size() - 20));
  EXPECT_TRUE(reaches({2, 3, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, AnObjectOfAwsThatIsBeingCopiedIsPendingUntilItIsWhole) {
  std::string last = flow_line(2);
  last.pop_back();  // Without line end: only the end of the object says that it is one.
  const std::string bytes = gzip(flow_line(1) + last);
  folder_.write(kAwsName, bytes.substr(0, 50));
  const auto source = follow({folder_.path()});
  let_poll();
  folder_.append(kAwsName, bytes.substr(50));
  EXPECT_TRUE(reaches({2, 3, 0}));
  source->stop();
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
}

TEST_F(FilesSourceTest, APlainObjectOfFirehoseIsWholeOnceItHasNotGrownForAMinute) {
  std::string last = flow_line(2);
  last.pop_back();
  folder_.write(kFirehoseName, flow_line(1) + last.substr(0, 40));
  SkippingClock clock;
  const auto source =
      make_files_source(world_.context(nullptr, &clock), options({folder_.path()}, true));
  ASSERT_TRUE(source->start());
  ASSERT_TRUE(reaches({1, 1, 0}));
  folder_.append(kFirehoseName, last.substr(40));
  let_poll();
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0})) << "its last line may be half copied";
  clock.skip(std::chrono::seconds(61));
  EXPECT_TRUE(reaches({2, 3, 0}));
  source->stop();
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
}

TEST_F(FilesSourceTest, ACopyOfAnObjectOfFirehoseCountsOnce) {
  folder_.write(std::string("x/") + kFirehoseName, flow_line(1));
  ASSERT_TRUE(read_all(options({folder_.path()})));
  folder_.write(std::string("y/") + kFirehoseName, flow_line(1));  // Fetched again.
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
}

TEST_F(FilesSourceTest, AnObjectOfAwsThatStaysIncompleteIsReportedUntilTheRestComes) {
  const std::string bytes = gzip(flow_line(1)) + gzip(flow_line(2));
  const std::string path = folder_.write(kAwsName, bytes.substr(0, bytes.size() - 10));
  folder_.write("growing.log.gz",
                bytes.substr(0, bytes.size() - 10));  // It may well be appended to.
  SkippingClock clock;
  const auto source =
      make_files_source(world_.context(nullptr, &clock), options({folder_.path()}, true));
  ASSERT_TRUE(source->start());
  let_poll();
  EXPECT_THAT(world_.bad_inputs(), IsEmpty()) << "it is being copied";
  clock.skip(std::chrono::seconds(61));
  EXPECT_TRUE(eventually([&] { return !world_.bad_inputs().empty(); }));
  clock.skip(std::chrono::seconds(61));
  let_poll();
  EXPECT_EQ(world_.bad_inputs().size(), 1u);
  EXPECT_THAT(world_.bad_inputs()[path], HasSubstr("incomplete"));
  EXPECT_EQ(world_.counters.files_failed, 1u);
  folder_.append(kAwsName, bytes.substr(bytes.size() - 10));
  EXPECT_TRUE(eventually([&] { return world_.bad_inputs().empty(); }));
  EXPECT_TRUE(reaches({3, 3 + 1, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, ADownloadThatGetsItsNameAtTheEndCountsOnce) {
  const std::string temporary = std::string(kAwsName) + ".6a7B8c9D";
  folder_.write(temporary, gzip(flow_line(1)));
  const auto source = follow({folder_.path()});
  ASSERT_TRUE(reaches({1, 1, 0}));
  folder_.rename(temporary, kAwsName);
  let_poll();
  source->stop();
  ASSERT_TRUE(read_all(options({folder_.path()})));
  EXPECT_EQ(world_.log.sums(), (Sums{1, 1, 0}));
}

/// Whatever the order in which old and new name are looked at.
TEST_F(FilesSourceTest, ARotatedFileIsReadToItsEndAndOnce) {
  for (const std::string old_name : {"app.log.1", "aaa.log"}) {
    SCOPED_TRACE(old_name);
    const Folder folder;
    World world;
    const auto source = make_files_source(world.context(), options({folder.path()}, true));
    folder.write("app.log", flow_line(1));
    ASSERT_TRUE(source->start());
    ASSERT_TRUE(eventually([&] { return world.log.sums() == Sums{1, 1, 0}; }));
    folder.append("app.log", flow_line(2));
    folder.rename("app.log", old_name);
    folder.append(old_name, flow_line(4));
    folder.write("app.log", flow_line(8));
    EXPECT_TRUE(eventually([&] { return world.log.sums() == Sums{4, 15, 0}; }));
    let_poll();
    source->stop();
    EXPECT_EQ(world.log.sums(), (Sums{4, 15, 0}));
  }
}

TEST_F(FilesSourceTest, AFileRotatedOutOfSightIsReadToItsEnd) {
  const Folder elsewhere;
  folder_.write("app.log", flow_line(1));
  const auto source = follow({folder_.path()});
  ASSERT_TRUE(reaches({1, 1, 0}));
  std::filesystem::rename(folder_.path("app.log"), elsewhere.path("app.log"));
  elsewhere.append("app.log", flow_line(2));
  folder_.write("app.log", flow_line(4));
  EXPECT_TRUE(reaches({3, 7, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, ATruncatedFileBeginsAnew) {
  folder_.write("app.log", flow_line(1) + flow_line(2));
  const auto source = follow({folder_.path()});
  ASSERT_TRUE(reaches({2, 3, 0}));
  folder_.write("app.log", flow_line(4));  // In place, as copytruncate does.
  EXPECT_TRUE(reaches({3, 7, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, AFileThatIsShorterAfterARestartBeginsAnewEvenUnderTheSameHeader) {
  const std::string header =
      "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
      "start end action log-status\n";
  folder_.write("app.log", header + flow_line(1) + flow_line(2));
  auto source = follow({folder_.path()});
  ASSERT_TRUE(reaches({2, 3, 0}));
  source->stop();
  folder_.write("app.log", header + flow_line(4));
  source = follow({folder_.path()});
  EXPECT_TRUE(reaches({3, 7, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, TheSameInodeWithAnotherHeadIsAnotherFile) {
  folder_.write("app.log", flow_line(1));
  auto source = follow({folder_.path()});
  ASSERT_TRUE(reaches({1, 1, 0}));
  source->stop();
  folder_.write("app.log", flow_line(2, testing::kEventTime + 60) + flow_line(4) + flow_line(8));
  source = follow({folder_.path()});
  EXPECT_TRUE(reaches({4, 15, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, PathsThatDoNotExistYetHoldNobodyUp) {
  folder_.write("a.log", flow_line(1));
  const auto source = follow({folder_.path("later/**/*.log"), folder_.path("a.log")});
  EXPECT_TRUE(reaches({1, 1, 0}));
  EXPECT_EQ(world_.counters.files_missing, 1u);
  folder_.write("later/deep/b.log", flow_line(2));
  EXPECT_TRUE(reaches({2, 3, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, ADamagedFollowedFileIsReportedOnceAndTheRestGoesOn) {
  folder_.write("a.log.gz", gzip(flow_line(1)) + "no gzip at all");
  folder_.write("b.log", flow_line(2));
  const auto source = follow({folder_.path()});
  EXPECT_TRUE(reaches({2, 3, 0}));
  EXPECT_TRUE(eventually([&] { return world_.bad_inputs().count(folder_.path("a.log.gz")) == 1; }));
  let_poll();
  EXPECT_EQ(world_.counters.files_failed, 1u);
  folder_.append("b.log", flow_line(4));
  EXPECT_TRUE(reaches({3, 7, 0}));
  source->stop();
}

TEST_F(FilesSourceTest, ADamagedFollowedFileThatALargerOneReplacesInPlaceIsAnotherFile) {
  std::string lines;
  for (std::uint32_t i = 0; i < 200; ++i)
    lines += flow_line(1, testing::kEventTime + i * 7 % 60, i);
  const std::string good = gzip(lines);
  ASSERT_GT(good.size(), 200u);
  std::string bad = good.substr(0, 200);
  std::fill(bad.begin() + 60, bad.begin() + 90, '\xff');
  folder_.write("x.gz", bad);
  const auto source = follow({folder_.path("*.gz")});
  ASSERT_TRUE(eventually([&] { return world_.bad_inputs().size() == 1; }));
  let_poll();
  folder_.append("x.gz", bad);  // The same file, grown: what follows the damage is not read.
  let_poll();
  const std::uint64_t records = world_.log.sums().records;
  folder_.write("x.gz.new", good);  // In place, and in one step.
  std::filesystem::copy_file(folder_.path("x.gz.new"), folder_.path("x.gz"),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(reaches({records + 200, records + 200, 0}));
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
  source->stop();
}

TEST_F(FilesSourceTest, FollowedFilesStayOpenByAQuarterOfTheDescriptorsOverAllSources) {
  const testing::DescriptorLimit limit(64);
  for (int i = 0; i < 100; ++i) {
    for (const char* from : {"a/", "b/"})
      folder_.write(from + std::to_string(i) + ".log", flow_line(1));
  }
  const auto open_now = [this] {
    std::size_t count = 0;
    for (int fd = 0; fd < 64; ++fd) {
      std::error_code closed;
      const auto target =
          std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), closed).string();
      if (target.starts_with(folder_.path()) && target.ends_with(".log")) ++count;
    }
    return count;
  };
  const auto a = follow({folder_.path("a")}), b = follow({folder_.path("b")});
  EXPECT_TRUE(reaches({200, 200, 0}));
  let_poll();
  EXPECT_THAT(open_now(), ::testing::AllOf(::testing::Ge(2u), ::testing::Le(16u)));
  folder_.append("a/0.log", flow_line(2));  // One that has been closed is read on all the same.
  folder_.append("b/99.log", flow_line(2));
  EXPECT_TRUE(reaches({202, 204, 0}));
  EXPECT_THAT(world_.bad_inputs(), IsEmpty());
  a->stop();
  b->stop();
}

TEST_F(FilesSourceTest, AnIdleFollowedSourceIsCaughtUpToTheWallClock) {
  folder_.write("a.log", flow_line(1));
  const auto source = follow({folder_.path()});
  EXPECT_TRUE(eventually([&] {
    const auto told = world_.log.progress();
    return told.size() >= 2 && told.back().caught_up();
  }));
  source->stop();
  const auto told = world_.log.progress();
  EXPECT_GT(told.back().read_to_ms(), told.front().listening_since_ms());
  for (std::size_t i = 1; i < told.size(); ++i)
    EXPECT_GE(told[i].read_to_ms(), told[i - 1].read_to_ms());
}

/// A writer that appends pieces cut anywhere and rotates, a source that is fenced and started anew:
/// all counts once.
TEST_F(FilesSourceTest, GrowingFilesRotationsAndKillsLoseAndRepeatNothing) {
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    const Folder folder;
    World world;
    std::mt19937 random(seed);
    std::atomic<bool> written{false};
    Sums wanted;
    std::jthread writer([&] {
      std::mt19937 own(seed + 100);
      int rotation = 0;
      std::string text;
      for (int i = 0; i < 300; ++i) {
        const std::uint64_t bytes = own() % 1000;
        text += flow_line(bytes, testing::kEventTime + i, static_cast<std::uint32_t>(own()));
        ++wanted.records;
        wanted.bytes += bytes;
        const std::size_t cut = own() % (text.size() + 1);
        folder.append("app.log", text.substr(0, cut));
        text.erase(0, cut);
        if (own() % 25 == 0) {
          folder.append("app.log", text);
          text.clear();
          folder.rename("app.log", "app.log." + std::to_string(++rotation));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      folder.append("app.log", text);
      written = true;
    });
    while (!written) {
      world.log.allow_commits(static_cast<int>(random() % 6));
      const auto source = make_files_source(world.context(), options({folder.path()}, true));
      ASSERT_TRUE(source->start());
      ASSERT_TRUE(eventually([&] { return source->failure().has_value() || written; }));
      source->stop();
    }
    writer.join();
    world.log.allow_commits(-1);
    const auto source = make_files_source(world.context(), options({folder.path()}, true));
    ASSERT_TRUE(source->start());
    EXPECT_TRUE(eventually([&] { return world.log.sums() == wanted; }, std::chrono::seconds(5)));
    source->stop();
    EXPECT_EQ(world.log.sums(), wanted);
  }
}

}  // namespace
}  // namespace fleetmeter::ingest
