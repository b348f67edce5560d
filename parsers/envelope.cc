#include "parsers/envelope.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>

#include "parsers/account.h"
#include "parsers/byte_buffer.h"
#include "parsers/json_base64.h"

namespace fleetmeter::parsers {
namespace {

namespace ondemand = simdjson::ondemand;

struct Keys {
  bool message_type = false;
  // Arrays, how often they are there.
  std::uint32_t log_events = 0;
  std::uint32_t upper_records = 0;  // Kinesis event of Lambda.
  std::uint32_t lower_records = 0;  // Firehose request, or Firehose event of Lambda.
  bool awslogs = false;
  bool message = false;
  bool raw_data = false;
  bool flow_row = false;
};

/// How many bytes the UTF-8 character at the front of `text` has; 0: it is none.
std::size_t utf8_bytes(std::string_view text) noexcept {
  for (std::size_t count = 1; count <= std::min<std::size_t>(text.size(), 4); ++count) {
    if (simdjson::validate_utf8(text.data(), count)) return count;
  }
  return 0;
}

void replace_bad_utf8(std::string& text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t count = utf8_bytes(std::string_view(text).substr(at));
    if (count == 0) text[at] = '?';
    at += count == 0 ? 1 : count;
  }
}

}  // namespace

struct EnvelopeParser::State {
  ondemand::parser parser;
  std::string repaired;           // A copy of the value.
  std::size_t decoded_bytes = 0;  // Of Envelope::bytes.

  /// False when `value` is no JSON object.
  static bool read_keys(ondemand::object& object, Keys& keys) {
    for (auto item : object) {
      ondemand::field field;
      std::string_view key;
      if (std::move(item).get(field) != simdjson::SUCCESS) return false;
      if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
      keys.message_type |= key == "messageType";
      keys.log_events += key == "logEvents" ? 1 : 0;
      keys.upper_records += key == "Records" ? 1 : 0;
      keys.lower_records += key == "records" ? 1 : 0;
      keys.awslogs |= key == "awslogs";
      keys.message |= key == "message";
      keys.raw_data |= key == "rawData";
      keys.flow_row |= is_flow_record_key(key);
    }
    return true;
  }

  static bool is_text(ondemand::value value) {
    ondemand::json_type type;
    return value.type().get(type) == simdjson::SUCCESS && type == ondemand::json_type::string;
  }

  void take_payload(ondemand::value base64, Envelope& out) {
    char* const room = out.bytes.data() + decoded_bytes;
    const std::optional<std::size_t> bytes = decode_json_base64(base64, room);
    if (!bytes) {
      ++out.bad_base64;
    } else if (*bytes > 0) {
      out.payloads.emplace_back(room, *bytes);
      decoded_bytes += *bytes;
    }
  }

  /// Gives `take` the array under `name`, every one of `count`: a key that is there again brings
  /// more of the same, and which of them other readers take is not agreed (RFC 8259, section 4).
  /// False when there is none, one is no array, or `take` says so.
  template <typename Take>
  static bool take_arrays(ondemand::object& object, std::string_view name, std::uint32_t count,
                          Take take) {
    ondemand::array array;
    if (count <= 1) {
      return object.find_field_unordered(name).get_array().get(array) == simdjson::SUCCESS &&
             take(array);
    }
    if (object.reset().error() != simdjson::SUCCESS) return false;
    for (auto item : object) {
      ondemand::field field;
      std::string_view key;
      if (std::move(item).get(field) != simdjson::SUCCESS ||
          field.unescaped_key().get(key) != simdjson::SUCCESS)
        return false;
      if (key != name) continue;
      if (field.value().get_array().get(array) != simdjson::SUCCESS || !take(array)) return false;
    }
    return true;
  }

  static Envelope::Kind take_subscription(ondemand::object& object, std::uint32_t log_events,
                                          MessageSink& sink) {
    std::string_view type;
    if (!read_text(object, "messageType", type)) return Envelope::Kind::kUnknown;
    if (type == "CONTROL_MESSAGE") return Envelope::Kind::kControl;
    const auto take = [&sink](ondemand::array& events) { return take_events(events, sink); };
    return take_arrays(object, "logEvents", log_events, take) ? Envelope::Kind::kLogEvents
                                                              : Envelope::Kind::kUnknown;
  }

  static bool take_events(ondemand::array& events, MessageSink& sink) {
    for (auto item : events) {
      ondemand::object event;
      const simdjson::error_code error = std::move(item).get_object().get(event);
      if (error == simdjson::SUCCESS) {
        if (!take_event(event, sink)) return false;
      } else if (error == simdjson::INCORRECT_TYPE) {
        sink.on_log_message({}, {});  // No event: counted as one without a message.
      } else {
        return false;
      }
    }
    return true;
  }

