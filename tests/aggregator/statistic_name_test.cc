#include "aggregator/statistic_name.h"

#include <gtest/gtest.h>

#include "aggregator/series_table.h"

namespace fleetmeter::aggregator {
namespace {

TEST(StatisticName, TakesTheFormsThatCloudWatchDocuments) {
  for (const char* name :
       {"Average",  "Sum",           "Minimum",     "Maximum",  "SampleCount",  "p99",
        "p99.9",    "p0.0000000001", "p100",        "IQM",      "tm99",         "wm98",
        "tc95",     "ts80",          "TM(10%:90%)", "TM(:99%)", "TM(150:1000)", "TC(80:500)",
        "TC(:0.5)", "TS(80%:)",      "WM(10%:90%)", "PR(:300)", "PR(-5:10)",    "PR(100:)"}) {
    EXPECT_TRUE(parse_statistic(name)) << name;
  }
}

TEST(StatisticName, RefusesWhatWouldBeMissingForEver) {
  for (const char* name : {"",
                           "average",
                           "avg",
                           "p",
                           "p0",
                           "p101",
                           "p99.",
                           "p.9",
                           "p-1",
                           "p1e1",
                           "p0.12345678901",
                           "tm",
                           "tm101",
                           "tmfoo",
                           "tm(10%:90%)",
                           "TM99",
                           "TM()",
                           "TM(:)",
                           "TM(10%)",
                           "TM(10%:90)",
                           "TM(90%:10%)",
                           "TM(10%:110%)",
                           "PR(10%:90%)",
                           "PR(:)",
                           "PR(300)",
                           "TC(a:b)",
                           "TS(1:2"}) {
    EXPECT_FALSE(parse_statistic(name)) << name;
  }
}

Datapoint samples(double count, double value) {
  Datapoint datapoint;
  datapoint.sample_count = count;
  datapoint.sum = count * value;
  datapoint.minimum = datapoint.maximum = value;
  return datapoint;
}

TEST(StatisticOfEqualSamples, ServesEveryPercentileAndMean) {
  for (const char* name : {"p1", "p99.9", "IQM", "tm99", "TM(10%:90%)", "wm98", "WM(5%:)"}) {
    EXPECT_EQ(statistic(samples(1, 7), name), 7) << name;
    EXPECT_EQ(statistic(samples(12, 7), name), 7) << name;
  }
}

TEST(StatisticOfEqualSamples, AbsoluteBoundsExcludeTheLowerAndIncludeTheUpperOne) {
  EXPECT_EQ(statistic(samples(3, 500), "TC(80:500)"), 3);
  EXPECT_EQ(statistic(samples(3, 80), "TC(80:500)"), 0);
  EXPECT_EQ(statistic(samples(2, 0.5), "TC(:0.5)"), 2);
  EXPECT_EQ(statistic(samples(3, 500), "TS(80:500)"), 1500);
  EXPECT_EQ(statistic(samples(3, 501), "TS(80:500)"), 0);
  EXPECT_EQ(statistic(samples(3, 1000), "TM(150:1000)"), 1000);
  EXPECT_EQ(statistic(samples(3, 150), "TM(150:1000)"), std::nullopt) << "The mean of nothing.";
  EXPECT_EQ(statistic(samples(3, 100), "WM(150:1000)"), 150);
  EXPECT_EQ(statistic(samples(3, 2000), "WM(150:1000)"), 1000);
  EXPECT_EQ(statistic(samples(3, 300), "PR(:300)"), 100);
  EXPECT_EQ(statistic(samples(3, 301), "PR(:300)"), 0);
}

TEST(StatisticOfEqualSamples, IsNotThereForNegativeValuesNorForSamplesThatDiffer) {
  for (const char* name : {"p99", "TM(10%:90%)", "PR(:300)", "TC(:5)"}) {
    EXPECT_EQ(statistic(samples(1, -1), name), std::nullopt) << name;
    Datapoint two = samples(2, 1);
    two.maximum = 3;
    EXPECT_EQ(statistic(two, name), std::nullopt) << name;
  }
  EXPECT_EQ(statistic(samples(4, 1), "tc95"), std::nullopt) << "Not documented.";
  EXPECT_EQ(statistic(samples(1, -1), "Average"), -1);
}

}  // namespace
}  // namespace fleetmeter::aggregator
