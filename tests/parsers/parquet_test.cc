#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/parsers/recorder.h"

namespace fleetmeter::parsers::testing {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(FLEETMETER_SOURCE_DIR) / "tests/parsers/parquet";

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string object(const std::string& name) { return read_file(kFolder / (name + ".parquet")); }

/// Every file that has its records as text beside it, by name.
std::map<std::string, std::string> files_with_text() {
  std::map<std::string, std::string> texts;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string name = entry.path().stem().string();
    const fs::path text = kFolder / (name.substr(0, name.find('-')) + ".log");
    if (entry.path().extension() == ".parquet" && fs::exists(text)) texts[name] = read_file(text);
  }
  EXPECT_GT(texts.size(), 30u);
  return texts;
}

/// Lines have a length, which Parquet has not.
std::vector<std::string> without_line_bytes(std::vector<std::string> flows) {
  for (std::string& flow : flows) flow.erase(flow.find(" line_bytes="));
  return flows;
}

/// Counts of records and values; headers and columns are another matter.
void expect_same_counts(const FlowCounts& counts, const FlowCounts& of_text) {
  EXPECT_EQ(counts.ok, of_text.ok);
  EXPECT_EQ(counts.nodata, of_text.nodata);
  EXPECT_EQ(counts.skipdata, of_text.skipdata);
  EXPECT_EQ(counts.unwindowed, of_text.unwindowed);
  EXPECT_EQ(counts.absent_optional, of_text.absent_optional);
  EXPECT_EQ(counts.unknown_values, of_text.unknown_values);
  EXPECT_THAT(counts.dropped, ::testing::ElementsAreArray(of_text.dropped));
}

/// By random access, in as many steps as there are batches; stops and starts anew after `steps`
/// of them, if it is not 0.
struct Reading {
  std::vector<std::string> flows;
  FlowCounts counts;
  std::uint64_t raw_bytes = 0;
  bool whole = false;
};

Reading read_object(const std::string& bytes, std::size_t steps, const DecoderOptions& options) {
  Reading reading;
  const MemoryBytes memory(bytes);
  StreamPosition position;
  for (bool ended = false; !ended;) {
    Recorder recorder;
    Decoder decoder{options, recorder};
    decoder.begin_object(memory, position);
    EXPECT_EQ(decoder.position(), position);
    for (std::size_t step = 0; !ended && (steps == 0 || step < steps); ++step)
      ended = !decoder.read_object();
    const std::uint64_t bytes_done = decoder.object_bytes_done();
    EXPECT_TRUE(!ended || decoder.damaged() || bytes_done == bytes.size());
    if (ended) reading.whole = decoder.finish();
    position = decoder.position();
    EXPECT_EQ(position.member_start, 0u);
    reading.flows.insert(reading.flows.end(), recorder.flows.begin(), recorder.flows.end());
    reading.counts += decoder.counts().flows;
    reading.raw_bytes += decoder.counts().raw_bytes;
  }
  return reading;
}

TEST(Parquet, HoldsTheSameRecordsAsTheTextBesideIt) {
  for (const auto& [name, text] : files_with_text()) {
    SCOPED_TRACE(name);
    const Decoded lines = decode_message(text);
    const Decoded decoded = decode_message(object(name));
    EXPECT_EQ(without_line_bytes(decoded.flows), without_line_bytes(lines.flows));
    expect_same_counts(decoded.counts.flows, lines.counts.flows);
    for (std::size_t i = 0; i < static_cast<std::size_t>(PayloadDrop::kCount); ++i)
      EXPECT_EQ(decoded.counts.dropped[i], 0u) << i;
  }
}

TEST(Parquet, ReadsTheSameByRandomAccessStreamAndMessageInBatchesOfAnySize) {
  for (const auto& [name, text] : files_with_text()) {
    SCOPED_TRACE(name);
    const std::string bytes = object(name);
    const Decoded whole = decode_message(bytes);
    for (const std::uint32_t batch : {1u, 7u, 64u, 4096u}) {
      DecoderOptions options;
      options.batch_records = batch;
      const Reading reading = read_object(bytes, 0, options);
      EXPECT_TRUE(reading.whole);
      EXPECT_EQ(reading.flows, whole.flows);
      EXPECT_EQ(reading.raw_bytes, bytes.size());
      expect_same_counts(reading.counts, whole.counts.flows);
      const Decoded stream = decode_stream(bytes, batch, options);
      EXPECT_TRUE(stream.whole);
      EXPECT_EQ(stream.flows, whole.flows);
    }
  }
}

