#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "proto/clock.h"

namespace fleetmeter::app {

/// What `fleetmeter receive` does: a small local webhook receiver that shows whether deliveries
/// arrive, once per id and rightly signed. A tool for demos and tests, bound to loopback unless
/// told otherwise.
struct ReceiveOptions {
  std::string listen_address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0 = takes a free one.
  std::string
      secret;  ///< "whsec_...", or what follows it; must be usable unless `verify` is false.
  bool verify =
      true;  ///< false accepts unsigned posts; an absent webhook-id is then the body's SHA-256.
  std::int64_t tolerance_s =
      300;  ///< Of webhook-timestamp, both ways; 0 = any time (a sender on a test clock).
  std::string
      out_path;  ///< Accepted deliveries, one JSON object a line, appended; empty = not written.
  /// File of ids that must arrive, one a line: a webhook id, an event id (the part before "-"), or
  /// an event-log line with an "id". The receiver stops when all have arrived; ids still missing at
  /// the end are reported and make the result 1.
  std::string expect_path;
  std::uint64_t fail_first =
      0;  ///< So many requests are answered with `fail_status` before any is accepted.
  std::uint16_t fail_status = 503;
  std::optional<std::uint32_t> retry_after_s;  ///< Sent as Retry-After with each injected failure.
  std::uint64_t body_bytes_max = 1 << 20;      ///< Beyond it: 413.
  std::uint64_t ids_max =
      1'000'000;  ///< Distinct ids kept in memory; beyond it new ones are answered 507.
  const Clock* clock = nullptr;  ///< For the tolerance and the received time; null = the system's.
  std::ostream* out =
      nullptr;  ///< "listening on URL", the summary as one JSON object; null = std::cout.
  std::ostream* report = nullptr;  ///< Conflicts and refused requests; null = std::cerr.
  std::function<void(std::uint16_t port)> on_listen;  ///< Called once the port is bound.
};

/// Serves until `stop` is set (looked at every 50 ms) or every expected id has arrived, then prints
/// the summary:
/// {"schema":1,"requests","deliveries","distinct_ids","duplicates","conflicts","failures_injected","rejected","missing"}.
/// `deliveries` were accepted, `duplicates` of them repeat an id with the same body, `conflicts`
/// brought another body for a known id and were refused.
///
/// Answers: 200 accepted; 400 a webhook header is missing or malformed; 401 the signature is wrong
/// or too old; 405 not a POST; 409 another body for a known id; 413 the body is too large; 500 the
/// delivery could not be written; 507 too many ids. A line of `out_path`: id, attempt (requests
/// seen with this id, this one included), received_ms, timestamp, sha256, body. Returns 0; 1 when
/// ids are missing or there was a conflict; 2 when it could not start (reason on `report`). One
/// thread, its own; `stop` may be set from a signal handler.
[[nodiscard]] int run_receive(const ReceiveOptions& options, const std::atomic<bool>& stop);

}  // namespace fleetmeter::app
