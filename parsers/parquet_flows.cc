#include "parsers/parquet_flows.h"

#include <algorithm>
#include <bitset>
#include <optional>

#include "parsers/parquet_flow_column.h"

namespace fleetmeter::parsers {
namespace {

/// A column that is read: of the schema, and the field that it is.
struct Binding {
  std::size_t column;
  FlowField field;
  bool is_asked;
  bool is_null;  ///< Of the type that has no values.
  std::unique_ptr<ParquetFlowColumn> values;
};

bool is_read(FlowField field, bool is_asked) noexcept {
  const FieldInfo& facts = info(field);
  return is_asked || facts.required || facts.type == FieldType::kAction ||
         facts.type == FieldType::kDirection || field == FlowField::kStart ||
         field == FlowField::kBytes;
}

template <typename T>
void grow(std::vector<T>& column, std::size_t rows) {
  if (column.size() < rows) column.resize(rows);
}

/// Room for `rows` in the column of a field, all of them present.
void prepare_field(FlowField field, std::size_t rows, FlowColumns& out) {
  const auto index = static_cast<std::size_t>(field);
  out.presence[index].assign(rows / 64 + 1, ~std::uint64_t{0});
  switch (info(field).type) {
    case FieldType::kNumber:
      return grow(out.number_columns[index], rows);
    case FieldType::kText:
      return grow(out.text_columns[index], rows);
    case FieldType::kAddress:
      return grow(out.address_columns[index], rows);
    case FieldType::kStatus:
    case FieldType::kAction:
    case FieldType::kDirection:
      return;
  }
}

/// Takes out the entries of dropped rows.
template <typename T>
void compact(std::vector<T>& column, const std::vector<std::uint8_t>& drop) {
  std::size_t kept = 0;
  for (std::size_t row = 0; row < drop.size(); ++row) {
    if (drop[row] == ParquetRows::kKept) column[kept++] = column[row];
  }
}

void compact_bits(std::vector<std::uint64_t>& bits, const std::vector<std::uint8_t>& drop) {
  std::size_t kept = 0;
  for (std::size_t row = 0; row < drop.size(); ++row) {
    if (drop[row] != ParquetRows::kKept) continue;
    const std::uint64_t bit = (bits[row / 64] >> (row % 64)) & 1;
    std::uint64_t& word = bits[kept / 64];
    word = (word & ~(std::uint64_t{1} << (kept % 64))) | bit << (kept % 64);
    ++kept;
  }
}

void compact_field(FlowField field, FlowColumns& out, const std::vector<std::uint8_t>& drop) {
  const auto index = static_cast<std::size_t>(field);
  compact_bits(out.presence[index], drop);
  switch (info(field).type) {
    case FieldType::kNumber:
      return compact(out.number_columns[index], drop);
    case FieldType::kText:
      return compact(out.text_columns[index], drop);
    case FieldType::kAddress:
      return compact(out.address_columns[index], drop);
    case FieldType::kStatus:
    case FieldType::kAction:
    case FieldType::kDirection:
      return;
  }
}

}  // namespace

struct ParquetFlows::State {
  State(const RandomAccess& given, FieldSet asked_fields, std::uint32_t records)
      : bytes(given), asked(asked_fields), batch_records(std::max(records, 1u)) {}

  bool open(std::uint64_t first_row, FlowCounts& counts) {
    if (!read_parquet_footer(bytes, footer, problem)) return false;
    context.allowance -= std::min(context.allowance, footer.held_bytes());
    if (!bind(counts)) return false;
    std::uint64_t before = 0;
    while (group < footer.group_rows.size() && before + footer.group_rows[group] <= first_row)
      before += footer.group_rows[group++];
    row = before;
    if (!start_group()) return false;
    return skip_to(first_row);
  }

