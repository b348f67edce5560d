#include "alarms/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "tests/alarms/delivery_fixture.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::DeliveryState;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals only.

constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

constexpr const char* kAccepted = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() { std::remove(path_.c_str()); }
  ~DeliveryTest() override {
    deliverer_.reset();
    std::remove(path_.c_str());
  }

  app::ReceiveOptions receiving() {
    app::ReceiveOptions options;
    options.secret = kSecret;
    options.clock = &clock_;
    options.out_path = path_;
    return options;
  }
  Receiver& receiver(const std::string& name, const std::string& url) {
    Receiver& added = receivers_[name];
    added = {.name = name, .kind = Receiver::Kind::kWebhook, .url = url, .secret = kSecret};
    return added;
  }
  void queue(const std::string& event_id, const std::string& to, std::int64_t time_s = 100,
             std::int64_t expires_s = 0) {
    aggregator::OutboxEntry entry;
    entry.event_id = event_id;
    entry.receiver = to;
    entry.body = R"({"type":"test","data":")" + event_id + "\"}";
    entry.content_type = "application/json";
    entry.event_time_s = time_s;
    entry.expires_s = expires_s;
    entry.action = expires_s > 0;
    outbox_.queue(std::move(entry));
  }
  /// A change of `series`; an action of that group where it expires.
  void queue_change(const std::string& event_id, const std::string& to, const std::string& series,
                    std::int64_t time_s, std::int64_t expires_s = 0) {
    proto::Event event;
    event.set_id(event_id);
    event.set_series(series);
    aggregator::OutboxEntry entry;
    entry.event_id = event_id;
    entry.receiver = to;
    entry.body = render_payload(Receiver{}, event).body;
    entry.content_type = "application/json";
    entry.event_time_s = time_s;
    entry.expires_s = expires_s;
    entry.action = expires_s > 0;
    outbox_.queue(std::move(entry));
  }
  Deliverer& start() {
    deliverer_ = std::make_unique<Deliverer>(outbox_, receivers_, clock_, options_);
    deliverer_->start();
    return *deliverer_;
  }
  void advance(Milliseconds by) {
    clock_.advance(by);
    deliverer_->wake();
  }
  [[nodiscard]] bool reaches(const std::string& event_id, DeliveryState state) {
    return eventually([&] { return outbox_.find(event_id).state == state; });
  }
  [[nodiscard]] bool attempted(const std::string& event_id, std::uint32_t attempts) {
    return eventually([&] { return outbox_.find(event_id).attempts == attempts; });
  }
  std::int64_t now_s() { return clock_.wall().time_since_epoch().count() / 1000; }

  JumpClock clock_;
  MemoryOutbox outbox_;
  std::map<std::string, Receiver> receivers_;
  Deliverer::Options options_;
  std::unique_ptr<Deliverer> deliverer_;
  std::string path_ = testing::TempDir() + "delivery_" +
                      testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(DeliveryTest, SendsASignedWebhookThatAVerifierAccepts) {
  LocalReceiver local(receiving());
  receiver("ops", local.url());
  queue("e1", "ops");
  ASSERT_TRUE(start().drain(5000));
  ASSERT_EQ(local.lines().size(), 1U);
  EXPECT_THAT(local.lines()[0], HasSubstr("\"id\":\"" + webhook_id("e1", "ops") + "\""));
  EXPECT_THAT(local.lines()[0], HasSubstr(R"("body":"{\"type\":\"test\",\"data\":\"e1\"}")"));
  EXPECT_EQ(outbox_.find("e1").attempts, 1U);
  EXPECT_EQ(deliverer_->counters().delivered.load(), 1U);
  EXPECT_FALSE(deliverer_->last_error());
}

TEST_F(DeliveryTest, RetriesAfter503WithTheSameIdAndBody) {
  app::ReceiveOptions options = receiving();
  options.fail_first = 2;
  LocalReceiver local(options);
  receiver("ops", local.url());
  queue("e1", "ops");
  start();
  ASSERT_TRUE(attempted("e1", 1));
  EXPECT_EQ(outbox_.find("e1").last_error, "status 503: failure asked for");
  advance(7s);
  ASSERT_TRUE(attempted("e1", 2));
  advance(7min);
  ASSERT_TRUE(reaches("e1", DeliveryState::kDelivered));
  EXPECT_EQ(outbox_.find("e1").attempts, 3U);
  EXPECT_EQ(outbox_.find("e1").last_error, "");
  EXPECT_EQ(deliverer_->counters().failed.load(), 2U);
  EXPECT_THAT(
      local.stop(),
      HasSubstr(R"("requests":3,"deliveries":1,"distinct_ids":1,"duplicates":0,"conflicts":0)"));
}

TEST_F(DeliveryTest, WaitsAsLongAsRetryAfterSays) {
  app::ReceiveOptions options = receiving();
  options.fail_first = 1;
  options.fail_status = 429;
  options.retry_after_s = 120;
  LocalReceiver local(options);
  receiver("ops", local.url());
  queue("e1", "ops", 1);
  start();
  ASSERT_TRUE(attempted("e1", 1));
  queue("e0", "ops", 0);  // An older event that has not been tried holds back as well.
  advance(60s);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(outbox_.find("e1").attempts, 1U);
  EXPECT_EQ(outbox_.find("e0").attempts, 0U);
  advance(61s);
  EXPECT_TRUE(reaches("e0", DeliveryState::kDelivered));
  EXPECT_TRUE(reaches("e1", DeliveryState::kDelivered));
}

TEST_F(DeliveryTest, PutsWhatAReceiverRefusesForGoodIntoTheDeadLetterAtOnce) {
  for (const std::uint16_t status : {std::uint16_t{410}, std::uint16_t{400}, std::uint16_t{404}}) {
    app::ReceiveOptions options = receiving();
    options.fail_first = 1;
    options.fail_status = status;
    LocalReceiver local(options);
    const std::string name = "r" + std::to_string(status);
    receivers_.clear();
    receiver(name, local.url());
    queue("bad" + name, name, 1);
    queue("good" + name, name, 2);
    ASSERT_TRUE(start().drain(5000));
    EXPECT_EQ(outbox_.find("bad" + name).state, DeliveryState::kDead);
    EXPECT_EQ(outbox_.find("bad" + name).attempts, 1U);
    EXPECT_THAT(outbox_.find("bad" + name).last_error,
                HasSubstr("status " + std::to_string(status)));
    EXPECT_EQ(outbox_.find("good" + name).state, DeliveryState::kDelivered);
    EXPECT_EQ(deliverer_->counters().dead.load(), 1U);
    deliverer_.reset();
  }
}

TEST_F(DeliveryTest, GivesUpAfterTheLastAttempt) {
  app::ReceiveOptions options = receiving();
  options.fail_first = 100;
  LocalReceiver local(options);
  receiver("ops", local.url()).attempts_max = 3;
  queue("e1", "ops");
  start();
  for (std::uint32_t attempt = 1; attempt < 3; ++attempt) {
    ASSERT_TRUE(attempted("e1", attempt));
    EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kPending);
    advance(1h);
  }
  EXPECT_TRUE(reaches("e1", DeliveryState::kDead));
  EXPECT_EQ(outbox_.find("e1").attempts, 3U);
}

TEST_F(DeliveryTest, KeepsEventOrderPerReceiverWhileTheOldestIsRetried) {
  app::ReceiveOptions options = receiving();
  options.fail_first = 2;
  LocalReceiver local(options);
  receiver("ops", local.url());
  for (int i = 9; i >= 0; --i) queue("e" + std::to_string(i), "ops", 100 + i);
  start();
  ASSERT_TRUE(attempted("e0", 1));
  advance(7s);
  ASSERT_TRUE(attempted("e0", 2));
  EXPECT_EQ(outbox_.find("e1").attempts, 0U);
  advance(7min);
  ASSERT_TRUE(deliverer_->drain(5000));
  const std::vector<std::string> lines = local.lines();
  ASSERT_EQ(lines.size(), 10U);
  for (std::size_t i = 0; i < lines.size(); ++i)
    EXPECT_THAT(lines[i], HasSubstr("\"id\":\"e" + std::to_string(i) + "-"));
}

TEST_F(DeliveryTest, AnAttemptBeforeItsTimeForThoseBehindCountsToo) {
  app::ReceiveOptions options = receiving();
  options.fail_first = 5;
  LocalReceiver local(options);
  receiver("ops", local.url());
  queue("e1", "ops", 1);
  start();
  std::uint32_t attempts = 0;
  for (const Milliseconds wait : {Milliseconds(7s), Milliseconds(7min), Milliseconds(37min)}) {
    ASSERT_TRUE(attempted("e1", ++attempts));
    advance(wait);
  }
  ASSERT_TRUE(attempted("e1", 4));  // The fifth is due in two hours.
  queue("e2", "ops", 2);
  advance(1h + 1s);
  ASSERT_TRUE(attempted("e1", 5));
  EXPECT_EQ(deliverer_->counters().attempts.load(), 5U);
  advance(1h + 1s);
  EXPECT_TRUE(reaches("e1", DeliveryState::kDelivered));
  EXPECT_TRUE(reaches("e2", DeliveryState::kDelivered));
}

TEST_F(DeliveryTest, AnEventThatIsRefusedHoldsBackNoOtherSeriesAndDiesAfterItsAttempts) {
  RawServer server(kAccepted, false, "\"i-0\"");
  receiver("ops", server.url()).attempts_max = 3;
  queue_change("e1", "ops", "i-0", 1);
  queue_change("e2", "ops", "i-0", 2);
  queue_change("e3", "ops", "i-1", 3);
  queue_change("e4", "ops", "i-2", 4);
  start();
  ASSERT_TRUE(attempted("e1", 1));
  advance(1300ms);
  EXPECT_TRUE(reaches("e3", DeliveryState::kDelivered));
  EXPECT_TRUE(reaches("e4", DeliveryState::kDelivered));
  advance(5s);
  ASSERT_TRUE(attempted("e1", 2));
  EXPECT_EQ(outbox_.find("e2").attempts, 0U);
  advance(7min);
  ASSERT_TRUE(reaches("e1", DeliveryState::kDead));
  EXPECT_EQ(outbox_.find("e1").attempts, 3U);
  advance(2s);
  EXPECT_TRUE(attempted("e2", 1));
  EXPECT_EQ(deliverer_->counters().attempts.load(), 6U);
}

TEST_F(DeliveryTest, AnActionIsSentThoughANotificationToItsReceiverIsRefused) {
  RawServer server(kAccepted, false, "\"i-0\"");
  receiver("ops", server.url());
  queue_change("e1", "ops", "i-0", 1);
  start();
  ASSERT_TRUE(attempted("e1", 1));
  queue_change("e2", "ops", "web", 2, now_s() + 300);
  advance(1300ms);
  EXPECT_TRUE(reaches("e2", DeliveryState::kDelivered));
}

TEST_F(DeliveryTest, AnActionExpiresWhateverItWaitsFor) {
  RawServer server("HTTP/1.1 503 Busy\r\nRetry-After: 36000\r\nContent-Length: 0\r\n\r\n");
  receiver("ops", server.url());
  for (int i = 0; i < 100; ++i) queue_change("n" + std::to_string(i), "ops", "web", i);
  start();
  ASSERT_TRUE(attempted("n0", 1));
  queue_change("own", "ops", "web", 200, now_s() + 300);  // Behind more than a batch of its group.
  queue_change("other", "ops", "api", 201, now_s() + 300);
  advance(290s);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(outbox_.find("own").state, DeliveryState::kPending);
  advance(11s);
  EXPECT_TRUE(reaches("own", DeliveryState::kExpired));
  EXPECT_TRUE(reaches("other", DeliveryState::kExpired));
  EXPECT_EQ(outbox_.find("other").attempts, 0U);
}

TEST_F(DeliveryTest, LooksPastMoreThanABatchOfEntriesThatWait) {
  RawServer server(kAccepted, false, "\"i-0\"");
  receiver("ops", server.url());
  for (int i = 0; i < 300; ++i) queue_change("e" + std::to_string(i), "ops", "i-0", i);
  for (int i = 0; i < 300; ++i)
    queue_change("f" + std::to_string(i), "ops", "i-" + std::to_string(i + 1), 1000 + i);
  start();
  ASSERT_TRUE(attempted("e0", 1));
  advance(1300ms);
  EXPECT_TRUE(eventually([&] { return deliverer_->counters().delivered.load() == 300; }));
  EXPECT_EQ(outbox_.find("e1").attempts, 0U);
}

TEST_F(DeliveryTest, AReceiverThatHangsOrRefusesBlocksNoOther) {
  LocalReceiver local(receiving());
  RawServer hanging("");
  receiver("a-hangs", hanging.url());
  receiver("b-closed", "http://127.0.0.1:1/");
  receiver("c-works", local.url());
  for (int i = 0; i < 100; ++i) {  // More than a batch.
    for (const char* name : {"a-hangs", "b-closed", "c-works"})
      queue(name + std::to_string(i), name, i);
  }
  start();
  EXPECT_TRUE(reaches("c-works99", DeliveryState::kDelivered));
  EXPECT_EQ(local.lines().size(), 100U);
  EXPECT_EQ(outbox_.find("a-hangs0").state, DeliveryState::kPending);
  EXPECT_EQ(outbox_.find("b-closed0").state, DeliveryState::kPending);
  EXPECT_FALSE(deliverer_->drain(50));
}

TEST_F(DeliveryTest, GivesEveryReceiverItsTurnWhenTransfersAreFew) {
  LocalReceiver local(receiving());
  options_.parallel_receivers = 1;
  for (const char* name : {"a", "b", "c"}) {
    receiver(name, local.url());
    for (int i = 0; i < 20; ++i) queue(name + std::to_string(i), name, i);
  }
  ASSERT_TRUE(start().drain(5000));
  const std::vector<std::string> lines = local.lines();
  ASSERT_EQ(lines.size(), 60U);
  std::set<char> first;
  for (std::size_t i = 0; i < 6; ++i) first.insert(lines[i].at(7));
  EXPECT_EQ(first, (std::set<char>{'a', 'b', 'c'}));
}

TEST_F(DeliveryTest, RecordsAnActionThatComesTooLateAsExpiredAndNeverSendsIt) {
  LocalReceiver local(receiving());
  receiver("provisioning", local.url());
  queue("late", "provisioning", 1, now_s() - 1);
  queue("timely", "provisioning", 2, now_s() + 60);
  ASSERT_TRUE(start().drain(5000));
  EXPECT_EQ(outbox_.find("late").state, DeliveryState::kExpired);
  EXPECT_EQ(outbox_.find("late").attempts, 0U);
  EXPECT_EQ(outbox_.find("timely").state, DeliveryState::kDelivered);
  EXPECT_EQ(local.lines().size(), 1U);
  EXPECT_EQ(deliverer_->counters().expired.load(), 1U);
}

TEST_F(DeliveryTest, RetriesAnActionWithinSecondsUntilItExpires) {
  app::ReceiveOptions options = receiving();
  options.fail_first = 100;
  LocalReceiver local(options);
  receiver("provisioning", local.url());
  queue("e1", "provisioning", 1, now_s() + 300);
  start();
  ASSERT_TRUE(attempted("e1", 1));
  advance(1300ms);
  ASSERT_TRUE(attempted("e1", 2));
  advance(301s);
  EXPECT_TRUE(reaches("e1", DeliveryState::kExpired));
  EXPECT_EQ(outbox_.find("e1").attempts, 2U);
}

TEST_F(DeliveryTest, DoesNotSendAgainWhileTheOutcomeCannotBeRecorded) {
  LocalReceiver local(receiving());
  receiver("ops", local.url());
  queue("e1", "ops");
  outbox_.refuse_records(2);
  ASSERT_TRUE(start().drain(5000));
  EXPECT_EQ(outbox_.records_refused(), 2);
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kDelivered);
  EXPECT_EQ(local.lines().size(), 1U);
}

