#include "parsers/firehose_request.h"

#include <simdjson.h>

#include "parsers/byte_buffer.h"
#include "parsers/json_base64.h"

namespace fleetmeter::parsers {
namespace {

namespace ondemand = simdjson::ondemand;

}  // namespace

struct FirehoseRequestParser::State {
  ondemand::parser parser;
  std::string padded;
  std::size_t decoded_bytes = 0;  // Of out.bytes.

  FirehoseError read_records(ondemand::value value, FirehoseRequest& out) {
    ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return FirehoseError::kNoRecords;
    std::size_t seen = 0;
    for (auto item : array) {
      ondemand::value record;
      if (std::move(item).get(record) != simdjson::SUCCESS) return FirehoseError::kNotJson;
      if (++seen > kFirehoseRecordsMax) return FirehoseError::kTooManyRecords;
      ondemand::object object;
      ondemand::value data;
      char* const room = out.bytes.data() + decoded_bytes;
      std::optional<std::size_t> bytes;
      if (record.get_object().get(object) == simdjson::SUCCESS &&
          object.find_field_unordered("data").get(data) == simdjson::SUCCESS) {
        bytes = decode_json_base64(data, room);
      }
      if (!bytes) {
        ++out.bad_base64;
      } else if (*bytes > 0) {
        out.records.emplace_back(room, *bytes);
        decoded_bytes += *bytes;
      }
    }
    return FirehoseError::kNone;
  }

  FirehoseError read_body(FirehoseRequest& out) {
    ondemand::document document;
    ondemand::object object;
    const simdjson::padded_string_view view{
        padded.data(), padded.size() - ByteBuffer::kPaddingBytes, padded.size()};
    if (parser.iterate(view).get(document) != simdjson::SUCCESS) return FirehoseError::kNotJson;
    if (document.get_object().get(object) != simdjson::SUCCESS) return FirehoseError::kNotJson;
    FirehoseError records = FirehoseError::kNoRecords;
    for (auto item : object) {
      ondemand::field field;
      std::string_view key;
      if (std::move(item).get(field) != simdjson::SUCCESS) return FirehoseError::kNotJson;
      if (field.unescaped_key().get(key) != simdjson::SUCCESS) return FirehoseError::kNotJson;
      if (key == "requestId") {
        std::string_view id;
        if (field.value().get_string().get(id) == simdjson::SUCCESS) out.request_id = id;
      } else if (key == "timestamp") {
        std::int64_t timestamp_ms = 0;
        if (field.value().get_int64().get(timestamp_ms) == simdjson::SUCCESS)
          out.timestamp_ms = timestamp_ms;
      } else if (key == "records") {
        records = read_records(field.value(), out);
        if (records == FirehoseError::kNotJson || records == FirehoseError::kTooManyRecords)
          return records;
      }
    }
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
      return FirehoseError::kNotJson;
    if (out.request_id.empty()) return FirehoseError::kNoRequestId;
    return records;
  }
};

std::string_view to_string(FirehoseError error) noexcept {
  switch (error) {
    case FirehoseError::kNone:
      return "none";
    case FirehoseError::kTooLarge:
      return "too_large";
    case FirehoseError::kNotJson:
      return "not_json";
    case FirehoseError::kNoRequestId:
      return "no_request_id";
    case FirehoseError::kNoRecords:
      return "no_records";
    case FirehoseError::kTooManyRecords:
      return "too_many_records";
  }
  return "unknown";
}

FirehoseRequestParser::FirehoseRequestParser() : state_(std::make_unique<State>()) {}
FirehoseRequestParser::~FirehoseRequestParser() = default;

FirehoseError FirehoseRequestParser::parse(std::string_view body, FirehoseRequest& out) {
  out.request_id.clear();
  out.timestamp_ms.reset();
  out.records.clear();
  out.bad_base64 = 0;
  out.bytes.clear();
  if (body.size() > kFirehoseBodyBytesMax) return FirehoseError::kTooLarge;
  state_->padded.reserve(body.size() + ByteBuffer::kPaddingBytes);
  state_->padded.assign(body);
  state_->padded.append(ByteBuffer::kPaddingBytes, '\0');
  // Room for all there can be: records stay where they are decoded to.
  out.bytes.resize(base64_room(body.size()) + ByteBuffer::kPaddingBytes);
  state_->decoded_bytes = 0;
  const FirehoseError error = state_->read_body(out);
  out.bytes.resize(state_->decoded_bytes);
  out.bytes.append(ByteBuffer::kPaddingBytes, '\0');
  return error;
}

}  // namespace fleetmeter::parsers
