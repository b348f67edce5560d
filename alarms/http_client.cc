#include "alarms/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>

#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::size_t kAnswerBytesMax = 256;

bool is_private_v4(const unsigned char* bytes) {
  const unsigned a = bytes[0];
  const unsigned b = bytes[1];
  return a == 0 || a == 10 || a == 127 || a >= 224 || (a == 100 && b >= 64 && b < 128) ||
         (a == 169 && b == 254) || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168);
}

bool is_private_v6(const unsigned char* bytes) {
  constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr std::array<unsigned char, 12> kTranslated{0, 0x64, 0xFF, 0x9B};
  if (std::memcmp(bytes, kMapped.data(), 12) == 0 ||
      std::memcmp(bytes, kTranslated.data(), 12) == 0) {
    return is_private_v4(bytes + 12);
  }
  const bool zero_prefix =
      std::all_of(bytes, bytes + 12, [](unsigned char byte) { return byte == 0; });
  const bool unique_local = (bytes[0] & 0xFEU) == 0xFC;
  const bool link_local = bytes[0] == 0xFE && (bytes[1] & 0xC0U) == 0x80;
  return zero_prefix || unique_local || link_local || bytes[0] == 0xFF;
}

curl_socket_t open_public_only(void* /*unused*/, curlsocktype /*purpose*/, curl_sockaddr* address) {
  std::array<char, NI_MAXHOST> text{};
  const int failed =
      getnameinfo(&address->addr, static_cast<socklen_t>(address->addrlen), text.data(),
                  static_cast<socklen_t>(text.size()), nullptr, 0, NI_NUMERICHOST);
  if (failed != 0 || is_private_address(text.data())) return CURL_SOCKET_BAD;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool names_loopback(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    return false;
  char* part = nullptr;
  if (curl_url_get(parsed.get(), CURLUPART_HOST, &part, 0) != CURLUE_OK) return false;
  const std::string host = part;
  curl_free(part);
  return host == "localhost" || host == "[::1]" || host.rfind("127.", 0) == 0;
}

void initialize_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { FM_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

/// One receiver's handle: libcurl keeps pointers into it while a transfer runs, so it must not
/// move.
struct LaneHandle {
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  HttpPost request;
  std::string answer;
  bool answered = false;  ///< Status line and headers of the answer are here.
  std::array<char, CURL_ERROR_SIZE> error{};
  bool busy = false;

  LaneHandle() = default;
  LaneHandle(const LaneHandle&) = delete;
  LaneHandle& operator=(const LaneHandle&) = delete;
  ~LaneHandle() {
    curl_slist_free_all(headers);
    if (easy != nullptr) curl_easy_cleanup(easy);
  }
};

std::size_t keep_head(char* data, std::size_t size, std::size_t count, void* user) {
  auto& answer = *static_cast<std::string*>(user);
  answer.append(data, std::min(size * count, kAnswerBytesMax - answer.size()));
  return size * count;  // The rest is read and dropped; the transfer's timeout bounds it.
}

/// Called with each line of the head; an empty one ends it, and another status line follows a 1xx.
std::size_t note_header(char* data, std::size_t size, std::size_t count, void* user) {
  const std::string_view line(data, size * count);
  bool& answered = static_cast<LaneHandle*>(user)->answered;
  answered = line == "\r\n" || (answered && line.rfind("HTTP/", 0) != 0);
  return size * count;
}

void set_options(LaneHandle& lane, bool allow_private_targets) {
  curl_easy_reset(lane.easy);  // Keeps connections, forgets the last request.
  curl_slist_free_all(std::exchange(lane.headers, nullptr));
  for (const std::string& header : lane.request.headers)
    lane.headers = curl_slist_append(lane.headers, header.c_str());
  lane.headers = curl_slist_append(
      lane.headers, "Expect:");  // A body this small needs no 100-continue round trip.
  lane.answer.clear();
  lane.answered = false;
  lane.error[0] = '\0';
  CURL* easy = lane.easy;
  curl_easy_setopt(easy, CURLOPT_URL, lane.request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "fleetmeter");
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, lane.request.body.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(lane.request.body.size()));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lane.headers);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(lane.request.timeout_ms));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &keep_head);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &lane.answer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &note_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &lane);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // A proxy's are no answer.
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, lane.error.data());
  if (names_loopback(lane.request.url)) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (!allow_private_targets) {
    curl_easy_setopt(easy, CURLOPT_PROXY,
                     "");  // Through a proxy the address we would check is the proxy's.
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &open_public_only);
  }
}

}  // namespace

