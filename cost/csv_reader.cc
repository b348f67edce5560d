#include "cost/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace fleetmeter::cost {
namespace {

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> fields;
  while (true) {
    const std::size_t comma = line.find(',');
    fields.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

Error bad(const std::string& name, std::size_t line, const std::string& what) {
  return {ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", name, line, what)};
}

/// Where each of `columns` stands in the header.
Result<std::vector<std::size_t>> bind(const std::string& name, std::size_t line,
                                      const std::vector<std::string>& header,
                                      const std::vector<std::string>& columns) {
  std::vector<std::size_t> places;
  for (const std::string& column : columns) {
    const auto found = std::find(header.begin(), header.end(), column);
    if (found == header.end())
      return bad(name, line, fmt::format("the header has no column '{}'", column));
    places.push_back(static_cast<std::size_t>(found - header.begin()));
  }
  return places;
}

}  // namespace

Result<std::vector<CsvRow>> read_csv(const std::string& name, std::string_view text,
                                     const std::vector<std::string>& columns) {
  std::vector<CsvRow> rows;
  std::vector<std::size_t> places;
  std::size_t width = 0;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    if (line.find('"') != std::string_view::npos)
      return bad(name, number, "quoted fields are not supported here");
    const std::vector<std::string> fields = split(line);
    if (width == 0) {
      Result<std::vector<std::size_t>> bound = bind(name, number, fields, columns);
      if (!bound) return std::move(bound).error();
      places = *std::move(bound);
      width = fields.size();
      continue;
    }
    if (fields.size() != width) {
      return bad(name, number,
                 fmt::format("{} fields where the header has {}", fields.size(), width));
    }
    CsvRow row{number, {}};
    for (const std::size_t place : places) row.fields.push_back(fields[place]);
    rows.push_back(std::move(row));
  }
  if (width == 0) return bad(name, 1, "is empty; it needs a header line");
  return rows;
}

}  // namespace fleetmeter::cost
