#pragma once

#include <string>

#include "app/config.h"
#include "app/yaml_reader.h"

namespace fleetmeter::app {

// The parts of parse_config, one file a topic: config_sources.cc and config_rules.cc.

void read_sources(YamlContext& context, const YAML::Node& node, Config& config);
void read_kafka_log(YamlContext& context, const YAML::Node& node, Config& config);
void read_notify(YamlContext& context, const YAML::Node& node, Config& config);
void read_alarms(YamlContext& context, const YAML::Node& node, Config& config);
void read_scaling(YamlContext& context, const YAML::Node& node, Config& config);
/// Names that rules use must exist: receivers, environments, metrics.
void check_references(YamlContext& context, const YAML::Node& root, const Config& config);
/// Metrics of the flow logs must be those that there are.
void check_flow_rules(YamlContext& context, const YAML::Node& root, const Config& config);
/// A `%` in a condition is of a metric in percent, and a simple policy changes something.
void check_conditions(YamlContext& context, const YAML::Node& root, const Config& config);
/// KEY, KEY_env and KEY_file of a secret; KEY itself is refused unless `inline_allowed`.
SecretRef read_secret(YamlObject& object, const std::string& key, bool inline_allowed = false);
/// `region`, by the form of its name; empty when the key is missing.
std::string read_region(YamlObject& object);
/// host:port with a port of 0 to 65535.
[[nodiscard]] bool is_listen_address(const std::string& text);

}  // namespace fleetmeter::app
