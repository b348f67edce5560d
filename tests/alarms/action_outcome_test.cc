#include "alarms/action_outcome.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "aggregator/sqlite_log.h"
#include "alarms/delivery.h"
#include "tests/alarms/delivery_fixture.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::DeliveryState;
using aggregator::OutboxEntry;
using aggregator::SqliteLog;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals only.

constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kNobody = "http://127.0.0.1:9/";  // "discard": refuses connections.

/// Passes everything to a log, but records no delivery while it is told to refuse.
class RefusingOutbox final : public aggregator::Outbox {
 public:
  explicit RefusingOutbox(aggregator::Outbox& log) : log_(log) {}
  Result<std::vector<OutboxEntry>> due_outbox(std::int64_t now_ms, std::size_t limit) override {
    return log_.due_outbox(now_ms, limit);
  }
  Result<void> record_delivery(const OutboxEntry& entry) override {
    if (entry.state == DeliveryState::kPending) return log_.record_delivery(entry);
    ++refused;
    return Error{ErrorCode::kUnavailable, "disk full"};
  }
  Result<std::map<DeliveryState, std::uint64_t>> outbox_counts() override {
    return log_.outbox_counts();
  }
  std::atomic<int> refused{0};

 private:
  aggregator::Outbox& log_;
};

/// A decision of group "web" in a real store, and what becomes of it.
class ActionOutcomeTest : public testing::Test {
 protected:
  ActionOutcomeTest() {
    std::filesystem::remove_all(folder_);
    open();
    event_.set_id("e1");
    event_.set_type("scaling.decided");
    event_.set_environment("prod");
    event_.set_time_s(now_s());
    event_.mutable_scaling()->set_group("web");
  }
  ~ActionOutcomeTest() override {
    deliverer_.reset();
    log_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open() {
    outcomes_.reset();
    log_.reset();
    auto log = SqliteLog::open((folder_ / "log.db").string(), {.clock = &clock_});
    ASSERT_TRUE(log) << log.error().message;
    log_ = *std::move(log);
    outcomes_ = std::make_unique<ActionOutcomes>(*log_, clock_);
    outbox_ = std::make_unique<RefusingOutbox>(*log_);
  }
  /// Queues the decision for `receiver`, as the evaluator does.
  void queue(const std::string& receiver, std::int64_t expires_s) {
    OutboxEntry entry{.event_id = "e1", .receiver = receiver, .body = "{}"};
    entry.content_type = "application/json";
    entry.event_time_s = event_.time_s();
    entry.expires_s = expires_s;
    entry.action = true;
    const auto position = log_->last_position(0);
    ASSERT_TRUE(position);
    ASSERT_TRUE(
        log_->commit_outputs({.evaluated = *position, .events = {event_}, .outbox = {entry}}));
  }
  void deliver(aggregator::Outbox& outbox, const std::string& url, std::uint32_t attempts_max = 1) {
    const Receiver receiver{
        .name = "provisioning", .url = url, .secret = kSecret, .attempts_max = attempts_max};
    Deliverer::Options options;
    options.outcomes = outcomes_.get();
    deliverer_ = std::make_unique<Deliverer>(
        outbox, std::map<std::string, Receiver>{{"provisioning", receiver}}, clock_, options);
    deliverer_->start();
  }
  /// Ends delivery as a crash would: what was not recorded is not.
  void crash() {
    deliverer_.reset();
    open();
  }
  [[nodiscard]] std::vector<proto::Observation> observations() {
    std::vector<proto::Observation> found;
    const auto entries = log_->read(0, 0, 1000);
    for (const aggregator::LogEntry& entry : *entries) {
      if (entry.record.has_observation()) found.push_back(entry.record.observation());
    }
    return found;
  }
  [[nodiscard]] std::uint64_t count(DeliveryState state) {
    const auto counts = log_->outbox_counts();
    const auto found = counts->find(state);
    return found == counts->end() ? 0 : found->second;
  }
  [[nodiscard]] bool ends(DeliveryState state) {
    return eventually([&] { return count(state) == 1; });
  }
  [[nodiscard]] std::int64_t now_s() { return clock_.wall().time_since_epoch().count() / 1000; }

  JumpClock clock_;
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() /
                                  ("fleetmeter-outcome-" + std::to_string(::getpid()) + "-" +
                                   testing::UnitTest::GetInstance()->current_test_info()->name());
  proto::Event event_;
  std::unique_ptr<SqliteLog> log_;
  std::unique_ptr<ActionOutcomes> outcomes_;
  std::unique_ptr<RefusingOutbox> outbox_;
  std::unique_ptr<Deliverer> deliverer_;
};

TEST_F(ActionOutcomeTest, AnExpiredActionIsAnObservationOfItsGroup) {
  queue("provisioning", now_s() - 10);
  deliver(*log_, kNobody);
  ASSERT_TRUE(ends(DeliveryState::kExpired));
  const auto told = observations();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].environment(), "prod");
  EXPECT_EQ(told[0].group(), "web");
  EXPECT_EQ(told[0].event_id(), "e1");
  EXPECT_EQ(told[0].receiver(), "provisioning");
  EXPECT_EQ(told[0].result(), "expired");
  EXPECT_NEAR(static_cast<double>(told[0].time_s()), static_cast<double>(now_s()), 10);
  EXPECT_FALSE(told[0].has_desired());
}

