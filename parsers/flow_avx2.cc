// The pieces of the AVX2 kernel: 8 rows of boundaries, 4 numbers or words, 2 addresses a step.
#ifdef __x86_64__

#include <immintrin.h>

#include "parsers/flow_scan.h"

#define FLEETMETER_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

namespace fleetmeter::parsers {
namespace {

FLEETMETER_AVX2 inline __m256i load256(const void* from) noexcept {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

FLEETMETER_AVX2 inline std::uint64_t mask_of(__m256i low, __m256i high) noexcept {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(low)) |
         std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(high))} << 32;
}

/// Writes the positions of the four lowest blanks and takes them away.
FLEETMETER_AVX2 inline std::uint64_t add_four(std::uint64_t blanks, std::uint32_t position,
                                              std::uint32_t* out) noexcept {
  out[0] = position + static_cast<std::uint32_t>(_tzcnt_u64(blanks));
  blanks = _blsr_u64(blanks);
  out[1] = position + static_cast<std::uint32_t>(_tzcnt_u64(blanks));
  blanks = _blsr_u64(blanks);
  out[2] = position + static_cast<std::uint32_t>(_tzcnt_u64(blanks));
  blanks = _blsr_u64(blanks);
  out[3] = position + static_cast<std::uint32_t>(_tzcnt_u64(blanks));
  return _blsr_u64(blanks);
}

FLEETMETER_AVX2 inline void add_blanks(std::uint64_t blanks, std::uint32_t position,
                                       FlowScan& scan) noexcept {
  std::uint32_t* out = scan.blanks.data() + scan.blank_count;
  scan.blank_count += static_cast<std::uint32_t>(_mm_popcnt_u64(blanks));
  // Always twelve, which is enough for most blocks: no branch on a number that varies.
  blanks = add_four(blanks, position, out);
  blanks = add_four(blanks, position, out + 4);
  blanks = add_four(blanks, position, out + 8);
  for (out += 12; blanks != 0; out += 4) blanks = add_four(blanks, position, out);
}

FLEETMETER_AVX2 void scan(const char* text, std::size_t blocks, std::uint32_t position,
                          FlowScan& out) {
  const __m256i space = _mm256_set1_epi8(' ');
  const __m256i line_feed = _mm256_set1_epi8('\n');
  const __m256i carriage_return = _mm256_set1_epi8('\r');
  const __m256i last_letter = _mm256_set1_epi8('z');
  for (; blocks != 0; --blocks, text += kScanBlock, position += kScanBlock) {
    prefetch_next_stretch(text);
    const __m256i low = load256(text);
    const __m256i high = load256(text + 32);
    BlockMasks masks;
    masks.blanks = mask_of(_mm256_cmpeq_epi8(_mm256_min_epu8(low, space), low),
                           _mm256_cmpeq_epi8(_mm256_min_epu8(high, space), high));
    masks.line_feeds =
        mask_of(_mm256_cmpeq_epi8(low, line_feed), _mm256_cmpeq_epi8(high, line_feed));
    const std::uint64_t others = mask_of(
        _mm256_or_si256(_mm256_cmpeq_epi8(low, space), _mm256_cmpeq_epi8(low, carriage_return)),
        _mm256_or_si256(_mm256_cmpeq_epi8(high, space), _mm256_cmpeq_epi8(high, carriage_return)));
    const std::uint64_t up_to_z =
        mask_of(_mm256_cmpeq_epi8(_mm256_min_epu8(low, last_letter), low),
                _mm256_cmpeq_epi8(_mm256_min_epu8(high, last_letter), high));
    masks.strange = (masks.blanks & ~(masks.line_feeds | others)) | ~up_to_z;
    add_lines(masks, out);
    add_blanks(masks.blanks, position, out);
  }
}

