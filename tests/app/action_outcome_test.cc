#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>

#include "app/run_summary.h"
#include "ingest/http_server.h"
#include "tests/app/service_fixture.h"

namespace fleetmeter::app {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A provisioning layer that answers every action with one status.
class Actuator {
 public:
  explicit Actuator(unsigned status)
      : server_(options(), [this, status](ingest::HttpRequest&) {
          ++asked_;
          return ingest::HttpResponse{status, "text/plain", "", {}};
        }) {
    const auto started = server_.start();
    EXPECT_TRUE(started) << started.error().message;
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_.port()) + "/";
  }
  [[nodiscard]] int asked() const { return asked_; }

 private:
  static ingest::HttpServerOptions options() {
    ingest::HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    return options;
  }
  std::atomic<int> asked_{0};
  ingest::HttpServer server_;
};

class ActionOutcomeTest : public ServiceTest {
 protected:
  /// A breach that lasts; the second decision is due 20 min after the first.
  void configure(const Actuator& actuator) const {
    ASSERT_EQ(setenv("ACTION_OUTCOME_TEST_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1), 0);
    write_config(
        "files: { paths: [in] }", "state",
        "environments: { prod: { region: us-east-1 } }\n"
        "scaling:\n"
        "  - { group: { asg: web }, min: 1, max: 9, desired: 2, cooldown: 1200s,\n"
        "      metrics: { cpu: { namespace: Custom, name: cpu, dimensions: { InstanceId: "
        "i-0 } } },\n"
        "      policies: [ { simple: { metric: cpu, when: \"> 80\", for: 1m, add: 1 } } ],\n"
        "      act: [ webhook: provisioning ] }\n"
        "notify: { provisioning: { webhook: { url: \"" +
            actuator.url() + "\", secret_env: ACTION_OUTCOME_TEST_SECRET, attempts: 1 } } }\n");
  }
  /// Bounded runs, the first until minute 9 and the second until minute 38, each on a clock that
  /// stands some minutes later. The event log of both.
  std::string run_twice() const {
    write("in/a.json", cpu(0, 9, 95));
    run_at(15);
    write("in/b.json", cpu(10, 38, 95));
    return run_at(45);
  }
  std::string run_at(int minute) const {
    const ManualClock clock(WallTime(Milliseconds((kDayS + minute * 60) * 1000)));
    Service service(config(), clock, {.until_eof = true, .deliver = true});
    const auto started = service.start();
    EXPECT_TRUE(started) << started.error().message;
    if (!started) return {};
    const auto done = service.run_to_end();
    EXPECT_TRUE(done) << done.error().message;
    service.drain();
    const auto events = event_log(service.log());
    EXPECT_TRUE(events);
    return events ? *events : "";
  }
};

TEST_F(ActionOutcomeTest, ADecisionThatItsActuatorNeverTookIsTakenBackAndMadeAgain) {
  const Actuator broken(500);
  configure(broken);
  const std::string events = run_twice();
  EXPECT_GE(broken.asked(), 2);
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'), 2) << events;
  EXPECT_THAT(events, HasSubstr("\"from\":\"2\",\"to\":\"3\""));
  EXPECT_THAT(events, Not(HasSubstr("\"to\":\"4\""))) << "it never had 3";
}

TEST_F(ActionOutcomeTest, ADecisionThatWasTakenCounts) {
  const Actuator good(200);
  configure(good);
  EXPECT_THAT(run_twice(), HasSubstr("\"from\":\"3\",\"to\":\"4\""));
}

}  // namespace
}  // namespace fleetmeter::app
