#include "app/http_api.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <simdjson.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <regex>
#include <set>
#include <sstream>

#include "app/kafka_setup.h"
#include "app/metrics.h"
#include "tests/app/service_fixture.h"

namespace fleetmeter::app {
namespace {

using testing::HasSubstr;

/// What comes back for some bytes, until the server closes.
std::string exchange(std::uint16_t port, const std::string& bytes) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      write(client, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
    char piece[1024];
    for (ssize_t got; (got = read(client, piece, sizeof piece)) > 0;)
      answer.append(piece, static_cast<std::size_t>(got));
  }
  close(client);
  return answer;
}

class HttpApiTest : public ServiceTest {
 protected:
  void SetUp() override {
    write_day();
    write_config();
    service = std::make_unique<Service>(config(), clock, ServiceOptions{.deliver = false});
    const auto started = service->start();
    ASSERT_TRUE(started) << started.error().message;
    api = std::make_unique<HttpApi>(*service, clock);
    ASSERT_TRUE(within_10s([&] {
      const auto view = service->view();
      return view->alarms.size() == 2 && view->alarms[0].evaluated_s == kDayS + 30 * 60;
    })) << "bounded files are read and evaluated to their end while the API stays up";
  }
  ingest::HttpResponse get(const std::string& path, std::map<std::string, std::string> query = {}) {
    ingest::HttpRequest request;
    request.method = "GET";
    request.path = path;
    for (const auto& [key, value] : query) request.query[key] = value;
    return api->answer(request);
  }
  /// The parsed body of a 200.
  simdjson::dom::element json(const std::string& path,
                              std::map<std::string, std::string> query = {}) {
    const auto response = get(path, std::move(query));
    EXPECT_EQ(response.status, 200u) << response.body;
    EXPECT_EQ(response.content_type, "application/json");
    return parse(response.body);
  }
  simdjson::dom::element parse(const std::string& body) {
    simdjson::dom::element element;
    EXPECT_EQ(parser.parse(body).get(element), simdjson::SUCCESS) << body;
    return element;
  }
  static std::string text(const simdjson::dom::element& element) {
    return simdjson::to_string(element);
  }

  const SystemClock clock;
  std::unique_ptr<Service> service;
  std::unique_ptr<HttpApi> api;
  simdjson::dom::parser parser;
};

TEST_F(HttpApiTest, HealthAndReadinessAreGoodWhileItWorks) {
  const auto health = get("/health");
  EXPECT_EQ(health.status, 200u);
  EXPECT_EQ(health.body, "{\"status\":\"healthy\",\"version\":\"" + std::string(kVersion) + "\"}");
  const auto ready = get("/ready");
  EXPECT_EQ(ready.status, 200u);
  EXPECT_EQ(ready.body, R"({"schema":1,"status":"ready","reasons":[],"notes":[]})");
}

TEST_F(HttpApiTest, BeforeItHasRecoveredItIsHealthyAndNotReady) {
  write_config("files: { paths: [in] }", "other");
  Service starting(config(), clock, ServiceOptions{.deliver = false});
  ASSERT_TRUE(starting.open());
  HttpApi early(starting, clock);
  ingest::HttpRequest request;
  request.method = "GET";
  request.path = "/health";
  EXPECT_EQ(early.answer(request).status, 200u);
  request.path = "/ready";
  EXPECT_EQ(early.answer(request).status, 503u);
  EXPECT_THAT(early.answer(request).body, HasSubstr(R"("reasons":["recovering"])"));
  request.path = "/api/v1/status";
  EXPECT_EQ(early.answer(request).status, 200u);
}

TEST_F(HttpApiTest, APipelineThatHasFailedIsUnhealthyAndSaysWhy) {
  aggregator::Commit commit;
  proto::LogRecord record;
  record.mutable_config()->set_yaml("alarms: nonsense\n");
  commit.records.push_back({0, record});
  ASSERT_TRUE(service->log().append(std::move(commit)));
  ASSERT_TRUE(within_10s([&] { return get("/health").status == 503; }));
  const auto health = parse(get("/health").body);
  EXPECT_EQ(text(health["status"]), "\"unhealthy\"");
  EXPECT_THAT(text(health["reason"]), HasSubstr("must be a list"));
  const auto ready = get("/ready");
  EXPECT_EQ(ready.status, 503u);
  EXPECT_THAT(ready.body, HasSubstr("must be a list"));
}

TEST_F(HttpApiTest, ReadinessSaysThatTheLogIsLimitedByItsBytesBeforeItsDays) {
  service->drain();  // Its last snapshot is what the log is pruned behind.
  ASSERT_TRUE(service->log().prune(0, /*before_ms=*/0, /*bytes_max=*/1));
  const auto ready = get("/ready");
  EXPECT_EQ(ready.status, 200u) << "it takes and evaluates data all the same";
  EXPECT_EQ(text(parse(ready.body)["notes"]),
            R"(["log.bytes_max is reached before log.days (14): nothing before the last snapshot )"
            R"(is kept"])");
}

