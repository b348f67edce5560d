// Every SIMD kernel against the scalar one, call by call: the same bytes consumed, the same stop,
// counts, layout and columns, whatever the text.
#include "parsers/flow_kernel.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <utility>

#include "tests/parsers/flow_lines.h"

namespace fleetmeter::parsers::testing {
namespace {

/// What a call left behind, in words that compare.
struct Parsed {
  FlowBinding binding;
  FlowColumns columns;
  FlowCounts counts;
};

template <typename Span>
void expect_same(const Span& a, const Span& b, std::string_view what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i], b[i]) << what << " of record " << i;
}

void expect_same_columns(const FlowColumns& a, const FlowColumns& b) {
  ASSERT_EQ(a.size, b.size);
  ASSERT_EQ(a.fields, b.fields);
  expect_same(a.status, b.status, "log-status");
  expect_same(a.action, b.action, "action");
  expect_same(a.direction, b.direction, "flow-direction");
  expect_same(a.line_bytes, b.line_bytes, "line bytes");
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const auto field = static_cast<FlowField>(i);
    const std::string_view name = info(field).name;
    ASSERT_NO_FATAL_FAILURE(expect_same(a.numbers(field), b.numbers(field), name));
    ASSERT_NO_FATAL_FAILURE(expect_same(a.addresses(field), b.addresses(field), name));
    ASSERT_NO_FATAL_FAILURE(expect_same(a.texts(field), b.texts(field), name));
    for (std::uint32_t record = 0; record < a.size; ++record) {
      ASSERT_EQ(a.present(field, record), b.present(field, record)) << name << " of " << record;
      if (a.texts(field).empty()) continue;
      ASSERT_EQ(a.texts(field)[record].data(), b.texts(field)[record].data()) << name;
    }
  }
}

std::string in_words(const FlowCounts& counts) {
  std::string text;
  for (const std::uint64_t count :
       {counts.ok, counts.nodata, counts.skipdata, counts.headers, counts.unwindowed,
        counts.absent_optional, counts.unknown_fields, counts.unknown_values}) {
    text += std::to_string(count) + ' ';
  }
  for (std::size_t i = 0; i < std::size(counts.dropped); ++i) {
    text += std::string{to_string(static_cast<FlowDrop>(i))} + '=' +
            std::to_string(counts.dropped[i]) + ' ';
  }
  return text;
}

void expect_same_runs(const Parsed& a, const Parsed& b) {
  ASSERT_EQ(in_words(a.counts), in_words(b.counts));
  ASSERT_EQ(a.binding.layout.names, b.binding.layout.names);
  ASSERT_EQ(a.binding.layout.implied, b.binding.layout.implied);
  expect_same_columns(a.columns, b.columns);
}

/// Parses `text` to its end by both; the consumed bytes. A line of JSON is skipped.
std::size_t parse_both(FlowKernel kernel, std::string_view text, const FlowParseOptions& options,
                       Parsed& scalar, Parsed& simd) {
  std::size_t at = 0;
  for (;;) {
    const std::string_view rest = text.substr(at);
    const FlowParseResult a = parse_flow_records_by(FlowKernel::kScalar, rest, options,
                                                    scalar.binding, scalar.columns, scalar.counts);
    const FlowParseResult b =
        parse_flow_records_by(kernel, rest, options, simd.binding, simd.columns, simd.counts);
    EXPECT_EQ(a.consumed_bytes, b.consumed_bytes);
    EXPECT_EQ(a.stop, b.stop);
    expect_same_runs(scalar, simd);
    if (::testing::Test::HasFailure()) return at;
    scalar.columns.clear();
    simd.columns.clear();
    at += a.consumed_bytes;
    if (a.stop == FlowStop::kNeedMore) return at;
    if (a.stop == FlowStop::kFlush) continue;
    const std::size_t feed = text.find('\n', at);
    if (feed == std::string_view::npos) return text.size();
    at = feed + 1;
  }
}

class FlowKernels : public ::testing::TestWithParam<FlowKernel> {
 protected:
  void SetUp() override {
    if (!is_supported(GetParam())) GTEST_SKIP() << "not on this processor";
  }
  static Parsed begin(const std::string& format, FieldSet asked) {
    return {FlowBinding{parse_layout(format), asked}, {}, {}};
  }
};

FieldSet some_fields(FlowLines& lines) {
  if (!lines.one_in(3)) return FieldSet::all();
  FieldSet asked;
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    if (lines.one_in(2)) asked.add(static_cast<FlowField>(i));
  }
  return asked;
}

