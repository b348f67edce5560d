// Envelopes: any object is opened to what simdjson's validating document tree says it holds, and a
// broken one to nothing; what is put into an envelope of each kind comes out of it, byte for byte;
// and a stream of envelopes does not depend on where it is cut. The first byte chooses the kind,
// three more the pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/decoder.h"
#include "parsers/envelope.h"
#include "proto/check.h"
#include "tests/fuzz/decode_outcome.h"
#include "tests/fuzz/json_text.h"

namespace {

using namespace fleetmeter;
using Kind = parsers::Envelope::Kind;
using Element = simdjson::dom::element;
using Object = simdjson::dom::object;

struct Opened final : parsers::MessageSink {
  void on_log_message(std::string_view message, std::string_view event_id) override {
    messages.emplace_back(message);
    ids.emplace_back(event_id);
  }
  void on_flow_row(std::string_view line) override { rows.emplace_back(line); }
  bool keep_request(std::string_view /*request_id*/) override { return true; }
  std::vector<std::string> messages;
  std::vector<std::string> ids, rows;
  parsers::Envelope envelope;
};

void open(std::string_view value, Opened& opened) {
  const fuzz::PaddedBlock padded{value};
  parsers::EnvelopeParser parser;
  parser.open(padded.view(), opened, opened.envelope);
  const std::string& bytes = opened.envelope.bytes;
  for (const std::string_view payload : opened.envelope.payloads) {
    FM_CHECK(!payload.empty());
    FM_CHECK(payload.data() >= bytes.data());
    FM_CHECK(payload.data() + payload.size() + parsers::ByteBuffer::kPaddingBytes <=
             bytes.data() + bytes.size());
  }
  if (opened.envelope.kind != Kind::kNotJson) return;
  FM_CHECK(opened.messages.empty());
  FM_CHECK(opened.envelope.payloads.empty());
}

std::string_view text_at(Object object, std::string_view key) {
  std::string_view text;
  return object.at_key(key).get_string().get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

bool has(Object object, std::string_view key) {
  return object.at_key(key).error() == simdjson::SUCCESS;
}

constexpr const char* kKeysOfFlowRows[] = {"log-status", "log_status", "interface-id",
                                           "interface_id", "srcaddr"};

/// Those of each array up to one that is none; false when there is such, or no array at all.
bool take_log_events(Object object, std::vector<std::optional<Object>>& events) {
  if (!has(object, "logEvents")) return false;
  for (const auto& [key, value] : object) {
    if (key != "logEvents") continue;
    simdjson::dom::array items;
    if (value.get_array().get(items) != simdjson::SUCCESS) return false;
    for (const Element item : items) {
      Object event;
      const bool is_event = item.get_object().get(event) == simdjson::SUCCESS;
      events.push_back(is_event ? std::optional{event} : std::nullopt);
    }
  }
  return true;
}

/// The log events of a subscription, and of a vended {"message"}; or a flow record as an object.
void check_events(Object object, const Opened& opened) {
  std::vector<std::optional<Object>> events;  // None: an element that is no event.
  Kind kind = Kind::kMessage;
  if (has(object, "logEvents") || has(object, "messageType")) {
    kind = Kind::kLogEvents;
    if (text_at(object, "messageType") == "CONTROL_MESSAGE") {
      kind = Kind::kControl;
    } else if (!take_log_events(object, events)) {
      kind = Kind::kUnknown;
    }
  } else if (!has(object, "message")) {
    const bool is_row =
        std::ranges::any_of(kKeysOfFlowRows, [&](const char* key) { return has(object, key); });
    kind = is_row ? Kind::kFlowRow : Kind::kUnknown;
  } else {
    events.push_back(object);
  }
  FM_CHECK(opened.envelope.kind == kind);
  FM_CHECK(opened.rows.size() == (kind == Kind::kFlowRow ? 1 : 0));
  FM_CHECK(opened.messages.size() == events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i] && fuzz::has_equal_keys(*events[i])) continue;
    FM_CHECK(opened.messages[i] == (events[i] ? text_at(*events[i], "message") : ""));
    FM_CHECK(opened.ids[i] == (events[i] ? text_at(*events[i], "id") : ""));
  }
}