TEST_F(HttpApiTest, AlarmsCanBeFiltered) {
  const auto all = json("/api/v1/alarms");
  EXPECT_EQ(text(all["schema"]), "1");
  ASSERT_EQ(all["alarms"].get_array().size(), 2u);
  const auto first = all["alarms"].at(0);
  for (const char* key : {"environment", "rule", "series", "severity", "state", "unknown", "since",
                          "evaluated", "reason"})
    EXPECT_EQ(first[key].error(), simdjson::SUCCESS) << key;
  EXPECT_EQ(text(first["state"].value()), "\"OK\"");
  EXPECT_EQ(text(first["evaluated"].value()), "\"2024-12-20T00:30:00Z\"");
  EXPECT_EQ(json("/api/v1/alarms", {{"state", "ALARM"}})["alarms"].get_array().size(), 0u);
  EXPECT_EQ(json("/api/v1/alarms", {{"state", "OK"}})["alarms"].get_array().size(), 2u);
  EXPECT_EQ(json("/api/v1/alarms", {{"environment", "unassigned"}})["alarms"].get_array().size(),
            2u);
}

TEST_F(HttpApiTest, EveryDocumentHasASchemaAndItsList) {
  const std::pair<const char*, const char*> documents[] = {{"/", "paths"},
                                                           {"/api/v1/alarms", "alarms"},
                                                           {"/api/v1/scaling", "events"},
                                                           {"/api/v1/groups", "groups"},
                                                           {"/api/v1/status", "shards"}};
  for (const auto& [path, list] : documents) {
    SCOPED_TRACE(path);
    const auto document = json(path);
    EXPECT_EQ(text(document["schema"]), "1");
    EXPECT_TRUE(document[list].is_array());
  }
  EXPECT_EQ(text(json("/api/v1/cost")["schema"]), "1");
  EXPECT_EQ(text(json("/api/v1/cost", {{"month", "2024-12"}, {"basis", "estimate"}})["schema"]),
            "1");
  EXPECT_EQ(text(json("/api/v1/flows", {{"hours", "48"}})["schema"]), "1");
  const auto status = json("/api/v1/status");
  EXPECT_EQ(text(status["log"]["last"]), text(status["log"]["applied"]));
  EXPECT_EQ(text(status["bad_inputs"]), "[]");
}

TEST_F(HttpApiTest, EveryPathOfTheListIsServed) {
  for (const auto& entry : json("/")["paths"].get_array()) {
    const std::string path(entry["path"].get_string().value());
    EXPECT_EQ(get(path).status, 200u) << path;
  }
}

TEST_F(HttpApiTest, WhatIsWrongIsSaidInTheStatus) {
  EXPECT_EQ(get("/nothing").status, 404u);
  EXPECT_EQ(get("/api/v1/alarms/").status, 404u);
  ingest::HttpRequest post;
  post.method = "POST";
  post.path = "/health";
  const auto refused = api->answer(post);
  EXPECT_EQ(refused.status, 405u);
  EXPECT_THAT(refused.headers, ::testing::Contains(::testing::Pair("Allow", "GET, HEAD")));
  post.method = "HEAD";
  EXPECT_EQ(api->answer(post).status, 200u);
  const std::tuple<const char*, const char*, const char*> bad[] = {
      {"/api/v1/alarms", "state", "alarm"},
      {"/api/v1/alarms", "environment", "nope"},
      {"/api/v1/alarms", "foo", "1"},
      {"/api/v1/groups", "environment", "unassigned"},
      {"/api/v1/scaling", "environment", "nope"},
      {"/api/v1/flows", "limit", "10"},
      {"/api/v1/scaling", "limit", "0"},
      {"/api/v1/scaling", "limit", "-1"},
      {"/api/v1/scaling", "limit", "10x"},
      {"/api/v1/scaling", "limit", "100001"},
      {"/api/v1/flows", "hours", "0"},
      {"/api/v1/flows", "hours", "-1"},
      {"/api/v1/flows", "hours", "1h"},
      {"/api/v1/flows", "hours", "99999999999999999999"},
      {"/api/v1/cost", "month", "2026-13"},
      {"/api/v1/cost", "month", "July"},
      {"/api/v1/cost", "basis", "guess"},
      {"/api/v1/cost", "environment", "nope"}};
  for (const auto& [path, key, value] : bad) {
    const auto response = get(path, {{key, value}});
    EXPECT_EQ(response.status, 400u) << path << "?" << key << "=" << value << ": " << response.body;
    EXPECT_THAT(response.body, HasSubstr("\"error\":"));
    EXPECT_THAT(response.body, HasSubstr(key)) << "it names what is wrong";
  }
  EXPECT_THAT(get("/api/v1/alarms", {{"environment", "nope"}}).body,
              HasSubstr("`nope` is none of unassigned"));
  EXPECT_THAT(get("/api/v1/alarms", {{"foo", "1"}}).body,
              HasSubstr("known here: state, environment"));
  EXPECT_EQ(get("/health", {{"foo", "1"}}).status, 200u) << "whoever asks there adds his own";
}

