#include "cost/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cost/render_text.h"

namespace fleetmeter::cost {
namespace {

using aggregator::Inventory;
using ::testing::HasSubstr;

std::string source_path(const std::string& path) {
  return std::string(FLEETMETER_SOURCE_DIR) + "/" + path;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file) << path;
  return text.str();
}

/// Of one hour of environment prod.
FlowUsage accepted_egress(proto::PathClass path_class, std::uint64_t gb) {
  FlowUsage flow;
  flow.environment = "prod";
  flow.hour = 500'000;
  flow.action = proto::ACTION_ACCEPT;
  flow.direction = proto::DIRECTION_EGRESS;
  flow.path_class = path_class;
  flow.bytes = gb << 30;
  return flow;
}

const PriceBook& prices() {
  static const PriceBook book = *PriceBook::embedded();
  return book;
}

std::shared_ptr<const Inventory> inventory_of(
    const std::string& yaml, std::vector<aggregator::EnvironmentMatch> environments = {}) {
  std::vector<Inventory::Problem> problems;
  auto inventory = Inventory::parse({{"inventory.yaml", yaml}}, std::move(environments), problems);
  EXPECT_TRUE(inventory) << (inventory ? "" : inventory.error().message);
  for (const Inventory::Problem& problem : problems) ADD_FAILURE() << problem.message;
  return inventory ? *std::move(inventory) : Inventory::empty({});
}

UsageFile usage_of(const std::string& text) {
  Result<UsageFile> file = UsageFile::parse("usage.yml", text);
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return file ? *std::move(file) : UsageFile{};
}

Report estimate(const Inventory& inventory, const UsageFile* usage = nullptr,
                ReportOptions options = {}) {
  Result<Report> report = make_report(options, prices(), inventory, usage, {}, {});
  EXPECT_TRUE(report) << (report ? "" : report.error().message);
  return report ? *std::move(report) : Report{};
}

/// Estimate of resources written as "type|key=value,key=value".
Report estimate_of(const std::vector<std::string>& resources, const std::string& usage = {},
                   ReportOptions options = {}) {
  std::string yaml = "region: us-east-1\nenvironment: prod\nresources:\n";
  int count = 0;
  for (const std::string& resource : resources) {
    const std::string type = resource.substr(0, resource.find('|'));
    yaml +=
        fmt::format("  - {{ address: \"{}.r{}\", type: {}, id: id-{}, attributes: {{ {} }} }}\n",
                    type, count, type, count, resource.substr(resource.find('|') + 1));
    ++count;
  }
  const UsageFile file = usage_of(usage);
  return estimate(*inventory_of(yaml), &file, options);
}

const Line* line(const Report& report, const std::string& resource, const std::string& component) {
  for (const EnvironmentReport& environment : report.environments) {
    for (const Line& one : environment.lines) {
      if (matches_pattern(resource, one.resource) && matches_pattern(component, one.component))
        return &one;
    }
  }
  return nullptr;
}

std::string amount(const Report& report, const std::string& resource,
                   const std::string& component) {
  const Line* found = line(report, resource, component);
  if (found == nullptr) return "no such line";
  return found->amount ? to_cents(*found->amount) : "unknown: " + found->reason;
}

std::shared_ptr<const Inventory> merged(const std::vector<std::string>& files) {
  std::vector<std::pair<std::string, std::string>> named;
  for (const std::string& text : files) named.emplace_back(fmt::format("f{}", named.size()), text);
  std::vector<Inventory::Problem> problems;
  auto inventory = Inventory::parse(named, {}, problems);
  EXPECT_TRUE(inventory) << (inventory ? "" : inventory.error().message);
  return inventory ? *std::move(inventory) : Inventory::empty({});
}

/// `terraform show -json` of resources as (address, values).
std::string state_of(const std::vector<std::pair<std::string, std::string>>& resources) {
  std::string text;
  for (const auto& [address, values] : resources) {
    text +=
        fmt::format(R"({}{{"address":"{}","mode":"managed","type":"{}","values":{}}})",
                    text.empty() ? "" : ",", address, address.substr(0, address.find('.')), values);
  }
  return R"({"format_version":"1.0","values":{"root_module":{"resources":[)" + text + "]}}}";
}

/// `terraform show -json PLAN` of the same.
std::string plan_of(const std::vector<std::pair<std::string, std::string>>& resources) {
  std::string plan = state_of(resources);
  return plan.insert(plan.find("values"), "planned_");
}

/// `describe-instances` of one running machine per id, all of one type, with a tag.
std::string described_as(const std::string& type, const std::vector<std::string>& ids,
                         const std::string& key, const std::string& value,
                         const std::string& operation = "RunInstances") {
  std::string text;
  for (const std::string& id : ids) {
    text += fmt::format(
        R"({}{{"InstanceId":"{}","InstanceType":"{}","State":{{"Name":"running"}},"UsageOperation":"{}",
            "Placement":{{"AvailabilityZone":"us-east-1a","Tenancy":"default"}},"Tags":[{{"Key":"{}","Value":"{}"}}]}})",
        text.empty() ? "" : ",", id, type, operation, key, value);
  }
  return R"({"Reservations":[{"Instances":[)" + text + "]}]}";
}

// --- Hyperion ---

Report hyperion(ReportOptions options = {}) {
  std::vector<Inventory::Problem> problems;
  aggregator::EnvironmentMatch prod;
  prod.name = "prod";
  static const auto inventory =
      *Inventory::load({source_path("deploy/fleets/hyperion/inventory.yaml")}, {prod}, problems);
  static const UsageFile usage = *UsageFile::load(source_path("deploy/fleets/hyperion/usage.yml"));
  return estimate(*inventory, &usage, options);
}

TEST(HyperionReport, StatedLinesAddUpToTheWindowsTotal) {
  const Report report = hyperion();
  EXPECT_EQ(cents_text(report.stated_total), "696.66");
  EXPECT_EQ(amount(report, "hyperion-windows-fleet-asg", "instance hours, m5.large windows"),
            "548.96");
  EXPECT_EQ(amount(report, "aws_nat_gateway.az1", "gateway hours"), "32.85");
  EXPECT_EQ(amount(report, "aws_nat_gateway.az2", "data processed"), "22.50");
  EXPECT_EQ(amount(report, "aws_cloudwatch_log_group.*", "log ingestion"), "5.00");
  EXPECT_EQ(report.unknown_lines, 0u);
}

TEST(HyperionReport, AsLinuxTheStatedTotalIsTheDocumentsExactOne) {
  EXPECT_EQ(cents_text(hyperion({.assume_windows = false}).stated_total), "428.02");
}

TEST(HyperionReport, AddsWhatTheDocumentLeftOut) {
  const Report report = hyperion();
  EXPECT_EQ(amount(report, "aws_data_transfer.*", "internet egress"), "90.00");
  EXPECT_EQ(line(report, "aws_data_transfer.*", "internet egress")->scope, "added");
  EXPECT_EQ(amount(report, "aws_nat_gateway.az1", "public IPv4"), "3.65");
  EXPECT_EQ(amount(report, "aws_flow_log.vpc", "*"), "0.29");
  EXPECT_EQ(line(report, "aws_eip.*", "*"), nullptr) << "billed with the gateways";
  EXPECT_EQ(cents_text(report.total), "794.25");
}

TEST(HyperionReport, TheFreeAllowanceLowersEgressByAHundredGigabytes) {
  const Report report = hyperion({.free_tier = true});
  EXPECT_EQ(amount(report, "aws_data_transfer.*", "internet egress"), "81.00");
  EXPECT_THAT(line(report, "aws_data_transfer.*", "internet egress")->reason,
              HasSubstr("after 100 GB free"));
}

TEST(HyperionReport, TellsWhereTheDocumentsFiguresDiffer) {
  const Report report = hyperion();
  EXPECT_THAT(
      report.warnings,
      testing::Contains(HasSubstr(
          "stated 280.00 for 'hyperion-windows-fleet-asg' 'instance hours*', exact 548.96")));
  EXPECT_THAT(report.warnings, testing::Contains(HasSubstr("stated 64.00")));
  EXPECT_THAT(report.warnings, testing::Not(testing::Contains(HasSubstr("stated 45.00"))));
}

// --- Rules of the estimate ---

TEST(Estimate, UnknownUsageIsNullWithAReasonAndZeroIsZero) {
  const Report unknown = estimate_of({"aws_nat_gateway|"});
  const Line* data = line(unknown, "aws_nat_gateway.r0", "data processed");
  ASSERT_NE(data, nullptr);
  EXPECT_FALSE(data->quantity || data->amount);
  EXPECT_EQ(data->price, parse_money("0.045"));
  EXPECT_THAT(data->reason, HasSubstr("state monthly_data_processed_gb of aws_nat_gateway.r0"));
  EXPECT_EQ(unknown.unknown_lines, 1u);
  const Report zero =
      estimate_of({"aws_nat_gateway|"},
                  "resource_usage: { aws_nat_gateway.r0: { monthly_data_processed_gb: 0 } }");
  EXPECT_EQ(amount(zero, "aws_nat_gateway.r0", "data processed"), "0.00");
  EXPECT_EQ(zero.unknown_lines, 0u);
}

TEST(Estimate, AMissingPriceIsNamedAndNoZero) {
  const Report report = estimate_of({"aws_instance|instance_type: x99.large"});
  EXPECT_EQ(amount(report, "aws_instance.r0", "instance hours*"),
            "unknown: price_not_found: no price of ec2.instance.x99.large.linux in us-east-1");
}

TEST(Estimate, AnUnsupportedTypeIsAnUnknownLine) {
  EXPECT_THAT(amount(estimate_of({"aws_mq_broker|"}), "aws_mq_broker.r0", "*"),
              HasSubstr("unsupported"));
  EXPECT_EQ(estimate_of({"aws_vpc|"}).unknown_lines, 0u) << "free by itself";
}

TEST(Estimate, VolumesPayForWhatGoesBeyondTheIncludedPerformance) {
  const Report report = estimate_of(
      {"aws_ebs_volume|type: gp3, size: 40, iops: 4000, throughput: 130",
       "aws_ebs_volume|type: st1, size: 10", "aws_ebs_volume|type: io1, size: 10, iops: 100"});
  EXPECT_EQ(amount(report, "aws_ebs_volume.r0", "volume storage*"), "3.20");
  EXPECT_EQ(amount(report, "aws_ebs_volume.r0", "volume iops*"), "5.00");
  EXPECT_EQ(amount(report, "aws_ebs_volume.r0", "volume throughput*"), "0.20");
  EXPECT_EQ(amount(report, "aws_ebs_volume.r1", "*"), "5.63") << "125 GB at least";
  EXPECT_EQ(amount(report, "aws_ebs_volume.r2", "volume iops*"), "6.50");
}

TEST(Estimate, EachVolumeGoesThroughTheTiersOfItsIopsByItself) {
  const Report report = estimate_of({"aws_ebs_volume|type: io2, size: 100, iops: 32000",
                                     "aws_ebs_volume|type: io2, size: 100, iops: 32000",
                                     "aws_ebs_volume|type: io2, size: 100, iops: 80000"});
  EXPECT_EQ(amount(report, "aws_ebs_volume.r0", "volume iops*"), "2080.00");
  EXPECT_EQ(amount(report, "aws_ebs_volume.r1", "volume iops*"), "2080.00");
  EXPECT_EQ(amount(report, "aws_ebs_volume.r2", "volume iops*"), "4045.60")
      << "32,000 at 0.065, as many at 0.0455, 16,000 at 0.03185";
  EXPECT_EQ(line(report, "aws_ebs_volume.r0", "volume iops*")->reason, "");
  EXPECT_EQ(line(report, "aws_ebs_volume.r2", "volume iops*")->reason,
            "mean price of the tiers for 80000 IOPS-month each");
  const auto half = inventory_of(
      "region: us-east-1\nresources:\n  - { type: aws_ebs_volume, id: v, attributes: { type: io2, "
      "size: 100, iops: 80000 }, valid_from: 2026-11-16T00:00:00Z }\n");
  EXPECT_EQ(amount(estimate(*half, nullptr, {.month = "2026-11"}), "*", "volume iops*"), "2022.80")
      << "half a month of the same volume, not of one of 40,000";
}

TEST(Estimate, ReadsTerraformBlocksOfAnInstance) {
  const Report report = estimate_of(
      {R"(aws_instance|instance_type: m5.large, root_block_device.#: "1", root_block_device.0.volume_type: gp3, root_block_device.0.volume_size: "50", associate_public_ip_address: "true")"},
      "resource_usage: { aws_instance.r0: { operating_system: windows, monthly_hrs: 100 } }");
  EXPECT_EQ(amount(report, "aws_instance.r0", "instance hours, m5.large windows"), "18.80");
  EXPECT_EQ(amount(report, "aws_instance.r0", "root volume storage, gp3"), "4.00");
  EXPECT_EQ(amount(report, "aws_instance.r0", "public IPv4"), "3.65");
  EXPECT_EQ(amount(estimate_of({"aws_instance|instance_type: t3.micro"}), "aws_instance.r0",
                   "root volume storage, gp2"),
            "0.80");
}

TEST(Estimate, AGroupIsItsDesiredSizeTimesItsTemplate) {
  const Report report =
      estimate_of({"aws_autoscaling_group|name: g, desired_capacity: 3, min_size: 1, "
                   "launch_template.0.name: lt",
                   "aws_launch_template|name: lt, instance_type: t3.small, "
                   "block_device_mappings.0.ebs.0.volume_size: 30, "
                   "block_device_mappings.0.ebs.0.volume_type: gp3"});
  EXPECT_EQ(amount(report, "aws_autoscaling_group.r0", "instance hours, t3.small linux"), "45.55");
  EXPECT_EQ(amount(report, "aws_autoscaling_group.r0", "root volume storage, gp3"), "7.20");
}

TEST(Estimate, OnlyAMappingOfTheRootDeviceIsTheRootVolumeAndAMachinesOwnDiskIsNone) {
  const Report report = estimate_of(
      {"aws_autoscaling_group|name: g, desired_capacity: 2, launch_template.0.name: data",
       "aws_launch_template|name: data, instance_type: m5.large, "
       "block_device_mappings.0.device_name: /dev/sdf, block_device_mappings.0.ebs.0.volume_size: "
       "100, block_device_mappings.0.ebs.0.volume_type: gp3, block_device_mappings.1.device_name: "
       "/dev/sdb, block_device_mappings.1.virtual_name: ephemeral0, "
       "block_device_mappings.2.device_name: /dev/sdc, block_device_mappings.2.no_device: true",
       "aws_autoscaling_group|name: h, desired_capacity: 1, launch_template.0.name: root",
       "aws_launch_template|name: root, instance_type: m5.large, "
       "block_device_mappings.0.device_name: /dev/sdf, block_device_mappings.0.ebs.0.volume_size: "
       "100, block_device_mappings.1.device_name: /dev/xvda, "
       "block_device_mappings.1.ebs.0.volume_size: 30"});
  const std::string data = "aws_autoscaling_group.r0", root = "aws_autoscaling_group.r2";
  EXPECT_EQ(amount(report, data, "root volume storage, gp2"), "1.60") << "2 x 8 GB, as assumed";
  EXPECT_EQ(amount(report, data, "volume 0 storage, gp3"), "16.00");
  EXPECT_EQ(line(report, data, "volume 1*"), nullptr);
  EXPECT_EQ(line(report, data, "volume 2*"), nullptr);
  EXPECT_EQ(amount(report, root, "root volume storage, gp2"), "3.00");
  EXPECT_EQ(amount(report, root, "volume 0 storage, gp2"), "10.00");
}

TEST(Estimate, CpuCreditsArePaidForTheVcpusOfTheType) {
  const Report report = estimate_of(
      {"aws_instance|instance_type: t3.2xlarge", "aws_instance|instance_type: t3.2xlarge",
       "aws_instance|instance_type: t3.unheard",
       "aws_db_instance|engine: mysql, instance_class: "
       "db.t3.2xlarge"},
      "resource_type_default_usage:\n"
      "  aws_instance: { monthly_cpu_credit_hrs: 100 }\n"
      "  aws_db_instance: { monthly_cpu_credit_hrs: 100 }\n"
      "resource_usage: { aws_instance.r1: { vcpu_count: 2 } }\n");
  EXPECT_EQ(amount(report, "aws_instance.r0", "CPU credits"), "40.00") << "100 h x 8 x 0.05";
  EXPECT_EQ(amount(report, "aws_instance.r1", "CPU credits"), "10.00");
  EXPECT_THAT(amount(report, "aws_instance.r2", "CPU credits"), HasSubstr("state vcpu_count"));
  EXPECT_EQ(amount(report, "aws_db_instance.r3", "CPU credits"), "60.00");
}

