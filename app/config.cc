#include "app/config.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "app/config_parts.h"
#include "cost/money.h"
#include "cost/price_book.h"

namespace fleetmeter::app {

namespace {

constexpr std::size_t kConfigBytesMax =
    8u << 20;  // A configuration beyond this is a mistake, not a fleet.

bool is_name(const std::string& text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

/// "us-east-1", "us-gov-west-1", "eusc-de-east-1": by its form, since AWS adds regions.
bool is_region(std::string_view text) {
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::size_t first = text.find('-'), last = text.rfind('-');
  if (first == std::string_view::npos || first == last) return false;
  const std::string_view area = text.substr(0, first), number = text.substr(last + 1);
  if (area.size() < 2 || area.size() > 4 || number.empty() || number.size() > 2) return false;
  if (!std::all_of(number.begin(), number.end(), is_digit)) return false;
  char before = '-';
  for (const char c : text.substr(0, last)) {
    if (c == '-' ? before == '-' : !is_lower(c)) return false;
    before = c;
  }
  return before != '-';
}

void read_match(YamlContext& context, const YAML::Node& node, const std::string& path,
                aggregator::EnvironmentMatch& match) {
  YamlObject object(context, node, path);
  YamlObject tags(context, object.take("tag"), object.path_of("tag"));
  for (const auto& [key, value] : tags.entries()) {
    match.tags[key] = yaml_scalar(context, value, tags.path_of(key.c_str())).value_or("");
  }
  for (const std::string& vpc : object.texts("vpc")) match.vpcs.push_back(vpc);
  for (const std::string& subnet : object.texts("subnet")) match.subnets.push_back(subnet);
  for (const std::string& group : object.texts("group")) match.groups.push_back(group);
  for (const std::string& instance : object.texts("instance")) match.instances.push_back(instance);
  object.done();
}

cost::Budget read_budget(YamlContext& context, const YAML::Node& node, const std::string& path) {
  cost::Budget budget;
  YamlObject object(context, node, path);
  const std::string usd = object.required_text("monthly_usd");
  const auto money = cost::parse_money(usd);
  if (!money && usd.find_first_not_of("0123456789.") == std::string::npos &&
      std::ranges::count(usd, '.') <= 1 && usd.size() > 1) {
    object.fail("monthly_usd", "`" + usd +
                                   "` cannot be counted: at most 922 million USD, with at most 10 "
                                   "digits behind the point");
  } else if (!usd.empty() && (!money || money->e10_usd <= 0)) {
    object.fail("monthly_usd", "`" + usd + "` is not an amount above 0, like 500 or 499.99");
  }
  if (money) budget.monthly = *money;
  for (const std::string& text : object.texts("alert_at")) {
    const bool percent = !text.empty() && text.back() == '%';
    const auto value = parse_integer(percent ? std::string_view(text).substr(0, text.size() - 1)
                                             : std::string_view(text));
    if (!percent || !value || *value < 1 || *value > 1000) {
      object.fail("alert_at", "`" + text + "` is not a share of the budget, like 80%");
      continue;
    }
    budget.alert_at_percent.push_back(static_cast<std::uint32_t>(*value));
  }
  object.done();
  return budget;
}

void read_environments(YamlContext& context, const YAML::Node& node, Config& config) {
  YamlObject environments(context, node, "environments");
  for (const auto& [name, entry] : environments.entries()) {
    const std::string path = "environments." + name;
    if (!is_name(name))
      context.fail(entry, path, "a name has 1 to 64 letters, digits, `.`, `_` or `-`");
    if (name == "unassigned")
      context.fail(entry, path,
                   "`unassigned` is the name of what no environment matches; choose another");
    YamlObject object(context, entry, path);
    aggregator::EnvironmentMatch match;
    match.name = name;
    match.accounts = object.texts("accounts");
    match.region = read_region(object);
    if (const YAML::Node given = object.take("match"); given.IsDefined())
      read_match(context, given, object.path_of("match"), match);
    if (const YAML::Node given = object.take("budget"); given.IsDefined())
      config.budgets[name] = read_budget(context, given, object.path_of("budget"));
    object.done();
    config.environments.push_back(std::move(match));
  }
}

/// Rule: AWS Account Management Reference Guide, "View AWS account identifiers".
void check_accounts(YamlContext& context, const YAML::Node& root, const Config& config) {
  for (const aggregator::EnvironmentMatch& one : config.environments) {
    for (const std::string& account : one.accounts) {
      if (account.size() == 12 && account.find_first_not_of("0123456789") == std::string::npos)
        continue;
      const YAML::Node entry = root["environments"][one.name];
      context.warn(entry["accounts"], "environments." + one.name + ".accounts",
                   "`" + account + "` is not an account id: 12 digits in quotes, like " +
                       "\"123456789012\"");
    }
  }
}

/// `- terraform: state.json` or a bare path; the kind is a hint for people, content decides.
void read_inventory(YamlContext& context, const YAML::Node& node, Config& config) {
  if (!node.IsDefined()) return;
  if (!node.IsSequence())
    return context.fail(node, "inventory", "must be a list, like [ terraform: state.json ]");
  const auto add = [&](const YAML::Node& at, const std::string& key, const std::string& path) {
    if (path.empty()) context.fail(at, key, "names no file");
    if (path == "-")
      context.fail(at, key, "`-` is not supported: an inventory is a file, like state.json");
    config.inventory.push_back(context.path_from_file(path));
    config.inventory_places.push_back({at.Mark().line + 1, key});
  };
  static const std::set<std::string> kKinds{"terraform", "aws", "file"};
  for (std::size_t i = 0; i < node.size(); ++i) {
    const std::string path = "inventory[" + std::to_string(i) + "]";
    if (node[i].IsScalar()) {
      add(node[i], path, node[i].Scalar());
      continue;
    }
    YamlObject object(context, node[i], path);
    if (object.entries().empty()) context.fail(node[i], path, "names no file");
    for (const auto& [kind, value] : object.entries()) {
      if (!kKinds.contains(kind))
        context.fail(value, path,
                     "`" + kind + "` is not a kind of inventory; use terraform, aws or file");
      const auto name = yaml_scalar(context, value, path + "." + kind);
      if (name) add(value, path + "." + kind, *name);
    }
  }
}

void read_series(YamlContext& context, const YAML::Node& node, Config& config) {
  if (!node.IsDefined()) return;
  if (!node.IsSequence())
    return context.fail(node, "series",
                        "must be a list of { namespace, name, period, publication_delay }");
  for (std::size_t i = 0; i < node.size(); ++i) {
    YamlObject object(context, node[i], "series[" + std::to_string(i) + "]");
    aggregator::SeriesSetting setting;
    setting.metric_namespace = object.text("namespace");
    setting.name = object.text("name");
    setting.own_period_s = object.duration_s("period", 0, 1, 86400);
    const std::uint32_t delay_s = object.duration_s("publication_delay", 0, 0, 172800);
    if (object.has("publication_delay")) setting.publication_delay_s = delay_s;
    object.done();
    config.series.push_back(std::move(setting));
  }
}

void read_http(YamlContext& context, const YAML::Node& node, Config& config) {
  YamlObject object(context, node, "http");
  config.http_listen = object.text("listen", config.http_listen);
  if (!is_listen_address(config.http_listen))
    object.fail("listen", "`" + config.http_listen + "` is not host:port, like 127.0.0.1:8080");
  object.done();
}

void read_log(YamlContext& context, const YAML::Node& node, Config& config) {
  YamlObject object(context, node, "log");
  config.log_days = static_cast<std::uint32_t>(object.integer("days", 14, 1, 400));
  config.log_bytes_max =
      static_cast<std::uint64_t>(object.integer("bytes_max", 20LL << 30, 1 << 20, 1LL << 50));
  if (object.has("bytes_max") && !config.kafka_log.connection.brokers.empty()) {
    context.warn(
        object.node(), "log.bytes_max",
        "is for `run`; over Kafka the log is pruned by `days` alone, and `retention.bytes` "
        "of the aggregate topic bounds it");
  }
  object.done();
}

/// Over Kafka nobody reads them.
void warn_of_sources_of_run(YamlContext& context, const YAML::Node& sources, const Config& config) {
  if (config.kafka_log.connection.brokers.empty() || !sources.IsDefined()) return;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const YAML::Node source = sources[i];
    if (!source.IsMap() || source["kafka"].IsDefined()) continue;
    context.warn(source, "sources[" + std::to_string(i) + "]",
                 "is read by `run` only; `ingest` reads the Kafka sources");
  }
}

void read_root(YamlContext& context, const YAML::Node& root, Config& config) {
  YamlObject object(context, root, "");
  config.fleet = object.text("fleet", config.fleet);
  if (!is_name(config.fleet))
    object.fail("fleet", "a name has 1 to 64 letters, digits, `.`, `_` or `-`");
  config.state = object.text("state", config.state);
  read_http(context, object.take("http"), config);
  read_environments(context, object.take("environments"), config);
  const YAML::Node sources = object.take("sources");
  read_sources(context, sources, config);
  read_kafka_log(context, object.take("kafka_log"), config);
  warn_of_sources_of_run(context, sources, config);
  read_inventory(context, object.take("inventory"), config);
  read_series(context, object.take("series"), config);
  YamlObject flow_logs(context, object.take("flow_logs"), "flow_logs");
  config.capture_interval_s = flow_logs.duration_s("capture_interval", 0, 60, 600);
  if (config.capture_interval_s != 0 && config.capture_interval_s != 60 &&
      config.capture_interval_s != 600) {
    flow_logs.fail("capture_interval", "must be 60s or 600s, the two that VPC flow logs know");
  }
  flow_logs.done();
  read_log(context, object.take("log"), config);
  read_alarms(context, object.take("alarms"), config);
  read_scaling(context, object.take("scaling"), config);
  read_notify(context, object.take("notify"), config);
  object.done();
  check_references(context, root, config);
}

/// "FILE:LINE: KEY: MESSAGE", and its parts in `parts` where that is given.
Error refuse(const std::string& file, ConfigProblem problem, ConfigProblem* parts,
             ErrorCode code = ErrorCode::kInvalidArgument) {
  const std::string at = problem.line > 0 ? ":" + std::to_string(problem.line) : "";
  Error error{code, file + at + ": " + problem.text()};
  if (parts != nullptr) *parts = std::move(problem);
  return error;
}

}  // namespace

bool is_listen_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const auto port = parse_integer(std::string_view(text).substr(colon + 1));
  return port && *port >= 0 && *port <= 65535;
}

