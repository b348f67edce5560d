#include "tests/sim/live_pipeline.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "proto/check.h"
#include "tests/sim/pipeline_sim.h"

namespace fleetmeter::sim {
namespace {

constexpr const char* kPush = "firehose:0";
constexpr const char* kFile = "files:0";
constexpr const char* kFileKey = "files:0/flow.log";

ingest::SourceSettings settings_of(const char* name, std::int64_t lateness_s) {
  ingest::SourceSettings settings;
  settings.name = name;
  settings.allowed_lateness_s = lateness_s;
  return settings;
}

constexpr const char* kHead = R"yaml(
fleet: rules
environments:
  prod: { match: { tag: { Environment: prod } } }
  staging: { match: { tag: { Environment: staging } } }
sources:
  - files: { paths: [ "flow.log" ], follow: true }
notify:
  ops: { webhook: { url: "http://localhost/ops", secret_env: SECRET } }
  provisioning: { webhook: { url: "http://localhost/act", secret_env: SECRET } }
)yaml";

/// Two environments in one account: its number tells nothing.
std::shared_ptr<const aggregator::Inventory> inventory_by_tag() {
  std::vector<aggregator::EnvironmentMatch> environments(2);
  environments[0].name = "prod";
  environments[0].tags = {{"Environment", "prod"}};
  environments[1].name = "staging";
  environments[1].tags = {{"Environment", "staging"}};
  std::vector<aggregator::Inventory::Problem> warnings;
  auto parsed =
      aggregator::Inventory::parse({{"fleet.yaml", inventory_yaml()}}, environments, warnings);
  FM_CHECK(parsed.has_value());
  return *parsed;
}

}  // namespace

struct LivePipeline::Process {
  Process(LivePipeline& of)
      : log(of.disk_, of.clock_),
        loop(log, of.usage_.get(), of.clock_, loop_options()),
        context{log,      of.clock_, of.inventory_,
                counters, claims,    [](std::string_view) { return 0; },
                {0},      {},        {}},
        push(context, settings_of(kPush, 600), kPush),
        push_decoder(push.decoder_options(), push.sink()),
        file(context, settings_of(kFile, 900), kFile) {}

  static app::EvaluationLoop::Options loop_options() {
    app::EvaluationLoop::Options options;
    options.receivers = receivers();
    options.retry_ms = 0;
    return options;
  }

  MemoryLog log;
  app::EvaluationLoop loop;
  ingest::IngestCounters counters;
  ingest::OnceClaims claims;
  ingest::SourceContext context;
  ingest::Batcher push;
  parsers::Decoder push_decoder;
  ingest::Batcher file;
  std::unique_ptr<parsers::Decoder> file_decoder;
  std::size_t file_offset = 0;
};

LivePipeline::LivePipeline(const std::string& alarms, std::int64_t start_s)
    : config_(kHead + alarms),
      start_s_(start_s),
      clock_(WallTime(Milliseconds(start_s * 1000))),
      inventory_(inventory_by_tag()),
      folder_((std::filesystem::temp_directory_path() / "fleetmeter-rules-XXXXXX").string()),
      bytes_a_step_(std::string::npos) {
  FM_CHECK(::mkdtemp(folder_.data()) != nullptr);
  auto opened = cost::UsageStore::open(folder_ + "/cost.db");
  FM_CHECK(opened.has_value());
  usage_ = *std::move(opened);
}

LivePipeline::~LivePipeline() {
  process_.reset();
  usage_.reset();
  std::error_code none;
  std::filesystem::remove_all(folder_, none);
}

std::int64_t LivePipeline::now_s() const { return clock_.wall().time_since_epoch().count() / 1000; }

void LivePipeline::start() {
  process_ = std::make_unique<Process>(*this);
  const auto recovered = process_->loop.recover(config_, "1", inventory_.get().get());
  FM_CHECK(recovered.has_value());
  step();
}

void LivePipeline::stop() {
  for (const auto& [reason, count] : process_->counters.dropped) dropped_[reason] += count;
  process_.reset();
}

bool LivePipeline::push(const std::string& text, const std::string& request_id) {
  if (!process_) return false;
  const std::string key =
      "firehose:arn/" + (request_id.empty() ? std::to_string(++requests_) : request_id);
  const auto seen = process_->log.seen_keys({key});
  FM_CHECK(seen.has_value());
  if (!seen->empty()) return true;
  process_->push.refresh();
  process_->push_decoder.message(text);
  process_->push.count(process_->push_decoder, text.size());
  const bool taken = process_->push.try_commit({}, {key}).has_value();
  while (*process_->loop.step()) {
  }
  return taken;
}

