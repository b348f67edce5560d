// Objects that no writer makes: built byte by byte, one column `bytes` of INT64, or of texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "parsers/parquet_encoding.h"
#include "parsers/parquet_footer.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::parsers::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kHuge = 0x7fffffffffffffff;

/// Thrift's compact protocol, fields in rising order.
class Thrift {
 public:
  Thrift& number(int id, std::int64_t value, int type = 6) {
    field(id, type);
    varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
    return *this;
  }
  Thrift& text(int id, const std::string& value) {
    field(id, 8);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Thrift& boolean(int id, bool value) {
    field(id, value ? 1 : 2);
    return *this;
  }
  Thrift& list(int id, const std::vector<std::string>& structs, std::int64_t claimed = -1) {
    field(id, 9);
    bytes_ += '\xfc';
    varint(static_cast<std::uint64_t>(claimed < 0 ? static_cast<std::int64_t>(structs.size())
                                                  : claimed));
    for (const std::string& each : structs) bytes_ += each;
    return *this;
  }
  Thrift& inner(int id, const std::string& whole) {
    field(id, 12);
    bytes_ += whole;
    return *this;
  }
  std::string end() { return bytes_ + '\0'; }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

 private:
  void field(int id, int type) {
    bytes_ += static_cast<char>((id - last_) << 4 | type);
    last_ = id;
  }
  std::string bytes_;
  int last_ = 0;
};

/// What an object says of itself; each can be made to lie.
struct Facts {
  std::int64_t rows = 1;
  std::int64_t type = 2;  // INT64
  std::string name = "bytes";
  std::int64_t converted_type = -1;  // -1: not stated.
  std::string logical_type = {};
  std::int64_t codec = 0;
  std::int64_t page_type = 0;
  std::int64_t plain_bytes = -1;  // -1: what is there.
  std::int64_t stored_bytes = -1;
  std::int64_t value_count = -1;
  std::int64_t encoding = 0;
  std::string values = std::string(8, '\1');
  std::string dictionary = {};  // A page of its own, if it is not empty.
  std::int64_t dictionary_count = 1;
  std::int64_t chunk_bytes = -1;
  std::int64_t chunk_offset = 4;
  std::int64_t groups_claimed = -1;
  std::int64_t groups = 1;
  std::string filler = {};        // Between pages and footer.
  std::string file_path = {};     // Of the column; "": this file.
  std::int64_t rows_stated = -1;  // -1: those of the row groups.
  bool states_rows = true;
  bool states_groups = true;
  bool states_repetition = true;
  int left_out_fact = 0;           // Of the column's, a field id.
  std::string behind_footer = {};  // Inside of its length.
};

std::string page(std::int64_t type, std::int64_t plain, std::int64_t stored,
                 const std::string& header, const std::string& values) {
  const auto size = static_cast<std::int64_t>(values.size());
  Thrift thrift;
  thrift.number(1, type, 5).number(2, plain == -1 ? size : plain, 5);
  thrift.number(3, stored == -1 ? size : stored, 5);
  return thrift.inner(type == 2 ? 7 : 5, header).end() + values;
}

std::string build(const Facts& facts) {
  std::string data = "PAR1";
  if (!facts.dictionary.empty()) {
    const std::string header = Thrift().number(1, facts.dictionary_count, 5).number(2, 0, 5).end();
    data += page(2, -1, -1, header, facts.dictionary);
  }
  const std::int64_t values = facts.value_count < 0 ? facts.rows : facts.value_count;
  const std::string header = Thrift()
                                 .number(1, values, 5)
                                 .number(2, facts.encoding, 5)
                                 .number(3, 3, 5)
                                 .number(4, 3, 5)
                                 .end();
  data += page(facts.page_type, facts.plain_bytes, facts.stored_bytes, header, facts.values);
  const auto chunk_bytes =
      facts.chunk_bytes < 0 ? static_cast<std::int64_t>(data.size()) - 4 : facts.chunk_bytes;
  Thrift chunk;
  if (!facts.file_path.empty()) chunk.text(1, facts.file_path);
  Thrift stated;
  for (const auto& [id, value, type] : {std::tuple{1, facts.type, 5},
                                        {4, facts.codec, 5},
                                        {5, facts.rows, 6},
                                        {7, chunk_bytes, 6},
                                        {9, facts.chunk_offset, 6}}) {
    if (id != facts.left_out_fact) stated.number(id, value, type);
  }
  chunk.inner(3, stated.end());
  const std::string group = Thrift().list(1, {chunk.end()}).number(3, facts.rows).end();
  const std::string root = Thrift().text(4, "schema").number(5, 1, 5).end();
  Thrift column;
  column.number(1, facts.type, 5);
  if (facts.states_repetition) column.number(3, 0, 5);
  column.text(4, facts.name);
  if (facts.converted_type >= 0) column.number(6, facts.converted_type, 5);
  if (!facts.logical_type.empty()) column.inner(10, facts.logical_type);
  Thrift parts;
  parts.number(1, 1, 5).list(2, {root, column.end()});
  const auto rows_all = static_cast<std::int64_t>(static_cast<std::uint64_t>(facts.rows) *
                                                  static_cast<std::uint64_t>(facts.groups));
  if (facts.states_rows) parts.number(3, facts.rows_stated < 0 ? rows_all : facts.rows_stated);
  if (facts.states_groups)
    parts.list(4, std::vector<std::string>(static_cast<std::size_t>(facts.groups), group),
               facts.groups_claimed);
  const std::string footer = parts.end() + facts.behind_footer;
  data += facts.filler;
  data += footer;
  const auto length = static_cast<std::uint32_t>(footer.size());
  for (int i = 0; i < 4; ++i) data += static_cast<char>(length >> (8 * i));
  return data + "PAR1";
}

struct Read {
  std::vector<std::string> flows;
  DecodeCounts counts;
  std::string problem;
};

Read read(const std::string& bytes, const DecoderOptions& options = {}) {
  Recorder recorder;
  Decoder decoder{options, recorder};
  decoder.message(bytes);
  return {recorder.flows, decoder.counts(), decoder.problem()};
}

std::string problem_of_bytes(const std::string& bytes) {
  const Read result = read(bytes);
  std::uint64_t drops = 0;
  for (const std::uint64_t drop : result.counts.dropped) drops += drop;
  EXPECT_EQ(drops, 1u);
  EXPECT_TRUE(result.flows.empty());
  EXPECT_THAT(result.problem, StartsWith("is Parquet "));
  return result.problem;
}

std::string problem_of(const Facts& facts) { return problem_of_bytes(build(facts)); }

TEST(ParquetHostile, AnHonestOneIsRead) {
  EXPECT_THAT(read(build({})).flows,
              ::testing::ElementsAre("bytes=72340172838076673 line_bytes=0"));
  EXPECT_THAT(read(build({.rows = 3,
                          .encoding = 8,
                          .values = std::string("\1\6\0", 3),
                          .dictionary = std::string(8, '\2')}))
                  .flows,
              ::testing::SizeIs(3));
}

TEST(ParquetHostile, LengthsNearTheLargestNumberAreRefused) {
  EXPECT_THAT(problem_of({.rows = kHuge}), HasSubstr("which no flow log holds"));
  EXPECT_THAT(problem_of({.rows = -1}), HasSubstr("negative count"));
  EXPECT_THAT(problem_of({.rows = kHuge, .groups = 3}), HasSubstr("impossible row counts"));
  EXPECT_THAT(problem_of({.plain_bytes = kHuge}), HasSubstr("a page of over 64 MiB"));
  EXPECT_THAT(problem_of({.plain_bytes = 0x7fffffff, .values = "x"}), HasSubstr("over 64 MiB"));
  EXPECT_THAT(problem_of({.stored_bytes = kHuge}), HasSubstr("ends behind its column"));
  EXPECT_THAT(problem_of({.stored_bytes = -5}), HasSubstr("ends behind its column"));
  EXPECT_THAT(problem_of({.value_count = kHuge}), HasSubstr("number of values is impossible"));
  EXPECT_THAT(problem_of({.chunk_bytes = kHuge}), HasSubstr("lies outside of the file"));
  EXPECT_THAT(problem_of({.chunk_offset = kHuge}), HasSubstr("lies outside of the file"));
  EXPECT_THAT(problem_of({.groups_claimed = kHuge}), HasSubstr("damaged footer"));
  EXPECT_THAT(problem_of({.plain_bytes = 1000, .values = "x"}), HasSubstr("its two sizes differ"));
}

TEST(ParquetHostile, AFooterStatesItsRowsAndRowGroupsAndEndsWhereItSays) {
  EXPECT_THAT(problem_of({.states_rows = false}),
              HasSubstr("damaged footer: it ends before its row groups"));
  EXPECT_THAT(problem_of({.states_groups = false}),
              HasSubstr("damaged footer: it ends before its row groups"));
  EXPECT_THAT(problem_of({.states_rows = false, .states_groups = false}),
              HasSubstr("damaged footer: it ends before its row groups"));
  EXPECT_THAT(problem_of({.behind_footer = std::string(1, '\0')}),
              HasSubstr("damaged footer: it ends before its length"));
  const Read empty = read(build({.rows = 0, .groups = 0}));
  EXPECT_TRUE(empty.flows.empty());
  EXPECT_EQ(empty.problem, "");
}

TEST(ParquetHostile, RowsThatTakeNoBytesAreLimitedByTheSizeOfTheObject) {
  // One run says a million times the same value.
  const std::string run = std::string("\1\x80\x80\x80\1\0", 6);
  EXPECT_THAT(
      problem_of(
          {.rows = 1 << 20, .encoding = 8, .values = run, .dictionary = std::string(8, '\2')}),
      HasSubstr("claims 1048576 rows"));
  const Read result = read(
      build({.rows = 1 << 18, .encoding = 8, .values = run, .dictionary = std::string(8, '\2')}));
  EXPECT_EQ(result.flows.size(), 1u << 18);
}

/// Indexes of no bits: a page of one byte is as many rows as it likes.
Facts constant_rows(std::int64_t rows) {
  return {.rows = rows,
          .encoding = 8,
          .values = std::string(1, '\0'),
          .dictionary = std::string(8, '\2')};
}

TEST(ParquetHostile, BytesThatAreNoColumnsAllowNoRows) {
  Facts facts = constant_rows(1 << 20);
  facts.filler.assign(1 << 20, '\0');
  EXPECT_THAT(problem_of(facts), HasSubstr("claims 1048576 rows in columns of "));
}

TEST(ParquetHostile, RowsOfAMessageCountAgainstItsLimitAsTheShortestTextWould) {
  const std::string bytes = build(constant_rows(1000));
  DecoderOptions options;
  options.inflated_bytes_max = 2000;
  EXPECT_EQ(read(bytes, options).flows.size(), 1000u);
  options.inflated_bytes_max = 1999;
  const Read refused = read(bytes, options);
  EXPECT_TRUE(refused.flows.empty());
  EXPECT_THAT(refused.problem, HasSubstr("whose 1000 rows are beyond the limit of one message"));
  EXPECT_EQ(refused.counts.dropped[static_cast<std::size_t>(PayloadDrop::kTooLarge)], 1u);
}

TEST(ParquetHostile, IndexesOutsideOfTheirDictionaryAreDamage) {
  EXPECT_THAT(problem_of({.encoding = 8,
                          .values = std::string("\x20\2\xff\xff\xff\xff", 6),
                          .dictionary = std::string(8, '\2')}),
              HasSubstr("an index outside of its dictionary"));
  EXPECT_THAT(problem_of({.encoding = 8, .values = "\x21\2"}),
              HasSubstr("indexes without a dictionary"));
  EXPECT_THAT(problem_of({.encoding = 8, .values = "\x21\2", .dictionary = std::string(8, '\2')}),
              HasSubstr("indexes of over 32 bits"));
  EXPECT_THAT(
      problem_of(
          {.encoding = 8, .values = std::string("\1\0", 2), .dictionary = std::string(8, '\2')}),
      HasSubstr("indexes that end early or are too wide"));
  // A run of index 2, in one bit.
  EXPECT_THAT(problem_of({.encoding = 8,
                          .values = std::string("\1\2\2", 3),
                          .dictionary = std::string(16, '\2'),
                          .dictionary_count = 2}),
              HasSubstr("indexes that end early or are too wide"));
  EXPECT_THAT(problem_of({.dictionary = "x", .dictionary_count = 0x7fffffff}),
              HasSubstr("a dictionary shorter than its values"));
}

TEST(ParquetHostile, ColumnsStateAllThatTheFormatRequires) {
  for (const int left_out : {1, 4, 5, 7, 9})
    EXPECT_THAT(problem_of({.left_out_fact = left_out}), HasSubstr("a column without facts"));
  EXPECT_THAT(problem_of({.states_repetition = false}), HasSubstr("neither required nor optional"));
}

/// Row groups without rows cost the footer little, and are held in memory each.
TEST(ParquetHostile, RowGroupsTakeTheirMemoryOutOfTheObjects) {
  const std::string bytes = build({.rows = 0, .groups = 400'000});
  ParquetFooter footer;
  ParquetProblem problem;
  ASSERT_TRUE(read_parquet_footer(MemoryBytes(bytes), footer, problem)) << problem.text;
  EXPECT_GE(footer.held_bytes(), 400'000 * (sizeof(ParquetChunk) + sizeof(std::uint64_t)));
  EXPECT_LT(footer.held_bytes(), 10 * bytes.size());
}

TEST(ParquetHostile, PagesWithoutValuesEndWithTheirColumn) {
  EXPECT_THAT(problem_of({.value_count = 0}), HasSubstr("ends before its values"));
  EXPECT_THAT(problem_of({.page_type = 1}), HasSubstr("ends before its values"));
  EXPECT_THAT(problem_of({.chunk_bytes = 0}), HasSubstr("ends before its values"));
}

TEST(ParquetHostile, RowGroupsMayNotShareTheirPages) {
  EXPECT_THAT(problem_of({.groups = 1000}), HasSubstr("columns overlap each other"));
}

TEST(ParquetHostile, TheSeamOfTwoObjectsIsFoundAnywhere) {
  // Around the border of the pieces that are searched.
  const std::size_t bare = build({}).size();
  for (std::size_t size = (64 << 10) - 10; size < (64 << 10) + 20; ++size) {
    EXPECT_THAT(problem_of_bytes(build({.filler = std::string(size - bare, '\0')}) + build({})),
                HasSubstr("more than one Parquet object"))
        << size;
  }
  // The two words alone, without an object that ends between them, are bytes as any others.
  const std::string words = "\xff\xff\xff\xffPAR1PAR1" + std::string(1000, '\0');
  EXPECT_EQ(read(build({.filler = words})).flows.size(), 1u);
}

/// The union LogicalType with an INTEGER of 32 bits in it.
std::string integer_type(bool is_signed) {
  return Thrift()
      .inner(10, std::string("\x13\x20", 2) + Thrift().boolean(1, is_signed).end())
      .end();
}

TEST(ParquetHostile, NumbersWithoutSignMaySayItByLogicalTypeAlone) {
  const auto bytes_of = [](std::int64_t converted, const std::string& logical) {
    const Read result = read(build({.type = 1,  // INT32
                                    .converted_type = converted,
                                    .logical_type = logical,
                                    .values = std::string("\x00\x5e\xd0\xb2", 4)}));
    return result.flows.empty() ? result.problem : result.flows[0];
  };
  const std::string without_sign = "bytes=3000000000 line_bytes=0";
  EXPECT_EQ(bytes_of(-1, integer_type(false)), without_sign);
  EXPECT_EQ(bytes_of(13, ""), without_sign);
  EXPECT_EQ(bytes_of(13, integer_type(false)), without_sign);
  const std::string dropped;  // Negative.
  EXPECT_EQ(bytes_of(-1, ""), dropped);
  EXPECT_EQ(bytes_of(-1, integer_type(true)), dropped);
  // Where the two differ, the newer one holds.
  EXPECT_EQ(bytes_of(13, integer_type(true)), dropped);
}

TEST(ParquetHostile, ASummaryOfOtherFilesIsSaidToBeOne) {
  for (const std::int64_t rows : {1, 1 << 20})  // More than so few bytes could stand for.
    EXPECT_THAT(problem_of({.rows = rows,
                            .chunk_bytes = 1 << 30,
                            .chunk_offset = 1 << 30,
                            .file_path = "part.0.parquet"}),
                HasSubstr("columns lie in other files"));
  EXPECT_THAT(problem_of({.groups = 0, .rows_stated = 1 << 20}),
              HasSubstr("states 1048576 rows and holds none"));
  EXPECT_THAT(problem_of({.groups = 2, .rows_stated = 3}), HasSubstr("its row counts differ"));
}

TEST(ParquetHostile, TextsEndInsideOfTheirPage) {
  const auto text_page = [](const std::string& values, std::int64_t encoding = 0) {
    return Facts{.type = 6, .name = "interface_id", .encoding = encoding, .values = values};
  };
  EXPECT_THAT(problem_of(text_page("\xff\xff\xff\xff"
                                   "x")),
              HasSubstr("a text behind the end of its page"));
  EXPECT_THAT(problem_of(text_page("abc")), HasSubstr("a text behind the end of its page"));
  // 128 values a block, 4 miniblocks, 1 value, of length 5 (zigzag 10), with one byte behind.
  EXPECT_THAT(problem_of(text_page("\x80\1\4\1\x0a"
                                   "x",
                                   6)),
              HasSubstr("a text behind the end of its page"));
  EXPECT_THAT(problem_of(text_page(std::string("\x80\1\4\1\x0a\x80\1\4\1\0", 10), 7)),
              HasSubstr("an impossible text length"));
  EXPECT_THAT(problem_of(text_page("\x80\1\4", 6)), HasSubstr("an impossible delta header"));
  EXPECT_THAT(problem_of(text_page("\x80\1\4\1\x0a", 5)), HasSubstr("an encoding of another type"));
}

TEST(ParquetHostile, AValueThatNoLineCouldHoldDropsItsRecordAlone) {
  const auto dropped = [](const std::string& text, FlowDrop reason) {
    std::string values(4, '\0');
    const auto length = static_cast<std::uint32_t>(text.size());
    std::memcpy(values.data(), &length, 4);
    const Read result = read(build({.type = 6, .name = "interface_id", .values = values + text}));
    return result.flows.empty() && result.problem.empty() &&
           result.counts.flows.dropped[static_cast<std::size_t>(reason)] == 1;
  };
  EXPECT_TRUE(dropped("eni-1\n2", FlowDrop::kNotText));
  EXPECT_TRUE(dropped(std::string(100'000, 'x'), FlowDrop::kLineTooLong));
}

TEST(ParquetHostile, CompressedPagesInflateToTheirSizeAndNoFurther) {
  for (const std::int64_t codec : {1, 2, 6}) {
    SCOPED_TRACE(codec);
    EXPECT_THAT(problem_of({.codec = codec, .plain_bytes = 8, .values = "no such thing"}),
                HasSubstr("does not inflate to its size"));
  }
  const std::string bomb = gzip(std::string(1 << 20, '\0'));
  EXPECT_THAT(problem_of({.codec = 2, .plain_bytes = 8, .values = bomb}),
              HasSubstr("does not inflate to its size"));
  EXPECT_THAT(problem_of({.codec = 2, .plain_bytes = 2 << 20, .values = bomb}),
              HasSubstr("does not inflate to its size"));
  EXPECT_EQ(read(build({.codec = 2, .plain_bytes = 8, .values = gzip(std::string(8, '\1'))}))
                .flows.size(),
            1u);
}

TEST(HybridReader, MixesRunsAndPackedGroups) {
  HybridReader reader;
  // Four times 5, then the eight packed values 0 to 7, three bits each.
  const std::string bytes("\x08\x05\x03\x88\xc6\xfa", 6);
  reader.start(bytes, 3);
  std::uint32_t values[12];
  ASSERT_TRUE(reader.read(values, 12));
  EXPECT_THAT(values, ::testing::ElementsAre(5, 5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_FALSE(reader.read(values, 1));
  reader.start(bytes, 3);
  EXPECT_EQ(reader.take_constant(5), std::nullopt);
  EXPECT_EQ(reader.take_constant(4), 5u);
  reader.start(std::string_view("\x01\0", 2), 3);
  EXPECT_FALSE(reader.read(values, 1));  // A run of nothing is no progress.
  reader.start("\x08\x07", 3);
  EXPECT_EQ(reader.take_constant(4), 7u);
  reader.start("\x08\x08", 3);  // Four bits.
  EXPECT_FALSE(reader.read(values, 4));
}

TEST(DeltaReader, ReadsWidthsUpTo64Bits) {
  // 8 values, one miniblock of 8 (block of 8): the first is 7, the steps are one large number.
  std::string bytes("\x08\1\x08\x0e\0\x40", 6);
  const std::uint64_t step = 0x8000000000000001;
  for (int i = 0; i < 8; ++i) bytes.append(reinterpret_cast<const char*>(&step), 8);
  DeltaReader reader;
  ASSERT_TRUE(reader.start(bytes));
  std::int64_t values[8];
  ASSERT_TRUE(reader.read(values, 8));
  std::uint64_t value = 7;
  for (const std::int64_t each : values) {
    EXPECT_EQ(static_cast<std::uint64_t>(each), value);
    value += step;
  }
  EXPECT_FALSE(reader.read(values, 1));
  bytes.resize(bytes.size() - 16);
  ASSERT_TRUE(reader.start(bytes));
  EXPECT_FALSE(reader.read(values, 8));
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