std::string read_region(YamlObject& object) {
  std::string region = object.text("region");
  if (!object.has("region") || is_region(region)) return region;
  const auto prices = cost::PriceBook::embedded();
  const std::string near = prices ? nearest_word(region, prices->regions()) : std::string();
  object.fail("region", "`" + region + "` is not an AWS region" +
                            (near.empty() ? ", like us-east-1" : "; did you mean `" + near + "`?"));
  return region;
}

SecretRef read_secret(YamlObject& object, const std::string& key, bool inline_allowed) {
  SecretRef secret;
  secret.env = object.text((key + "_env").c_str());
  secret.file = object.path_text((key + "_file").c_str());
  if (!inline_allowed && object.has(key.c_str())) {
    (void)object.take(key.c_str());
    object.fail(key.c_str(), "is a secret: name an environment variable with `" + key +
                                 "_env` or a file with `" + key + "_file`");
  }
  if (!secret.env.empty() && !secret.file.empty())
    object.fail((key + "_env").c_str(), "and `" + key + "_file` are both given; keep one");
  return secret;
}

std::string Config::fingerprint() const {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < 16; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

/// Of a line counted from 1; 0 is none.
static bool is_indented_by_tab(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  const std::string_view indent = text.substr(0, text.find_first_not_of(" \t"));
  return line > 0 && indent.find('\t') != std::string_view::npos;
}

Result<Config> parse_config(std::string_view yaml, const std::string& file,
                            std::vector<ConfigProblem>& warnings, ConfigProblem* problem,
                            ConfigOrigin origin) {
  if (yaml.size() > kConfigBytesMax)
    return refuse(file, {0, "", "is over 8 MiB; is it a configuration?"}, problem);
  Config config;
  config.file = file;
  config.text = std::string(yaml);
  YamlContext context(file, warnings);
  try {
    if (holds_more_documents(config.text))
      return refuse(file, {0, "", "holds more than one YAML document; keep one"}, problem);
    if (const YAML::Node root = YAML::Load(config.text); !root.IsNull()) {
      read_root(context, root, config);
      if (origin == ConfigOrigin::kFile) {
        check_accounts(context, root, config);
        check_flow_rules(context, root, config);
        check_conditions(context, root, config);
      }
    }
  } catch (const YAML::Exception& wrong) {
    const int line = wrong.mark.is_null() ? 0 : wrong.mark.line + 1;
    std::string what = "not YAML: " + wrong.msg;
    // A condition without quotes.
    if (wrong.msg == YAML::ErrorMsg::CHAR_IN_BLOCK)
      what += "; a text that begins with > or | is quoted, like \"> 80\"";
    if (is_indented_by_tab(config.text, line))
      what += "; the line is indented by a tab, where YAML wants blanks";
    return refuse(file, {line, "", what}, problem);
  }
  if (context.problem()) return refuse(file, *context.problem(), problem);
  return config;
}

Result<Config> load_config(const std::string& file, std::vector<ConfigProblem>& warnings,
                           ConfigProblem* problem) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    return refuse(file, {0, "", "is a directory; name the fleet.yaml in it"}, problem);
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    const std::string why = std::strerror(errno);
    const bool is_missing = !std::filesystem::exists(file, error) && !error;
    return refuse(file,
                  {0, "",
                   "cannot be opened: " + why +
                       (is_missing ? "; `fleetmeter help config` prints one to start from" : "")},
                  problem, ErrorCode::kNotFound);
  }
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  return parse_config(text, file, warnings, problem);
}

