// Several threads share the records of a fleet, each with a PartialAggregator of its own, and the
// aggregates combine to what one alone makes of all: integer sums, whoever adds them.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "aggregator/partial_aggregator.h"
#include "tests/aggregator/log_records.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::string_view kFleet = R"(
vpc_cidr: 10.0.0.0/16
subnets:
  - { id: subnet-a, cidr: 10.0.0.0/24, az: us-east-1a }
  - { id: subnet-b, cidr: 10.0.1.0/24, az: us-east-1b }
interfaces:
  - { id: eni-0, instance: i-0, addresses: [10.0.0.1], role: instance }
  - { id: eni-1, instance: i-1, addresses: [10.0.1.1], role: instance }
  - { id: eni-2, addresses: [10.0.1.9], role: nat }
)";

std::shared_ptr<const Inventory> fleet() {
  std::vector<Inventory::Problem> warnings;
  return *Inventory::parse({{"fleet.yaml", std::string(kFleet)}}, {}, warnings);
}

std::vector<std::string> random_lines(std::uint32_t seed, std::size_t count) {
  std::mt19937 random(seed);
  const std::vector<std::string> hosts = {"10.0.0.1",  "10.0.1.1", "10.0.1.9",   "10.0.0.77",
                                          "52.95.1.1", "8.8.4.4",  "192.168.0.9"};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = 1'717'199'900 + random() % 300;
    lines.push_back("2 123456789012 eni-" + std::to_string(random() % 4) + ' ' +
                    hosts[random() % hosts.size()] + ' ' + hosts[random() % hosts.size()] +
                    " 443 50000 6 " + std::to_string(random() % 100) + ' ' +
                    std::to_string(random() % 9000) + ' ' + std::to_string(start) + ' ' +
                    std::to_string(start + random() % 300) +
                    (random() % 5 == 0 ? " REJECT OK" : " ACCEPT OK"));
  }
  return lines;
}

std::vector<proto::AggregateBatch> aggregate(const std::shared_ptr<const Inventory>& inventory,
                                             const std::vector<std::string>& lines,
                                             std::size_t first, std::size_t step,
                                             std::size_t commit_every) {
  PartialAggregator aggregator(inventory, {});
  parsers::DecoderOptions options;
  options.fields = PartialAggregator::fields_needed();
  parsers::Decoder decoder(options, aggregator);
  std::vector<proto::AggregateBatch> batches;
  const auto take = [&] {
    for (proto::AggregateBatch& batch : aggregator.take()) batches.push_back(std::move(batch));
  };
  for (std::size_t i = first; i < lines.size(); i += step) {
    decoder.feed(lines[i] + "\n");
    if (aggregator.records() >= commit_every) take();
  }
  take();
  return batches;
}

TEST(Combine, LawAnySplitOverThreadsMakesTheSameAggregates) {
  const auto inventory = fleet();
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<std::string> lines = random_lines(seed, 3000);
    Combined whole;
    for (const auto& batch : aggregate(inventory, lines, 0, 1, lines.size())) combine(batch, whole);
    for (const std::size_t threads : {2u, 3u, 5u}) {
      std::vector<std::vector<proto::AggregateBatch>> parts(threads);
      {
        std::vector<std::jthread> running;
        for (std::size_t i = 0; i < threads; ++i) {
          running.emplace_back(
              [&, i] { parts[i] = aggregate(inventory, lines, i, threads, 100 + 50 * i); });
        }
      }
      Combined combined;
      for (const auto& part : parts) {
        for (const proto::AggregateBatch& batch : part) combine(batch, combined);
      }
      ASSERT_EQ(combined, whole) << threads;
    }
  }
}

}  // namespace
}  // namespace fleetmeter::aggregator
