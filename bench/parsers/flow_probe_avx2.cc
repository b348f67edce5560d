#include <immintrin.h>

#include "bench/parsers/flow_probe_steps.h"

#define FLEETMETER_PROBE __attribute__((target("avx2,bmi,bmi2,popcnt")))

namespace fleetmeter::parsers::bench {
namespace {

FLEETMETER_PROBE inline __m256i load_words(const char* const* at) noexcept {
  const auto pair = [](const char* a, const char* b) __attribute__((target("avx2"))) {
    return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a)),
                              _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
  };
  return _mm256_xor_si256(_mm256_set_m128i(pair(at[2], at[3]), pair(at[0], at[1])),
                          _mm256_set1_epi8('0'));
}

FLEETMETER_PROBE inline __m256i join_digits(__m256i digits) noexcept {
  const __m256i tens = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
  const __m256i thousands = _mm256_madd_epi16(tens, _mm256_set1_epi32(0x00010064));
  return _mm256_add_epi64(_mm256_mul_epu32(thousands, _mm256_set1_epi64x(10000)),
                          _mm256_srli_epi64(thousands, 32));
}

template <bool kIsLong>
FLEETMETER_PROBE void numbers(const Strided& tokens, std::uint32_t lines, std::uint64_t* out) {
  for (std::uint32_t line = 0; line < lines; line += 4) {
    StepTokens<4> step{tokens, line};
    const __m128i length = _mm_load_si128(reinterpret_cast<const __m128i*>(step.lengths));
    const __m256i spare = _mm256_cvtepi32_epi64(
        _mm_sub_epi32(_mm_set1_epi32(kIsLong ? 128 : 64), _mm_slli_epi32(length, 3)));
    __m256i value = join_digits(_mm256_sllv_epi64(load_words(step.at), spare));
    if constexpr (kIsLong) {
      step.move_to_last_eight();
      value = _mm256_add_epi64(_mm256_mul_epu32(value, _mm256_set1_epi64x(100000000)),
                               join_digits(load_words(step.at)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + line), value);
  }
}

FLEETMETER_PROBE void addresses(const Strided& tokens, std::uint32_t lines, IpAddress* out) {
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 12, 8, 4, 0, -1, -1, -1, -1));
  const __m256i mapped = _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0, 0, 0xffff));
  for (std::uint32_t line = 0; line < lines; line += 2) {
    __m128i part[2];
    __m128i shuffles[2];
    for (std::uint32_t i = 0; i < 2; ++i) {
      part[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tokens.begin(line + i)));
      const auto dots = static_cast<std::uint32_t>(
          _mm_movemask_epi8(_mm_cmpeq_epi8(part[i], _mm_set1_epi8('.'))));
      shuffles[i] = _mm_loadu_si128(octets_of(dots, tokens.length(line + i)));
    }
    const __m256i text = _mm256_set_m128i(part[1], part[0]);
    const __m256i digits = _mm256_shuffle_epi8(_mm256_xor_si256(text, _mm256_set1_epi8('0')),
                                               _mm256_set_m128i(shuffles[1], shuffles[0]));
    const __m256i octets = _mm256_madd_epi16(
        _mm256_maddubs_epi16(digits, _mm256_set1_epi32(0x00010a64)), _mm256_set1_epi16(1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + line),
                        _mm256_or_si256(_mm256_shuffle_epi8(octets, order), mapped));
  }
}

/// Blanks of 32 bytes.
FLEETMETER_PROBE inline std::uint32_t blanks_of(const char* text) noexcept {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(
      _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(' ')), bytes)));
}

FLEETMETER_PROBE std::uint32_t scan(const char* text, std::uint32_t position, std::size_t bytes,
                                    std::uint32_t* out) {
  constexpr unsigned kAtOnce = 12;  // Of 64 bytes; few blocks have more blanks.
  const std::uint32_t* const first = out;
  for (std::size_t at = 0; at < bytes; at += 64) {
    std::uint64_t blanks = blanks_of(text + at) | std::uint64_t{blanks_of(text + at + 32)} << 32;
    if (bytes - at < 64) blanks = _bzhi_u64(blanks, static_cast<unsigned>(bytes - at));
    const auto base = static_cast<std::uint32_t>(position + at);
    const auto count = static_cast<unsigned>(_mm_popcnt_u64(blanks));
    for (unsigned i = 0; i < kAtOnce; ++i, blanks = _blsr_u64(blanks))
      out[i] = base + static_cast<std::uint32_t>(_tzcnt_u64(blanks));
    for (unsigned i = kAtOnce; i < count; ++i, blanks = _blsr_u64(blanks))
      out[i] = base + static_cast<std::uint32_t>(_tzcnt_u64(blanks));
    out += count;
  }
  return static_cast<std::uint32_t>(out - first);
}

}  // namespace

const ProbeSteps kProbeAvx2{scan, numbers<false>, numbers<true>, addresses};

}  // namespace fleetmeter::parsers::bench
