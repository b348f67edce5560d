// base64 by AVX2, 32 characters a step. What a step finds wrong is kept in a mask, which is looked at
// once, at the end.
#ifdef __x86_64__

#include <immintrin.h>

#include <array>

#include "parsers/base64.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::uint8_t kBad = 0x80;

constexpr std::uint8_t value_of(std::size_t c) noexcept {
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint8_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint8_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0' + 52);
  return c == '+' ? 62 : c == '/' ? 63 : kBad;
}

/// By the high nibble of a character: the kind of row that it stands in. 'A' to 'O' and 'a' to 'o'
/// stand in rows of one kind, 'P' to 'Z' and 'p' to 'z' of another; rows without a character of the
/// alphabet are the last kind.
constexpr std::uint8_t kRowKinds[16] = {16, 16, 1, 2, 4, 8, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16};

/// By the low nibble: the kinds of row in which it is outside the alphabet.
constexpr std::array<std::uint8_t, 16> kBadInRows = [] {
  std::array<std::uint8_t, 16> bad{};
  for (std::size_t c = 0; c < 256; ++c) {
    if (value_of(c) == kBad) bad[c & 15] |= kRowKinds[c >> 4];
  }
  return bad;
}();

/// By the high nibble: what takes a character to its value. '/' is the exception of its row, and
/// goes by the row before.
constexpr std::array<std::uint8_t, 16> kOffsets = [] {
  std::array<std::uint8_t, 16> offsets{};
  for (const std::size_t c : {std::size_t{'+'}, std::size_t{'0'}, std::size_t{'A'},
                              std::size_t{'P'}, std::size_t{'a'}, std::size_t{'p'}}) {
    offsets[c >> 4] = static_cast<std::uint8_t>(value_of(c) - c);
  }
  offsets[('/' >> 4) - 1] = static_cast<std::uint8_t>(value_of('/') - '/');
  return offsets;
}();

/// Four values of 6 bits each lie in a little-endian word as 24 bits whose bytes go out in reverse.
constexpr std::array<std::uint8_t, 16> kLaneOrder = [] {
  std::array<std::uint8_t, 16> order{};
  order.fill(kBad);  // Becomes 0.
  for (std::size_t i = 0; i < 12; ++i) order[i] = static_cast<std::uint8_t>(i / 3 * 4 + 2 - i % 3);
  return order;
}();

constexpr int kJoinPairs = 0x01400140;  // Bytes a, b: a * 64 + b.
constexpr int kJoinFours = 0x00011000;  // Words ab, cd: ab * 4096 + cd.

__attribute__((target("avx2"))) inline __m256i both_lanes(const std::uint8_t* table) noexcept {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
}

}  // namespace

__attribute__((target("avx2"))) Base64Bulk decode_base64_avx2(const char* text, std::size_t groups,
                                                              char* out) noexcept {
  constexpr std::size_t kStepGroups = 8;
  // A step writes 32 bytes, 8 of which the next one overwrites: these groups have to be there.
  constexpr std::size_t kRoomGroups = 11;
  const __m256i row_kinds = both_lanes(kRowKinds);
  const __m256i bad_in_rows = both_lanes(kBadInRows.data());
  const __m256i offsets = both_lanes(kOffsets.data());
  const __m256i order = both_lanes(kLaneOrder.data());
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  const __m256i slash = _mm256_set1_epi8('/');
  const __m256i close_gap = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
  __m256i bad = _mm256_setzero_si256();
  std::size_t done = 0;
  for (; groups - done >= kRoomGroups; done += kStepGroups) {
    const __m256i characters =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 4 * done));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi32(characters, 4), nibble);
    const __m256i low = _mm256_and_si256(characters, nibble);
    bad = _mm256_or_si256(bad, _mm256_and_si256(_mm256_shuffle_epi8(row_kinds, high),
                                                _mm256_shuffle_epi8(bad_in_rows, low)));
    const __m256i row = _mm256_add_epi8(high, _mm256_cmpeq_epi8(characters, slash));
    const __m256i values = _mm256_add_epi8(characters, _mm256_shuffle_epi8(offsets, row));
    const __m256i pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi32(kJoinPairs));
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(kJoinFours));
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(fours, order), close_gap);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 3 * done), bytes);
  }
  return {done, _mm256_testz_si256(bad, bad) != 0};
}

}  // namespace fleetmeter::parsers

#endif  // __x86_64__
