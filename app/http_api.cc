#include "app/http_api.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "alarms/json_text.h"
#include "app/command.h"
#include "app/http_answers.h"
#include "app/metrics.h"
#include "app/yaml_reader.h"
#include "proto/rfc3339.h"

namespace fleetmeter::app {

namespace {

using alarms::json_string;
using ingest::HttpRequest;
using ingest::HttpResponse;

const HttpRoute kRoutes[] = {
    kHealthRoute,
    kReadyRoute,
    kMetricsRoute,
    {"/api/v1/alarms",
     "every alarm with its state; ?state=ALARM ?environment=prod",
     {"state", "environment"}},
    {"/api/v1/scaling",
     "scaling decisions, newest last; ?environment=prod ?limit=100",
     {"environment", "limit"}},
    {"/api/v1/groups", "scaling groups: capacity, limits, cooldown, last reason"},
    kCostRoute,
    kFlowsRoute,
    {"/api/v1/status",
     "log position, sources that are behind, shards, inputs that could not be read"},
};

std::string time_or_null(std::int64_t time_s) {
  return time_s <= 0 ? "null" : json_string(rfc3339(time_s));
}
std::string number_or_null(std::int64_t number) {
  return number < 0 ? "null" : std::to_string(number);
}

}  // namespace

struct HttpApi::State {
  State(Service& service_in, const Clock& clock_in) : service(service_in), clock(clock_in) {}
  Service& service;
  const Clock& clock;
  std::unique_ptr<ingest::HttpServer> server;