TEST_F(DeliveryTest, CallsTheKillPointsAroundEachAttempt) {
  LocalReceiver local(receiving());
  receiver("ops", local.url());
  queue("e1", "ops");
  std::vector<std::string> points;  // Of the delivery thread until drain() has seen the outcome.
  options_.fault = [&](const char* point) {
    points.push_back(std::string(point) + " " + std::to_string(local.lines().size()));
  };
  ASSERT_TRUE(start().drain(5000));
  deliverer_.reset();
  EXPECT_EQ(points, (std::vector<std::string>{"delivery.before_send 0", "delivery.after_send 1"}));
}

TEST_F(DeliveryTest, StopsPromptlyAndLeavesWhatIsPendingInTheOutbox) {
  RawServer hanging("");
  receiver("ops", hanging.url());
  queue("e1", "ops");
  start();
  ASSERT_TRUE(eventually([&] { return hanging.connections() == 1; }));
  const auto before = std::chrono::steady_clock::now();
  deliverer_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kPending);
  EXPECT_EQ(outbox_.find("e1").attempts, 0U);
}

TEST_F(DeliveryTest, GoesOnAfterARestartWithoutRepeatingWhatWasDelivered) {
  LocalReceiver local(receiving());
  receiver("ops", local.url());
  queue("e1", "ops", 1);
  ASSERT_TRUE(start().drain(5000));
  deliverer_.reset();
  queue("e2", "ops", 2);
  ASSERT_TRUE(start().drain(5000));
  EXPECT_THAT(local.stop(), HasSubstr(R"("deliveries":2,"distinct_ids":2,"duplicates":0)"));
  EXPECT_EQ(local.result(), 0);
}

