#include "ingest/http_server.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "ingest/descriptor_share.h"
#include "ingest/file_bytes.h"

// g++ 12 sees Asio's coroutine frames deleted by a function that it does not pair with their
// operator new; it is theirs.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace fleetmeter::ingest {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using error_code = boost::system::error_code;

constexpr std::uint32_t kHeaderBytesMax =
    128 * 1024;  // Firehose common attributes alone may take 64 KiB.
constexpr auto kStopGrace =
    std::chrono::seconds(5);  // For responses that are being written at stop().
constexpr auto kQuietMin =
    std::chrono::seconds(1);  // Who has just connected does not go for the next one.
constexpr auto kLinger =
    std::chrono::seconds(2);  // For a refused sender to stop sending and read why.

/// Beast keeps the sizes of a field in 16 bits and throws where one is longer.
class RequestParser : public http::request_parser<http::string_body> {
 private:
  void on_field_impl(http::field name, beast::string_view text, beast::string_view value,
                     error_code& error) override {
    constexpr std::size_t kFieldBytesMax = 65'000;
    error = {};
    if (text.size() > kFieldBytesMax || value.size() > kFieldBytesMax) {
      error = http::error::header_limit;
    } else {
      get().insert(name, text, value);
    }
  }
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

/// The absolute form of a target must be taken too (RFC 9112, 3.2.2): what is behind its authority.
std::string_view origin_form(std::string_view target) {
  const std::size_t scheme_end = target.find("://");
  const std::string_view scheme = target.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos ||
      !(beast::iequals({scheme.data(), scheme.size()}, "http") ||
        beast::iequals({scheme.data(), scheme.size()}, "https")))
    return target;
  const std::size_t authority_end = target.find_first_of("/?", scheme_end + 3);
  return authority_end == std::string_view::npos ? "" : target.substr(authority_end);
}

HttpRequest to_request(const http::request<http::string_body>& message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string_view target = origin_form({message.target().data(), message.target().size()});
  const std::size_t question = target.find('?');
  request.path = percent_decode(target.substr(0, question), false);
  if (request.path.empty()) request.path = "/";
  std::string_view rest =
      question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    request.query[percent_decode(pair.substr(0, equals), true)] =
        equals == std::string_view::npos ? "" : percent_decode(pair.substr(equals + 1), true);
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

/// Of the file that the configuration's `key` names.
Error bad_tls_file(const char* key, const std::string& path, const char* otherwise) {
  const int fd = open_input(path);
  const std::string why = fd < 0 ? std::strerror(errno) : otherwise;
  const Descriptor file(fd);
  return {ErrorCode::kInvalidArgument, std::string(key) + ": " + path + ": " + why};
}

}  // namespace

std::string_view HttpRequest::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

struct HttpServer::State {
  State(HttpServerOptions options_in, Handler handler_in)
      : options(std::move(options_in)), handler(std::move(handler_in)) {}

  enum class Phase : std::uint8_t {
    kWaiting,  // For a handshake or a header, or for the other end to close.
    kReading,
    kHandling,
    kWriting,
    kLeaving,  // Its place is given to another.
  };
  struct Doing {
    Phase phase;
    std::chrono::steady_clock::time_point since;
  };
  class Connection;
  class BodyShare;

  HttpServerOptions options;
  Handler handler;
  const DescriptorShare descriptors{DescriptorShare::Kind::kConnections};
  asio::io_context io;
  std::optional<asio::ssl::context> tls;
  asio::strand<asio::io_context::executor_type> accepting{io.get_executor()};  // Of the acceptor.
  std::optional<tcp::acceptor> acceptor;
  std::vector<std::thread> threads;
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
  std::mutex mutex;  // Guards the four below.
  std::map<beast::tcp_stream*, Doing> phases;
  std::size_t connections = 0;
  std::size_t bodies_bytes = 0;
  asio::steady_timer grace{io};

  Result<void> set_up_tls();
  Result<tcp::endpoint> resolve();
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(beast::tcp_stream stream);
  template <typename Stream>
  asio::awaitable<bool> converse(Stream& stream);
  template <typename Stream>
  asio::awaitable<bool> respond(Stream& stream, HttpResponse response, unsigned version,
                                bool keep_alive, bool head);
  asio::awaitable<void> linger(beast::tcp_stream& stream);
  HttpResponse handle(HttpRequest& request) noexcept;
  [[nodiscard]] HttpResponse refusal(const HttpRequest& head, unsigned status,
                                     const std::string& why) const;
  bool enter(beast::tcp_stream& stream, Phase phase);
  bool book();
  void cancel_all_but_handled(bool writing_too);
  [[nodiscard]] std::chrono::milliseconds deadline() const {
    return std::chrono::milliseconds(options.read_timeout_ms);
  }
};

