#include "cost/render_text.h"

#include <cstdint>

namespace fleetmeter::cost {
namespace {

constexpr const char* kUnknown = "unknown";

struct Decoded {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  ///< 0 = not UTF-8 here.
};

/// The character at the front of `text`. Rule: RFC 3629, section 4 (no overlong forms, no
/// surrogates).
Decoded decode(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(text[i]);
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return {};
  std::uint32_t code = first & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3f);
  }
  static constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, bytes};
}

/// Rule: Unicode Standard Annex #11 (wide) and general category Mn (combining), the blocks that
/// names use.
std::size_t width_of(std::uint32_t code) noexcept {
  const auto in = [code](std::uint32_t from, std::uint32_t to) {
    return code >= from && code <= to;
  };
  if (in(0x300, 0x36f) || in(0x200b, 0x200f) || in(0x20d0, 0x20ff) || in(0xfe00, 0xfe0f)) return 0;
  if (in(0x1100, 0x115f) || in(0x2e80, 0xa4cf) || in(0xac00, 0xd7a3) || in(0xf900, 0xfaff) ||
      in(0xfe30, 0xfe6f) || in(0xff00, 0xff60) || in(0xffe0, 0xffe6) || in(0x1f300, 0x1faff) ||
      in(0x20000, 0x3fffd)) {
    return 2;
  }
  return 1;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string markdown_escaped(std::string_view line) {
  std::string out;
  for (const char c : line) {
    if (c == '<') {
      out += "&lt;";
      continue;
    }
    if (c == '&') {
      out += "&amp;";
      continue;
    }
    if (std::string_view("\\`*_[]|").find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string clean(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Decoded at = decode(text);
    if (at.bytes == 0) {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    // C0, DEL and C1 controls, line separators and the marks that turn the direction of text
    // around.
    const bool control = at.code < 0x20 || (at.code >= 0x7f && at.code < 0xa0) ||
                         at.code == 0x2028 || at.code == 0x2029 ||
                         (at.code >= 0x202a && at.code <= 0x202e) ||
                         (at.code >= 0x2066 && at.code <= 0x2069);
    if (control) {
      out.push_back(' ');
    } else {
      out.append(text.substr(0, at.bytes));
    }
    text.remove_prefix(at.bytes);
  }
  return out;
}

std::size_t display_width(std::string_view text) noexcept {
  std::size_t width = 0;
  while (!text.empty()) {
    const Decoded at = decode(text);
    width += at.bytes == 0 ? 1 : width_of(at.code);
    text.remove_prefix(at.bytes == 0 ? 1 : at.bytes);
  }
  return width;
}

std::string cents_text(const std::optional<Money>& amount) {
  return amount ? to_cents(*amount) : kUnknown;
}

std::string usd_text(const std::optional<Money>& amount) {
  return amount ? to_cents(*amount) + " USD" : kUnknown;
}

Cells cells_of(const Line& line) {
  return {clean(line.resource),
          clean(line.component),
          line.scope,
          line.quantity ? to_decimal(*line.quantity) : kUnknown,
          clean(line.unit),
          line.price ? to_decimal(*line.price) : kUnknown,
          cents_text(line.amount),
          line.source};
}

std::string budget_text(const BudgetCheck& budget) {
  std::string out = "budget " + to_cents(budget.monthly) + " USD: ";
  switch (budget.state) {
    case BudgetCheck::State::kWithin:
      out += "within it";
      break;
    case BudgetCheck::State::kExceeded:
      out += "exceeded";
      break;
    case BudgetCheck::State::kUnknown:
      out += "not known, what is in no total may exceed it";
      break;
  }
  if (budget.alert_percent)
    out += ", " + std::to_string(*budget.alert_percent) + " % of it reached";
  return out;
}

std::string render(const Report& report, Format format, bool color) {
  switch (format) {
    case Format::kTable:
      return render_table(report, color);
    case Format::kJson:
      return render_json(report);
    case Format::kCsv:
      return render_csv(report);
    case Format::kMarkdown:
      return render_markdown(report);
    case Format::kHtml:
      return render_html(report);
  }
  return {};
}

}  // namespace fleetmeter::cost