TEST_F(DeliveryTest, AnAnswerOf2xxIsSuccessWhateverBecomesOfItsBody) {
  for (const bool stalls : {true, false}) {
    RawServer server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", stalls);
    const std::string name = stalls ? "stalls" : "breaks-off";
    receivers_.clear();
    receiver(name, server.url()).timeout_ms = 300;
    queue(name, name);
    ASSERT_TRUE(start().drain(5000));
    EXPECT_EQ(outbox_.find(name).state, DeliveryState::kDelivered) << outbox_.find(name).last_error;
    EXPECT_EQ(deliverer_->counters().attempts.load(), 1U);
    deliverer_.reset();
  }
}

TEST_F(DeliveryTest, AnAnswerWhoseHeadersNeverEndIsNone) {
  RawServer server("HTTP/1.1 200 OK\r\nContent-Le", true);
  receiver("ops", server.url()).timeout_ms = 300;
  queue("e1", "ops");
  start();
  ASSERT_TRUE(attempted("e1", 1));
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kPending);
}

TEST_F(DeliveryTest, DoesNotFollowARedirect) {
  LocalReceiver target(receiving());
  RawServer redirecting("HTTP/1.1 307 Temporary Redirect\r\nLocation: " + target.url() +
                        "\r\nContent-Length: 0\r\n\r\n");
  receiver("ops", redirecting.url());
  queue("e1", "ops");
  start();
  ASSERT_TRUE(attempted("e1", 1));
  EXPECT_EQ(outbox_.find("e1").last_error, "status 307");
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kPending);
  EXPECT_THAT(target.stop(), HasSubstr(R"("requests":0)"));
}

