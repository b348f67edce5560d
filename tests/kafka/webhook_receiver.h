#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "ingest/http_server.h"

namespace fleetmeter::ingest {

/// Takes webhooks and remembers what it took, and when; refuses them while it is told to.
class WebhookReceiver {
 public:
  struct Post {
    std::string path, id, body;
    std::int64_t at_ms = 0;  ///< Real time.
  };

  WebhookReceiver() : server_({}, [this](HttpRequest& request) { return take(request); }) {
    const auto started = server_.start();
    EXPECT_TRUE(started) << started.error().message;
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_.port());
  }
  /// Requests to this path are answered 503; empty = none.
  void refuse(const std::string& path) {
    const std::lock_guard lock(mutex_);
    refused_ = path;
  }
  [[nodiscard]] std::vector<Post> posts(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    std::vector<Post> found;
    for (const Post& post : posts_) {
      if (post.path == path) found.push_back(post);
    }
    return found;
  }

 private:
  HttpResponse take(HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    HttpResponse response;
    if (request.path == refused_) {
      response.status = 503;
      response.headers.emplace_back("Retry-After", "30");
      return response;
    }
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    // The header is the event's id and a hash of the receiver.
    const std::string_view id = request.header("webhook-id");
    posts_.push_back({request.path, std::string(id.substr(0, id.rfind('-'))), request.body,
                      now.time_since_epoch().count()});
    return response;
  }

  mutable std::mutex mutex_;  // Guards the two below.
  std::string refused_;
  std::vector<Post> posts_;
  HttpServer server_;  // Last: its threads use all above.
};

}  // namespace fleetmeter::ingest
