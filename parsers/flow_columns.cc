#include "parsers/flow_columns.h"

#include <algorithm>
#include <numeric>

namespace fleetmeter::parsers {
namespace {

template <typename T>
std::span<const T> filled(const std::vector<T>& column, std::uint32_t size) noexcept {
  // Columns keep their length between batches, so only the first `size` entries are this batch's.
  return column.size() < size ? std::span<const T>{} : std::span<const T>{column.data(), size};
}

}  // namespace

std::span<const std::uint64_t> FlowColumns::numbers(FlowField field) const noexcept {
  if (!fields.has(field)) return {};
  return filled(number_columns[static_cast<std::size_t>(field)], size);
}

std::span<const std::string_view> FlowColumns::texts(FlowField field) const noexcept {
  if (!fields.has(field)) return {};
  return filled(text_columns[static_cast<std::size_t>(field)], size);
}

std::span<const IpAddress> FlowColumns::addresses(FlowField field) const noexcept {
  if (!fields.has(field)) return {};
  return filled(address_columns[static_cast<std::size_t>(field)], size);
}

bool FlowColumns::present(FlowField field, std::uint32_t record) const noexcept {
  if (!fields.has(field) || record >= size) return false;
  const auto& bits = presence[static_cast<std::size_t>(field)];
  return record / 64 < bits.size() && ((bits[record / 64] >> (record % 64)) & 1) != 0;
}

void FlowColumns::clear() noexcept {
  size = 0;
  status.clear();
  action.clear();
  direction.clear();
  line_bytes.clear();
}

std::string_view to_string(FlowDrop reason) noexcept {
  switch (reason) {
    case FlowDrop::kFieldCount:
      return "field_count";
    case FlowDrop::kBadNumber:
      return "bad_number";
    case FlowDrop::kBadAddress:
      return "bad_address";
    case FlowDrop::kBadStatus:
      return "bad_status";
    case FlowDrop::kLineTooLong:
      return "line_too_long";
    case FlowDrop::kNoLayout:
      return "no_layout";
    case FlowDrop::kNotText:
      return "not_text";
    case FlowDrop::kNotAFlowRecord:
      return "not_a_flow_record";
    case FlowDrop::kCount:
      break;
  }
  return "unknown";
}

void FlowDropSamples::note(FlowDrop reason, std::string_view line) {
  std::string& text = texts_[static_cast<std::size_t>(reason)];
  if (!text.empty()) return;
  text = line.substr(0, kBytesMax);
  // What a terminal would obey, and what is no flow log's.
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  if (line.size() > kBytesMax) text += "...";
}

std::vector<std::string> FlowDropSamples::add_to(ByReason& all, std::string_view input) const {
  std::vector<std::string> added;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    const std::string reason(to_string(static_cast<FlowDrop>(i)));
    if (!texts_[i].empty() && all.try_emplace(reason, std::string(input) + ": " + texts_[i]).second)
      added.push_back(reason);
  }
  return added;
}

void FlowDropSamples::clear() noexcept {
  for (std::string& text : texts_) text.clear();
}

std::uint64_t FlowCounts::malformed() const noexcept {
  return std::accumulate(std::begin(dropped), std::end(dropped), std::uint64_t{0});
}

std::uint64_t FlowCounts::records() const noexcept { return ok + nodata + skipdata + malformed(); }

FlowCounts& FlowCounts::operator+=(const FlowCounts& other) noexcept {
  ok += other.ok;
  nodata += other.nodata;
  skipdata += other.skipdata;
  headers += other.headers;
  unwindowed += other.unwindowed;
  absent_optional += other.absent_optional;
  unknown_fields += other.unknown_fields;
  unknown_values += other.unknown_values;
  for (std::size_t i = 0; i < std::size(dropped); ++i) dropped[i] += other.dropped[i];
  return *this;
}

}  // namespace fleetmeter::parsers