TEST_F(ActionOutcomeTest, ADeadActionIsAFailedOne) {
  queue("provisioning", now_s() + 300);
  deliver(*log_, kNobody);
  ASSERT_TRUE(ends(DeliveryState::kDead));
  ASSERT_EQ(observations().size(), 1U);
  EXPECT_EQ(observations()[0].result(), "failed");
}

TEST_F(ActionOutcomeTest, ADeliveredActionTellsNothing) {
  app::ReceiveOptions receiving;
  receiving.secret = kSecret;
  receiving.clock = &clock_;
  receiving.out_path = (folder_ / "received").string();
  LocalReceiver local(std::move(receiving));
  queue("provisioning", now_s() + 300);
  deliver(*log_, local.url());
  ASSERT_TRUE(ends(DeliveryState::kDelivered));
  EXPECT_TRUE(observations().empty());
}

TEST_F(ActionOutcomeTest, AnActionWhoseReceiverIsGoneFromTheConfigurationHasFailed) {
  queue("somebody-else", now_s() + 300);
  deliver(*log_, kNobody);
  ASSERT_TRUE(ends(DeliveryState::kDead));
  ASSERT_EQ(observations().size(), 1U);
  EXPECT_EQ(observations()[0].receiver(), "somebody-else");
}

TEST_F(ActionOutcomeTest, ACrashAfterItWasToldNeitherRepeatsItNorSendsTheActionAgain) {
  queue("provisioning", now_s() + 300);
  deliver(*outbox_, kNobody);
  ASSERT_TRUE(eventually([&] { return outbox_->refused > 0; }));
  crash();
  ASSERT_EQ(count(DeliveryState::kPending), 1U);
  ASSERT_EQ(observations().size(), 1U);

  RawServer again("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  deliver(*log_, again.url());
  ASSERT_TRUE(ends(DeliveryState::kDead));
  EXPECT_EQ(observations().size(), 1U);
  EXPECT_EQ(again.connections(), 0U) << "The evaluator has taken the decision back.";
}

TEST_F(ActionOutcomeTest, ACrashBeforeItWasToldLeavesTheActionToBeTried) {
  queue("provisioning", now_s() + 300);
  crash();
  EXPECT_TRUE(observations().empty());
  RawServer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  deliver(*log_, server.url());
  EXPECT_TRUE(ends(DeliveryState::kDelivered));
}

TEST_F(ActionOutcomeTest, WhileTheLogRefusesTheResultNothingIsToldTwice) {
  queue("provisioning", now_s() - 10);
  deliver(*outbox_, kNobody);
  ASSERT_TRUE(eventually([&] { return outbox_->refused > 1; }));
  EXPECT_EQ(observations().size(), 1U);
}

TEST_F(ActionOutcomeTest, EachReceiverOfADecisionTellsForItself) {
  queue("provisioning", now_s() - 10);
  queue("second", now_s() - 10);
  OutboxEntry entry{.event_id = "e1", .receiver = "provisioning"};
  entry.event_time_s = event_.time_s();
  entry.action = true;
  entry.state = DeliveryState::kExpired;
  ASSERT_TRUE(outcomes_->tell(entry));
  ASSERT_TRUE(outcomes_->tell(entry));
  entry.receiver = "second";
  EXPECT_FALSE(*outcomes_->told(entry));
  ASSERT_TRUE(outcomes_->tell(entry));
  EXPECT_EQ(observations().size(), 2U);
  EXPECT_EQ(**outcomes_->told(entry), DeliveryState::kExpired);
}

TEST_F(ActionOutcomeTest, WithoutItsEventNobodyCanBeTold) {
  OutboxEntry entry{.event_id = "gone", .receiver = "provisioning"};
  entry.action = true;
  entry.state = DeliveryState::kDead;
  const auto told = outcomes_->tell(entry);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(observations().empty());
}

TEST_F(ActionOutcomeTest, FindsItsEventAmongMany) {
  aggregator::Outputs outputs;
  for (int i = 0; i < 3000; ++i) {
    proto::Event other = event_;
    other.set_id("other" + std::to_string(i));
    other.set_time_s(event_.time_s() + 60);
    outputs.events.push_back(std::move(other));
  }
  ASSERT_TRUE(log_->commit_outputs(std::move(outputs)));
  queue("provisioning", now_s() - 10);
  deliver(*log_, kNobody);
  ASSERT_TRUE(ends(DeliveryState::kExpired));
  EXPECT_EQ(observations().size(), 1U);
}

TEST_F(ActionOutcomeTest, GoesToThePartitionOfItsEnvironment) {
  queue("provisioning", now_s() - 10);
  std::string asked;
  ActionOutcomes elsewhere(*log_, clock_, [&](std::string_view environment) {
    asked = environment;
    return aggregator::LogPartition{3};
  });
  OutboxEntry entry{.event_id = "e1", .receiver = "provisioning"};
  entry.event_time_s = event_.time_s();
  entry.action = true;
  entry.state = DeliveryState::kExpired;
  EXPECT_FALSE(elsewhere.tell(entry)) << "This store has partition 0 alone.";
  EXPECT_EQ(asked, "prod");
  EXPECT_FALSE(*elsewhere.told(entry)) << "What was not told is tried again.";
}

}  // namespace
}  // namespace fleetmeter::alarms
