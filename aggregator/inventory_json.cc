#include "aggregator/inventory_json.h"

#include <array>
#include <cctype>

#include "aggregator/inventory_document.h"

namespace fleetmeter::aggregator {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

DocumentNode convert(const element& from) {
  DocumentNode out;
  if (from.type() == element_type::ARRAY) {
    out.kind = DocumentNode::Kind::kList;
    for (const element item : simdjson::dom::array(from)) out.items.push_back(convert(item));
  } else if (from.type() == element_type::OBJECT) {
    out.kind = DocumentNode::Kind::kMap;
    for (const auto [key, value] : simdjson::dom::object(from))
      out.entries.emplace_back(std::string(key), convert(value));
  } else if (auto text = json_scalar(from)) {
    out.kind = DocumentNode::Kind::kScalar;
    out.text = *std::move(text);
  }
  return out;
}

/// Walks JSON by its grammar to the first byte that does not belong.
class JsonChecker {
 public:
  explicit JsonChecker(std::string_view text) : text_(text) {}
  bool whole() {
    if (!value(0)) return false;
    space();
    return at_ == text_.size();
  }
  [[nodiscard]] std::string place() const {
    std::size_t line = 1;
    for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n' ? 1 : 0;
    return "line " + std::to_string(line) + ": " +
           (at_ >= text_.size() ? std::string("the text ends too early")
                                : "unexpected '" + std::string(1, text_[at_]) + "'");
  }

 private:
  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  bool take(char wanted) {
    space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool value(int depth) {
    space();
    if (at_ >= text_.size() || depth > 1000) return false;
    if (text_[at_] == '{') return sequence('}', depth, /*keyed=*/true);
    if (text_[at_] == '[') return sequence(']', depth, /*keyed=*/false);
    if (text_[at_] == '"') return string();
    return word();
  }
  bool sequence(char end, int depth, bool keyed) {
    ++at_;
    if (take(end)) return true;
    do {
      if (keyed && !(key() && take(':'))) return false;
      if (!value(depth + 1)) return false;
    } while (take(','));
    return take(end);
  }
  bool key() {
    space();
    return at_ < text_.size() && text_[at_] == '"' && string();
  }
  bool string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return false;
      if (text_[at_] == '\\') ++at_;
    }
    return at_ < text_.size() && text_[at_++] == '"';
  }
  bool word() {
    for (const std::string_view name : {"true", "false", "null"}) {
      if (text_.substr(at_).starts_with(name)) {
        at_ += name.size();
        return true;
      }
    }
    const std::size_t start = at_;
    while (at_ < text_.size() &&
           (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0 ||
            std::string_view("+-.eE").find(text_[at_]) != std::string_view::npos)) {
      ++at_;
    }
    return at_ > start;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<void> parse_json(const std::string& text, JsonDocument& out) {
  const simdjson::error_code failure = out.parser.parse(text).get(out.root);
  if (failure == simdjson::SUCCESS) return {};
  std::string place = explain_bad_json(text);
  if (place.empty()) place = simdjson::error_message(failure);
  return Error{ErrorCode::kInvalidArgument, "not valid JSON: " + place};
}

std::string explain_bad_json(std::string_view text) {
  JsonChecker checker(text);
  return checker.whole() ? std::string() : checker.place();
}

std::optional<element> json_at(const element& in, std::string_view key) {
  element found;
  if (in.type() != element_type::OBJECT || in.at_key(key).get(found) != simdjson::SUCCESS)
    return std::nullopt;
  if (found.is_null()) return std::nullopt;
  return found;
}

std::optional<std::string> json_scalar(const element& from) {
  switch (from.type()) {
    case element_type::STRING:
      return std::string(std::string_view(from));
    case element_type::INT64:
      return std::to_string(std::int64_t(from));
    case element_type::UINT64:
      return std::to_string(std::uint64_t(from));
    case element_type::DOUBLE: {
      const double value(from);
      std::array<char, 32> text{};
      const int size = std::snprintf(text.data(), text.size(), "%.15g", value);
      return std::string(text.data(), static_cast<std::size_t>(size));
    }
    case element_type::BOOL:
      return std::string(bool(from) ? "true" : "false");
    default:
      return std::nullopt;
  }
}

std::string json_text(const element& in, std::string_view key) {
  const auto found = json_at(in, key);
  return found ? json_scalar(*found).value_or("") : std::string();
}

std::optional<std::int64_t> json_integer(const element& in, std::string_view key) {
  const auto found = json_at(in, key);
  std::int64_t value = 0;
  if (!found || found->get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

bool json_true(const element& in, std::string_view key) { return json_text(in, key) == "true"; }

simdjson::dom::array json_list(const element& in, std::string_view key) {
  simdjson::dom::array list;
  if (const auto found = json_at(in, key); found && found->get(list) == simdjson::SUCCESS)
    return list;
  // An empty array of its own document: a default-made one may not be iterated.
  thread_local simdjson::dom::parser parser;
  thread_local const element empty = parser.parse("[]", 2);
  return simdjson::dom::array(empty);
}

Result<DocumentNode> parse_json_document(const std::string& text) {
  JsonDocument document;
  if (auto parsed = parse_json(text, document); !parsed) return parsed.error();
  return convert(document.root);
}

}  // namespace fleetmeter::aggregator
