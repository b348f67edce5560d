#include "parsers/metric_support.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>

namespace fleetmeter::parsers {
namespace {

struct UnitName {
  std::string_view otlp;
  std::string_view cloudwatch;
};

// The letter case of kbit, MBit, GBit and Tbit is AWS's.
constexpr UnitName kUnits[] = {
    {"%", "Percent"},
    {"{Count}", "Count"},
    {"By", "Bytes"},
    {"s", "Seconds"},
    {"1", "None"},
    {"ms", "Milliseconds"},
    {"us", "Microseconds"},
    {"{Count}/s", "Count/Second"},
    {"By/s", "Bytes/Second"},
    {"kBy", "Kilobytes"},
    {"MBy", "Megabytes"},
    {"GBy", "Gigabytes"},
    {"TBy", "Terabytes"},
    {"bit", "Bits"},
    {"kbit", "Kilobits"},
    {"MBit", "Megabits"},
    {"GBit", "Gigabits"},
    {"Tbit", "Terabits"},
    {"kBy/s", "Kilobytes/Second"},
    {"MBy/s", "Megabytes/Second"},
    {"GBy/s", "Gigabytes/Second"},
    {"TBy/s", "Terabytes/Second"},
    {"bit/s", "Bits/Second"},
    {"kbit/s", "Kilobits/Second"},
    {"MBit/s", "Megabits/Second"},
    {"GBit/s", "Gigabits/Second"},
    {"Tbit/s", "Terabits/Second"},
};

}  // namespace

std::string_view cloudwatch_unit(std::string_view unit) noexcept {
  for (const UnitName& known : kUnits) {
    if (known.otlp == unit) return known.cloudwatch;
  }
  return unit;
}

void sort_dimensions(MetricBatch& batch, const MetricRecord& record) {
  const auto by_name = [](const Dimension& a, const Dimension& b) { return a.name < b.name; };
  const auto first = batch.dimensions.begin() + record.first_dimension;
  const auto last = first + record.dimension_count;
  // Nearly always in order already.
  if (!std::is_sorted(first, last, by_name)) std::stable_sort(first, last, by_name);
}

bool looks_like_envelope(std::string_view json) noexcept {
  constexpr std::string_view kOfMetrics[] = {"\"metric_stream_name\"", "\"metric_name\""};
  constexpr std::string_view kOfEnvelopes[] = {"\"messageType\"", "\"logEvents\"", "\"records\"",
                                               "\"Records\"",     "\"awslogs\"",   "\"message\"",
                                               "\"requestId\"",   "\"rawData\""};
  const auto is_in = [json](std::string_view key) {
    return json.find(key) != std::string_view::npos;
  };
  return std::any_of(std::begin(kOfEnvelopes), std::end(kOfEnvelopes), is_in) &&
         std::none_of(std::begin(kOfMetrics), std::end(kOfMetrics), is_in);
}

std::string_view TextArena::keep(std::string_view text) {
  if (text.size() > block_bytes_ - used_bytes_ || blocks_.empty()) {
    block_bytes_ = std::max(kBlockBytes, text.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes_));
    used_bytes_ = 0;
  }
  char* const place = blocks_.back().get() + used_bytes_;
  if (!text.empty()) std::memcpy(place, text.data(), text.size());
  used_bytes_ += text.size();
  return {place, text.size()};
}

void TextArena::clear() noexcept {
  if (blocks_.size() > 1 || block_bytes_ > kBlockBytes) {
    blocks_.clear();
    block_bytes_ = 0;
  }
  used_bytes_ = 0;
}

std::string_view QuantileNames::name(double quantile) {
  for (const Entry& entry : entries_) {
    if (entry.quantile == quantile) return entry.name;
  }
  char text[32];
  // Twelve digits: CloudWatch percentiles have at most ten decimals, and 0.99 * 100 is not 99 in
  // binary.
  std::snprintf(text, sizeof text, "p%.12g", quantile * 100);
  const std::string_view name = texts_.emplace_back(text);
  if (entries_.size() < kNamesMax) entries_.push_back({quantile, name});
  return name;
}

void QuantileNames::forget_many() noexcept {
  if (texts_.size() <= kNamesMax) return;
  entries_.clear();
  texts_.clear();
}

}  // namespace fleetmeter::parsers