/// An 8 x 8 transpose: each row's ends into 8 columns.
FLEETMETER_AVX2 void fill_columns(const std::uint32_t* blanks, const std::uint32_t* first,
                                  std::uint32_t row, std::size_t column, std::size_t columns,
                                  FlowBounds& bounds) {
  __m256i in[8];
  __m256i mixed[8];
  for (int i = 0; i < 8; ++i) in[i] = load256(blanks + first[i] + column);
  for (int i = 0; i < 8; i += 2) {
    mixed[i] = _mm256_unpacklo_epi32(in[i], in[i + 1]);
    mixed[i + 1] = _mm256_unpackhi_epi32(in[i], in[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    in[i] = _mm256_unpacklo_epi64(mixed[i], mixed[i + 2]);
    in[i + 1] = _mm256_unpackhi_epi64(mixed[i], mixed[i + 2]);
    in[i + 2] = _mm256_unpacklo_epi64(mixed[i + 1], mixed[i + 3]);
    in[i + 3] = _mm256_unpackhi_epi64(mixed[i + 1], mixed[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    mixed[i] = _mm256_permute2x128_si256(in[i], in[i + 4], 0x20);
    mixed[i + 4] = _mm256_permute2x128_si256(in[i], in[i + 4], 0x31);
  }
  const std::size_t count = columns - column < 8 ? columns - column : 8;
  for (std::size_t i = 0; i < count; ++i) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bounds.ends[column + i + 1].data() + row),
                        mixed[i]);
  }
}

FLEETMETER_AVX2 void fill(const std::uint32_t* blanks, const std::uint32_t* first,
                          std::uint32_t row, std::size_t columns, FlowBounds& bounds) {
  for (std::size_t column = 0; column < columns; column += 8) {
    fill_columns(blanks, first, row, column, columns, bounds);
    fill_columns(blanks, first + 8, row + 8, column, columns, bounds);
  }
}

FLEETMETER_AVX2 inline __m128i load_pair(const char* a, const char* b) noexcept {
  return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a)),
                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
}

FLEETMETER_AVX2 inline __m256i join(__m128i low, __m128i high) noexcept {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/// Four tokens: where they begin and how long they are.
struct Quad {
  const char* begin[4];
  __m128i lengths;
};

FLEETMETER_AVX2 inline Quad quad_of(const FlowTokens& tokens, std::uint32_t row) noexcept {
  Quad quad;
  for (std::uint32_t i = 0; i < 4; ++i) quad.begin[i] = tokens.text + (tokens.before[row + i] + 1);
  const __m128i before = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tokens.before + row));
  const __m128i end = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tokens.end + row));
  quad.lengths = _mm_add_epi32(_mm_sub_epi32(end, before), _mm_set1_epi32(-1));
  return quad;
}

FLEETMETER_AVX2 inline __m256i load_words(const Quad& quad) noexcept {
  return join(load_pair(quad.begin[0], quad.begin[1]), load_pair(quad.begin[2], quad.begin[3]));
}

/// `total_bits` less eight for each byte of the token; below zero it is so large that a shift by it
/// leaves nothing.
FLEETMETER_AVX2 inline __m256i spare_bits(__m128i lengths, int total_bits) noexcept {
  return _mm256_cvtepi32_epi64(
      _mm_sub_epi32(_mm_set1_epi32(total_bits), _mm_slli_epi32(lengths, 3)));
}

/// All ones in every lane that holds nothing but digits (0-9 as numbers, '0' taken off).
FLEETMETER_AVX2 inline __m256i all_digits(__m256i digits) noexcept {
  const __m256i above = _mm256_and_si256(_mm256_adds_epu8(digits, _mm256_set1_epi8(0x76)),
                                         _mm256_set1_epi8(static_cast<char>(0x80)));
  return _mm256_cmpeq_epi64(above, _mm256_setzero_si256());
}

/// Eight digits to a number, most significant byte first.
FLEETMETER_AVX2 inline __m256i join_digits(__m256i digits) noexcept {
  const __m256i tens = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
  const __m256i thousands = _mm256_madd_epi16(tens, _mm256_set1_epi32(0x00010064));
  return _mm256_add_epi64(_mm256_mul_epu32(thousands, _mm256_set1_epi64x(10000)),
                          _mm256_srli_epi64(thousands, 32));
}

FLEETMETER_AVX2 inline std::uint64_t lanes_of(__m256i mask) noexcept {
  return static_cast<std::uint64_t>(_mm256_movemask_pd(_mm256_castsi256_pd(mask)));
}

