#include "parsers/firehose_request.h"

#include <simdjson.h>

#include "parsers/byte_buffer.h"
#include "parsers/decoder.h"

namespace fleetmeter::parsers {
namespace {

namespace ondemand = simdjson::ondemand;

struct Extent {
  std::size_t begin;
  std::size_t count;
};

}  // namespace

struct FirehoseRequestParser::State {
  ondemand::parser parser;
  std::string padded;
  std::string decoded;
  std::vector<Extent> extents;

  FirehoseError read_records(ondemand::value value, FirehoseRequest& out) {
    ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return FirehoseError::kNoRecords;
    std::size_t seen = 0;
    for (auto item : array) {
      ondemand::value record;
      if (std::move(item).get(record) != simdjson::SUCCESS) return FirehoseError::kNotJson;
      if (++seen > kFirehoseRecordsMax) return FirehoseError::kTooManyRecords;
      ondemand::object object;
      std::string_view data;
      if (record.get_object().get(object) != simdjson::SUCCESS ||
          object.find_field_unordered("data").get_string().get(data) != simdjson::SUCCESS ||
          !decode_base64(data, decoded)) {
        ++out.bad_base64;
        continue;
      }
      if (decoded.empty()) continue;
      extents.push_back({out.bytes.size(), decoded.size()});
      out.bytes += decoded;
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
  state_->extents.clear();
  if (body.size() > kFirehoseBodyBytesMax) return FirehoseError::kTooLarge;
  state_->padded.reserve(body.size() + ByteBuffer::kPaddingBytes);
  state_->padded.assign(body);
  state_->padded.append(ByteBuffer::kPaddingBytes, '\0');
  const FirehoseError error = state_->read_body(out);
  out.bytes.append(ByteBuffer::kPaddingBytes, '\0');
  for (const Extent& extent : state_->extents) {
    out.records.push_back(std::string_view{out.bytes}.substr(extent.begin, extent.count));
  }
  return error;
}

}  // namespace fleetmeter::parsers