TEST_F(DeliveryTest, RefusesPrivateTargetsWhenTheyAreNotAllowed) {
  RawServer local("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  options_.allow_private_targets = false;
  receiver("ops", local.url());
  queue("e1", "ops");
  start();
  ASSERT_TRUE(attempted("e1", 1));
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kPending);
  EXPECT_EQ(local.connections(), 0U);
}

TEST_F(DeliveryTest, AddsPagerDutysRoutingKeyOnTheWayOutOnly) {
  RawServer pagerduty("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  Receiver& duty = receiver("duty", pagerduty.url());
  duty.kind = Receiver::Kind::kPagerDuty;
  duty.secret = "R0123456789abcdefghijklmnopqrstu";
  queue("e1", "duty");
  ASSERT_TRUE(start().drain(5000));
  EXPECT_THAT(
      pagerduty.request(),
      HasSubstr(R"({"routing_key":"R0123456789abcdefghijklmnopqrstu","type":"test","data":"e1"})"));
  EXPECT_THAT(pagerduty.request(), Not(HasSubstr("webhook-signature")));
  EXPECT_THAT(outbox_.find("e1").body, Not(HasSubstr("R0123456789")));
}

TEST_F(DeliveryTest, NeverShowsASecretThatAReceiverEchoes) {
  RawServer echo(
      "HTTP/1.1 400 Bad Request\r\nContent-Length: 60\r\n\r\nbad secret "
      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, go away!!");
  receiver("ops", echo.url());
  queue("e1", "ops");
  ASSERT_TRUE(start().drain(5000));
  EXPECT_THAT(outbox_.find("e1").last_error, HasSubstr("bad secret ***"));
  EXPECT_THAT(*deliverer_->last_error(), Not(HasSubstr("MfKQ9")));
}

TEST_F(DeliveryTest, TheReceiverEndsByItselfOnceAllThatWasExpectedHasArrived) {
  const std::string expected = path_ + ".expected";
  std::ofstream(expected) << "e1\n" << webhook_id("e2", "ops") << "\n";
  app::ReceiveOptions options = receiving();
  options.expect_path = expected;
  LocalReceiver local(options);
  receiver("ops", local.url());
  queue("e1", "ops", 1);
  ASSERT_TRUE(start().drain(5000));
  EXPECT_EQ(local.result(), -1);  // Still serving: e2 is missing.
  queue("e2", "ops", 2);
  ASSERT_TRUE(deliverer_->drain(5000));
  EXPECT_TRUE(eventually([&] { return local.result() == 0; }));
  EXPECT_THAT(local.stop(), HasSubstr(R"("missing":0)"));
  std::remove(expected.c_str());
}

TEST_F(DeliveryTest, TheReceiverRefusesABodyOverItsLimitAndReportsWhatIsMissing) {
  const std::string expected = path_ + ".expected";
  std::ofstream(expected) << "e1\n";
  app::ReceiveOptions options = receiving();
  options.expect_path = expected;
  options.body_bytes_max = 10;
  LocalReceiver local(options);
  receiver("ops", local.url());
  queue("e1", "ops");
  ASSERT_TRUE(start().drain(5000));
  EXPECT_EQ(outbox_.find("e1").last_error, "status 413");
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kDead);
  EXPECT_THAT(local.stop(), HasSubstr(R"("deliveries":0)"));
  EXPECT_EQ(local.result(), 1);
  std::remove(expected.c_str());
}

TEST_F(DeliveryTest, BuriesEntriesOfAReceiverThatIsNoLongerConfigured) {
  queue("e1", "gone");
  ASSERT_TRUE(start().drain(5000));
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kDead);
  EXPECT_EQ(outbox_.find("e1").last_error, "its receiver is no longer configured");
}

TEST_F(DeliveryTest, KeepsAnEntryThatCannotBeSignedForALaterConfiguration) {
  LocalReceiver local(receiving());
  receiver("ops", local.url()).secret = "";
  queue("e1", "ops");
  start();
  ASSERT_TRUE(attempted("e1", 1));
  EXPECT_EQ(outbox_.find("e1").state, DeliveryState::kPending);
  EXPECT_THAT(outbox_.find("e1").last_error, HasSubstr("webhook secret is empty"));
  EXPECT_THAT(local.stop(), HasSubstr(R"("requests":0)"));
}

}  // namespace
}  // namespace fleetmeter::alarms