/// Keeps a connection in the books for as long as it lives.
class HttpServer::State::Connection {
 public:
  Connection(State& state, beast::tcp_stream& stream) : state_(state), stream_(stream) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    const std::lock_guard lock(state_.mutex);
    state_.phases.erase(&stream_);
    if (--state_.connections == 0 && state_.stopping) state_.grace.cancel();
  }

 private:
  State& state_;
  beast::tcp_stream& stream_;
};

/// A body's part of what all of them may take.
class HttpServer::State::BodyShare {
 public:
  BodyShare(State& state, std::size_t bytes) : state_(state), bytes_(bytes) {
    const std::lock_guard lock(state_.mutex);
    granted_ =
        state_.bodies_bytes == 0 || state_.bodies_bytes + bytes_ <= state_.options.bodies_bytes_max;
    if (granted_) state_.bodies_bytes += bytes_;
  }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;
  ~BodyShare() {
    const std::lock_guard lock(state_.mutex);
    if (granted_) state_.bodies_bytes -= bytes_;
  }
  [[nodiscard]] bool granted() const noexcept { return granted_; }

 private:
  State& state_;
  std::size_t bytes_;
  bool granted_ = false;
};

Result<void> HttpServer::State::set_up_tls() {
  if (options.tls_cert.empty() && options.tls_key.empty()) return {};
  if (options.tls_cert.empty() || options.tls_key.empty())
    return Error{ErrorCode::kInvalidArgument, "tls: needs both cert and key"};
  tls.emplace(asio::ssl::context::tls_server);
  error_code error;
  tls->use_certificate_chain_file(options.tls_cert, error);
  if (error) return bad_tls_file("tls.cert", options.tls_cert, "is no PEM certificate");
  tls->use_private_key_file(options.tls_key, asio::ssl::context::pem, error);
  if (error)
    return bad_tls_file("tls.key", options.tls_key,
                        "is no PEM key, or not that of the certificate");
  SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
  return {};
}

Result<tcp::endpoint> HttpServer::State::resolve() {
  const std::size_t colon = options.listen.rfind(':');
  std::string host = options.listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  const std::string service = colon == std::string::npos ? "" : options.listen.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, bad] = std::from_chars(service.data(), service.data() + service.size(), number);
  if (bad != std::errc() || end != service.data() + service.size() || host.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "cannot listen on `" + options.listen + "`: write host:port"};
  }
  error_code error;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(
      host, service, tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "cannot listen on `" + options.listen + "`: not an address, write host:port"};
  }
  return found.begin()->endpoint();
}

HttpResponse HttpServer::State::handle(HttpRequest& request) noexcept {
  try {
    return handler(request);
  } catch (...) {
    return refusal(request, 500, "internal");
  }
}

HttpResponse HttpServer::State::refusal(const HttpRequest& head, unsigned status,
                                        const std::string& why) const {
  if (options.refuse) return options.refuse(head, status, why);
  return {status, "application/json", "{\"error\":\"" + why + "\"}", {}};
}

/// Says what a connection does now; false when the server stops and it must close.
bool HttpServer::State::enter(beast::tcp_stream& stream, Phase phase) {
  const std::lock_guard lock(mutex);
  phases[&stream] = {phase, std::chrono::steady_clock::now()};
  return (phase != Phase::kWaiting && phase != Phase::kReading) || !stopping;
}

/// Takes a place for a new connection; false when there is none.
bool HttpServer::State::book() {
  const std::lock_guard lock(mutex);
  if (connections >= std::min<std::size_t>(options.connections_max, descriptors.count())) {
    auto quietest = phases.end();
    for (auto at = phases.begin(); at != phases.end(); ++at) {
      if (at->second.phase != Phase::kWaiting) continue;
      if (quietest == phases.end() || at->second.since < quietest->second.since) quietest = at;
    }
    if (quietest == phases.end() ||
        std::chrono::steady_clock::now() - quietest->second.since < kQuietMin)
      return false;
    quietest->second.phase = Phase::kLeaving;
    // At once, since a TLS shutdown would wait for the other end.
    asio::post(quietest->first->get_executor(), [this, one = quietest->first] {
      const std::lock_guard inner(mutex);
      const auto found = phases.find(one);
      if (found != phases.end() && found->second.phase == Phase::kLeaving) one->close();
    });
  }
  ++connections;
  return true;
}

