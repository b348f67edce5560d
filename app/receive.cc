#include "app/receive.h"

// Before Boost: 1.74's awaitable.hpp uses std::exchange without including this.
// clang-format off
#include <utility>
// clang-format on

#include <fmt/format.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <iostream>

#include "app/received_deliveries.h"

namespace fleetmeter::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals only.

constexpr auto kReadTimeout = 30s;  ///< For one whole request, or idle between two.
constexpr auto kAcceptPause = 100ms;
constexpr int kConnectionsMax = 256;

using Response = http::response<http::string_body>;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

/// Sockets and coroutines of one receiver; everything runs on the thread that calls run().
class ReceiveServer {
 public:
  ReceiveServer(const ReceiveOptions& options, const std::atomic<bool>& stop,
                ReceivedDeliveries& deliveries)
      : options_(options), stop_(stop), deliveries_(deliveries), acceptor_(io_) {}

  Result<std::uint16_t> listen() {
    error_code error;
    const asio::ip::address address = asio::ip::make_address(options_.listen_address, error);
    if (error) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is not an IP address", options_.listen_address)};
    }
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return Error{ErrorCode::kUnavailable,
                   fmt::format("cannot listen on {}:{}: {}", options_.listen_address, options_.port,
                               error.message())};
    }
    return acceptor_.local_endpoint().port();
  }

  void run() {
    asio::co_spawn(io_, accept_connections(), asio::detached);
    asio::co_spawn(io_, watch_for_the_end(), asio::detached);
    io_.run();
  }

 private:
  asio::awaitable<void> accept_connections() {
    for (;;) {
      error_code error;
      tcp::socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted) co_return;
      if (error) {  // Out of file descriptors, or the peer has gone: do not spin on it.
        asio::steady_timer pause(io_, kAcceptPause);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      if (connections_ >= kConnectionsMax) continue;  // Refused by closing; the sender retries.
      asio::co_spawn(io_, serve(std::move(socket)), asio::detached);
    }
  }

  asio::awaitable<void> watch_for_the_end() {
    asio::steady_timer timer(io_);
    while (!stop_.load() && !deliveries_.complete()) {
      error_code error;
      timer.expires_after(50ms);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    if (deliveries_.complete()) {  // Let the answer to the last delivery leave.
      error_code error;
      timer.expires_after(kAcceptPause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    io_.stop();
  }

  asio::awaitable<void> serve(tcp::socket socket) {
    ++connections_;
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer;
    error_code error;
    bool keep_alive = true;
    while (keep_alive && !error) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(options_.body_bytes_max);
      stream.expires_after(kReadTimeout);
      co_await http::async_read(stream, buffer, parser,
                                asio::redirect_error(asio::use_awaitable, error));
      if (error && error != http::error::body_limit) break;
      Response response =
          error ? refuse(parser.get(), http::status::payload_too_large) : answer(parser.get());
      keep_alive = response.keep_alive();
      error = {};
      co_await http::async_write(stream, response,
                                 asio::redirect_error(asio::use_awaitable, error));
    }
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    --connections_;
  }

  static Response refuse(const http::request<http::string_body>& request, http::status status) {
    Response response(status, request.version());
    response.keep_alive(false);
    response.prepare_payload();
    return response;
  }

  Response answer(const http::request<http::string_body>& request) {
    if (request.method() != http::verb::post) {
      Response refused = refuse(request, http::status::method_not_allowed);
      refused.set(http::field::allow, "POST");
      return refused;
    }
    const ReceiveAnswer verdict =
        deliveries_.accept({view(request["webhook-id"]), view(request["webhook-timestamp"]),
                            view(request["webhook-signature"]), request.body()});
    Response response;
    response.version(request.version());
    response.result(verdict.status);
    response.keep_alive(request.keep_alive());
    response.set(http::field::content_type, "text/plain");
    if (verdict.injected && options_.retry_after_s) {
      response.set(http::field::retry_after, std::to_string(*options_.retry_after_s));
    }
    response.body() = verdict.text + "\n";
    response.prepare_payload();
    return response;
  }

  const ReceiveOptions& options_;
  const std::atomic<bool>& stop_;
  ReceivedDeliveries& deliveries_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  int connections_ = 0;
};

int fail(std::ostream& report, const Error& error) {
  report << "fleetmeter receive: " << error.message << std::endl;
  return 2;
}

}  // namespace

int run_receive(const ReceiveOptions& options, const std::atomic<bool>& stop) {
  std::ostream& out = options.out != nullptr ? *options.out : std::cout;
  std::ostream& report = options.report != nullptr ? *options.report : std::cerr;
  if (options.fail_status < 200 || options.fail_status > 599) {
    return fail(report,
                {ErrorCode::kInvalidArgument, "the status of a failure must be 200 to 599"});
  }
  ReceivedDeliveries deliveries(options);
  if (Result<void> opened = deliveries.open(); !opened) return fail(report, opened.error());
  try {
    ReceiveServer server(options, stop, deliveries);
    const Result<std::uint16_t> port = server.listen();
    if (!port) return fail(report, port.error());
    out << fmt::format("listening on http://{}:{}/", options.listen_address, *port) << std::endl;
    if (options.on_listen) options.on_listen(*port);
    server.run();
  } catch (const std::exception& error) {
    return fail(report, {ErrorCode::kInternal, error.what()});
  }
  out << deliveries.summary_json() << std::endl;
  return deliveries.missing() == 0 && deliveries.counts().conflicts == 0 ? 0 : 1;
}

}  // namespace fleetmeter::app