FLEETMETER_AVX2 FlowFound numbers(const FlowTokens& tokens, std::uint64_t max, std::uint64_t* out) {
  const __m256i zeros = _mm256_set1_epi8('0');
  const __m256i minus = _mm256_set1_epi64x(std::int64_t{'-' ^ '0'} << 56);
  const __m256i limit = _mm256_set1_epi64x(static_cast<std::int64_t>(max));
  FlowFound found{0, 0};
  for (std::uint32_t row = 0; row < tokens.rows; row += 4) {
    Quad quad = quad_of(tokens, row);
    const __m256i first = _mm256_xor_si256(load_words(quad), zeros);
    __m256i digits = _mm256_sllv_epi64(first, spare_bits(quad.lengths, 64));
    // Alone: the zeros of "0-" are no more to be seen here.
    const __m256i is_absent =
        _mm256_and_si256(_mm256_cmpeq_epi64(digits, minus),
                         _mm256_cvtepi32_epi64(_mm_cmpeq_epi32(quad.lengths, _mm_set1_epi32(1))));
    __m256i is_good = all_digits(digits);
    __m256i value = join_digits(digits);
    const __m128i is_long = _mm_cmpgt_epi32(quad.lengths, _mm_set1_epi32(8));
    if (_mm_movemask_epi8(is_long) != 0) {
      // The last eight digits, and those before them.
      alignas(16) std::uint32_t ahead[4];
      _mm_store_si128(reinterpret_cast<__m128i*>(ahead),
                      _mm_and_si128(is_long, _mm_sub_epi32(quad.lengths, _mm_set1_epi32(8))));
      for (int i = 0; i < 4; ++i) quad.begin[i] += ahead[i];
      const __m256i low = _mm256_xor_si256(load_words(quad), zeros);
      digits = _mm256_sllv_epi64(first, spare_bits(quad.lengths, 128));
      const __m256i is_long64 = _mm256_cvtepi32_epi64(is_long);
      const __m256i is_too_long =
          _mm256_cvtepi32_epi64(_mm_cmpgt_epi32(quad.lengths, _mm_set1_epi32(16)));
      const __m256i is_long_good =
          _mm256_andnot_si256(is_too_long, _mm256_and_si256(all_digits(digits), all_digits(low)));
      const __m256i long_value = _mm256_add_epi64(
          join_digits(low), _mm256_mul_epu32(join_digits(digits), _mm256_set1_epi64x(100000000)));
      is_good = _mm256_blendv_epi8(is_good, is_long_good, is_long64);
      value = _mm256_blendv_epi8(value, long_value, is_long64);
    }
    is_good = _mm256_andnot_si256(_mm256_cmpgt_epi64(value, limit), is_good);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + row),
                        _mm256_andnot_si256(is_absent, value));
    found.absent |= lanes_of(is_absent) << row;
    found.bad |= (lanes_of(_mm256_or_si256(is_good, is_absent)) ^ 15) << row;
  }
  return found;
}

/// Eight bits as eight bytes of `code` or nothing. (pdep would do, but is slow before Zen 3.)
inline std::uint64_t spread(std::uint64_t bits, std::uint8_t code) noexcept {
  const std::uint64_t each = (bits & 0xff) * 0x0101010101010101 & 0x8040201008040201;
  const std::uint64_t ones =
      (((each & 0x7f7f7f7f7f7f7f7f) + 0x7f7f7f7f7f7f7f7f) | each) >> 7 & 0x0101010101010101;
  return ones * code;
}

