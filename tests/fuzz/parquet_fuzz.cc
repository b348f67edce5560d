// Any footer and pages: no crash, no read outside of the object, no memory or time beyond what the
// object can stand for; and the rows, drops and position do not depend on how they are asked for:
// in batches of any size, by random access or in memory, at once or with a restart in between.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/decoder.h"
#include "parsers/parquet_flows.h"
#include "proto/check.h"

namespace {

using fleetmeter::parsers::FieldSet;
using fleetmeter::parsers::FieldType;
using fleetmeter::parsers::FlowColumns;
using fleetmeter::parsers::FlowCounts;
using fleetmeter::parsers::FlowField;
using fleetmeter::parsers::MemoryBytes;
using fleetmeter::parsers::ParquetFlows;
using fleetmeter::parsers::RandomAccess;

/// A claim of more rows is legal and slow; the first ones show as much.
constexpr std::uint64_t kRowsMax = 4096;

/// Memory that is read as a file is.
class FileLike final : public RandomAccess {
 public:
  explicit FileLike(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size_bytes() const noexcept override { return bytes_.size_bytes(); }
  bool read(std::uint64_t offset, char* out, std::size_t count) const noexcept override {
    return bytes_.read(offset, out, count);
  }

 private:
  MemoryBytes bytes_;
};

struct Outcome {
  std::uint64_t digest = 0;
  std::uint64_t kept = 0;
  std::uint64_t rows = 0;
  FlowCounts counts;
  bool damaged = false;

  void fold(std::uint64_t number) { digest = (digest ^ number) * 0x9e3779b97f4a7c15u; }
  void fold(std::string_view text) {
    fold(std::uint64_t{text.size()});
    for (const char c : text) fold(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  void fold(const FlowColumns& flows) {
    FM_CHECK(flows.status.size() == flows.size);
    FM_CHECK(flows.action.size() == flows.size);
    FM_CHECK(flows.line_bytes.size() == flows.size);
    kept += flows.size;
    for (std::uint32_t record = 0; record < flows.size; ++record) {
      fold(static_cast<std::uint64_t>(flows.status[record]));
      fold(static_cast<std::uint64_t>(flows.action[record]));
      for (std::size_t i = 0; i < fleetmeter::parsers::kFlowFieldCount; ++i)
        fold(flows, static_cast<FlowField>(i), record);
    }
  }
  void fold(const FlowColumns& flows, FlowField field, std::uint32_t record) {
    if (!flows.present(field, record)) return;
    fold(static_cast<std::uint64_t>(field));
    switch (fleetmeter::parsers::info(field).type) {
      case FieldType::kNumber:
        return fold(flows.numbers(field)[record]);
      case FieldType::kText:
        return fold(flows.texts(field)[record]);
      case FieldType::kAddress:
        return fold(flows.addresses(field)[record].low);
      case FieldType::kStatus:
      case FieldType::kAction:
      case FieldType::kDirection:
        return;
    }
  }
};

/// Reads batches from row `first` on until row `end` is taken.
void read_rows(const RandomAccess& bytes, std::uint32_t batch, std::uint64_t first,
               std::uint64_t end, Outcome& outcome) {
  ParquetFlows flows(bytes, FieldSet::all(), batch);
  FlowCounts open_counts;
  FlowColumns columns;
  bool more = flows.open(first, open_counts);
  while (more && flows.row() < end) {
    more = flows.next(columns, outcome.counts);
    FM_CHECK(more || columns.size == 0);
    outcome.fold(columns);
  }
  outcome.rows = flows.row();
  outcome.damaged = flows.problem().any();
}

void check_same(const Outcome& left, const Outcome& right) {
  FM_CHECK(left.rows == right.rows);
  FM_CHECK(left.kept == right.kept);
  FM_CHECK(left.digest == right.digest);
  FM_CHECK(left.counts.ok == right.counts.ok);
  FM_CHECK(left.counts.unwindowed == right.counts.unwindowed);
  FM_CHECK(left.counts.absent_optional == right.counts.absent_optional);
  FM_CHECK(left.counts.unknown_values == right.counts.unknown_values);
  FM_CHECK(left.counts.malformed() == right.counts.malformed());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 12) return 0;
  // The ends are right, so that what is mutated is what lies between them.
  std::string bytes(reinterpret_cast<const char*>(data), size);
  bytes.replace(0, 4, "PAR1");
  bytes.replace(size - 4, 4, "PAR1");

  const MemoryBytes memory(bytes);
  const FileLike file(bytes);
  Outcome whole;
  read_rows(memory, 64, 0, kRowsMax, whole);
  FM_CHECK(whole.counts.ok + whole.counts.nodata + whole.counts.skipdata == whole.kept);
  FM_CHECK(whole.kept + whole.counts.malformed() == whole.rows);
  const auto batch = static_cast<std::uint32_t>(1 + size % 67);
  if (whole.damaged) {
    // How near to the damage it gets depends on where batches end, no more than that.
    Outcome again;
    read_rows(file, batch, 0, kRowsMax, again);
    FM_CHECK(again.damaged || again.rows >= kRowsMax);
    return 0;
  }
  // A restart after every batch; each reads its row group anew, so only so many of them.
  Outcome in_parts;
  for (std::uint64_t at = 0; at < whole.rows; at = in_parts.rows) {
    const std::uint64_t step = at < 512 ? batch : whole.rows;
    const std::uint64_t end = at < 512 ? at + 1 : whole.rows;
    read_rows(file, static_cast<std::uint32_t>(std::min(step, whole.rows - at)), at, end, in_parts);
    FM_CHECK(in_parts.rows > at);
  }
  check_same(whole, in_parts);
  return 0;
}
