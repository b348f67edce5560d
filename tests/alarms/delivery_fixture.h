#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <limits>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "app/receive.h"
#include "proto/clock.h"

namespace fleetmeter::alarms {

/// Real time plus what it was advanced by, so that a retry in half an hour is a retry now. Thread
/// safe.
class JumpClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now()) +
           Milliseconds(ahead_ms_.load());
  }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  void advance(Milliseconds by) { ahead_ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> ahead_ms_{0};
};

/// An outbox in memory. Thread safe.
class MemoryOutbox final : public aggregator::Outbox {
 public:
  using Entry = aggregator::OutboxEntry;

  void queue(Entry entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
  }
  Entry find(const std::string& event_id) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.event_id == event_id; });
    return found == entries_.end() ? Entry{} : *found;
  }
  void refuse_records(int count) { records_to_refuse_ = count; }
  [[nodiscard]] int records_refused() const { return records_refused_; }

  Result<std::vector<Entry>> due_outbox(std::int64_t now_ms, std::size_t limit) override {
    const std::lock_guard lock(mutex_);
    std::vector<Entry> due;
    for (const Entry& entry : entries_) {
      if (entry.state == aggregator::DeliveryState::kPending && entry.next_attempt_ms <= now_ms)
        due.push_back(entry);
    }
    std::stable_sort(due.begin(), due.end(), [](const Entry& a, const Entry& b) {
      return a.event_time_s < b.event_time_s;
    });
    if (due.size() > limit) due.resize(limit);
    return due;
  }
  Result<void> record_delivery(const Entry& entry) override {
    if (records_to_refuse_ > 0) {
      --records_to_refuse_;
      ++records_refused_;
      return Error{ErrorCode::kUnavailable, "disk full"};
    }
    const std::lock_guard lock(mutex_);
    for (Entry& mine : entries_) {
      if (mine.event_id != entry.event_id || mine.receiver != entry.receiver) continue;
      mine = entry;
      return {};
    }
    return Error{ErrorCode::kNotFound, "no such entry"};
  }
  Result<std::map<aggregator::DeliveryState, std::uint64_t>> outbox_counts() override {
    const std::lock_guard lock(mutex_);
    std::map<aggregator::DeliveryState, std::uint64_t> counts;
    for (const Entry& entry : entries_) ++counts[entry.state];
    return counts;
  }

 private:
  std::mutex mutex_;  // Guards entries_.
  std::vector<Entry> entries_;
  std::atomic<int> records_to_refuse_{0};
  std::atomic<int> records_refused_{0};
};

/// `fleetmeter receive` on a thread of this process.
class LocalReceiver {
 public:
  explicit LocalReceiver(app::ReceiveOptions options) : options_(std::move(options)) {
    std::promise<std::uint16_t> bound;
    std::future<std::uint16_t> port = bound.get_future();
    options_.out = &out_;
    options_.report = &report_;
    options_.on_listen = [&bound](std::uint16_t value) { bound.set_value(value); };
    thread_ = std::jthread([this] { result_ = app::run_receive(options_, stop_); });
    port_ = port.get();
  }
  ~LocalReceiver() { stop(); }

  /// Ends it and returns the summary line.
  std::string stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    const std::string text = out_.str();
    const std::size_t at = text.find('{');
    return at == std::string::npos ? std::string{} : text.substr(at);
  }
  [[nodiscard]] int result() const { return result_; }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/hooks";
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> found;
    std::ifstream file(options_.out_path);
    for (std::string line; std::getline(file, line);) found.push_back(line);
    return found;
  }

 private:
  app::ReceiveOptions options_;
  std::ostringstream out_, report_;
  std::atomic<bool> stop_{false};
  std::atomic<int> result_{-1};
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

/// A peer that takes connections, keeps what was sent first on each, and gives one fixed answer, or
/// none at all. After it the connection ends, unless it `stalls`. Requests that hold `refused` get
/// status 500 instead.
class RawServer {
 public:
  explicit RawServer(std::string answer, bool stalls = false, std::string refused = {})
      : answer_(std::move(answer)),
        stalls_(stalls),
        refused_(std::move(refused)),
        listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 16) != 0)
      std::abort();
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
  }
  ~RawServer() {
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    for (const int connection : connections_) close(connection);
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/";
  }
  [[nodiscard]] std::size_t connections() const { return accepted_; }
  [[nodiscard]] std::string request() {
    const std::lock_guard lock(mutex_);
    return request_;
  }

 private:
  void serve() {
    while (!stopping_) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      ++accepted_;
      connections_.push_back(connection);
      if (answer_.empty()) continue;
      const std::string request = read_request(connection);
      const bool refuse = !refused_.empty() && request.find(refused_) != std::string::npos;
      const std::string answer =
          refuse ? "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n" : answer_;
      if (write(connection, answer.data(), answer.size()) < 0) continue;
      if (!stalls_) shutdown(connection, SHUT_WR);
    }
  }
  /// Everything up to the end of a body of the announced length.
  std::string read_request(int connection) {
    std::string text;
    std::string part(4096, '\0');
    for (;;) {
      const ssize_t got = ::read(connection, part.data(), part.size());
      if (got <= 0) break;
      text.append(part, 0, static_cast<std::size_t>(got));
      const std::size_t head = text.find("\r\n\r\n");
      const std::size_t length = text.find("Content-Length: ");
      if (head == std::string::npos || length == std::string::npos) continue;
      if (text.size() >= head + 4 + std::stoul(text.substr(length + 16))) break;
    }
    const std::lock_guard lock(mutex_);
    request_ = text;
    return text;
  }

  std::string answer_;
  bool stalls_;
  std::string refused_;
  int listener_;
  std::uint16_t port_ = 0;
  std::vector<int> connections_;  ///< Of the server's thread; closed after it has ended.
  std::atomic<std::size_t> accepted_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // Guards request_.
  std::string request_;
  std::jthread thread_;
};

/// True as soon as `condition` holds, false after five seconds.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace fleetmeter::alarms