  HttpResponse alarms(const HttpRequest& request) const;
  HttpResponse scaling(const HttpRequest& request) const;
  HttpResponse groups() const;
  HttpResponse status() const;
  [[nodiscard]] std::string unknown_environment(const std::string& name) const;
  [[nodiscard]] std::int64_t now_s() const {
    return clock.wall().time_since_epoch().count() / 1000;
  }
};

/// Why there is nothing of that environment; empty = there may be.
std::string HttpApi::State::unknown_environment(const std::string& name) const {
  std::set<std::string> known{"unassigned"};
  for (const auto& match : service.config().environments) known.insert(match.name);
  for (const auto& shard : service.view()->shards) known.insert(shard.environment);
  if (name.empty() || known.contains(name)) return {};
  return fmt::format("environment: `{}` is none of {}", name, fmt::join(known, ", "));
}

HttpResponse HttpApi::State::alarms(const HttpRequest& request) const {
  const std::string state = query_value(request, "state"),
                    environment = query_value(request, "environment");
  if (!state.empty() && state != "OK" && state != "ALARM" && state != "INSUFFICIENT_DATA")
    return error_answer(400, "state: must be OK, ALARM or INSUFFICIENT_DATA");
  if (const std::string wrong = unknown_environment(environment); !wrong.empty())
    return error_answer(400, wrong);
  std::string body = "{\"schema\":1,\"alarms\":[";
  bool first = true;
  for (const alarms::AlarmView& alarm : service.view()->alarms) {
    if (!state.empty() && state != to_string(alarm.state)) continue;
    if (!environment.empty() && environment != alarm.environment) continue;
    body += std::string(first ? "" : ",") + "{\"environment\":" + json_string(alarm.environment) +
            ",\"rule\":" + json_string(alarm.rule) + ",\"series\":" + json_string(alarm.series) +
            ",\"severity\":" + json_string(alarm.severity) + ",\"state\":\"" +
            to_string(alarm.state) + "\",\"unknown\":" + (alarm.unknown ? "true" : "false") +
            ",\"since\":" + time_or_null(alarm.since_s) +
            ",\"evaluated\":" + time_or_null(alarm.evaluated_s) +
            ",\"reason\":" + json_string(alarm.reason) + "}";
    first = false;
  }
  return json_answer(body + "]}");
}

HttpResponse HttpApi::State::scaling(const HttpRequest& request) const {
  aggregator::EventQuery wanted;
  wanted.environment = query_value(request, "environment");
  if (const std::string wrong = unknown_environment(wanted.environment); !wrong.empty())
    return error_answer(400, wrong);
  wanted.type_prefix = "scaling.";
  if (const std::string limit = query_value(request, "limit"); !limit.empty()) {
    const auto number = parse_integer(limit);
    if (!number || *number < 1 || *number > 100'000)
      return error_answer(400, "limit: must be a number from 1 to 100000");
    wanted.limit = static_cast<std::size_t>(*number);
  }
  const auto events = service.log().events(wanted);
  if (!events) return error_answer(503, events.error().message);
  std::string body = "{\"schema\":1,\"events\":[";
  for (std::size_t i = 0; i < events->size(); ++i)
    body += (i == 0 ? "" : ",") + alarms::event_json((*events)[i]);
  return json_answer(body + "]}");
}

HttpResponse HttpApi::State::groups() const {
  std::string body = "{\"schema\":1,\"groups\":[";
  bool first = true;
  for (const alarms::GroupView& group : service.view()->groups) {
    body += std::string(first ? "" : ",") + "{\"environment\":" + json_string(group.environment) +
            ",\"group\":" + json_string(group.group) + ",\"rule\":" + json_string(group.rule) +
            ",\"min\":" + number_or_null(group.minimum) +
            ",\"max\":" + number_or_null(group.maximum) +
            ",\"desired\":" + number_or_null(group.desired) +
            ",\"in_service\":" + number_or_null(group.in_service) +
            ",\"last_action\":" + time_or_null(group.last_action_s) +
            ",\"cooldown_until\":" + time_or_null(group.cooldown_until_s) +
            ",\"last_reason\":" + json_string(group.last_reason) + "}";
    first = false;
  }
  return json_answer(body + "]}");
}

HttpResponse HttpApi::State::status() const {
  const auto view = service.view();
  std::string body = "{\"schema\":1,\"version\":" + json_string(kVersion) +
                     ",\"fleet\":" + json_string(service.config().fleet) +
                     ",\"log\":{\"last\":" + std::to_string(view->last) +
                     ",\"applied\":" + std::to_string(view->applied) + "},\"sources\":[";
  bool first = true;
  for (const auto& lag : view->lags) {
    body += std::string(first ? "" : ",") + "{\"source\":" + json_string(lag.source) +
            ",\"read_to\":" + time_or_null(lag.read_to_s) +
            ",\"caught_up\":" + (lag.caught_up ? "true" : "false") +
            ",\"stalled\":" + (lag.stalled ? "true" : "false") + "}";
    first = false;
  }
  body += "],\"shards\":[";
  first = true;
  for (const auto& shard : view->shards) {
    body += std::string(first ? "" : ",") + "{\"environment\":" + json_string(shard.environment) +
            ",\"tick\":" + time_or_null(shard.tick_s) +
            ",\"watermark\":" + time_or_null(shard.watermark_s) +
            ",\"series\":" + std::to_string(shard.series) +
            ",\"series_over_limit\":" + std::to_string(shard.series_over_limit) +
            ",\"late_records\":" + std::to_string(shard.late_records) +
            ",\"evaluations\":" + std::to_string(shard.evaluations) + "}";
    first = false;
  }
  body += "],\"bad_inputs\":[";
  first = true;
  ingest::IngestCounters& counters = service.counters();
  const std::lock_guard lock(counters.mutex);
  for (const auto& [name, why] : counters.bad_inputs) {
    body += std::string(first ? "" : ",") + "{\"input\":" + json_string(name) +
            ",\"reason\":" + json_string(why) + "}";
    first = false;
  }
  return json_answer(body + "]}");
}

HttpApi::HttpApi(Service& service, const Clock& clock)
    : state_(std::make_unique<State>(service, clock)) {}
HttpApi::~HttpApi() { stop(); }

HttpResponse HttpApi::answer(const HttpRequest& request) {
  State& state = *state_;
  Service& service = state.service;
  if (auto refused = refuse(request, kRoutes)) return *std::move(refused);
  if (request.path == "/") return index_answer(service.config().fleet, kRoutes);
  if (request.path == "/health") return health_answer(service.failure());
  if (request.path == "/ready") return ready_answer(service.not_ready(), service.notes());
  if (request.path == "/metrics") return metrics_answer(metrics_text(service));
  if (request.path == "/api/v1/alarms") return state.alarms(request);
  if (request.path == "/api/v1/scaling") return state.scaling(request);
  if (request.path == "/api/v1/groups") return state.groups();
  if (request.path == "/api/v1/cost") {
    return cost_answer(request, service.cost_db_path(), *service.inventory(), service.config(),
                       state.now_s());
  }
  if (request.path == "/api/v1/flows")
    return flows_answer(request, service.cost_db_path(), state.now_s());
  if (request.path == "/api/v1/status") return state.status();
  return no_such_path();
}

Result<void> HttpApi::start(const std::string& listen) {
  ingest::HttpServerOptions options;
  options.listen = listen;
  options.threads = 2;
  options.refuse = [](const HttpRequest&, unsigned status, const std::string& why) {
    return error_answer(status, why);
  };
  state_->server = std::make_unique<ingest::HttpServer>(
      std::move(options), [this](HttpRequest& request) { return answer(request); });
  if (auto started = state_->server->start(); !started)
    return cannot_serve(std::move(started).error());
  return {};
}

std::uint16_t HttpApi::port() const noexcept {
  return state_->server ? state_->server->port() : std::uint16_t{0};
}

void HttpApi::stop() {
  if (state_->server) state_->server->stop();
}

}  // namespace fleetmeter::app
