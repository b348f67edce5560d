#include <fmt/format.h>

#include "cost/render_text.h"

namespace fleetmeter::cost {
namespace {

std::string html(std::string_view text) { return html_escaped(clean(text)); }
std::string markdown(std::string_view text) { return markdown_escaped(clean(text)); }

std::string title(const Report& report) {
  return fmt::format("Cost {}{}{}", report.basis == "estimate" ? "estimate" : "to date",
                     report.month.empty() ? "" : " of ", report.month);
}

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 "
    "1rem;color:#1b1f24;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{padding:.3rem "
    ".6rem;text-align:left;"
    "border-bottom:1px solid "
    "#d8dee4;vertical-align:top}th{background:#f6f8fa}.n{text-align:right;font-variant-numeric:"
    "tabular-nums;white-space:nowrap}.u "
    "td{color:#9a6700}.why{display:block;font-size:.85em;color:#57606a}tfoot td"
    "{font-weight:600}@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th{"
    "background:#161b22}"
    "th,td{border-color:#30363d}.u td{color:#d29922}.why{color:#8b949e}}";

void put_html_line(std::string& out, const Line& line) {
  const Cells cells = cells_of(line);
  out += fmt::format("<tr{}><td>{}</td><td>{}", line.amount ? "" : " class=\"u\"",
                     html(cells.resource), html(cells.component));
  if (!line.reason.empty()) out += fmt::format("<span class=\"why\">{}</span>", html(line.reason));
  out += fmt::format(
      "</td><td>{}</td><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td "
      "class=\"n\">{}</td><td>{}</td></tr>\n",
      html(cells.scope), cells.quantity, html(cells.unit), cells.price, cells.amount,
      html(cells.source));
}

}  // namespace

std::string render_markdown(const Report& report) {
  std::string out =
      fmt::format("# {}\n\n**Total: {}**", markdown(title(report)), usd_text(report.total));
  if (report.stated_total != report.total)
    out += fmt::format(" (stated {})", cents_text(report.stated_total));
  out += fmt::format(", {} h, {} unknown lines\n", report.hours, report.unknown_lines);
  for (const EnvironmentReport& environment : report.environments) {
    out += fmt::format(
        "\n## {}\n\n| Resource | Component | Scope | Quantity | Unit | Price | USD | Source | Note "
        "|\n"
        "| --- | --- | --- | ---: | --- | ---: | ---: | --- | --- |\n",
        markdown(environment.environment));
    for (const Line& line : environment.lines) {
      const Cells cells = cells_of(line);
      out +=
          fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", markdown(cells.resource),
                      markdown(cells.component), cells.scope, cells.quantity, markdown(cells.unit),
                      cells.price, cells.amount, markdown(cells.source), markdown(line.reason));
    }
    out += fmt::format("| **Total** | | | | | | **{}** | | stated {} |\n",
                       cents_text(environment.total), cents_text(environment.stated_total));
    if (environment.budget)
      out += fmt::format("\n{}: {}\n", markdown(environment.environment),
                         budget_text(*environment.budget));
  }
  if (!report.warnings.empty()) out += "\n## Notes\n\n";
  for (const std::string& warning : report.warnings)
    out += fmt::format("- {}\n", markdown(warning));
  return out;
}

std::string render_html(const Report& report) {
  const std::string heading = html(title(report));
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{}</title><style>{}</style></head>\n<body>\n<h1>{}</"
      "h1>\n"
      "<p>Total <strong>{}</strong>, of which stated {}; {} hours at list prices; {} unknown "
      "lines are in no total.</p>\n",
      heading, kStyle, heading, usd_text(report.total), cents_text(report.stated_total),
      report.hours, report.unknown_lines);
  for (const EnvironmentReport& environment : report.environments) {
    out += fmt::format(
        "<h2>{}</h2>\n<table>\n<thead><tr><th>Resource</th><th>Component</th><th>Scope</th><th "
        "class=\"n\">Quantity</th>"
        "<th>Unit</th><th class=\"n\">Price</th><th "
        "class=\"n\">USD</th><th>Source</th></tr></thead>\n<tbody>\n",
        html(environment.environment));
    for (const Line& line : environment.lines) put_html_line(out, line);
    out += fmt::format(
        "</tbody>\n<tfoot><tr><td colspan=\"6\">Total (stated {})</td><td "
        "class=\"n\">{}</td><td></td></tr></tfoot>\n</table>\n",
        cents_text(environment.stated_total), cents_text(environment.total));
    if (environment.budget)
      out += fmt::format("<p>{}: {}</p>\n", html(environment.environment),
                         budget_text(*environment.budget));
  }
  if (!report.warnings.empty()) {
    out += "<h2>Notes</h2>\n<ul>\n";
    for (const std::string& warning : report.warnings)
      out += fmt::format("<li>{}</li>\n", html(warning));
    out += "</ul>\n";
  }
  return out + "</body>\n</html>\n";
}

}  // namespace fleetmeter::cost