TEST(Parquet, ARestartAtAnyRowGoesOnExactly) {
  for (const char* name : {"v5-groups", "v5-pages", "v5-pages2", "v5-plainpages", "bad-plain",
                           "default-zstd-v2-delta"}) {
    SCOPED_TRACE(name);
    const std::string bytes = object(name);
    const Decoded whole = decode_message(bytes);
    for (const std::uint32_t batch : {1u, 5u, 33u}) {
      DecoderOptions options;
      options.batch_records = batch;
      const Reading reading = read_object(bytes, 1, options);
      EXPECT_TRUE(reading.whole);
      EXPECT_EQ(reading.flows, whole.flows);
      expect_same_counts(reading.counts, whole.counts.flows);
    }
  }
}

TEST(Parquet, ReadsOnlyTheColumnsThatAreAskedForAndDropsTheSameRecords) {
  for (const char* name : {"bad-dictionary", "bad-plain", "bad-astext"}) {
    SCOPED_TRACE(name);
    DecoderOptions options;
    options.fields = FieldSet{FlowField::kInterfaceId, FlowField::kBytes};
    const Decoded decoded = decode_message(object(name), options);
    const Decoded lines = decode_message(read_file(kFolder / "bad.log"), options);
    EXPECT_EQ(without_line_bytes(decoded.flows), without_line_bytes(lines.flows));
    expect_same_counts(decoded.counts.flows, lines.counts.flows);
  }
}

TEST(Parquet, CountsColumnsThatNoVersionKnows) {
  EXPECT_EQ(decode_message(object("default-extra")).counts.flows.unknown_fields, 2u);
  EXPECT_EQ(decode_message(object("default-hyphens")).counts.flows.unknown_fields, 0u);
}

TEST(Parquet, KeepsAccountsOfTwelveDigitsThatAreStoredAsNumbers) {
  const Decoded decoded = decode_message(object("default-ids"));
  ASSERT_FALSE(decoded.flows.empty());
  EXPECT_THAT(decoded.flows[0], HasSubstr("account-id=012345678901 "));
}

TEST(Parquet, ALineHasNoLengthHere) {
  EXPECT_THAT(decode_message(object("v5-groups")).flows,
              ::testing::Each(::testing::EndsWith(" line_bytes=0")));
}

TEST(Parquet, ReadsItOutOfGzipToo) {
  const Decoded whole = decode_message(object("v5-groups"));
  const std::string packed = gzip(object("v5-groups"));
  EXPECT_EQ(decode_message(packed).flows, whole.flows);
  const Decoded stream = decode_stream(packed, 1000);
  EXPECT_TRUE(stream.whole);
  EXPECT_EQ(stream.flows, whole.flows);
}

struct Refusal {
  PayloadDrop reason;
  std::string problem;
};

Refusal refusal_of(const std::string& bytes) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.message(bytes);
  EXPECT_TRUE(recorder.flows.empty());
  Refusal refusal{PayloadDrop::kCount, decoder.problem()};
  for (std::size_t i = 0; i < static_cast<std::size_t>(PayloadDrop::kCount); ++i) {
    if (decoder.counts().dropped[i] > 0) refusal.reason = static_cast<PayloadDrop>(i);
  }
  Decoder again{{}, recorder};
  const MemoryBytes memory(bytes);
  again.begin_object(memory);
  EXPECT_FALSE(again.read_object());
  EXPECT_TRUE(again.damaged() || again.inside_member());
  EXPECT_FALSE(again.finish());
  EXPECT_EQ(again.problem(), refusal.problem);
  return refusal;
}

std::string problem_of_message(const std::string& bytes) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.message(bytes);
  EXPECT_TRUE(recorder.flows.empty());
  return decoder.problem();
}

TEST(Parquet, RefusesWhatIsOutsideOfTheSubsetAndSaysWhatItIs) {
  const std::pair<const char*, const char*> cases[] = {
      {"brotli", "column `version` is compressed by BROTLI; SNAPPY, GZIP and ZSTD are read"},
      {"lz4", "is compressed by LZ4_RAW;"},
      {"nested", "nested column, `tags`; only flat flow logs are read"},
      {"split", "column `bytes` is stored as BYTE_STREAM_SPLIT, which is not read"},
      {"timestamp", "column `start` is a timestamp, not what flow logs have there"},
      {"double", "column `bytes` is stored as DOUBLE; flow logs have INT32 or INT64 there"},
      {"foreign", "is no flow log: 2 of its 3 columns are none of a flow log's"},
  };
  for (const auto& [name, problem] : cases) {
    SCOPED_TRACE(name);
    const Refusal refusal = refusal_of(object(std::string("refused-") + name));
    EXPECT_EQ(refusal.reason, PayloadDrop::kParquet);
    EXPECT_THAT(refusal.problem, ::testing::StartsWith("is Parquet "));
    EXPECT_THAT(refusal.problem, HasSubstr(problem));
  }
}

