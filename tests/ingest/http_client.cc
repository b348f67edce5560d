#include "tests/ingest/http_client.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace fleetmeter::ingest::testing {

Client::Client(std::uint16_t port, bool tls) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool fine = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (fine && tls) {
    auto* context = SSL_CTX_new(TLS_client_method());
    auto* ssl = SSL_new(context);
    context_ = context;
    ssl_ = ssl;
    SSL_set_fd(ssl, fd_);
    fine = SSL_connect(ssl) == 1;
  }
  if (fine) return;
  close(fd_);
  fd_ = -1;
}

Client::~Client() {
  if (ssl_ != nullptr) SSL_free(static_cast<SSL*>(ssl_));
  if (context_ != nullptr) SSL_CTX_free(static_cast<SSL_CTX*>(context_));
  if (fd_ >= 0) close(fd_);
}

void Client::set_receive_buffer(int bytes) const {
  (void)setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ssl_ != nullptr
                          ? static_cast<ssize_t>(SSL_write(static_cast<SSL*>(ssl_), bytes.data(),
                                                           static_cast<int>(bytes.size())))
                          : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Client::fill(std::chrono::milliseconds patience) {
  if (ended_) return false;
  if (ssl_ == nullptr || SSL_pending(static_cast<SSL*>(ssl_)) == 0) {
    pollfd asked{fd_, POLLIN, 0};
    if (poll(&asked, 1, static_cast<int>(patience.count())) != 1) return false;
  }
  std::array<char, 65536> bytes{};
  const auto got =
      ssl_ != nullptr
          ? static_cast<ssize_t>(SSL_read(static_cast<SSL*>(ssl_), bytes.data(), bytes.size()))
          : recv(fd_, bytes.data(), bytes.size(), 0);
  if (got <= 0) {
    ended_ = true;
    return false;
  }
  received_.append(bytes.data(), static_cast<std::size_t>(got));
  return true;
}

Answer Client::receive(bool head, std::chrono::milliseconds patience) {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill(patience)) return {};
  }
  Answer answer;
  answer.status = static_cast<unsigned>(std::atoi(received_.c_str() + 9));
  std::size_t at = received_.find("\r\n") + 2;
  while (at < end + 2) {
    const std::size_t line_end = received_.find("\r\n", at);
    const std::size_t colon = received_.find(": ", at);
    std::string name = received_.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    answer.headers[name] = received_.substr(colon + 2, line_end - colon - 2);
    at = line_end + 2;
  }
  received_.erase(0, end + 4);
  const auto length = answer.headers.find("content-length");
  if (head || length == answer.headers.end()) return answer;
  const auto bytes = static_cast<std::size_t>(std::atoll(length->second.c_str()));
  while (received_.size() < bytes) {
    if (!fill(patience)) return {};
  }
  answer.body = received_.substr(0, bytes);
  received_.erase(0, bytes);
  return answer;
}

bool Client::closed(std::chrono::milliseconds patience) {
  (void)fill(patience);
  return ended_ && received_.empty();
}

Answer Client::post(std::string_view body, std::string_view headers, std::string_view path) {
  const std::string head = "POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" +
                           std::string(headers) + "Content-Length: " + std::to_string(body.size()) +
                           "\r\n\r\n";
  if (!send(head + std::string(body))) return receive(false, std::chrono::seconds(2));
  return receive();
}

Certificate make_certificate() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("127.0.0.1"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());
  const auto text = [](auto write) {
    BIO* out = BIO_new(BIO_s_mem());
    write(out);
    char* bytes = nullptr;
    const long count = BIO_get_mem_data(out, &bytes);
    std::string made(bytes, static_cast<std::size_t>(count));
    BIO_free(out);
    return made;
  };
  Certificate made;
  made.certificate = text([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
  made.key = text(
      [&](BIO* out) { PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return made;
}

}  // namespace fleetmeter::ingest::testing
