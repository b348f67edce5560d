#include "app/http_api.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "alarms/json_text.h"
#include "app/command.h"
#include "app/cost_view.h"
#include "app/metrics.h"
#include "app/yaml_reader.h"
#include "proto/rfc3339.h"

namespace fleetmeter::app {

namespace {

using alarms::json_string;
using ingest::HttpRequest;
using ingest::HttpResponse;

struct Route {
  const char *path, *what;
  std::vector<std::string> parameters = {};
};

const Route kRoutes[] = {
    {"/health", "200 while the pipeline and its store work"},
    {"/ready", "200 while data is taken and evaluated without backlog; else 503 with the reasons"},
    {"/metrics", "Prometheus text format"},
    {"/api/v1/alarms",
     "every alarm with its state; ?state=ALARM ?environment=prod",
     {"state", "environment"}},
    {"/api/v1/scaling",
     "scaling decisions, newest last; ?environment=prod ?limit=100",
     {"environment", "limit"}},
    {"/api/v1/groups", "scaling groups: capacity, limits, cooldown, last reason"},
    {"/api/v1/cost",
     "the cost report; ?month=2026-11 ?basis=to_date|estimate ?environment=prod",
     {"month", "basis", "environment"}},
    {"/api/v1/flows",
     "traffic of the last 24 hours by path class, charge and owner; ?hours=24",
     {"hours"}},
    {"/api/v1/status", "sources, shards, log position, drops"},
};

std::string time_or_null(std::int64_t time_s) {
  return time_s <= 0 ? "null" : json_string(rfc3339(time_s));
}
std::string number_or_null(std::int64_t number) {
  return number < 0 ? "null" : std::to_string(number);
}

HttpResponse error(unsigned status, const std::string& message) {
  return {status, "application/json", "{\"schema\":1,\"error\":" + json_string(message) + "}", {}};
}

std::string json_strings(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ",") + json_string(text);
  return "[" + list + "]";
}

/// Why the query cannot be meant so; empty = it can. Only the API has queries: what asks for the
/// other paths adds some of its own at times.
std::string unknown_parameter(const HttpRequest& request) {
  for (const Route& route : kRoutes) {
    if (request.path != route.path || !request.path.starts_with("/api/")) continue;
    for (const auto& [name, value] : request.query) {
      const auto& known = route.parameters;
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      return name + ": is no parameter of " + request.path +
             (known.empty() ? ", which has none"
                            : fmt::format("; known here: {}", fmt::join(known, ", ")));
    }
  }
  return {};
}

std::string query(const HttpRequest& request, const char* key) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? std::string() : found->second;
}

}  // namespace

struct HttpApi::State {
  State(Service& service_in, const Clock& clock_in) : service(service_in), clock(clock_in) {}
  Service& service;
  const Clock& clock;
  std::unique_ptr<ingest::HttpServer> server;

  HttpResponse index() const;
  HttpResponse health() const;
  HttpResponse ready() const;
  HttpResponse alarms(const HttpRequest& request) const;
  HttpResponse scaling(const HttpRequest& request) const;
  HttpResponse groups() const;
  HttpResponse cost(const HttpRequest& request) const;
  HttpResponse flows(const HttpRequest& request) const;
  HttpResponse status() const;
  [[nodiscard]] std::string unknown_environment(const std::string& name) const;
  [[nodiscard]] std::int64_t now_s() const {
    return clock.wall().time_since_epoch().count() / 1000;
  }
};

HttpResponse HttpApi::State::index() const {
  std::string body = "{\"schema\":1,\"fleet\":" + json_string(service.config().fleet) +
                     ",\"version\":" + json_string(kVersion) + ",\"paths\":[";
  bool first = true;
  for (const auto& [path, what, parameters] : kRoutes) {
    body += std::string(first ? "" : ",") + "{\"path\":" + json_string(path) +
            ",\"what\":" + json_string(what) + "}";
    first = false;
  }
  return {200, "application/json", body + "]}", {}};
}

HttpResponse HttpApi::State::health() const {
  if (const auto why = service.failure()) {
    return {503,
            "application/json",
            "{\"status\":\"unhealthy\",\"version\":" + json_string(kVersion) +
                ",\"reason\":" + json_string(*why) + "}",
            {}};
  }
  return {200,
          "application/json",
          "{\"status\":\"healthy\",\"version\":" + json_string(kVersion) + "}",
          {}};
}

HttpResponse HttpApi::State::ready() const {
  const std::vector<std::string> reasons = service.not_ready();
  return {reasons.empty() ? 200u : 503u,
          "application/json",
          std::string("{\"schema\":1,\"status\":") +
              (reasons.empty() ? "\"ready\"" : "\"not_ready\"") + ",\"reasons\":" +
              json_strings(reasons) + ",\"notes\":" + json_strings(service.notes()) + "}",
          {}};
}

