#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/service.h"
#include "ingest/http_server.h"
#include "proto/result.h"

namespace fleetmeter::app {

/// The HTTP API of a running service, read-only: /health, /ready, /metrics,
/// /api/v1/{alarms,scaling,groups,cost,flows,status} and a list of them at /. Works on copies
/// (EvaluationView) and connections of its own; never blocks evaluation. docs/api.md.
class HttpApi {
 public:
  HttpApi(Service& service, const Clock& clock);
  ~HttpApi();

  Result<void> start(const std::string& listen);
  [[nodiscard]] std::uint16_t port() const noexcept;
  void stop();

  /// One request to its answer; public for tests.
  [[nodiscard]] ingest::HttpResponse answer(const ingest::HttpRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