void check_against_tree(std::string_view value) {
  static simdjson::dom::parser tree_parser;
  Opened opened;
  open(value, opened);
  Object object;
  if (tree_parser.parse(value.data(), value.size()).get_object().get(object) != simdjson::SUCCESS)
    return;
  FM_CHECK(opened.envelope.kind != Kind::kNotJson);
  if (fuzz::has_equal_keys(object, "logEvents")) return;
  bool carries_payloads = false;
  for (const char* key : {"records", "Records", "awslogs", "rawData"})
    carries_payloads = carries_payloads || has(object, key);
  if (!carries_payloads || has(object, "logEvents") || has(object, "messageType"))
    check_events(object, opened);
}

/// One envelope of the payloads, as one of its kinds is written; empty ones carry nothing.
std::string envelope_of_payloads(std::uint8_t kind, const std::vector<std::string>& payloads) {
  std::string out = kind == 0 ? R"({"requestId":"r","records":[)" : R"({"Records":[)";
  for (const std::string& payload : payloads) {
    if (out.back() != '[') out += " ,";
    const std::string data = R"("data" : ")" + fuzz::base64(payload) + '"';
    out += kind == 0 ? "{" + data + "}" : R"({"kinesis":{"partitionKey":"1",)" + data + "}}";
  }
  return out + "]}";
}

std::string envelope_of_messages(const std::vector<std::string>& messages) {
  std::string out = R"({"messageType":"DATA_MESSAGE","owner":"1","logEvents":[)";
  for (const std::string& message : messages) {
    if (out.back() != '[') out += ",\n";
    out += R"({"id":"7","timestamp":1,"message":)" + fuzz::json_string(message) + "}";
  }
  return out + "]}";
}

void check_wrapped(std::uint8_t kind, const std::vector<std::string>& parts) {
  Opened opened;
  switch (kind % 5) {
    case 0:
    case 1: {
      open(envelope_of_payloads(kind % 5, parts), opened);
      std::vector<std::string> expected;
      for (const std::string& part : parts) {
        if (!part.empty()) expected.push_back(part);
      }
      FM_CHECK(opened.envelope.kind == Kind::kPayloads);
      FM_CHECK(std::vector<std::string>(opened.envelope.payloads.begin(),
                                        opened.envelope.payloads.end()) == expected);
      return;
    }
    case 2:
      open(R"({"awslogs":{"data":")" + fuzz::base64(parts.back()) + "\"}}", opened);
      FM_CHECK(opened.envelope.kind == Kind::kPayloads);
      FM_CHECK(opened.envelope.payloads.size() == (parts.back().empty() ? 0 : 1));
      return;
    case 3:
      open(R"({"message":)" + fuzz::json_string(parts.back()) + "}", opened);
      FM_CHECK(opened.envelope.kind == Kind::kMessage);
      FM_CHECK(opened.messages == std::vector<std::string>{parts.back()});
      return;
    default:
      open(envelope_of_messages(parts), opened);
      FM_CHECK(opened.envelope.kind == Kind::kLogEvents);
      FM_CHECK(opened.messages == parts);
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const std::uint8_t kind = input.choice();
  const fuzz::Pieces pieces{input};
  const std::string_view bytes = input.rest();
  fuzz::check_cuts(bytes, pieces);
  if (bytes.starts_with('{')) check_against_tree(bytes);

  std::vector<std::string> parts;
  for (std::string_view rest = bytes; parts.empty() || !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    parts.emplace_back(line);
    for (char& c : parts.back()) c = static_cast<char>(c & 0x7f);
  }
  check_wrapped(kind, parts);
  return 0;
}
