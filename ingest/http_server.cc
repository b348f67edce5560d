#include "ingest/http_server.h"

#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

namespace fleetmeter::ingest {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using error_code = boost::system::error_code;

constexpr std::uint32_t kHeaderBytesMax =
    128 * 1024;  // Firehose common attributes alone may take 64 KiB.

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

HttpRequest to_request(http::request<http::string_body>&& message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const std::size_t question = target.find('?');
  request.path = percent_decode(std::string_view(target).substr(0, question));
  std::string_view rest = question == std::string::npos
                              ? std::string_view()
                              : std::string_view(target).substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    request.query[percent_decode(pair.substr(0, equals))] =
        equals == std::string_view::npos ? "" : percent_decode(pair.substr(equals + 1));
  }
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    std::string& value = request.headers[name];
    if (!value.empty()) value += ", ";
    value.append(field.value().data(), field.value().size());
  }
  request.body = std::move(message.body());
  return request;
}

http::response<http::string_body> to_message(HttpResponse&& response, unsigned version,
                                             bool keep_alive, bool head) {
  http::response<http::string_body> message{static_cast<http::status>(response.status), version};
  message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  const std::size_t bytes = response.body.size();
  if (!head) message.body() = std::move(response.body);
  message.content_length(bytes);
  return message;
}

}  // namespace

std::string_view HttpRequest::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

struct HttpServer::State {
  State(HttpServerOptions options_in, Handler handler_in)
      : options(std::move(options_in)), handler(std::move(handler_in)) {}

  HttpServerOptions options;
  Handler handler;
  asio::io_context io;
  std::optional<asio::ssl::context> tls;
  std::optional<tcp::acceptor> acceptor;
  std::vector<std::thread> threads;
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
  std::mutex mutex;                   // Guards sockets and busy.
  std::set<beast::tcp_stream*> idle;  // Connections that wait for a request: closed at stop.
  std::size_t connections = 0;

  Result<void> set_up_tls();
  Result<tcp::endpoint> resolve();
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(beast::tcp_stream stream);
  template <typename Stream>
  asio::awaitable<void> converse(Stream& stream);
  HttpResponse handle(HttpRequest& request) noexcept;
  bool set_idle(beast::tcp_stream& stream, bool is_idle);
};

Result<void> HttpServer::State::set_up_tls() {
  if (options.tls_cert.empty()) return {};
  tls.emplace(asio::ssl::context::tls_server);
  error_code error;
  tls->use_certificate_chain_file(options.tls_cert, error);
  if (error)
    return Error{ErrorCode::kInvalidArgument,
                 options.tls_cert + ": cannot be used as certificate: " + error.message()};
  tls->use_private_key_file(options.tls_key, asio::ssl::context::pem, error);
  if (error)
    return Error{
        ErrorCode::kInvalidArgument,
        options.tls_key + ": cannot be used as key of the certificate: " + error.message()};
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  return {};
}

Result<tcp::endpoint> HttpServer::State::resolve() {
  const std::size_t colon = options.listen.rfind(':');
  std::string host = options.listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  const std::string service = colon == std::string::npos ? "" : options.listen.substr(colon + 1);
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, service, tcp::resolver::passive, error);
  if (error || found.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "cannot listen on `" + options.listen + "`: not an address, write host:port"};
  }
  return found.begin()->endpoint();
}

HttpResponse HttpServer::State::handle(HttpRequest& request) noexcept {
  try {
    return handler(request);
  } catch (const std::exception& problem) {
    return {500, "application/json", std::string("{\"error\":\"internal\"}"), {}};
  }
}

/// Marks a connection as waiting for a request; false when the server stops and it must close.
bool HttpServer::State::set_idle(beast::tcp_stream& stream, bool is_idle) {
  const std::lock_guard lock(mutex);
  if (is_idle && stopping) return false;
  if (is_idle) idle.insert(&stream);
  if (!is_idle) idle.erase(&stream);
  return true;
}