TEST(WorkerApi, KeepsTheContractOfTheApi) {
  ingest::IngestCounters counters;
  counters.dropped["late"] = 3;
  std::optional<std::string> failure;
  std::vector<std::string> reasons;
  const WorkerApi api({.fleet = "f",
                       .failure = [&] { return failure; },
                       .not_ready = [&] { return reasons; },
                       .metrics = [&] { return metrics_text(counters); },
                       .more_routes = {kFlowsRoute},
                       .more = [](const ingest::HttpRequest&) { return json_answer("more"); }});
  const auto ask = [&api](const std::string& method, const std::string& path,
                          const std::string& parameter = {}) {
    ingest::HttpRequest request;
    request.method = method;
    request.path = path;
    if (!parameter.empty()) request.query[parameter] = "1";
    return api.answer(request);
  };
  EXPECT_EQ(ask("GET", "/ready").body, R"({"schema":1,"status":"ready","reasons":[],"notes":[]})");
  reasons = {"why"};
  EXPECT_EQ(ask("GET", "/ready").status, 503u);
  EXPECT_EQ(ask("GET", "/health").status, 200u);
  failure = "gone";
  EXPECT_EQ(ask("GET", "/health").status, 503u);
  EXPECT_THAT(ask("GET", "/health").body, HasSubstr(R"("reason":"gone")"));
  EXPECT_EQ(ask("DELETE", "/ready").status, 405u);
  EXPECT_THAT(ask("DELETE", "/ready").headers,
              ::testing::Contains(::testing::Pair("Allow", "GET, HEAD")));
  EXPECT_EQ(ask("GET", "/api/v1/flows", "hours").body, "more");
  EXPECT_EQ(ask("GET", "/api/v1/flows", "foo").status, 400u);
  EXPECT_EQ(ask("GET", "/api/v1/cost").status, 404u) << "it was given no such page";
  EXPECT_THAT(ask("GET", "/").body, HasSubstr("/api/v1/flows"));
  EXPECT_THAT(ask("GET", "/metrics").body,
              HasSubstr("fleetmeter_dropped_total{kind=\"record\",reason=\"late\"} 3\n"));
}

TEST(WorkerApi, MetricsOfDeliveriesHaveTheNamesOfRun) {
  alarms::DeliveryCounters delivery;
  delivery.dead = 2;
  EXPECT_THAT(metrics_text(&delivery), HasSubstr("fleetmeter_delivery_dead_total 2\n"));
  EXPECT_THAT(metrics_text(nullptr), HasSubstr("fleetmeter_build_info"));
}

TEST_F(HttpApiTest, MetricsAreAPrometheusText) {
  const auto response = get("/metrics");
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  static const std::regex kSample(
      R"re(^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? (-?[0-9.e+]+|NaN|[+-]Inf)$)re");
  static const std::regex kComment(R"(^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) .+$)");
  std::istringstream lines(response.body);
  std::set<std::string> families, samples;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (line.starts_with("#")) {
      ASSERT_TRUE(std::regex_match(line, match, kComment)) << line;
      if (match[1] == "TYPE") {
        family = match[2];
        EXPECT_TRUE(families.insert(family).second) << "a family is told once: " << family;
        EXPECT_EQ(line.find("counter") != std::string::npos, family.ends_with("_total")) << line;
      }
      continue;
    }
    ASSERT_TRUE(std::regex_match(line, match, kSample)) << line;
    EXPECT_EQ(match[1], family);
    EXPECT_TRUE(samples.insert(match[1].str() + match[2].str()).second) << "told twice: " << line;
  }
  EXPECT_THAT(response.body, HasSubstr("fleetmeter_datapoints_total 30\n"));
  EXPECT_THAT(response.body,
              HasSubstr("fleetmeter_alarms{environment=\"unassigned\",state=\"OK\"} 2\n"));
  EXPECT_THAT(response.body, HasSubstr("fleetmeter_files_done_total 1\n"));
  EXPECT_THAT(response.body, HasSubstr("fleetmeter_outbox_pending 0\n")) << "nothing waits";
}

TEST_F(HttpApiTest, ItListensOnAFreePort) {
  const auto started = api->start("127.0.0.1:0");
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_GT(api->port(), 0);
  const std::string refusal = exchange(api->port(), "NO HTTP\r\n\r\n");
  EXPECT_THAT(refusal, HasSubstr(" 400 "));
  EXPECT_THAT(refusal, HasSubstr("\r\n\r\n{\"schema\":1,\"error\":\"")) << "of the server itself";
  api->stop();
}

}  // namespace
}  // namespace fleetmeter::app