TEST(Estimate, OnlyBurstableMachinesAndDatabasesPayForCpuCredits) {
  const Report report =
      estimate_of({"aws_instance|instance_type: m5.large", "aws_instance|instance_type: t3a.large",
                   "aws_db_instance|engine: mysql, instance_class: db.m5.large",
                   "aws_db_instance|engine: mysql, instance_class: db.t4g.medium"},
                  "resource_type_default_usage:\n"
                  "  aws_instance: { monthly_cpu_credit_hrs: 100 }\n"
                  "  aws_db_instance: { monthly_cpu_credit_hrs: 100 }\n");
  EXPECT_EQ(line(report, "aws_instance.r0", "CPU credits"), nullptr);
  EXPECT_EQ(amount(report, "aws_instance.r1", "CPU credits"), "10.00") << "100 h x 2 x 0.05";
  EXPECT_EQ(line(report, "aws_db_instance.r2", "CPU credits"), nullptr);
  EXPECT_EQ(amount(report, "aws_db_instance.r3", "CPU credits"), "15.00");
  for (const char* one : {"aws_instance.r0", "aws_db_instance.r2"}) {
    EXPECT_THAT(
        report.warnings,
        testing::Contains(HasSubstr(fmt::format("monthly_cpu_credit_hrs of {} is not used", one))));
  }
}

TEST(Estimate, BackupStorageThatIsStatedIsPaidWhateverTheRetention) {
  const Report report = estimate_of(
      {"aws_db_instance|engine: mysql, instance_class: db.t3.micro",
       "aws_db_instance|engine: mysql, instance_class: db.t3.micro, backup_retention_period: 0",
       "aws_db_instance|engine: mysql, instance_class: db.t3.micro"},
      "resource_usage:\n"
      "  aws_db_instance.r0: { additional_backup_storage_gb: 100 }\n"
      "  aws_db_instance.r1: { additional_backup_storage_gb: 100 }\n");
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "backup storage*"), "9.50");
  EXPECT_EQ(amount(report, "aws_db_instance.r1", "backup storage*"), "9.50");
  EXPECT_EQ(line(report, "aws_db_instance.r2", "backup storage*"), nullptr);
}

TEST(Estimate, ArchivesOfABucketPayForStorageAndRetrieval) {
  const Report report =
      estimate_of({"aws_s3_bucket|"},
                  "resource_usage:\n"
                  "  aws_s3_bucket.r0:\n"
                  "    intelligent_tiering: { archive_instant_access_storage_gb: 1000, "
                  "archive_access_storage_gb: 1000, deep_archive_access_storage_gb: 1000 }\n"
                  "    glacier_flexible_retrieval: { monthly_expedited_data_retrieval_gb: 1000, "
                  "monthly_expedited_data_retrieval_requests: 100 }\n"
                  "    glacier_deep_archive: { monthly_bulk_data_retrieval_gb: 1000 }\n");
  const std::string bucket = "aws_s3_bucket.r0";
  EXPECT_EQ(amount(report, bucket, "intelligent_tiering archive_instant access storage"), "4.00");
  EXPECT_EQ(amount(report, bucket, "intelligent_tiering archive access storage"), "3.60");
  EXPECT_EQ(amount(report, bucket, "intelligent_tiering deep_archive access storage"), "0.99");
  EXPECT_EQ(amount(report, bucket, "glacier_flexible_retrieval expedited retrieval"), "30.00");
  EXPECT_EQ(amount(report, bucket, "glacier_flexible_retrieval expedited retrieval requests"),
            "1.00");
  EXPECT_EQ(amount(report, bucket, "glacier_deep_archive bulk retrieval"), "2.50");
  EXPECT_THAT(report.warnings, testing::IsEmpty());
}

TEST(Estimate, TheOnDemandBaseOfAWeightedGroupIsInUnitsOfWeight) {
  const auto group = [](int desired, int base, int percentage, int weight) {
    const std::string policy = "mixed_instances_policy.0.";
    return fmt::format(
        "aws_autoscaling_group|desired_capacity: {}, mixed_instances_policy.#: 1, "
        "{}instances_distribution.0.on_demand_base_capacity: {}, "
        "{}instances_distribution.0.on_demand_percentage_above_base_capacity: {}, "
        "{}launch_template.0.override.0.instance_type: m5.xlarge, "
        "{}launch_template.0.override.0.weighted_capacity: {}",
        desired, policy, base, policy, percentage, policy, policy, weight);
  };
  const Report report =
      estimate_of({group(10, 4, 0, 2), group(12, 0, 50, 4), group(5, 1, 0, 2)},
                  "resource_usage: { aws_autoscaling_group.r2: { instances: 5 } }\n");
  const auto machines = [&](const char* group_name, const char* component) {
    return line(report, group_name, component)->quantity;
  };
  EXPECT_EQ(machines("aws_autoscaling_group.r0", "*linux"), units(2 * 730));
  EXPECT_EQ(machines("aws_autoscaling_group.r0", "*xlarge"), units(3 * 730)) << "spot";
  EXPECT_EQ(machines("aws_autoscaling_group.r1", "*linux"), units(2 * 730)) << "6 of 12 units";
  EXPECT_EQ(machines("aws_autoscaling_group.r1", "*xlarge"), units(730));
  EXPECT_EQ(machines("aws_autoscaling_group.r2", "*linux"), units(730)) << "machines are told";
  EXPECT_EQ(machines("aws_autoscaling_group.r2", "*xlarge"), units(4 * 730));
}

TEST(Estimate, FreeCapacityOfATableIsThatOfTheMonthsHours) {
  for (const std::uint32_t hours : {672U, 730U, 744U}) {
    const Report report = estimate_of(
        {"aws_dynamodb_table|billing_mode: PROVISIONED, read_capacity: 25, write_capacity: 26"}, {},
        {.hours = hours, .free_tier = true});
    EXPECT_EQ(amount(report, "aws_dynamodb_table.r0", "read capacity"), "0.00") << hours;
    EXPECT_EQ(amount(report, "aws_dynamodb_table.r0", "write capacity"),
              to_cents(multiply(parse_money("0.00065").value(), units(hours))));
  }
}

TEST(Estimate, NoSizeOfAGroupMakesANegativeBill) {
  const Report report = estimate(*inventory_of(
      R"({"AutoScalingGroups":[{"AutoScalingGroupName":"g","AutoScalingGroupARN":"arn:aws:autoscaling:us-east-1:1:g","DesiredCapacity":-4}]})"));
  EXPECT_THAT(amount(report, "g", "instance hours"), HasSubstr("size are not known"));
}

// As `terraform show -json PLAN` prints it: ids are not known yet, the configuration tells what
// refers to what.
constexpr const char* kGroupPlan =
    R"json({"format_version":"1.2","planned_values":{"root_module":{"resources":[
  {"address":"aws_launch_configuration.c","mode":"managed","type":"aws_launch_configuration","values":{"instance_type":"t3.small","enable_monitoring":true,"placement_tenancy":"dedicated"}},
  {"address":"aws_autoscaling_group.dedicated","mode":"managed","type":"aws_autoscaling_group","values":{"desired_capacity":2,"min_size":1}},
  {"address":"aws_launch_template.t","mode":"managed","type":"aws_launch_template","values":{"instance_type":"m5.large","network_interfaces":[{"associate_public_ip_address":"true"}],"block_device_mappings":[{"ebs":[{"volume_size":20}]},{"ebs":[{"volume_size":30,"volume_type":"gp3"}]}]}},
  {"address":"aws_autoscaling_group.mixed","mode":"managed","type":"aws_autoscaling_group","values":{"desired_capacity":12,"mixed_instances_policy":[{"instances_distribution":[{"on_demand_base_capacity":1,"on_demand_percentage_above_base_capacity":50}],"launch_template":[{"launch_template_specification":[{"version":"$Latest"}],"override":[{"instance_type":"c5.xlarge","weighted_capacity":"3"}]}]}]}}]}},
"configuration":{"provider_config":{"aws":{"expressions":{"region":{"constant_value":"us-east-1"}}}},"root_module":{"resources":[
  {"address":"aws_autoscaling_group.dedicated","expressions":{"launch_configuration":{"references":["aws_launch_configuration.c.name","aws_launch_configuration.c"]}}},
  {"address":"aws_autoscaling_group.mixed","expressions":{"mixed_instances_policy":[{"launch_template":[{"launch_template_specification":[{"launch_template_id":{"references":["aws_launch_template.t.id","aws_launch_template.t"]}}]}]}]}}]}}})json";

TEST(Estimate, APlannedGroupPaysForItsVolumesMonitoringAndAddressesToo) {
  const Report report = estimate(*inventory_of(kGroupPlan));
  const std::string dedicated = "aws_autoscaling_group.dedicated";
  EXPECT_THAT(amount(report, dedicated, "instance hours*"), HasSubstr("tenancy dedicated"));
  EXPECT_EQ(amount(report, dedicated, "root volume storage, gp2"), "1.60") << "2 x 8 GB";
  EXPECT_THAT(line(report, dedicated, "root volume storage, gp2")->reason, HasSubstr("assumed"));
  EXPECT_EQ(amount(report, dedicated, "detailed monitoring"), "4.20") << "2 x 7 metrics";
  const std::string mixed = "aws_autoscaling_group.mixed";
  EXPECT_EQ(amount(report, mixed, "instance hours, c5.xlarge linux"), "372.30")
      << "12 units of weight 3 are 4 machines: 1 + half of 11 units, rounded up, on demand";
  EXPECT_THAT(amount(report, mixed, "instance hours, c5.xlarge"), HasSubstr("spot prices vary"));
  EXPECT_EQ(line(report, mixed, "instance hours, c5.xlarge")->quantity, units(730));
  EXPECT_EQ(amount(report, mixed, "root volume storage, gp2"), "8.00") << "4 x 20 GB";
  EXPECT_EQ(amount(report, mixed, "volume 1 storage, gp3"), "9.60");
  EXPECT_EQ(amount(report, mixed, "public IPv4"), "14.60");
}