FLEETMETER_AVX2 FlowFound words(const FlowTokens& tokens, const FlowWords& words,
                                std::uint8_t* out) {
  const __m256i minus = _mm256_set1_epi64x(static_cast<std::int64_t>(word_of("-")));
  __m256i word[3];
  for (std::size_t i = 0; i < 3; ++i)
    word[i] = _mm256_set1_epi64x(static_cast<std::int64_t>(words.words[i]));
  FlowFound found{0, 0};
  std::uint64_t is_word[3] = {};
  for (std::uint32_t row = 0; row < tokens.rows; row += 4) {
    const Quad quad = quad_of(tokens, row);
    const __m256i value = _mm256_sllv_epi64(load_words(quad), spare_bits(quad.lengths, 64));
    found.absent |= lanes_of(_mm256_cmpeq_epi64(value, minus)) << row;
    for (int i = 0; i < 3; ++i) is_word[i] |= lanes_of(_mm256_cmpeq_epi64(value, word[i])) << row;
  }
  found.bad = ~(is_word[0] | is_word[1] | is_word[2] | found.absent);
  // A later word's code counts only where no earlier one is.
  is_word[1] &= ~is_word[0];
  is_word[2] &= ~(is_word[0] | is_word[1]);
  for (std::uint32_t row = 0; row < kTileRows; row += 8) {
    std::uint64_t codes = 0;
    for (std::size_t i = 0; i < 3; ++i) codes |= spread(is_word[i] >> row, words.codes[i]);
    _mm_storeu_si64(out + row, _mm_cvtsi64_si128(static_cast<std::int64_t>(codes)));
  }
  return found;
}

/// The first 16 bytes of two tokens and what follows them.
FLEETMETER_AVX2 inline __m256i load_tokens(const FlowTokens& tokens, std::uint32_t row) noexcept {
  const char* const a = tokens.text + (tokens.before[row] + 1);
  const char* const b = tokens.text + (tokens.before[row + 1] + 1);
  return join(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a)),
              _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
}

struct Octets {
  __m256i values;  ///< Four of 32 bits an address.
  __m256i wrong;   ///< Not zero where a digit is none or an octet too large.
};

FLEETMETER_AVX2 inline Octets octets_of(__m256i text, __m256i shuffle) noexcept {
  const __m256i digits = _mm256_shuffle_epi8(_mm256_sub_epi8(text, _mm256_set1_epi8('0')), shuffle);
  Octets octets;
  octets.values = _mm256_madd_epi16(_mm256_maddubs_epi16(digits, _mm256_set1_epi32(0x00010a64)),
                                    _mm256_set1_epi16(1));
  octets.wrong = _mm256_or_si256(_mm256_subs_epu8(digits, _mm256_set1_epi8(9)),
                                 _mm256_cmpgt_epi32(octets.values, _mm256_set1_epi32(255)));
  return octets;
}

/// As they are stored: zeros, then the last octet lowest, then 0xffff.
FLEETMETER_AVX2 inline __m256i mapped_of(__m256i octets) noexcept {
  const __m256i order =
      _mm256_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0, -1, -1, -1, -1,  //
                       -1, -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0, -1, -1, -1, -1);
  return _mm256_or_si256(_mm256_shuffle_epi8(octets, order),
                         _mm256_setr_epi32(0, 0, 0, 0xffff, 0, 0, 0, 0xffff));
}