struct HttpClient::State {
  CURLM* multi = nullptr;
  std::vector<LaneHandle> lanes;
  bool allow_private_targets;
  std::size_t in_flight = 0;

  State(std::size_t lane_count, bool allow_private)
      : lanes(lane_count), allow_private_targets(allow_private) {
    initialize_curl_once();
    multi = curl_multi_init();
    FM_CHECK(multi != nullptr);
    for (LaneHandle& lane : lanes) {
      lane.easy = curl_easy_init();
      FM_CHECK(lane.easy != nullptr);
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    for (LaneHandle& lane : lanes) {
      if (lane.busy) curl_multi_remove_handle(multi, lane.easy);
    }
    lanes.clear();  // Easy handles go before the multi handle that holds their connections.
    curl_multi_cleanup(multi);
  }

  HttpOutcome finish(std::size_t index, CURLcode code) {
    LaneHandle& lane = lanes[index];
    HttpOutcome outcome;
    outcome.lane = index;
    outcome.answer = lane.answer;
    // The status is the answer; a body that stalls or breaks off changes nothing about it.
    if (code == CURLE_OK || lane.answered) {
      curl_easy_getinfo(lane.easy, CURLINFO_RESPONSE_CODE, &outcome.status);
      curl_off_t retry_after_s = 0;
      if (curl_easy_getinfo(lane.easy, CURLINFO_RETRY_AFTER, &retry_after_s) == CURLE_OK &&
          retry_after_s > 0) {
        outcome.retry_after_s = retry_after_s;
      }
    } else {
      outcome.error = lane.error[0] != '\0' ? lane.error.data() : curl_easy_strerror(code);
    }
    curl_multi_remove_handle(multi, lane.easy);
    lane.busy = false;
    --in_flight;
    return outcome;
  }
};

HttpClient::HttpClient(std::size_t lanes, bool allow_private_targets)
    : state_(std::make_unique<State>(lanes, allow_private_targets)) {}
HttpClient::~HttpClient() = default;

void HttpClient::post(std::size_t lane, HttpPost request) {
  FM_CHECK(lane < state_->lanes.size());
  LaneHandle& handle = state_->lanes[lane];
  FM_CHECK(!handle.busy);
  handle.request = std::move(request);
  set_options(handle, state_->allow_private_targets);
  FM_CHECK(curl_multi_add_handle(state_->multi, handle.easy) == CURLM_OK);
  handle.busy = true;
  ++state_->in_flight;
}

std::size_t HttpClient::in_flight() const noexcept { return state_->in_flight; }

std::vector<HttpOutcome> HttpClient::wait(int timeout_ms) {
  std::vector<HttpOutcome> finished;
  int running = 0;
  curl_multi_perform(state_->multi, &running);
  if (static_cast<std::size_t>(running) == state_->in_flight) {  // Nothing has finished yet.
    curl_multi_poll(state_->multi, nullptr, 0, timeout_ms, nullptr);
    curl_multi_perform(state_->multi, &running);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(state_->multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    const auto lane =
        std::find_if(state_->lanes.begin(), state_->lanes.end(),
                     [&](const LaneHandle& other) { return other.easy == message->easy_handle; });
    FM_CHECK(lane != state_->lanes.end());
    finished.push_back(
        state_->finish(static_cast<std::size_t>(lane - state_->lanes.begin()), code));
  }
  return finished;
}

void HttpClient::wake() noexcept { curl_multi_wakeup(state_->multi); }

bool is_private_address(const std::string& address) {
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return is_private_v4(bytes.data());
  const std::string without_zone = address.substr(0, address.find('%'));
  if (inet_pton(AF_INET6, without_zone.c_str(), bytes.data()) == 1)
    return is_private_v6(bytes.data());
  return true;
}

}  // namespace fleetmeter::alarms
