#include "parsers/flow_scalar.h"

#include <algorithm>

#include "parsers/flow_values.h"

namespace fleetmeter::parsers {
namespace {

bool take_status(std::string_view value, LogStatus& status) noexcept {
  if (value == "OK") return true;
  status = value == "NODATA" ? LogStatus::kNoData : LogStatus::kSkipData;
  return value == "NODATA" || value == "SKIPDATA";
}

bool is_lowercase(char c) noexcept { return c >= 'a' && c <= 'z'; }

bool is_known_text(std::uint8_t field, std::string_view value) noexcept {
  if (field == static_cast<std::uint8_t>(FlowField::kType))
    return value == "IPv4" || value == "IPv6" || value == "EFA";
  return value == "wavelength" || value == "outpost" || value == "localzone";
}

}  // namespace

FlowParseResult ScalarFlowKernel::run() {
  prepare_columns();
  const char* const begin = buffer_.data();
  const FlowStop stop = parse_lines(begin, lines_end());
  trim_columns();
  return {static_cast<std::size_t>(at_ - begin), stop};
}

const char* ScalarFlowKernel::lines_end() const noexcept {
  const char* const end = buffer_.data() + buffer_.size();
  if (options_.last || buffer_.empty()) return end;
  const std::size_t last = buffer_.rfind('\n');
  return last == std::string_view::npos ? buffer_.data() : buffer_.data() + last + 1;
}

FlowStop ScalarFlowKernel::parse_lines(const char* begin, const char* limit) {
  at_ = begin;
  while (at_ < limit) {
    if (static_cast<unsigned char>(*at_) <= ' ' && skip_blanks(limit) == limit) break;
    if (options_.stop_at_json && is_no_flow_line({at_, static_cast<std::size_t>(limit - at_)}))
      return FlowStop::kJson;
    if (!take(judge(at_, limit))) return FlowStop::kFlush;
    at_ = line_.end < limit ? line_.end + 1 : limit;
  }
  return FlowStop::kNeedMore;
}

/// Blanks before a line, and empty lines, are no part of any record.
const char* ScalarFlowKernel::skip_blanks(const char* limit) noexcept {
  while (at_ < limit && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r' || *at_ == '\n')) ++at_;
  return at_;
}

ScalarFlowKernel::LineKind ScalarFlowKernel::judge(const char* begin, const char* limit) {
  split_line(begin, limit, line_);
  if (line_.end - begin > static_cast<std::ptrdiff_t>(kFlowLineBytesMax))
    return dropped(FlowDrop::kLineTooLong);
  if (!line_.is_text) return dropped(FlowDrop::kNotText);
  if (line_.count == 0) return LineKind::kDone;
  if (line_.count == 1 && line_.tokens[0].view() == "timestamp,message") return LineKind::kDone;
  if (!is_lowercase(*line_.tokens[0].begin) && line_.tokens[0].length >= kExportTimeBytesMin)
    strip_export_time(line_);
  // A time may leave nothing behind it.
  if (!options_.headless && line_.count > 0 && line_.tokens[0].length > 0 &&
      is_lowercase(*line_.tokens[0].begin) && is_header(record_text())) {
    return LineKind::kHeader;
  }
  if (line_.count == binding_.columns.size() && is_of_layout()) return LineKind::kRecord;
  return other_default() ? LineKind::kOtherDefault : dropped(width_reason());
}

/// The tokens of the line, past an export's time and out of its quotes; empty when it has none.
std::string_view ScalarFlowKernel::record_text() const noexcept {
  if (line_.count == 0) return {};
  const Token& last = line_.tokens[line_.count - 1];
  return {line_.begin, static_cast<std::size_t>(last.begin + last.length - line_.begin)};
}

ScalarFlowKernel::LineKind ScalarFlowKernel::dropped(FlowDrop reason) noexcept {
  drop(reason);
  return LineKind::kDone;
}

bool ScalarFlowKernel::take(LineKind kind) {
  switch (kind) {
    case LineKind::kDone:
      return true;
    case LineKind::kHeader:
      return take_header();
    case LineKind::kOtherDefault:
      if (out_.size > 0) return false;
      rebind(*other_default());
      break;
    case LineKind::kRecord:
      break;
  }
  if (out_.size == options_.batch_records) return false;
  take_record();
  return true;
}

bool ScalarFlowKernel::take_header() {
  FlowLayout layout = parse_layout(record_text());
  if (layout.names != binding_.layout.names) {
    if (out_.size > 0) return false;
    counts_.unknown_fields += layout.unknown_columns;
    rebind(std::move(layout));
  } else {
    binding_.layout.implied = false;
  }
  ++counts_.headers;
  return true;
}

void ScalarFlowKernel::rebind(FlowLayout layout) {
  binding_ = FlowBinding(std::move(layout), binding_.asked);
  prepare_columns();
}

/// A line of the layout's width is one of its records, unless the layout is that of gateways and
/// nobody said so.
bool ScalarFlowKernel::is_of_layout() const noexcept {
  return !binding_.layout.tells_gateway() || names_gateway(line_.tokens[1].view());
}

/// The other implied default format, if this line is one of its: the two kinds may share a topic.
std::optional<FlowLayout> ScalarFlowKernel::other_default() const {
  if (!binding_.layout.implied) return std::nullopt;
  if (line_.count == kDefaultColumns) return default_layout();
  if (line_.count == kTransitGatewayColumns && names_gateway(line_.tokens[1].view()))
    return transit_gateway_layout();
  return std::nullopt;
}

FlowDrop ScalarFlowKernel::width_reason() const noexcept {
  if (!binding_.layout.implied || line_.count == 0) return FlowDrop::kFieldCount;
  // The default format is always version 2: another shape of flow record needs a format that
  // nobody gave.
  return line_.tokens[0].view() != "2" && is_flow_like(line_) ? FlowDrop::kNoLayout
                                                              : FlowDrop::kFieldCount;
}

void ScalarFlowKernel::drop(FlowDrop reason) noexcept {
  if (options_.enveloped && !is_flow_like(line_)) reason = FlowDrop::kNotAFlowRecord;
  ++counts_.dropped[static_cast<std::size_t>(reason)];
  if (options_.samples != nullptr) options_.samples->note(reason, record_text());
}

void ScalarFlowKernel::take_record() noexcept {
  if (out_.size % 64 == 0) start_presence_word();
  const std::optional<FlowDrop> wrong = decode_record(out_.size);
  if (wrong) {
    for (const std::uint8_t field : binding_.present_fields) set_present(field);
    return drop(*wrong);
  }
  out_.line_bytes[out_.size] = static_cast<std::uint32_t>(record_bytes());
  const LogStatus status = out_.status[out_.size];
  if (status == LogStatus::kOk) {
    ++counts_.ok;
  } else {
    ++(status == LogStatus::kNoData ? counts_.nodata : counts_.skipdata);
  }
  // NODATA and SKIPDATA have no bytes by nature; their start alone places them.
  const bool windowed = start_present_ && (binding_.has_bytes || status != LogStatus::kOk);
  counts_.unwindowed += windowed ? 0 : 1;
  counts_.absent_optional += absent_optional_;
  counts_.unknown_values += unknown_values_;
  ++out_.size;
}

std::ptrdiff_t ScalarFlowKernel::record_bytes() const noexcept {
  const char* end = line_.end;
  if (end > line_.begin && end[-1] == '\r') --end;
  return end - line_.begin;
}

/// Why the record is dropped, if it is: for its first wrong column. One without flows (NODATA,
/// SKIPDATA) needs none of them, and is not dropped for what stands in their place.
std::optional<FlowDrop> ScalarFlowKernel::decode_record(std::uint32_t record) noexcept {
  out_.status[record] = LogStatus::kOk;
  out_.action[record] = Action::kNone;
  out_.direction[record] = Direction::kUnknown;
  start_present_ = binding_.has_start;
  absent_optional_ = 0;
  unknown_values_ = 0;
  std::optional<FlowDrop> wrong;
  const Token* token = line_.tokens.data();
  for (const FlowBinding::Column& column : binding_.columns) {
    const Token value = *token++;
    using Step = FlowBinding::Step;
    if (column.step == Step::kSkip) continue;
    if (value.absent()) {
      if (column.step == Step::kStatus) return wrong.value_or(FlowDrop::kBadStatus);
      make_absent(column.field);
      if (texts_[column.field] != nullptr) texts_[column.field][record] = value.view();
      continue;
    }
    switch (column.step) {
      case Step::kSkip:
        break;
      case Step::kKnownText:
        unknown_values_ += is_known_text(column.field, value.view()) ? 0 : 1;
        [[fallthrough]];
      case Step::kText:
        texts_[column.field][record] = value.view();
        break;
      case Step::kNumber:
      case Step::kRequiredNumber:
      case Step::kCheckNumber:
        if (!take_number(column, value) && !wrong) wrong = FlowDrop::kBadNumber;
        break;
      case Step::kAddress:
      case Step::kRequiredAddress:
      case Step::kCheckAddress:
        if (!take_address(column, value) && !wrong) wrong = FlowDrop::kBadAddress;
        break;
      case Step::kStatus:
        if (!take_status(value.view(), out_.status[record]))
          return wrong.value_or(FlowDrop::kBadStatus);
        break;
      case Step::kAction:
        take_action(value.view(), out_.action[record]);
        break;
      case Step::kDirection:
        take_direction(value.view(), out_.direction[record]);
        break;
    }
  }
  return out_.status[record] == LogStatus::kOk ? wrong : std::nullopt;
}

/// False when a required field holds no number, or one out of its range.
bool ScalarFlowKernel::take_number(const FlowBinding::Column& column, Token value) noexcept {
  const char* const readable_end = buffer_.data() + buffer_.size();
  std::uint64_t number = 0;
  if (parse_number(value.begin, value.length, readable_end, number) &&
      number <= column.number_max) {
    if (column.step != FlowBinding::Step::kCheckNumber) numbers_[column.field][out_.size] = number;
    return true;
  }
  make_bad_absent(column.field);
  return column.step == FlowBinding::Step::kNumber;
}

/// False when a required field holds no address.
bool ScalarFlowKernel::take_address(const FlowBinding::Column& column, Token value) noexcept {
  IpAddress address;
  if (parse_address(value.begin, value.length, address)) {
    if (column.step != FlowBinding::Step::kCheckAddress)
      addresses_[column.field][out_.size] = address;
    return true;
  }
  make_bad_absent(column.field);
  return column.step == FlowBinding::Step::kAddress;
}

void ScalarFlowKernel::take_action(std::string_view value, Action& action) noexcept {
  if (value == "ACCEPT") {
    action = Action::kAccept;
  } else if (value == "REJECT") {
    action = Action::kReject;
  } else {
    ++unknown_values_;
  }
}

void ScalarFlowKernel::take_direction(std::string_view value, Direction& direction) noexcept {
  if (value == "ingress") {
    direction = Direction::kIngress;
  } else if (value == "egress") {
    direction = Direction::kEgress;
  } else {
    ++unknown_values_;
  }
}

void ScalarFlowKernel::make_absent(std::uint8_t field) noexcept {
  if (field == static_cast<std::uint8_t>(FlowField::kStart)) start_present_ = false;
  if (!binding_.filled.has(static_cast<FlowField>(field))) return;
  out_.presence[field][out_.size / 64] &= ~(std::uint64_t{1} << (out_.size % 64));
  // What FlowColumns says of absent entries.
  if (numbers_[field] != nullptr) numbers_[field][out_.size] = 0;
  if (addresses_[field] != nullptr) addresses_[field][out_.size] = {};
}

void ScalarFlowKernel::make_bad_absent(std::uint8_t field) noexcept {
  make_absent(field);
  ++absent_optional_;
}

void ScalarFlowKernel::set_present(std::uint8_t field) noexcept {
  out_.presence[field][out_.size / 64] |= std::uint64_t{1} << (out_.size % 64);
}

void ScalarFlowKernel::start_presence_word() noexcept {
  for (const std::uint8_t field : binding_.present_fields)
    out_.presence[field][out_.size / 64] = ~std::uint64_t{0};
}

/// Makes room for every record that the buffer can hold: a record takes two bytes a column at
/// least.
void ScalarFlowKernel::prepare_columns() {
  if (out_.size == 0) out_.fields = binding_.filled;
  const std::size_t possible = out_.size + buffer_.size() / (2 * binding_.columns.size()) + 1;
  const std::size_t room =
      std::min<std::size_t>(possible, options_.batch_records) + column_padding_;
  out_.status.resize(room);
  out_.action.resize(room);
  out_.direction.resize(room);
  out_.line_bytes.resize(room);
  for (const std::uint8_t field : binding_.present_fields) grow_column(field, room);
}

void ScalarFlowKernel::grow_column(std::uint8_t field, std::size_t room) {
  auto grow = [room](auto& column) {
    if (column.size() < room) column.resize(room);
    return column.data();
  };
  numbers_[field] = nullptr;
  texts_[field] = nullptr;
  addresses_[field] = nullptr;
  if (out_.presence[field].size() < room / 64 + 1) out_.presence[field].resize(room / 64 + 1);
  switch (info(static_cast<FlowField>(field)).type) {
    case FieldType::kNumber:
      numbers_[field] = grow(out_.number_columns[field]);
      break;
    case FieldType::kText:
      texts_[field] = grow(out_.text_columns[field]);
      break;
    case FieldType::kAddress:
      addresses_[field] = grow(out_.address_columns[field]);
      break;
    case FieldType::kStatus:
    case FieldType::kAction:
    case FieldType::kDirection:
      break;
  }
}

void ScalarFlowKernel::trim_columns() {
  out_.status.resize(out_.size);
  out_.action.resize(out_.size);
  out_.direction.resize(out_.size);
  out_.line_bytes.resize(out_.size);
}

}  // namespace fleetmeter::parsers
