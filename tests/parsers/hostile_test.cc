// Hostile input ends in a counted drop or a clear error, in bounded memory, without a loop that
// makes no progress (the test's time limit would show it). Memory is what this program allocates
// through operator new at most at one time.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <random>

#include "parsers/firehose_request.h"
#include "parsers/inflate.h"
#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace {

std::atomic<std::int64_t> allocated_bytes{0};
std::atomic<std::int64_t> allocated_bytes_peak{0};

/// In front of every block, its size.
constexpr std::size_t kHeadBytes = 64;

void* allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t whole = (bytes + kHeadBytes + alignment - 1) / alignment * alignment;
  auto* const block = static_cast<char*>(std::aligned_alloc(alignment, whole));
  if (block == nullptr) std::abort();
  *reinterpret_cast<std::size_t*>(block) = bytes;
  const std::int64_t now = allocated_bytes += static_cast<std::int64_t>(bytes);
  std::int64_t peak = allocated_bytes_peak;
  while (now > peak && !allocated_bytes_peak.compare_exchange_weak(peak, now)) continue;
  return block + kHeadBytes;
}

void release(void* pointer) noexcept {
  if (pointer == nullptr) return;
  char* const block = static_cast<char*>(pointer) - kHeadBytes;
  allocated_bytes -= static_cast<std::int64_t>(*reinterpret_cast<std::size_t*>(block));
  std::free(block);
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes, kHeadBytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes, kHeadBytes); }
void* operator new(std::size_t bytes, std::align_val_t) { return allocate(bytes, kHeadBytes); }
void* operator new[](std::size_t bytes, std::align_val_t) { return allocate(bytes, kHeadBytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, kHeadBytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, kHeadBytes);
}
void operator delete(void* pointer) noexcept { release(pointer); }
void operator delete[](void* pointer) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { release(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { release(pointer); }
void operator delete[](void* pointer, std::align_val_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { release(pointer); }
void operator delete[](void* pointer, std::size_t, std::align_val_t) noexcept { release(pointer); }

namespace fleetmeter::parsers::testing {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

/// Counts alone, so that what is kept is the decoder's.
struct Counter final : PayloadSink {
  void on_flows(const FlowColumns& batch) override { flows += batch.size; }
  void on_metrics(const MetricBatch& batch) override { metrics += batch.records.size(); }
  std::uint64_t flows = 0;
  std::uint64_t metrics = 0;
};

struct Result : Counted {
  Counter yield;
  bool whole = true;
  std::int64_t peak_bytes = 0;  ///< Beyond what was there before.
};

template <typename Use>
Result measure(Use&& use, const DecoderOptions& options = {}) {
  Result result;
  const std::int64_t before = allocated_bytes;
  allocated_bytes_peak = before;
  Decoder decoder{options, result.yield};
  use(decoder, result);
  result.counts = decoder.counts();
  result.peak_bytes = allocated_bytes_peak - before;
  return result;
}

Result message(std::string_view bytes) {
  return measure([&](Decoder& decoder, Result&) { decoder.message(bytes); });
}

Result stream(std::string_view bytes, std::size_t piece_bytes) {
  return measure([&](Decoder& decoder, Result& result) {
    for (std::size_t at = 0; at < bytes.size(); at += piece_bytes)
      decoder.feed(bytes.substr(at, piece_bytes));
    result.whole = decoder.finish();
  });
}

/// A length-delimited field of protobuf.
std::string field(int number, const std::string& content) {
  std::string out{static_cast<char>(number << 3 | 2)};
  for (std::size_t length = content.size();; length >>= 7) {
    out += static_cast<char>((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    if (length <= 0x7f) break;
  }
  return out + content;
}

std::string frame(const std::string& message) {
  return field(0, message).substr(1);  // The same without its tag.
}

const std::string kLengthNear2To63 = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
const std::string kEndlessVarint(64, '\xff');

TEST(Hostile, Lines64KiBLongAreDroppedOneByOneInFlatMemory) {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "2 " + std::string(64 * 1024 + static_cast<std::size_t>(i), 'a') + "\n";
  text += kOkLine;
  for (const Result& result : {message(text), stream(text, 1000), stream(text, 100'000)}) {
    EXPECT_EQ(result.yield.flows, 1u);
    EXPECT_EQ(result.dropped(FlowDrop::kLineTooLong) + result.dropped(FlowDrop::kNoLayout), 200u);
    EXPECT_LT(result.peak_bytes, 4 * kMiB);
  }
}

TEST(Hostile, ALineThatNeverEndsIsSwallowedInFlatMemory) {
  const std::string part(1 << 20, 'a');
  const Result result = measure([&](Decoder& decoder, Result&) {
    decoder.feed("2 ");
    for (int i = 0; i < 100; ++i) decoder.feed(part);
    decoder.feed("\n");
    decoder.feed(kOkLine);
    EXPECT_TRUE(decoder.finish());
  });
  EXPECT_EQ(result.yield.flows, 1u);
  EXPECT_EQ(result.dropped(FlowDrop::kLineTooLong), 1u);
  EXPECT_LT(result.peak_bytes, 8 * kMiB);
}

TEST(Hostile, TenThousandColumnsAreNoRecordAndNoLayout) {
  std::string columns = "bytes";
  for (int i = 0; i < 10'000; ++i) columns += " start";
  std::string values = "1";
  for (int i = 0; i < 10'000; ++i) values += " 1700000000";
  std::string text = columns + "\n";
  for (int i = 0; i < 20; ++i) text += values.substr(0, 60'000) + "\n";
  for (const Result& result : {message(text), stream(text, 4096)}) {
    EXPECT_EQ(result.yield.flows, 0u);
    EXPECT_EQ(result.dropped(FlowDrop::kFieldCount), 20u);
    EXPECT_LT(result.peak_bytes, 4 * kMiB);
  }
  DecoderOptions options;
  options.flow_format = columns;
  const Result by_format = measure(
      [&](Decoder& decoder, Result&) { decoder.message(values.substr(0, 60'000)); }, options);
  EXPECT_EQ(by_format.dropped(FlowDrop::kFieldCount), 1u);
}

TEST(Hostile, AMillionFramesOfLengthZeroAreCountedAndHoldNothing) {
  const std::string whole = from_base64(kOtlp07Base64);
  const std::string frames = whole + std::string(1'000'000, '\0') + whole;
  for (const Result& result : {message(frames), stream(frames, 777)}) {
    EXPECT_EQ(result.yield.metrics, 2u);
    EXPECT_EQ(result.counts.metrics.frames, 1'000'002u);
    EXPECT_LT(result.peak_bytes, 2 * kMiB);
  }
}

TEST(Hostile, VarintsThatNeverEndDropTheMessageTheyAreIn) {
  const std::string whole = from_base64(kOtlp10Base64);
  const Result prefix = message(whole + kEndlessVarint + whole);
  EXPECT_EQ(prefix.yield.metrics, 1u);
  EXPECT_EQ(prefix.dropped(MetricDrop::kBadFrame), 1u);
  const std::string request = field(1, "\x12" + kEndlessVarint.substr(0, 40));
  const Result inner = message(frame(request) + whole);
  EXPECT_EQ(inner.dropped(MetricDrop::kBadProtobuf), 1u);
  EXPECT_EQ(inner.yield.metrics, 1u) << "the next frame is found by this one's length";
}

TEST(Hostile, LengthsNear2To63AreBrokenMessagesAndAskForNoMemory) {
  for (const std::string& length : {kLengthNear2To63, std::string(9, '\xff') + '\x01'}) {
    const std::string request = field(1, field(2, "\x12" + length + "x"));
    const Result result = message(frame(request));
    EXPECT_EQ(result.dropped(MetricDrop::kBadProtobuf), 1u);
    EXPECT_LT(result.peak_bytes, 1 * kMiB);
  }
  const Result prefix = stream(from_base64(kOtlp07Base64) + kLengthNear2To63, 11);
  EXPECT_EQ(prefix.yield.metrics, 1u);
  EXPECT_EQ(prefix.dropped(MetricDrop::kBadFrame), 1u);
}

TEST(Hostile, AFrameThatPromises64MiBTakesMemoryOnlyForWhatComes) {
  const Result result =
      stream(std::string("\xff\xff\xff\x1f\x0a\xff", 6) + std::string(5000, 'a'), 100);
  EXPECT_FALSE(result.whole);
  EXPECT_EQ(result.dropped(PayloadDrop::kTruncated), 1u);
  EXPECT_LT(result.peak_bytes, 2 * kMiB);
}

TEST(Hostile, NestedJsonIsDroppedAloneHoweverDeepItIs) {
  const std::string good = std::string{kMetricJson} + "\n";
  for (const std::string level : {"[", "{\"a\":"}) {
    std::string nested = R"({"namespace":)";
    for (int i = 0; i < 100'000; ++i) nested += level;
    for (const std::string& bytes : {good + nested + "\n" + good, good + nested + "1\n" + good}) {
      for (const Result& result : {message(bytes), stream(bytes, 1 << 16)}) {
        EXPECT_EQ(result.yield.metrics, 2u);
        EXPECT_EQ(result.dropped(MetricDrop::kBadJson), 1u);
        EXPECT_LT(result.peak_bytes, 8 * kMiB);
      }
    }
  }
}

TEST(Hostile, AFirehoseRecordOfNestedJsonIsDroppedAloneAndACutOneIsNoJson) {
  std::string body = R"({"requestId":"r","records":[)";
  for (int i = 0; i < 100'000; ++i) body += "[";
  const std::string closed = body + std::string(100'000, ']') + R"(,{"data":"AAAA"}]})";
  FirehoseRequestParser parser;
  FirehoseRequest request;
  const std::int64_t before = allocated_bytes;
  allocated_bytes_peak = before;
  EXPECT_EQ(parser.parse(body, request), FirehoseError::kNotJson);
  EXPECT_EQ(parser.parse(closed, request), FirehoseError::kNone);
  EXPECT_EQ(request.bad_base64, 1u);
  EXPECT_EQ(request.records.size(), 1u);
  EXPECT_LT(allocated_bytes_peak - before, 8 * kMiB);
}

TEST(Hostile, AJsonValueThatNeverEndsIsGivenUpAtItsLimit) {
  const std::string part(1 << 20, 'a');
  const Result result = measure([&](Decoder& decoder, Result& out) {
    decoder.feed(R"({"namespace":")");
    for (int i = 0; i < 100; ++i) decoder.feed(part);
    out.whole = decoder.finish();
  });
  EXPECT_FALSE(result.whole);
  EXPECT_EQ(result.dropped(PayloadDrop::kTooLarge), 1u);
  EXPECT_LT(result.peak_bytes, 260 * kMiB) << "the value of 64 MiB, twice while its buffer grows";
}

/// Whoever looked for the line's end from each of them would not be done in a day.
TEST(Hostile, MillionsOfValuesInOneLineAreLookedAtOnceEach) {
  constexpr std::size_t kValues = 4u << 20;
  std::string line;
  for (std::size_t i = 0; i < kValues; ++i) line += "{}";
  line.append(8u << 20, ' ');
  const Result result = measure([&](Decoder& decoder, Result&) {
    decoder.message(line);
    decoder.message(line + "\n");
  });
  EXPECT_EQ(result.dropped(MetricDrop::kMissingKey), 2 * kValues);
}

TEST(Hostile, LayersOfGzipMultiplyNothing) {
  std::string bomb(8u << 20, '\n');
  for (int i = 0; i < 3; ++i) bomb = gzip(bomb);
  DecoderOptions options;
  options.inflated_bytes_max = 1u << 20;
  const Result result = measure([&](Decoder& decoder, Result&) { decoder.message(bomb); }, options);
  EXPECT_EQ(result.dropped(PayloadDrop::kTooLarge), 1u);
  EXPECT_LT(result.peak_bytes, 4 * kMiB);
}

TEST(Hostile, AGzipHeaderThatNeverEndsIsReadInFlatMemory) {
  // A file name without its end, after the flag that says there is one.
  const std::string header("\x1f\x8b\x08\x08\0\0\0\0\0\3", 10);
  const std::string part(1 << 20, 'n');
  const Result result = measure([&](Decoder& decoder, Result& out) {
    decoder.feed(header);
    for (int i = 0; i < 50; ++i) decoder.feed(part);
    out.whole = decoder.finish();
  });
  EXPECT_FALSE(result.whole);
  EXPECT_EQ(result.dropped(PayloadDrop::kTruncated), 1u);
  EXPECT_LT(result.peak_bytes, 4 * kMiB);
}

/// A member with one bit changed, of whose 133 bytes ISA-L 2.30 counts 135 as taken.
TEST(Hostile, OfADamagedMemberNoMoreIsTakenThanThereIs) {
  const std::string member = from_base64(
      "H4sIAgAAAAAAA6d3+/SJWKCjZGigYGBoZGxiamZuYWlgqJCal6lrYJBslJJqkWyaZmmamJKalKqgiwINzQ0MrhsYmBhZ"
      "KICYQGBsbgZU4efv4hjiqMRlaG5sYm5kZmJpApTSUTJCtQHVLF2YEYYmpnCnkQHQtGBvzwCIeQChpGGD0AAAAA==");
  for (const Inflater::Gzip by : {Inflater::Gzip::kFastest, Inflater::Gzip::kZlib}) {
    Inflater inflater{Compression::kGzip, by};
    char room[2025];
    const InflateResult result = inflater.inflate(member, room, sizeof room);
    EXPECT_EQ(result.status, InflateStatus::kDamaged);
    EXPECT_LE(result.taken_bytes, member.size());
  }
}

TEST(Hostile, AnyBytesAtAllEndInFlatMemory) {
  std::mt19937 random{20'231'114};
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 20'000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    constexpr std::string_view kBeginnings[] = {"",     "{",    "\x1f\x8b\x08",    "2 ",
                                                "\x0a", "PAR1", "\x28\xb5\x2f\xfd"};
    bytes.insert(0, kBeginnings[random() % std::size(kBeginnings)]);
    EXPECT_LT(message(bytes).peak_bytes, 20 * kMiB);
    EXPECT_LT(stream(bytes, 1 + random() % 1000).peak_bytes, 20 * kMiB);
  }
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