/// Call with the mutex held.
void HttpServer::State::cancel_all_but_handled(bool writing_too) {
  for (const auto& [stream, doing] : phases) {
    const Phase phase = doing.phase;
    if (phase == Phase::kHandling || (phase == Phase::kWriting && !writing_too)) continue;
    // On its own strand, and only if it still is what it was.
    asio::post(stream->get_executor(), [this, one = stream, phase] {
      const std::lock_guard lock(mutex);
      const auto found = phases.find(one);
      if (found != phases.end() && found->second.phase == phase) one->cancel();
    });
  }
}

template <typename Stream>
asio::awaitable<bool> HttpServer::State::respond(Stream& stream, HttpResponse response,
                                                 unsigned version, bool keep_alive, bool head) {
  beast::tcp_stream& lowest = beast::get_lowest_layer(stream);
  (void)enter(lowest, Phase::kWriting);
  const auto message = to_message(std::move(response), version, keep_alive, head);
  http::response_serializer<http::string_body> serializer{message};
  lowest.expires_after(stopping ? std::min<std::chrono::milliseconds>(deadline(), kStopGrace)
                                : deadline());
  error_code error;
  if (head) {
    co_await http::async_write_header(stream, serializer,
                                      asio::redirect_error(asio::use_awaitable, error));
  } else {
    co_await http::async_write(stream, serializer,
                               asio::redirect_error(asio::use_awaitable, error));
  }
  co_return !error && keep_alive;
}

/// Serves requests until the connection ends; true when it ends with part of a request unread.
template <typename Stream>
asio::awaitable<bool> HttpServer::State::converse(Stream& stream) {
  beast::tcp_stream& lowest = beast::get_lowest_layer(stream);
  beast::flat_buffer buffer;
  for (;;) {
    RequestParser parser;
    parser.header_limit(kHeaderBytesMax);
    parser.body_limit(options.body_bytes_max);
    error_code error;
    if (!enter(lowest, Phase::kWaiting)) co_return false;
    lowest.expires_after(deadline());
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (!enter(lowest, Phase::kReading)) co_return false;
    const unsigned version = parser.get().version() == 0 ? 11 : parser.get().version();
    HttpRequest request;
    if (!error || error == http::error::body_limit) request = to_request(parser.get());
    const bool head = request.method == "HEAD";

    std::optional<HttpResponse> refused;
    std::optional<BodyShare> share;
    if (!error && options.admit) refused = options.admit(request);
    if (!error && !refused && !parser.is_done()) {
      const auto announced = parser.content_length();
      share.emplace(*this,
                    announced ? static_cast<std::size_t>(*announced) : options.body_bytes_max);
      if (!share->granted()) refused = refusal(request, 503, "too many requests at a time");
    }
    if (!error && !refused && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on{http::status::continue_, version};
      co_await http::async_write(stream, go_on, asio::redirect_error(asio::use_awaitable, error));
    }
    if (!error && !refused && !parser.is_done()) {
      lowest.expires_after(deadline());
      co_await http::async_read(stream, buffer, parser,
                                asio::redirect_error(asio::use_awaitable, error));
    }
    if (error == http::error::body_limit) {
      refused = refusal(request, 413,
                        "body is over " + std::to_string(options.body_bytes_max) + " bytes");
    } else if (error == http::error::header_limit) {
      refused = refusal(request, 431, "header is too large");
    } else if (error == http::error::end_of_stream || error == http::error::partial_message ||
               (error &&
                error.category() != http::make_error_code(http::error::bad_method).category())) {
      co_return false;  // Gone, or too slow.
    } else if (error) {
      refused = refusal(request, 400, "not an HTTP request");
    }
    if (refused) {
      (void)co_await respond(stream, *std::move(refused), version, false, head);
      co_return true;
    }
    request.body = std::move(parser.get().body());
    const bool keep_alive = parser.get().keep_alive() && !stopping;
    (void)enter(lowest, Phase::kHandling);
    HttpResponse response = handle(request);
    request.body = {};
    share.reset();
    if (!co_await respond(stream, std::move(response), version, keep_alive, head)) co_return false;
  }
}