  /// Which fields the columns are. Held to what a header line is held to, so that not any Parquet
  /// file with one such column passes.
  bool bind(FlowCounts& counts) {
    std::bitset<kFlowFieldCount> seen;
    std::uint32_t unknown = 0;
    for (std::size_t i = 0; i < footer.columns.size(); ++i) {
      const ParquetColumn& column = footer.columns[i];
      const std::optional<FlowField> field = find_field(column.name);
      if (!field || seen.test(static_cast<std::size_t>(*field))) {
        ++unknown;
        continue;
      }
      seen.set(static_cast<std::size_t>(*field));
      if (!bind(i, *field)) return false;
    }
    if (unknown * 2 > footer.columns.size())
      return problem.damaged("that is no flow log: " + std::to_string(unknown) + " of its " +
                             std::to_string(footer.columns.size()) +
                             " columns are none of a flow log's");
    counts.unknown_fields += unknown;
    unplaced_by_schema =
        (seen.test(static_cast<std::size_t>(FlowField::kStart)) ? 0 : ParquetRows::kNoStart) |
        (seen.test(static_cast<std::size_t>(FlowField::kBytes)) ? 0 : ParquetRows::kNoBytes);
    return true;
  }

  bool bind(std::size_t index, FlowField field) {
    const ParquetColumn& column = footer.columns[index];
    const bool is_asked = asked.has(field);
    if (is_asked) filled.add(field);
    if (!is_read(field, is_asked)) return true;
    Binding binding{index, field, is_asked, column.is_null, nullptr};
    if (!column.is_null) {
      binding.values = ParquetFlowColumn::make(column, field, is_asked, context);
      if (!binding.values || !check_chunks(index)) return false;
    }
    bindings.push_back(std::move(binding));
    return true;
  }

  /// What no page of a column may be, known before the first row is read.
  bool check_chunks(std::size_t column) {
    const std::string name = "whose column `" + footer.columns[column].name + "` is ";
    for (std::size_t i = 0; i < footer.group_rows.size(); ++i) {
      const ParquetChunk& chunk = footer.chunk(i, column);
      if (chunk.is_encrypted) return problem.damaged(name + "encrypted");
      switch (static_cast<ParquetCodec>(chunk.codec)) {
        case ParquetCodec::kNone:
        case ParquetCodec::kSnappy:
        case ParquetCodec::kGzip:
        case ParquetCodec::kZstd:
          break;
        default:
          return problem.damaged(name + "compressed by " + parquet_codec_name(chunk.codec) +
                                 "; SNAPPY, GZIP and ZSTD are read");
      }
      for (int encoding = 0; encoding < 32; ++encoding) {
        constexpr int kBitPacked = 4;  // Named for levels that a flat column does not have.
        const bool is_known = encoding <= 8 && encoding != 1;
        if ((chunk.encodings >> encoding & 1) != 0 && !is_known && encoding != kBitPacked)
          return problem.damaged(name + "stored as " + parquet_encoding_name(encoding) +
                                 ", which is not read");
      }
    }
    return true;
  }

  bool start_group() {
    group_row = 0;
    if (group == footer.group_rows.size()) return true;
    for (Binding& binding : bindings) {
      if (binding.values) binding.values->start(footer.chunk(group, binding.column));
    }
    return true;
  }

  /// Rows in front of a resumed position, in its row group: decoded and forgotten.
  bool skip_to(std::uint64_t first_row) {
    FlowColumns unused;
    FlowCounts uncounted;
    const std::uint32_t whole_batch = batch_records;
    while (row < first_row && group < footer.group_rows.size()) {
      batch_records =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(whole_batch, first_row - row));
      if (!next(unused, uncounted)) break;
    }
    batch_records = whole_batch;
    context.plain_bytes = 0;
    return !problem.any();
  }

  bool next(FlowColumns& out, FlowCounts& counts) {
    out.clear();
    out.fields = filled;
    if (problem.any()) return false;
    while (group < footer.group_rows.size() && group_row == footer.group_rows[group]) {
      ++group;
      if (!start_group()) return false;
    }
    if (group == footer.group_rows.size()) return false;
    std::size_t count = static_cast<std::size_t>(
        std::min<std::uint64_t>(batch_records, footer.group_rows[group] - group_row));
    for (Binding& binding : bindings) {
      if (binding.values) count = binding.values->rows_ready(count);
      if (count == 0) {
        problem.damaged("with a column short of rows");  // If no better one stands.
        return false;
      }
    }
    prepare(count, out);
    for (Binding& binding : bindings) {
      if (!binding.values) {
        put_null_column(binding.field, binding.is_asked, count, out, marks);
      } else if (!binding.values->decode(count, out, marks)) {
        out.clear();
        return false;
      }
    }
    group_row += count;
    row += count;
    finish(count, out, counts);
    return true;
  }

