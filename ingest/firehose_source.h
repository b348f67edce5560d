#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ingest/source.h"

namespace fleetmeter::ingest {

struct FirehoseOptions {
  SourceSettings settings;
  std::string listen = "127.0.0.1:8443";  ///< host:port; port 0 takes a free one.
  std::string access_key;                 ///< Empty = none asked. Compared in constant time.
  std::string tls_cert,
      tls_key;  ///< PEM files; both or neither (plain HTTP behind a load balancer).
  std::size_t body_bytes_max = 64u << 20;  ///< Before and after gzip; beyond it 413.
  std::uint32_t read_timeout_ms = 30000;
  /// How long a request waits for the outcome of who is about to commit the same (its twin, or a
  /// source with the same log events, which may wait for its own input); beyond it 503.
  std::uint32_t twin_wait_ms = 5000;
  std::uint32_t threads = 4;  ///< As many requests are handled, and decoded in memory, at a time.
};

/// The Firehose HTTP endpoint: answers 200 only after the batch is durable, with the exact response
/// contract (requestId echoed, numeric timestamp, Content-Type application/json, Content-Length, no
/// other key). The access key is asked before the body is read. A repeated request id is answered
/// 200 without counting again; one in flight waits for the first attempt's outcome, and so does one
/// with log events that another source is about to commit. A bad record inside a good batch is
/// dropped and counted, the batch is 200. A header line binds the columns of the records behind it
/// in its request, and of no other request. GET on any path answers 200 for load balancer health
/// checks. Rule: Amazon Data Firehose Developer Guide, "HTTP endpoint delivery request and response
/// specifications".
class FirehoseSource : public Source {
 public:
  [[nodiscard]] virtual std::uint16_t port() const = 0;  ///< Bound port after start().
};
[[nodiscard]] std::unique_ptr<FirehoseSource> make_firehose_source(SourceContext context,
                                                                   FirehoseOptions options);

}  // namespace fleetmeter::ingest
