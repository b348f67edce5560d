#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fleetmeter::parsers {

/// The body of one Firehose HTTP endpoint request. Rule: Amazon Data Firehose Developer Guide,
/// "Understand HTTP endpoint delivery request and response specifications".
struct FirehoseRequest {
  std::string request_id;                    ///< "" when the body has none.
  std::optional<std::int64_t> timestamp_ms;  ///< When Firehose made the request.
  /// Decoded record data, in order; views into `bytes`. Empty data is left out.
  std::vector<std::string_view> records;
  /// Records whose data is no base64 or is missing: dropped alone.
  std::uint32_t bad_base64 = 0;
  /// Holds the records, with room for parsers to read past the last.
  std::string bytes;
};

enum class FirehoseError : std::uint8_t {
  kNone,
  kTooLarge,  ///< Over kFirehoseBodyBytesMax, before anything is parsed.
  kNotJson,   ///< Not a JSON object, or cut.
  /// `requestId` is missing, no string, or empty; the response could not name it.
  kNoRequestId,
  kNoRecords,       ///< `records` is missing or no array.
  kTooManyRecords,  ///< Over kFirehoseRecordsMax.
};
[[nodiscard]] std::string_view to_string(FirehoseError error) noexcept;

inline constexpr std::size_t kFirehoseBodyBytesMax = 64u << 20;
inline constexpr std::size_t kFirehoseRecordsMax = 10000;

/// Parses request bodies; keeps its buffers between calls. Not thread safe: one per connection or
/// worker.
class FirehoseRequestParser {
 public:
  FirehoseRequestParser();
  ~FirehoseRequestParser();
  /// `body` is plain JSON (Content-Encoding already undone). Replaces `out`, which does not refer
  /// to `body` afterwards. Unknown keys are ignored. On an error `out` holds what was read before
  /// it, request_id above all.
  [[nodiscard]] FirehoseError parse(std::string_view body, FirehoseRequest& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::parsers
