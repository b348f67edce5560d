#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <mutex>

#include "alarms/json_text.h"
#include "app/command.h"
#include "cost/render_text.h"
#include "proto/check.h"

namespace fleetmeter::app {

namespace {

/// Characters a terminal shows, not bytes: continuation bytes of UTF-8 take no column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool is_number_column(std::string_view header) {
  static constexpr std::string_view kEnds[] = {"bytes", "records",  "packets", "amount",
                                               "price", "quantity", "count",   "share"};
  return std::any_of(std::begin(kEnds), std::end(kEnds),
                     [header](std::string_view end) { return header.ends_with(end); });
}

/// Cells hold text of the input: what a terminal takes for a command, the control characters of
/// Unicode (C0, DEL, C1), and what is no UTF-8 becomes U+FFFD. Line ends stay where the format can
/// quote them.
std::string without_controls(std::string_view cell, bool keeps_line_ends) {
  std::string out;
  const std::string text = alarms::valid_utf8(cell);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_line_end = byte == '\n' || byte == '\r';
    const bool is_c1 = byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    const bool is_control = is_c1 || byte < 0x20 || byte == 0x7f;
    if (is_control && !(is_line_end && keeps_line_ends)) {
      out += "\uFFFD";
    } else {
      out += text[i];
    }
    if (is_c1) ++i;
  }
  return out;
}

/// A cell that a spreadsheet would take for a formula gets a quote in front: ids come from the
/// input.
std::string csv_cell(std::string text) {
  if (text.size() > 1 && std::string_view("=+-@").find(text.front()) != std::string_view::npos)
    text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string markdown_cell(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return cost::markdown_escaped(text);
}

using Row = std::vector<std::string>;

std::string print_csv(const Row& headers, const std::vector<Row>& rows) {
  std::string out;
  const auto line = [&out](const Row& row) {
    for (std::size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : ",") + csv_cell(row[i]);
    out += '\n';
  };
  line(headers);
  for (const Row& row : rows) line(row);
  return out;
}

std::string print_markdown(const Row& headers, const std::vector<Row>& rows) {
  std::string out;
  const auto line = [&out](const Row& row) {
    for (const std::string& cell : row) out += "| " + markdown_cell(cell) + ' ';
    out += "|\n";
  };
  line(headers);
  for (const std::string& header : headers) out += is_number_column(header) ? "| ---: " : "| --- ";
  out += "|\n";
  for (const Row& row : rows) line(row);
  return out;
}

std::string print_html(const Row& headers, const std::vector<Row>& rows) {
  std::string out = "<table>\n<tr>";
  for (const std::string& header : headers) out += "<th>" + cost::html_escaped(header) + "</th>";
  out += "</tr>\n";
  for (const Row& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += is_number_column(headers[i]) ? "<td align=\"right\">" : "<td>";
      out += cost::html_escaped(row[i]) + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

std::string print_aligned(const Row& headers, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const std::string& header : headers) widths.push_back(width_of(header));
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  const auto line = [&](const Row& row) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      text += (i == 0 ? "" : "  ") +
              (is_number_column(headers[i]) ? padding + row[i] : row[i] + padding);
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + '\n';
  };
  line(headers);
  for (const Row& row : rows) line(row);
  return out;
}

/// Digits of a fixed count at the front of `text`, which loses them.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, value);
  if (error != std::errc{} || end != text.data() + count || text.front() == '-')
    return std::nullopt;
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

/// "Z", "+02:00" or "-05:30" as seconds east of UTC.
std::optional<std::int64_t> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const std::int64_t sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>" +
         cost::html_escaped(title) +
         "</title><style>body{font-family:sans-serif}td,th{padding:.2em .8em;text-align:left}"
         "tr:nth-child(even){background:#eee}</style></head>\n<body>\n<h1>" +
         cost::html_escaped(title) + "</h1>\n" + body + "</body>\n</html>\n";
}

TablePrinter::TablePrinter(std::vector<std::string> headers) : headers_(std::move(headers)) {
  FM_CHECK(!headers_.empty());
}

void TablePrinter::row(std::vector<std::string> cells) {
  FM_CHECK(cells.size() == headers_.size());
  rows_.push_back(std::move(cells));
}

std::string TablePrinter::print(OutputFormat format) const {
  FM_CHECK(format != OutputFormat::kJson);  // Cells are text; JSON is each command's own document.
  std::vector<Row> rows = rows_;
  for (Row& row : rows) {
    for (std::string& cell : row) cell = without_controls(cell, format != OutputFormat::kTable);
  }
  switch (format) {
    case OutputFormat::kCsv:
      return print_csv(headers_, rows);
    case OutputFormat::kMarkdown:
      return print_markdown(headers_, rows);
    case OutputFormat::kHtml:
      return print_html(headers_, rows);
    default:
      return print_aligned(headers_, rows);
  }
}

struct ProgressBar::State {
  using Time = std::chrono::steady_clock::time_point;

  explicit State(std::string text) : label(std::move(text)) {}
  void draw(std::uint64_t done, std::uint64_t all) {
    constexpr int kCells = 30;
    shown = true;
    if (all == 0) {  // A pipe does not say how much will come.
      std::fprintf(stderr, "\r%s %s \033[K", label.c_str(), human_bytes(done).c_str());
      std::fflush(stderr);
      return;
    }
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
    const int full = static_cast<int>(share * kCells);
    std::string bar(static_cast<std::size_t>(full), '#');
    bar.resize(kCells, '.');
    std::fprintf(stderr, "\r%s [%s] %3d %%", label.c_str(), bar.c_str(),
                 static_cast<int>(share * 100));
    std::fflush(stderr);
  }

  const std::string label;
  const bool on = stderr_is_terminal();
  std::mutex mutex;  // Guards the rest.
  const Time started = std::chrono::steady_clock::now();
  Time drawn = started;
  bool shown = false;
};

ProgressBar::ProgressBar(std::string label) : state_(std::make_unique<State>(std::move(label))) {}

ProgressBar::~ProgressBar() {
  if (state_->shown) std::fprintf(stderr, "\r\033[K");
}

void ProgressBar::update(std::uint64_t done, std::uint64_t all) {
  using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals only.
  if (!state_->on) return;
  const std::lock_guard lock(state_->mutex);
  const State::Time now = std::chrono::steady_clock::now();
  if (now - state_->started < 1s || now - state_->drawn < 100ms) return;
  state_->drawn = now;
  state_->draw(done, all);
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 7> kUnits{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 999.995 would print as 1000.00.
  for (; value >= 999.995 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %s", value, kUnits[unit]);
  return text;
}

std::string group_digits(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  const auto day = take_date(text);
  if (!day) return std::nullopt;
  const std::int64_t midnight_s =
      std::chrono::duration_cast<std::chrono::seconds>(day->time_since_epoch()).count();
  if (text.empty()) return midnight_s;  // A date alone is its first second, UTC.
  if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  if (take(text, '.')) {
    const std::size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    text.remove_prefix(digits);
  }
  const auto offset_s = parse_offset(text);
  if (!offset_s) return std::nullopt;
  return midnight_s + *hour * 3600 + *minute * 60 + *second - *offset_s;
}

}  // namespace fleetmeter::app
