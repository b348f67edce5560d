// What a decoder remembers of series must not be seen in what it yields: seeded OTLP messages, told
// again and again in any order, against a decoder that has seen nothing. JSON: metric_json_test.cc.
#include "parsers/identity_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "parsers/metric_otlp.h"
#include "parsers/metric_support.h"
#include "tests/parsers/otlp_wire.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::parsers::testing {
namespace {

std::string pair(std::string_view key, std::string_view value) {
  return length_field(1, key) + length_field(2, value);
}
std::string attribute(std::string_view key, std::string_view text) {
  return length_field(7, pair(key, length_field(1, text)));
}
std::string dimension(std::string_view name, std::string_view value) {
  return length_field(1, pair(name, length_field(1, value)));
}
std::string dimensions(std::string_view list) {
  return length_field(7, pair("Dimensions", length_field(6, list)));
}
std::string quantile(double at, double value) {
  return length_field(6, fixed64_field(1, std::bit_cast<std::uint64_t>(at)) +
                             fixed64_field(2, std::bit_cast<std::uint64_t>(value)));
}
std::string numbers(std::uint64_t count = 1) {
  return fixed64_field(2, 1700000040000000000u) + fixed64_field(3, 1700000100000000000u) +
         fixed64_field(4, count) + quantile(0, 1) + quantile(1, 2);
}
std::string metric_of(std::string_view unit, std::string_view points) {
  return length_field(2, length_field(3, unit) + length_field(11, points));
}
std::string request_of(std::string_view account, std::string_view region,
                       std::string_view metrics) {
  const std::string resource = length_field(1, pair("cloud.account.id", length_field(1, account))) +
                               length_field(1, pair("cloud.region", length_field(1, region)));
  return length_field(1, length_field(1, resource) + length_field(2, metrics));
}
std::string request_of(std::string_view point) {
  return request_of("123456789012", "us-east-1", metric_of("%", length_field(1, point)));
}
/// A point as AWS writes it, of the series of that number.
std::string point_of(std::uint32_t series) {
  return numbers() + attribute("Namespace", "AWS/EC2") + attribute("MetricName", "CPU") +
         dimensions(dimension("InstanceId", "i-" + std::to_string(series)));
}

/// Writes requests whose points draw their attributes from a small pool.
class Pool {
 public:
  explicit Pool(std::uint32_t seed) : random_(seed) {
    for (int i = 0; i < 12; ++i) attributes_.push_back(attributes());
  }

  std::string request() {
    std::string metrics;
    for (std::uint32_t i = draw(3) + 1; i > 0; --i) {
      std::string points;
      for (std::uint32_t j = draw(3) + 1; j > 0; --j) points += length_field(1, point());
      metrics += metric_of(one_of({"%", "By", "NoneTranslated"}), points);
    }
    return request_of(one_of({"1", "2"}), one_of({"us-east-1", "eu-west-1"}), metrics);
  }

 private:
  std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  const char* one_of(std::initializer_list<const char*> texts) {
    return std::data(texts)[draw(static_cast<std::uint32_t>(texts.size()))];
  }
  const std::string& known() { return attributes_[draw(12)]; }

  std::string list() {
    std::string list;
    for (std::uint32_t i = draw(5); i > 0; --i) {
      list += draw(10) == 0
                  ? length_field(1, pair("n", varint(3 << 3) + varint(7)))  // int_value
                  : dimension(one_of({"b", "a", "c", "a", ""}), one_of({"1", "2", "", "long one"}));
    }
    return list;
  }

