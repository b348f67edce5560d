#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "cost/estimate.h"

namespace fleetmeter::cost {
namespace {

using aggregator::Resource;

/// A row of a deployment: the Multi-AZ one where the list has it, else twice the Single-AZ one
/// (Amazon RDS pricing).
Draft& add_deployed(Subject& subject, const std::string& component, const std::string& key,
                    bool multi_az, Quantity quantity) {
  const std::string multi = key + ".multi_az";
  if (multi_az && subject.estimator.prices.find(subject.region, multi) != nullptr)
    return subject.add(component, multi, quantity);
  Draft& draft = subject.add(component, key + ".single_az", quantity);
  draft.price_factor = multi_az ? 2 : 1;
  return draft;
}

/// IOPS that gp3 storage includes. Rule: Amazon RDS User Guide, "Amazon RDS DB instance storage",
/// "gp3 storage".
std::int64_t included_iops(const std::string& engine, Quantity size) {
  if (engine.starts_with("sqlserver")) return 3000;
  const std::int64_t threshold_gb = engine.starts_with("oracle") ? 200 : 400;
  return size >= units(threshold_gb) ? 12'000 : 3'000;
}

/// `facts`: the subject's, with what it has of its source.
void price_db_storage(Subject& subject, const Subject& facts, const std::string& engine,
                      bool multi_az) {
  const std::optional<Quantity> iops = facts.number("iops");
  std::string kind = facts.text("storage_type", iops ? "io1" : "gp2");
  const std::optional<Quantity> told = facts.number("allocated_storage");
  Quantity size = told.value_or(units(20));
  if (kind == "io1" || kind == "io2") size = std::max(size, units(100));
  Draft& storage = add_deployed(subject, fmt::format("storage, {}", kind), "rds.storage." + kind,
                                multi_az, size);
  storage.unit = "GB-month";
  if (!told) storage.reason = "size assumed: 20 GB";
  if (kind == "gp3") {
    const Quantity included = units(included_iops(engine, size));
    if (iops && *iops > included)
      add_deployed(subject, "IOPS, gp3", "rds.iops.gp3", multi_az, *iops - included);
    // 125 MiB/s come with 3,000 IOPS, 500 with 12,000.
    const Quantity throughput = facts.number("storage_throughput").value_or(Quantity{});
    const Quantity base = units(included == units(3000) ? 125 : 500);
    if (throughput > base)
      add_deployed(subject, "throughput, gp3", "rds.throughput.gp3", multi_az, throughput - base);
  } else if (kind == "io1" || kind == "io2") {
    add_deployed(subject, "IOPS, " + kind, "rds.iops." + kind, multi_az,
                 std::max(iops.value_or(units(1000)), units(1000)));
  } else if (kind == "standard") {
    subject.add_usage("I/O", "rds.io.standard", "monthly_standard_io_requests", 6);
  }
  // Free up to the size of all active storage in the region; what goes beyond depends on how fast
  // the data changes.
  const char* key = "additional_backup_storage_gb";
  if (subject.integer("backup_retention_period", 0) > 0 || subject.usage(key)) {
    subject.add_usage("backup storage beyond the free size", "rds.backup.storage", key);
  }
}

/// A publicly accessible database has one address, that of its primary. Rule: Amazon VPC pricing,
/// "Public IPv4 address". Left out: what a standby may hold, which AWS does not document.
void add_db_address(Subject& subject) {
  if (subject.flag("publicly_accessible"))
    subject.add("public IPv4", "vpc.public_ipv4.in_use", subject.month());
}

/// A week of history is included. Rule: Amazon RDS pricing, "Performance Insights".
void add_performance_insights(Subject& subject, const std::string& type) {
  if (subject.integer("performance_insights_retention_period", 7) <= 7 ||
      subject.text("performance_insights_enabled") == "false")
    return;
  const std::optional<Quantity> vcpus = vcpus_of(subject, type);
  Draft& draft = subject.add("Performance Insights, long-term retention",
                             "rds.performance_insights." + type, vcpus.value_or(Quantity{}));
  draft.unit = "vCPU-month";
  if (vcpus) return;
  draft.quantity.reset();
  draft.reason = fmt::format("the number of vCPUs of {} is not known", type);
}

/// From when on a major version pays for extended support, and from when on as in its third year.
/// Rule: Amazon RDS User Guide, "Supported MySQL major versions on Amazon RDS" and "Amazon RDS
/// Extended Support charges"; Amazon RDS for PostgreSQL Release Notes, "Release calendar".
struct ExtendedSupport {
  std::string_view engine, major;
  std::chrono::sys_days from, third_year;
};
const ExtendedSupport* find_extended_support(std::string_view engine, std::string_view version) {
  using namespace std::chrono;
  static constexpr ExtendedSupport kVersions[] = {
      {"mysql", "5.7", sys_days{2024y / 3 / 1}, sys_days{2026y / 3 / 1}},
      {"mysql", "8.0", sys_days{2026y / 8 / 1}, sys_days{2028y / 8 / 1}},
      {"postgres", "11", sys_days{2024y / 4 / 1}, sys_days{2026y / 4 / 1}},
      {"postgres", "12", sys_days{2025y / 3 / 1}, sys_days{2027y / 3 / 1}},
      {"postgres", "13", sys_days{2026y / 3 / 1}, sys_days{2028y / 3 / 1}}};
  // Aurora's versions of PostgreSQL have the same dates.
  if (engine == "aurora-postgresql") engine = "postgres";
  const auto found = std::ranges::find_if(kVersions, [&](const ExtendedSupport& one) {
    const bool is_major = version == one.major ||
                          (version.starts_with(one.major) && version[one.major.size()] == '.');
    return engine == one.engine && is_major;
  });
  return found == std::end(kVersions) ? nullptr : found;
}

/// By the vCPU and hour, of a standby too. Rule: Amazon RDS pricing, "Amazon RDS Extended Support".
void add_extended_support(Subject& subject, const std::string& engine, const std::string& version,
                          const std::string& type, bool multi_az) {
  if (engine == "aurora-mysql" && version.starts_with("5.7")) {
    return subject.add_unknown("extended support of aurora-mysql 5.7",
                               "unsupported: extended support of Aurora MySQL version 2");
  }
  const ExtendedSupport* support = find_extended_support(engine, version);
  const Period& period = subject.estimator.period;
  const Period all;
  if (support == nullptr || period.from_s == all.from_s || period.to_s == all.to_s) return;
  const auto hours_since = [&](std::chrono::sys_days day) {
    const std::int64_t day_s = std::chrono::sys_seconds{day}.time_since_epoch().count();
    return scale(subject.month(), period.to_s - std::clamp(day_s, period.from_s, period.to_s),
                 period.to_s - period.from_s);
  };
  const std::string component = fmt::format("extended support of {} {}", engine, support->major);
  const Quantity third_year = hours_since(support->third_year);
  const Quantity before = hours_since(support->from) - third_year;
  if (type == "db.serverless") {
    if (before + third_year > Quantity{})
      subject.add_unknown(component, "unsupported: extended support of serverless capacity");
    return;
  }
  const std::optional<Quantity> vcpus = vcpus_of(subject, type);
  const auto add = [&](const char* years, const char* key, Quantity hours) {
    if (hours == Quantity{}) return;
    Draft& draft =
        subject.add(fmt::format("{}, {}", component, years), key,
                    multiply(product(hours, vcpus.value_or(Quantity{})), multi_az ? 2 : 1));
    draft.unit = "vCPU-h";
    if (vcpus) return;
    draft.quantity.reset();
    draft.reason = fmt::format("the number of vCPUs of {} is not known", type);
  };
  add("years 1 and 2", "rds.extended_support.years_1_2", before);
  add("year 3", "rds.extended_support.year_3", third_year);
}

/// A read replica is of its source's engine and as large, and of the same class and storage where it
/// does not say otherwise. Rule: Amazon RDS API Reference, "CreateDBInstanceReadReplica".
Resource with_source(const Subject& database) {
  Resource facts = database.resource;
  const Resource* source = &database.resource;
  for (int depth = 0; depth < 4; ++depth) {  // Of a chain; a circle ends too.
    const Subject of(database.estimator, *source, "", "", {});
    source = database.estimator.find(
        "aws_db_instance", of.text("replicate_source_db", of.text("replicate_source_db_address")));
    if (source == nullptr) break;
    // Of another storage type, the source's performance says nothing.
    const bool same_storage = facts.attributes["storage_type"].empty();
    for (const std::string_view name :
         {"engine", "engine_version", "license_model", "instance_class", "allocated_storage",
          "storage_type", "iops", "storage_throughput"}) {
      if (!same_storage && (name == "iops" || name == "storage_throughput")) continue;
      const auto told = source->attributes.find(std::string(name));
      std::string& own = facts.attributes[std::string(name)];
      if (own.empty() && told != source->attributes.end()) own = told->second;
    }
  }
  return facts;
}

void price_db_instance(Subject& subject) {
  const Resource resource = with_source(subject);
  const Subject facts(subject.estimator, resource, "", "", {});
  const bool stopped = subject.text("status") == "stopped";
  if (!stopped) add_db_address(subject);
  const std::string engine = facts.text("engine");
  const std::string type = facts.text("instance_class");
  const bool multi_az = subject.flag("multi_az");
  if (engine.empty() || type.empty()) {
    return subject.add_unknown("instance hours",
                               "the database's engine or instance class is not known");
  }
  // Rule: Amazon RDS User Guide, "Stopping an Amazon RDS DB instance temporarily".
  if (stopped) return price_db_storage(subject, facts, engine, multi_az);
  add_performance_insights(subject, type);
  if (facts.text("license_model") == "bring-your-own-license") {
    subject.add_unknown("instance hours", "unsupported: bring-your-own-license");
    return price_db_storage(subject, facts, engine, multi_az);
  }
  add_deployed(subject,
               fmt::format("instance hours, {} {}{}", type, engine, multi_az ? " Multi-AZ" : ""),
               fmt::format("rds.instance.{}.{}", type, engine), multi_az, subject.month())
      .unit = "h";
  add_extended_support(subject, engine, facts.text("engine_version"), type, multi_az);
  // An instance of an Aurora cluster has no storage of its own.
  if (!engine.starts_with("aurora")) price_db_storage(subject, facts, engine, multi_az);
  // Rule: Amazon RDS pricing, "T4g and T3 CPU Credits".
  if (type.starts_with("db.t3.") || type.starts_with("db.t4g."))
    add_cpu_credits(subject, "rds.cpu_credits.t3", type, units(1));
}

/// Whether a cluster's storage is I/O-Optimized: dearer by the GB, and its I/O is free. Rule: Amazon
/// Aurora pricing, "Aurora Cluster Configurations".
bool is_io_optimized(const Subject& cluster) {
  return cluster.text("storage_type") == "aurora-iopt1";
}

void price_aurora_cluster(Subject& subject) {
  const std::string engine = subject.text("engine");
  if (!engine.starts_with("aurora"))
    return subject.add_unknown("storage", fmt::format("unsupported: cluster of engine {}", engine));
  const std::string storage = subject.text("storage_type", "aurora");
  if (is_io_optimized(subject)) {
    subject.add_usage("storage, I/O-Optimized", "rds.aurora.storage_io_optimized", "storage_gb");
    (void)subject.usage("monthly_io_requests");  // Free.
  } else if (storage != "aurora") {
    subject.add_unknown("storage", fmt::format("unsupported: storage type {}", storage));
  } else {
    subject.add_usage("storage", "rds.aurora.storage", "storage_gb");
    subject.add_usage("I/O", "rds.aurora.io", "monthly_io_requests", 6);
  }
  subject.add_if_used("backup storage", "rds.aurora.backup", "backup_snapshot_size_gb");
}

const Resource* cluster_of(const Subject& instance) {
  Estimator& all = instance.estimator;
  for (const char* attribute : {"cluster_identifier", "cluster_identifier_address"}) {
    const std::string name = instance.text(attribute);
    for (const Resource* one : all.of_type("aws_rds_cluster")) {
      const Subject cluster(all, *one, "", "", {});
      if (name.empty() ||
          (one->id != name && one->address != name && cluster.text("cluster_identifier") != name))
        continue;
      return one;
    }
  }
  return nullptr;
}

void price_aurora_instance(Subject& subject) {
  const std::string type = subject.text("instance_class");
  std::string engine = subject.text("engine"), version = subject.text("engine_version");
  add_db_address(subject);
  bool optimized = is_io_optimized(subject);
  if (const Resource* found = cluster_of(subject)) {
    const Subject cluster(subject.estimator, *found, "", "", {});
    optimized = optimized || is_io_optimized(cluster);
    if (engine.empty()) engine = cluster.text("engine");
    if (version.empty()) version = cluster.text("engine_version");
  }
  add_extended_support(subject, engine, version, type, false);
  if (type == "db.serverless") {
    return void(subject.add_usage(
        "serverless capacity",
        optimized ? "rds.aurora.serverless_v2_io_optimized" : "rds.aurora.serverless_v2",
        "monthly_acu_hrs"));
  }
  if (engine.empty() || type.empty()) {
    return subject.add_unknown("instance hours",
                               "the instance's engine or instance class is not known");
  }
  add_performance_insights(subject, type);
  subject
      .add(fmt::format("instance hours, {} {}{}", type, engine, optimized ? " I/O-Optimized" : ""),
           fmt::format("rds.instance.{}.{}.{}", type, engine,
                       optimized ? "io_optimized" : "single_az"),
           subject.month())
      .unit = "h";
}

void add_cache_nodes(Subject& subject, std::int64_t nodes) {
  const std::string type = subject.text("node_type"), engine = subject.text("engine", "redis");
  if (type.empty()) return subject.add_unknown("node hours", "the node type is not known");
  subject
      .add(fmt::format("node hours, {} {}", type, engine),
           fmt::format("elasticache.node.{}.{}", type, engine), multiply(subject.month(), nodes))
      .unit = "h";
  subject.add_if_used("backup storage", "elasticache.backup.storage", "snapshot_storage_size_gb");
}

void price_replication_group(Subject& subject) {
  std::int64_t nodes =
      subject.integer("num_cache_clusters", subject.integer("number_cache_clusters", 0));
  for (const char* block : {"", "cluster_mode.0."}) {
    const std::int64_t shards = subject.integer(std::string(block) + "num_node_groups", 0);
    if (shards > 0)
      nodes = shards * (1 + subject.integer(std::string(block) + "replicas_per_node_group", 0));
  }
  add_cache_nodes(subject, std::max<std::int64_t>(1, nodes));
}

void price_cache_cluster(Subject& subject) {
  // A member: the group bills its nodes.
  for (const char* group : {"replication_group_id", "replication_group_id_address"}) {
    if (!subject.text(group).empty()) return;
  }
  add_cache_nodes(subject, subject.integer("num_cache_nodes", 1));
}

/// Hours of provisioned capacity, of the table and its indexes. Left out: what auto scaling makes of
/// it.
void add_capacity(Subject& subject, const std::string& component, const std::string& key,
                  const std::string& attribute, const std::string& region) {
  std::optional<Quantity> sum = subject.number(attribute);
  for (std::int64_t i = 0; i < subject.count("global_secondary_index"); ++i) {
    const auto more = subject.number(fmt::format("global_secondary_index.{}.{}", i, attribute));
    sum = sum && more ? std::optional(*sum + *more) : std::nullopt;
  }
  Draft& draft = subject.add(component, key, product(sum.value_or(Quantity{}), subject.month()));
  draft.region = region;
  if (sum) return;
  draft.quantity.reset();
  draft.reason = fmt::format("{} of the table or an index is not known", attribute);
}

/// A replica takes every write once more, and stores the table again, at its own region's prices.
void add_table_replica(Subject& subject, const std::string& at, bool on_demand) {
  const std::string region = at.empty() ? subject.region : at;
  const auto in_region = [&region](Draft& draft) { draft.region = region; };
  const std::string name = at.empty() ? "replica" : "replica in " + at;
  if (on_demand) {
    in_region(subject.add_usage(name + ", replicated writes", "dynamodb.on_demand.write",
                                "monthly_write_request_units", 6));
  } else {
    add_capacity(subject, name + ", replicated write capacity", "dynamodb.provisioned.write",
                 "write_capacity", region);
  }
  in_region(subject.add_usage(name + ", storage", "dynamodb.storage", "storage_gb"));
}

void price_table(Subject& subject) {
  const bool on_demand = subject.text("billing_mode") == "PAY_PER_REQUEST";
  if (on_demand) {
    subject.add_usage("write requests", "dynamodb.on_demand.write", "monthly_write_request_units",
                      6);
    subject.add_usage("read requests", "dynamodb.on_demand.read", "monthly_read_request_units", 6);
  } else {
    add_capacity(subject, "write capacity", "dynamodb.provisioned.write", "write_capacity",
                 subject.region);
    add_capacity(subject, "read capacity", "dynamodb.provisioned.read", "read_capacity",
                 subject.region);
  }
  subject.add_usage("storage", "dynamodb.storage", "storage_gb");
  subject.add_if_used("point-in-time recovery", "dynamodb.pitr", "pitr_backup_storage_gb");
  subject.add_if_used("on-demand backup", "dynamodb.backup", "on_demand_backup_storage_gb");
  subject.add_if_used("restored data", "dynamodb.restore", "monthly_data_restored_gb");
  subject.add_if_used("stream reads", "dynamodb.streams.read", "monthly_streams_read_request_units",
                      6);
  for (std::int64_t i = 0; i < subject.count("replica"); ++i) {
    const std::string at = subject.text(fmt::format("replica.{}.region_name", i));
    add_table_replica(subject, at, on_demand);
  }
}

/// Classes by the names of the usage file.
void price_bucket(Subject& subject) {
  subject.add_usage("standard storage", "s3.standard.storage", "standard.storage_gb");
  for (const char* kind : {"standard", "standard_infrequent_access", "one_zone_infrequent_access",
                           "intelligent_tiering", "glacier_instant_retrieval",
                           "glacier_flexible_retrieval", "glacier_deep_archive"}) {
    const std::string own = fmt::format("{}.", kind), price = fmt::format("s3.{}.", kind);
    subject.add_if_used(fmt::format("{} PUT, COPY, POST, LIST requests", kind),
                        price + "tier_1_requests", own + "monthly_tier_1_requests", 3);
    subject.add_if_used(fmt::format("{} GET, SELECT and other requests", kind),
                        price + "tier_2_requests", own + "monthly_tier_2_requests", 3);
    subject.add_if_used(fmt::format("{} lifecycle transitions", kind), price + "transitions",
                        own + "monthly_lifecycle_transition_requests", 3);
    for (const char* retrieval :
         {"monthly_data_retrieval_gb", "monthly_standard_data_retrieval_gb"}) {
      subject.add_if_used(fmt::format("{} retrieval", kind), price + "retrieval", own + retrieval);
    }
    if (std::string_view(kind) != "standard")
      subject.add_if_used(fmt::format("{} storage", kind), price + "storage", own + "storage_gb");
  }
  for (const std::string tier :
       {"frequent", "infrequent", "archive_instant", "archive", "deep_archive"}) {
    subject.add_if_used(fmt::format("intelligent_tiering {} access storage", tier),
                        "s3.intelligent_tiering." + tier,
                        fmt::format("intelligent_tiering.{}_access_storage_gb", tier));
  }
  subject.add_if_used("intelligent_tiering monitoring", "s3.intelligent_tiering.monitoring",
                      "intelligent_tiering.monitored_objects", 3);
  const std::string flexible = "glacier_flexible_retrieval", deep = "glacier_deep_archive";
  subject.add_if_used(flexible + " expedited retrieval", "s3." + flexible + ".expedited_retrieval",
                      flexible + ".monthly_expedited_data_retrieval_gb");
  subject.add_if_used(flexible + " expedited retrieval requests",
                      "s3." + flexible + ".expedited_requests",
                      flexible + ".monthly_expedited_data_retrieval_requests", 3);
  subject.add_if_used(deep + " bulk retrieval", "s3." + deep + ".bulk_retrieval",
                      deep + ".monthly_bulk_data_retrieval_gb");
}

void price_secret(Subject& subject) {
  subject.add("secret", "secretsmanager.secret", units(1 + subject.count("replica")));
  subject.add_if_used("requests", "secretsmanager.requests", "monthly_requests", 4);
}

void price_key(Subject& subject) {
  subject.add("key", "kms.key", units(1));
  subject.add_if_used("requests", "kms.requests", "monthly_requests", 4);
}

void price_repository(Subject& subject) {
  subject.add_usage("storage", "ecr.storage", "storage_gb");
}

}  // namespace

std::vector<TypeEntry> data_types() {
  return {{"aws_db_instance", price_db_instance},
          {"aws_rds_cluster", price_aurora_cluster},
          {"aws_rds_cluster_instance", price_aurora_instance},
          {"aws_elasticache_replication_group", price_replication_group},
          {"aws_elasticache_cluster", price_cache_cluster},
          {"aws_dynamodb_table", price_table},
          {"aws_s3_bucket", price_bucket},
          {"aws_secretsmanager_secret", price_secret},
          {"aws_kms_key", price_key},
          {"aws_ecr_repository", price_repository}};
}

}  // namespace fleetmeter::cost