  void prepare(std::size_t count, FlowColumns& out) {
    out.status.assign(count, LogStatus::kOk);
    out.action.assign(count, Action::kNone);
    out.direction.assign(count, Direction::kUnknown);
    for (const Binding& binding : bindings) {
      if (binding.is_asked) prepare_field(binding.field, count, out);
    }
    marks.reset(count, unplaced_by_schema);
  }

  void finish(std::size_t count, FlowColumns& out, FlowCounts& counts) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      // Where there is no flow, nothing that stands in its place is wrong.
      if (out.status[i] != LogStatus::kOk && (marks.unplaced[i] & ParquetRows::kNoRecord) == 0)
        marks.drop[i] = ParquetRows::kKept;
      if (marks.drop[i] != ParquetRows::kKept) {
        ++counts.dropped[marks.drop[i]];
        continue;
      }
      ++kept;
      counts.absent_optional += marks.bad[i];
      counts.unknown_values += marks.unknown[i];
      count_status(out.status[i], marks.unplaced[i], counts);
    }
    if (marks.any_drop) {
      for (const Binding& binding : bindings) {
        if (binding.is_asked) compact_field(binding.field, out, marks.drop);
      }
      compact(out.status, marks.drop);
      compact(out.action, marks.drop);
      compact(out.direction, marks.drop);
    }
    out.status.resize(kept);
    out.action.resize(kept);
    out.direction.resize(kept);
    out.line_bytes.assign(kept, 0);
    out.size = static_cast<std::uint32_t>(kept);
  }

  static void count_status(LogStatus status, std::uint8_t unplaced, FlowCounts& counts) noexcept {
    switch (status) {
      case LogStatus::kOk:
        ++counts.ok;
        counts.unwindowed += unplaced != 0 ? 1 : 0;
        return;
      case LogStatus::kNoData:
        ++counts.nodata;
        break;
      case LogStatus::kSkipData:
        ++counts.skipdata;
        break;
    }
    // These have no bytes by nature; their start alone places them.
    counts.unwindowed += (unplaced & ParquetRows::kNoStart) != 0 ? 1 : 0;
  }

  const RandomAccess& bytes;
  const FieldSet asked;
  std::uint32_t batch_records;
  ParquetProblem problem;
  ParquetFooter footer;
  ParquetContext context{bytes, problem};
  FieldSet filled;
  std::uint8_t unplaced_by_schema = 0;
  std::vector<Binding> bindings;  // In the order of the columns.
  ParquetRows marks;
  std::size_t group = 0;        // The row group that is being read.
  std::uint64_t group_row = 0;  // Rows of it taken.
  std::uint64_t row = 0;
};

ParquetFlows::ParquetFlows(const RandomAccess& bytes, FieldSet fields, std::uint32_t batch_records)
    : state_(std::make_unique<State>(bytes, fields, batch_records)) {}
ParquetFlows::~ParquetFlows() = default;

bool ParquetFlows::open(std::uint64_t first_row, FlowCounts& counts) {
  return state_->open(first_row, counts);
}
bool ParquetFlows::next(FlowColumns& out, FlowCounts& counts) { return state_->next(out, counts); }
std::uint64_t ParquetFlows::row() const noexcept { return state_->row; }
std::uint64_t ParquetFlows::rows() const noexcept { return state_->footer.rows; }
std::uint64_t ParquetFlows::plain_bytes() const noexcept { return state_->context.plain_bytes; }
std::uint64_t ParquetFlows::text_bytes_min() const noexcept {
  return state_->footer.rows * 2 * std::max<std::uint64_t>(state_->bindings.size(), 1);
}
const ParquetProblem& ParquetFlows::problem() const noexcept { return state_->problem; }

}  // namespace fleetmeter::parsers