TEST(Estimate, AnAddressThatAPlanGivesToAGatewayIsBilledOnce) {
  const auto plan = [](const std::string& eips, const std::string& configuration) {
    return inventory_of(
        R"({"format_version":"1.2","planned_values":{"root_module":{"resources":[)" + eips +
        R"({"address":"aws_nat_gateway.n","mode":"managed","type":"aws_nat_gateway","values":{"connectivity_type":"public"}}]}},
        "configuration":{"provider_config":{"aws":{"expressions":{"region":{"constant_value":"us-east-1"}}}},"root_module":{"resources":[)" +
        configuration + "]}}}");
  };
  const std::string two =
      R"({"address":"aws_eip.machine","mode":"managed","type":"aws_eip","values":{}},{"address":"aws_eip.nat","mode":"managed","type":"aws_eip","values":{}},)";
  const Report named = estimate(*plan(
      two,
      R"({"address":"aws_nat_gateway.n","expressions":{"allocation_id":{"references":["aws_eip.nat.id","aws_eip.nat"]}}})"));
  EXPECT_EQ(amount(named, "aws_eip.machine", "*"), "3.65");
  EXPECT_EQ(line(named, "aws_eip.nat", "*"), nullptr);
  EXPECT_EQ(amount(named, "aws_nat_gateway.n", "public IPv4"), "3.65");
}

TEST(Estimate, AddressesThatALoadBalancerNamesAreBilledWithIt) {
  const Report report = estimate_of(
      {R"(aws_lb|load_balancer_type: network, subnet_mapping.#: "2", subnet_mapping.0.allocation_id: id-1, subnet_mapping.1.allocation_id_address: aws_eip.p)",
       "aws_eip|", R"(aws_nat_gateway|)", "aws_eip|"});
  EXPECT_EQ(amount(report, "aws_lb.r0", "public IPv4"), "7.30");
  EXPECT_EQ(line(report, "aws_eip.r1", "*"), nullptr);
  EXPECT_EQ(line(report, "aws_eip.r3", "*"), nullptr) << "the gateway's, as nothing else says";
  const auto planned = inventory_of(
      "region: us-east-1\nresources:\n"
      "  - { address: aws_lb.l, type: aws_lb, attributes: { load_balancer_type: network, "
      "subnet_mapping.0.allocation_id_address: \"module.a[0].aws_eip.p\" } }\n"
      "  - { address: \"module.a[0].aws_eip.p[0]\", type: aws_eip }\n"
      "  - { address: \"module.a[1].aws_eip.p[0]\", type: aws_eip }\n");
  EXPECT_EQ(cents_text(estimate(*planned).total), "23.73") << "16.43, its address and the other's";
  EXPECT_EQ(line(estimate(*planned), "module.a[0]*", "*"), nullptr);
}

TEST(Estimate, AGatewayHasAnAddressForEachOfItsAllocations) {
  const Report report =
      estimate_of({"aws_nat_gateway|allocation_id: id-1, secondary_allocation_ids.#: \"2\", "
                   "secondary_allocation_ids.0: id-2, secondary_allocation_ids.1: id-3",
                   "aws_eip|", "aws_eip|", "aws_eip|", "aws_eip|",
                   "aws_nat_gateway|allocation_id: elsewhere, public_address_count: 2",
                   "aws_nat_gateway|allocation_id: elsewhere, secondary_allocation_ids_count: 1, "
                   "secondary_allocation_ids_address: aws_eip.r7",
                   "aws_eip|"});
  EXPECT_EQ(amount(report, "aws_nat_gateway.r0", "public IPv4"), "10.95");
  for (const char* held : {"aws_eip.r1", "aws_eip.r2", "aws_eip.r3"})
    EXPECT_EQ(line(report, held, "*"), nullptr) << held;
  EXPECT_EQ(amount(report, "aws_eip.r4", "*"), "3.65");
  EXPECT_EQ(amount(report, "aws_nat_gateway.r5", "public IPv4"), "7.30");
  EXPECT_EQ(amount(report, "aws_nat_gateway.r6", "public IPv4"), "7.30") << "of a plan";
  EXPECT_EQ(line(report, "aws_eip.r7", "*"), nullptr);
}

TEST(Estimate, AddressesOfAnAwsClisGatewayAreKnownByItsInterfaces) {
  std::vector<Inventory::Problem> problems;
  const auto inventory = Inventory::parse(
      {{"cli",
        R"({"NatGateways":[{"NatGatewayId":"nat-1","NatGatewayAddresses":[{"NetworkInterfaceId":"eni-1","PublicIp":"198.51.100.7"}]}]})"},
       {"plain",
        "region: us-east-1\nresources:\n"
        "  - { address: aws_eip.other, type: aws_eip, id: e, attributes: { public_ip: 198.51.100.8 "
        "} }\n"
        "  - { address: aws_eip.nat, type: aws_eip, id: f, attributes: { public_ip: 198.51.100.7, "
        "network_interface: eni-1 } }\n"}},
      {}, problems);
  ASSERT_TRUE(inventory);
  const Report report = estimate(**inventory);
  EXPECT_EQ(amount(report, "aws_eip.other", "*"), "3.65");
  EXPECT_EQ(line(report, "aws_eip.nat", "*"), nullptr);
}

TEST(Estimate, PublicNodesOfLoadBalancersHaveAnAddressEachUnlessTheySpeakIpv6Alone) {
  const Report report = estimate_of(
      {R"(aws_elb|internal: false, subnets.#: "2")", R"(aws_elb|internal: true, subnets.#: "2")",
       R"(aws_lb|subnets.#: "2", ip_address_type: dualstack-without-public-ipv4)", "aws_elb|"});
  EXPECT_EQ(amount(report, "aws_elb.r0", "public IPv4"), "7.30");
  EXPECT_EQ(line(report, "aws_elb.r1", "public IPv4"), nullptr);
  EXPECT_EQ(line(report, "aws_lb.r2", "public IPv4"), nullptr);
  EXPECT_THAT(amount(report, "aws_elb.r3", "public IPv4"), HasSubstr("subnets are not known"));
}

TEST(Estimate, VpnConnectionsPayForTheirAttachmentAndClientsForTheirTime) {
  const Report report = estimate_of(
      {"aws_vpn_connection|transit_gateway_id: tgw-1", "aws_vpn_connection|",
       "aws_ec2_client_vpn_endpoint|", "aws_ec2_client_vpn_endpoint|"},
      "resource_usage: { aws_ec2_client_vpn_endpoint.r3: { monthly_connection_hrs: 100 } }");
  EXPECT_EQ(amount(report, "aws_vpn_connection.r0", "connection hours"), "36.50");
  EXPECT_EQ(amount(report, "aws_vpn_connection.r0", "attachment hours"), "36.50");
  EXPECT_THAT(amount(report, "aws_vpn_connection.r0", "data processed"),
              HasSubstr("depends on usage"));
  EXPECT_EQ(line(report, "aws_vpn_connection.r1", "attachment hours"), nullptr);
  EXPECT_THAT(amount(report, "aws_ec2_client_vpn_endpoint.r2", "connection hours"),
              HasSubstr("state monthly_connection_hrs"));
  EXPECT_EQ(amount(report, "aws_ec2_client_vpn_endpoint.r3", "connection hours"), "5.00");
}

TEST(Estimate, CapacityOfATableThatIsNotKnownIsUnknownAndNotZero) {
  const Report report = estimate_of(
      {"aws_dynamodb_table|billing_mode: PROVISIONED, read_capacity: 10, replica.#: \"1\"",
       "aws_dynamodb_table|read_capacity: 10, write_capacity: 10, global_secondary_index.#: \"1\", "
       "global_secondary_index.0.read_capacity: 10"});
  const std::string table = "aws_dynamodb_table.r0";
  EXPECT_THAT(amount(report, table, "write capacity"), HasSubstr("write_capacity of the table"));
  EXPECT_THAT(amount(report, table, "replica, replicated write*"), HasSubstr("is not known"));
  EXPECT_EQ(amount(report, table, "read capacity"), "0.95");
  EXPECT_THAT(amount(report, "aws_dynamodb_table.r1", "write capacity"), HasSubstr("an index"));
  EXPECT_EQ(amount(report, "aws_dynamodb_table.r1", "read capacity"), "1.90");
}

TEST(Estimate, ATableReplicaTakesTheWritesOnceMoreAtItsRegionsPrice) {
  const Report report =
      estimate_of({"aws_dynamodb_table|write_capacity: 10, read_capacity: 10, replica.#: \"1\", "
                   "replica.0.region_name: eu-west-1"},
                  "resource_usage: { aws_dynamodb_table.r0: { storage_gb: 100 } }");
  EXPECT_EQ(amount(report, "aws_dynamodb_table.r0", "write capacity"), "4.75") << "4.745";
  EXPECT_EQ(amount(report, "aws_dynamodb_table.r0", "replica in eu-west-1, replicated write*"),
            "5.37");
  EXPECT_EQ(amount(report, "aws_dynamodb_table.r0", "replica in eu-west-1, storage"), "28.30");
}

TEST(Estimate, FunctionsPayForRequestsAndMemoryTime) {
  const Report report = estimate_of(
      {"aws_lambda_function|memory_size: 1024", "aws_lambda_function|memory_size: 1024",
       "aws_lambda_function|architectures.0: arm64"},
      "resource_usage:\n"
      "  aws_lambda_function.r0: { monthly_requests: 100000000, request_duration_ms: 250 }\n"
      "  aws_lambda_function.r2: { monthly_requests: 1000000, request_duration_ms: 1000 }\n");
  EXPECT_EQ(amount(report, "aws_lambda_function.r0", "requests"), "20.00");
  EXPECT_EQ(amount(report, "aws_lambda_function.r0", "duration"), "416.67") << "25M GB-s";
  EXPECT_THAT(amount(report, "aws_lambda_function.r1", "duration"),
              HasSubstr("monthly_requests and request_duration_ms"));
  EXPECT_EQ(amount(report, "aws_lambda_function.r2", "duration"), "1.67") << "128 MB, 125k GB-s";
}

TEST(Estimate, WhatIsTooLargeToBeCountedIsUnknownAndNoSmallerSum) {
  const Report report = estimate_of(
      {"aws_ecs_service|launch_type: FARGATE, desired_count: 500, task_definition: w",
       "aws_ecs_task_definition|family: w, cpu: 4096, memory: 30720",
       "aws_lambda_function|memory_size: 10240",
       "aws_ecs_service|launch_type: FARGATE, desired_count: 9000000000, task_definition: w"},
      "resource_usage:\n"
      "  aws_lambda_function.r2: { monthly_requests: 2000000000, request_duration_ms: 1000 }\n");
  EXPECT_EQ(amount(report, "aws_ecs_service.r0", "Fargate memory"), "48672.75")
      << "365,000 h x 30 GB";
  EXPECT_EQ(amount(report, "aws_lambda_function.r2", "requests"), "400.00");
  EXPECT_THAT(amount(report, "aws_lambda_function.r2", "duration"), HasSubstr("too large"));
  EXPECT_THAT(amount(report, "aws_ecs_service.r3", "Fargate vCPU"), HasSubstr("too large"));
  EXPECT_EQ(line(report, "aws_ecs_service.r3", "Fargate vCPU")->quantity, std::nullopt);
}

TEST(Estimate, FreeAllowancesOfAServiceAreOnePool) {
  const Report report =
      estimate_of({"aws_lambda_function|memory_size: 1024",
                   "aws_lambda_function|memory_size: 1024, "
                   "architectures.0: arm64"},
                  "resource_type_default_usage:\n"
                  "  aws_lambda_function: { monthly_requests: 600000, request_duration_ms: 500 }\n",
                  {.free_tier = true});
  EXPECT_EQ(cents_text(report.total), "3.04")
      << "1.2M requests less 1M: 0.04; of 300,000 GB-s of each kind 200,000 are free";
}

TEST(Estimate, SnapshotsAreAtMostTheirVolume) {
  const Report report = estimate_of(
      {"aws_ebs_volume|size: 100", "aws_ebs_snapshot|volume_id: id-0",
       "aws_ebs_snapshot_copy|source_snapshot_id: id-1", "aws_ebs_snapshot|volume_id: other"},
      "resource_usage: { aws_ebs_snapshot_copy.r2: { storage_gb: 10 } }");
  EXPECT_EQ(amount(report, "aws_ebs_snapshot.r1", "*"), "5.00");
  EXPECT_THAT(line(report, "aws_ebs_snapshot.r1", "*")->reason, HasSubstr("at most"));
  EXPECT_EQ(amount(report, "aws_ebs_snapshot_copy.r2", "*"), "0.50");
  EXPECT_THAT(amount(report, "aws_ebs_snapshot.r3", "*"), HasSubstr("depends on usage"));
}

TEST(Estimate, WatchesTopicsQueuesAndStreams) {
  const Report report = estimate_of(
      {"aws_route53_health_check|type: HTTPS_STR_MATCH, request_interval: 10",
       "aws_cloudwatch_metric_alarm|comparison_operator: LessThanLowerOrGreaterThanUpperThreshold, "
       "period: 60",
       "aws_sns_topic|", "aws_sqs_queue|fifo_queue: true", "aws_kinesis_stream|shard_count: 2",
       R"(aws_wafv2_web_acl|rule.#: "3")", "aws_ssm_parameter|tier: Standard", "aws_vpn_gateway|"},
      "resource_usage:\n"
      "  aws_route53_health_check.r0: { endpoint_type: non_aws }\n"
      "  aws_sqs_queue.r3: { monthly_requests: 2000000 }\n");
  EXPECT_EQ(amount(report, "aws_route53_health_check.r0", "health check"), "0.75");
  EXPECT_EQ(amount(report, "aws_route53_health_check.r0", "options"), "6.00") << "three at 2";
  EXPECT_EQ(amount(report, "aws_cloudwatch_metric_alarm.r1", "alarm"), "0.30") << "three metrics";
  EXPECT_THAT(amount(report, "aws_sns_topic.r2", "requests"), HasSubstr("depends on usage"));
  EXPECT_EQ(amount(report, "aws_sqs_queue.r3", "requests"), "1.00");
  EXPECT_EQ(amount(report, "aws_kinesis_stream.r4", "shard hours"), "21.90");
  EXPECT_EQ(amount(report, "aws_wafv2_web_acl.r5", "rules"), "3.00");
  EXPECT_EQ(line(report, "aws_ssm_parameter.r6", "*"), nullptr);
  EXPECT_EQ(line(report, "aws_vpn_gateway.r7", "*"), nullptr);
}

TEST(Estimate, WithoutARegionUnitsAreShownAndTheOptionGivesOne) {
  const auto inventory =
      inventory_of("resources: [ { address: aws_nat_gateway.a, type: aws_nat_gateway } ]\n");
  const Report unknown = estimate(*inventory);
  const Line* hours = line(unknown, "aws_nat_gateway.a", "gateway hours");
  EXPECT_EQ(hours->unit, "h");
  EXPECT_THAT(hours->reason, HasSubstr("--region"));
  EXPECT_THAT(line(unknown, "aws_nat_gateway.a", "data processed")->reason,
              testing::AllOf(HasSubstr("--region"), HasSubstr("depends on usage")));
  EXPECT_EQ(amount(estimate(*inventory, nullptr, {.region = "eu-west-1"}), "aws_nat_gateway.a",
                   "gateway hours"),
            "35.04");
}

TEST(Estimate, ATotalOfUnknownAmountsAloneIsUnknownAndNotZero) {
  const Report unknown = estimate_of({"aws_mq_broker|"});
  EXPECT_EQ(cents_text(unknown.total), "unknown");
  EXPECT_EQ(cents_text(unknown.stated_total), "unknown");
  EXPECT_EQ(cents_text(unknown.environments.at(0).total), "unknown");
  EXPECT_THAT(render(unknown, Format::kTable), HasSubstr("\nTotal: unknown\n"));
  EXPECT_THAT(render(unknown, Format::kMarkdown), HasSubstr("**Total: unknown**, 730 h"));
  EXPECT_THAT(render(unknown, Format::kHtml), HasSubstr("<strong>unknown</strong>"));
  EXPECT_THAT(render(unknown, Format::kJson), HasSubstr(R"("total":null,"stated_total":null)"));
  const Report some = estimate_of({"aws_mq_broker|", "aws_wafv2_web_acl|"});
  EXPECT_NE(cents_text(some.total), "unknown");
  EXPECT_EQ(cents_text(estimate_of({}).total), "0.00") << "nothing costs nothing";
}

TEST(Render, TheTableTellsReasonsOnce) {
  const Report report = estimate_of({"aws_instance|instance_type: t3.micro",
                                     "aws_instance|instance_type: t3.micro", "aws_mq_broker|"});
  const std::string table = render(report, Format::kTable);
  EXPECT_THAT(table, HasSubstr("How figures came about:\n  aws_instance.r0 root volume storage, "
                               "gp2, aws_instance.r1 root volume storage, gp2: size assumed"));
  EXPECT_THAT(table, HasSubstr("1 line is unknown and in no total:\n  aws_mq_broker.r2"));
}

TEST(Estimate, FuelFlowProdComponents) {
  const Report report = estimate_of(
      {"aws_db_instance|engine: mysql, instance_class: db.t3.small, multi_az: true, "
       "allocated_storage: 20, storage_type: gp2",
       "aws_lb|load_balancer_type: application, internal: true", "aws_secretsmanager_secret|",
       "aws_s3_bucket|", "aws_dynamodb_table|billing_mode: PAY_PER_REQUEST"},
      "resource_usage:\n  aws_s3_bucket.r3: { standard: { storage_gb: 100 } }\n"
      "  aws_dynamodb_table.r4: { monthly_write_request_units: 400000, monthly_read_request_units: "
      "0, storage_gb: 0 }\n"
      "  aws_lb.r1: { processed_bytes_gb: 1000, new_connections: 1 }\n");
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "instance hours*"), "49.64");
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "storage*"), "4.60");
  EXPECT_EQ(amount(report, "aws_lb.r1", "load balancer hours"), "16.43");
  EXPECT_EQ(amount(report, "aws_lb.r1", "LCU"), "8.00") << "the largest dimension, not the sum";
  EXPECT_EQ(amount(report, "aws_secretsmanager_secret.r2", "*"), "0.40");
  EXPECT_EQ(amount(report, "aws_s3_bucket.r3", "*"), "2.30");
  EXPECT_EQ(amount(report, "aws_dynamodb_table.r4", "write requests"), "0.25");
}

TEST(Estimate, HypernymComponents) {
  const Report report = estimate_of(
      {"aws_ecs_service|launch_type: FARGATE, desired_count: 2, task_definition: \"api:7\"",
       "aws_ecs_task_definition|family: api, cpu: 512, memory: 1024",
       R"(aws_vpc_endpoint|vpc_endpoint_type: Interface, subnet_ids.#: "2")",
       "aws_vpc_endpoint|vpc_endpoint_type: Gateway", "aws_eks_cluster|",
       "aws_eks_node_group|instance_types.0: t3.medium, scaling_config.0.desired_size: 2"});
  EXPECT_EQ(amount(report, "aws_ecs_service.r0", "Fargate vCPU"), "29.55");
  EXPECT_EQ(amount(report, "aws_ecs_service.r0", "Fargate memory"), "6.49");
  EXPECT_EQ(amount(report, "aws_vpc_endpoint.r2", "endpoint hours"), "14.60");
  EXPECT_EQ(line(report, "aws_vpc_endpoint.r3", "*"), nullptr);
  EXPECT_EQ(amount(report, "aws_eks_cluster.r4", "*"), "73.00");
  EXPECT_EQ(amount(report, "aws_eks_node_group.r5", "instance hours*"), "60.74");
}

TEST(Estimate, TasksAreSplitOverTheirCapacityProviders) {
  const Report report = estimate_of(
      {"aws_ecs_service|desired_count: 5, task_definition: t, capacity_provider_strategy.#: \"2\", "
       "capacity_provider_strategy.0.capacity_provider: FARGATE, "
       "capacity_provider_strategy.0.weight: 1, capacity_provider_strategy.0.base: 1, "
       "capacity_provider_strategy.1.capacity_provider: FARGATE_SPOT, "
       "capacity_provider_strategy.1.weight: 3, "
       "network_configuration.0.assign_public_ip: true",
       "aws_ecs_task_definition|family: t, cpu: 1024, memory: 1024",
       "aws_ecs_service|desired_count: 2, task_definition: t, "
       "capacity_provider_strategy.0.capacity_provider: machines, "
       "capacity_provider_strategy.0.weight: 1",
       "aws_ecs_service|launch_type: FARGATE, task_definition: t",
       "aws_ecs_service|launch_type: EC2, desired_count: 2, task_definition: t"});
  const std::string split = "aws_ecs_service.r0";
  EXPECT_EQ(amount(report, split, "Fargate vCPU"), "59.10") << "1 and a quarter of 4";
  EXPECT_EQ(amount(report, split, "task hours, FARGATE_SPOT"),
            "unknown: unsupported: spot prices vary");
  EXPECT_EQ(line(report, split, "task hours, FARGATE_SPOT")->quantity, units(3 * 730));
  EXPECT_EQ(amount(report, split, "public IPv4"), "18.25") << "one a task";
  EXPECT_THAT(amount(report, "aws_ecs_service.r2", "*"), HasSubstr("capacity provider machines"));
  EXPECT_EQ(line(report, "aws_ecs_service.r2", "Fargate*"), nullptr);
  EXPECT_EQ(amount(report, "aws_ecs_service.r3", "Fargate vCPU"), "29.55");
  EXPECT_THAT(line(report, "aws_ecs_service.r3", "Fargate vCPU")->reason,
              HasSubstr("one task assumed"));
  EXPECT_EQ(line(report, "aws_ecs_service.r4", "*"), nullptr) << "the machines are billed";
}

