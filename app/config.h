#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/inventory.h"
#include "aggregator/shard.h"
#include "alarms/delivery.h"
#include "alarms/engine.h"
#include "cost/budget.h"
#include "ingest/files_source.h"
#include "ingest/firehose_source.h"
#include "ingest/kafka_source.h"
#include "proto/result.h"

namespace fleetmeter::app {

/// Where a secret comes from; never inline, never printed or logged.
struct SecretRef {
  std::string env;   ///< Name of an environment variable.
  std::string file;  ///< Path; the first line counts.
  [[nodiscard]] bool empty() const noexcept { return env.empty() && file.empty(); }
};

struct FirehoseConfig {
  ingest::FirehoseOptions options;
  SecretRef access_key;
};
struct KafkaConfig {
  ingest::KafkaSourceOptions options;
  std::map<std::string, SecretRef> secrets;  ///< librdkafka property -> secret (sasl.password).
};
struct NotifyConfig {
  alarms::Receiver receiver;
  SecretRef url, secret;
};

/// Where a value stands in the file, for what is wrong with it that shows later.
struct ConfigPlace {
  int line = 0;     ///< From 1.
  std::string key;  ///< A path like "inventory[0].terraform".
};

/// The whole configuration: plain values, defaults here, checked once at load. Unknown keys, wrong
/// types and impossible values are errors that name file, line, key and what would be right.
struct Config {
  std::string file;                            ///< Path it came from, "" = built in memory.
  std::string fleet = "fleet";                 ///< [A-Za-z0-9._-]{1,64}
  std::string state = "./fleetmeter-state";    ///< Directory of log.db and cost.db; relative to the
                                               ///< working directory.
  std::string http_listen = "127.0.0.1:8080";  ///< Port 0 takes a free one and prints it.
  std::vector<aggregator::EnvironmentMatch> environments;
  std::map<std::string, cost::Budget> budgets;  ///< By environment.
  std::vector<ingest::FilesOptions> files;
  std::vector<FirehoseConfig> firehose;
  std::vector<KafkaConfig> kafka;
  std::vector<std::string> inventory;         ///< Paths, relative to the configuration file.
  std::vector<ConfigPlace> inventory_places;  ///< One a path.
  std::vector<aggregator::SeriesSetting> series;
  std::uint32_t capture_interval_s = 0;  ///< Of flow logs: 0 = seen, 60 or 600.
  alarms::RuleSet rules;
  std::map<std::string, NotifyConfig> notify;
  std::uint32_t log_days = 14;
  std::uint64_t log_bytes_max = 20ull << 30;
  ingest::KafkaLogOptions kafka_log;                   ///< `kafka_log:` for ingest and evaluate.
  std::map<std::string, SecretRef> kafka_log_secrets;  ///< As KafkaConfig::secrets.
  std::vector<ingest::EnvironmentPartition>
      shards;  ///< `kafka_log.shards`: environment -> partition; else by order of declaration.
  std::string text;                               ///< The YAML as read, for ConfigVersion records.
  [[nodiscard]] std::string fingerprint() const;  ///< Of `text`: equal text, equal fingerprint.
};

/// What is wrong in a configuration, or, as a warning, a mix-up that does not stop.
struct ConfigProblem {
  int line = 0;     ///< From 1; 0 = of no line.
  std::string key;  ///< A path like "alarms[0].when"; empty = of no key.
  std::string message;
  [[nodiscard]] std::string text() const { return key.empty() ? message : key + ": " + message; }
};

/// A release that has learned to refuse more must still read what an earlier one took into the log.
enum class ConfigOrigin : std::uint8_t { kFile, kLog };
/// Opens no referenced file and no socket, resolves no secret. `problem`, where given, is the
/// error's own parts.
[[nodiscard]] Result<Config> parse_config(std::string_view yaml, const std::string& file,
                                          std::vector<ConfigProblem>& warnings,
                                          ConfigProblem* problem = nullptr,
                                          ConfigOrigin origin = ConfigOrigin::kFile);
[[nodiscard]] Result<Config> load_config(const std::string& file,
                                         std::vector<ConfigProblem>& warnings,
                                         ConfigProblem* problem = nullptr);

/// That the files of `inventory` can be opened, which parse_config does not try: else
/// kInvalidArgument with the place in the configuration, why, and what to do. For commands that are
/// about to read them.
[[nodiscard]] Result<void> check_inventory(const Config& config);

/// kInvalidArgument, naming what there is, for an `--environment` that the configuration does not
/// declare. One that declares none takes any name, and empty is fine.
[[nodiscard]] Result<void> check_environment(const Config& config, const std::string& environment);

/// Receivers with their secrets read from environment and files; the error names the variable or
/// file that is missing.
[[nodiscard]] Result<std::map<std::string, alarms::Receiver>> resolve_receivers(
    const Config& config);
/// `kafka_log` with its secrets in the connection's properties.
[[nodiscard]] Result<ingest::KafkaLogOptions> resolve_kafka_log(const Config& config);
[[nodiscard]] Result<std::string> resolve_secret(const SecretRef& secret);

}  // namespace fleetmeter::app