Result<std::string> resolve_secret(const SecretRef& secret) {
  if (!secret.env.empty()) {
    const char* value = std::getenv(secret.env.c_str());
    if (value == nullptr || *value == '\0')
      return Error{ErrorCode::kInvalidArgument,
                   "environment variable " + secret.env + " is not set"};
    return std::string(value);
  }
  std::ifstream stream(secret.file);
  std::string line;
  if (!stream || !std::getline(stream, line))
    return Error{ErrorCode::kInvalidArgument,
                 "secret file " + secret.file + " cannot be read or is empty"};
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

Result<ingest::KafkaLogOptions> resolve_kafka_log(const Config& config) {
  ingest::KafkaLogOptions options = config.kafka_log;
  for (const auto& [property, secret] : config.kafka_log_secrets) {
    auto value = resolve_secret(secret);
    if (!value) return std::move(value).error().with_context("kafka_log: " + property);
    options.connection.properties[property] = *std::move(value);
  }
  return options;
}

Result<std::map<std::string, alarms::Receiver>> resolve_receivers(const Config& config) {
  std::map<std::string, alarms::Receiver> receivers;
  for (const auto& [name, notify] : config.notify) {
    alarms::Receiver receiver = notify.receiver;
    for (const auto& [secret, value] :
         {std::pair{&notify.url, &receiver.url}, std::pair{&notify.secret, &receiver.secret}}) {
      if (secret->empty()) continue;
      auto resolved = resolve_secret(*secret);
      if (!resolved) return std::move(resolved).error().with_context("notify." + name);
      *value = *std::move(resolved);
    }
    if (const auto usable = alarms::check_receiver(receiver); !usable)
      return Error{usable.error()}.with_context("notify." + name);
    receivers.emplace(name, std::move(receiver));
  }
  return receivers;
}

Result<void> check_inventory(const Config& config) {
  for (std::size_t i = 0; i < config.inventory.size(); ++i) {
    const std::string& path = config.inventory[i];
    if (std::ifstream(path, std::ios::binary)) continue;
    const int failed = errno;
    const ConfigPlace place =
        i < config.inventory_places.size() ? config.inventory_places[i] : ConfigPlace{};
    std::string todo = "; allow its reading to the user that runs this";
    if (failed == ENOENT && path.find_first_of("*?[") != std::string::npos) {
      todo = "; patterns are not read here, name the files one by one";
    } else if (failed == ENOENT) {
      todo = place.key.ends_with(".terraform")
                 ? "; write it with `terraform show -json`, or name another"
                 : "; name a file that there is, or leave the entry out";
      todo += " (paths are relative to the configuration)";
    }
    return refuse(config.file, {place.line, place.key, path + ": " + std::strerror(failed) + todo},
                  nullptr);
  }
  return {};
}

Result<void> check_environment(const Config& config, const std::string& environment) {
  if (environment.empty() || environment == "unassigned" || config.environments.empty()) return {};
  std::string declared;
  for (const aggregator::EnvironmentMatch& match : config.environments) {
    if (match.name == environment) return {};
    declared += match.name + ", ";
  }
  return Error{ErrorCode::kInvalidArgument,
               "--environment: `" + environment + "` is none of " + declared + "unassigned"};
}

}  // namespace fleetmeter::app
