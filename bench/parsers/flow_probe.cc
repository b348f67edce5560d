#include "bench/parsers/flow_probe.h"

#include <algorithm>

#include "bench/parsers/flow_probe_steps.h"

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::size_t kPadding = 64;

bool has_avx512() noexcept { return __builtin_cpu_supports("avx512vbmi2") != 0; }

const ProbeSteps& steps() noexcept {
  static const ProbeSteps& chosen = has_avx512() ? kProbeAvx512 : kProbeAvx2;
  return chosen;
}

void texts(const Strided& tokens, std::uint32_t lines, std::string_view* out) {
  for (std::uint32_t line = 0; line < lines; ++line)
    out[line] = {tokens.begin(line), tokens.length(line)};
}

void words(const Strided& tokens, std::uint32_t lines, char* out) {
  for (std::uint32_t line = 0; line < lines; ++line) out[line] = *tokens.begin(line);
}

}  // namespace

bool FlowProbe::is_supported() noexcept {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0;
}

std::string_view FlowProbe::kernel() noexcept { return has_avx512() ? "avx512" : "avx2"; }

char FlowProbe::kind_of(FlowField field) noexcept {
  if (field == FlowField::kStart || field == FlowField::kEnd) return 'N';
  switch (info(field).type) {
    case FieldType::kNumber:
      return 'n';
    case FieldType::kAddress:
      return 'a';
    case FieldType::kText:
      return 't';
    default:
      return 'w';
  }
}

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
  blanks_.resize(2 * kProbeStretch + 64 + kPadding * (kinds_.size() + 1));
  blanks_[0] = ~std::uint32_t{0};
  blank_count_ = 1;
}

std::uint32_t FlowProbe::next_batch() {
  std::uint32_t lines = 0;
  const auto width = static_cast<std::uint32_t>(kinds_.size());
  while (scanned_ < text_.size() && lines + kProbeStretch / (2 * width) < kBatchLines) {
    const std::size_t bytes = std::min(kProbeStretch, text_.size() - scanned_);
    blank_count_ += steps().scan(text_.data() + scanned_, static_cast<std::uint32_t>(scanned_),
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
        steps().addresses(tokens, lines, columns[i].addresses.data() + at);
        break;
      case 't':
        texts(tokens, lines, columns[i].texts.data() + at);
        break;
      case 'w':
        words(tokens, lines, columns[i].words.data() + at);
        break;
      case 'N':
        steps().long_numbers(tokens, lines, columns[i].numbers.data() + at);
        break;
      default:
        steps().numbers(tokens, lines, columns[i].numbers.data() + at);
    }
  }
}

}  // namespace fleetmeter::parsers::bench
