#include "ingest/firehose_source.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <simdjson.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <boost/beast/core/string.hpp>
#include <set>
#include <thread>

#include "ingest/batcher.h"
#include "ingest/gunzip.h"
#include "ingest/http_server.h"
#include "parsers/firehose_request.h"

namespace fleetmeter::ingest {

namespace {

const std::string kRequestId = "x-amz-firehose-request-id";

/// Equal without telling by its duration how much of it was: hashes of one length are compared.
bool same_key(std::string_view given, std::string_view wanted) {
  unsigned char a[SHA256_DIGEST_LENGTH], b[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(given.data()), given.size(), a);
  SHA256(reinterpret_cast<const unsigned char*>(wanted.data()), wanted.size(), b);
  return CRYPTO_memcmp(a, b, sizeof a) == 0;
}

/// Bytes of a header that are no UTF-8 come back as the Latin-1 that they may be, so that the answer
/// is always valid JSON.
std::string json_text(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  const bool is_utf8 = simdjson::validate_utf8(text.data(), text.size());
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || (byte >= 0x80 && !is_utf8)) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// The keys of a request while it is handled: all of them, or none when it was not admitted.
class InFlight {
 public:
  InFlight(OnceClaims& claims, std::set<std::string> keys, std::chrono::milliseconds limit)
      : claims_(claims), keys_(std::move(keys)), admitted_(claims_.enter(keys_, limit)) {}
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() {
    if (admitted_) claims_.release(keys_);
  }
  [[nodiscard]] bool admitted() const noexcept { return admitted_; }

 private:
  OnceClaims& claims_;
  std::set<std::string> keys_;
  bool admitted_;
};

/// What one request needs to become a commit; pooled, since requests come at the same time. There
/// are never more of them than server threads, each of which handles one request at a time.
struct Worker {
  Worker(const SourceContext& context, const SourceSettings& settings)
      : batcher(context, settings, settings.name, Serves::kRequests),
        decoder(batcher.decoder_options(), batcher.sink()) {}
  Batcher batcher;
  parsers::Decoder decoder;
  parsers::FirehoseRequestParser parser;
  parsers::FirehoseRequest request;
};

class FirehoseEndpoint final : public FirehoseSource {
 public:
  FirehoseEndpoint(SourceContext context, FirehoseOptions options)
      : context_(std::move(context)),
        options_(std::move(options)),
        pacer_(context_, options_.settings, options_.settings.name) {}
  ~FirehoseEndpoint() override { stop(); }