void LivePipeline::read_file() {
  Process& up = *process_;
  const std::int64_t began_ms = now_s() * 1000;
  up.file.refresh();
  if (!up.file_decoder) {
    up.file_decoder = std::make_unique<parsers::Decoder>(up.file.decoder_options(), up.file.sink());
    const auto committed = up.log.source_position(kFileKey);
    FM_CHECK(committed.has_value());
    parsers::StreamPosition position;
    if (*committed) position.plain_bytes = std::stoull(**committed);
    if (position.plain_bytes > 0) up.file_decoder->resume_plain(position);
    up.file_offset = position.plain_bytes;
  }
  const std::size_t left = file_.size() - up.file_offset;
  const std::size_t take = std::min(left, bytes_a_step_);
  if (take > 0) {
    up.file_decoder->feed(std::string_view(file_).substr(up.file_offset, take));
    up.file_offset += take;
    up.file.count(*up.file_decoder, take);
    up.file.behind();
  }
  if (left == 0) up.file.caught_up(began_ms);
  const std::string position = std::to_string(up.file_decoder->position().plain_bytes);
  FM_CHECK(up.file.try_commit({{kFileKey, position}}, {}).has_value());
}

void LivePipeline::step() {
  if (bytes_a_step_ > 0) read_file();
  if (!push_held_ && process_->push.progress_due()) {
    process_->push.push_open(now_s() * 1000);
    FM_CHECK(process_->push.try_commit({}, {}).has_value());
  }
  for (;;) {
    const auto stepped = process_->loop.step();
    FM_CHECK(stepped.has_value());
    if (!*stepped) return;
  }
}

void LivePipeline::advance(std::int64_t seconds) {
  for (std::int64_t left_s = seconds; left_s > 0; left_s -= 10) {
    clock_.advance(Milliseconds(10'000));
    if (process_) step();
  }
}

std::vector<std::string> LivePipeline::told() const {
  std::vector<proto::Event> events;
  for (const auto& [id, event] : disk_.events) events.push_back(event);
  std::ranges::sort(events, [](const proto::Event& a, const proto::Event& b) {
    return std::pair(a.time_s(), std::string_view(a.id())) <
           std::pair(b.time_s(), std::string_view(b.id()));
  });
  std::vector<std::string> lines;
  for (const proto::Event& event : events) {
    std::string line = std::to_string((event.time_s() - start_s_) / 60) + " " + event.rule();
    if (!event.series().empty()) line += " " + event.series();
    line += event.from().empty() ? " " + event.type() : " " + event.from() + ">" + event.to();
    if (event.notify_size() + event.act_size() > 0) line += " *";
    lines.push_back(std::move(line));
  }
  return lines;
}

std::uint64_t LivePipeline::dropped(const std::string& reason) const {
  std::uint64_t count = 0;
  if (const auto at = dropped_.find(reason); at != dropped_.end()) count += at->second;
  if (!process_) return count;
  const auto at = process_->counters.dropped.find(reason);
  return at == process_->counters.dropped.end() ? count : count + at->second;
}

std::optional<alarms::AlarmView> LivePipeline::alarm(const std::string& rule,
                                                     const std::string& series) const {
  app::Evaluator evaluator;
  std::vector<proto::Event> events;
  for (const aggregator::LogEntry& entry : disk_.records)
    FM_CHECK(evaluator.apply(entry, events).has_value());
  for (alarms::AlarmView& view : evaluator.alarms()) {
    if (view.rule == rule && view.series == series) return std::move(view);
  }
  return std::nullopt;
}

std::string flow_lines(const FlowLine& line) {
  const std::int64_t end_s = line.end_s == 0 ? line.start_s + 50 : line.end_s;
  const std::string times = std::to_string(line.start_s) + " " + std::to_string(end_s);
  std::string text = "2 123456789012 " + line.interface;
  if (line.status == "OK") {
    const std::string own = "10.0.1.1" + line.interface.substr(4);
    text += line.reject ? " 203.0.113.9 " + own : " " + own + " 10.0.2.200";
    text += " 443 51000 6 7 " + std::to_string(line.bytes) + " " + times +
            (line.reject ? " REJECT OK\n" : " ACCEPT OK\n");
  } else {
    text += " - - - - - - - " + times + " - " + line.status + "\n";
  }
  std::string all;
  for (int i = 0; i < line.count; ++i) all += text;
  return all;
}

std::string metric_line(const MetricLine& line) {
  const std::string value = std::to_string(line.value);
  return R"({"metric_stream_name":"s","account_id":"123456789012","region":"us-east-1","namespace":")" +
         line.metric_namespace + R"(","metric_name":")" + line.name + R"(","dimensions":{")" +
         line.dimension + R"(":")" + line.resource + R"("},"timestamp":)" +
         std::to_string(line.start_s * 1000) + R"(,"value":{"max":)" + value + R"(,"min":)" +
         value + R"(,"sum":)" + value + R"(,"count":1.0},"unit":"Percent"})" + "\n";
}

}  // namespace fleetmeter::sim