template <typename Stream>
asio::awaitable<void> HttpServer::State::converse(Stream& stream) {
  beast::tcp_stream& lowest = beast::get_lowest_layer(stream);
  beast::flat_buffer buffer;
  for (;;) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeaderBytesMax);
    parser.body_limit(options.body_bytes_max);
    error_code error;
    if (!set_idle(lowest, true)) co_return;
    lowest.expires_after(std::chrono::milliseconds(options.read_timeout_ms));
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    (void)set_idle(lowest, false);
    const unsigned version = parser.get().version() == 0 ? 11 : parser.get().version();
    if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on{http::status::continue_, version};
      co_await http::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, error));
    }
    if (!error && !parser.is_done()) {
      lowest.expires_after(std::chrono::milliseconds(options.read_timeout_ms));
      co_await http::async_read(stream, buffer, parser,
                                asio::redirect_error(asio::use_awaitable, error));
    }
    HttpResponse response;
    bool keep_alive = false, head = false;
    if (!error) {
      keep_alive = parser.get().keep_alive() && !stopping;
      HttpRequest request = to_request(parser.release());
      head = request.method == "HEAD";
      response = handle(request);
    } else if (error == http::error::body_limit) {
      response = {
          413,
          "application/json",
          "{\"error\":\"body is over " + std::to_string(options.body_bytes_max) + " bytes\"}",
          {}};
    } else if (error == http::error::header_limit) {
      response = {431, "application/json", "{\"error\":\"header is too large\"}", {}};
    } else if (error == http::error::end_of_stream || error == http::error::partial_message ||
               error == beast::error::timeout ||
               error.category() != http::make_error_code(http::error::bad_method).category()) {
      co_return;  // Gone, or too slow.
    } else {
      response = {400, "application/json", "{\"error\":\"not an HTTP request\"}", {}};
    }
    const auto message = to_message(std::move(response), version, keep_alive, head);
    http::response_serializer<http::string_body> serializer{message};
    lowest.expires_after(std::chrono::milliseconds(options.read_timeout_ms));
    if (head) {
      co_await http::async_write_header(stream, serializer,
                                        asio::redirect_error(asio::use_awaitable, error));
    } else {
      co_await http::async_write(stream, serializer,
                                 asio::redirect_error(asio::use_awaitable, error));
    }
    if (error || !keep_alive) co_return;
  }
}

asio::awaitable<void> HttpServer::State::serve(beast::tcp_stream stream) {
  error_code error;
  if (tls) {
    beast::ssl_stream<beast::tcp_stream> secure(std::move(stream), *tls);
    beast::get_lowest_layer(secure).expires_after(
        std::chrono::milliseconds(options.read_timeout_ms));
    co_await secure.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      co_await converse(secure);
      beast::get_lowest_layer(secure).expires_after(std::chrono::seconds(2));
      co_await secure.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    }
  } else {
    co_await converse(stream);
    stream.socket().shutdown(tcp::socket::shutdown_send, error);
  }
  const std::lock_guard lock(mutex);
  --connections;
}

asio::awaitable<void> HttpServer::State::accept() {
  while (!stopping) {
    error_code error;
    // Each connection on a strand of its own: its reads and their deadlines never run on two
    // threads at once.
    tcp::socket socket(asio::make_strand(io));
    co_await acceptor->async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (stopping || error == asio::error::operation_aborted) co_return;
    if (error) {  // Out of descriptors, mostly: a pause lets some close.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    {
      const std::lock_guard lock(mutex);
      if (connections >= options.connections_max) continue;
      ++connections;
    }
    socket.set_option(tcp::no_delay(true), error);
    const auto executor = socket.get_executor();
    asio::co_spawn(executor, serve(beast::tcp_stream(std::move(socket))), asio::detached);
  }
}

HttpServer::HttpServer(HttpServerOptions options, Handler handler)
    : state_(std::make_unique<State>(std::move(options), std::move(handler))) {}
HttpServer::~HttpServer() { stop(); }

Result<void> HttpServer::start() {
  State& state = *state_;
  if (auto done = state.set_up_tls(); !done) return done;
  auto endpoint = state.resolve();
  if (!endpoint) return std::move(endpoint).error();
  error_code error;
  state.acceptor.emplace(state.io);
  state.acceptor->open(endpoint->protocol(), error);
  if (!error) state.acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) state.acceptor->bind(*endpoint, error);
  if (!error) state.acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return Error{ErrorCode::kUnavailable,
                 "cannot listen on " + state.options.listen + ": " + error.message()};
  state.port = state.acceptor->local_endpoint().port();
  asio::co_spawn(state.io, state.accept(), asio::detached);
  for (std::uint32_t i = 0; i < std::max(1u, state.options.threads); ++i)
    state.threads.emplace_back([&state] { state.io.run(); });
  return {};
}

std::uint16_t HttpServer::port() const noexcept { return state_->port; }

void HttpServer::stop() {
  State& state = *state_;
  if (state.threads.empty()) return;
  {
    const std::lock_guard lock(state.mutex);
    state.stopping = true;
    for (beast::tcp_stream* stream : state.idle) {
      asio::post(stream->get_executor(), [&state, stream] {
        const std::lock_guard inner(state.mutex);
        if (state.idle.contains(stream)) stream->cancel();
      });
    }
  }
  asio::post(state.io, [&state] {
    error_code ignored;
    state.acceptor->close(ignored);
  });
  for (std::thread& thread : state.threads)
    thread.join();  // run() returns when the last connection has ended.
  state.threads.clear();
}

}  // namespace fleetmeter::ingest
