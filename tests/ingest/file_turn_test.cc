#include "ingest/file_turn.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <random>
#include <utility>

#include "ingest/file_bytes.h"
#include "ingest/files_source.h"
#include "tests/ingest/ingest_fixture.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::ingest {
namespace {

using parsers::testing::gzip;
using parsers::testing::zlib;
using parsers::testing::zstd;
using testing::eventually;
using testing::flow_line;
using testing::Folder;
using ::testing::IsEmpty;
using testing::World;

std::string lines(std::uint32_t seed, int count) {
  std::mt19937 random{seed};
  std::string text;
  for (int i = 0; i < count; ++i)
    text += flow_line(random(), testing::kEventTime + static_cast<int>(random() % 3600),
                      static_cast<std::uint32_t>(random()));
  return text;
}

std::string test_file(const std::string& name) {
  std::ifstream in(std::string(FLEETMETER_SOURCE_DIR "/tests/parsers/parquet/") + name,
                   std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Files of every shape that a compressed one may have.
std::vector<std::string> shapes() {
  const std::string text = lines(1, 20'000);
  std::string cut_lines;  // Members that end inside lines.
  for (std::size_t at = 0; at < text.size(); at += 100'003)
    cut_lines += gzip(text.substr(at, 100'003));
  std::string tiny;  // More members than a piece may hold.
  for (int i = 0; i < 3'000; ++i) tiny += gzip(flow_line(static_cast<std::uint64_t>(i)));
  std::string damaged = gzip(text);
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  const std::string whole = gzip(text);
  return {whole,
          cut_lines,
          tiny,
          gzip(lines(2, 4'000)) + std::string(300'000, '\0') + gzip(lines(3, 4'000)),
          gzip(lines(4, 1'000)) + damaged + gzip(lines(5, 1'000)),
          whole.substr(0, whole.size() / 2),
          whole.substr(0, whole.size() - 8),
          gzip(text) + "no member",
          zlib(text),
          zstd(text) + zstd(lines(6, 5'000)),
          zstd(text).substr(0, 100'000),
          gzip(gzip(lines(7, 4'000)) + gzip(lines(8, 4'000))),
          gzip(test_file("v5-pages2.parquet")),
          gzip(std::string(3u << 20, '\n') + flow_line(1)),
          gzip(text + "2 123 an unfinished last line"),
          gzip(""),
          "\x1f\x8b"};
}

/// What a commit says, apart from when.
struct Committed {
  std::string records;
  std::map<std::string, std::string> positions;
  friend bool operator==(const Committed&, const Committed&) = default;
};

struct Outcome {
  std::vector<Committed> commits;
  std::map<std::string, std::string> bad_inputs;
  std::uint64_t bytes_read = 0, plain_bytes = 0, dropped = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

FilesOptions options(const std::string& path, InflateAhead ahead, std::size_t commit_bytes) {
  FilesOptions made;
  made.settings.name = "files:0";
  made.settings.bounded = true;
  made.settings.commit_bytes_max = commit_bytes;
  made.paths = {path};
  made.inflate_ahead = ahead;
  return made;
}

/// Runs over the file, each with so many commits before it is killed; 0: one run without a kill.
Outcome read(const std::string& path, InflateAhead ahead, std::size_t commit_bytes,
             int commits_a_run) {
  World world;
  for (bool finished = false; !finished;) {
    world.log.allow_commits(commits_a_run == 0 ? -1 : commits_a_run);
    const auto source = make_files_source(world.context(), options(path, ahead, commit_bytes));
    EXPECT_TRUE(source->start());
    EXPECT_TRUE(eventually([&] { return source->finished() || source->failure(); }));
    source->stop();
    finished = source->finished();
  }
  Outcome outcome;
  for (const aggregator::Commit& commit : world.log.commits()) {
    Committed& committed = outcome.commits.emplace_back();
    for (const auto& record : commit.records) {
      if (record.record.has_batch()) committed.records += record.record.SerializeAsString();
    }
    committed.positions = commit.positions;
  }
  outcome.bad_inputs = world.bad_inputs();
  outcome.bytes_read = world.counters.bytes_read;
  const parsers::DecodeCounts counts = world.decoded();
  outcome.plain_bytes = counts.plain_bytes;
  for (const std::uint64_t count : counts.dropped) outcome.dropped += count;
  return outcome;
}

TEST(FileTurn, EveryCommitIsTheSameWhetherThePiecesAreInflatedAheadOrNot) {
  int index = 0;
  for (const std::string& bytes : shapes()) {
    SCOPED_TRACE(index++);
    const Folder folder;
    const std::string path = folder.write("x.log.gz", bytes);
    for (const auto& [commit_bytes, commits_a_run] :
         {std::pair{std::size_t{1} << 20, 0}, std::pair{std::size_t{1}, 1}}) {
      const Outcome here = read(path, InflateAhead::kNever, commit_bytes, commits_a_run);
      const Outcome ahead = read(path, InflateAhead::kAlways, commit_bytes, commits_a_run);
      ASSERT_EQ(here.commits.size(), ahead.commits.size());
      EXPECT_TRUE(here == ahead) << commits_a_run << " commits a run";
    }
  }
}

/// The file on its own, inflated ahead.
class Turn {
 public:
  Turn(const std::string& path, std::uint64_t bytes_max)
      : descriptor_(open_input(path)),
        turn_(descriptor_.get(), false, unpacker_, memory_, bytes_max, InflateAhead::kAlways) {}
  FileTurn::Next next() { return turn_.next(); }
  [[nodiscard]] off_t read_to() const { return lseek(descriptor_.get(), 0, SEEK_CUR); }

 private:
  Descriptor descriptor_;
  parsers::Unpacker unpacker_;
  PieceMemory memory_;
  FileTurn turn_;
};

TEST(FileTurn, TheThreadWaitsWhileItsRingIsFull) {
  const Folder folder;
  const std::string bytes = gzip(lines(1, 200'000));
  ASSERT_GT(bytes.size(), 4 * PieceMemory::kReadBytes);
  Turn turn(folder.write("x.gz", bytes), bytes.size());
  ASSERT_EQ(turn.next().step, FileTurn::Step::kPiece);
  off_t before = 0;
  EXPECT_TRUE(eventually([&] { return before == std::exchange(before, turn.read_to()); }));
  EXPECT_LT(before, static_cast<off_t>(bytes.size()));
}

TEST(FileTurn, ATurnMayBeLeftAtAnyPiece) {
  const Folder folder;
  const std::string path = folder.write("x.gz", gzip(lines(1, 50'000)));
  for (int pieces = 0; pieces < 30; ++pieces) {
    Turn turn(path, 1u << 30);
    for (int i = 0; i < pieces && turn.next().step == FileTurn::Step::kPiece; ++i) continue;
  }
}

TEST(FileTurn, ATurnEndsWhenItsBytesAreReadAndUnpacked) {
  const Folder folder;
  const std::string bytes = gzip(lines(1, 100'000));
  Turn turn(folder.write("x.gz", bytes), 300'000);
  std::uint64_t raw = 0;
  FileTurn::Next next = turn.next();
  for (; next.step == FileTurn::Step::kPiece; next = turn.next()) raw += next.piece->raw_bytes;
  EXPECT_EQ(next.step, FileTurn::Step::kEnoughRead);
  EXPECT_EQ(next.piece, nullptr);
  EXPECT_EQ(raw, 2 * PieceMemory::kReadBytes);
  EXPECT_EQ(turn.next().step, FileTurn::Step::kEnoughRead) << "It stays so.";
}

/// Whether a turn on the file has a thread, and the memory for it.
struct Chosen {
  explicit Chosen(const std::string& path)
      : file(open_input(path)),
        turn(file.get(), false, unpacker, memory, 1u << 30, InflateAhead::kWhereItPays) {}
  [[nodiscard]] bool is_ahead() const { return memory.ahead != nullptr; }
  Descriptor file;
  parsers::Unpacker unpacker;
  PieceMemory memory;
  FileTurn turn;
};

TEST(FileTurn, OnlyLargeCompressedFilesAreInflatedAheadAndNotMoreAtATimeThanCoresCanBear) {
  const Folder folder;
  const std::string text = lines(1, 100'000);
  const std::string packed = gzip(text);
  ASSERT_GT(packed.size(), std::size_t{1} << 20);
  EXPECT_FALSE(Chosen(folder.write("small.gz", gzip(lines(1, 100)))).is_ahead());
  EXPECT_FALSE(Chosen(folder.write("plain.log", text)).is_ahead());
  const std::string path = folder.write("large.gz", packed);
  const unsigned bearable = std::thread::hardware_concurrency() / 2;
  std::vector<std::unique_ptr<Chosen>> turns;
  for (unsigned i = 0; i < bearable; ++i) {
    turns.push_back(std::make_unique<Chosen>(path));
    EXPECT_TRUE(turns.back()->is_ahead());
  }
  EXPECT_FALSE(Chosen(path).is_ahead());
  if (bearable == 0) return;
  turns.pop_back();
  EXPECT_TRUE(Chosen(path).is_ahead());
}

TEST(FileTurn, ABombInAFileKeepsMemoryFlat) {
  const Folder folder;
  std::string bomb;
  for (int i = 0; i < 16; ++i) bomb += gzip(std::string(8u << 20, '\n'));
  const std::string path = folder.write("x.gz", bomb);
  for (const InflateAhead ahead : {InflateAhead::kNever, InflateAhead::kAlways}) {
    struct rusage before {};
    getrusage(RUSAGE_SELF, &before);
    const Outcome outcome = read(path, ahead, 16u << 20, 0);
    struct rusage after {};
    getrusage(RUSAGE_SELF, &after);
    EXPECT_EQ(outcome.plain_bytes, 128u << 20);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 24 * 1024);
    EXPECT_THAT(outcome.bad_inputs, IsEmpty());
  }
}

TEST(FileTurn, AStopWhileAFileIsInflatedAheadKeepsWhatWasCommitted) {
  const Folder folder;
  const std::string text = lines(1, 60'000);
  const std::string path = folder.write("x.gz", gzip(text));
  World world;
  for (int runs = 0;; ++runs) {
    ASSERT_LT(runs, 100);
    const auto source = make_files_source(world.context(), options(path, InflateAhead::kAlways, 1));
    ASSERT_TRUE(source->start());
    const std::size_t before = world.log.commits().size();
    EXPECT_TRUE(
        eventually([&] { return source->finished() || world.log.commits().size() > before; }));
    source->stop();
    if (source->finished()) break;
  }
  const Folder plain_folder;
  World plain;
  const auto source = make_files_source(
      plain.context(), options(plain_folder.write("x.log", text), InflateAhead::kNever, 16u << 20));
  ASSERT_TRUE(source->start());
  ASSERT_TRUE(eventually([&] { return source->finished(); }));
  EXPECT_EQ(world.log.sums(), plain.log.sums());
}

}  // namespace
}  // namespace fleetmeter::ingest
