#include "generate/script.h"

#include <gtest/gtest.h>

namespace fleetmeter::generate {
namespace {

Result<void> check(const std::vector<Incident>& script, std::int32_t duration_min = 240) {
  FleetOptions options;
  options.machines = 8;
  options.duration_min = duration_min;
  return check_script(script, options, *lay_out(options));
}

TEST(Script, ReadsAnIncidentFromText) {
  const auto incident = parse_incident("cpu@65+18:1:77.25");
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::kCpu);
  EXPECT_EQ(incident->start_min, 65);
  EXPECT_EQ(incident->length_min, 18);
  EXPECT_EQ(incident->target, 1u);
  EXPECT_EQ(incident->value, 77.25);
}

TEST(Script, LeavesTargetAndValueAtTheKindsUsualOnes) {
  const auto incident = parse_incident("scan@20+5");
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->target, 0u);
  EXPECT_EQ(incident->value, 600);
}

TEST(Script, RefusesTextThatIsNoIncidentAndSaysTheForm) {
  for (const char* text : {"", "cpu", "cpu@", "cpu@5", "cpu@5+", "fire@5+5", "cpu@5+5:x",
                           "cpu@5+5:0:x", "cpu@5+5:0:1 "}) {
    const auto incident = parse_incident(text);
    ASSERT_FALSE(incident) << text;
    EXPECT_NE(incident.error().message.find("KIND@START+LENGTH"), std::string::npos);
  }
}

TEST(Script, TheDefaultOneHoldsItsOwnRulesAtEveryLength) {
  for (const std::int32_t duration : {1, 30, 60, 90, 240, 359, 360, 361, 720, 1440, 44'640}) {
    FleetOptions options;
    options.machines = 4;
    options.duration_min = duration;
    const auto script = default_script(duration, options.machines, options.zones);
    EXPECT_TRUE(check_script(script, options, *lay_out(options))) << duration;
    EXPECT_EQ(script.size(), duration >= 360 ? 10u : script.size());
  }
}

TEST(Script, RefusesWhatHasNoPlainOutcome) {
  const Incident good{IncidentKind::kCpu, 20, 10, 0, 92.5};
  EXPECT_TRUE(check({good}));
  const auto with = [good](auto change) {
    Incident incident = good;
    change(incident);
    return check({incident});
  };
  EXPECT_FALSE(with([](Incident& i) { i.start_min = 14; }));
  EXPECT_FALSE(with([](Incident& i) { i.length_min = 0; }));
  EXPECT_FALSE(with([](Incident& i) { i.length_min = 221; }));
  EXPECT_FALSE(with([](Incident& i) { i.length_min = 2'147'483'647; }));
  EXPECT_FALSE(with([](Incident& i) { i.target = 1; }));
  EXPECT_FALSE(with([](Incident& i) { i.value = 101; }));
  EXPECT_FALSE(with([](Incident& i) { i.value = 92.3; }));
}

TEST(Script, KeepsIncidentsOfOneTargetFifteenMinutesApart) {
  const Incident first{IncidentKind::kCpu, 20, 10, 0, 92.5};
  EXPECT_FALSE(check({first, {IncidentKind::kCpu, 44, 10, 0, 20}}));
  EXPECT_TRUE(check({first, {IncidentKind::kCpu, 45, 10, 0, 20}}));
  EXPECT_TRUE(check({first, {IncidentKind::kMemory, 22, 10, 0, 92.5}}));
  EXPECT_FALSE(check({first, {IncidentKind::kAzLoss, 40, 10, 1, 0}}));
  EXPECT_TRUE(check({first, {IncidentKind::kAzLoss, 45, 10, 1, 0}}));
}

}  // namespace
}  // namespace fleetmeter::generate
