// The body of a Firehose request: any bytes end in records or in an error that says what is wrong,
// as simdjson's validating document tree has it; records put into a body come out of it, a broken
// one dropped alone; and the decoder reads them from the body as it does one by one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/decoder.h"
#include "parsers/firehose_request.h"
#include "proto/check.h"
#include "tests/fuzz/decode_outcome.h"
#include "tests/fuzz/json_text.h"

namespace {

using namespace fleetmeter;
using parsers::FirehoseError;
using parsers::FirehoseRequest;
using Object = simdjson::dom::object;

FirehoseError parse(std::string_view body, FirehoseRequest& request) {
  static parsers::FirehoseRequestParser parser;  // Keeps its buffers, and nothing else.
  const fuzz::ExactBlock block{body};
  const FirehoseError error = parser.parse(block.view(), request);
  for (const std::string_view record : request.records) {
    FM_CHECK(!record.empty());
    FM_CHECK(record.data() >= request.bytes.data());
    FM_CHECK(record.data() + record.size() + parsers::ByteBuffer::kPaddingBytes <=
             request.bytes.data() + request.bytes.size());
  }
  return error;
}

void check_against_tree(std::string_view body) {
  static simdjson::dom::parser tree_parser;
  FirehoseRequest request;
  const FirehoseError error = parse(body, request);
  FM_CHECK(error != FirehoseError::kTooLarge);
  FM_CHECK((error == FirehoseError::kNone) <= !request.request_id.empty());
  Object object;
  if (tree_parser.parse(body.data(), body.size()).get_object().get(object) != simdjson::SUCCESS)
    return;
  FM_CHECK(error != FirehoseError::kNotJson);
  if (fuzz::has_equal_keys(object)) return;

  std::string_view id;
  if (object.at_key("requestId").get_string().get(id) != simdjson::SUCCESS) id = {};
  FM_CHECK(request.request_id == id);
  std::int64_t timestamp_ms = 0;
  const bool has_time =
      object.at_key("timestamp").get_int64().get(timestamp_ms) == simdjson::SUCCESS;
  FM_CHECK(request.timestamp_ms.has_value() == has_time);
  FM_CHECK(!has_time || *request.timestamp_ms == timestamp_ms);

  simdjson::dom::array records;
  const bool has_records = object.at_key("records").get_array().get(records) == simdjson::SUCCESS;
  if (id.empty()) {
    FM_CHECK(error == FirehoseError::kNoRequestId);
  } else {
    FM_CHECK(error == (has_records ? FirehoseError::kNone : FirehoseError::kNoRecords));
  }
  if (has_records) FM_CHECK(records.size() >= request.records.size() + request.bad_base64);
}

/// A body of the records; each one whose bit is set has its base64 broken.
std::string body_of(const std::vector<std::string>& records, std::uint8_t broken) {
  std::string body = R"({"requestId":"0f-1","timestamp":1632865411915,"records":[)";
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::string data = fuzz::base64(records[i]);
    if ((broken >> i % 8 & 1) != 0) data += '!';
    body += (i > 0 ? "," : "") + (R"({"data":")" + data + "\"}");
  }
  return body + "]}";
}

void check_wrapped(const std::vector<std::string>& records, std::uint8_t broken) {
  std::vector<std::string> expected;
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const bool is_bad = (broken >> i % 8 & 1) != 0;
    bad += is_bad ? 1 : 0;
    if (!is_bad && !records[i].empty()) expected.push_back(records[i]);
  }
  const std::string body = body_of(records, broken);
  FirehoseRequest request;
  FM_CHECK(parse(body, request) == FirehoseError::kNone);
  FM_CHECK(request.request_id == "0f-1");
  FM_CHECK(request.bad_base64 == bad);
  FM_CHECK(std::vector<std::string>(request.records.begin(), request.records.end()) == expected);

  fuzz::Outcome one_by_one;
  parsers::Decoder decoder{fuzz::small_options(), one_by_one.yield};
  for (const std::string_view record : request.records) decoder.message(record);
  one_by_one.counts = decoder.counts();
  const fuzz::Outcome whole = fuzz::decode_message(body);
  FM_CHECK(whole.dropped(parsers::PayloadDrop::kBadBase64) >= bad);
  // Drops differ where a record holds as many layers as may be.
  if (one_by_one.any_dropped() || whole.any_dropped()) return;
  FM_CHECK(whole.yield == one_by_one.yield);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const std::uint8_t broken = input.choice();
  const fuzz::Pieces pieces{input};
  const std::string_view bytes = input.rest();
  check_against_tree(bytes);
  fuzz::check_cuts(bytes, pieces);

  std::vector<std::string> records;
  fuzz::for_each_piece(bytes, pieces, [&](std::string_view piece) { records.emplace_back(piece); });
  check_wrapped(records, broken);
  return 0;
}
