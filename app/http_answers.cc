#include "app/http_answers.h"

#include <fmt/format.h>

#include <algorithm>

#include "alarms/json_text.h"
#include "app/command.h"
#include "app/cost_view.h"
#include "app/yaml_reader.h"

namespace fleetmeter::app {

namespace {

using alarms::json_string;
using ingest::HttpRequest;
using ingest::HttpResponse;

HttpResponse json_answer(unsigned status, std::string body) {
  return {status, "application/json", std::move(body), {}};
}

std::string json_strings(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ",") + json_string(text);
  return "[" + list + "]";
}

/// Why the query cannot be meant so; empty = it can. Only the API has queries: what asks for the
/// other paths adds some of its own at times.
std::string unknown_parameter(const HttpRequest& request, std::span<const HttpRoute> routes) {
  for (const HttpRoute& route : routes) {
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

}  // namespace

std::optional<HttpResponse> refuse(const HttpRequest& request, std::span<const HttpRoute> routes) {
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse refused = error_answer(405, "only GET is served here");
    refused.headers = {{"Allow", "GET, HEAD"}};
    return refused;
  }
  if (const std::string wrong = unknown_parameter(request, routes); !wrong.empty())
    return error_answer(400, wrong);
  return std::nullopt;
}

HttpResponse error_answer(unsigned status, const std::string& message) {
  return json_answer(status, "{\"schema\":1,\"error\":" + json_string(message) + "}");
}

HttpResponse no_such_path() { return error_answer(404, "no such path; / lists them"); }

HttpResponse json_answer(std::string body) { return json_answer(200, std::move(body)); }

HttpResponse index_answer(const std::string& fleet, std::span<const HttpRoute> routes) {
  std::string body = "{\"schema\":1,\"fleet\":" + json_string(fleet) +
                     ",\"version\":" + json_string(kVersion) + ",\"paths\":[";
  bool first = true;
  for (const auto& [path, what, parameters] : routes) {
    body += std::string(first ? "" : ",") + "{\"path\":" + json_string(path) +
            ",\"what\":" + json_string(what) + "}";
    first = false;
  }
  return json_answer(body + "]}");
}

HttpResponse health_answer(const std::optional<std::string>& failure) {
  const std::string version = ",\"version\":" + json_string(kVersion);
  if (!failure) return json_answer("{\"status\":\"healthy\"" + version + "}");
  return json_answer(
      503, "{\"status\":\"unhealthy\"" + version + ",\"reason\":" + json_string(*failure) + "}");
}

HttpResponse ready_answer(const std::vector<std::string>& reasons,
                          const std::vector<std::string>& notes) {
  return json_answer(
      reasons.empty() ? 200 : 503,
      std::string("{\"schema\":1,\"status\":") + (reasons.empty() ? "\"ready\"" : "\"not_ready\"") +
          ",\"reasons\":" + json_strings(reasons) + ",\"notes\":" + json_strings(notes) + "}");
}

HttpResponse metrics_answer(std::string text) {
  return {200, "text/plain; version=0.0.4; charset=utf-8", std::move(text), {}};
}

Error cannot_serve(Error why) {
  if (why.code == ErrorCode::kUnavailable)
    why.message += "; `--http 127.0.0.1:0` takes a free port, `--no-http` serves no API";
  return why;
}

HttpResponse cost_answer(const HttpRequest& request, const std::string& cost_db,
                         const aggregator::Inventory& inventory, const Config& config,
                         std::int64_t now_s) {
  const auto body = cost_report_json(cost_db, inventory,
                                     {query_value(request, "month"), query_value(request, "basis"),
                                      query_value(request, "environment"), now_s, config.budgets});
  if (body) return json_answer(*body);
  return error_answer(body.error().code == ErrorCode::kInvalidArgument ? 400 : 503,
                      body.error().message);
}

HttpResponse flows_answer(const HttpRequest& request, const std::string& cost_db,
                          std::int64_t now_s) {
  const std::string given = query_value(request, "hours");
  const auto hours = parse_integer(given.empty() ? "24" : given);
  if (!hours || *hours < 1 || *hours > 9600)
    return error_answer(400, "hours: must be a number from 1 to 9600");
  const auto body = flows_json(cost_db, now_s, static_cast<std::uint32_t>(*hours));
  return body ? json_answer(*body) : error_answer(503, body.error().message);
}

std::string query_value(const HttpRequest& request, const char* key) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? std::string() : found->second;
}

}  // namespace fleetmeter::app