TEST(Estimate, StreamsPayForWhatTheyKeepLongerAndConvert) {
  const std::string conversion =
      "extended_s3_configuration.0.data_format_conversion_configuration.0.";
  const Report report = estimate_of(
      {"aws_kinesis_stream|shard_count: 2, retention_period: 168", "aws_kinesis_stream|",
       "aws_kinesis_stream|shard_count: 1, retention_period: 8760",
       "aws_kinesis_firehose_delivery_stream|" + conversion + "enabled: true",
       "aws_kinesis_firehose_delivery_stream|" + conversion + "enabled: false"},
      "resource_type_default_usage:\n"
      "  aws_kinesis_firehose_delivery_stream: { monthly_data_ingested_gb: 1000 }\n");
  EXPECT_EQ(amount(report, "aws_kinesis_stream.r0", "extended retention"), "29.20")
      << "2 x 730 h x 0.02";
  EXPECT_EQ(line(report, "aws_kinesis_stream.r1", "extended retention"), nullptr);
  EXPECT_THAT(line(report, "aws_kinesis_stream.r1", "shard hours")->reason,
              HasSubstr("one shard assumed"));
  EXPECT_EQ(amount(report, "aws_kinesis_stream.r2", "extended retention"), "14.60");
  EXPECT_THAT(amount(report, "aws_kinesis_stream.r2", "long-term retention"),
              HasSubstr("depends on usage"));
  const std::string firehose = "aws_kinesis_firehose_delivery_stream.";
  EXPECT_EQ(amount(report, firehose + "r3", "format conversion"), "18.00");
  EXPECT_EQ(line(report, firehose + "r4", "format conversion"), nullptr);
}

TEST(Estimate, KafkaBrokersOfAFamilyCostInProportionToTheirSize) {
  const std::string type =
      "aws_msk_cluster|number_of_broker_nodes: 1, "
      "broker_node_group_info.0.instance_type: kafka.m5.";
  const Report report = estimate_of({type + "large", type + "4xlarge", type + "24xlarge"});
  EXPECT_EQ(amount(report, "aws_msk_cluster.r0", "broker hours*"), "153.30");
  EXPECT_EQ(amount(report, "aws_msk_cluster.r1", "broker hours*"), "1226.40") << "8 x as much";
  EXPECT_EQ(amount(report, "aws_msk_cluster.r2", "broker hours*"), "7358.40");
}

TEST(Estimate, AStoppedDatabasePaysForStorageAlone) {
  const Report report = estimate_of(
      {"aws_db_instance|engine: mysql, instance_class: db.t3.micro, allocated_storage: 20, status: "
       "stopped, publicly_accessible: true, performance_insights_retention_period: 731"});
  EXPECT_EQ(cents_text(report.total), "2.30");
  EXPECT_EQ(report.unknown_lines, 0u);
}

TEST(Estimate, PerformanceInsightsBeyondAWeekArePaidByTheVcpu) {
  const Report report =
      estimate_of({"aws_db_instance|engine: mysql, instance_class: db.t3.large, "
                   "performance_insights_retention_period: 731",
                   "aws_db_instance|engine: mysql, instance_class: db.t3.large, "
                   "performance_insights_retention_period: 7",
                   "aws_db_instance|engine: mysql, instance_class: db.r5.2xlarge, "
                   "performance_insights_retention_period: 62"});
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "Performance Insights*"), "5.90") << "2 x 2.95";
  EXPECT_EQ(line(report, "aws_db_instance.r1", "Performance Insights*"), nullptr);
  EXPECT_THAT(amount(report, "aws_db_instance.r2", "Performance Insights*"),
              HasSubstr("price_not_found"));
}

TEST(Estimate, AnAuroraInstanceHasItsClustersEngineAndWithoutOneSaysSo) {
  const Report report =
      estimate_of({"aws_rds_cluster|engine: aurora-mysql, cluster_identifier: c",
                   "aws_rds_cluster_instance|instance_class: db.r5.large, cluster_identifier: c",
                   "aws_rds_cluster_instance|instance_class: db.r5.large"});
  EXPECT_EQ(amount(report, "aws_rds_cluster_instance.r1", "instance hours*"), "211.70");
  EXPECT_EQ(amount(report, "aws_rds_cluster_instance.r2", "instance hours"),
            "unknown: the instance's engine or instance class is not known");
}

TEST(Estimate, PhoenixComponents) {
  const Report report =
      estimate_of({"aws_db_instance|engine: postgres, instance_class: db.r5.2xlarge, multi_az: "
                   "true, allocated_storage: 1000, storage_type: gp3, iops: 3000",
                   "aws_elasticache_replication_group|node_type: cache.r6g.large, num_node_groups: "
                   "3, replicas_per_node_group: 2",
                   "aws_db_instance|engine: postgres, instance_class: db.r5.2xlarge, multi_az: "
                   "true, allocated_storage: 400, storage_type: gp3, iops: 14000"});
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "instance hours*"), "1460.00");
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "storage*"), "230.00");
  EXPECT_EQ(line(report, "aws_db_instance.r0", "IOPS*"), nullptr) << "inside the included 12,000";
  EXPECT_EQ(amount(report, "aws_elasticache_replication_group.r1", "*"), "1353.42");
  EXPECT_EQ(amount(report, "aws_db_instance.r2", "IOPS*"), "80.00");
}

TEST(Estimate, AlarmsArePricedByMetricAndResolution) {
  const Report report = estimate_of(
      {"aws_cloudwatch_metric_alarm|period: 60", "aws_cloudwatch_metric_alarm|period: 10",
       R"(aws_cloudwatch_metric_alarm|metric_query.#: "3", metric_query.0.metric.#: "1", metric_query.1.metric.#: "1", metric_query.2.metric.#: "0")"});
  EXPECT_EQ(amount(report, "aws_cloudwatch_metric_alarm.r0", "alarm"), "0.10");
  EXPECT_EQ(amount(report, "aws_cloudwatch_metric_alarm.r1", "high-resolution alarm"), "0.30");
  EXPECT_EQ(amount(report, "aws_cloudwatch_metric_alarm.r2", "alarm"), "0.20");
}

/// As `aws ec2 describe-instances` prints machines in us-east-1.
std::string described(const std::vector<std::string>& machines) {
  std::string text = R"({"Reservations":[{"OwnerId":"123456789012","Instances":[)";
  for (std::size_t i = 0; i < machines.size(); ++i) {
    text += fmt::format(
        R"({}{{"InstanceId":"i-{}","InstanceType":"m5.large","State":{{"Name":"running"}},"Placement":{{"AvailabilityZone":"us-east-1a","Tenancy":"{}"}},{}}})",
        i == 0 ? "" : ",", i, machines[i].starts_with("dedicated") ? "dedicated" : "default",
        machines[i].substr(machines[i].find('"')));
  }
  return text + "]}]}";
}

TEST(Estimate, MachinesOfTheAwsCliPayForTheirSystemAndPurchase) {
  const auto inventory = inventory_of(
      described({R"("UsageOperation":"RunInstances")", R"("UsageOperation":"RunInstances:0002")",
                 R"("UsageOperation":"RunInstances:0800","Platform":"windows")",
                 R"("UsageOperation":"RunInstances:0010")", R"("PlatformDetails":"SUSE Linux")",
                 R"("UsageOperation":"RunInstances:0006","Platform":"windows")",
                 R"(dedicated "UsageOperation":"RunInstances")",
                 R"("UsageOperation":"RunInstances","InstanceLifecycle":"spot")",
                 R"("UsageOperation":"RunInstances:9999")"}));
  const Report report = estimate(*inventory);
  EXPECT_EQ(amount(report, "i-0", "instance hours, m5.large linux"), "70.08");
  EXPECT_EQ(amount(report, "i-1", "instance hours, m5.large windows"), "137.24");
  EXPECT_EQ(amount(report, "i-2", "instance hours, m5.large linux"), "70.08") << "own licence";
  EXPECT_EQ(amount(report, "i-3", "instance hours, m5.large rhel"), "91.10")
      << "70.08 and 2 vCPU x 0.0144 x 730 h";
  EXPECT_THAT(amount(report, "i-4", "*"), HasSubstr("no price of ec2.instance.m5.large.suse"));
  EXPECT_THAT(amount(report, "i-5", "*"), HasSubstr("m5.large.windows_sql_standard"));
  EXPECT_EQ(amount(report, "i-6", "*"), "unknown: unsupported: tenancy dedicated");
  EXPECT_EQ(amount(report, "i-7", "*"), "unknown: unsupported: spot prices vary");
  EXPECT_EQ(line(report, "i-7", "*")->quantity, units(730));
  EXPECT_THAT(amount(report, "i-8", "*"), HasSubstr("m5.large.RunInstances:9999"));
  EXPECT_EQ(report.unknown_lines, 5u);

  ReportOptions options;
  options.basis = ReportOptions::Basis::kToDate;
  std::vector<HourlyUsage> seen;
  for (int i = 0; i < 9; ++i)
    seen.push_back({"prod", 500'000, "instance_seconds", fmt::format("i-{}", i), 3600});
  Result<Report> to_date = make_report(options, prices(), *inventory, nullptr, seen, {});
  ASSERT_TRUE(to_date);
  EXPECT_EQ(line(*to_date, "*", "instance hours, m5.large linux")->quantity, units(2));
  EXPECT_EQ(amount(*to_date, "*", "instance hours, m5.large rhel"), "0.12");
  EXPECT_EQ(to_date->unknown_lines, 5u) << "seen, and yet of no known price";
}

TEST(Estimate, ATerminatedMachinePaysUntilItsEndAndWithoutOneIsUnknown) {
  const std::string cli = R"json({"Reservations":[{"Instances":[
      {"InstanceId":"i-told","InstanceType":"m5.large","LaunchTime":"2026-01-05T00:00:00Z","State":{"Name":"terminated"},
       "Placement":{"AvailabilityZone":"us-east-1a"},"StateTransitionReason":"User initiated (2026-11-16 00:00:00 GMT)"},
      {"InstanceId":"i-silent","InstanceType":"m5.large","State":{"Name":"terminated"},
       "Placement":{"AvailabilityZone":"us-east-1a"},"StateTransitionReason":""}]}]})json";
  const Report november = estimate(*inventory_of(cli), nullptr, {.month = "2026-11"});
  EXPECT_EQ(amount(november, "i-told", "*"), "35.04") << "15 of 30 days";
  EXPECT_EQ(line(november, "i-told", "*")->reason, "counted until 2026-11-16T00:00:00Z");
  EXPECT_EQ(amount(november, "i-silent", "instance hours, m5.large"),
            "unknown: the machine was terminated, and the inventory does not say when");
  EXPECT_EQ(november.unknown_lines, 1u);
  EXPECT_EQ(line(estimate(*inventory_of(cli), nullptr, {.month = "2026-12"}), "i-told", "*"),
            nullptr);

  std::vector<Inventory::Problem> problems;
  const auto both = Inventory::parse(
      {{"cli", cli},
       {"plain",
        "region: us-east-1\nresources:\n"
        "  - { address: aws_instance.a, type: aws_instance, id: i-told, attributes: { "
        "instance_type: m5.large, instance_state: running } }\n"}},
      {}, problems);
  ASSERT_TRUE(both);
  EXPECT_EQ(
      amount(estimate(**both, nullptr, {.month = "2026-11"}), "aws_instance.a", "instance hours*"),
      "35.04");
}

TEST(Estimate, AddressesAndMonitoringOfTheAwsClisMachinesArePaidToo) {
  const std::string addressed =
      R"("PublicIpAddress":"198.51.100.7","Monitoring":{"State":"enabled"},"NetworkInterfaces":[{"NetworkInterfaceId":"eni-1",
      "PrivateIpAddresses":[{"PrivateIpAddress":"10.0.0.5","Association":{"PublicIp":"198.51.100.7"}},
                            {"PrivateIpAddress":"10.0.0.6","Association":{"PublicIp":"198.51.100.8"}}]}])";
  const Report report = estimate(*inventory_of(described({addressed, R"("Tags":[])"})));
  EXPECT_EQ(amount(report, "i-0", "public IPv4"), "7.30") << "two addresses, each once";
  EXPECT_EQ(amount(report, "i-0", "detailed monitoring"), "2.10");
  EXPECT_EQ(line(report, "i-1", "public IPv4"), nullptr);
  EXPECT_EQ(line(report, "i-1", "detailed monitoring"), nullptr);

  std::vector<Inventory::Problem> problems;
  const auto both = Inventory::parse(
      {{"cli", described({addressed})},
       {"plain",
        "region: us-east-1\nresources:\n"
        "  - { address: aws_instance.a, type: aws_instance, id: i-0, attributes: { instance_type: "
        "m5.large, public_ip: 198.51.100.7 } }\n"
        "  - { address: aws_eip.a, type: aws_eip, id: e, attributes: { public_ip: 198.51.100.8 } "
        "}\n"}},
      {}, problems);
  ASSERT_TRUE(both);
  const Report merged = estimate(**both);
  EXPECT_EQ(amount(merged, "aws_instance.a", "public IPv4"), "3.65") << "the other is the aws_eip";
  EXPECT_EQ(amount(merged, "aws_eip.a", "public IPv4"), "3.65");
  EXPECT_EQ(amount(merged, "aws_instance.a", "detailed monitoring"), "2.10");
  EXPECT_EQ(line(merged, "i-0", "*"), nullptr) << "billed once";
}

TEST(Estimate, APubliclyAccessibleDatabaseHasAnAddress) {
  const Report report = estimate_of(
      {"aws_db_instance|engine: mysql, instance_class: db.t3.micro, publicly_accessible: true",
       "aws_db_instance|engine: mysql, instance_class: db.t3.micro, publicly_accessible: false"});
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "public IPv4"), "3.65");
  EXPECT_EQ(line(report, "aws_db_instance.r1", "public IPv4"), nullptr);
}

TEST(Estimate, EntriesCountForThePartOfTheMonthInWhichTheyHold) {
  const auto inventory = inventory_of(
      "region: us-east-1\ninstances:\n"
      "  - { id: i-gone, type: m5.large, valid_from: 2024-05-01T00:00:00Z, valid_to: "
      "2024-06-01T00:00:00Z }\n"
      "  - { id: i-new, type: m5.large, valid_from: 2026-11-16T00:00:00Z }\n"
      "groups:\n"
      "  - { name: g, desired: 2, instance_type: m5.large, valid_to: 2026-11-10T00:00:00Z }\n"
      "resources:\n"
      "  - { type: aws_ebs_volume, id: v, attributes: { type: gp3, size: 100 }, valid_from: "
      "2026-11-01T00:00:00Z, valid_to: 2026-11-16T00:00:00Z }\n"
      "  - { type: aws_ebs_volume, id: v, attributes: { type: gp2, size: 100 }, valid_from: "
      "2026-11-16T00:00:00Z }\n");
  const UsageFile usage =
      usage_of("resource_type_default_usage: { aws_instance: { monthly_hrs: 100 } }");
  const Report november = estimate(*inventory, nullptr, {.month = "2026-11"});
  EXPECT_EQ(line(november, "i-gone", "*"), nullptr);
  EXPECT_EQ(amount(november, "i-new", "*"), "35.04") << "15 of 30 days";
  EXPECT_EQ(line(november, "i-new", "*")->reason, "counted from 2026-11-16T00:00:00Z");
  EXPECT_EQ(line(november, "g", "*")->quantity, multiply(units(146), 3)) << "9 of 30 days of two";
  EXPECT_EQ(amount(november, "aws_ebs_volume/v", "volume storage, gp3"), "4.00");
  EXPECT_EQ(amount(november, "aws_ebs_volume/v", "volume storage, gp2"), "5.00");
  EXPECT_THAT(november.warnings, testing::Contains(HasSubstr("1 of the inventory's entries")));
  EXPECT_EQ(amount(estimate(*inventory, &usage, {.month = "2026-11"}), "i-new", "*"), "9.60")
      << "hours of the usage file are what they are";
  EXPECT_EQ(amount(estimate(*inventory, nullptr, {.month = "2026-12"}), "i-new", "*"), "70.08");
  EXPECT_EQ(amount(estimate(*inventory, nullptr, {.month = "2024-05"}), "i-gone", "*"), "70.08");
}

TEST(Estimate, AGatewayCountsUntilItWasDeleted) {
  const auto inventory = inventory_of(
      R"({"NatGateways":[{"NatGatewayId":"nat-1","State":"deleted","CreateTime":"2026-01-01T00:00:00Z","DeleteTime":"2026-02-15T00:00:00Z"},
                         {"NatGatewayId":"nat-2","State":"deleted"},{"NatGatewayId":"nat-3","State":"failed"}]})");
  const ReportOptions november{.month = "2026-11", .region = "us-east-1"};
  EXPECT_TRUE(estimate(*inventory, nullptr, november).environments.empty());
  const Report february =
      estimate(*inventory, nullptr, {.month = "2026-02", .region = "us-east-1"});
  EXPECT_EQ(amount(february, "aws_nat_gateway/nat-1", "gateway hours"), "16.43") << "14 of 28 days";
  EXPECT_EQ(line(february, "aws_nat_gateway/nat-2", "*"), nullptr);
}

