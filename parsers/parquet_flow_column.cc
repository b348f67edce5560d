#include "parsers/parquet_flow_column.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

#include "parsers/account.h"
#include "parsers/flow_parser.h"
#include "parsers/flow_values.h"
#include "parsers/flow_words.h"
#include "parsers/parquet_column.h"

namespace fleetmeter::parsers {
namespace {

using Form = ParquetColumnReader::Form;

/// What a value is to its record.
enum class Verdict : std::uint8_t {
  kGood,
  kAbsent,   // "-"
  kBad,      // Absent and counted; of a required field the end of a record that has a flow.
  kUnknown,  // A word that no version knows: kept as it is.
  kNotText,  // Holds a control byte: the record's end.
  kTooLong,  // The record's end.
};

constexpr std::size_t kDigitsMax = 20;

bool is_absent(std::string_view text) noexcept { return text.size() == 1 && text[0] == '-'; }

bool has_control_byte(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

bool is_account(FlowField field) noexcept {
  return field == FlowField::kAccountId || field == FlowField::kTgwSrcVpcAccountId ||
         field == FlowField::kTgwDstVpcAccountId;
}

/// Judges stored values of one field. Numbers stored for text fields become digits in `digits`,
/// which has room for them.
struct Judge {
  FlowField field;
  const FieldInfo& facts;
  std::string* digits;

  Verdict operator()(std::int64_t raw, std::uint64_t& value) const noexcept {
    value = static_cast<std::uint64_t>(raw);  // A negative one is beyond every limit.
    return value <= facts.number_max ? Verdict::kGood : Verdict::kBad;
  }
  Verdict operator()(std::string_view raw, std::uint64_t& value) const noexcept {
    value = 0;
    if (is_absent(raw)) return Verdict::kAbsent;
    const bool good = parse_number(raw.data(), raw.size(), raw.data() + raw.size(), value);
    return good && value <= facts.number_max ? Verdict::kGood : Verdict::kBad;
  }
  Verdict operator()(std::string_view raw, std::string_view& value) const noexcept {
    value = raw;
    if (is_absent(raw)) return Verdict::kAbsent;
    if (raw.empty()) return Verdict::kBad;  // No text of ours is empty.
    if (raw.size() > kFlowLineBytesMax) return Verdict::kTooLong;
    if (has_control_byte(raw)) return Verdict::kNotText;
    return is_known_text(field, raw) ? Verdict::kGood : Verdict::kUnknown;
  }
  /// Converters read ids as numbers: of an account's twelve digits only the zeros in front are lost.
  Verdict operator()(std::int64_t raw, std::string_view& value) const noexcept {
    if (raw < 0) return Verdict::kBad;
    char text[kDigitsMax];
    const auto end = std::to_chars(text, text + sizeof text, raw).ptr;
    const auto count = static_cast<std::size_t>(end - text);
    const std::size_t zeros =
        is_account(field) && count < kAccountDigits ? kAccountDigits - count : 0;
    const std::size_t begin = digits->size();
    digits->append(zeros, '0').append(text, count);
    value = std::string_view(*digits).substr(begin);
    return is_known_text(field, value) ? Verdict::kGood : Verdict::kUnknown;
  }
  Verdict operator()(std::string_view raw, IpAddress& value) const noexcept {
    if (is_absent(raw)) return Verdict::kAbsent;
    return parse_address(raw.data(), raw.size(), value) ? Verdict::kGood : Verdict::kBad;
  }
  Verdict operator()(std::string_view raw, LogStatus& value) const noexcept {
    return read_word(raw, value) ? Verdict::kGood : Verdict::kBad;
  }
  Verdict operator()(std::string_view raw, Action& value) const noexcept {
    return word(raw, value);
  }
  Verdict operator()(std::string_view raw, Direction& value) const noexcept {
    return word(raw, value);
  }

 private:
  template <typename Word>
  static Verdict word(std::string_view raw, Word& value) noexcept {
    value = {};
    if (is_absent(raw)) return Verdict::kAbsent;
    return read_word(raw, value) ? Verdict::kGood : Verdict::kUnknown;
  }
};

FlowDrop drop_of(FieldType type) noexcept {
  if (type == FieldType::kStatus) return FlowDrop::kBadStatus;
  return type == FieldType::kAddress ? FlowDrop::kBadAddress : FlowDrop::kBadNumber;
}

void end_record(std::size_t row, FlowDrop reason, ParquetRows& marks) noexcept {
  marks.any_drop = true;
  if (reason != FlowDrop::kBadNumber && reason != FlowDrop::kBadAddress)
    marks.unplaced[row] |= ParquetRows::kNoRecord;
  // A record is dropped for its first wrong column, as a line is.
  if (marks.drop[row] == ParquetRows::kKept) marks.drop[row] = static_cast<std::uint8_t>(reason);
}

/// Where the values of a field go; nullptr: nowhere, they are only judged.
template <typename T>
T* column_of(FlowField field, bool is_asked, FlowColumns& out) noexcept {
  const auto index = static_cast<std::size_t>(field);
  if constexpr (std::is_same_v<T, LogStatus>) return out.status.data();
  if constexpr (std::is_same_v<T, Action>) return out.action.data();
  if constexpr (std::is_same_v<T, Direction>) return out.direction.data();
  if (!is_asked) return nullptr;
  if constexpr (std::is_same_v<T, std::uint64_t>) return out.number_columns[index].data();
  if constexpr (std::is_same_v<T, std::string_view>) return out.text_columns[index].data();
  if constexpr (std::is_same_v<T, IpAddress>) return out.address_columns[index].data();
  return nullptr;
}

/// Where one field's values are put, and what is wrong with them.
template <typename T>
struct Place {
  FlowField field;
  bool is_asked;
  T* column;
  FlowColumns& out;
  ParquetRows& marks;

  void put(std::size_t row, const T& value) const noexcept {
    if (column != nullptr) column[row] = value;
  }
  void put_absent(std::size_t row) const noexcept {
    if constexpr (std::is_same_v<T, LogStatus>) {
      // The one field that may not be absent.
      end_record(row, FlowDrop::kBadStatus, marks);
    }
    if (field == FlowField::kStart) marks.unplaced[row] |= ParquetRows::kNoStart;
    put(row, T{});
    if (!is_asked) return;
    out.presence[static_cast<std::size_t>(field)][row / 64] &= ~(std::uint64_t{1} << (row % 64));
  }
  void put_judged(std::size_t row, Verdict verdict, const T& value) const noexcept {
    switch (verdict) {
      case Verdict::kGood:
        return put(row, value);
      case Verdict::kUnknown:
        ++marks.unknown[row];
        return put(row, value);
      case Verdict::kAbsent:
        return put_absent(row);
      case Verdict::kBad:
        if (info(field).required) end_record(row, drop_of(info(field).type), marks);
        ++marks.bad[row];
        return put_absent(row);
      case Verdict::kNotText:
        put_absent(row);
        return end_record(row, FlowDrop::kNotText, marks);
      case Verdict::kTooLong:
        put_absent(row);
        return end_record(row, FlowDrop::kLineTooLong, marks);
    }
  }
};

template <typename T>
struct Judged {
  std::vector<T> values;
  std::vector<Verdict> verdicts;
  bool is_clean = true;  // All are good.

  void resize(std::size_t count) {
    values.resize(count);
    verdicts.resize(count);
  }
};

template <typename T>
class TypedColumn final : public ParquetFlowColumn {
 public:
  TypedColumn(const ParquetColumn& column, FlowField field, bool is_asked, ParquetContext& context)
      : field_(field), is_asked_(is_asked), context_(context), reader_(column, context) {}

  void start(const ParquetChunk& chunk) override { reader_.start(chunk); }

  std::size_t rows_ready(std::size_t rows) override {
    if (!reader_.prepare()) return 0;
    // Texts lie in the page, or in a dictionary that the next row group replaces.
    if constexpr (!std::is_same_v<T, std::string_view>) return rows;
    return is_asked_ ? std::min<std::size_t>(rows, reader_.rows_left()) : rows;
  }

  bool decode(std::size_t rows, FlowColumns& out, ParquetRows& marks) override {
    const Place<T> place{field_, is_asked_, column_of<T>(field_, is_asked_, out), out, marks};
    for (std::size_t at = 0; at < rows;) {
      if (!reader_.prepare()) return false;
      if (reader_.rows_left() == 0) return context_.problem.damaged("with a column short of rows");
      const std::size_t run = std::min<std::size_t>(rows - at, reader_.rows_left());
      if (!decode_run(at, run, place)) return false;
      at += run;
    }
    return true;
  }

 private:
  bool decode_run(std::size_t at, std::size_t rows, const Place<T>& place) {
    ParquetLevels levels;
    if (!reader_.levels(rows, levels)) return false;
    if (reader_.form() != Form::kDictionary) {
      if (!judge_next(levels.present)) return false;
      scatter(
          at, rows, levels, page_, [](std::size_t i) { return i; }, place);
      return true;
    }
    if (dictionary_serial_ != reader_.dictionary_serial() && !judge_dictionary()) return false;
    indexes_.resize(std::max(indexes_.size(), levels.present));
    if (!reader_.read_indexes(indexes_.data(), levels.present)) return false;
    const std::uint32_t* const indexes = indexes_.data();
    scatter(
        at, rows, levels, dictionary_, [indexes](std::size_t i) { return indexes[i]; }, place);
    return true;
  }

  template <typename IndexOf>
  static void scatter(std::size_t at, std::size_t rows, const ParquetLevels& levels,
                      const Judged<T>& judged, IndexOf index_of, const Place<T>& place) {
    const T* const values = judged.values.data();
    if (levels.present == rows && judged.is_clean) {
      if (place.column == nullptr) return;
      T* const out = place.column + at;
      for (std::size_t i = 0; i < rows; ++i) out[i] = values[index_of(i)];
      return;
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      const bool is_present = levels.each.empty() ? levels.present > 0 : levels.each[i] != 0;
      if (!is_present) {
        place.put_absent(at + i);
        continue;
      }
      const std::size_t index = index_of(next++);
      place.put_judged(at + i, judged.verdicts[index], values[index]);
    }
  }

  template <typename Raw>
  void judge_all(const Raw* raw, std::size_t count, std::string& digits, Judged<T>& judged) {
    if constexpr (std::is_invocable_v<Judge, Raw, T&>) {
      digits.clear();
      if constexpr (std::is_same_v<Raw, std::int64_t> && std::is_same_v<T, std::string_view>)
        digits.reserve(count * kDigitsMax);  // Its views stay where they are.
      const Judge judge{field_, info(field_), &digits};
      judged.is_clean = true;
      for (std::size_t i = 0; i < count; ++i) {
        judged.verdicts[i] = judge(raw[i], judged.values[i]);
        judged.is_clean = judged.is_clean && judged.verdicts[i] == Verdict::kGood;
      }
    }
  }

  bool judge_dictionary() {
    const auto numbers = reader_.dictionary_numbers();
    const auto texts = reader_.dictionary_texts();
    const std::size_t count = std::max(numbers.size(), texts.size());
    const bool has_digits = std::is_same_v<T, std::string_view> && !numbers.empty();
    context_.allowance += charge_;
    charge_ = count * (sizeof(T) + sizeof(Verdict) + (has_digits ? kDigitsMax : 0));
    if (charge_ > context_.allowance) {
      charge_ = 0;
      return context_.problem.set(PayloadDrop::kTooLarge,
                                  "whose dictionaries need over 512 MiB of memory at once");
    }
    context_.allowance -= charge_;
    dictionary_.resize(count);
    judge_all(numbers.data(), numbers.size(), dictionary_digits_, dictionary_);
    if (!texts.empty()) judge_all(texts.data(), texts.size(), dictionary_digits_, dictionary_);
    dictionary_serial_ = reader_.dictionary_serial();
    return true;
  }

  bool judge_next(std::size_t count) {
    if (page_.values.size() < count) page_.resize(count);
    if (reader_.form() == Form::kNumbers) {
      raw_numbers_.resize(std::max(raw_numbers_.size(), count));
      if (!reader_.read_numbers(raw_numbers_.data(), count)) return false;
      judge_all(raw_numbers_.data(), count, page_digits_, page_);
    } else {
      raw_texts_.resize(std::max(raw_texts_.size(), count));
      if (!reader_.read_texts(raw_texts_.data(), count)) return false;
      judge_all(raw_texts_.data(), count, page_digits_, page_);
    }
    return true;
  }

  const FlowField field_;
  const bool is_asked_;
  ParquetContext& context_;
  ParquetColumnReader reader_;
  std::uint64_t dictionary_serial_ = 0;  // Of the one that was judged.
  std::size_t charge_ = 0;               // Of the shared allowance, for it.
  Judged<T> dictionary_, page_;
  std::string dictionary_digits_, page_digits_;
  std::vector<std::uint32_t> indexes_;
  std::vector<std::int64_t> raw_numbers_;
  std::vector<std::string_view> raw_texts_;
};

/// Can a column stored so hold the field?
bool check_type(const ParquetColumn& column, FlowField field, ParquetProblem& problem) {
  const FieldType type = info(field).type;
  const bool is_integer = column.type == ParquetType::kInt32 || column.type == ParquetType::kInt64;
  const bool takes_integers = type == FieldType::kNumber || type == FieldType::kText;
  const std::string name = "whose column `" + column.name + "` is ";
  if (column.odd_meaning != nullptr)
    return problem.damaged(name + column.odd_meaning + ", not what flow logs have there");
  if (column.type == ParquetType::kByteArray || (is_integer && takes_integers)) return true;
  return problem.damaged(name + "stored as " + parquet_type_name(column.type) +
                         "; flow logs have " +
                         (type == FieldType::kNumber ? "INT32 or INT64" : "BYTE_ARRAY") + " there");
}

}  // namespace

void ParquetRows::reset(std::size_t rows, std::uint8_t unplaced_by_schema) {
  drop.assign(rows, kKept);
  bad.assign(rows, 0);
  unknown.assign(rows, 0);
  unplaced.assign(rows, unplaced_by_schema);
  any_drop = false;
}

std::unique_ptr<ParquetFlowColumn> ParquetFlowColumn::make(const ParquetColumn& column,
                                                           FlowField field, bool is_asked,
                                                           ParquetContext& context) {
  if (!check_type(column, field, context.problem)) return nullptr;
  switch (info(field).type) {
    case FieldType::kNumber:
      return std::make_unique<TypedColumn<std::uint64_t>>(column, field, is_asked, context);
    case FieldType::kText:
      return std::make_unique<TypedColumn<std::string_view>>(column, field, is_asked, context);
    case FieldType::kAddress:
      return std::make_unique<TypedColumn<IpAddress>>(column, field, is_asked, context);
    case FieldType::kStatus:
      return std::make_unique<TypedColumn<LogStatus>>(column, field, is_asked, context);
    case FieldType::kAction:
      return std::make_unique<TypedColumn<Action>>(column, field, is_asked, context);
    case FieldType::kDirection:
      return std::make_unique<TypedColumn<Direction>>(column, field, is_asked, context);
  }
  return nullptr;
}

template <typename T>
void put_nulls(FlowField field, bool is_asked, std::size_t rows, FlowColumns& out,
               ParquetRows& marks) {
  const Place<T> place{field, is_asked, column_of<T>(field, is_asked, out), out, marks};
  for (std::size_t row = 0; row < rows; ++row) place.put_absent(row);
}

void put_null_column(FlowField field, bool is_asked, std::size_t rows, FlowColumns& out,
                     ParquetRows& marks) {
  switch (info(field).type) {
    case FieldType::kNumber:
      return put_nulls<std::uint64_t>(field, is_asked, rows, out, marks);
    case FieldType::kText:
      return put_nulls<std::string_view>(field, is_asked, rows, out, marks);
    case FieldType::kAddress:
      return put_nulls<IpAddress>(field, is_asked, rows, out, marks);
    case FieldType::kStatus:
      return put_nulls<LogStatus>(field, is_asked, rows, out, marks);
    case FieldType::kAction:
      return put_nulls<Action>(field, is_asked, rows, out, marks);
    case FieldType::kDirection:
      return put_nulls<Direction>(field, is_asked, rows, out, marks);
  }
}

}  // namespace fleetmeter::parsers
