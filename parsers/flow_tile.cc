#include "parsers/flow_tile.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "parsers/flow_values.h"
#include "parsers/flow_words.h"

namespace fleetmeter::parsers {
namespace {

constexpr FlowWords kStatusWords = {
    {word_of("OK"), word_of("NODATA"), word_of("SKIPDATA")},
    {static_cast<std::uint8_t>(LogStatus::kOk), static_cast<std::uint8_t>(LogStatus::kNoData),
     static_cast<std::uint8_t>(LogStatus::kSkipData)}};
constexpr FlowWords kActionWords = {
    {word_of("ACCEPT"), word_of("REJECT"), word_of("ACCEPT")},
    {static_cast<std::uint8_t>(Action::kAccept), static_cast<std::uint8_t>(Action::kReject),
     static_cast<std::uint8_t>(Action::kAccept)}};
constexpr FlowWords kDirectionWords = {
    {word_of("egress"), word_of("ingress"), word_of("egress")},
    {static_cast<std::uint8_t>(Direction::kEgress), static_cast<std::uint8_t>(Direction::kIngress),
     static_cast<std::uint8_t>(Direction::kEgress)}};
constexpr FlowWords kTypeWords = {{word_of("IPv4"), word_of("IPv6"), word_of("EFA")}, {}};

std::uint32_t lowest_row(std::uint64_t rows) noexcept {
  return static_cast<std::uint32_t>(std::countr_zero(rows));
}

std::uint64_t first_rows(std::uint32_t count) noexcept {
  return count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

std::uint64_t count(std::uint64_t rows) noexcept {
  return static_cast<std::uint64_t>(std::popcount(rows));
}

/// The bits of `rows` in `kept`, moved together.
std::uint64_t close_gaps_in(std::uint64_t rows, std::uint64_t kept, std::uint32_t count) noexcept {
  for (std::uint64_t gone = first_rows(count) & ~kept; gone != 0;) {
    const auto last = static_cast<std::uint32_t>(63 - std::countl_zero(gone));
    const std::uint64_t below = first_rows(last);
    rows = (rows & below) | (rows >> 1 & ~below);
    gone &= below;
  }
  return rows;
}

std::uint8_t* codes(auto& column) noexcept {
  return reinterpret_cast<std::uint8_t*>(column.data());
}

}  // namespace

void FlowTile::make_room() noexcept {
  room_ = std::min<std::uint32_t>(kTileRows, options_.batch_records - out_.size);
}

void FlowTile::fill(const std::uint32_t* blanks) noexcept {
  if (filled_ == rows_) return;
  // The kernels work in whole steps of up to 16 rows from row 0: rows past the last repeat it, so
  // that they stay in the buffer, up to the end of that step.
  const std::uint32_t padded = (rows_ + 15) / 16 * 16;
  std::fill(first_.begin() + rows_, first_.end(), first_[rows_ - 1]);
  std::fill(bounds_.ends[0].begin() + rows_, bounds_.ends[0].end(), bounds_.ends[0][rows_ - 1]);
  for (; filled_ < padded; filled_ += 16)
    ops_.fill(blanks, first_.data() + filled_, filled_, binding_.columns.size(), bounds_);
  filled_ = rows_;
}

void FlowTile::flush() {
  if (rows_ == 0) return;
  live_ = first_rows(rows_);
  without_start_ = binding_.has_start ? 0 : live_;
  std::memcpy(out_.line_bytes.data() + out_.size, line_bytes_.data(), sizeof line_bytes_);
  std::memset(out_.status.data() + out_.size, 0, kTileRows);
  std::memset(out_.action.data() + out_.size, 0, kTileRows);
  std::memset(out_.direction.data() + out_.size, 0, kTileRows);
  for (const std::uint8_t index : binding_.order) decode(index);
  count_rows();
  if (live_ != first_rows(rows_)) close_gaps();
  write_presence();
  out_.size += static_cast<std::uint32_t>(std::popcount(live_));
  rows_ = 0;
  filled_ = 0;
  make_room();
}

void FlowTile::decode(std::size_t index) {
  using Step = FlowBinding::Step;
  const FlowBinding::Column& column = binding_.columns[index];
  const FlowTokens tokens{buffer_.data(), bounds_.ends[index].data(),
                          bounds_.ends[index + 1].data(), rows_};
  absent_ = 0;
  switch (column.step) {
    case Step::kSkip:
      return;
    case Step::kText:
      absent_ = ops_.texts(tokens, scalar_.texts(column.field) + out_.size).absent;
      break;
    case Step::kKnownText:
      decode_known_text(tokens, column.field);
      break;
    case Step::kNumber:
    case Step::kRequiredNumber:
    case Step::kCheckNumber:
      decode_number(tokens, column);
      break;
    case Step::kAddress:
    case Step::kRequiredAddress:
    case Step::kCheckAddress:
      decode_address(tokens, column);
      break;
    case Step::kStatus:
      decode_status(tokens);
      break;
    case Step::kAction:
      decode_word(tokens, kActionWords, codes(out_.action) + out_.size);
      break;
    case Step::kDirection:
      decode_word(tokens, kDirectionWords, codes(out_.direction) + out_.size);
      break;
  }
  absent_of_[index] = absent_;
}

void FlowTile::decode_number(const FlowTokens& tokens, const FlowBinding::Column& column) {
  using Step = FlowBinding::Step;
  std::uint64_t* const out = column.step == Step::kCheckNumber
                                 ? unasked_numbers_.data()
                                 : scalar_.numbers(column.field) + out_.size;
  const FlowFound found = ops_.numbers(tokens, column.number_max, out);
  absent_ = found.absent;
  std::uint64_t bad = found.bad & live_;
  std::uint64_t excused = 0;
  const char* const readable_end = buffer_.data() + buffer_.size();
  for (std::uint64_t rest = bad; rest != 0; rest &= rest - 1) {
    const std::uint32_t row = lowest_row(rest);
    const std::string_view text = tokens.view(row);
    if (parse_number(text.data(), text.size(), readable_end, out[row]) &&
        out[row] <= column.number_max) {
      bad &= ~(rest & (0 - rest));
      continue;
    }
    out[row] = 0;
    if (column.step == Step::kNumber || is_without_flows(row)) excused |= rest & (0 - rest);
  }
  absent_ |= excused;
  if (column.field == static_cast<std::uint8_t>(FlowField::kStart)) without_start_ = absent_;
  if (bad == 0) return;
  excuse(excused);
  fail(bad & ~excused, FlowDrop::kBadNumber);
}

void FlowTile::decode_address(const FlowTokens& tokens, const FlowBinding::Column& column) {
  using Step = FlowBinding::Step;
  IpAddress* const out = column.step == Step::kCheckAddress
                             ? unasked_addresses_.data()
                             : scalar_.addresses(column.field) + out_.size;
  std::uint64_t bad = ops_.addresses(tokens, out).bad & live_;
  std::uint64_t excused = 0;
  for (std::uint64_t rest = bad; rest != 0; rest &= rest - 1) {
    const std::uint64_t bit = rest & (0 - rest);
    const std::uint32_t row = lowest_row(rest);
    const std::string_view text = tokens.view(row);
    const bool is_absent = text == "-";
    if (is_absent) absent_ |= bit;
    if (is_absent || parse_address(text.data(), text.size(), out[row])) bad &= ~bit;
    if (((absent_ | bad) & bit) == 0) continue;
    out[row] = {};
    if (!is_absent && (column.step == Step::kAddress || is_without_flows(row))) excused |= bit;
  }
  if (bad == 0) return;
  absent_ |= excused;
  excuse(excused);
  fail(bad & ~excused, FlowDrop::kBadAddress);
}

void FlowTile::decode_known_text(const FlowTokens& tokens, std::uint8_t field) {
  absent_ = ops_.texts(tokens, scalar_.texts(field) + out_.size).absent;
  std::uint64_t unsure = live_ & ~absent_;
  if (field == static_cast<std::uint8_t>(FlowField::kType)) {
    std::array<std::uint8_t, kTileRows> unused;
    unsure &= ops_.words(tokens, kTypeWords, unused.data()).bad;
  }
  for (; unsure != 0; unsure &= unsure - 1) {
    const std::string_view text = tokens.view(lowest_row(unsure));
    counts_.unknown_values += is_known_text(static_cast<FlowField>(field), text) ? 0 : 1;
  }
}

void FlowTile::decode_status(const FlowTokens& tokens) {
  const FlowFound found = ops_.words(tokens, kStatusWords, codes(out_.status) + out_.size);
  const std::uint64_t bad = (found.bad | found.absent) & live_;
  if (bad != 0) fail(bad, FlowDrop::kBadStatus);
}

void FlowTile::decode_word(const FlowTokens& tokens, const FlowWords& words, std::uint8_t* out) {
  const FlowFound found = ops_.words(tokens, words, out);
  absent_ = found.absent;
  counts_.unknown_values += count(found.bad & live_);
}

/// A record of status NODATA or SKIPDATA: whatever stands in place of its flow is absent.
bool FlowTile::is_without_flows(std::uint32_t row) const noexcept {
  for (const std::uint8_t index : binding_.order) {
    if (binding_.columns[index].step != FlowBinding::Step::kStatus) continue;
    const FlowTokens tokens{buffer_.data(), bounds_.ends[index].data(),
                            bounds_.ends[index + 1].data(), rows_};
    const std::string_view status = tokens.view(row);
    return status == "NODATA" || status == "SKIPDATA";
  }
  return false;
}

/// Counts bad values, later: another column may still drop their rows.
void FlowTile::excuse(std::uint64_t rows) noexcept {
  if (rows != 0) excused_[excused_columns_++] = rows;
}

/// Drops rows. Those of an envelope are read once more: they may be no flow records at all.
void FlowTile::fail(std::uint64_t rows, FlowDrop reason) {
  if (rows == 0) return;
  live_ &= ~rows;
  if (!options_.enveloped) {
    counts_.dropped[static_cast<std::size_t>(reason)] += count(rows);
    if (options_.samples != nullptr) {
      const std::uint32_t row = lowest_row(rows);
      const std::size_t begin = bounds_.ends[0][row] + 1;
      options_.samples->note(
          reason, buffer_.substr(begin, bounds_.ends[binding_.columns.size()][row] - begin));
    }
    return;
  }
  for (; rows != 0; rows &= rows - 1) {
    // A row begins behind the time of an export; the line does not.
    const std::size_t feed = buffer_.rfind('\n', bounds_.ends[1][lowest_row(rows)] - 1);
    const std::size_t begin = feed == std::string_view::npos ? 0 : feed + 1;
    static_cast<void>(scalar_.judge(buffer_.data() + begin, buffer_.data() + buffer_.size()));
    scalar_.drop(reason);
  }
}

void FlowTile::count_rows() noexcept {
  std::uint64_t nodata = 0;
  std::uint64_t skipdata = 0;
  const LogStatus* const status = out_.status.data() + out_.size;
  for (std::uint32_t row = 0; row < kTileRows; row += 8) {
    if (load_word(reinterpret_cast<const char*>(status + row)) == 0) [[likely]]
      continue;
    for (std::uint32_t i = row; i < row + 8; ++i) {
      nodata |= std::uint64_t{status[i] == LogStatus::kNoData} << i;
      skipdata |= std::uint64_t{status[i] == LogStatus::kSkipData} << i;
    }
  }
  for (; excused_columns_ > 0; --excused_columns_)
    counts_.absent_optional += count(excused_[excused_columns_ - 1] & live_);
  nodata &= live_;
  skipdata &= live_;
  const std::uint64_t ok = live_ & ~(nodata | skipdata);
  counts_.ok += count(ok);
  counts_.nodata += count(nodata);
  counts_.skipdata += count(skipdata);
  // NODATA and SKIPDATA have no bytes by nature; their start alone places them.
  counts_.unwindowed += count((live_ & without_start_) | (binding_.has_bytes ? 0 : ok));
}

void FlowTile::close_gaps() noexcept {
  const std::uint32_t at = out_.size;
  const auto close = [this, at](auto* column) {
    ops_.close_gaps(column + at, sizeof *column, live_);
  };
  close(out_.line_bytes.data());
  close(out_.status.data());
  close(out_.action.data());
  close(out_.direction.data());
  for (const std::uint8_t index : binding_.order) {
    const std::uint8_t field = binding_.columns[index].field;
    if (!binding_.filled.has(static_cast<FlowField>(field))) continue;
    absent_of_[index] = close_gaps_in(absent_of_[index], live_, rows_);
    switch (info(static_cast<FlowField>(field)).type) {
      case FieldType::kNumber:
        close(scalar_.numbers(field));
        break;
      case FieldType::kText:
        close(scalar_.texts(field));
        break;
      case FieldType::kAddress:
        close(scalar_.addresses(field));
        break;
      case FieldType::kStatus:
      case FieldType::kAction:
      case FieldType::kDirection:
        break;
    }
  }
  live_ = first_rows(static_cast<std::uint32_t>(std::popcount(live_)));
}

/// Bits behind the last record stay 1, as the scalar kernel keeps them.
void FlowTile::write_presence() noexcept {
  const std::uint32_t word = out_.size / 64;
  const std::uint32_t shift = out_.size % 64;
  for (const std::uint8_t index : binding_.order) {
    const std::uint8_t field = binding_.columns[index].field;
    if (!binding_.filled.has(static_cast<FlowField>(field))) continue;
    const std::uint64_t absent = absent_of_[index] & live_;
    std::uint64_t* const bits = out_.presence[field].data() + word;
    if (shift == 0) {
      bits[0] = ~absent;
    } else {
      bits[0] &= ~(absent << shift);
      bits[1] = ~(absent >> (64 - shift));
    }
  }
}

}  // namespace fleetmeter::parsers
