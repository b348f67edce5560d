#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "cost/render_text.h"

namespace fleetmeter::cost {
namespace {

constexpr std::size_t kColumns = 8;
using Row = std::array<std::string, kColumns>;
constexpr std::array<bool, kColumns> kRight{false, false, false, true, false, true, true, false};
const Row kHeader{"Resource", "Component", "Scope", "Quantity", "Unit", "Price", "USD", "Source"};

Row row_of(const Line& line) {
  Cells cells = cells_of(line);
  return {std::move(cells.resource), std::move(cells.component), std::move(cells.scope),
          std::move(cells.quantity), std::move(cells.unit),      std::move(cells.price),
          std::move(cells.amount),   std::move(cells.source)};
}

void put_row(std::string& out, const Row& row, const std::array<std::size_t, kColumns>& widths) {
  std::string line;
  for (std::size_t i = 0; i < kColumns; ++i) {
    const std::string gap(widths[i] - std::min(widths[i], display_width(row[i])), ' ');
    if (i > 0) line += "  ";
    line += kRight[i] ? gap + row[i] : row[i] + gap;
  }
  while (line.ends_with(' ')) line.pop_back();
  out += line;
  out += '\n';
}

void put_environment(std::string& out, const EnvironmentReport& environment, bool color) {
  std::vector<Row> rows;
  for (const Line& line : environment.lines) rows.push_back(row_of(line));
  std::array<std::size_t, kColumns> widths{};
  for (std::size_t i = 0; i < kColumns; ++i) {
    widths[i] = kHeader[i].size();
    for (const Row& row : rows) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  out += fmt::format("\n{}{}{}\n", color ? "\033[1m" : "", clean(environment.environment),
                     color ? "\033[0m" : "");
  put_row(out, kHeader, widths);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && environment.lines[i - 1].scope == "stated" &&
        environment.lines[i].scope == "added") {
      out += fmt::format("Stated: {}; not stated, and added here:\n",
                         usd_text(environment.stated_total));
    }
    put_row(out, rows[i], widths);
  }
  out +=
      fmt::format("Total of {}: {}", clean(environment.environment), usd_text(environment.total));
  if (environment.budget) out += fmt::format(" ({})", budget_text(*environment.budget));
  out += '\n';
}

/// Reasons of the lines that are `wanted`, each once with the lines that it holds for.
template <typename Wanted>
void put_reasons(std::string& out, const Report& report, Wanted wanted) {
  constexpr std::size_t kNamed = 3;
  std::vector<std::pair<std::string, std::vector<const Line*>>> reasons;  // As they first come.
  std::map<std::string, std::size_t, std::less<>> places;
  for (const EnvironmentReport& environment : report.environments) {
    for (const Line& line : environment.lines) {
      if (!wanted(line) || line.reason.empty()) continue;
      const auto [place, first] = places.try_emplace(line.reason, reasons.size());
      if (first) reasons.push_back({line.reason, {}});
      reasons[place->second].second.push_back(&line);
    }
  }
  for (const auto& [reason, lines] : reasons) {
    std::string names;
    for (std::size_t i = 0; i < std::min(lines.size(), kNamed); ++i) {
      names += fmt::format("{}{} {}", i == 0 ? "" : ", ", clean(lines[i]->resource),
                           clean(lines[i]->component));
    }
    if (lines.size() > kNamed) names += fmt::format(" and {} more", lines.size() - kNamed);
    out += fmt::format("  {}: {}\n", names, clean(reason));
  }
}

}  // namespace

std::string render_table(const Report& report, bool color) {
  std::string out = fmt::format(
      "Cost {}{}{}, {} h, list prices in {}\n", report.basis == "estimate" ? "estimate" : "to date",
      report.month.empty() ? "" : " of ", clean(report.month), report.hours, report.currency);
  for (const EnvironmentReport& environment : report.environments)
    put_environment(out, environment, color);
  out += fmt::format("\n{}Total: {}{}", color ? "\033[1m" : "", usd_text(report.total),
                     color ? "\033[0m" : "");
  if (report.stated_total != report.total) {
    std::optional<Money> added;
    if (report.total) added = *report.total - report.stated_total.value_or(Money{});
    out +=
        fmt::format(" (stated {}, added {})", cents_text(report.stated_total), cents_text(added));
  }
  out += '\n';
  if (report.unknown_lines > 0) {
    out += fmt::format("\n{} {} unknown and in no total:\n", report.unknown_lines,
                       report.unknown_lines == 1 ? "line is" : "lines are");
    put_reasons(out, report, [](const Line& line) { return !line.amount; });
  }
  std::string assumed;
  put_reasons(assumed, report, [](const Line& line) { return line.amount.has_value(); });
  if (!assumed.empty()) out += "\nHow figures came about:\n" + assumed;
  if (!report.warnings.empty()) out += "\nNotes:\n";
  for (const std::string& warning : report.warnings) out += fmt::format("  {}\n", clean(warning));
  return out;
}

}  // namespace fleetmeter::cost