/// Why there is nothing of that environment; empty = there may be.
std::string HttpApi::State::unknown_environment(const std::string& name) const {
  std::set<std::string> known{"unassigned"};
  for (const auto& match : service.config().environments) known.insert(match.name);
  for (const auto& shard : service.view()->shards) known.insert(shard.environment);
  if (name.empty() || known.contains(name)) return {};
  return fmt::format("environment: `{}` is none of {}", name, fmt::join(known, ", "));
}

HttpResponse HttpApi::State::alarms(const HttpRequest& request) const {
  const std::string state = query(request, "state"), environment = query(request, "environment");
  if (!state.empty() && state != "OK" && state != "ALARM" && state != "INSUFFICIENT_DATA")
    return error(400, "state: must be OK, ALARM or INSUFFICIENT_DATA");
  if (const std::string wrong = unknown_environment(environment); !wrong.empty())
    return error(400, wrong);
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
  return {200, "application/json", body + "]}", {}};
}

HttpResponse HttpApi::State::scaling(const HttpRequest& request) const {
  aggregator::EventQuery wanted;
  wanted.environment = query(request, "environment");
  if (const std::string wrong = unknown_environment(wanted.environment); !wrong.empty())
    return error(400, wrong);
  wanted.type_prefix = "scaling.";
  if (const std::string limit = query(request, "limit"); !limit.empty()) {
    const auto number = parse_integer(limit);
    if (!number || *number < 1 || *number > 100'000)
      return error(400, "limit: must be a number from 1 to 100000");
    wanted.limit = static_cast<std::size_t>(*number);
  }
  const auto events = service.log().events(wanted);
  if (!events) return error(503, events.error().message);
  std::string body = "{\"schema\":1,\"events\":[";
  for (std::size_t i = 0; i < events->size(); ++i)
    body += (i == 0 ? "" : ",") + alarms::event_json((*events)[i]);
  return {200, "application/json", body + "]}", {}};
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
  return {200, "application/json", body + "]}", {}};
}

HttpResponse HttpApi::State::cost(const HttpRequest& request) const {
  CostQuery wanted;
  wanted.month = query(request, "month");
  wanted.basis = query(request, "basis");
  wanted.environment = query(request, "environment");
  wanted.now_s = now_s();
  wanted.budgets = service.config().budgets;
  const auto body = cost_report_json(service.cost_db_path(), *service.inventory(), wanted);
  if (!body)
    return error(body.error().code == ErrorCode::kInvalidArgument ? 400 : 503,
                 body.error().message);
  return {200, "application/json", *body, {}};
}

HttpResponse HttpApi::State::flows(const HttpRequest& request) const {
  const std::string given = query(request, "hours");
  const auto hours = parse_integer(given.empty() ? "24" : given);
  if (!hours || *hours < 1 || *hours > 9600)
    return error(400, "hours: must be a number from 1 to 9600");
  const auto body = flows_json(service.cost_db_path(), now_s(), static_cast<std::uint32_t>(*hours));
  if (!body) return error(503, body.error().message);
  return {200, "application/json", *body, {}};
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
  return {200, "application/json", body + "]}", {}};
}

HttpApi::HttpApi(Service& service, const Clock& clock)
    : state_(std::make_unique<State>(service, clock)) {}
HttpApi::~HttpApi() { stop(); }

HttpResponse HttpApi::answer(const HttpRequest& request) {
  State& state = *state_;
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refused = error(405, "only GET is served here");
    refused.headers = {{"Allow", "GET, HEAD"}};
    return refused;
  }
  if (const std::string wrong = unknown_parameter(request); !wrong.empty())
    return error(400, wrong);
  if (request.path == "/") return state.index();
  if (request.path == "/health") return state.health();
  if (request.path == "/ready") return state.ready();
  if (request.path == "/metrics")
    return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(state.service), {}};
  if (request.path == "/api/v1/alarms") return state.alarms(request);
  if (request.path == "/api/v1/scaling") return state.scaling(request);
  if (request.path == "/api/v1/groups") return state.groups();
  if (request.path == "/api/v1/cost") return state.cost(request);
  if (request.path == "/api/v1/flows") return state.flows(request);
  if (request.path == "/api/v1/status") return state.status();
  return error(404, "no such path; / lists them");
}

Result<void> HttpApi::start(const std::string& listen) {
  ingest::HttpServerOptions options;
  options.listen = listen;
  options.threads = 2;
  options.refuse = [](const HttpRequest&, unsigned status, const std::string& why) {
    return error(status, why);
  };
  state_->server = std::make_unique<ingest::HttpServer>(
      std::move(options), [this](HttpRequest& request) { return answer(request); });
  return state_->server->start();
}

std::uint16_t HttpApi::port() const noexcept {
  return state_->server ? state_->server->port() : std::uint16_t{0};
}

void HttpApi::stop() {
  if (state_->server) state_->server->stop();
}

}  // namespace fleetmeter::app
