#include "app/cost_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "app/cost_report.h"
#include "cost/usage_store.h"

namespace fleetmeter::app {
namespace {

constexpr std::int64_t kNoon_s = 1'795'262'400;      // 2026-11-21T12:00:00Z
constexpr std::int64_t kDecember_s = 1'796'083'200;  // 2026-12-01T00:00:00Z

/// A cost.db with one accepted and one rejected minute of eni-1 at noon.
class CostViewTest : public testing::Test {
 protected:
  CostViewTest()
      : path_(std::filesystem::temp_directory_path() /
              ("fleetmeter-cost-view-" + std::to_string(getpid()) + ".db")) {
    aggregator::LogEntry entry = entry_at(1);
    proto::AggregateBatch& batch = *entry.record.mutable_batch();
    add(batch, proto::ACTION_ACCEPT, 300);
    add(batch, proto::ACTION_REJECT, 40);
    proto::Volume& volume = *batch.add_volumes();
    volume.set_hour(static_cast<std::uint32_t>(kNoon_s / 3600));
    volume.set_flow_log_records(2);
    apply(entry);
  }
  ~CostViewTest() override {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + end);
  }

  static void add(proto::AggregateBatch& batch, proto::FlowAction action, std::uint64_t bytes,
                  std::int64_t at_s = kNoon_s, std::uint64_t records = 1) {
    proto::FlowAggregates& flows = *batch.mutable_flows();
    flows.add_window_start_min(static_cast<std::uint32_t>(at_s / 60));
    flows.add_status(proto::FLOW_OK);
    flows.add_action(action);
    flows.add_direction(proto::DIRECTION_EGRESS);
    flows.add_path_class(proto::PATH_EXTERNAL);
    flows.add_nat_leg(proto::NAT_LEG_NONE);
    flows.add_role(proto::ROLE_INSTANCE);
    flows.add_peer_role(proto::ROLE_UNKNOWN);
    flows.add_interface(1);
    flows.add_owner(2);
    flows.add_peer_owner(3);
    for (auto* absent :
         {flows.mutable_owner_az(), flows.mutable_peer_az(), flows.mutable_peer_service(),
          flows.mutable_peer_region(), flows.mutable_interface_az(), flows.mutable_traffic_path(),
          flows.mutable_peer_interface()})
      absent->Add(0);
    flows.add_bytes(bytes);
    flows.add_packets(records);
    flows.add_records(records);
    flows.add_long_records(0);
  }

  /// What the end of November cuts off from a record that counts there.
  void carry_into_december(std::uint64_t bytes) {
    aggregator::LogEntry entry = entry_at(2);
    add(*entry.record.mutable_batch(), proto::ACTION_ACCEPT, bytes, kDecember_s, 0);
    apply(entry);
  }

  static aggregator::LogEntry entry_at(aggregator::LogPosition position) {
    aggregator::LogEntry entry;
    entry.position = position;
    proto::AggregateBatch& batch = *entry.record.mutable_batch();
    batch.set_environment("prod");
    for (const char* text : {"", "eni-1", "10.0.1.1", "internet"}) batch.add_strings(text);
    return entry;
  }
  void apply(const aggregator::LogEntry& entry) {
    auto store = cost::UsageStore::open(path_.string());
    FM_CHECK(store.has_value());
    FM_CHECK((*store)->apply(0, {&entry, 1}).has_value());
  }