  /// Empty when the object has no such text. False when it is no JSON: nothing may be asked of the
  /// document then, whose walk simdjson has ended.
  static bool read_text(ondemand::object& object, std::string_view key, std::string_view& text) {
    const simdjson::error_code error = object.find_field_unordered(key).get_string().get(text);
    if (error == simdjson::SUCCESS) return true;
    text = {};
    return error == simdjson::NO_SUCH_FIELD || error == simdjson::INCORRECT_TYPE ||
           error == simdjson::STRING_ERROR;
  }

  /// An event without a message carries nothing, and is handed on as an empty one. False: as
  /// read_text.
  static bool take_event(ondemand::object& event, MessageSink& sink) {
    std::string_view id, message;
    if (!read_text(event, "id", id) || !read_text(event, "message", message)) return false;
    sink.on_log_message(message, id);
    return true;
  }

  Envelope::Kind take_records(ondemand::object& object, const Keys& keys, MessageSink& sink,
                              Envelope& out) {
    const bool kinesis = keys.upper_records > 0;
    std::string_view request_id;
    if (!kinesis && !read_text(object, "requestId", request_id)) return Envelope::Kind::kUnknown;
    if (!request_id.empty() && !sink.keep_request(request_id)) return Envelope::Kind::kPayloads;
    const auto take = [&](ondemand::array& records) { return take_all_of(records, kinesis, out); };
    const bool taken = kinesis ? take_arrays(object, "Records", keys.upper_records, take)
                               : take_arrays(object, "records", keys.lower_records, take);
    return taken ? Envelope::Kind::kPayloads : Envelope::Kind::kUnknown;
  }

  bool take_all_of(ondemand::array& records, bool kinesis, Envelope& out) {
    bool is_kinesis = false;
    for (auto item : records) {
      ondemand::object record;
      simdjson::error_code error = std::move(item).get_object().get(record);
      if (error == simdjson::INCORRECT_TYPE) {
        ++out.bad_base64;
        continue;
      }
      if (error != simdjson::SUCCESS) return false;
      ondemand::object inner;
      ondemand::value data;
      if (kinesis) {
        error = record.find_field_unordered("kinesis").get_object().get(inner);
        const bool is_missing =
            error == simdjson::NO_SUCH_FIELD || error == simdjson::INCORRECT_TYPE;
        // An SQS, SNS or S3 event has `Records` too.
        if (error != simdjson::SUCCESS && !(is_missing && is_kinesis)) return false;
        is_kinesis = true;
        if (!is_missing) error = inner.find_field_unordered("data").get(data);
      } else {
        error = record.find_field_unordered("data").get(data);
      }
      if (error != simdjson::SUCCESS) {
        ++out.bad_base64;
      } else {
        take_payload(data, out);
      }
    }
    return true;
  }

  Envelope::Kind take_awslogs(ondemand::object& object, Envelope& out) {
    ondemand::object inner;
    ondemand::value data;
    if (object.find_field_unordered("awslogs").get_object().get(inner) != simdjson::SUCCESS ||
        inner.find_field_unordered("data").get(data) != simdjson::SUCCESS || !is_text(data)) {
      return Envelope::Kind::kUnknown;
    }
    take_payload(data, out);
    return Envelope::Kind::kPayloads;
  }

  /// False when the value is no JSON.
  static bool read_token(ondemand::value value, std::string_view& token) {
    ondemand::json_type type;
    if (value.type().get(type) != simdjson::SUCCESS) return false;
    if (type == ondemand::json_type::null) return true;
    if (type == ondemand::json_type::string)
      return value.get_string().get(token) == simdjson::SUCCESS;
    const bool is_scalar =
        type != ondemand::json_type::object && type != ondemand::json_type::array;
    token = is_scalar ? value.raw_json_token() : "?";
    token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    return true;
  }