  Result<void> start() override;
  void stop() override;
  [[nodiscard]] bool finished() const override { return false; }
  [[nodiscard]] std::optional<Error> failure() const override {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  [[nodiscard]] std::string blocked() const override;
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> event_time_range_s() const override {
    return {0, 0};
  }
  [[nodiscard]] std::uint16_t port() const override {
    return server_ ? server_->port() : std::uint16_t{0};
  }

 private:
  std::optional<HttpResponse> admit(const HttpRequest& head);
  HttpResponse answer(HttpRequest& request);
  HttpResponse refuse(unsigned status, const std::string& request_id, const std::string& why);
  HttpResponse reply(unsigned status, const std::string& request_id,
                     const std::string& error_message);
  HttpResponse take(HttpRequest& request, const std::string& header_id);
  Result<bool> take_once(Worker& worker, const std::string& key, std::size_t body_bytes);
  Result<void> commit(Worker& worker, const std::string& key, std::size_t body_bytes);
  std::unique_ptr<Worker> borrow();
  void give_back(std::unique_ptr<Worker> worker);
  void note_event_time(std::int64_t event_time_s);
  void note_outcome(const std::string& why);
  void pace(const std::stop_token& stop);
  [[nodiscard]] std::chrono::milliseconds wait_limit() const {
    return std::chrono::milliseconds(options_.twin_wait_ms);
  }
  [[nodiscard]] std::int64_t wall_ms() const {
    return context_.clock.wall().time_since_epoch().count();
  }

  SourceContext context_;
  FirehoseOptions options_;
  Batcher pacer_;  // Writes progress only; the pacing thread's.
  std::unique_ptr<HttpServer> server_;
  std::jthread thread_;
  std::atomic<std::int64_t> event_time_max_s_{0};
  mutable std::mutex mutex_;  // Guards the three below.
  std::vector<std::unique_ptr<Worker>> idle_workers_;
  std::optional<Error> failure_;
  std::string blocked_;
};

Result<void> FirehoseEndpoint::start() {
  HttpServerOptions server;
  server.listen = options_.listen;
  server.tls_cert = options_.tls_cert;
  server.tls_key = options_.tls_key;
  server.body_bytes_max = options_.body_bytes_max;
  server.read_timeout_ms = options_.read_timeout_ms;
  server.threads = options_.threads;
  server.admit = [this](const HttpRequest& head) { return admit(head); };
  server.refuse = [this](const HttpRequest& head, unsigned status, const std::string& why) {
    return refuse(status, std::string(head.header(kRequestId)), why);
  };
  server_ = std::make_unique<HttpServer>(std::move(server),
                                         [this](HttpRequest& request) { return answer(request); });
  if (auto started = server_->start(); !started)
    return std::move(started).error().with_context(options_.settings.name);
  thread_ = std::jthread([this](const std::stop_token& stop) { pace(stop); });
  return {};
}

void FirehoseEndpoint::stop() {
  if (server_) server_->stop();
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
}

/// Progress once a second, also while nobody sends: an idle source must not stop the clock.
void FirehoseEndpoint::pace(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (pacer_.progress_due()) {
      pacer_.note_event_time(event_time_max_s_.load(std::memory_order_relaxed));
      pacer_.push_open(wall_ms());
      auto committed = pacer_.commit({}, {}, stop);
      if (!committed && committed.error().code != ErrorCode::kUnavailable) {
        const std::lock_guard lock(mutex_);
        failure_ = std::move(committed).error();
        return;
      }
      if (committed)
        note_outcome({});  // The log takes commits again, whether or not a sender has tried.
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

std::string FirehoseEndpoint::blocked() const {
  if (std::string why = pacer_.blocked(); !why.empty()) return why;
  const std::lock_guard lock(mutex_);
  return blocked_;
}

std::unique_ptr<Worker> FirehoseEndpoint::borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_workers_.empty()) {
      auto worker = std::move(idle_workers_.back());
      idle_workers_.pop_back();
      return worker;
    }
  }
  return std::make_unique<Worker>(context_, options_.settings);
}

void FirehoseEndpoint::give_back(std::unique_ptr<Worker> worker) {
  const std::lock_guard lock(mutex_);
  idle_workers_.push_back(std::move(worker));
}

/// Of the last commit, for blocked(); empty = it succeeded.
void FirehoseEndpoint::note_outcome(const std::string& why) {
  const std::lock_guard lock(mutex_);
  blocked_ = why.empty() ? "" : options_.settings.name + ": " + why;
}

/// The exact contract: requestId echoed, timestamp a number, errorMessage only with errors, no
/// other key.
HttpResponse FirehoseEndpoint::reply(unsigned status, const std::string& request_id,
                                     const std::string& error_message) {
  HttpResponse response;
  response.status = status;
  response.body =
      "{\"requestId\":" + json_text(request_id) + ",\"timestamp\":" + std::to_string(wall_ms());
  if (!error_message.empty())
    response.body +=
        ",\"errorMessage\":" + json_text(std::string_view(error_message).substr(0, 1024));
  response.body += '}';
  return response;
}

HttpResponse FirehoseEndpoint::refuse(unsigned status, const std::string& request_id,
                                      const std::string& why) {
  ++context_.counters.requests_refused;
  return reply(status, request_id, why);
}

/// Names of codings are the same in any case (RFC 9110, 8.4.1).
bool is_coding(std::string_view coding, const char* name) {
  return boost::beast::iequals({coding.data(), coding.size()}, name);
}
bool is_gzip(std::string_view coding) { return is_coding(coding, "gzip"); }
bool is_identity(std::string_view coding) {
  return coding.empty() || is_coding(coding, "identity");
}

bool is_health_check(const HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

/// Who has no key sends no body.
std::optional<HttpResponse> FirehoseEndpoint::admit(const HttpRequest& head) {
  if (is_health_check(head)) return std::nullopt;
  ++context_.counters.requests;
  const std::string header_id(head.header(kRequestId));
  if (head.method != "POST") {
    HttpResponse refused = refuse(405, header_id, "only POST and GET are served");
    refused.headers = {{"Allow", "GET, HEAD, POST"}};  // RFC 9110, 15.5.6.
    return refused;
  }
  if (!options_.access_key.empty() &&
      !same_key(head.header("x-amz-firehose-access-key"), options_.access_key))
    return refuse(401, header_id, "X-Amz-Firehose-Access-Key is missing or wrong");
  const std::string_view coding = head.header("content-encoding");
  if (!is_identity(coding) && !is_gzip(coding))
    return refuse(415, header_id, "Content-Encoding must be gzip, identity or absent");
  return std::nullopt;
}

HttpResponse FirehoseEndpoint::answer(HttpRequest& request) {
  // Load balancers in front check health with a GET on any path.
  if (is_health_check(request)) return {200, "application/json", "{\"status\":\"healthy\"}", {}};
  const std::string header_id(request.header(kRequestId));
  if (is_gzip(request.header("content-encoding"))) {
    std::string plain;
    switch (gunzip(request.body, plain, options_.body_bytes_max)) {
      case Gunzip::kDone:
        request.body = std::move(plain);
        break;
      case Gunzip::kTooLarge:
        return refuse(413, header_id, "body is over the limit after gzip");
      case Gunzip::kDamaged:
        return refuse(400, header_id, "body is not whole gzip");
    }
  }
  return take(request, header_id);
}

/// For the pacing thread's progress.
void FirehoseEndpoint::note_event_time(std::int64_t event_time_s) {
  std::int64_t seen_s = event_time_max_s_.load(std::memory_order_relaxed);
  while (seen_s < event_time_s && !event_time_max_s_.compare_exchange_weak(seen_s, event_time_s)) {
  }
}

void read_records(Worker& worker, std::size_t body_bytes) {
  worker.batcher.refresh();
  worker.decoder.begin_messages();  // The request before was perhaps another stream's.
  for (const std::string_view record : worker.request.records) worker.decoder.message(record);
  worker.batcher.count(worker.decoder, body_bytes);
  worker.batcher.count_drop("bad_base64", worker.request.bad_base64);
}

/// Reads the request's records and commits them with its key. Another request, under another id, or
/// another source may be about to commit the same log events: then its outcome decides which of them
/// are new here.
Result<void> FirehoseEndpoint::commit(Worker& worker, const std::string& key,
                                      std::size_t body_bytes) {
  for (;;) {
    const std::uint64_t outcomes = context_.claims.outcomes();
    read_records(worker, body_bytes);
    const InFlight in_flight(context_.claims, worker.batcher.event_keys(), wait_limit());
    if (!in_flight.admitted()) {
      worker.batcher.discard();
      return Error{ErrorCode::kUnavailable,
                   "another source is about to commit log events of this request; send it again"};
    }
    if (!worker.batcher.event_keys().empty() && context_.claims.outcomes() != outcomes) {
      const auto& keys = worker.batcher.event_keys();
      const auto seen = context_.log.seen_keys({keys.begin(), keys.end()});
      if (!seen || !seen->empty()) {
        worker.batcher.discard();
        if (!seen) return seen.error();
        continue;
      }
    }
    if (context_.fault) context_.fault("source.after_read");
    auto committed = worker.batcher.try_commit({}, {key});
    note_outcome(committed ? "" : committed.error().message);
    return committed;
  }
}

/// False: an earlier commit holds this request already.
Result<bool> FirehoseEndpoint::take_once(Worker& worker, const std::string& key,
                                         std::size_t body_bytes) {
  const InFlight in_flight(context_.claims, {key}, wait_limit());
  if (!in_flight.admitted())
    return Error{ErrorCode::kUnavailable, "this request is being committed; send it again"};
  const auto seen = context_.log.seen_keys({key});
  if (!seen) return seen.error();
  if (!seen->empty()) return false;
  const auto committed = commit(worker, key, body_bytes);
  // A worker whose commit failed keeps nothing of what it read; the sender retries.
  if (!committed) return committed.error();
  note_event_time(worker.batcher.event_time_max_s());
  return true;
}

HttpResponse FirehoseEndpoint::take(HttpRequest& request, const std::string& header_id) {
  auto worker = borrow();
  const parsers::FirehoseError error = worker->parser.parse(request.body, worker->request);
  const std::string id =
      worker->request.request_id.empty() ? header_id : worker->request.request_id;
  if (error != parsers::FirehoseError::kNone) {
    give_back(std::move(worker));
    return refuse(error == parsers::FirehoseError::kTooLarge ? 413 : 400, id,
                  "body: " + std::string(parsers::to_string(error)));
  }
  const std::string key =
      "firehose:" + std::string(request.header("x-amz-firehose-source-arn")) + "/" + id;
  const auto taken = take_once(*worker, key, request.body.size());
  give_back(std::move(worker));
  if (!taken) return refuse(503, id, taken.error().message);
  if (!*taken) ++context_.counters.requests_repeated;
  if (*taken && context_.fault) context_.fault("firehose.before_reply");
  return reply(200, id, {});
}

}  // namespace

std::unique_ptr<FirehoseSource> make_firehose_source(SourceContext context,
                                                     FirehoseOptions options) {
  return std::make_unique<FirehoseEndpoint>(std::move(context), std::move(options));
}

}  // namespace fleetmeter::ingest