TEST(Estimate, ADatabaseVersionPastStandardSupportPaysForExtendedSupportByTheVcpu) {
  const auto support = [](const std::string& engine, const std::string& version,
                          const std::string& month, const std::string& more = {}) {
    return amount(
        estimate_of({"aws_db_instance|engine: " + engine + ", engine_version: \"" + version +
                     "\", instance_class: db.r5.2xlarge, allocated_storage: 100" + more},
                    {}, {.month = month}),
        "*", "extended support*");
  };
  EXPECT_EQ(support("mysql", "5.7.44", "2026-02"), "584.00") << "8 vCPUs x 730 h x 0.10";
  EXPECT_EQ(support("mysql", "5.7.44", "2026-03"), "1168.00") << "the third year";
  EXPECT_EQ(support("mysql", "5.7", "2024-02"), "no such line");
  EXPECT_EQ(support("postgres", "12.22", "2026-11", ", multi_az: true"), "1168.00")
      << "the standby too";
  EXPECT_EQ(support("postgres", "16.3", "2026-11"), "no such line");
  EXPECT_EQ(support("mariadb", "10.6", "2026-11"), "no such line");
}

TEST(Estimate, ExtendedSupportWhosePriceIsNotKnownIsAnUnknownLine) {
  const Report report = estimate_of(
      {"aws_rds_cluster_instance|engine: aurora-mysql, engine_version: 5.7.mysql_aurora.2.11.4, "
       "instance_class: db.r5.large",
       "aws_rds_cluster_instance|engine: aurora-postgresql, engine_version: \"12.9\", "
       "instance_class: db.r5.large"},
      {}, {.month = "2026-11"});
  EXPECT_THAT(amount(report, "*.r0", "extended support*"), HasSubstr("unsupported"));
  EXPECT_EQ(amount(report, "*.r1", "extended support*"), "146.00");
}

TEST(Estimate, ConnectionsOfANetworkLoadBalancerWeighByTheProtocolOfItsListeners) {
  const auto lcu = [](const std::string& listeners) {
    const auto inventory = inventory_of(
        "region: us-east-1\nenvironment: prod\nresources:\n"
        "  - { type: aws_lb, address: nlb, attributes: { load_balancer_type: network, internal: "
        "true } }\n" +
        listeners);
    const UsageFile usage = usage_of(
        "version: 0.1\nresource_usage:\n  nlb: { new_connections: 500, active_connections: 30000, "
        "processed_bytes_gb: 100 }\n");
    return amount(estimate(*inventory, &usage), "nlb", "LCU");
  };
  const auto listener = [](const std::string& protocol) {
    return "  - { type: aws_lb_listener, address: l-" + protocol +
           ", attributes: { load_balancer_arn_address: nlb, protocol: " + protocol + " } }\n";
  };
  EXPECT_EQ(lcu(""), "2.74") << "TCP: 500 / 800 units";
  EXPECT_EQ(lcu(listener("TCP")), "2.74");
  EXPECT_EQ(lcu(listener("UDP")), "5.48");
  EXPECT_EQ(lcu(listener("TLS")), "43.80") << "500 / 50";
  EXPECT_THAT(lcu(listener("TLS") + listener("TCP")), HasSubstr("several protocols"));
}

TEST(Estimate, AMachineThatOnlyInterfacesNameIsAnUnknownLineOnce) {
  const std::string interfaces =
      "region: us-east-1\nenvironment: prod\ninterfaces:\n"
      "  - { id: eni-a, role: instance, instance: i-a, address: 10.0.0.1 }\n"
      "  - { id: eni-a2, role: instance, instance: i-a, address: 10.0.0.2 }\n"
      "  - { id: eni-b, role: instance, instance: i-b, address: 10.0.0.3 }\n"
      "instances: [ { id: i-b, type: m5.large } ]\n";
  const Report report = estimate(*inventory_of(interfaces));
  EXPECT_THAT(amount(report, "i-a", "instance hours"), HasSubstr("only interfaces"));
  EXPECT_EQ(report.unknown_lines, 1u);
  EXPECT_EQ(line(report, "i-a", "instance hours")->source, "inventory");
  const Report grouped = estimate(*inventory_of(
      interfaces + "groups: [ { name: workers, desired: 1, instance_type: m5.large } ]\n"));
  EXPECT_EQ(line(grouped, "i-a", "*"), nullptr) << "it may be the group's";
}

TEST(Estimate, AResourceOfNoTypeOfAwsIsUnsupportedAndNotLeftOut) {
  const Report report =
      estimate_of({"ebs_volume|type: gp3, size: 500", "AWS_NAT_GATEWAY|allocation_id: e"});
  EXPECT_THAT(amount(report, "ebs_volume.*", "*"), HasSubstr("unsupported: ebs_volume is no"));
  EXPECT_THAT(amount(report, "AWS_NAT_GATEWAY.*", "*"), HasSubstr("unsupported"));
  EXPECT_EQ(report.unknown_lines, 2u);
}

TEST(Estimate, GatewaysAndLoadBalancersPayFullHoursAndAZoneTheWholeMonth) {
  const auto inventory = inventory_of(
      "region: us-east-1\nresources:\n"
      "  - { address: aws_nat_gateway.n, type: aws_nat_gateway, id: n, valid_from: "
      "2026-05-16T12:00:00Z, valid_to: 2026-05-16T12:20:00Z }\n"
      "  - { address: aws_lb.l, type: aws_lb, id: l, attributes: { internal: true }, valid_from: "
      "2026-05-16T12:00:00Z, valid_to: 2026-05-16T14:20:00Z }\n"
      "  - { address: aws_lb.g, type: aws_lb, id: g, attributes: { load_balancer_type: gateway, "
      "subnets.#: \"2\" }, valid_from: 2026-05-16T12:00:00Z, valid_to: 2026-05-16T12:20:00Z }\n"
      "  - { address: aws_route53_zone.z, type: aws_route53_zone, id: z, valid_from: "
      "2026-05-16T00:00:00Z }\n"
      "  - { address: aws_route53_zone.brief, type: aws_route53_zone, id: b, valid_from: "
      "2026-05-16T00:00:00Z, valid_to: 2026-05-16T12:00:00Z }\n");
  const Report may = estimate(*inventory, nullptr, {.month = "2026-05"});
  EXPECT_EQ(line(may, "aws_nat_gateway.n", "gateway hours")->quantity, units(1));
  EXPECT_EQ(amount(may, "aws_nat_gateway.n", "gateway hours"), "0.05");
  EXPECT_EQ(line(may, "aws_lb.l", "load balancer hours")->quantity, units(3));
  EXPECT_EQ(line(may, "aws_lb.g", "load balancer hours")->quantity, units(2)) << "one a zone";
  EXPECT_EQ(amount(may, "aws_route53_zone.z", "hosted zone"), "0.50");
  EXPECT_EQ(line(may, "aws_route53_zone.brief", "*"), nullptr) << "free within 12 hours";
}

TEST(Estimate, MembersOfAnAwsGroupPayByTheirOwnType) {
  std::vector<Inventory::Problem> problems;
  const auto inventory = Inventory::parse(
      {{"groups",
        R"({"AutoScalingGroups":[{"AutoScalingGroupName":"g","AutoScalingGroupARN":"arn:aws:autoscaling:us-east-1:1:g",
           "DesiredCapacity":4,"Instances":[{"InstanceId":"i-0"},{"InstanceId":"i-1"}]}]})"},
       {"machines",
        R"({"Reservations":[{"Instances":[{"InstanceId":"i-0","InstanceType":"m5.large","PublicIpAddress":"198.51.100.7"},
           {"InstanceId":"i-1","InstanceType":"c5.large","UsageOperation":"RunInstances:0010"}]}]})"}},
      {}, problems);
  ASSERT_TRUE(inventory);
  const Report report = estimate(**inventory);
  EXPECT_EQ(amount(report, "g", "instance hours, m5.large linux"), "140.16")
      << "of four machines wanted, half";
  EXPECT_EQ(amount(report, "g", "instance hours, c5.large rhel"), "166.15")
      << "2 x (0.085 + 0.0288) x 730";
  EXPECT_EQ(amount(report, "g", "public IPv4"), "3.65");
  EXPECT_EQ(report.unknown_lines, 0u);

  const Report alone = estimate(*inventory_of(
      R"({"AutoScalingGroups":[{"AutoScalingGroupName":"g","AutoScalingGroupARN":"arn:aws:autoscaling:us-east-1:1:g","DesiredCapacity":2,
      "Instances":[{"InstanceId":"i-0","InstanceType":"m5.large"},{"InstanceId":"i-1","InstanceType":"c5.large"}]}]})"));
  EXPECT_EQ(amount(alone, "g", "instance hours, m5.large linux"), "70.08");
  EXPECT_EQ(amount(alone, "g", "instance hours, c5.large linux"), "62.05");
}

TEST(Estimate, AuroraIoOptimizedPaysForStorageAndInstancesAndNotForIo) {
  const Report report = estimate_of(
      {"aws_rds_cluster|engine: aurora-mysql, storage_type: aurora-iopt1, cluster_identifier: c",
       "aws_rds_cluster_instance|engine: aurora-mysql, instance_class: db.r5.large, "
       "cluster_identifier: c",
       "aws_rds_cluster_instance|engine: aurora-mysql, instance_class: db.serverless, "
       "cluster_identifier: c",
       "aws_rds_cluster_instance|engine: aurora-mysql, instance_class: db.r5.large, "
       "cluster_identifier: other",
       "aws_rds_cluster|engine: aurora-mysql, storage_type: aurora-next"},
      "resource_usage:\n  aws_rds_cluster.r0: { storage_gb: 100, monthly_io_requests: 5000000 }\n"
      "  aws_rds_cluster_instance.r2: { monthly_acu_hrs: 100 }\n");
  EXPECT_EQ(amount(report, "aws_rds_cluster.r0", "storage*"), "22.50");
  EXPECT_EQ(line(report, "aws_rds_cluster.r0", "I/O"), nullptr);
  EXPECT_EQ(amount(report, "aws_rds_cluster_instance.r1", "*"), "275.21") << "0.29 x 1.3 x 730";
  EXPECT_EQ(amount(report, "aws_rds_cluster_instance.r2", "*"), "15.60");
  EXPECT_EQ(amount(report, "aws_rds_cluster_instance.r3", "*"), "211.70");
  EXPECT_THAT(amount(report, "aws_rds_cluster.r4", "storage"), HasSubstr("aurora-next"));
}

TEST(Estimate, AnAttributeThatCannotBeReadMakesTheLinesUnknownAndIsQuoted) {
  const Report report =
      estimate_of({"aws_db_instance|engine: mysql, instance_class: db.t3.micro, multi_az: \"yes\", "
                   "allocated_storage: 1TB",
                   "aws_ebs_volume|type: gp3, size: -100", "aws_ebs_volume|type: gp3, size: \"10\"",
                   "aws_autoscaling_group|name: g, desired_capacity: -4, min_size: 1"});
  const std::string both =
      "unknown: allocated_storage must be a plain number, 0 or more, not '1TB'; multi_az must be "
      "true or false, not 'yes'";
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "instance hours*"), both);
  EXPECT_EQ(amount(report, "aws_db_instance.r0", "storage*"), both);
  EXPECT_EQ(amount(report, "aws_ebs_volume.r1", "*"),
            "unknown: size must be a plain number, 0 or more, not '-100'");
  EXPECT_EQ(amount(report, "aws_ebs_volume.r2", "*"), "0.80");
  EXPECT_THAT(amount(report, "aws_autoscaling_group.r3", "instance hours*"), HasSubstr("'-4'"));
}

TEST(Estimate, AClusterPastStandardSupportPaysForExtendedSupport) {
  const std::vector<std::string> clusters{
      "aws_eks_cluster|version: \"1.29\"", "aws_eks_cluster|version: \"1.35\"",
      "aws_eks_cluster|version: \"1.29\", upgrade_policy.0.support_type: STANDARD",
      "aws_eks_cluster|version: \"1.31\"", "aws_eks_cluster|"};
  const Report report = estimate_of(clusters, {}, {.month = "2025-11"});
  EXPECT_EQ(amount(report, "aws_eks_cluster.r0", "*extended support of 1.29"), "438.00");
  EXPECT_EQ(line(report, "aws_eks_cluster.r0", "control plane hours"), nullptr);
  for (const char* standard : {"aws_eks_cluster.r1", "aws_eks_cluster.r2", "aws_eks_cluster.r4"})
    EXPECT_EQ(amount(report, standard, "*"), "73.00") << standard;
  EXPECT_EQ(amount(report, "aws_eks_cluster.r3", "control plane hours"), "60.83")
      << "25 of 30 days";
  EXPECT_EQ(amount(report, "aws_eks_cluster.r3", "*extended support of 1.31"), "73.00") << "5 days";
}

TEST(Estimate, AnOldClusterPaysForExtendedSupportFromTheDayItsStandardSupportEnded) {
  const auto extended = [](const char* version, const char* month) {
    return amount(estimate_of({fmt::format("aws_eks_cluster|version: \"{}\"", version)}, {},
                              {.month = month}),
                  "aws_eks_cluster.r0", "*extended support*");
  };
  EXPECT_EQ(extended("1.28", "2024-10"), "no such line");
  EXPECT_EQ(extended("1.28", "2024-11"), "73.00") << "from the 26th on, that day too";
  EXPECT_EQ(extended("1.27", "2024-06"), "no such line");
  EXPECT_EQ(extended("1.27", "2024-08"), "438.00");
  EXPECT_EQ(extended("1.23", "2024-03"), "no such line") << "not billed before April 2024";
  EXPECT_EQ(extended("1.23", "2024-04"), "438.00");
}

TEST(Estimate, TiersArePooledOverEnvironmentsAndSpreadByQuantity) {
  const UsageFile usage = usage_of(
      "resource_usage:\n"
      "  aws_data_transfer.a: { environment: dev, region: us-east-1, monthly_outbound_internet_gb: "
      "10240 }\n"
      "  aws_data_transfer.b: { environment: prod, region: us-east-1, "
      "monthly_outbound_internet_gb: 10240 }\n");
  const auto inventory = inventory_of("region: us-east-1\n");
  const Report report = estimate(*inventory, &usage);
  ASSERT_EQ(report.environments.size(), 2u);
  EXPECT_EQ(cents_text(report.total), "1792.00") << "10,240 GB at 0.09, as many at 0.085";
  EXPECT_EQ(cents_text(report.environments[0].total), "896.00");
  ReportOptions one;
  one.environment = "prod";
  EXPECT_EQ(cents_text(estimate(*inventory, &usage, one).total), "896.00")
      << "the pool is the payer's, whatever is shown";
  EXPECT_EQ(cents_text(estimate(*inventory, &usage, {.free_tier = true}).total), "1783.50")
      << "one allowance, not two";
}

TEST(Estimate, AFreeAllowanceIsSpreadOverRegionsByQuantity) {
  const Report report = estimate_of(
      {},
      "resource_usage:\n"
      "  aws_data_transfer.a: { region: us-east-1, monthly_outbound_internet_gb: 150 }\n"
      "  aws_data_transfer.b: { region: eu-west-1, monthly_outbound_internet_gb: 50 }\n",
      {.free_tier = true});
  EXPECT_EQ(amount(report, "aws_data_transfer.a", "*"), "6.75") << "75 of 150 GB are free";
  EXPECT_EQ(amount(report, "aws_data_transfer.b", "*"), "2.25") << "25 of 50";
}

TEST(Estimate, ABadUsageValueNamesFileLineAndKey) {
  const UsageFile usage =
      usage_of("resource_usage:\n  aws_nat_gateway.a:\n    monthly_data_processed_gb: lots\n");
  const auto inventory = inventory_of(
      "region: us-east-1\nresources: [ { address: aws_nat_gateway.a, type: aws_nat_gateway, id: "
      "nat-1 } ]\n");
  Result<Report> report = make_report({}, prices(), *inventory, &usage, {}, {});
  ASSERT_FALSE(report);
  EXPECT_THAT(
      report.error().message,
      HasSubstr(
          "usage.yml:3: aws_nat_gateway.a.monthly_data_processed_gb: must be a plain number"));
}

