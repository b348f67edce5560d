#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fleetmeter::alarms {

struct HttpPost {
  std::string url;                   ///< http or https.
  std::vector<std::string> headers;  ///< "name: value".
  std::string body;
  std::uint32_t timeout_ms = 15000;  ///< Of the whole transfer.
};

struct HttpOutcome {
  std::size_t lane = 0;
  long status = 0;     ///< Once all headers came, whatever the body does; 0: see `error`.
  std::string error;   ///< Of the network, without path and query of the URL.
  std::string answer;  ///< First 256 bytes of the answer's body.
  std::optional<std::int64_t> retry_after_s;
};

/// Posts over several connections at a time on the caller's thread. The only file that knows
/// libcurl. Lanes are numbered from 0, one transfer each at a time; a lane keeps its connection.
/// Redirects are not followed, and only http and https are spoken. Proxies are taken from the
/// environment, never for loopback addresses.
class HttpClient {
 public:
  /// Without `allow_private_targets` a transfer that would connect to a private, loopback or
  /// link-local address fails.
  HttpClient(std::size_t lanes, bool allow_private_targets);
  ~HttpClient();  ///< Breaks off what is under way.

  void post(std::size_t lane, HttpPost request);
  [[nodiscard]] std::size_t in_flight() const noexcept;
  /// Waits for an event, at most `timeout_ms`; returns finished transfers.
  [[nodiscard]] std::vector<HttpOutcome> wait(int timeout_ms);
  void wake() noexcept;  ///< Ends a wait(). The only call for other threads.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether an address text ("10.0.0.1", "fe80::1") is private, loopback, link-local, shared (RFC
/// 6598), multicast or unspecified; IPv4 inside IPv6 counts as IPv4. A text that is no address is
/// private: refused rather than trusted.
[[nodiscard]] bool is_private_address(const std::string& address);

}  // namespace fleetmeter::alarms
