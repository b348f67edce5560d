#include "bench/parsers/flow_probe.h"

#if defined(__GNUC__) && !defined(__clang__)
// See parsers/flow_avx512.cc.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <algorithm>
#include <array>

#define FLEETMETER_PROBE \
  __attribute__((        \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt")))

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::size_t kStretch = 4096;
constexpr std::size_t kPadding = 64;

/// Shuffles of dotted addresses by the lengths of their octets, two bits each.
constexpr auto kOctets = [] {
  std::array<std::array<std::uint8_t, 16>, 256> shuffles{};
  for (std::size_t form = 0; form < 256; ++form) {
    int at = 0;
    for (std::size_t octet = 0; octet < 4; ++octet) {
      const int length = static_cast<int>(form >> (2 * octet) & 3);
      for (int digit = 0; digit < 4; ++digit) {
        const int from = digit < 3 ? at + length - 3 + digit : -1;
        shuffles[form][octet * 4 + static_cast<std::size_t>(digit)] =
            from >= at ? static_cast<std::uint8_t>(from) : 0x80;
      }
      at += length + 1;
    }
  }
  return shuffles;
}();

/// The tokens of one column in consecutive lines.
struct Strided {
  const char* text;
  const std::uint32_t* ends;  // Of the first line.
  std::size_t step;           // Columns of a line.

  [[nodiscard]] const char* begin(std::size_t line) const noexcept {
    return text + (ends[line * step - 1] + 1);
  }
  [[nodiscard]] std::uint32_t length(std::size_t line) const noexcept {
    return ends[line * step] - ends[line * step - 1] - 1;
  }
};

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
    const char* at[8];
    alignas(32) std::uint32_t lengths[8];
    for (std::uint32_t i = 0; i < 8; ++i) {
      at[i] = tokens.begin(line + i);
      lengths[i] = tokens.length(line + i);
    }
    const __m256i length = _mm256_load_si256(reinterpret_cast<const __m256i*>(lengths));
    const __m512i spare = _mm512_cvtepi32_epi64(
        _mm256_sub_epi32(_mm256_set1_epi32(kIsLong ? 128 : 64), _mm256_slli_epi32(length, 3)));
    __m512i value = join_digits(_mm512_sllv_epi64(load_words(at), spare));
    if constexpr (kIsLong) {
      for (std::uint32_t i = 0; i < 8; ++i) at[i] += static_cast<std::int32_t>(lengths[i]) - 8;
      value = _mm512_add_epi64(_mm512_mul_epu32(value, _mm512_set1_epi64(100000000)),
                               join_digits(load_words(at)));
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
      const std::uint32_t length = tokens.length(line + i);
      const std::uint32_t a = _tzcnt_u32(dots);
      const std::uint32_t b = _tzcnt_u32(_blsr_u32(dots));
      const std::uint32_t c = _tzcnt_u32(_blsr_u32(_blsr_u32(dots)));
      const std::uint32_t form = a | (b - a - 1) << 2 | (c - b - 1) << 4 | (length - c - 1) << 6;
      shuffles[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kOctets[form & 255].data()));
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

void texts(const Strided& tokens, std::uint32_t lines, std::string_view* out) {
  for (std::uint32_t line = 0; line < lines; ++line)
    out[line] = {tokens.begin(line), tokens.length(line)};
}

void words(const Strided& tokens, std::uint32_t lines, char* out) {
  for (std::uint32_t line = 0; line < lines; ++line) out[line] = *tokens.begin(line);
}

FLEETMETER_PROBE std::uint32_t scan_blocks(const char* text, std::uint32_t position,
                                           std::size_t bytes, std::uint32_t* out) {
  alignas(64) static constexpr auto kIndexes = [] {
    std::array<std::uint8_t, 64> indexes{};
    for (std::size_t i = 0; i < 64; ++i) indexes[i] = static_cast<std::uint8_t>(i);
    return indexes;
  }();
  const std::uint32_t* const first = out;
  const __m512i indexes = _mm512_load_si512(kIndexes.data());
  for (std::size_t at = 0; at < bytes; at += 64) {
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(text) + at + kStretch));
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

bool FlowProbe::is_supported() noexcept { return __builtin_cpu_supports("avx512vbmi2") != 0; }

FlowProbe::FlowProbe(std::string kinds) : kinds_(std::move(kinds)) {
  columns.resize(kinds_.size());
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    const std::size_t room = kBatchLines + kPadding;
    switch (kinds_[i]) {
      case 'a':
        columns[i].addresses.resize(room);
        break;
      case 't':
        columns[i].texts.resize(room);
        break;
      case 'w':
        columns[i].words.resize(room);
        break;
      default:
        columns[i].numbers.resize(room);
    }
  }
}

void FlowProbe::begin(std::string_view text) {
  text_ = text;
  scanned_ = 0;
  blanks_.resize(2 * kStretch + 64 + kPadding * (kinds_.size() + 1));
  blanks_[0] = ~std::uint32_t{0};
  blank_count_ = 1;
}

std::uint32_t FlowProbe::next_batch() {
  std::uint32_t lines = 0;
  const auto width = static_cast<std::uint32_t>(kinds_.size());
  while (scanned_ < text_.size() && lines + kStretch / (2 * width) < kBatchLines) {
    const std::size_t bytes = std::min(kStretch, text_.size() - scanned_);
    blank_count_ += scan_blocks(text_.data() + scanned_, static_cast<std::uint32_t>(scanned_),
                                bytes, blanks_.data() + blank_count_);
    scanned_ += bytes;
    // Steps go past the last line; there all tokens are empty ones at its end.
    std::fill_n(blanks_.begin() + blank_count_, 8 * width, blanks_[blank_count_ - 1]);
    const std::uint32_t found = (blank_count_ - 1) / width;
    decode(found, lines);
    lines += found;
    std::copy(blanks_.begin() + found * width, blanks_.begin() + blank_count_, blanks_.begin());
    blank_count_ -= found * width;
  }
  return lines;
}

void FlowProbe::decode(std::uint32_t lines, std::uint32_t at) {
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    const Strided tokens{text_.data(), blanks_.data() + 1 + i, kinds_.size()};
    switch (kinds_[i]) {
      case 'a':
        addresses(tokens, lines, columns[i].addresses.data() + at);
        break;
      case 't':
        texts(tokens, lines, columns[i].texts.data() + at);
        break;
      case 'w':
        words(tokens, lines, columns[i].words.data() + at);
        break;
      case 'N':
        numbers<true>(tokens, lines, columns[i].numbers.data() + at);
        break;
      default:
        numbers<false>(tokens, lines, columns[i].numbers.data() + at);
    }
  }
}

}  // namespace fleetmeter::parsers::bench
