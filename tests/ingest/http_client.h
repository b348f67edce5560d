#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace fleetmeter::ingest::testing {

/// A response as it came.
struct Answer {
  unsigned status = 0;                         ///< 0: the connection ended without one.
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;
};

/// A bare HTTP client on a blocking socket, plain or TLS (no certificate check): sends any bytes,
/// at any pace.
class Client {
 public:
  explicit Client(std::uint16_t port, bool tls = false);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool connected() const noexcept { return fd_ >= 0; }
  bool send(std::string_view bytes);
  /// The next response, of HEAD without its body; status 0 after `patience` or when the connection
  /// ends.
  Answer receive(bool head = false, std::chrono::milliseconds patience = std::chrono::seconds(10));
  /// Did the server close, with nothing more to read?
  bool closed(std::chrono::milliseconds patience = std::chrono::seconds(10));
  void set_receive_buffer(int bytes) const;
  Answer post(std::string_view body, std::string_view headers = {}, std::string_view path = "/");

 private:
  bool fill(std::chrono::milliseconds patience);
  int fd_ = -1;
  void* context_ = nullptr;
  void* ssl_ = nullptr;
  std::string received_;
  bool ended_ = false;
};

/// A self-signed certificate for 127.0.0.1 as PEM, and its key.
struct Certificate {
  std::string certificate, key;
};
[[nodiscard]] Certificate make_certificate();

}  // namespace fleetmeter::ingest::testing
