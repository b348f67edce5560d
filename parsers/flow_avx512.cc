// The pieces of the AVX-512 kernel: 16 rows of boundaries, 8 numbers or words, 4 addresses a step.
// Bound by instructions (about 200 a line of version 2), not by memory: bench/parsers/flow_bench.cc.
#ifdef __x86_64__

#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header declares "undefined" vectors in a way that GCC 12 warns of where it is inlined
// (GCC bug 105593); it has to be told before the header.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "parsers/flow_scan.h"

#define FLEETMETER_AVX512 \
  __attribute__((         \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")))

namespace fleetmeter::parsers {
namespace {

FLEETMETER_AVX512 inline __m512i positions_from(std::uint32_t position, __m128i bytes) noexcept {
  return _mm512_add_epi32(_mm512_cvtepu8_epi32(bytes),
                          _mm512_set1_epi32(static_cast<int>(position)));
}

FLEETMETER_AVX512 inline void add_blanks(std::uint64_t blanks, std::uint32_t position,
                                         FlowScan& scan) noexcept {
  alignas(64) static constexpr std::uint8_t kIndexes[64] = {
      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
      22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
      44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
  const __m512i packed = _mm512_maskz_compress_epi8(blanks, _mm512_load_si512(kIndexes));
  std::uint32_t* out = scan.blanks.data() + scan.blank_count;
  _mm512_storeu_si512(out, positions_from(position, _mm512_castsi512_si128(packed)));
  const auto count = static_cast<std::uint32_t>(_mm_popcnt_u64(blanks));
  scan.blank_count += count;
  if (count <= 16) [[likely]]
    return;
  _mm512_storeu_si512(out + 16, positions_from(position, _mm512_extracti32x4_epi32(packed, 1)));
  if (count <= 32) return;
  _mm512_storeu_si512(out + 32, positions_from(position, _mm512_extracti32x4_epi32(packed, 2)));
  _mm512_storeu_si512(out + 48, positions_from(position, _mm512_extracti32x4_epi32(packed, 3)));
}

FLEETMETER_AVX512 void scan(const char* text, std::size_t blocks, std::uint32_t position,
                            FlowScan& out) {
  for (; blocks != 0; --blocks, text += kScanBlock, position += kScanBlock) {
    prefetch_next_stretch(text);
    const __m512i block = _mm512_loadu_si512(text);
    BlockMasks masks;
    masks.blanks = _mm512_cmple_epu8_mask(block, _mm512_set1_epi8(' '));
    masks.line_feeds = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('\n'));
    masks.strange = (_mm512_cmplt_epu8_mask(block, _mm512_set1_epi8(' ')) &
                     ~(masks.line_feeds | _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('\r')))) |
                    _mm512_cmpgt_epu8_mask(block, _mm512_set1_epi8('z'));
    add_lines(masks, out);
    add_blanks(masks.blanks, position, out);
  }
}

/// A 16 x 16 transpose: each row's ends into 16 columns.
FLEETMETER_AVX512 void fill_columns(const std::uint32_t* blanks, const std::uint32_t* first,
                                    std::uint32_t row, std::size_t column, std::size_t columns,
                                    FlowBounds& bounds) {
  __m512i in[16];
  __m512i mixed[16];
  for (int i = 0; i < 16; ++i) in[i] = _mm512_loadu_si512(blanks + first[i] + column);
  for (int i = 0; i < 16; i += 2) {
    mixed[i] = _mm512_unpacklo_epi32(in[i], in[i + 1]);
    mixed[i + 1] = _mm512_unpackhi_epi32(in[i], in[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    in[i] = _mm512_unpacklo_epi64(mixed[i], mixed[i + 2]);
    in[i + 1] = _mm512_unpackhi_epi64(mixed[i], mixed[i + 2]);
    in[i + 2] = _mm512_unpacklo_epi64(mixed[i + 1], mixed[i + 3]);
    in[i + 3] = _mm512_unpackhi_epi64(mixed[i + 1], mixed[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    mixed[i] = _mm512_shuffle_i32x4(in[i], in[i + 4], 0x88);
    mixed[i + 4] = _mm512_shuffle_i32x4(in[i], in[i + 4], 0xdd);
    mixed[i + 8] = _mm512_shuffle_i32x4(in[i + 8], in[i + 12], 0x88);
    mixed[i + 12] = _mm512_shuffle_i32x4(in[i + 8], in[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    in[i] = _mm512_shuffle_i32x4(mixed[i], mixed[i + 8], 0x88);
    in[i + 4] = _mm512_shuffle_i32x4(mixed[i + 4], mixed[i + 12], 0x88);
    in[i + 8] = _mm512_shuffle_i32x4(mixed[i], mixed[i + 8], 0xdd);
    in[i + 12] = _mm512_shuffle_i32x4(mixed[i + 4], mixed[i + 12], 0xdd);
  }
  const std::size_t count = columns - column < 16 ? columns - column : 16;
  for (std::size_t i = 0; i < count; ++i)
    _mm512_storeu_si512(bounds.ends[column + i + 1].data() + row, in[i]);
}

FLEETMETER_AVX512 void fill(const std::uint32_t* blanks, const std::uint32_t* first,
                            std::uint32_t row, std::size_t columns, FlowBounds& bounds) {
  for (std::size_t column = 0; column < columns; column += 16)
    fill_columns(blanks, first, row, column, columns, bounds);
}

FLEETMETER_AVX512 inline __m128i load_pair(const char* a, const char* b) noexcept {
  return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a)),
                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
}

/// Eight bytes from each of eight positions.
FLEETMETER_AVX512 inline __m512i load_words(const char* text, const std::uint32_t* at) noexcept {
  const __m256i low =
      _mm256_inserti128_si256(_mm256_castsi128_si256(load_pair(text + at[0], text + at[1])),
                              load_pair(text + at[2], text + at[3]), 1);
  const __m256i high =
      _mm256_inserti128_si256(_mm256_castsi128_si256(load_pair(text + at[4], text + at[5])),
                              load_pair(text + at[6], text + at[7]), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/// Lengths of eight tokens, and their positions in `at`.
FLEETMETER_AVX512 inline __m256i token_lengths(const FlowTokens& tokens, std::uint32_t row,
                                               std::uint32_t* at) noexcept {
  const __m256i begin =
      _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(tokens.before + row)),
                       _mm256_set1_epi32(1));
  _mm256_store_si256(reinterpret_cast<__m256i*>(at), begin);
  return _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(tokens.end + row)),
                          begin);
}

/// `total_bits` less eight for each byte of the token; below zero it is so large that a shift by it
/// leaves nothing.
FLEETMETER_AVX512 inline __m512i spare_bits(__m256i lengths, int total_bits) noexcept {
  return _mm512_cvtepi32_epi64(
      _mm256_sub_epi32(_mm256_set1_epi32(total_bits), _mm256_slli_epi32(lengths, 3)));
}

/// Not a digit (0-9 as a number, since '0' was taken off) anywhere in the eight bytes.
FLEETMETER_AVX512 inline __mmask8 not_digits(__m512i digits) noexcept {
  return _mm512_test_epi64_mask(_mm512_adds_epu8(digits, _mm512_set1_epi8(0x76)),
                                _mm512_set1_epi8(static_cast<char>(0x80)));
}

/// Eight digits to a number, most significant byte first.
FLEETMETER_AVX512 inline __m512i join_digits(__m512i digits) noexcept {
  const __m512i tens = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010a));
  const __m512i thousands = _mm512_madd_epi16(tens, _mm512_set1_epi32(0x00010064));
  return _mm512_add_epi64(_mm512_mul_epu32(thousands, _mm512_set1_epi64(10000)),
                          _mm512_srli_epi64(thousands, 32));
}

FLEETMETER_AVX512 FlowFound numbers(const FlowTokens& tokens, std::uint64_t max,
                                    std::uint64_t* out) {
  const __m512i zeros = _mm512_set1_epi8('0');
  const __m512i minus = _mm512_set1_epi64(static_cast<long long>(std::uint64_t{'-' ^ '0'} << 56));
  const __m512i limit = _mm512_set1_epi64(static_cast<long long>(max));
  FlowFound found{0, 0};
  for (std::uint32_t row = 0; row < tokens.rows; row += 8) {
    alignas(32) std::uint32_t at[8];
    const __m256i lengths = token_lengths(tokens, row, at);
    const __m512i first = _mm512_xor_si512(load_words(tokens.text, at), zeros);
    __m512i digits = _mm512_sllv_epi64(first, spare_bits(lengths, 64));
    // Alone: the zeros of "0-" are no more to be seen here.
    const __mmask8 is_absent = _mm512_mask_cmpeq_epi64_mask(
        _mm256_cmpeq_epi32_mask(lengths, _mm256_set1_epi32(1)), digits, minus);
    __mmask8 is_bad = not_digits(digits);
    __m512i value = join_digits(digits);
    const __mmask8 is_long = _mm256_cmpgt_epu32_mask(lengths, _mm256_set1_epi32(8));
    if (is_long != 0) {
      // The last eight digits, and those before them.
      const __m256i ahead = _mm256_maskz_sub_epi32(is_long, lengths, _mm256_set1_epi32(8));
      alignas(32) std::uint32_t last[8];
      _mm256_store_si256(
          reinterpret_cast<__m256i*>(last),
          _mm256_add_epi32(ahead, _mm256_load_si256(reinterpret_cast<const __m256i*>(at))));
      is_bad = _kor_mask8(is_bad, _mm256_cmpgt_epu32_mask(lengths, _mm256_set1_epi32(16)));
      const __m512i low = _mm512_xor_si512(load_words(tokens.text, last), zeros);
      digits = _mm512_sllv_epi64(first, spare_bits(lengths, 128));
      is_bad =
          _kor_mask8(is_bad, _kand_mask8(is_long, _kor_mask8(not_digits(digits), not_digits(low))));
      value = _mm512_mask_add_epi64(
          value, is_long, join_digits(low),
          _mm512_mul_epu32(join_digits(digits), _mm512_set1_epi64(100000000)));
    }
    is_bad = _kor_mask8(is_bad, _mm512_cmpgt_epu64_mask(value, limit));
    _mm512_storeu_si512(out + row, _mm512_maskz_mov_epi64(_knot_mask8(is_absent), value));
    found.absent |= std::uint64_t{is_absent} << row;
    found.bad |= std::uint64_t{_kandn_mask8(is_absent, is_bad)} << row;
  }
  return found;
}

FLEETMETER_AVX512 FlowFound words(const FlowTokens& tokens, const FlowWords& words,
                                  std::uint8_t* out) {
  const __m512i minus = _mm512_set1_epi64(static_cast<long long>(word_of("-")));
  const __m512i word[3] = {_mm512_set1_epi64(static_cast<long long>(words.words[0])),
                           _mm512_set1_epi64(static_cast<long long>(words.words[1])),
                           _mm512_set1_epi64(static_cast<long long>(words.words[2]))};
  FlowFound found{0, 0};
  std::uint64_t is_word[3] = {};
  for (std::uint32_t row = 0; row < tokens.rows; row += 8) {
    alignas(32) std::uint32_t at[8];
    const __m256i lengths = token_lengths(tokens, row, at);
    const __m512i value = _mm512_sllv_epi64(load_words(tokens.text, at), spare_bits(lengths, 64));
    found.absent |= std::uint64_t{_mm512_cmpeq_epi64_mask(value, minus)} << row;
    for (int i = 0; i < 3; ++i)
      is_word[i] |= std::uint64_t{_mm512_cmpeq_epi64_mask(value, word[i])} << row;
  }
  found.bad = ~(is_word[0] | is_word[1] | is_word[2] | found.absent);
  __m512i codes = _mm512_setzero_si512();
  for (int i = 2; i >= 0; --i)
    codes = _mm512_mask_set1_epi8(codes, is_word[i],
                                  static_cast<char>(words.codes[static_cast<std::size_t>(i)]));
  _mm512_storeu_si512(out, codes);
  return found;
}

/// The first 16 bytes of a token and what follows it.
FLEETMETER_AVX512 inline __m128i load_token(const FlowTokens& tokens, std::uint32_t row) noexcept {
  const char* const begin = tokens.text + (tokens.before[row] + 1);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(begin));
}

FLEETMETER_AVX512 FlowFound addresses(const FlowTokens& tokens, IpAddress* out) {
  const __m512i zero = _mm512_set1_epi8('0');
  const __m512i weights = _mm512_set1_epi32(0x00010a64);
  // The low byte of each octet, last octet first, behind the eight zero bytes of a mapped address.
  const __m512i order = _mm512_broadcast_i32x4(
      _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0, -1, -1, -1, -1));
  const __m512i mapped = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 0, 0xffff));
  FlowFound found{0, 0};
  for (std::uint32_t row = 0; row < tokens.rows; row += 4) {
    const std::uint32_t* const before = tokens.before + row;
    const std::uint32_t* const end = tokens.end + row;
    __m512i text = _mm512_castsi128_si512(load_token(tokens, row));
    text = _mm512_inserti32x4(text, load_token(tokens, row + 1), 1);
    text = _mm512_inserti32x4(text, load_token(tokens, row + 2), 2);
    text = _mm512_inserti32x4(text, load_token(tokens, row + 3), 3);
    const std::uint64_t dots = _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8('.'));
    const std::uint64_t zeros = _mm512_cmpeq_epi8_mask(text, zero);
    std::uint64_t marks = 0;
    std::uint32_t bad = 0;
    __m128i shuffles[4];
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t length = end[i] - before[i] - 1;
      const std::uint32_t mask = _bzhi_u32(static_cast<std::uint16_t>(dots >> (16 * i)), length) |
                                 1u << (length < 16 ? length : 31);
      const std::uint32_t slot = Ipv4Shuffles::slot(mask);
      bad |= static_cast<std::uint32_t>(kIpv4Shuffles.mask[slot] != mask) << i;
      marks |= std::uint64_t{static_cast<std::uint16_t>(mask)} << (16 * i);
      shuffles[i] =
          _mm_load_si128(reinterpret_cast<const __m128i*>(kIpv4Shuffles.shuffle[slot].data()));
    }
    __m512i shuffle = _mm512_castsi128_si512(shuffles[0]);
    shuffle = _mm512_inserti32x4(shuffle, shuffles[1], 1);
    shuffle = _mm512_inserti32x4(shuffle, shuffles[2], 2);
    shuffle = _mm512_inserti32x4(shuffle, shuffles[3], 3);
    const __m512i digits = _mm512_shuffle_epi8(_mm512_sub_epi8(text, zero), shuffle);
    const __m512i octets =
        _mm512_madd_epi16(_mm512_maddubs_epi16(digits, weights), _mm512_set1_epi16(1));
    const std::uint64_t wrong =
        _mm512_cmpgt_epu8_mask(digits, _mm512_set1_epi8(9)) | leading_zeros(zeros, marks);
    const std::uint32_t large = _mm512_cmpgt_epi32_mask(octets, _mm512_set1_epi32(255));
    _mm512_storeu_si512(out + row, _mm512_or_si512(_mm512_shuffle_epi8(octets, order), mapped));
    if ((wrong | large | bad) == 0) [[likely]]
      continue;
    for (int i = 0; i < 4; ++i) {
      const bool is_wrong =
          static_cast<std::uint16_t>(wrong >> (16 * i)) != 0 || ((large >> (4 * i)) & 15) != 0;
      bad |= static_cast<std::uint32_t>(is_wrong) << i;
    }
    found.bad |= std::uint64_t{bad} << row;
  }
  return found;
}

