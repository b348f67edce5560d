#include "tests/parsers/deliveries.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <iterator>

#include "parsers/firehose_request.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::parsers::testing {
namespace {

using Records = std::vector<std::string>;

/// Takes the next one to `most` records off the front, put together.
std::string next_group(const Records& records, std::size_t& at, std::size_t most,
                       std::mt19937& random) {
  std::string group;
  for (std::size_t left = 1 + random() % most; left > 0 && at < records.size(); --left)
    group += records[at++];
  return group;
}

std::string json_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    }
  }
  return out;
}

/// What a log event holds: the line without its end.
std::string message_json(std::string_view record) {
  if (record.ends_with('\n')) record.remove_suffix(1);
  return R"("message":")" + json_text(record) + '"';
}

std::string next_subscription(const Records& records, std::size_t& at, std::mt19937& random) {
  std::string events;
  for (std::size_t left = 1 + random() % 20; left > 0 && at < records.size(); --left, ++at) {
    events += events.empty() ? "" : ",";
    events +=
        R"({"id":")" + std::to_string(at) + R"(","timestamp":1,)" + message_json(records[at]) + "}";
  }
  return R"({"messageType":"DATA_MESSAGE","owner":"123456789012","logEvents":[)" + events + "]}";
}

std::string next_request(const Records& records, std::size_t& at, bool vended,
                         std::mt19937& random) {
  std::string body = R"({"requestId":"r-)" + std::to_string(at) + R"(","timestamp":1,"records":[)";
  for (std::size_t left = 1 + random() % 10; left > 0 && at < records.size(); --left) {
    const std::string data =
        vended ? "{" + message_json(records[at++]) + "}" : next_group(records, at, 8, random);
    body += (body.back() == '[' ? "" : ",") + (R"({"data":")" + base64(data) + "\"}");
  }
  return body + "]}";
}

void feed_in_pieces(std::string_view bytes, std::mt19937& random, Decoder& decoder,
                    const std::function<void()>& after) {
  const std::size_t largest = 1 + random() % 2000;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, 1 + random() % largest);
    const std::vector<char> block(piece.begin(), piece.end());  // Dies before the next piece.
    bytes.remove_prefix(piece.size());
    decoder.feed({block.data(), block.size()});
    after();
  }
  EXPECT_TRUE(decoder.finish());
  after();
}

std::string members_of(std::string_view plain, std::mt19937& random) {
  std::string file;
  while (!plain.empty()) {
    const std::string_view part = plain.substr(0, 1 + random() % 3000);
    plain.remove_prefix(part.size());
    file += gzip(part);
  }
  return file;
}

std::string packed(std::string_view plain, std::mt19937& random) {
  switch (random() % 3) {
    case 0:
      return gzip(plain);
    case 1:
      return zlib(plain);
    default:
      return zstd(plain);
  }
}

std::string joined(const Records& records) {
  std::string text;
  for (const std::string& record : records) text += record;
  return text;
}

void deliver_message(Delivery delivery, const Records& records, std::size_t& at,
                     std::mt19937& random, Decoder& decoder) {
  switch (delivery) {
    case Delivery::kValues:
      return decoder.message(next_group(records, at, 8, random));
    case Delivery::kPackedValues:
      return decoder.message(packed(next_group(records, at, 8, random), random));
    case Delivery::kFirehoseRecords:
    case Delivery::kFirehoseMessages: {
      const bool vended = delivery == Delivery::kFirehoseMessages;
      FirehoseRequestParser parser;
      FirehoseRequest request;
      EXPECT_EQ(parser.parse(next_request(records, at, vended, random), request),
                FirehoseError::kNone);
      EXPECT_EQ(request.bad_base64, 0u);
      for (const std::string_view record : request.records) decoder.message(record);
      return;
    }
    default:
      return decoder.message(gzip(next_subscription(records, at, random)));
  }
}

}  // namespace

std::string_view to_string(Delivery delivery) noexcept {
  switch (delivery) {
    case Delivery::kText:
      return "text";
    case Delivery::kGzipMembers:
      return "gzip members";
    case Delivery::kValues:
      return "values";
    case Delivery::kPackedValues:
      return "packed values";
    case Delivery::kFirehoseRecords:
      return "Firehose records";
    case Delivery::kFirehoseMessages:
      return "Firehose messages";
    case Delivery::kLogEvents:
      return "log events";
    case Delivery::kLogEventsInAFile:
      return "log events in a file";
  }
  return "?";
}

bool is_for_messages(Delivery delivery) noexcept {
  return delivery == Delivery::kFirehoseMessages || delivery == Delivery::kLogEvents ||
         delivery == Delivery::kLogEventsInAFile;
}

