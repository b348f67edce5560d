#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "app/config.h"
#include "ingest/http_server.h"

namespace fleetmeter::app {

/// What the HTTP APIs of `run`, `ingest` and `evaluate` have in common (docs/api.md): each is a list
/// of routes and what stands behind them.
struct HttpRoute {
  const char *path, *what;
  std::vector<std::string> parameters = {};  ///< Of paths under /api/, which take no others.
};
inline const HttpRoute kHealthRoute{"/health", "200 while the pipeline and its store work"};
inline const HttpRoute kReadyRoute{
    "/ready", "200 while data is taken and evaluated without backlog; else 503 with the reasons"};
inline const HttpRoute kMetricsRoute{"/metrics", "Prometheus text format"};
inline const HttpRoute kCostRoute{
    "/api/v1/cost",
    "the cost report; ?month=2026-11 ?basis=to_date|estimate ?environment=prod",
    {"month", "basis", "environment"}};
inline const HttpRoute kFlowsRoute{
    "/api/v1/flows",
    "traffic of the last 24 hours by path class, charge and owner; ?hours=24",
    {"hours"}};

/// 405 with Allow, or 400 with what is wrong with the query; nullopt = neither.
[[nodiscard]] std::optional<ingest::HttpResponse> refuse(const ingest::HttpRequest& request,
                                                         std::span<const HttpRoute> routes);
[[nodiscard]] ingest::HttpResponse error_answer(unsigned status, const std::string& message);
[[nodiscard]] ingest::HttpResponse no_such_path();
[[nodiscard]] ingest::HttpResponse json_answer(std::string body);

[[nodiscard]] ingest::HttpResponse index_answer(const std::string& fleet,
                                                std::span<const HttpRoute> routes);
/// 503 with the reason when there is one.
[[nodiscard]] ingest::HttpResponse health_answer(const std::optional<std::string>& failure);
[[nodiscard]] ingest::HttpResponse ready_answer(const std::vector<std::string>& reasons,
                                                const std::vector<std::string>& notes = {});
[[nodiscard]] ingest::HttpResponse metrics_answer(std::string text);
/// Of an API that could not listen: what to do about it.
[[nodiscard]] Error cannot_serve(Error why);
/// From cost.db, by a connection of its own.
[[nodiscard]] ingest::HttpResponse cost_answer(const ingest::HttpRequest& request,
                                               const std::string& cost_db,
                                               const aggregator::Inventory& inventory,
                                               const Config& config, std::int64_t now_s);
[[nodiscard]] ingest::HttpResponse flows_answer(const ingest::HttpRequest& request,
                                                const std::string& cost_db, std::int64_t now_s);

/// Empty = not given.
[[nodiscard]] std::string query_value(const ingest::HttpRequest& request, const char* key);

}  // namespace fleetmeter::app