  std::filesystem::path path_;
};

TEST_F(CostViewTest, FlowsHoldTheHoursUpToNow) {
  const auto json = flows_json(path_.string(), kNoon_s + 60, 24);
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_THAT(*json, testing::HasSubstr(R"("accept":{"records":1,"packets":1,"bytes":300})"));
  EXPECT_THAT(*json, testing::HasSubstr(R"("reject":{"records":1,"packets":1,"bytes":40})"));
  EXPECT_THAT(*json, testing::HasSubstr(R"({"charge":"internet_egress","bytes":300})"));
  EXPECT_THAT(*json, testing::HasSubstr(R"({"by":"owner","key":"10.0.1.1","remainder":false,)"));
  const auto later = flows_json(path_.string(), kNoon_s + 3600, 1);
  ASSERT_TRUE(later.has_value());
  EXPECT_THAT(*later, testing::HasSubstr(R"("accept":{"records":0,"packets":0,"bytes":0})"));
}

TEST_F(CostViewTest, FlowsWithoutActionTalkToo) {
  auto store = cost::UsageStore::open(path_.string());
  ASSERT_TRUE(store.has_value());
  aggregator::LogEntry entry;
  entry.position = 2;
  proto::AggregateBatch& batch = *entry.record.mutable_batch();
  batch.set_environment("prod");
  for (const char* text : {"", "eni-1", "10.0.1.1", "internet"}) batch.add_strings(text);
  add(batch, proto::ACTION_NONE, 70);
  ASSERT_TRUE((*store)->apply(0, {&entry, 1}).has_value());
  const auto json = flows_json(path_.string(), kNoon_s + 60, 24);
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_THAT(*json, testing::HasSubstr(R"("accept":{"records":1,"packets":1,"bytes":300})"));
  EXPECT_THAT(*json, testing::HasSubstr(R"("no_action":{"records":1,"packets":1,"bytes":70,)"));
  EXPECT_THAT(*json, testing::HasSubstr(R"({"by":"owner","key":"10.0.1.1","remainder":false,)"
                                        R"("records":2,"packets":2,"bytes":370})"));
}

TEST_F(CostViewTest, ReportTakesTheMonthOfNow) {
  CostQuery query;
  query.now_s = kNoon_s;
  const auto json = cost_report_json(path_.string(), *aggregator::Inventory::empty({}), query);
  ASSERT_TRUE(json.has_value()) << json.error().message;
  EXPECT_THAT(*json, testing::ContainsRegex("\"month\": ?\"2026-11\""));
  EXPECT_THAT(*json, testing::ContainsRegex("\"basis\": ?\"to_date\""));
}

TEST_F(CostViewTest, BadQueriesAreTheCallersFault) {
  const auto inventory = aggregator::Inventory::empty({});
  const auto refused = [&](const CostQuery& query) {
    const auto json = cost_report_json(path_.string(), *inventory, query);
    return !json.has_value() && json.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({"2026-13", "", "", kNoon_s}));
  EXPECT_TRUE(refused({"", "guess", "", kNoon_s}));
}

TEST_F(CostViewTest, AnEnvironmentThatThereIsNotIsRefusedAndThoseThereAreAreNamed) {
  aggregator::EnvironmentMatch idle;
  idle.name = "staging";  // Declared, without usage.
  idle.accounts = {"123456789012"};
  const auto inventory = aggregator::Inventory::empty({idle});
  const auto refused = cost_report_json(path_.string(), *inventory, {"", "", "nope", kNoon_s});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused.error().message, "environment: `nope` is none of prod, staging, unassigned");
  for (const char* there : {"prod", "staging", "unassigned"})
    EXPECT_TRUE(cost_report_json(path_.string(), *inventory, {"", "", there, kNoon_s})) << there;
}

TEST_F(CostViewTest, MonthsAreThoseOfTheHours) {
  const auto months = months_of(path_.string());
  ASSERT_TRUE(months.has_value());
  ASSERT_EQ(months->size(), 1u);
  EXPECT_EQ(month_text(months->front()), "2026-11");
}

TEST_F(CostViewTest, BacktestIsPricedMonthByMonth) {
  const auto reports = replay_cost(path_.string(), *aggregator::Inventory::empty({}));
  ASSERT_TRUE(reports.has_value()) << reports.error().message;
  ASSERT_EQ(reports->size(), 1u);
  EXPECT_EQ(reports->front().month, "2026-11");
}

TEST_F(CostViewTest, AMonthThatHoldsOnlyTheRestOfARecordIsPricedToo) {
  carry_into_december(67);
  const auto reports = replay_cost(path_.string(), *aggregator::Inventory::empty({}));
  ASSERT_TRUE(reports.has_value());
  ASSERT_EQ(reports->size(), 2u);
  EXPECT_EQ(reports->front().month, "2026-11");
  EXPECT_EQ(reports->back().month, "2026-12");
  EXPECT_EQ(reports->back().environments.size(), 1u);
}

TEST_F(CostViewTest, TheRestOfARecordWithoutBytesMakesNoMonth) {
  carry_into_december(0);
  const auto months = months_of(path_.string());
  ASSERT_TRUE(months.has_value());
  ASSERT_EQ(months->size(), 1u);
  EXPECT_EQ(month_text(months->front()), "2026-11");
}

TEST(Month, SpansItsHoursToTheNextOne) {
  using std::chrono::month;
  using std::chrono::year;
  const MonthHours february = hours_of(year{2028} / month{2});
  EXPECT_EQ(february.last - february.first, 29u * 24);
  EXPECT_EQ(hours_of(year{2026} / month{12}).last, hours_of(year{2027} / month{1}).first);
  EXPECT_EQ(month_of(kNoon_s), year{2026} / month{11});
}

TEST(Month, IsRefusedWhenItIsNone) {
  for (const char* text :
       {"", "2026", "2026-00", "2026-13", "2026-1", "26-01", "2026/01", "1969-12"})
    EXPECT_EQ(parse_month(text), std::nullopt) << text;
}

}  // namespace
}  // namespace fleetmeter::app