void deliver(const std::vector<std::string>& records, Delivery delivery, std::mt19937& random,
             Decoder& decoder, const std::function<void()>& after) {
  switch (delivery) {
    case Delivery::kText:
      return feed_in_pieces(joined(records), random, decoder, after);
    case Delivery::kGzipMembers:
      return feed_in_pieces(members_of(joined(records), random), random, decoder, after);
    case Delivery::kLogEventsInAFile: {
      std::string file;
      for (std::size_t at = 0; at < records.size();)
        file += gzip(next_subscription(records, at, random));
      return feed_in_pieces(file, random, decoder, after);
    }
    default:
      for (std::size_t at = 0; at < records.size();) {
        deliver_message(delivery, records, at, random, decoder);
        after();
      }
  }
}

namespace {

constexpr const char* kDefaultHeader =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action log-status";
constexpr const char* kOtherHeader =
    "interface-id start end flow-direction srcaddr dstaddr bytes packets flux-capacity action "
    "log-status";

/// Makes lines of the format that the last header has set.
class LineMaker {
 public:
  LineMaker(std::uint32_t seed, const LineOptions& options) : random_(seed), options_(options) {}

  std::string next(std::size_t index, std::size_t count) {
    const std::uint32_t kind = below(40);
    if (kind == 0) {
      is_default_ = !is_default_;
      return is_default_ ? kDefaultHeader : kOtherHeader;
    }
    const std::int64_t offset = options_.by_time
                                    ? static_cast<std::int64_t>(index * options_.seconds / count)
                                    : below(options_.seconds);
    const std::int64_t length = options_.long_records && below(50) == 0 ? 300 : options_.length_s;
    std::string line = record(options_.start_s + offset, length, below(10));
    if (kind == 1) return line + " \x01";
    if (kind == 2) return line.substr(0, line.rfind(' '));
    if (kind == 3) return kBad[below(std::size(kBad))];
    if (kind == 4 && below(4) == 0) return "2 123456789012 " + std::string(70'000, 'x');
    if (kind == 5) return "";
    return kind == 6 ? line + "\r" : line;
  }

 private:
  std::uint32_t below(std::size_t limit) { return static_cast<std::uint32_t>(random_() % limit); }

  static constexpr const char* kBad[] = {
      "not a record",
      "2 123456789012 eni-0 1.2.3.456 10.0.1.5 1 2 6 1 1 1700000400 1700000459 ACCEPT OK",
      "2 123456789012 eni-0 10.0.1.5 10.0.1.6 1 2 6 1 12x 1700000400 1700000459 ACCEPT OK",
      "2 123456789012 eni-0 10.0.1.5 10.0.1.6 1 2 6 1 12 1700000400 1700000459 ACCEPT OKAY"};

  std::string record(std::int64_t start_s, std::int64_t length_s, std::uint32_t status) {
    const std::string interface = "eni-" + std::to_string(below(5));
    const std::string times = std::to_string(start_s) + " " + std::to_string(start_s + length_s);
    const char* const name = status == 0 ? "NODATA" : status == 1 ? "SKIPDATA" : "OK";
    if (status < 2) {
      return is_default_ ? "2 123456789012 " + interface + " - - - - - - - " + times + " - " + name
                         : interface + " " + times + " - - - - - - - " + name;
    }
    const std::string ends = address() + " " + address();
    const std::string bytes = std::to_string(below(100'000));
    const std::string action = below(4) == 0 ? "REJECT" : "ACCEPT";
    if (is_default_) {
      return "2 123456789012 " + interface + " " + ends + " 443 50000 6 7 " + bytes + " " + times +
             " " + action + " OK";
    }
    return interface + " " + times + (below(2) == 0 ? " ingress " : " egress ") + ends + " " +
           bytes + "  7 novel " + action + " OK";
  }

  std::string address() {
    static constexpr const char* kAddresses[] = {"10.0.1.5",    "10.0.2.6",    "10.0.9.9",
                                                 "203.0.113.5", "2001:db8::7", "10.0.101.78"};
    return kAddresses[below(std::size(kAddresses))];
  }

  std::mt19937 random_;
  const LineOptions options_;
  bool is_default_ = true;
};

}  // namespace

std::vector<std::string> mixed_lines(std::uint32_t seed, std::size_t count,
                                     const LineOptions& options) {
  LineMaker maker{seed, options};
  std::vector<std::string> lines{std::string{kDefaultHeader} + "\n"};
  for (std::size_t i = 0; i < count; ++i) lines.push_back(maker.next(i, count) + "\n");
  return lines;
}

}  // namespace fleetmeter::parsers::testing
