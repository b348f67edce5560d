// A header line (the input's first line) in front of lines and between them: what makes a line one
// is what a slow, obvious reading of the rule says; the columns it binds are those of the same
// words as a format; and every kernel sees it where the scalar one does.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "tests/fuzz/flow_compare.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace fleetmeter;

/// Every token a lowercase word of letters, digits, hyphens or underscores. Names of fields are half
/// of them, or all but joined words; one that is no ordinary word, or three of either.
bool obvious_is_header(std::string_view line) {
  std::size_t words = 0;
  std::size_t known = 0, joined = 0, telling = 0;
  const std::set<std::string> ordinary = {"version", "protocol", "packets", "bytes", "start",
                                          "end",     "action",   "type",    "region"};
  std::string word;
  for (const char c : std::string{line} + ' ') {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      word += c;
      continue;
    }
    if (word.empty()) continue;
    constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz";
    constexpr std::string_view kOther = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    if (kFirst.find(word[0]) == std::string_view::npos) return false;
    if (word.find_first_not_of(kOther) != std::string::npos) return false;
    ++words;
    const bool is_known = parsers::find_field(word).has_value();
    known += is_known ? 1 : 0;
    telling += is_known && !ordinary.contains(word) ? 1 : 0;
    joined += !is_known && word.find_first_of("-_") != std::string::npos ? 1 : 0;
    word.clear();
  }
  if (known == 0 || (telling == 0 && known + joined < 3)) return false;
  return known * 2 >= words || known + joined == words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const std::string_view header = input.line();
  const bool is_one = parsers::is_header(header);
  FM_CHECK(is_one == obvious_is_header(header));

  const parsers::FlowBinding standard{parsers::default_layout(), parsers::FieldSet::all()};
  const std::string text = std::string{header} + "\n" + std::string{input.rest()};
  fuzz::compare_kernels(text, standard);
  fuzz::compare_kernels(std::string{input.rest()} + "\n" + text, standard);
  // Between words a tab is a blank; in a line of a log it makes the line no text.
  if (!is_one || header.find('\t') != std::string_view::npos) return 0;

  const parsers::FlowBinding bound{parsers::parse_layout(header), parsers::FieldSet::all()};
  fuzz::FlowOutcome by_format = fuzz::parse_flows(input.rest(), 64, bound);
  ++by_format.counts.headers;
  by_format.counts.unknown_fields += bound.layout.unknown_columns;
  fuzz::check_equal(fuzz::parse_flows(text, 64, standard), by_format);
  return 0;
}
