#include <fmt/format.h>

#include "cost/render_text.h"

namespace fleetmeter::cost {
namespace {

/// A JSON string (RFC 8259, section 7). Cleaned text holds no control characters.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : clean(text)) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

template <typename Value, typename Format>
std::string or_null(const std::optional<Value>& value, Format format) {
  return value ? "\"" + format(*value) + "\"" : "null";
}

std::string line_json(const Line& line) {
  const auto decimal = [](const auto& value) { return to_decimal(value); };
  std::string out = fmt::format(
      R"({{"resource":{},"component":{},"scope":{},"quantity":{},"unit":{},"price":{},"amount":{},"source":{})",
      quoted(line.resource), quoted(line.component), quoted(line.scope),
      or_null(line.quantity, decimal), quoted(line.unit), or_null(line.price, decimal),
      or_null(line.amount, to_cents), quoted(line.source));
  if (!line.reason.empty()) out += ",\"reason\":" + quoted(line.reason);
  return out + "}";
}

/// A CSV field (RFC 4180). A text that a spreadsheet would run as a formula gets an apostrophe in
/// front (OWASP, "CSV Injection").
std::string field(std::string_view text) {
  std::string value = clean(text);
  const std::size_t start = value.find_first_not_of(' ');
  if (start != std::string::npos &&
      std::string_view("=+-@").find(value[start]) != std::string_view::npos)
    value.insert(0, "'");
  if (value.find_first_of(",\"") == std::string::npos) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  return out + "\"";
}

std::string budget_json(const std::optional<BudgetCheck>& budget) {
  if (!budget) return "null";
  return fmt::format(
      R"({{"monthly_usd":"{}","state":"{}","alert_percent":{}}})", to_cents(budget->monthly),
      to_string(budget->state),
      budget->alert_percent ? std::to_string(*budget->alert_percent) : std::string("null"));
}

}  // namespace

std::string render_json(const Report& report) {
  std::string out = fmt::format(
      R"({{"schema":1,"month":{},"currency":{},"basis":{},"hours":{},"total":{},"stated_total":{},"unknown_lines":{},"environments":[)",
      quoted(report.month), quoted(report.currency), quoted(report.basis), report.hours,
      or_null(report.total, to_cents), or_null(report.stated_total, to_cents),
      report.unknown_lines);
  for (std::size_t e = 0; e < report.environments.size(); ++e) {
    const EnvironmentReport& environment = report.environments[e];
    out += fmt::format(
        R"({}{{"environment":{},"total":{},"stated_total":{},"budget":{},"lines":[)",
        e == 0 ? "" : ",", quoted(environment.environment), or_null(environment.total, to_cents),
        or_null(environment.stated_total, to_cents), budget_json(environment.budget));
    for (std::size_t i = 0; i < environment.lines.size(); ++i) {
      if (i > 0) out += ',';
      out += line_json(environment.lines[i]);
    }
    out += "]}";
  }
  out += "],\"warnings\":[";
  for (std::size_t i = 0; i < report.warnings.size(); ++i) {
    if (i > 0) out += ',';
    out += quoted(report.warnings[i]);
  }
  return out + "]}\n";
}

std::string render_csv(const Report& report) {
  std::string out =
      "environment,resource,component,scope,quantity,unit,price,amount,source,reason\r\n";
  for (const EnvironmentReport& environment : report.environments) {
    for (const Line& line : environment.lines) {
      // An empty field is what is not known; 0 is 0.
      out += fmt::format(
          "{},{},{},{},{},{},{},{},{},{}\r\n", field(environment.environment), field(line.resource),
          field(line.component), field(line.scope), line.quantity ? to_decimal(*line.quantity) : "",
          field(line.unit), line.price ? to_decimal(*line.price) : "",
          line.amount ? to_cents(*line.amount) : "", field(line.source), field(line.reason));
    }
  }
  return out;
}

}  // namespace fleetmeter::cost