TEST(Parquet, RefusesAnEncryptedObject) {
  std::string bytes = object("default-required");
  bytes.back() = 'E';
  EXPECT_EQ(refusal_of(bytes).problem, "is Parquet that is encrypted");
  bytes[3] = 'E';
  EXPECT_EQ(refusal_of(bytes).problem, "is Parquet that is encrypted");
}

TEST(Parquet, ObjectsPutOneBehindTheOtherAreRefusedAsSuch) {
  const std::string small = object("null-action");
  const std::string large = object("v5-statistics");  // With a page index before its footer.
  const std::string none = object("empty-table");
  for (const std::string& bytes : {small + small, small + large, large + small, large + large,
                                   small + none, none + small, small + large + small}) {
    for (const std::string& packed : {bytes, gzip(bytes)}) {
      EXPECT_EQ(problem_of_message(packed),
                "is Parquet that holds more than one Parquet object: read each by itself");
    }
    EXPECT_EQ(refusal_of(bytes).reason, PayloadDrop::kParquet);
  }
  EXPECT_THAT(problem_of_message(gzip(small) + gzip(large)), HasSubstr("more than one"));
}

TEST(Parquet, CutShortAnywhereItIsReportedOnceAndYieldsNothing) {
  const std::string bytes = object("default-snappy-v1-plain");
  for (std::size_t size = 12; size < bytes.size(); size += 97) {
    SCOPED_TRACE(size);
    const Refusal refusal = refusal_of(bytes.substr(0, size));
    EXPECT_EQ(refusal.reason, PayloadDrop::kTruncated);
    EXPECT_THAT(refusal.problem, HasSubstr("cut short"));
  }
}

TEST(Parquet, WhileItIsBeingCopiedItWaitsForItsFooter) {
  const std::string bytes = object("default-required");
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.feed(std::string_view(bytes).substr(0, bytes.size() - 1));
  EXPECT_TRUE(decoder.is_object());
  EXPECT_TRUE(decoder.inside_member());
  EXPECT_EQ(decoder.position(), StreamPosition{});
  decoder.feed(std::string_view(bytes).substr(bytes.size() - 1));
  EXPECT_FALSE(decoder.inside_member());
  EXPECT_TRUE(recorder.flows.empty());
  EXPECT_TRUE(decoder.finish());
  EXPECT_EQ(recorder.flows.size(), 70u);
}

/// A flipped bit may pass for another value, where no checksum guards the page; it never yields more
/// records than there are, and never reads outside of its bytes.
TEST(Parquet, AnyDamagedByteIsReportedOrLeavesRecordsWhole) {
  for (const char* name : {"default-none-v1-dictionary", "default-snappy-v2-delta"}) {
    const std::string good = object(name);
    for (std::size_t at = 4; at + 4 < good.size(); at += 3) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
      const Decoded decoded = decode_message(bytes);
      const FlowCounts& counts = decoded.counts.flows;
      ASSERT_LE(decoded.flows.size() + counts.malformed(), 70u) << name << " " << at;
      ASSERT_EQ(counts.ok + counts.nodata + counts.skipdata, decoded.flows.size());
      std::uint64_t drops = 0;
      for (const std::uint64_t drop : decoded.counts.dropped) drops += drop;
      ASSERT_LE(drops, 1u);
      ASSERT_TRUE(drops == 1 || decoded.flows.size() + counts.malformed() == 70)
          << name << " " << at;
    }
  }
}

/// Most of what a flipped bit makes of the footer is another one that is as good, but for the names.
TEST(Parquet, AFlippedBitOfTheFooterNeverEndsInFewerRecordsWithoutAWord) {
  const std::string good = object("null-action");
  const std::size_t begin = good.find("schema", good.size() / 2);
  ASSERT_NE(begin, std::string::npos);
  for (std::size_t at = begin; at + 8 < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      Recorder recorder;
      Decoder decoder{{}, recorder};
      decoder.message(bytes);
      ASSERT_TRUE(!decoder.problem().empty() ||
                  recorder.flows.size() + decoder.counts().flows.malformed() == 4)
          << at << " " << bit;
    }
  }
}

TEST(Parquet, ChecksumsThatTheWriterLeftAreVerified) {
  const std::string good = object("v5-pages");
  std::uint64_t damaged = 0;
  for (std::size_t at = 100; at < good.size() / 2; at += 1009) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    Recorder recorder;
    Decoder decoder{{}, recorder};
    decoder.message(bytes);
    damaged += decoder.problem().empty() ? 0 : 1;
    const Decoded whole = decode_message(good);
    // What came before the damage is whole, and nothing behind it is taken.
    ASSERT_LE(recorder.flows.size(), whole.flows.size());
    EXPECT_TRUE(std::equal(recorder.flows.begin(), recorder.flows.end(), whole.flows.begin()));
  }
  EXPECT_GT(damaged, 5u);
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