FLEETMETER_AVX512 FlowFound texts(const FlowTokens& tokens, std::string_view* out) {
  // A view's two words, of four tokens each.
  const __m512i first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  const __m512i text = _mm512_set1_epi64(reinterpret_cast<long long>(tokens.text));
  const bool length_first = is_length_first();
  FlowFound found{0, 0};
  for (std::uint32_t row = 0; row < tokens.rows; row += 8) {
    alignas(32) std::uint32_t at[8];
    const __m256i lengths = token_lengths(tokens, row, at);
    const __m256i begins = _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
    std::uint32_t absent = 0;
    for (std::uint32_t single = _mm256_cmpeq_epi32_mask(lengths, _mm256_set1_epi32(1)); single != 0;
         single = _blsr_u32(single)) {
      const std::uint32_t i = _tzcnt_u32(single);
      absent |= static_cast<std::uint32_t>(tokens.text[at[i]] == '-') << i;
    }
    const __m512i length = _mm512_cvtepu32_epi64(lengths);
    const __m512i begin = _mm512_add_epi64(_mm512_cvtepu32_epi64(begins), text);
    const __m512i a = length_first ? length : begin;
    const __m512i b = length_first ? begin : length;
    _mm512_storeu_si512(out + row, _mm512_permutex2var_epi64(a, first, b));
    _mm512_storeu_si512(out + row + 4, _mm512_permutex2var_epi64(a, second, b));
    found.absent |= std::uint64_t{absent} << row;
  }
  return found;
}