  std::string attributes() {
    std::vector<std::string> fields = {attribute("Namespace", one_of({"AWS/EC2", "N", ""})),
                                       attribute("MetricName", one_of({"CPU", "M"})),
                                       dimensions(list())};
    if (draw(6) == 0) fields.push_back(attribute("Namespace", "another"));
    if (draw(6) == 0) fields.push_back(attribute("unknown", "x"));
    if (draw(6) == 0) fields.push_back(dimensions(list()));
    if (draw(12) == 0) fields.push_back(length_field(7, ""));
    if (draw(3) == 0) std::shuffle(fields.begin(), fields.end(), random_);
    if (draw(8) == 0) fields.pop_back();
    std::string all;
    for (const std::string& field : fields) all += field;
    return all;
  }

  std::string point() {
    switch (draw(14)) {
      case 0:
        return known() + numbers();
      case 1:
        return known() + numbers() + known();
      case 2:
        return numbers() + known() + length_field(1, pair("Namespace", "label"));
      case 3:
        return length_field(1, pair("MetricName", "label")) + numbers() + known();
      case 4:
        return length_field(1, pair("x", "label")) + numbers() + known();
      case 5: {
        const std::string whole = numbers() + known();
        return whole.substr(0, whole.size() - draw(20));
      }
      case 6:
        return known();  // Without a time: dropped.
      case 7:
        return numbers() + length_field(1, pair("Namespace", "N")) +
               length_field(1, pair("MetricName", "M")) + length_field(1, pair("b", "1")) +
               length_field(1, pair("a", "2"));
      case 8:
        return numbers() + attribute("unknown", "x") + known();
      default:
        return numbers(draw(100)) + quantile(0.99, 3) + known();
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> attributes_;
};

struct Yield {
  std::vector<std::string> texts;
  MetricCounts counts;
};

/// Remembers what stood behind the numbers of attributes.
class Seen {
 public:
  std::uint64_t repeats = 0;

  void take(const MetricBatch& batch, const MetricRecord& record) {
    if (record.identity == 0) return;
    std::vector<std::string> series = {std::string{record.metric_namespace},
                                       std::string{record.name}};
    for (const Dimension& dimension : batch.dimensions_of(record)) {
      series.emplace_back(dimension.name);
      series.emplace_back(dimension.value);
    }
    const auto [place, is_new] = by_number_.emplace(record.identity, series);
    if (!is_new) ++repeats;
    EXPECT_EQ(place->second, series) << "two series of one number";
  }

 private:
  std::map<std::uint64_t, std::vector<std::string>> by_number_;
};

/// Of a copy of the message that is gone afterwards.
Yield decode(OtlpDecoder& decoder, const std::string& message, Seen& seen) {
  const std::string copy = message;
  MetricBatch batch;
  Yield yield;
  decoder.decode_request(copy, batch, yield.counts);
  for (const MetricRecord& record : batch.records) {
    yield.texts.push_back(metric_text(batch, record));
    seen.take(batch, record);
  }
  return yield;
}

void expect_equal(const Yield& yield, const Yield& expected) {
  ASSERT_EQ(yield.texts, expected.texts);
  ASSERT_EQ(yield.counts.datapoints, expected.counts.datapoints);
  ASSERT_EQ(yield.counts.unknown_keys, expected.counts.unknown_keys);
  ASSERT_TRUE(std::ranges::equal(yield.counts.dropped, expected.counts.dropped));
}

TEST(OtlpIdentity, ADecoderYieldsOfAMessageWhatItYieldsWithoutThoseBeforeIt) {
  Seen seen;
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    Pool pool(seed);
    std::vector<std::string> messages;
    std::vector<Yield> expected;
    for (int i = 0; i < 20; ++i) {
      messages.push_back(pool.request());
      OtlpDecoder fresh;
      expected.push_back(decode(fresh, messages.back(), seen));
    }
    std::mt19937 random(seed);
    OtlpDecoder roomy;
    OtlpDecoder narrow(1 + seed % 9);
    for (int i = 0; i < 200; ++i) {
      const std::size_t which = random() % messages.size();
      expect_equal(decode(roomy, messages[which], seen), expected[which]);
      expect_equal(decode(narrow, messages[which], seen), expected[which]);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(seen.repeats, 10000u);
}

TEST(OtlpIdentity, MoreSeriesThanAreRememberedReadAsFewDo) {
  constexpr std::uint32_t kSeries = IdentityMemory::kEntriesMax + 5000;
  OtlpDecoder decoder;
  MetricBatch batch;
  MetricCounts counts;
  std::set<std::uint64_t> numbers_seen;
  for (std::uint32_t round = 0; round < 3; ++round) {
    std::uint32_t known = 0;
    for (std::uint32_t series = 0; series < kSeries; ++series) {
      const std::string request = request_of(point_of(series));
      batch.clear();
      decoder.decode_request(request, batch, counts);
      ASSERT_EQ(batch.records.size(), 1u);
      ASSERT_EQ(batch.dimensions[0].value, "i-" + std::to_string(series));
      const std::uint64_t number = batch.records[0].identity;
      known += number != 0;
      const bool is_new = number != 0 && numbers_seen.insert(number).second;
      ASSERT_EQ(is_new, number != 0 && round == 1);
    }
    EXPECT_EQ(known, round == 0 ? 0 : IdentityMemory::kEntriesMax) << "none came again before";
  }
}

class IdentityMemoryTest : public ::testing::Test {
 protected:
  /// The id that it is known by; 0 = it was not, or is not kept.
  std::uint64_t find(std::string_view text) {
    std::vector<Dimension> found;
    IdentityMemory::Meaning meaning;
    return memory.find({text, 1}, meaning, found) ? meaning.id : 0;
  }
  std::uint64_t keep(std::string_view text) {
    return find(text) != 0 ? 0 : memory.keep({text, 1}, {.name = text.substr(1)}, {});
  }
  /// A key has come twice.
  static IdentityMemory begun(std::size_t entries_max) {
    IdentityMemory memory{entries_max};
    std::vector<Dimension> found;
    IdentityMemory::Meaning meaning;
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(memory.find({"again"}, meaning, found));
    return memory;
  }
  IdentityMemory memory = begun(4);
};

TEST_F(IdentityMemoryTest, BeginsWhenAKeyHasComeAgain) {
  memory = IdentityMemory{4};
  for (const char* text : {"1.", "2.", "3.", "2.", "3."}) EXPECT_EQ(keep(text), 0u);
  EXPECT_NE(keep("1."), 0u) << "the first is waited for";
  EXPECT_NE(find("1."), 0u);
  EXPECT_NE(keep("2."), 0u);
}

TEST_F(IdentityMemoryTest, WaitsForAnotherKeyWhenTheFirstIsLongGone) {
  memory = IdentityMemory{4};
  EXPECT_EQ(keep("gone"), 0u);
  for (std::size_t i = 1; i < IdentityMemory::kSampled * 4; ++i) EXPECT_EQ(keep("other"), 0u);
  EXPECT_EQ(keep("next"), 0u);
  EXPECT_EQ(keep("other"), 0u);
  EXPECT_NE(keep("next"), 0u);
}

TEST_F(IdentityMemoryTest, KnowsWhatItKeptInAnyOrder) {
  std::map<std::string, std::uint64_t> ids;
  for (const char* text : {"first", "second", "third"}) ids[text] = keep(text);
  for (const char* text : {"third", "first", "second", "second", "third", "first"})
    EXPECT_EQ(find(text), ids[text]);
  EXPECT_EQ(find("fourth"), 0u);
}

TEST_F(IdentityMemoryTest, TellsKeysApartByTheSizeOfTheFirstAttribute) {
  keep("same");
  std::vector<Dimension> found;
  IdentityMemory::Meaning meaning;
  EXPECT_FALSE(memory.find({"same", 2}, meaning, found));
}

TEST_F(IdentityMemoryTest, HandsOutViewsOfTheKeyAtHand) {
  const std::string kept = "xNameValue";
  std::vector<Dimension> found = {
      {std::string_view{kept}.substr(1, 4), std::string_view{kept}.substr(5)}};
  IdentityMemory::Meaning meaning;
  ASSERT_FALSE(memory.find({kept, 1}, meaning, found));
  memory.keep({kept, 1}, {.name = found[0].name, .unknown_keys = 3}, found);
  const std::string asked = kept;
  found.clear();
  ASSERT_TRUE(memory.find({asked, 1}, meaning, found));
  EXPECT_EQ(meaning.unknown_keys, 3u);
  EXPECT_TRUE(meaning.metric_namespace.empty());
  EXPECT_EQ(meaning.name.data(), asked.data() + 1);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "Name");
  EXPECT_EQ(found[0].value.data(), asked.data() + 5);
  EXPECT_EQ(found[0].value, "Value");
}

TEST_F(IdentityMemoryTest, FindsTheNextOneByWhatStandsThereAndNoOther) {
  std::map<std::string, std::uint64_t> ids;
  for (const char* text : {"{first}", "{second}", "{third}"}) ids[text] = keep(text);
  std::vector<Dimension> found;
  IdentityMemory::Meaning meaning;
  const auto find_next = [&](std::string_view text) {
    return memory.find_next(text.data(), text.data() + text.size(), meaning, found);
  };
  EXPECT_EQ(find_next("{first} and more"), 7u) << "the first comes behind the last";
  EXPECT_EQ(meaning.id, ids["{first}"]);
  EXPECT_EQ(meaning.name, "first}");
  EXPECT_EQ(find_next("{first}"), 0u) << "not the next one";
  EXPECT_EQ(find_next("{second"), 0u) << "cut";
  EXPECT_EQ(find_next("{second}"), 8u) << "a miss moves nothing";
  EXPECT_EQ(find("{first}"), ids["{first}"]);
  EXPECT_EQ(find_next("{second}"), 8u) << "the one behind the last found";
  EXPECT_EQ(meaning.id, ids["{second}"]);
  memory = begun(4);
  EXPECT_EQ(find_next("{second}"), 0u);
}

TEST_F(IdentityMemoryTest, KeepsNeitherHugeKeysNorManyDimensions) {
  const std::string huge(IdentityMemory::kKeyBytesMax + 1, 'x');
  EXPECT_EQ(keep(huge), 0u);
  const std::vector<Dimension> many(IdentityMemory::kDimensionsMax + 1);
  ASSERT_EQ(find("x"), 0u);
  EXPECT_EQ(memory.keep({"x", 1}, {}, many), 0u);
  EXPECT_NE(keep(std::string_view{huge}.substr(1)), 0u);
}

TEST_F(IdentityMemoryTest, IsFullWhenItsBytesAre) {
  memory = begun(IdentityMemory::kEntriesMax);
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    std::string key(IdentityMemory::kKeyBytesMax - 1, 'x');
    key.replace(0, 4, std::to_string(1000 + i));
    kept += keep(key) != 0;
  }
  EXPECT_EQ(kept, IdentityMemory::kBytesMax / (IdentityMemory::kKeyBytesMax - 1));
  EXPECT_NE(keep("small"), 0u) << "refused ones took no room";
}

TEST_F(IdentityMemoryTest, WhenFullStaysAsItIsAsLongAsItAnswers) {
  for (const char* text : {"1.", "2.", "3.", "4."}) EXPECT_NE(keep(text), 0u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(find("2."), 0u);
    EXPECT_EQ(keep("other " + std::to_string(i)), 0u);
  }
}

TEST_F(IdentityMemoryTest, WhenFullAndOfNoUseForgetsAndRestsBeforeItBeginsAnew) {
  std::set<std::uint64_t> ids;
  for (const char* text : {"1.", "2.", "3.", "4."}) ids.insert(keep(text));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(keep("other " + std::to_string(i)), 0u);
  std::uint32_t rested = 0;
  for (; rested < 1000; ++rested) {
    const std::uint64_t id = keep("1.");
    if (id == 0) continue;
    EXPECT_TRUE(ids.insert(id).second) << "a number is never used again";
    break;
  }
  EXPECT_EQ(rested, 4 * IdentityMemory::kRest);
  EXPECT_NE(find("1."), 0u);
}

/// Without it the point would be another series'.
TEST(OtlpPoint, WithADimensionThatIsNoTextIsDroppedAloneHoweverOftenItComes) {
  const std::string labels = attribute("Namespace", "AWS/EC2") + attribute("MetricName", "CPU");
  const std::string number = length_field(1, pair("InstanceId", varint(3u << 3) + varint(5)));
  const std::string bad = request_of(numbers() + labels + dimensions(number));
  OtlpDecoder decoder;
  MetricBatch batch;
  MetricCounts counts;
  for (const std::string& request : {bad, request_of(point_of(1)), bad, bad})
    decoder.decode_request(request, batch, counts);
  EXPECT_EQ(counts.dropped[static_cast<std::size_t>(MetricDrop::kBadValue)], 3u);
  ASSERT_EQ(batch.records.size(), 1u);
  EXPECT_EQ(batch.records[0].dimension_count, 1u);
}

TEST(OtlpPoint, WhoseDimensionsAreNoListIsDroppedAlone) {
  const std::string labels = attribute("Namespace", "AWS/EC2") + attribute("MetricName", "CPU");
  const std::string text = attribute("Dimensions", "InstanceId=i-1");
  const std::string list =
      length_field(7, pair("Dimensions", length_field(5, length_field(1, length_field(1, "i-1")))));
  const std::string none = length_field(7, pair("Dimensions", ""));
  OtlpDecoder decoder;
  MetricBatch batch;
  MetricCounts counts;
  for (const std::string& dimensions : {text, list, none, text})
    decoder.decode_request(request_of(numbers() + labels + dimensions), batch, counts);
  EXPECT_EQ(counts.dropped[static_cast<std::size_t>(MetricDrop::kBadValue)], 3u);
  ASSERT_EQ(batch.records.size(), 1u);
  EXPECT_EQ(batch.records[0].dimension_count, 0u);
}

TEST(OtlpPoint, AnEmptyLabelIsNone) {
  OtlpDecoder decoder;
  MetricBatch batch;
  MetricCounts counts;
  for (int i = 0; i < 2; ++i) {
    decoder.decode_request(
        request_of(numbers() + attribute("Namespace", "") + attribute("MetricName", "CPU")), batch,
        counts);
  }
  EXPECT_EQ(counts.dropped[static_cast<std::size_t>(MetricDrop::kMissingLabel)], 2u);
  EXPECT_EQ(batch.records.size(), 0u);
}

TEST(OtlpPoint, ManyOddPercentilesTakeNoneFromThoseBehindThem) {
  std::string odd = numbers();
  for (std::size_t i = 0; i < 2 * QuantileNames::kNamesMax; ++i)
    odd += quantile(1e-6 * static_cast<double>(i + 1), 1);
  const std::string labels = attribute("Namespace", "AWS/EC2") + attribute("MetricName", "CPU");
  const std::string common = request_of(numbers() + quantile(0.99, 7) + labels);
  OtlpDecoder decoder;
  MetricCounts counts;
  for (int round = 0; round < 3; ++round) {
    MetricBatch batch;
    decoder.decode_request(request_of(odd + labels), batch, counts);
    EXPECT_EQ(batch.records.back().extended_count, 2 * QuantileNames::kNamesMax);
    EXPECT_EQ(batch.extended.back().name, "p0.2048");
    decoder.decode_request(common, batch, counts);
    ASSERT_EQ(batch.records.back().extended_count, 1u);
    EXPECT_EQ(batch.extended.back().name, "p99");
  }
  EXPECT_EQ(counts.unknown_keys, 0u);
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