TEST(Estimate, WhatIsNoTerraformResourceTakesItsUsageByIdOrName) {
  const auto inventory = inventory_of(
      "region: us-east-1\ninstances: [ { id: i-1, type: m5.large } ]\n"
      "groups: [ { name: g, desired: 3, instance_type: m5.large } ]\n"
      "resources: [ { type: aws_nat_gateway, id: nat-4 } ]\n");
  const UsageFile usage = usage_of(
      "resource_usage: { i-1: { monthly_hrs: 100 }, g: { instances: 2 }, aws_nat_gateway/nat-4: { "
      "monthly_data_processed_gb: 10 } }");
  const Report report = estimate(*inventory, &usage);
  EXPECT_EQ(amount(report, "i-1", "instance hours*"), "9.60");
  EXPECT_EQ(amount(report, "g", "instance hours*"), "140.16");
  EXPECT_EQ(amount(report, "aws_nat_gateway/nat-4", "data processed"), "0.45");
  EXPECT_TRUE(report.warnings.empty());
}

TEST(Estimate, AStatedFigureIsComparedWithNoSumOfWhatIsUnknown) {
  const Report report = estimate_of({"aws_nat_gateway|allocation_id: a"},
                                    "fleetmeter: { stated: [ { component: data processed, amount: "
                                    "45 }, { component: '*', amount: "
                                    "36.50 } ] }");
  EXPECT_THAT(report.warnings,
              testing::Contains("stated 45.00 for '*' 'data processed', exact unknown"));
  EXPECT_EQ(report.warnings.size(), 1u) << "the rest is known, and as stated";
  EXPECT_THAT(
      estimate_of({"aws_nat_gateway|allocation_id: a"}, "fleetmeter: { stated: [ { amount: 1 } ] }")
          .warnings,
      testing::Contains("stated 1.00 for '*' '*', exact unknown, at least 36.50"));
}

TEST(Estimate, AnEnvironmentInTwoRegionsPlacesNothingThatNamesNone) {
  const std::string volumes =
      "resources:\n"
      "  - { address: aws_ebs_volume.eu, type: aws_ebs_volume, region: eu-west-1, attributes: { "
      "type: gp3, size: 100 } }\n"
      "  - { address: aws_ebs_volume.us, type: aws_ebs_volume, region: us-east-1, attributes: { "
      "type: gp3, size: 100 } }\n"
      "  - { address: aws_ebs_volume.any, type: aws_ebs_volume, attributes: { type: gp3, size: 100 "
      "} }\n";
  const auto any = [&](const std::vector<aggregator::EnvironmentMatch>& environments,
                       const char* region) {
    return amount(estimate(*inventory_of(volumes, environments), nullptr, {.region = region}),
                  "aws_ebs_volume.any", "*");
  };
  EXPECT_THAT(any({}, ""), HasSubstr("the region is not known"));
  EXPECT_EQ(any({}, "us-east-1"), "8.00");
  aggregator::EnvironmentMatch prod;
  prod.name = "unassigned";
  prod.region = "eu-west-1";
  EXPECT_EQ(any({prod}, "us-east-1"), "8.80") << "the configuration says so";
}

TEST(Estimate, ALaterFileOfTheAwsCliWinsOverTheState) {
  const std::string state = state_of(
      {{"aws_autoscaling_group.web",
        R"({"id":"web","name":"web","desired_capacity":2,"min_size":1,"launch_template":[{"id":"lt-1"}]})"},
       {"aws_launch_template.web", R"({"id":"lt-1","instance_type":"m5.large"})"},
       {"aws_instance.x", R"({"id":"i-1","instance_type":"m5.large"})"}});
  const std::string group =
      R"({"AutoScalingGroups":[{"AutoScalingGroupName":"web","MinSize":1,"DesiredCapacity":5}]})";
  const std::string machine = described_as("m5.2xlarge", {"i-1"}, "Name", "x", "RunInstances:0002");
  const Report now = estimate(*merged({state, group, machine}), nullptr, {.region = "us-east-1"});
  EXPECT_EQ(amount(now, "aws_autoscaling_group.web", "instance hours*"), "350.40");
  EXPECT_EQ(amount(now, "aws_instance.x", "instance hours, m5.2xlarge windows"), "548.96");
  const Report before =
      estimate(*merged({group, machine, state}), nullptr, {.region = "us-east-1"});
  EXPECT_EQ(amount(before, "aws_autoscaling_group.web", "instance hours*"), "140.16");
  EXPECT_EQ(amount(before, "aws_instance.x", "instance hours, m5.large windows"), "137.24")
      << "a state says nothing of the licence";
}

TEST(Estimate, WhatAPlanChangesIsBilledOnceAsThePlanHasIt) {
  const auto group = [](int size) {
    return fmt::format(
        R"({{"id":"web","name":"web","desired_capacity":{},"launch_template":[{{"id":"lt-1"}}]}})",
        size);
  };
  const std::pair<std::string, std::string> both[] = {
      {"aws_launch_template.t", R"({"id":"lt-1","instance_type":"m5.large"})"},
      {"aws_nat_gateway.n", R"({"id":"nat-1","allocation_id":"e-1"})"},
      {"aws_eip.n", R"({"id":"e-1","public_ip":"192.0.2.1"})"}};
  const std::string state =
      state_of({both[0],
                both[1],
                both[2],
                {"aws_instance.i", R"({"id":"i-1","instance_type":"m5.large"})"},
                {"aws_ebs_volume.v", R"({"id":"vol-1","size":100,"type":"gp3"})"},
                {"aws_autoscaling_group.g", group(2)}});
  const std::string plan =
      plan_of({both[0],
               both[1],
               both[2],
               {"aws_instance.i", R"({"id":"i-1","instance_type":"m5.2xlarge"})"},
               {"aws_ebs_volume.v", R"({"id":"vol-1","size":200,"type":"gp3"})"},
               {"aws_autoscaling_group.g", group(5)}});
  const std::string described = described_as("m5.large", {"i-1"}, "Name", "x");
  for (const auto& files : {std::vector{state, plan}, std::vector{plan, state},
                            std::vector{state, described, plan}, std::vector{plan}}) {
    const Report report = estimate(*merged(files), nullptr, {.region = "us-east-1"});
    EXPECT_EQ(amount(report, "aws_instance.i", "instance hours, m5.2xlarge linux"), "280.32");
    EXPECT_EQ(amount(report, "aws_ebs_volume.v", "*"), "16.00");
    EXPECT_EQ(amount(report, "aws_autoscaling_group.g", "instance hours*"), "350.40")
        << "5 of them";
    EXPECT_EQ(cents_text(report.total), "688.02")
        << "besides: a gateway with its address 36.50, root volumes of 6 machines 4.80";
  }
}

TEST(Estimate, APlansMachineKeepsWhatTheAwsCliAloneKnows) {
  const std::string plan =
      plan_of({{"aws_instance.i", R"({"id":"i-1","instance_type":"m5.2xlarge"})"}});
  const std::string described = described_as("m5.large", {"i-1"}, "Name", "x", "RunInstances:0010");
  for (const auto& files : {std::vector{described, plan}, std::vector{plan, described}}) {
    const Report report = estimate(*merged(files), nullptr, {.region = "us-east-1"});
    EXPECT_EQ(amount(report, "*", "instance hours*"), "364.42") << "(0.384 + 8 x 0.0144) x 730";
    EXPECT_EQ(cents_text(report.total), "365.22") << "and a root volume";
  }
}

TEST(Estimate, WhatAPlanReplacesIsNotBilledAsTheStatesToo) {
  const std::string state =
      state_of({{"aws_instance.i", R"({"id":"i-1","instance_type":"m5.large"})"},
                {"aws_autoscaling_group.g", R"({"id":"g-1","name":"g-1","desired_capacity":2})"}});
  // Their ids are not known before they are made.
  const std::string plan =
      plan_of({{"aws_instance.i", R"({"instance_type":"m5.2xlarge"})"},
               {"aws_autoscaling_group.g", R"({"name_prefix":"g-","desired_capacity":3})"}});
  const Report report = estimate(*merged({state, plan}), nullptr, {.region = "us-east-1"});
  EXPECT_EQ(amount(report, "aws_instance.i", "instance hours*"), "280.32");
  EXPECT_EQ(line(report, "*", "instance hours, m5.large*"), nullptr);
  EXPECT_EQ(line(report, "g-1", "*"), nullptr);
}

TEST(Estimate, AnAddressOfAnotherEnvironmentIsNotThePlans) {
  const auto entry = [](const char* id, const char* environment, int size, bool planned) {
    return fmt::format(
        "{{ address: aws_ebs_volume.v, type: aws_ebs_volume, {} environment: {}, planned: {}, "
        "attributes: {{ type: gp3, size: {} }} }}, ",
        id, environment, planned, size);
  };
  const std::string before = entry("id: vol-1,", "prod", 100, false);
  const std::string after = entry("", "dev", 200, true);
  const auto total = [](const std::string& resources) {
    return cents_text(
        estimate(*inventory_of("region: us-east-1\nresources: [" + resources + "]")).total);
  };
  EXPECT_EQ(total(before + after), "24.00");
  EXPECT_EQ(total(before + entry("", "prod", 200, true)), "16.00");
  EXPECT_EQ(total(before + entry("id: vol-2,", "prod", 200, true)), "24.00") << "another one";
}

TEST(Estimate, NodesOfAnEksNodeGroupAreBilledWithIt) {
  const auto nodes = [](const std::string& resources) {
    return state_of(
        {{"aws_eks_node_group.ng",
          R"({"id":"c:ng","cluster_name":"c","node_group_name":"ng","instance_types":["t3.medium"],"disk_size":20,
              "scaling_config":[{"desired_size":2}])" +
              resources + "}"}});
  };
  const std::string named = nodes(R"(,"resources":[{"autoscaling_groups":[{"name":"eks-ng-1"}]}])");
  const std::string machines =
      described_as("t3.medium", {"i-1", "i-2"}, "aws:autoscaling:groupName", "eks-ng-1");
  const std::string group =
      R"({"AutoScalingGroups":[{"AutoScalingGroupName":"eks-ng-1","DesiredCapacity":2,
          "Instances":[{"InstanceId":"i-1","InstanceType":"t3.medium"},{"InstanceId":"i-2","InstanceType":"t3.medium"}]}]})";
  const std::string tagged = described_as("t3.medium", {"i-1", "i-2"}, "eks:nodegroup-name", "ng");
  for (const auto& files : {std::vector{named, machines},
                            {named, machines, group},
                            {named, group},
                            {nodes(""), tagged}})
    EXPECT_EQ(cents_text(estimate(*merged(files), nullptr, {.region = "us-east-1"}).total),
              "64.74");
  EXPECT_EQ(cents_text(estimate(*merged({nodes(""), described_as("t3.medium", {"i-1", "i-2"},
                                                                 "eks:nodegroup-name", "other")}))
                           .total),
            "125.47")
      << "not its nodes";
}

TEST(Estimate, VolumesOfAGroupsMachinesThatAreListedAreNotItsTemplatesOnceMore) {
  const std::string state = state_of(
      {{"aws_autoscaling_group.web",
        R"({"id":"web","name":"web","desired_capacity":2,"launch_template":[{"id":"lt-1"}]})"},
       {"aws_launch_template.web",
        R"({"id":"lt-1","instance_type":"m5.large","monitoring":[{"enabled":true}],
            "block_device_mappings":[{"device_name":"/dev/xvda","ebs":[{"volume_size":30,"volume_type":"gp3"}]}]})"}});
  const std::string machines =
      described_as("m5.large", {"i-1", "i-2"}, "aws:autoscaling:groupName", "web");
  const auto volumes = [](const std::string& machine) {
    return R"({"Volumes":[{"VolumeId":"vol-1","Size":30,"VolumeType":"gp3","State":"in-use","AvailabilityZone":"us-east-1a",
        "Attachments":[{"InstanceId":")" +
           machine + R"("}]}]})";
  };
  const Report listed = estimate(*merged({state, machines, volumes("i-1")}));
  EXPECT_EQ(line(listed, "aws_autoscaling_group.web", "root volume*"), nullptr);
  EXPECT_EQ(amount(listed, "aws_ebs_volume/vol-1", "*"), "2.40");
  EXPECT_EQ(amount(listed, "aws_autoscaling_group.web", "detailed monitoring"), "4.20");
  const Report other = estimate(*merged({state, machines, volumes("i-other")}));
  EXPECT_EQ(amount(other, "aws_autoscaling_group.web", "root volume*"), "4.80");
}

TEST(Estimate, AServiceWithoutALaunchTypeFollowsItsClusterElseItsTaskDefinition) {
  const std::string task =
      "aws_ecs_task_definition|family: {}, cpu: 512, memory: 1024, requires_compatibilities.#: 1, "
      "requires_compatibilities.0: {}";
  const Report report =
      estimate_of({"aws_ecs_service|desired_count: 2, task_definition: both, cluster: "
                   "\"arn:aws:ecs:us-east-1:1:cluster/c\"",
                   "aws_ecs_cluster_capacity_providers|cluster_name: c, "
                   "default_capacity_provider_strategy.0.capacity_provider: FARGATE, "
                   "default_capacity_provider_strategy.0.base: 1, "
                   "default_capacity_provider_strategy.0.weight: 100",
                   "aws_ecs_task_definition|family: both, cpu: 512, memory: 1024",
                   "aws_ecs_service|desired_count: 2, task_definition: serverless",
                   fmt::format(fmt::runtime(task), "serverless", "FARGATE"),
                   "aws_ecs_service|desired_count: 2, task_definition: machines",
                   fmt::format(fmt::runtime(task), "machines", "EC2"),
                   "aws_ecs_service|desired_count: 2, task_definition: both",
                   "aws_ecs_service|desired_count: 2, task_definition: both, cluster_address: "
                   "aws_ecs_cluster.r9",
                   "aws_ecs_cluster|name: d",
                   "aws_ecs_cluster_capacity_providers|cluster_name_address: aws_ecs_cluster.r9, "
                   "default_capacity_provider_strategy.0.capacity_provider: FARGATE_SPOT"});
  EXPECT_EQ(amount(report, "aws_ecs_service.r0", "Fargate vCPU"), "29.55");
  EXPECT_EQ(amount(report, "aws_ecs_service.r3", "Fargate vCPU"), "29.55");
  EXPECT_EQ(line(report, "aws_ecs_service.r5", "*"), nullptr) << "the machines are billed";
  EXPECT_THAT(amount(report, "aws_ecs_service.r7", "task hours"), HasSubstr("launch type"));
  EXPECT_THAT(amount(report, "aws_ecs_service.r8", "task hours*"), HasSubstr("spot"));
}

TEST(Estimate, AnAddressThatAnAssociationGivesAMachineIsBilledOnce) {
  const Report report =
      estimate_of({"aws_instance|instance_type: m5.large, associate_public_ip_address: true",
                   "aws_eip|domain: vpc",
                   "aws_eip_association|instance_id_address: aws_instance.r0, "
                   "allocation_id_address: aws_eip.r1",
                   "aws_nat_gateway|connectivity_type: public"});
  EXPECT_EQ(line(report, "aws_instance.r0", "public IPv4"), nullptr);
  EXPECT_EQ(amount(report, "aws_eip.r1", "public IPv4"), "3.65")
      << "it is not the gateway's, which names none";
}

TEST(Estimate, AReadReplicaIsOfItsSourcesEngineAndAsLarge) {
  const Report report = estimate_of(
      {"aws_db_instance|identifier: main, engine: postgres, instance_class: db.r5.2xlarge, "
       "allocated_storage: 1000, storage_type: gp3, multi_az: true",
       "aws_db_instance|identifier: r, instance_class: db.r5.xlarge, replicate_source_db: main",
       "aws_db_instance|identifier: s, instance_class: db.r5.xlarge, replicate_source_db_address: "
       "aws_db_instance.r1",
       "aws_db_instance|identifier: t, replicate_source_db: t",
       "aws_db_instance|identifier: fast, engine: mysql, instance_class: db.t3.micro, "
       "allocated_storage: 100, storage_type: io1, iops: 5000",
       "aws_db_instance|storage_type: gp3, replicate_source_db: fast"});
  for (const char* replica : {"aws_db_instance.r1", "aws_db_instance.r2"}) {
    EXPECT_EQ(amount(report, replica, "instance hours, db.r5.xlarge postgres"), "365.00");
    EXPECT_EQ(amount(report, replica, "storage, gp3"), "115.00");
  }
  EXPECT_THAT(amount(report, "aws_db_instance.r3", "*"), HasSubstr("engine"));
  EXPECT_EQ(amount(report, "aws_db_instance.r5", "storage, gp3"), "11.50");
  EXPECT_EQ(line(report, "aws_db_instance.r5", "IOPS*"), nullptr) << "of io1, which it has not";
}

