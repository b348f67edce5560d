#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/flow_layout.h"

namespace fleetmeter::parsers {

/// Takes the log messages of an envelope; views die when the call returns.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  /// `event_id` is "" where the envelope has none.
  virtual void on_log_message(std::string_view message, std::string_view event_id) = 0;
  /// A flow record that came as an object: a line of flow_row_layout().
  virtual void on_flow_row(std::string_view line) = 0;
  /// Of a Firehose request, before its records: false when it repeats one that was taken.
  [[nodiscard]] virtual bool keep_request(std::string_view request_id) = 0;
};

/// What an envelope was, and the payloads that it carried as base64.
struct Envelope {
  enum class Kind : std::uint8_t {
    kLogEvents,  ///< CloudWatch Logs subscription, DATA_MESSAGE: its messages went to the sink.
    kControl,    ///< CONTROL_MESSAGE: nothing to take.
    kMessage,    ///< {"message"}: vended flow log record, or one log event.
    kFlowRow,    ///< A flow record of its own, its fields as keys.
    /// Lambda awslogs event, Kinesis or Firehose event or request, Firehose error object.
    kPayloads,
    kUnknown,  ///< JSON of no known kind, or a known kind whose content has another shape.
    kNotJson,
  };
  Kind kind = Kind::kUnknown;
  std::vector<std::string_view> payloads;  ///< Decoded, views into `bytes`.
  std::uint32_t bad_base64 = 0;            ///< Payloads dropped.
  std::string bytes;                       ///< Padded for parsers.
};

/// All fields of all versions, in the order of FlowField.
[[nodiscard]] FlowLayout flow_row_layout();

/// Opens one JSON object of the envelopes that AWS and its Lambda events wrap telemetry in. Key
/// order does not matter, unknown keys are ignored, of arrays with the same key (`logEvents` twice)
/// each is read; a byte that is no UTF-8 becomes '?'. Rules:
/// Amazon CloudWatch Logs User Guide, "Real-time processing of log data with subscriptions"; AWS
/// Lambda Developer Guide, event formats of CloudWatch Logs, Kinesis and Data Firehose; Amazon Data
/// Firehose Developer Guide, "HTTP endpoint delivery". Flow records as objects are what connectors
/// make of the rows of Parquet files: names with underscores, null for absent.
class EnvelopeParser {
 public:
  EnvelopeParser();
  ~EnvelopeParser();
  /// `value` is one JSON object with ByteBuffer::kPaddingBytes readable behind it.
  void open(std::string_view value, MessageSink& sink, Envelope& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::parsers
