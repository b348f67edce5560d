#include "parsers/metric_json_plain.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <system_error>

#include "parsers/flow_values.h"
#include "parsers/metric_support.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace fleetmeter::parsers {
namespace {

/// The first byte from `at` on that ends a plain text: a quote, a backslash, a control byte, or one
/// that is not ASCII. Reads up to 15 bytes behind it; may lie behind `end`.
const char* plain_text_end(const char* at, const char* end) noexcept {
#ifdef __SSE2__
  while (at < end) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    // Signed: bytes that are not ASCII are below a blank as well.
    const __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                                         _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
    if (mask != 0) return at + __builtin_ctz(mask);
    at += sizeof bytes;
  }
#else
  while (at < end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at - ' ') < 0x60)
    ++at;
#endif
  return at;
}

/// One comparison where there is none, which is nearly everywhere.
bool is_blank(char c) noexcept {
  return static_cast<unsigned char>(c) <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

constexpr std::uint32_t bit_of(MetricKey key) noexcept {
  return 1u << static_cast<std::uint32_t>(key);
}
constexpr std::uint32_t kHeadKeys =
    bit_of(MetricKey::kStream) | bit_of(MetricKey::kAccount) | bit_of(MetricKey::kRegion);

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int kExactPowerMax = 22;
constexpr std::uint64_t kExactMantissaMax = std::uint64_t{1} << 53;
constexpr std::ptrdiff_t kMantissaDigitsMax = 19;

/// The digits of a number's text as one integer; wraps past 19 of them.
struct Digits {
  const char* end;
  std::uint64_t value;
};
/// Digits of a text as values 0 to 9, and in `others` the highest bit of every other byte.
struct DigitWord {
  std::uint64_t values, others;

  explicit DigitWord(const char* at) noexcept : values(load_word(at) ^ 0x3030303030303030) {
    others = (((values & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | values) & 0x8080808080808080;
  }
};

/// The number of the lowest `count` (1-8) digits of `values`; zeros come before them.
std::uint64_t number_of(std::uint64_t values, int count) noexcept {
  return join_digits(values << (64 - 8 * count));
}

Digits read_digits(const char* at, std::uint64_t value) noexcept {
  static constexpr auto kPowers = [] {
    std::array<std::uint64_t, 9> powers{};
    for (std::size_t i = 0; i < powers.size(); ++i)
      powers[i] = static_cast<std::uint64_t>(kPowersOfTen[i]);
    return powers;
  }();
  for (;;) {
    const DigitWord word(at);
    const int count = std::countr_zero(word.others) / 8;
    if (count == 0) return {at, value};
    value = value * kPowers[static_cast<std::size_t>(count)] + number_of(word.values, count);
    at += count;
    if (count < 8) return {at, value};
  }
}

/// That `text` stands at `at`, from where 16 bytes can be read; false for longer ones, whatever they
/// are.
bool begins_with(const char* at, std::string_view text) noexcept {
  const std::size_t size = text.size();
  if (size > 16) return false;
  const std::uint64_t differing = load_word(at) ^ load_word(text.data());
  if (size < 8) return (differing << (64 - 8 * size)) == 0;
  return (differing | (load_word(at + size - 8) ^ load_word(text.data() + size - 8))) == 0;
}

/// Most numbers: digits, a point and digits, less than eight bytes in all. Gives what is behind it,
/// or null when the text at `at` is anything else.
const char* read_short_number(const char* at, double& number) noexcept {
  const DigitWord word(at);
  const std::uint64_t behind = word.others & (word.others - 1);  // The second that is no digit.
  if (behind == 0) return nullptr;
  const int whole = std::countr_zero(word.others) / 8;
  const int end = std::countr_zero(behind) / 8;
  const int fraction = end - whole - 1;
  if (whole == 0 || at[whole] != '.' || fraction == 0 || (whole > 1 && *at == '0')) return nullptr;
  if (at[end] != ',' && at[end] != '}') return nullptr;
  const std::uint64_t before_point = (std::uint64_t{1} << (8 * whole)) - 1;
  const std::uint64_t digits = (word.values & before_point) | (word.values >> 8 & ~before_point);
  number = static_cast<double>(number_of(digits, end - 1)) / kPowersOfTen[fraction];
  return at + end;
}

}  // namespace

std::size_t PlainMetricHead::take(const char* at, const char* end,
                                  MetricRecord& record) const noexcept {
  if (size_ == 0 || static_cast<std::size_t>(end - at) <= size_) return 0;
  if (std::memcmp(at, bytes_.data(), size_) != 0) return 0;
  const auto text = [at](Place place) { return std::string_view(at + place.at, place.size); };
  record.stream = text(stream_);
  record.account = text(account_);
  record.region = text(region_);
  return size_;
}

void PlainMetricHead::note(const char* begin, const char* end,
                           const MetricRecord& record) noexcept {
  const auto size = static_cast<std::size_t>(end - begin);
  size_ = size > kBytesMax ? 0 : size;
  if (size_ == 0) return;
  std::copy(begin, end, bytes_.data());
  const auto place = [begin](std::string_view text) {
    return Place{static_cast<std::uint32_t>(text.data() - begin),
                 static_cast<std::uint32_t>(text.size())};
  };
  stream_ = place(record.stream);
  account_ = place(record.account);
  region_ = place(record.region);
}

/// Nothing is ever taken past end_: behind it a blank or a value's beginning may stand.
[[gnu::always_inline]] inline bool PlainMetricReader::take(char c) noexcept {
  if (at_ >= end_ || *at_ != c) return false;
  ++at_;
  return true;
}

[[gnu::always_inline]] inline void PlainMetricReader::skip_blanks() noexcept {
  while (at_ < end_ && is_blank(*at_)) ++at_;
}

[[gnu::always_inline]] inline bool PlainMetricReader::take_colon() noexcept {
  skip_blanks();
  if (!take(':')) return false;
  skip_blanks();
  return true;
}

/// `key` comes with both its quotes.
template <std::size_t kSize>
bool PlainMetricReader::take_key(const char (&key)[kSize]) noexcept {
  if (std::memcmp(at_, key, kSize - 1) != 0) return false;
  at_ += kSize - 1;
  return true;
}

/// The same of bytes that are surely read from the value alone.
template <std::size_t kSize>
[[gnu::always_inline]] inline bool PlainMetricReader::take_written(
    const char (&text)[kSize]) noexcept {
  return static_cast<std::size_t>(end_ - at_) >= kSize && take_key(text);
}

[[gnu::always_inline]] inline bool PlainMetricReader::read_text(std::string_view& text) noexcept {
  const char* const begin = at_;
  const char* const end = plain_text_end(begin, end_);
  if (end >= end_) return false;
  is_unusual_ |= *end == '\\' || static_cast<unsigned char>(*end) >= 0x80;
  if (*end != '"') return false;
  text = {begin, static_cast<std::size_t>(end - begin)};
  at_ = end + 1;
  return true;
}

PlainMetricReader::Result PlainMetricReader::read() {
  if (end_[-1] != '}') return Result::kBroken;  // No number, then, runs past the end.
  const char* const begin = at_;
  const std::size_t dimensions = batch_.dimensions.size();
  const std::size_t extended = batch_.extended.size();
  if (read_as_written()) return Result::kWhole;
  at_ = begin;
  is_unusual_ = false;
  draft_ = {};
  batch_.dimensions.resize(dimensions);
  batch_.extended.resize(extended);
  return read_any_order();
}

/// The bytes that AWS writes, without a blank, behind a known head: nothing is asked that has one
/// answer there. False, with anything taken, when they are others.
bool PlainMetricReader::read_as_written() {
  MetricRecord& record = draft_.record;
  const std::size_t head = memory_.head.take(at_, end_, record);
  if (head == 0) return false;
  at_ += head;
  if (!read_written_identity() || !take_written(",\"timestamp\":") || !read_timestamp() ||
      !take_written(",\"value\":{") || !read_written_statistics() ||
      !take_written(",\"unit\":\"") || !read_text(record.unit)) {
    return false;
  }
  draft_.is_metric = true;
  draft_.has_namespace = !record.metric_namespace.empty();
  draft_.has_name = !record.name.empty();
  draft_.has_value = true;
  return take('}') && at_ == end_;
}

/// Namespace, name and dimensions: those of the series that came next the last time, else as read.
bool PlainMetricReader::read_written_identity() {
  IdentityMemory::Meaning identity;
  const std::size_t bytes = memory_.identities.find_next(at_, end_, identity, batch_.dimensions);
  at_ += bytes;
  if (bytes == 0 && !read_new_identity(identity)) return false;
  draft_.record.metric_namespace = identity.metric_namespace;
  draft_.record.name = identity.name;
  draft_.record.identity = identity.id;
  return true;
}

bool PlainMetricReader::read_new_identity(IdentityMemory::Meaning& identity) {
  MetricRecord& record = draft_.record;
  const char* const begin = at_;
  const std::size_t first = batch_.dimensions.size();
  if (!take_written("\"namespace\":\"") || !read_text(identity.metric_namespace) ||
      !take_written(",\"metric_name\":\"") || !read_text(identity.name) ||
      !take_written(",\"dimensions\":{") || !read_written_dimensions()) {
    return false;
  }
  const IdentityMemory::Key key{{begin, static_cast<std::size_t>(at_ - begin)}};
  const std::size_t end = batch_.dimensions.size();
  if (memory_.identities.find(key, identity, batch_.dimensions)) {
    batch_.dimensions.erase(batch_.dimensions.begin() + static_cast<std::ptrdiff_t>(first),
                            batch_.dimensions.begin() + static_cast<std::ptrdiff_t>(end));
    return true;
  }
  record.first_dimension = static_cast<std::uint32_t>(first);
  record.dimension_count = static_cast<std::uint32_t>(end - first);
  sort_dimensions(batch_, record);
  identity.id = memory_.identities.keep(key, identity, batch_.dimensions_of(record));
  return true;
}

bool PlainMetricReader::read_written_dimensions() {
  if (take('}')) return true;
  do {
    Dimension& dimension = batch_.dimensions.emplace_back();
    if (!take('"') || !read_text(dimension.name) || !take_written(":\"") ||
        !read_text(dimension.value)) {
      return false;
    }
  } while (take(','));
  return take('}');
}

bool PlainMetricReader::read_written_statistics() {
  MetricRecord& record = draft_.record;
  if (!take_written("\"max\":")) return false;
  const char* const begin = at_;
  if (!read_number(record.maximum)) return false;
  const std::string_view maximum{begin, static_cast<std::size_t>(at_ - begin) + 1};
  if (!take_written(",\"min\":") || !read_number_like(maximum, record.maximum, record.minimum) ||
      !take_written(",\"sum\":") || !read_number_like(maximum, record.maximum, record.sum) ||
      !take_written(",\"count\":") || !read_number(record.sample_count)) {
    return false;
  }
  draft_.statistics = MetricDraft::kAll;
  while (take(',')) {
    ExtendedStatistic& statistic = batch_.extended.emplace_back();
    if (!take('"') || !read_text(statistic.name) || !take(':') || !read_number(statistic.value) ||
        draft_.place_of(statistic.name).value != nullptr) {
      return false;
    }
  }
  return take('}');
}

PlainMetricReader::Result PlainMetricReader::read_any_order() {
  const char* const begin = at_;
  MetricKey expected = MetricKey::kStream;
  skip_blanks();
  if (take('}')) return at_ == end_ ? Result::kWhole : Result::kBroken;
  while (read_member(expected)) {
    skip_blanks();
    if (take(',')) {
      skip_blanks();
      if (expected == MetricKey::kNamespace) note_head(begin);
      continue;
    }
    return take('}') && at_ == end_ ? Result::kWhole : Result::kBroken;
  }
  return is_unusual_ ? Result::kUnusual : Result::kBroken;
}

/// Of a value that began with those three, in whatever order, and nothing else.
void PlainMetricReader::note_head(const char* begin) noexcept {
  if (seen_ == kHeadKeys && !draft_.bad_token && draft_.unknown_keys == 0)
    memory_.head.note(begin, at_, draft_.record);
}

/// A value where a text should be: `is_text` says whether it was one.
bool PlainMetricReader::read_label(std::string_view& label, bool& is_text) {
  is_text = take('"');
  return is_text ? read_text(label) : skip_scalar();
}

bool PlainMetricReader::read_key(MetricKey expected, MetricKey& key) {
  key = expected;
  switch (expected) {
    case MetricKey::kStream:
      if (take_key("\"metric_stream_name\"")) return true;
      break;
    case MetricKey::kAccount:
      if (take_key("\"account_id\"")) return true;
      break;
    case MetricKey::kRegion:
      if (take_key("\"region\"")) return true;
      break;
    case MetricKey::kNamespace:
      if (take_key("\"namespace\"")) return true;
      break;
    case MetricKey::kName:
      if (take_key("\"metric_name\"")) return true;
      break;
    case MetricKey::kDimensions:
      if (take_key("\"dimensions\"")) return true;
      break;
    case MetricKey::kTimestamp:
      if (take_key("\"timestamp\"")) return true;
      break;
    case MetricKey::kValue:
      if (take_key("\"value\"")) return true;
      break;
    case MetricKey::kUnit:
      if (take_key("\"unit\"")) return true;
      break;
    case MetricKey::kEnvelope:
    case MetricKey::kUnknown:
      break;
  }
  std::string_view name;
  if (!take('"') || !read_text(name)) return false;
  key = metric_key_of(name);
  return true;
}

bool PlainMetricReader::read_member(MetricKey& expected) {
  MetricKey key = MetricKey::kUnknown;
  if (!read_key(expected, key) || key == MetricKey::kEnvelope || !take_colon()) return false;
  if (key == MetricKey::kUnknown) {
    ++draft_.unknown_keys;
    return skip_scalar();
  }
  const std::uint32_t bit = bit_of(key);
  if ((seen_ & bit) != 0) return false;
  seen_ |= bit;
  draft_.note_key(key);
  expected = static_cast<MetricKey>(static_cast<std::uint8_t>(key) + 1);
  return read_value(key);
}

bool PlainMetricReader::read_value(MetricKey key) {
  MetricRecord& record = draft_.record;
  std::string_view* text = nullptr;
  switch (key) {
    case MetricKey::kStream:
      text = &record.stream;
      break;
    case MetricKey::kAccount:
      text = &record.account;
      break;
    case MetricKey::kRegion:
      text = &record.region;
      break;
    case MetricKey::kUnit:
      text = &record.unit;
      break;
    case MetricKey::kNamespace:
    case MetricKey::kName: {
      const bool is_name = key == MetricKey::kName;
      std::string_view& part = is_name ? record.name : record.metric_namespace;
      bool& has_part = is_name ? draft_.has_name : draft_.has_namespace;
      if (!read_label(part, has_part)) return false;
      has_part &= !part.empty();
      return true;
    }
    case MetricKey::kDimensions:
      return read_dimensions();
    case MetricKey::kTimestamp:
      return read_timestamp();
    case MetricKey::kValue:
      return read_statistics();
    case MetricKey::kEnvelope:
    case MetricKey::kUnknown:
      return false;
  }
  bool is_text = false;
  const bool is_null = *at_ == 'n';
  if (!read_label(*text, is_text)) return false;
  draft_.bad_token |= !is_text;
  draft_.unknown_keys += is_text || is_null ? 0 : 1;
  return true;
}

bool PlainMetricReader::read_dimensions() {
  if (!take('{')) return false;
  skip_blanks();
  if (take('}')) return true;
  for (;;) {
    Dimension dimension;
    bool is_text = false;
    if (!take('"') || !read_text(dimension.name) || !take_colon() ||
        !read_label(dimension.value, is_text)) {
      return false;
    }
    draft_.bad_value |= !is_text;
    batch_.dimensions.push_back(dimension);
    skip_blanks();
    if (!take(',')) return take('}');
    skip_blanks();
  }
}

bool PlainMetricReader::read_statistics() {
  draft_.has_value = true;
  if (!take('{')) return false;
  skip_blanks();
  if (take('}')) return true;
  std::uint32_t expected = MetricDraft::kMaximum;
  for (;;) {
    if (!read_statistic(expected)) return false;
    skip_blanks();
    if (!take(',')) return take('}');
    skip_blanks();
  }
}

bool PlainMetricReader::read_statistic(std::uint32_t& expected) {
  MetricDraft::Place place{nullptr, 0};
  std::string_view name;
  if (expected == MetricDraft::kMaximum && take_key("\"max\"")) {
    place = {&draft_.record.maximum, expected};
  } else if (expected == MetricDraft::kMinimum && take_key("\"min\"")) {
    place = {&draft_.record.minimum, expected};
  } else if (expected == MetricDraft::kSum && take_key("\"sum\"")) {
    place = {&draft_.record.sum, expected};
  } else if (expected == MetricDraft::kSampleCount && take_key("\"count\"")) {
    place = {&draft_.record.sample_count, expected};
  } else {
    if (!take('"') || !read_text(name)) return false;
    place = draft_.place_of(name);
  }
  if (!take_colon()) return false;
  if (!is_digit(*at_) && *at_ != '-') {
    draft_.bad_value |= place.value != nullptr;
    draft_.unknown_keys += place.value == nullptr ? 1 : 0;
    return skip_scalar();
  }
  double number = 0;
  if (!read_number(number)) return false;
  if (place.value == nullptr) {
    batch_.extended.push_back({name, number});
    return true;
  }
  if ((draft_.statistics & place.bit) != 0) return false;
  *place.value = number;
  draft_.statistics |= place.bit;
  expected = place.bit << 1;
  return true;
}

bool PlainMetricReader::read_timestamp() {
  draft_.has_timestamp = true;
  if (!is_digit(*at_) && *at_ != '-') {
    draft_.bad_timestamp = true;
    return skip_scalar();
  }
  const bool is_negative = take('-');
  const char* const begin = at_;
  const Digits digits = read_digits(begin, 0);
  const std::ptrdiff_t width = digits.end - begin;
  // Fractions, exponents and what needs more than 63 bits are left to simdjson.
  if (width == 0 || width > 18 || (width > 1 && *begin == '0') || digits.end >= end_) return false;
  if (*digits.end != ',' && *digits.end != '}' && *digits.end != ' ') return false;
  at_ = digits.end;
  const auto value = static_cast<std::int64_t>(digits.value);
  draft_.record.start_ms = is_negative ? -value : value;
  draft_.bad_timestamp = draft_.record.start_ms < 0 || draft_.record.start_ms > kTimestampMsMax;
  return true;
}

/// JSON's grammar of a number, and the double next to it.
bool PlainMetricReader::read_number(double& number) noexcept {
  const char* const begin = at_;
  if (const char* const end = read_short_number(begin, number); end != nullptr) {
    at_ = end;
    return end < end_;
  }
  const bool is_negative = *at_ == '-';
  const char* const first = at_ + (is_negative ? 1 : 0);
  Digits digits = read_digits(first, 0);
  std::ptrdiff_t width = digits.end - first;
  if (width == 0 || (width > 1 && *first == '0')) return false;
  std::int64_t exponent = 0;
  if (*digits.end == '.') {
    const char* const fraction = digits.end + 1;
    digits = read_digits(fraction, digits.value);
    exponent = fraction - digits.end;
    width -= exponent;
    if (exponent == 0) return false;
  }
  if (*digits.end == 'e' || *digits.end == 'E') {
    const char* at = digits.end + 1;
    const bool is_below = *at == '-';
    if (*at == '-' || *at == '+') ++at;
    const Digits power = read_digits(at, 0);
    if (power.end == at || power.end - at > 4) return false;
    exponent +=
        is_below ? -static_cast<std::int64_t>(power.value) : static_cast<std::int64_t>(power.value);
    digits.end = power.end;
  }
  if (digits.end >= end_) return false;
  at_ = digits.end;
  // Both exact, so that one operation rounds once (Clinger).
  if (width <= kMantissaDigitsMax && digits.value <= kExactMantissaMax &&
      exponent >= -kExactPowerMax && exponent <= kExactPowerMax) {
    const auto mantissa = static_cast<double>(digits.value);
    number = exponent < 0 ? mantissa / kPowersOfTen[-exponent] : mantissa * kPowersOfTen[exponent];
    if (is_negative) number = -number;
    return true;
  }
  const std::from_chars_result result = std::from_chars(begin, digits.end, number);
  return result.ec == std::errc{} && result.ptr == digits.end;
}

/// One that may be written as one before was: `text`, with the comma behind it. Of one sample
/// maximum, minimum and sum are the same.
bool PlainMetricReader::read_number_like(std::string_view text, double value,
                                         double& number) noexcept {
  if (!begins_with(at_, text)) return read_number(number);
  at_ += text.size() - 1;
  number = value;
  return at_ < end_;
}

/// A value that nothing is made of; false when it is an object or an array.
bool PlainMetricReader::skip_scalar() {
  std::string_view text;
  if (take('"')) return read_text(text);
  double number = 0;
  if (is_digit(*at_) || *at_ == '-') return read_number(number);
  if (take_key("null") || take_key("true") || take_key("false")) return at_ < end_;
  is_unusual_ |= *at_ == '{' || *at_ == '[';
  return false;
}

}  // namespace fleetmeter::parsers
