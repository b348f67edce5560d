#include <algorithm>
#include <string>

#include "parsers/payload_parser.h"

namespace fleetmeter::parsers {

bool PayloadParser::open_parquet(ParquetFlows& object, std::uint64_t first_row) {
  if (object.open(first_row, counts.flows)) return true;
  drop(object.problem().reason);
  problem = object.problem().text;
  return false;
}

bool PayloadParser::take_parquet(ParquetFlows& object) {
  flush_all();  // What came before, and the columns are needed.
  const std::uint64_t plain_before = object.plain_bytes();
  const bool taken = object.next(flows_, counts.flows);
  counts.plain_bytes += object.plain_bytes() - plain_before;
  if (taken) {
    flush_flows();
    return true;
  }
  if (object.problem().any()) {
    drop(object.problem().reason);
    problem = object.problem().text;
  }
  return false;
}

/// Its columns are found from its end, so it is held back until all of it is here.
std::size_t PayloadParser::parse_parquet(PayloadState& state, std::string_view bytes, bool last) {
  if (state.is_stream && bytes.size() > kParquetBytesMax) {
    drop(PayloadDrop::kTooLarge);
    problem = "is Parquet of over 256 MiB; beyond that it has to be a file, not compressed";
    give_up(state, bytes.size());
    return bytes.size();
  }
  if (!last) return 0;
  if (state.is_stream) start_allowance();
  const MemoryBytes memory(bytes);
  ParquetFlows object(memory, options_.fields, options_.batch_records);
  const bool is_open = open_parquet(object, 0);
  // Rows cost what they would as text, even where pages say them in no bytes.
  const std::uint64_t text_bytes = is_open ? object.text_bytes_min() : 0;
  bool whole = is_open && text_bytes <= inflated_left_;
  if (is_open && !whole) {
    drop(PayloadDrop::kTooLarge);
    problem = "is Parquet whose " + std::to_string(object.rows()) +
              " rows are beyond the limit of one message";
  }
  while (whole && take_parquet(object)) {
    if (object.plain_bytes() > inflated_left_) {
      drop(PayloadDrop::kTooLarge);
      problem = "is Parquet that inflates beyond the limit of one message";
      whole = false;
    }
  }
  inflated_left_ -= std::min(inflated_left_, std::max(object.plain_bytes(), text_bytes));
  // Rows that reached the sink are behind the border, so that no restart repeats them.
  if (!whole || object.problem().any()) give_up(state, object.row() > 0 ? 0 : bytes.size());
  return bytes.size();
}

}  // namespace fleetmeter::parsers