TEST(Estimate, AMemberOfAReplicationGroupIsBilledWithIt) {
  const Report report = estimate_of(
      {"aws_elasticache_replication_group|node_type: cache.r6g.large, num_cache_clusters: 1",
       "aws_elasticache_cluster|replication_group_id_address: "
       "aws_elasticache_replication_group.r0"});
  EXPECT_EQ(line(report, "aws_elasticache_cluster.r1", "*"), nullptr);
}

TEST(Estimate, WarnsOfATypeOfTheUsageFileThatNobodyKnows) {
  const Report report = estimate_of(
      {"aws_nat_gateway|allocation_id: a"},
      "resource_type_default_usage: { aws_nat_gatway: { monthly_data_processed_gb: 1 }, "
      "aws_data_transfer: { monthly_outbound_internet_gb: 1 }, aws_s3_bucket: {} }");
  EXPECT_THAT(report.warnings, testing::ElementsAre(HasSubstr("aws_nat_gatway is of no type")));
}

TEST(Estimate, WarnsOfUsageThatNothingTakes) {
  const Report report = estimate_of({"aws_nat_gateway|"},
                                    "resource_usage:\n  aws_nat_gateway.r0: { monthly_gb: 1 }\n  "
                                    "aws_nat_gateway.typo: { x: 1 }\n");
  EXPECT_THAT(report.warnings,
              testing::Contains(HasSubstr("monthly_gb of aws_nat_gateway.r0 is not used")));
  EXPECT_THAT(
      report.warnings,
      testing::Contains(HasSubstr("resource_usage.aws_nat_gateway.typo matches no resource")));
}