/// One step: `kept` says which of the eight words at `from` go to `to`. Never passes what is yet to
/// be read.
FLEETMETER_AVX512 inline std::uint64_t* keep_words(const std::uint64_t* from, __mmask8 kept,
                                                   std::uint64_t* to) noexcept {
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi64(kept, _mm512_loadu_si512(from)));
  return to + _mm_popcnt_u32(kept);
}

FLEETMETER_AVX512 void close_gaps(void* column, std::size_t entry_bytes, std::uint64_t kept) {
  if (entry_bytes == 1) {
    _mm512_storeu_si512(column, _mm512_maskz_compress_epi8(kept, _mm512_loadu_si512(column)));
    return;
  }
  if (entry_bytes == 4) {
    auto* const from = static_cast<std::uint32_t*>(column);
    std::uint32_t* to = from;
    for (std::size_t row = 0; row < kTileRows; row += 16) {
      const auto mask = static_cast<__mmask16>(kept >> row);
      const __m512i rows = _mm512_loadu_si512(from + row);
      _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(mask, rows));
      to += _mm_popcnt_u32(mask);
    }
    return;
  }
  auto* const from = static_cast<std::uint64_t*>(column);
  std::uint64_t* to = from;
  if (entry_bytes == 8) {
    for (std::size_t row = 0; row < kTileRows; row += 8)
      to = keep_words(from + row, static_cast<__mmask8>(kept >> row), to);
    return;
  }
  for (std::size_t row = 0; row < kTileRows; row += 4) {
    const std::uint32_t pairs = _pdep_u32(static_cast<std::uint32_t>(kept >> row), 0x55) * 3;
    to = keep_words(from + 2 * row, static_cast<__mmask8>(pairs), to);
  }
}

constexpr FlowKernelOps kOps = {scan, fill, numbers, addresses, words, texts, close_gaps};

}  // namespace

const FlowKernelOps& avx512_flow_ops() noexcept { return kOps; }

}  // namespace fleetmeter::parsers

#endif  // __x86_64__
