#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cost/report.h"

namespace fleetmeter::cost {

/// One line as every format shows it: money in cents, prices and quantities with all their digits,
/// "unknown" for what is not known.
struct Cells {
  std::string resource, component, scope, quantity, unit, price, amount, source;
};
[[nodiscard]] Cells cells_of(const Line& line);

/// "12.30" and "12.30 USD", or "unknown".
[[nodiscard]] std::string cents_text(const std::optional<Money>& amount);
[[nodiscard]] std::string usd_text(const std::optional<Money>& amount);

/// What became of a budget, for people: "budget 500.00 USD: within it, 80 % reached".
[[nodiscard]] std::string budget_text(const BudgetCheck& budget);

/// `text` as well-formed UTF-8 on one line: what is no UTF-8 becomes U+FFFD, control characters
/// become spaces.
[[nodiscard]] std::string clean(std::string_view text);
/// One line of text for a Markdown table: nothing of it ends the cell, starts markup or is taken for
/// HTML.
[[nodiscard]] std::string markdown_escaped(std::string_view line);
/// Text with nothing in it that HTML would take for markup, between quotes either.
[[nodiscard]] std::string html_escaped(std::string_view text);
/// Columns that cleaned text takes on a terminal: 0 for combining marks, 2 for wide characters.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;

[[nodiscard]] std::string render_table(const Report& report, bool color);
[[nodiscard]] std::string render_json(const Report& report);
[[nodiscard]] std::string render_csv(const Report& report);
[[nodiscard]] std::string render_markdown(const Report& report);
[[nodiscard]] std::string render_html(const Report& report);

}  // namespace fleetmeter::cost
