#include <immintrin.h>

#include "bench/parsers/flow_probe_steps.h"

#if defined(__GNUC__) && !defined(__clang__)
// See parsers/flow_avx512.cc.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define FLEETMETER_PROBE \
  __attribute__((        \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")))

namespace fleetmeter::parsers::bench {
namespace {

FLEETMETER_PROBE inline __m128i load_pair(const char* a, const char* b) noexcept {
  return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a)),
                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
}

FLEETMETER_PROBE inline __m512i join_digits(__m512i digits) noexcept {
  const __m512i tens = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010a));
  const __m512i thousands = _mm512_madd_epi16(tens, _mm512_set1_epi32(0x00010064));
  return _mm512_add_epi64(_mm512_mul_epu32(thousands, _mm512_set1_epi64(10000)),
                          _mm512_srli_epi64(thousands, 32));
}

/// Eight bytes of each of eight tokens, '0' taken off.
FLEETMETER_PROBE inline __m512i load_words(const char* const* at) noexcept {
  __m512i words = _mm512_castsi128_si512(load_pair(at[0], at[1]));
  words = _mm512_inserti32x4(words, load_pair(at[2], at[3]), 1);
  words = _mm512_inserti32x4(words, load_pair(at[4], at[5]), 2);
  words = _mm512_inserti32x4(words, load_pair(at[6], at[7]), 3);
  return _mm512_xor_si512(words, _mm512_set1_epi8('0'));
}

template <bool kIsLong>
FLEETMETER_PROBE void numbers(const Strided& tokens, std::uint32_t lines, std::uint64_t* out) {
  for (std::uint32_t line = 0; line < lines; line += 8) {
    StepTokens<8> step{tokens, line};
    const __m256i length = _mm256_load_si256(reinterpret_cast<const __m256i*>(step.lengths));
    const __m512i spare = _mm512_cvtepi32_epi64(
        _mm256_sub_epi32(_mm256_set1_epi32(kIsLong ? 128 : 64), _mm256_slli_epi32(length, 3)));
    __m512i value = join_digits(_mm512_sllv_epi64(load_words(step.at), spare));
    if constexpr (kIsLong) {
      step.move_to_last_eight();
      value = _mm512_add_epi64(_mm512_mul_epu32(value, _mm512_set1_epi64(100000000)),
                               join_digits(load_words(step.at)));
    }
    _mm512_storeu_si512(out + line, value);
  }
}

FLEETMETER_PROBE void addresses(const Strided& tokens, std::uint32_t lines, IpAddress* out) {
  const __m512i order = _mm512_broadcast_i32x4(
      _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0, -1, -1, -1, -1));
  const __m512i mapped = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 0, 0xffff));
  for (std::uint32_t line = 0; line < lines; line += 4) {
    __m128i part[4];
    __m128i shuffles[4];
    for (std::uint32_t i = 0; i < 4; ++i) {
      part[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tokens.begin(line + i)));
      const std::uint32_t dots = _mm_cmpeq_epi8_mask(part[i], _mm_set1_epi8('.'));
      shuffles[i] = _mm_loadu_si128(octets_of(dots, tokens.length(line + i)));
    }
    __m512i text = _mm512_castsi128_si512(part[0]);
    text = _mm512_inserti32x4(text, part[1], 1);
    text = _mm512_inserti32x4(text, part[2], 2);
    text = _mm512_inserti32x4(text, part[3], 3);
    __m512i shuffle = _mm512_castsi128_si512(shuffles[0]);
    shuffle = _mm512_inserti32x4(shuffle, shuffles[1], 1);
    shuffle = _mm512_inserti32x4(shuffle, shuffles[2], 2);
    shuffle = _mm512_inserti32x4(shuffle, shuffles[3], 3);
    const __m512i digits =
        _mm512_shuffle_epi8(_mm512_xor_si512(text, _mm512_set1_epi8('0')), shuffle);
    const __m512i octets = _mm512_madd_epi16(
        _mm512_maddubs_epi16(digits, _mm512_set1_epi32(0x00010a64)), _mm512_set1_epi16(1));
    _mm512_storeu_si512(out + line, _mm512_or_si512(_mm512_shuffle_epi8(octets, order), mapped));
  }
}

FLEETMETER_PROBE std::uint32_t scan(const char* text, std::uint32_t position, std::size_t bytes,
                                    std::uint32_t* out) {
  alignas(64) static constexpr auto kIndexes = [] {
    std::array<std::uint8_t, 64> indexes{};
    for (std::size_t i = 0; i < 64; ++i) indexes[i] = static_cast<std::uint8_t>(i);
    return indexes;
  }();
  const std::uint32_t* const first = out;
  const __m512i indexes = _mm512_load_si512(kIndexes.data());
  for (std::size_t at = 0; at < bytes; at += 64) {
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(text) + at + kProbeStretch));
    std::uint64_t blanks =
        _mm512_cmple_epu8_mask(_mm512_loadu_si512(text + at), _mm512_set1_epi8(' '));
    if (bytes - at < 64) blanks = _bzhi_u64(blanks, static_cast<unsigned>(bytes - at));
    const __m512i packed = _mm512_maskz_compress_epi8(blanks, indexes);
    const __m512i base = _mm512_set1_epi32(static_cast<int>(position + at));
    _mm512_storeu_si512(
        out, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed)), base));
    _mm512_storeu_si512(
        out + 16,
        _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 1)), base));
    out += _mm_popcnt_u64(blanks);
  }
  return static_cast<std::uint32_t>(out - first);
}

}  // namespace

const ProbeSteps kProbeAvx512{scan, numbers<false>, numbers<true>, addresses};

}  // namespace fleetmeter::parsers::bench
