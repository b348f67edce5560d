#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/result.h"

namespace fleetmeter::ingest {

struct HttpRequest {
  std::string method;                        ///< "GET", "POST", ...
  std::string path;                          ///< Without the query, percent-decoded.
  std::map<std::string, std::string> query;  ///< Percent-decoded.
  std::map<std::string, std::string>
      headers;  ///< Names in lower case; repeated ones joined by ", ".
  std::string body;
  [[nodiscard]] std::string_view header(
      const std::string& lower_case_name) const;  ///< Empty when absent.
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>>
      headers;  ///< Besides Content-Type and Content-Length.
};

struct HttpServerOptions {
  std::string listen = "127.0.0.1:0";  ///< host:port; port 0 takes a free one.
  std::string tls_cert = {},
              tls_key = {};  ///< PEM files, TLS 1.2 or newer; both empty = plain HTTP.
  std::size_t body_bytes_max =
      1u << 20;  ///< Beyond it 413 and the connection closes; memory stays flat.
  /// All bodies that are being read or handled, as announced; beyond it 503 and the connection
  /// closes. One alone is always taken.
  std::size_t bodies_bytes_max = 256u << 20;
  /// Deadline of each of: TLS handshake, whole header (idle keep-alive included), whole body, whole
  /// response.
  std::uint32_t read_timeout_ms = 30'000;
  std::uint32_t threads = 4;  ///< As many requests are handled at a time.
  /// Or half the process's descriptors over its servers, if that is less. Beyond it the connection
  /// that has waited longest for a header, a second at least, is closed for a new one, else the new.
  std::uint32_t connections_max = 4096;
  /// Asked when the header is in, before the body is read (it is empty): a response refuses the
  /// request, and the connection closes. Must not block. May be empty.
  std::function<std::optional<HttpResponse>(const HttpRequest& head)> admit = {};
  /// Makes the response to what the server refuses by itself (400, 413, 431, 500, 503); `head` may
  /// be empty. Without it {"error": why}.
  std::function<HttpResponse(const HttpRequest& head, unsigned status, const std::string& why)>
      refuse = {};
};

/// A small HTTP/1.1 server on Boost.Beast: C++20 coroutines, keep-alive, a deadline on each read,
/// Content-Length on each response, no pipelining beyond one request after the other. The handler
/// runs on a server thread and may block; it must be thread safe. An exception in it is a 500.
class HttpServer {
 public:
  using Handler = std::function<HttpResponse(HttpRequest&)>;
  HttpServer(HttpServerOptions options, Handler handler);
  ~HttpServer();  ///< stop()

  /// kInvalidArgument: the address is no address or the TLS files are bad; kUnavailable: the port
  /// is taken, or there are no descriptors left. Once.
  Result<void> start();
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Accepts no more, closes connections that wait for a request or send one, lets those being
  /// handled end and gives their responses five seconds, joins. Idempotent.
  void stop();

 private:
  struct State;
  HttpServerOptions options_;
  Handler handler_;
  std::unique_ptr<State> state_;  // Null before start().
};

}  // namespace fleetmeter::ingest