FLEETMETER_AVX2 FlowFound addresses(const FlowTokens& tokens, IpAddress* out) {
  const __m256i dot = _mm256_set1_epi8('.');
  const __m256i zero = _mm256_set1_epi8('0');
  FlowFound found{0, 0};
  for (std::uint32_t row = 0; row < tokens.rows; row += 4) {
    const __m256i low = load_tokens(tokens, row);
    const __m256i high = load_tokens(tokens, row + 2);
    const std::uint64_t dots = mask_of(_mm256_cmpeq_epi8(low, dot), _mm256_cmpeq_epi8(high, dot));
    const std::uint64_t zeros =
        mask_of(_mm256_cmpeq_epi8(low, zero), _mm256_cmpeq_epi8(high, zero));
    std::uint64_t marks = 0;
    std::uint64_t bad = 0;
    __m128i shuffles[4];
    for (std::uint32_t i = 0; i < 4; ++i) {
      const std::uint32_t length = tokens.end[row + i] - tokens.before[row + i] - 1;
      const std::uint32_t mask = _bzhi_u32(static_cast<std::uint16_t>(dots >> (16 * i)), length) |
                                 1u << (length < 16 ? length : 31);
      const std::uint32_t slot = Ipv4Shuffles::slot(mask);
      bad |= std::uint64_t{kIpv4Shuffles.mask[slot] != mask} << i;
      marks |= std::uint64_t{static_cast<std::uint16_t>(mask)} << (16 * i);
      shuffles[i] =
          _mm_load_si128(reinterpret_cast<const __m128i*>(kIpv4Shuffles.shuffle[slot].data()));
    }
    const Octets octets_low = octets_of(low, join(shuffles[0], shuffles[1]));
    const Octets octets_high = octets_of(high, join(shuffles[2], shuffles[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + row), mapped_of(octets_low.values));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + row + 2), mapped_of(octets_high.values));
    const __m256i any_wrong = _mm256_or_si256(octets_low.wrong, octets_high.wrong);
    const std::uint64_t leading = leading_zeros(zeros, marks);
    if (_mm256_testz_si256(any_wrong, any_wrong) != 0 && (leading | bad) == 0) [[likely]]
      continue;
    const __m256i none = _mm256_setzero_si256();
    const std::uint64_t wrong = leading | ~mask_of(_mm256_cmpeq_epi8(octets_low.wrong, none),
                                                   _mm256_cmpeq_epi8(octets_high.wrong, none));
    for (std::uint32_t i = 0; i < 4; ++i)
      bad |= std::uint64_t{static_cast<std::uint16_t>(wrong >> (16 * i)) != 0} << i;
    found.bad |= bad << row;
  }
  return found;
}

FLEETMETER_AVX2 FlowFound texts(const FlowTokens& tokens, std::string_view* out) {
  const __m256i text = _mm256_set1_epi64x(reinterpret_cast<std::intptr_t>(tokens.text));
  const bool length_first = is_length_first();
  FlowFound found{0, 0};
  for (std::uint32_t row = 0; row < tokens.rows; row += 4) {
    const __m128i before = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tokens.before + row));
    const __m128i end = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tokens.end + row));
    const __m128i begins = _mm_add_epi32(before, _mm_set1_epi32(1));
    const __m128i lengths = _mm_sub_epi32(end, begins);
    const __m256i length = _mm256_cvtepu32_epi64(lengths);
    const __m256i begin = _mm256_add_epi64(_mm256_cvtepu32_epi64(begins), text);
    const __m256i a = length_first ? length : begin;
    const __m256i b = length_first ? begin : length;
    const __m256i even = _mm256_unpacklo_epi64(a, b);
    const __m256i odd = _mm256_unpackhi_epi64(a, b);
    auto* const to = reinterpret_cast<__m256i*>(out + row);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
    const __m128i is_single = _mm_cmpeq_epi32(lengths, _mm_set1_epi32(1));
    auto single = static_cast<std::uint32_t>(_mm_movemask_ps(_mm_castsi128_ps(is_single)));
    for (; single != 0; single = _blsr_u32(single)) {
      const std::uint32_t i = row + _tzcnt_u32(single);
      const bool is_absent = tokens.text[tokens.before[i] + 1] == '-';
      found.absent |= std::uint64_t{is_absent} << i;
    }
  }
  return found;
}

/// By runs: rows that go are few.
void close_gaps(void* column, std::size_t entry_bytes, std::uint64_t kept) {
  auto* const entries = static_cast<char*>(column);
  auto to = static_cast<std::size_t>(std::countr_one(kept));
  for (std::uint64_t rest = to < 64 ? kept >> to << to : 0; rest != 0;) {
    const auto from = static_cast<std::size_t>(std::countr_zero(rest));
    const auto run = static_cast<std::size_t>(std::countr_one(rest >> from));
    std::memmove(entries + to * entry_bytes, entries + from * entry_bytes, run * entry_bytes);
    to += run;
    // No shift by 64: a gap lies before `from`.
    rest = rest >> (from + run - 1) >> 1 << 1 << (from + run - 1);
  }
}

constexpr FlowKernelOps kOps = {scan, fill, numbers, addresses, words, texts, close_gaps};

}  // namespace

const FlowKernelOps& avx2_flow_ops() noexcept { return kOps; }

}  // namespace fleetmeter::parsers

#endif  // __x86_64__
