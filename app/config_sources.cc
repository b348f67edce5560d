#include "app/config_parts.h"

namespace fleetmeter::app {

namespace {

void read_settings(YamlObject& object, ingest::SourceSettings& settings, std::uint32_t lateness_s) {
  settings.flow_format = object.text("flow_format");
  settings.environment = object.text("environment");
  settings.account = object.text("account");
  settings.region = read_region(object);
  settings.environments = object.texts("environments");
  settings.allowed_lateness_s = object.duration_s("allowed_lateness", lateness_s, 0, 172800);
}

/// librdkafka's own settings, and the password that none of them may hold.
void read_properties(YamlContext& context, YamlObject& object,
                     std::map<std::string, std::string>& into,
                     std::map<std::string, SecretRef>& secrets) {
  YamlObject properties(context, object.take("properties"), object.path_of("properties"));
  for (const auto& [key, value] : properties.entries()) {
    const bool secret = key.find("password") != std::string::npos ||
                        key.find("secret") != std::string::npos || key == "ssl.key.pem";
    if (secret) {
      properties.fail(key.c_str(),
                      "is a secret: use `password_env` or `password_file` beside `properties`, or "
                      "a property that names a file");
    }
    into[key] = yaml_scalar(context, value, properties.path_of(key.c_str())).value_or("");
  }
  const SecretRef password = read_secret(object, "password");
  if (!password.empty()) secrets["sasl.password"] = password;
}

void read_kafka(YamlContext& context, YamlObject& object, Config& config, const std::string& name) {
  KafkaConfig kafka;
  kafka.options.settings.name = name;
  kafka.options.connection.brokers = object.required_text("brokers");
  kafka.options.group = object.text("group", "fleetmeter");
  const YAML::Node topics = object.required("topics");
  if (topics.IsDefined() && topics.IsSequence()) {
    kafka.options.topics = object.texts("topics");
  } else {
    YamlObject by_kind(context, topics, object.path_of("topics"));
    for (const char* kind : {"flow_logs", "metrics"}) {
      for (std::string& topic : by_kind.texts(kind))
        kafka.options.topics.push_back(std::move(topic));
    }
    by_kind.done();
  }
  if (kafka.options.topics.empty())
    object.fail("topics", "names no topic; write { flow_logs: TOPIC, metrics: TOPIC }");
  read_properties(context, object, kafka.options.connection.properties, kafka.secrets);
  read_settings(object, kafka.options.settings, 600);
  config.kafka.push_back(std::move(kafka));
}

void read_firehose(YamlContext& context, YamlObject& object, Config& config,
                   const std::string& name) {
  FirehoseConfig firehose;
  firehose.options.settings.name = name;
  firehose.options.listen = object.required_text("listen");
  if (!is_listen_address(firehose.options.listen))
    object.fail("listen", "`" + firehose.options.listen + "` is not host:port, like 0.0.0.0:8443");
  firehose.access_key = read_secret(object, "access_key");
  YamlObject tls(context, object.take("tls"), object.path_of("tls"));
  firehose.options.tls_cert = tls.path_text("cert");
  firehose.options.tls_key = tls.path_text("key");
  if (firehose.options.tls_cert.empty() != firehose.options.tls_key.empty()) {
    object.fail("tls", "needs both `cert` and `key`, the paths of two PEM files");
  }
  tls.done();
  read_settings(object, firehose.options.settings, 600);
  config.firehose.push_back(std::move(firehose));
}

void read_files(YamlContext& context, YamlObject& object, Config& config, const std::string& name) {
  ingest::FilesOptions files;
  files.settings.name = name;
  files.paths = object.texts("paths");
  if (files.paths.empty()) object.fail_missing("paths", "names no file, directory or pattern");
  for (std::string& path : files.paths) path = context.path_from_file(path);
  files.follow = object.boolean("follow", false);
  read_settings(object, files.settings, 900);
  config.files.push_back(std::move(files));
}

}  // namespace

void read_sources(YamlContext& context, const YAML::Node& node, Config& config) {
  if (!node.IsDefined()) return;
  if (!node.IsSequence())
    return context.fail(node, "sources", "must be a list, like [ files: { paths: [flow/] } ]");
  for (std::size_t i = 0; i < node.size(); ++i) {
    const std::string path = "sources[" + std::to_string(i) + "]";
    YamlObject entry(context, node[i], path);
    using Read = void (*)(YamlContext&, YamlObject&, Config&, const std::string&);
    static constexpr std::pair<const char*, Read> kKinds[] = {
        {"kafka", read_kafka}, {"firehose", read_firehose}, {"files", read_files}};
    int kinds = 0;
    for (const auto& [kind, read] : kKinds) {
      const YAML::Node body = entry.take(kind);
      if (!body.IsDefined()) continue;
      ++kinds;
      if (body.IsNull()) {
        context.fail(body, entry.path_of(kind),
                     "is empty; its keys stand in { } behind it, or below it and further in");
        break;
      }
      YamlObject object(context, body, entry.path_of(kind));
      read(context, object, config, std::string(kind) + ":" + std::to_string(i));
      object.done();
    }
    entry.done();
    if (kinds != 1) context.fail(node[i], path, "must be exactly one of kafka, firehose, files");
  }
}

void read_kafka_log(YamlContext& context, const YAML::Node& node, Config& config) {
  YamlObject object(context, node, "kafka_log");
  if (!node.IsDefined()) return;
  config.kafka_log.connection.brokers = object.required_text("brokers");
  read_properties(context, object, config.kafka_log.connection.properties,
                  config.kafka_log_secrets);
  config.kafka_log.prefix = object.text("prefix", "fleetmeter");
  config.kafka_log.partitions = static_cast<std::int32_t>(object.integer("partitions", 4, 1, 1000));
  config.kafka_log.replication = static_cast<std::int16_t>(object.integer("replication", 1, 1, 10));
  config.kafka_log.instance = object.text("instance");
  config.kafka_log.session_timeout_ms = object.duration_s("session_timeout", 6, 1, 300) * 1000;
  config.kafka_log.transaction_timeout_ms =
      object.duration_s("transaction_timeout", 10, 1, 900) * 1000;
  YamlObject shards(context, object.take("shards"), object.path_of("shards"));
  for (const auto& [environment, value] : shards.entries()) {
    const std::int64_t partition =
        shards.integer(environment.c_str(), 0, 0, config.kafka_log.partitions - 1);
    config.shards.push_back({environment, static_cast<std::int32_t>(partition)});
  }
  object.done();
}

/// An inline URL: http or https, a host, and no password in it.
static void check_url(YamlObject& object, const std::string& url) {
  if (url.empty()) return;
  const std::size_t host = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (host == 0) return object.fail("url", "must start with https:// or http://");
  const std::string authority = url.substr(host, url.find_first_of("/?#", host) - host);
  if (authority.empty()) return object.fail("url", "names no host");
  if (authority.find('@') != std::string::npos)
    object.fail("url", "holds a user and password: name a variable that holds it with `url_env`");
}

void read_notify(YamlContext& context, const YAML::Node& node, Config& config) {
  using Kind = alarms::Receiver::Kind;
  static constexpr std::pair<const char*, Kind> kKinds[] = {{"webhook", Kind::kWebhook},
                                                            {"slack", Kind::kSlack},
                                                            {"pagerduty", Kind::kPagerDuty},
                                                            {"alertmanager", Kind::kAlertmanager}};
  YamlObject receivers(context, node, "notify");
  for (const auto& [name, value] : receivers.entries()) {
    YamlObject entry(context, value, "notify." + name);
    int kinds = 0;
    for (const auto& [kind_name, kind] : kKinds) {
      const YAML::Node body = entry.take(kind_name);
      if (!body.IsDefined()) continue;
      ++kinds;
      YamlObject object(context, body, entry.path_of(kind_name));
      NotifyConfig notify;
      notify.receiver.name = name;
      notify.receiver.kind = kind;
      if (kind == Kind::kPagerDuty) {
        notify.receiver.url = object.text("url", "https://events.pagerduty.com/v2/enqueue");
        notify.secret = read_secret(object, "routing_key");
        if (notify.secret.empty())
          object.fail("routing_key_env",
                      "is missing: name the variable that holds the routing key");
      } else {
        const bool url_is_secret =
            kind == Kind::kSlack;  // Whoever has a Slack webhook's URL can post.
        notify.url = read_secret(object, "url", !url_is_secret);
        if (!url_is_secret) notify.receiver.url = object.text("url");
        if (notify.url.empty() && notify.receiver.url.empty())
          object.fail(url_is_secret ? "url_env" : "url", "is missing");
        if (kind == Kind::kWebhook) notify.secret = read_secret(object, "secret");
      }
      check_url(object, notify.receiver.url);
      notify.receiver.send_ok = object.boolean("send_ok", true);
      notify.receiver.timeout_ms = object.duration_s("timeout", 15, 1, 120) * 1000;
      notify.receiver.attempts_max =
          static_cast<std::uint32_t>(object.integer("attempts", 10, 1, 100));
      object.done();
      config.notify.emplace(name, std::move(notify));
    }
    entry.done();
    if (kinds != 1)
      context.fail(value, "notify." + name,
                   "must be exactly one of webhook, slack, pagerduty, alertmanager");
  }
}

}  // namespace fleetmeter::app