  static Envelope::Kind take_flow_row(ondemand::object& object, MessageSink& sink) {
    std::array<std::string_view, kFlowFieldCount> tokens{};
    std::string account;
    tokens[static_cast<std::size_t>(FlowField::kLogStatus)] = "OK";  // Of a format without it.
    for (auto item : object) {
      ondemand::field field;
      std::string_view key;
      if (std::move(item).get(field) != simdjson::SUCCESS ||
          field.unescaped_key().get(key) != simdjson::SUCCESS)
        return Envelope::Kind::kUnknown;
      const std::optional<FlowField> known = find_field(key);
      if (!known) continue;
      std::string_view token;
      const bool is_number = field.value().raw_json_token().find_first_of("0123456789") == 0;
      if (!read_token(field.value(), token)) return Envelope::Kind::kUnknown;
      // A number has lost its zeros.
      if (*known == FlowField::kAccountId && is_number && token.size() < kAccountDigits)
        token = account.assign(kAccountDigits - token.size(), '0').append(token);
      tokens[static_cast<std::size_t>(*known)] = token;
    }
    std::string line;
    for (const std::string_view token : tokens) {
      line.append(line.empty() ? "" : " ").append(token.empty() ? "-" : token);
      // A blank within a token would be another token's border.
      std::replace_if(
          line.end() - static_cast<std::ptrdiff_t>(token.size()), line.end(),
          [](char c) { return static_cast<unsigned char>(c) <= ' '; }, '?');
    }
    sink.on_flow_row(line);
    return Envelope::Kind::kFlowRow;
  }

  Envelope::Kind take_raw_data(ondemand::object& object, Envelope& out) {
    ondemand::value data;
    if (object.find_field_unordered("rawData").get(data) != simdjson::SUCCESS || !is_text(data)) {
      return Envelope::Kind::kUnknown;
    }
    take_payload(data, out);
    return Envelope::Kind::kPayloads;
  }

  simdjson::error_code begin(std::string_view value, ondemand::document& document) {
    const simdjson::padded_string_view padded{value.data(), value.size(),
                                              value.size() + simdjson::SIMDJSON_PADDING};
    return parser.iterate(padded).get(document);
  }

  Envelope::Kind open(std::string_view value, MessageSink& sink, Envelope& out) {
    ondemand::document document;
    ondemand::object object;
    simdjson::error_code error = begin(value, document);
    if (error == simdjson::UTF8_ERROR) {
      // One bad byte in one event is no reason to lose the others.
      repaired.assign(value);
      replace_bad_utf8(repaired);
      repaired.append(ByteBuffer::kPaddingBytes, ' ');
      error = begin(std::string_view(repaired).substr(0, value.size()), document);
    }
    if (error != simdjson::SUCCESS) return Envelope::Kind::kNotJson;
    if (document.get_object().get(object) != simdjson::SUCCESS) return Envelope::Kind::kNotJson;
    Keys keys;
    // The whole object is walked once before anything is taken, so that a broken one yields nothing
    // rather than a part.
    if (!read_keys(object, keys)) return Envelope::Kind::kNotJson;
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
      return Envelope::Kind::kNotJson;
    document.rewind();
    if (document.get_object().get(object) != simdjson::SUCCESS) return Envelope::Kind::kNotJson;
    if (keys.log_events > 0 || keys.message_type)
      return take_subscription(object, keys.log_events, sink);
    const bool has_payloads =
        keys.lower_records > 0 || keys.upper_records > 0 || keys.awslogs || keys.raw_data;
    // Room for all there can be: payloads stay where they are decoded to.
    if (has_payloads) out.bytes.resize(base64_room(value.size()) + ByteBuffer::kPaddingBytes);
    if (keys.lower_records > 0 || keys.upper_records > 0)
      return take_records(object, keys, sink, out);
    if (keys.awslogs) return take_awslogs(object, out);
    if (keys.raw_data) return take_raw_data(object, out);
    if (!keys.message && keys.flow_row) return take_flow_row(object, sink);
    if (!keys.message) return Envelope::Kind::kUnknown;
    return take_event(object, sink) ? Envelope::Kind::kMessage : Envelope::Kind::kUnknown;
  }
};

FlowLayout flow_row_layout() {
  std::string names;
  for (std::size_t i = 0; i < kFlowFieldCount; ++i)
    names.append(names.empty() ? "" : " ").append(info(static_cast<FlowField>(i)).name);
  return parse_layout(names);
}

EnvelopeParser::EnvelopeParser() : state_(std::make_unique<State>()) {}
EnvelopeParser::~EnvelopeParser() = default;

void EnvelopeParser::open(std::string_view value, MessageSink& sink, Envelope& out) {
  out.payloads.clear();
  out.bad_base64 = 0;
  out.bytes.clear();
  state_->decoded_bytes = 0;
  out.kind = state_->open(value, sink, out);
  std::string{}.swap(state_->repaired);
  out.bytes.resize(state_->decoded_bytes);
  out.bytes.append(ByteBuffer::kPaddingBytes, '\0');
}

}  // namespace fleetmeter::parsers