/// Closing with bytes unread resets the connection, and the sender may lose the response that says
/// why: reads them away.
asio::awaitable<void> HttpServer::State::linger(beast::tcp_stream& stream) {
  if (!enter(stream, Phase::kWaiting)) co_return;
  error_code error;
  stream.socket().shutdown(tcp::socket::shutdown_send, error);
  std::array<char, 16 * 1024> bytes;
  stream.expires_after(kLinger);
  while (!error) {
    (void)co_await stream.async_read_some(asio::buffer(bytes),
                                          asio::redirect_error(asio::use_awaitable, error));
  }
}

asio::awaitable<void> HttpServer::State::serve(beast::tcp_stream stream) {
  error_code error;
  if (!tls) {
    const Connection booked(*this, stream);
    if (co_await converse(stream)) co_await linger(stream);
    stream.socket().shutdown(tcp::socket::shutdown_both, error);
    co_return;
  }
  beast::ssl_stream<beast::tcp_stream> secure(std::move(stream), *tls);
  beast::tcp_stream& lowest = beast::get_lowest_layer(secure);
  const Connection booked(*this, lowest);
  if (!enter(lowest, Phase::kWaiting)) co_return;
  lowest.expires_after(deadline());
  co_await secure.async_handshake(asio::ssl::stream_base::server,
                                  asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return;
  const bool unread = co_await converse(secure);
  (void)enter(lowest, Phase::kWriting);
  lowest.expires_after(kLinger);
  co_await secure.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
  if (unread) co_await linger(lowest);
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
    if (!book()) continue;
    socket.set_option(tcp::no_delay(true), error);
    const auto executor = socket.get_executor();
    asio::co_spawn(executor, serve(beast::tcp_stream(std::move(socket))), asio::detached);
  }
}

HttpServer::HttpServer(HttpServerOptions options, Handler handler)
    : options_(std::move(options)), handler_(std::move(handler)) {}
HttpServer::~HttpServer() { stop(); }

Result<void> HttpServer::start() {
  const std::string listen = options_.listen;
  try {  // Asio throws when it gets no descriptors of its own.
    state_ = std::make_unique<State>(std::move(options_), std::move(handler_));
  } catch (const boost::system::system_error& error) {
    return Error{ErrorCode::kUnavailable,
                 "cannot listen on " + listen + ": " + error.code().message()};
  }
  State& state = *state_;
  if (auto done = state.set_up_tls(); !done) return done;
  auto endpoint = state.resolve();
  if (!endpoint) return std::move(endpoint).error();
  error_code error;
  state.acceptor.emplace(state.accepting);
  state.acceptor->open(endpoint->protocol(), error);
  if (!error) state.acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) state.acceptor->bind(*endpoint, error);
  if (!error) state.acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return Error{ErrorCode::kUnavailable,
                 "cannot listen on " + state.options.listen + ": " + error.message()};
  state.port = state.acceptor->local_endpoint().port();
  asio::co_spawn(state.accepting, state.accept(), asio::detached);
  for (std::uint32_t i = 0; i < std::max(1u, state.options.threads); ++i)
    state.threads.emplace_back([&state] { state.io.run(); });
  return {};
}

std::uint16_t HttpServer::port() const noexcept { return state_ ? state_->port : std::uint16_t{0}; }

void HttpServer::stop() {
  if (!state_ || state_->threads.empty()) return;
  State& state = *state_;
  asio::post(state.accepting, [&state] {
    error_code ignored;
    state.acceptor->close(ignored);
  });
  {
    const std::lock_guard lock(state.mutex);
    state.stopping = true;
    state.cancel_all_but_handled(false);
    if (state.connections > 0) {
      state.grace.expires_after(kStopGrace);
      state.grace.async_wait([&state](const error_code& error) {
        const std::lock_guard inner(state.mutex);
        if (!error) state.cancel_all_but_handled(true);
      });
    }
  }
  for (std::thread& thread : state.threads)
    thread.join();  // run() returns when the last connection has ended.
  state.threads.clear();
}

}  // namespace fleetmeter::ingest