TEST(Estimate, TenThousandResourcesTakeUnderASecond) {
  std::string yaml = "region: us-east-1\nenvironment: prod\nresources:\n";
  for (int i = 0; i < 10'000; ++i) {
    yaml += fmt::format(
        "  - {{ address: \"aws_instance.r{}\", type: aws_instance, id: i-{}, attributes: {{ "
        "instance_type: m5.large }} }}\n",
        i, i);
  }
  const auto inventory = inventory_of(yaml);
  const auto start = std::chrono::steady_clock::now();
  const Report report = estimate(*inventory);
  EXPECT_FALSE(render(report, Format::kJson).empty());
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(cents_text(report.total), "708800.00");
  EXPECT_LT(std::chrono::duration<double>(took).count(), 5.0)
      << "a second in release, with room for sanitizers";
  RecordProperty(
      "milliseconds",
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

// --- To date ---

HourlyUsage used(const std::string& kind, const std::string& resource, std::uint64_t quantity,
                 std::uint32_t hour = 500'000) {
  return {"prod", hour, kind, resource, quantity};
}

TEST(ToDate, PricesWhatTelemetrySaw) {
  const auto inventory = inventory_of(
      "region: us-east-1\nenvironment: prod\ninstances: [ { id: i-1, type: m5.large, windows: true "
      "} ]\n"
      "resources: [ { address: aws_nat_gateway.a, type: aws_nat_gateway, id: nat-1 } ]\n");
  ReportOptions options;
  options.basis = ReportOptions::Basis::kToDate;
  Result<Report> report = make_report(
      options, prices(), *inventory, nullptr,
      {used("instance_seconds", "i-1", 3600), used("instance_seconds", "i-1", 1800, 500'001),
       used("instance_seconds", "i-2", 60), used("nat_bytes", "nat-1", 1ull << 30),
       used("flow_log_bytes", "", 2ull << 30), used("metric_updates", "", 1'000'000),
       used("lcu_hours_e9", "app/web/1", 500'000'000)},
      {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->basis, "to_date");
  EXPECT_EQ(report->hours, 2u);
  EXPECT_EQ(amount(*report, "1 instances", "instance hours, m5.large windows"), "0.28");
  EXPECT_THAT(amount(*report, "1 instances", "instance hours"),
              HasSubstr("the inventory does not know"));
  EXPECT_EQ(amount(*report, "nat-1", "gateway hours"), "0.09");
  EXPECT_EQ(amount(*report, "nat-1", "data processed"), "0.05");
  EXPECT_EQ(amount(*report, "flow logs", "*"), "1.00");
  EXPECT_EQ(amount(*report, "metric stream", "*"), "3.00");
  EXPECT_EQ(line(*report, "app/web/1", "LCU")->amount, parse_money("0.004"));
}

Report to_date(const std::string& yaml, const std::vector<HourlyUsage>& usage,
               const UsageFile* file = nullptr) {
  Result<Report> report = make_report({.basis = ReportOptions::Basis::kToDate}, prices(),
                                      *inventory_of(yaml), file, usage, {});
  EXPECT_TRUE(report) << (report ? "" : report.error().message);
  return report ? *std::move(report) : Report{};
}

TEST(ToDate, AMonthOfWhichNothingWasRecordedIsUnknownAndNotZero) {
  const Report report =
      *make_report({.month = "2026-03", .basis = ReportOptions::Basis::kToDate}, prices(),
                   *inventory_of("region: us-east-1\nresources: [ { type: aws_eip, id: e } ]\n"),
                   nullptr, {}, {});
  EXPECT_EQ(report.total, std::nullopt);
  EXPECT_EQ(report.stated_total, std::nullopt);
  EXPECT_THAT(report.warnings, testing::Contains(HasSubstr("nothing was recorded of 2026-03")));
  EXPECT_THAT(render(report, Format::kJson), HasSubstr("\"total\":null"));
}

TEST(ToDate, AMachineThatChangedPaysForWhatItWasInEachHour) {
  std::vector<HourlyUsage> usage;  // 500'000 is 2027-01-15T08:00:00Z.
  for (std::uint32_t hour = 499'990; hour < 500'010; ++hour)
    usage.push_back(used("instance_seconds", "i-1", 3600, hour));
  const Report report = to_date(
      "region: us-east-1\nenvironment: prod\ninstances:\n"
      "  - { id: i-1, type: m5.large, valid_from: 2027-01-15T00:00:00Z, valid_to: "
      "2027-01-15T08:00:00Z }\n"
      "  - { id: i-1, type: m5.4xlarge, valid_from: 2027-01-15T08:30:00Z }\n"
      "resources:\n"
      "  - { type: aws_instance, id: i-1, attributes: { system: rhel }, valid_from: "
      "2027-01-15T08:30:00Z }\n",
      usage);
  EXPECT_EQ(line(report, "1 instances", "instance hours, m5.large linux")->quantity, units(8));
  EXPECT_EQ(line(report, "1 instances", "instance hours, m5.4xlarge rhel")->quantity, units(12))
      << "10 since, and 2 before anything is known of it";
}

TEST(ToDate, AProvisionedTablePaysForItsCapacityAndNotForItsRequests) {
  const Report report = to_date(
      "region: us-east-1\nenvironment: prod\nresources:\n"
      "  - { address: aws_dynamodb_table.p, type: aws_dynamodb_table, id: p, attributes: { name: "
      "p, "
      "billing_mode: PROVISIONED, write_capacity: 1000, read_capacity: 1000 } }\n"
      "  - { address: aws_dynamodb_table.o, type: aws_dynamodb_table, id: o, attributes: { name: "
      "o, "
      "billing_mode: PAY_PER_REQUEST } }\n",
      {used("dynamodb_write_units_e3", "p", 2'000'000'000),
       used("dynamodb_write_units_e3", "o", 2'000'000'000)});
  EXPECT_EQ(amount(report, "o", "write requests"), "1.25");
  EXPECT_EQ(line(report, "p", "*"), nullptr);
  EXPECT_EQ(amount(report, "aws_dynamodb_table.p", "write capacity"), "0.65");
}

TEST(ToDate, AnInfrequentAccessLogGroupPaysItsOwnPriceAndEachThatOfItsRegion) {
  const Report report = to_date(
      "environment: prod\nresources:\n"
      "  - { type: aws_cloudwatch_log_group, id: /ia, region: us-east-1, attributes: { name: /ia, "
      "log_group_class: INFREQUENT_ACCESS } }\n"
      "  - { type: aws_cloudwatch_log_group, id: /eu, region: eu-west-1, attributes: { name: /eu } "
      "}\n",
      {used("log_bytes", "/ia", 10ull << 30), used("log_bytes", "/eu", 10ull << 30),
       used("log_bytes", "/elsewhere", 10ull << 30)});
  EXPECT_EQ(amount(report, "/ia", "log ingestion"), "2.50");
  EXPECT_EQ(amount(report, "/eu", "log ingestion"), "5.70");
  EXPECT_THAT(amount(report, "/elsewhere", "log ingestion"), HasSubstr("the region is not known"));
}

TEST(ToDate, CapacityUnitsPayThePriceOfTheLoadBalancersRegion) {
  const Report report = to_date(
      "environment: prod\nresources:\n"
      "  - { type: aws_lb, id: "
      "\"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web/1\", "
      "region: eu-west-1 }\n"
      "  - { type: aws_ebs_volume, id: v, region: us-east-1, attributes: { size: 1 } }\n",
      {used("lcu_hours_e9", "app/web/1", 1'000'000'000'000)});
  EXPECT_EQ(amount(report, "app/web/1", "LCU"), "8.00");
}

TEST(ToDate, AGatewayPaysForAllOfItsAddresses) {
  const Report report = to_date(
      "region: us-east-1\nenvironment: prod\nresources:\n"
      "  - { type: aws_nat_gateway, id: nat-1, attributes: { secondary_allocation_ids.#: \"2\" } "
      "}\n"
      "  - { type: aws_nat_gateway, id: nat-2, attributes: { public_address_count: \"4\" } }\n"
      "  - { type: aws_nat_gateway, id: nat-3, attributes: { connectivity_type: private } }\n",
      {used("nat_bytes", "nat-1", 0), used("nat_bytes", "nat-2", 0),
       used("nat_bytes", "nat-3", 0)});
  EXPECT_EQ(line(report, "nat-1", "public IPv4")->quantity, units(3));
  EXPECT_EQ(line(report, "nat-2", "public IPv4")->quantity, units(4));
  EXPECT_EQ(line(report, "nat-3", "public IPv4"), nullptr);
}

/// What an hour's legs of gateway eni-nat in the flow records come to, in GB.
FlowUsage recorded_by_gateway(std::uint64_t gb, std::uint32_t hour = 500'000) {
  FlowUsage flow = accepted_egress(proto::PATH_SAME_AZ, gb);
  flow.hour = hour;
  flow.direction = proto::DIRECTION_INGRESS;
  flow.role = proto::ROLE_NAT;
  flow.nat_leg = proto::NAT_LEG_INSIDE;
  flow.interface = "eni-nat";
  flow.owner = "i-1";
  return flow;
}

TEST(ToDate, AGatewaysMetricsCountInsteadOfFlowRecordsOnlyWhereBothTellTheWholeHour) {
  const auto inventory = inventory_of(
      "region: us-east-1\nenvironment: prod\n"
      "interfaces: [ { id: eni-nat, role: nat, resource: nat-1 } ]\n"
      "resources: [ { type: aws_nat_gateway, id: nat-1 } ]\n");
  const auto processed = [&](std::uint64_t source_minutes, std::uint64_t destination_minutes,
                             std::uint64_t metered_gb) {
    const Report report =
        *make_report({.basis = ReportOptions::Basis::kToDate}, prices(), *inventory, nullptr,
                     {used("nat_bytes", "nat-1", metered_gb << 30),
                      used("nat_minutes", "nat-1/BytesInFromSource", source_minutes),
                      used("nat_minutes", "nat-1/BytesInFromDestination", destination_minutes)},
                     {recorded_by_gateway(10)});
    return *line(report, "nat-1", "data processed");
  };
  EXPECT_EQ(processed(60, 60, 9).quantity, units(9)) << "the metrics are what is billed";
  EXPECT_EQ(processed(60, 60, 9).reason, "");
  EXPECT_EQ(processed(1, 1, 1).quantity, units(10)) << "the stream began late";
  EXPECT_EQ(processed(0, 60, 0).quantity, units(10)) << "one metric alone is in the stream";
  EXPECT_THAT(processed(0, 60, 0).reason, HasSubstr("in 1 of 1 hours its metrics do not tell"));
  EXPECT_EQ(processed(30, 30, 11).quantity, units(11)) << "the flow records tell less";
}

TEST(ToDate, AGatewayStandsInAllHoursSeenAndOneThatNoInventoryHasInThoseOfItsRecords) {
  const auto inventory = inventory_of(
      "region: us-east-1\nenvironment: prod\n"
      "interfaces: [ { id: eni-nat, role: nat, resource: nat-1 } ]\n"
      "resources:\n"
      "  - { type: aws_nat_gateway, address: a, id: nat-1 }\n"
      "  - { type: aws_nat_gateway, address: b, id: nat-2 }\n"
      "  - { type: aws_nat_gateway, address: c, id: nat-3, valid_from: 2027-01-15T09:00:00Z }\n");
  FlowUsage unknown = recorded_by_gateway(0, 500'001);
  unknown.interface = "eni-unknown";
  unknown.status = proto::FLOW_NODATA;
  const Report report =
      *make_report({.basis = ReportOptions::Basis::kToDate}, prices(), *inventory, nullptr,
                   {used("metric_updates", "", 0), used("metric_updates", "", 0, 500'002),
                    used("nat_bytes", "nat-3", 0, 500'002)},
                   {recorded_by_gateway(1), unknown});
  EXPECT_EQ(report.hours, 3u);
  EXPECT_EQ(line(report, "nat-1", "gateway hours")->quantity, units(3)) << "idle in two";
  EXPECT_EQ(line(report, "nat-1", "public IPv4")->quantity, units(3));
  EXPECT_EQ(line(report, "b", "gateway hours")->quantity, units(3)) << "never seen";
  EXPECT_EQ(line(report, "nat-3", "gateway hours")->quantity, units(2)) << "since 09:00";
  EXPECT_THAT(line(report, "nat-3", "gateway hours")->reason, HasSubstr("counted from"));
  EXPECT_EQ(line(report, "eni-unknown", "gateway hours")->quantity, units(1)) << "without data";
}

TEST(ToDate, GatewaysOfOneAddressInTwoEnvironmentsAreTwo) {
  const Report report = to_date(
      "region: us-east-1\nresources:\n"
      "  - { type: aws_nat_gateway, address: a, id: nat-1, environment: prod }\n"
      "  - { type: aws_nat_gateway, address: a, id: nat-2, environment: dev }\n",
      {used("nat_bytes", "nat-1", 0)});
  EXPECT_EQ(line(report, "nat-1", "gateway hours")->quantity, units(1));
  EXPECT_EQ(line(report, "a", "gateway hours")->quantity, units(1));
}

TEST(ToDate, AGapInAGatewaysMetricsIsTold) {
  std::vector<HourlyUsage> usage;
  for (const std::uint32_t hour : {500'000u, 500'001u, 500'002u}) {
    usage.push_back(used("nat_bytes", "nat-1", 1ull << 30, hour));
    for (const char* metric : {"nat-1/BytesInFromSource", "nat-1/BytesInFromDestination"})
      usage.push_back(used("nat_minutes", metric, 30, hour));
  }
  const Report report = to_date(
      "region: us-east-1\nenvironment: prod\n"
      "resources: [ { type: aws_nat_gateway, id: nat-1 } ]\n",
      usage);
  EXPECT_EQ(line(report, "nat-1", "data processed")->quantity, units(3));
  EXPECT_THAT(line(report, "nat-1", "data processed")->reason, HasSubstr("in 1 of 3 hours"))
      << "when the first began and the last ends is ours";
}

TEST(ToDate, SaysThatUsageOfTheFileIsNotUsed) {
  const UsageFile stated = usage_of("fleetmeter: { environment: prod }");
  const UsageFile usage = usage_of("resource_usage: { aws_s3_bucket.a: { storage_gb: 1TB } }");
  const std::vector<HourlyUsage> seen{used("metric_updates", "", 1)};
  EXPECT_TRUE(to_date("region: us-east-1", seen, &stated).warnings.empty());
  EXPECT_THAT(to_date("region: us-east-1", seen, &usage).warnings,
              testing::ElementsAre(HasSubstr("is not used to date")));
}

TEST(ToDate, TheFreeAllowanceIsTheMonthsHoweverLittleOfItWasSeen) {
  const auto inventory = inventory_of("region: us-east-1\nenvironment: prod\n");
  const ReportOptions options{
      .basis = ReportOptions::Basis::kToDate, .free_tier = true, .region = "us-east-1"};
  const auto egress = [&](std::uint64_t gb) {
    const FlowUsage flow = accepted_egress(proto::PATH_EXTERNAL, gb);
    return amount(*make_report(options, prices(), *inventory, nullptr, {}, {flow}), "network",
                  "internet egress");
  };
  EXPECT_EQ(egress(99), "0.00") << "all in one hour";
  EXPECT_EQ(egress(110), "0.90");
}

TEST(ToDate, CrossAzBytesThatOnlyTheReceiverLoggedAreFlaggedAsHalf) {
  const auto inventory = inventory_of("region: us-east-1\nenvironment: prod\n");
  FlowUsage sent = accepted_egress(proto::PATH_CROSS_AZ, 100);
  sent.interface = "eni-1";
  FlowUsage received = sent;
  received.direction = proto::DIRECTION_INGRESS;
  received.interface = "eni-2";
  received.peer_interface = "eni-elsewhere";
  const Report report =
      *make_report({.basis = ReportOptions::Basis::kToDate, .region = "us-east-1"}, prices(),
                   *inventory, nullptr, {}, {sent, received});
  EXPECT_EQ(amount(report, "network", "cross-AZ transfer, both halves"), "2.00");
  EXPECT_EQ(line(report, "network", "cross-AZ transfer, both halves")->reason, "");
  EXPECT_EQ(amount(report, "network", "cross-AZ transfer, receiver's half"), "1.00");
  EXPECT_EQ(line(report, "network", "cross-AZ transfer, receiver's half")->reason,
            "the senders wrote no records here, so their half is not counted");
}

TEST(ToDate, EachEnvironmentsBillHasItsOwnHalfBetweenZones) {
  const auto inventory = inventory_of("region: us-east-1\nenvironment: prod\n");
  FlowUsage sent = accepted_egress(proto::PATH_CROSS_AZ, 100);
  sent.interface = "eni-1";
  sent.peer_interface = "eni-2";
  FlowUsage received = sent;
  received.environment = "dev";
  received.direction = proto::DIRECTION_INGRESS;
  std::swap(received.interface, received.peer_interface);
  const Report report =
      *make_report({.basis = ReportOptions::Basis::kToDate, .region = "us-east-1"}, prices(),
                   *inventory, nullptr, {}, {sent, received});
  ASSERT_EQ(report.environments.size(), 2u);
  for (const auto& environment : report.environments) {
    ASSERT_EQ(environment.lines.size(), 1u);
    EXPECT_EQ(environment.lines[0].component,
              "cross-AZ transfer with other environments, own half");
    EXPECT_EQ(environment.lines[0].reason, "");
  }
  EXPECT_EQ(amount(report, "network", "cross-AZ transfer with other environments, own half"),
            "1.00");
}

TEST(ToDate, TransferWithoutActionIsUnknownAndNotZero) {
  const auto inventory = inventory_of("region: us-east-1\nenvironment: prod\n");
  FlowUsage flow = accepted_egress(proto::PATH_EXTERNAL, 3);
  flow.action = proto::ACTION_NONE;
  const Report report =
      *make_report({.basis = ReportOptions::Basis::kToDate, .region = "us-east-1"}, prices(),
                   *inventory, nullptr, {}, {flow});
  ASSERT_EQ(report.unknown_lines, 1u);
  EXPECT_EQ(amount(report, "network", "transfer without action"),
            "unknown: the records do not say whether these bytes were accepted or rejected");
  EXPECT_EQ(line(report, "network", "transfer without action")->quantity, units(3));
  EXPECT_EQ(line(report, "network", "transfer without action")->unit, "GB");
}

TEST(ToDate, FlowLogIngestionOfParquetIsUnknownAndNotZero) {
  const auto inventory = inventory_of("region: us-east-1\nenvironment: prod\n");
  ReportOptions options;
  options.basis = ReportOptions::Basis::kToDate;
  options.region = "us-east-1";
  Result<Report> report = make_report(
      options, prices(), *inventory, nullptr,
      {used("flow_log_bytes", "", 2ull << 30), used("flow_log_unsized_records", "", 7)}, {});
  ASSERT_TRUE(report);
  EXPECT_EQ(amount(*report, "flow logs", "flow log ingestion"), "1.00") << "what came as text";
  const Line* parquet = line(*report, "flow logs", "flow log ingestion of Parquet");
  ASSERT_NE(parquet, nullptr);
  EXPECT_EQ(parquet->quantity, std::nullopt);
  EXPECT_EQ(parquet->amount, std::nullopt);
  EXPECT_THAT(parquet->reason, HasSubstr("7 records came as Parquet"));
  EXPECT_EQ(report->unknown_lines, 1u);
}

TEST(ToDate, WhatStandsCountsForTheHoursSeen) {
  const auto inventory = inventory_of(
      "region: us-east-1\nenvironment: prod\nresources:\n"
      "  - { address: aws_ebs_volume.v, type: aws_ebs_volume, attributes: { type: gp3, size: 730 } "
      "}\n"
      "  - { address: aws_lb.l, type: aws_lb, attributes: { internal: true } }\n"
      "  - { address: aws_nat_gateway.n, type: aws_nat_gateway, id: nat-1 }\n"
      "  - { address: aws_nat_gateway.quiet, type: aws_nat_gateway, id: nat-2 }\n"
      "  - { address: aws_instance.i, type: aws_instance, id: i-1, attributes: { instance_type: "
      "m5.large, root_block_device.0.volume_size: 73 } }\n");
  ReportOptions options;
  options.basis = ReportOptions::Basis::kToDate;
  Result<Report> report =
      make_report(options, prices(), *inventory, nullptr,
                  {used("nat_bytes", "nat-1", 0), used("nat_bytes", "nat-1", 0, 500'009)}, {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->hours, 10u);
  EXPECT_EQ(line(*report, "aws_ebs_volume.v", "volume storage*")->quantity, units(10))
      << "730 GB for 10 of 730 hours";
  EXPECT_EQ(amount(*report, "aws_ebs_volume.v", "volume storage*"), "0.80");
  EXPECT_EQ(amount(*report, "aws_lb.l", "load balancer hours"), "0.23");
  EXPECT_EQ(amount(*report, "aws_instance.i", "root volume storage*"), "0.10");
  EXPECT_EQ(line(*report, "aws_instance.i", "instance hours*"), nullptr)
      << "as seen, or not at all";
  EXPECT_EQ(amount(*report, "nat-1", "gateway hours"), "0.45") << "in what hours it told anything";
  EXPECT_EQ(line(*report, "aws_nat_gateway.n", "*"), nullptr) << "billed once";
  EXPECT_EQ(amount(*report, "aws_nat_gateway.quiet", "gateway hours"), "0.45") << "it stands";
  EXPECT_THAT(report->warnings, testing::Contains(HasSubstr("no telemetry here meters")));
}

TEST(ToDate, AWholeMonthOfAVolumeCostsAMonthHoweverLongItIs) {
  const auto inventory = inventory_of(
      "region: us-east-1\nenvironment: prod\nresources:\n"
      "  - { address: v, type: aws_ebs_volume, attributes: { type: gp3, size: 100 } }\n");
  const auto cost = [&](const char* month, std::uint32_t first_hour, std::uint32_t hours) {
    return amount(*make_report({.month = month, .basis = ReportOptions::Basis::kToDate}, prices(),
                               *inventory, nullptr,
                               {used("metric_updates", "", 0, first_hour),
                                used("metric_updates", "", 0, first_hour + hours - 1)},
                               {}),
                  "v", "volume storage*");
  };
  constexpr std::uint32_t kJanuary = 490'896, kFebruary = kJanuary + 744;  // Of 2026.
  EXPECT_EQ(cost("2026-01", kJanuary, 744), "8.00");
  EXPECT_EQ(cost("2026-02", kFebruary, 672), "8.00");
  EXPECT_EQ(cost("2026-02", kFebruary, 336), "4.00") << "half of it";
}

TEST(ToDate, DatabasesAndZonesStandToo) {
  const auto inventory = inventory_of(
      "region: us-east-1\nenvironment: prod\nresources:\n"
      "  - { address: aws_db_instance.d, type: aws_db_instance, attributes: { engine: mysql, "
      "instance_class: db.t3.large } }\n"
      "  - { address: aws_db_instance.odd, type: aws_db_instance, attributes: { instance_class: "
      "db.t3.large } }\n"
      "  - { address: aws_rds_cluster_instance.a, type: aws_rds_cluster_instance, attributes: { "
      "engine: aurora-mysql, instance_class: db.r5.large } }\n"
      "  - { address: aws_route53_zone.z, type: aws_route53_zone }\n");
  const Report report =
      *make_report({.basis = ReportOptions::Basis::kToDate}, prices(), *inventory, nullptr,
                   {used("metric_updates", "", 0), used("metric_updates", "", 0, 500'009)}, {});
  EXPECT_EQ(amount(report, "aws_db_instance.d", "instance hours*"), "1.36") << "10 h";
  EXPECT_THAT(amount(report, "aws_db_instance.odd", "instance hours*"), HasSubstr("engine"));
  EXPECT_EQ(amount(report, "aws_rds_cluster_instance.a", "instance hours*"), "2.90");
  EXPECT_EQ(amount(report, "aws_route53_zone.z", "hosted zone"), "0.50") << "the whole month's";
}

TEST(ToDate, WhatAPlanWillChangeCountsAsItStands) {
  const std::string entry = "  - { address: aws_ebs_volume.v, type: aws_ebs_volume, id: vol-1, ";
  const Report report = to_date("region: us-east-1\nenvironment: prod\nresources:\n" + entry +
                                    "attributes: { type: gp3, size: 730 } }\n" + entry +
                                    "planned: true, attributes: { type: gp3, size: 7300 } }\n",
                                {used("nat_bytes", "nat-1", 0)});
  EXPECT_EQ(line(report, "aws_ebs_volume.v", "*")->quantity, units(1)) << "for one of 730 hours";
  EXPECT_EQ(report.environments.front().lines.size(), 4U);
}

TEST(ToDate, FlowLogsOfSeveralDestinationsPayTheDearest) {
  const auto cost = [](const std::string& logs) {
    return amount(
        *make_report({.basis = ReportOptions::Basis::kToDate}, prices(),
                     *inventory_of("region: us-east-1\nenvironment: prod\nresources:\n" + logs),
                     nullptr, {used("flow_log_bytes", "", 2ull << 30)}, {}),
        "flow logs", "*");
  };
  const std::string s3 =
      "  - { address: aws_flow_log.s, type: aws_flow_log, attributes: { log_destination_type: s3 } "
      "}\n";
  EXPECT_EQ(cost(s3), "0.50");
  EXPECT_EQ(cost(s3 + "  - { address: aws_flow_log.c, type: aws_flow_log }\n"), "1.00");
}

TEST(ToDate, TransferBetweenTheUsEastRegionsCostsHalf) {
  FlowUsage flow = accepted_egress(proto::PATH_CROSS_AZ, 100);
  flow.interface_az = "use1-az1";
  flow.peer_az = "use2-az1";
  const Report report =
      *make_report({.basis = ReportOptions::Basis::kToDate, .region = "us-east-1"}, prices(),
                   *inventory_of("environment: prod\n"), nullptr, {}, {flow});
  EXPECT_EQ(amount(report, "network", "transfer between us-east regions"), "1.00");
}

TEST(ToDate, TheWorkedNatExampleCostsSixteenFifteen) {
  const auto flow = [](proto::InterfaceRole role, proto::NatLeg leg, proto::FlowDirection direction,
                       std::uint64_t gb) {
    const bool inside = leg == proto::NAT_LEG_INSIDE;
    FlowUsage f = accepted_egress(inside ? proto::PATH_CROSS_AZ : proto::PATH_EXTERNAL, gb);
    f.role = role;
    f.nat_leg = leg;
    f.direction = direction;
    f.interface = role == proto::ROLE_NAT ? "eni-nat" : "eni-1";
    f.interface_az = role == proto::ROLE_NAT ? "use1-az2" : "use1-az1";
    f.owner = role == proto::ROLE_NAT && !inside ? "nat-1" : "i-1";
    f.owner_az = role == proto::ROLE_NAT && !inside ? "use1-az2" : "use1-az1";
    return f;
  };
  constexpr auto kIn = proto::DIRECTION_INGRESS;
  constexpr auto kOut = proto::DIRECTION_EGRESS;
  const std::vector<FlowUsage> flows{flow(proto::ROLE_INSTANCE, proto::NAT_LEG_NONE, kOut, 100),
                                     flow(proto::ROLE_INSTANCE, proto::NAT_LEG_NONE, kIn, 10),
                                     flow(proto::ROLE_NAT, proto::NAT_LEG_INSIDE, kIn, 100),
                                     flow(proto::ROLE_NAT, proto::NAT_LEG_INSIDE, kOut, 10),
                                     flow(proto::ROLE_NAT, proto::NAT_LEG_OUTSIDE, kOut, 100),
                                     flow(proto::ROLE_NAT, proto::NAT_LEG_OUTSIDE, kIn, 10)};
  ReportOptions options;
  options.basis = ReportOptions::Basis::kToDate;
  Result<Report> report = make_report(
      options, prices(),
      *inventory_of("region: us-east-1\nsubnets: [ { cidr: 10.0.0.0/24, az: us-east-1a } ]\n"),
      nullptr, {}, flows);
  ASSERT_TRUE(report);
  EXPECT_EQ(amount(*report, "eni-nat", "data processed"), "4.95");
  EXPECT_EQ(amount(*report, "network", "internet egress"), "9.00");
  EXPECT_EQ(amount(*report, "network", "cross-AZ*"), "2.20");
  // The gateway's hour and address besides: 0.045 + 0.005.
  EXPECT_EQ(cents_text(report->total), "16.20");
}

// --- Formats ---

Report sample() {
  Report report;
  report.month = "2026-11";
  report.basis = "estimate";
  EnvironmentReport prod;
  prod.environment = "prod";
  Line known;
  known.resource = "aws_nat_gateway.a|b";
  known.component = "gateway hours, <b>\"quoted\"</b>";
  known.quantity = units(730);
  known.unit = "h";
  known.price = parse_money("0.045");
  known.amount = parse_money("32.85");
  known.source = "inventory";
  Line unknown;
  unknown.resource = "=HYPERLINK(\"x\")\n";
  unknown.component = "Daten übertragen 数据";
  unknown.scope = "added";
  unknown.unit = "GB";
  unknown.price = parse_money("0.0000166667");
  unknown.source = "usage_file";
  unknown.reason = "depends on usage, \"so\" they say";
  prod.lines = {known, unknown};
  prod.total = prod.stated_total = *known.amount;
  report.environments = {prod};
  report.total = report.stated_total = *known.amount;
  report.unknown_lines = 1;
  report.warnings = {"bad byte \xff and <script>"};
  return report;
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = source_path("tests/golden/cost/" + name);
  if (std::getenv("FLEETMETER_REWRITE_GOLDEN") != nullptr)
    std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(text, read(path))
      << "rewrite with FLEETMETER_REWRITE_GOLDEN=1 and review the difference";
}

TEST(Render, Table) { expect_golden("report.txt", render(sample(), Format::kTable)); }
TEST(Render, Json) { expect_golden("report.json", render(sample(), Format::kJson)); }
TEST(Render, Csv) { expect_golden("report.csv", render(sample(), Format::kCsv)); }
TEST(Render, Markdown) { expect_golden("report.md", render(sample(), Format::kMarkdown)); }
TEST(Render, Html) { expect_golden("report.html", render(sample(), Format::kHtml)); }
TEST(Render, HyperionTable) {
  expect_golden("hyperion.txt", render(hyperion({.month = "2026-11"}), Format::kTable));
}
TEST(Render, HyperionJson) {
  expect_golden("hyperion.json", render(hyperion({.month = "2026-11"}), Format::kJson));
}

TEST(Render, NothingOfANameRunsOrBreaksOut) {
  EXPECT_THAT(render(sample(), Format::kHtml), testing::Not(HasSubstr("<script>")));
  EXPECT_THAT(render(sample(), Format::kCsv), HasSubstr("\"'=HYPERLINK(\"\"x\"\") \""));
  EXPECT_THAT(render(sample(), Format::kMarkdown), HasSubstr("a\\|b"));
  EXPECT_THAT(render(sample(), Format::kTable), testing::Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace fleetmeter::cost