FlowParseOptions some_options(FlowLines& lines) {
  constexpr std::uint32_t kBatches[] = {1, 2, 7, 63, 64, 65, 100, 4096};
  FlowParseOptions options;
  options.batch_records = kBatches[lines.below(std::size(kBatches))];
  options.last = lines.one_in(2);
  options.stop_at_json = lines.one_in(2);
  options.enveloped = lines.one_in(3);
  return options;
}

TEST_P(FlowKernels, AgreeWithTheScalarOneOnAnyText) {
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(seed);
    FlowLines lines{seed};
    const std::string format = lines.format();
    std::string text = lines.text(format, 1 + lines.below(400));
    if (lines.one_in(2)) lines.damage(text, lines.below(40));
    const FlowParseOptions options = some_options(lines);
    Parsed scalar = begin(format, some_fields(lines));
    Parsed simd = scalar;
    parse_both(GetParam(), text, options, scalar, simd);
    ASSERT_FALSE(HasFailure()) << "format: " << format;
  }
}

TEST_P(FlowKernels, AgreeWhereverTheBufferIsCut) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    FlowLines lines{seed};
    const std::string format = lines.format();
    std::string text = lines.text(format, 12);
    if (seed % 2 == 0) lines.damage(text, 5);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      SCOPED_TRACE(cut);
      Parsed scalar = begin(format, FieldSet::all());
      Parsed simd = scalar;
      const std::size_t at =
          parse_both(GetParam(), std::string_view{text}.substr(0, cut), {}, scalar, simd);
      parse_both(GetParam(), std::string_view{text}.substr(at), {.last = true}, scalar, simd);
      ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
  }
}

/// Text whose first byte follows, or whose last byte precedes, a page that cannot be read.
class GuardedPages {
 public:
  GuardedPages()
      : base_(static_cast<char*>(mmap(nullptr, (kPages + 2) * kPage, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    mprotect(base_, kPage, PROT_NONE);
    mprotect(base_ + (kPages + 1) * kPage, kPage, PROT_NONE);
  }
  ~GuardedPages() { munmap(base_, (kPages + 2) * kPage); }
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  static constexpr std::size_t kBytes = 16 * 4096;
  std::string_view at_front(std::string_view text) { return put(base_ + kPage, text); }
  std::string_view at_back(std::string_view text) {
    return put(base_ + (kPages + 1) * kPage - text.size(), text);
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kPages = kBytes / kPage;
  static std::string_view put(char* to, std::string_view text) {
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }
  char* base_;
};

TEST_P(FlowKernels, ReadNothingOutsideTheBuffer) {
  GuardedPages pages;
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    FlowLines lines{seed};
    const std::string format = lines.format();
    std::string text = lines.text(format, 1 + lines.below(20));
    if (lines.one_in(2)) lines.damage(text, lines.below(10));
    text.resize(std::min(text.size(), GuardedPages::kBytes));
    const FlowParseOptions options = some_options(lines);
    Parsed scalar = begin(format, FieldSet::all());
    Parsed simd = scalar;
    parse_both(GetParam(), pages.at_back(text), options, scalar, simd);
    parse_both(GetParam(), pages.at_front(text), options, scalar, simd);
    ASSERT_FALSE(HasFailure());
  }
}

TEST_P(FlowKernels, AgreeOnLinesOfAnyLength) {
  const std::string record =
      "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 "
      "1418530010 1418530070 ACCEPT OK\n";
  for (const std::size_t bytes : {500u, 4000u, 4096u, 9000u, 65420u, 65536u, 65537u, 70000u}) {
    for (const char filler : {'x', ' ', '1', '\r'}) {
      SCOPED_TRACE(bytes);
      const std::string long_text(bytes, filler);
      // One long token, a long account, blanks without end, and a line that never ends.
      const std::string text = record + long_text + "\n" + record + "2 " + long_text +
                               record.substr(14) + record + long_text;
      Parsed scalar = begin("", FieldSet::all());
      Parsed simd = scalar;
      parse_both(GetParam(), text, {}, scalar, simd);
      ASSERT_FALSE(HasFailure());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Simd, FlowKernels,
                         ::testing::Values(FlowKernel::kAvx2, FlowKernel::kAvx512),
                         [](const auto& test) { return std::string{to_string(test.param)}; });

TEST(FlowKernel, TheScalarOneRunsAnywhereAndTheChosenOneHere) {
  EXPECT_TRUE(is_supported(FlowKernel::kScalar));
  EXPECT_TRUE(is_supported(flow_kernel()));
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
