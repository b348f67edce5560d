#include "tests/sim/pipeline_sim.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "alarms/engine.h"
#include "app/evaluation_loop.h"
#include "ingest/batcher.h"
#include "proto/check.h"

namespace fleetmeter::sim {

namespace {

constexpr std::int64_t kTail = 25 * 60;
constexpr const char* kPush = "firehose:0";
constexpr const char* kFile = "files:0";
constexpr const char* kFileKey = "files:0/flow.log";
constexpr const char* kIdle = "files:1";
constexpr const char* kRuleMore =
    "  - { name: never, metric: { namespace: None, name: Never, statistic: Sum }, when: \"> 1\" "
    "}\n";

/// One request of the pushing sender: sent again with the same id until it is acknowledged.
struct Request {
  std::string id;
  std::int64_t next_s = 0;
  std::vector<const Item*> items;
  bool answered = false;  ///< The sender knows that it was taken.
  bool settled = false;   ///< Nothing more comes of it.
};

struct FileWrite {
  std::int64_t at_s = 0;
  const Item* item = nullptr;
};

ingest::SourceSettings settings_of(const char* name, std::int64_t lateness_s) {
  ingest::SourceSettings settings;
  settings.name = name;
  settings.allowed_lateness_s = lateness_s;
  return settings;
}

/// Where the cost databases of one run lie, in memory if the machine has such a place: a run
/// commits hundreds of times.
class BillFolder {
 public:
  BillFolder() {
    const std::filesystem::path memory = "/dev/shm";
    std::error_code none;
    const bool usable =
        std::filesystem::is_directory(memory, none) && ::access(memory.c_str(), W_OK) == 0;
    path_ = ((usable ? memory : std::filesystem::temp_directory_path()) / "fleetmeter-sim-XXXXXX")
                .string();
    FM_CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  BillFolder(const BillFolder&) = delete;
  BillFolder& operator=(const BillFolder&) = delete;
  ~BillFolder() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }
  [[nodiscard]] std::string cost_db(int number) const {
    return path_ + "/cost" + std::to_string(number) + ".db";
  }

 private:
  std::string path_;
};

/// Ingest of one process: gone with it.
struct Ingest {
  Ingest(MemoryLog& log, const Clock& clock, const ingest::InventoryHolder& inventory)
      : context{log, clock, inventory, counters, claims, [](std::string_view) { return 0; },
                {0}, {},    {}},
        pacer(context, settings_of(kPush, 600), kPush),
        push(context, settings_of(kPush, 600), kPush, ingest::Serves::kRequests),
        push_decoder(push.decoder_options(), push.sink()),
        file(context, settings_of(kFile, 900), kFile),
        idle(context, settings_of(kIdle, 900), kIdle) {}

  ingest::IngestCounters counters;
  ingest::OnceClaims claims;
  ingest::SourceContext context;
  ingest::Batcher pacer, push;
  parsers::Decoder push_decoder;
  ingest::Batcher file, idle;
  /// Null: to be opened at the committed position.
  std::unique_ptr<parsers::Decoder> file_decoder;
  std::size_t file_offset = 0;
};

}  // namespace

namespace {

std::shared_ptr<const aggregator::Inventory> parse_fleet(bool grown) {
  std::vector<aggregator::EnvironmentMatch> environments(2);
  environments[0].name = "prod";
  environments[0].accounts = {"123456789012"};
  environments[0].region = "us-east-1";
  environments[0].tags = {{"Environment", "prod"}};
  environments[1].name = "staging";
  environments[1].tags = {{"Environment", "staging"}};
  std::string yaml = inventory_yaml();
  if (grown)
    yaml += "  - { id: i-new, type: m5.large, subnet: subnet-b, tags: { Environment: prod } }\n";
  std::vector<aggregator::Inventory::Problem> warnings;
  auto parsed = aggregator::Inventory::parse({{"fleet.yaml", yaml}}, environments, warnings);
  FM_CHECK(parsed.has_value());
  FM_CHECK(warnings.empty());
  return *parsed;
}

/// The simulation's time with what the process takes for it.
class SkewedClock final : public Clock {
 public:
  explicit SkewedClock(const Clock& right) : right_(right) {}
  [[nodiscard]] WallTime wall() const override { return right_.wall() + skew_; }
  [[nodiscard]] SteadyTime steady() const override { return right_.steady(); }
  void step_to(Milliseconds skew) { skew_ = skew; }

 private:
  const Clock& right_;
  Milliseconds skew_{0};
};

}  // namespace

std::shared_ptr<const aggregator::Inventory> fleet_inventory(bool grown) {
  static const std::shared_ptr<const aggregator::Inventory> fleet = parse_fleet(false);
  static const std::shared_ptr<const aggregator::Inventory> larger = parse_fleet(true);
  return grown ? larger : fleet;
}

struct PipelineSim::State {
  State(const Telemetry& telemetry_in, std::uint32_t seed, const Faults& faults_in, Rules rules)
      : telemetry(telemetry_in),
        faults(faults_in),
        random(seed),
        config(config_yaml(rules)),
        inventory(fleet_inventory()),
        clock(WallTime(Milliseconds(kStart * 1000))),
        process_clock(clock) {}

  const Telemetry& telemetry;
  const Faults faults;
  Random random;
  const std::string config;
  ingest::InventoryHolder inventory;
  bool config_changed = false, fleet_grown = false;
  ManualClock clock;
  SkewedClock process_clock;
  MemoryDisk disk;
  const BillFolder folder;
  int bills = 0;
  std::unique_ptr<cost::UsageStore> usage;  // On disk too: a crash leaves it unless it is lost.

  // The process; null while it is down. Destroyed in reverse.
  std::unique_ptr<MemoryLog> log, old_log;
  std::unique_ptr<Ingest> ingest;
  std::unique_ptr<app::EvaluationLoop> loop, old_loop;
  std::int64_t up_at_s = 0;
  std::int64_t reachable_at_s = 0;  // Of the file.

  std::vector<Request> requests;
  std::vector<FileWrite> writes;
  std::string file;
  std::size_t written = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> pauses;
  std::set<std::pair<int, std::int64_t>> delivered;
  Arrived arrived;
  Counts counts;
  std::string broken;
  bool calm = true;  // No faults yet, or no more.

  [[nodiscard]] std::int64_t now_s() const {
    return clock.wall().time_since_epoch().count() / 1000;
  }
  void plan();
  void plan_pauses();
  Fault fault(Write write);
  void start();
  void crash(std::int64_t down_s);
  void change_inventory();
  void draw_faults();
  void note(const Error& error, const char* where);
  void push_due();
  void attempt(Request& request);
  void open_file();
  void write_file();
  void read_file();
  void pace();
  void evaluate();
  void hand_over();
  void deliver();
  void step();
  [[nodiscard]] bool done() const;
};

/// Which items share a request, and when they are sent and written for the first time.
void PipelineSim::State::plan() {
  std::vector<Request> open(3);
  std::uint64_t made = 0;
  const auto send = [&](Request& request) {
    if (request.items.empty()) return;
    request.id = "request-" + std::to_string(made++);
    std::int64_t ready_s = 0;
    for (const Item* item : request.items) ready_s = std::max(ready_s, item->ready_s);
    request.next_s = ready_s + random.below(faults.late_max_s + 1);
    requests.push_back(std::move(request));
    request = {};
  };
  for (const Item& item : telemetry.items) {
    if (item.by_file) {
      writes.push_back({item.ready_s + random.below(faults.late_max_s + 1), &item});
      continue;
    }
    Request& request = open[static_cast<std::size_t>(random.below(3))];
    // A sender waits a few seconds for more, not for ever.
    if (!request.items.empty() && item.ready_s - request.items.front()->ready_s > 10) send(request);
    request.items.push_back(&item);
    if (static_cast<std::int64_t>(request.items.size()) > random.below(12)) send(request);
  }
  for (Request& request : open) send(request);
  std::ranges::stable_sort(writes, {}, &FileWrite::at_s);
  plan_pauses();
}

void PipelineSim::State::plan_pauses() {
  std::int64_t at_s = telemetry.begin_s + 300;
  for (int i = 0; i < faults.pauses; ++i) {
    at_s += random.below(400);
    const std::int64_t down_s = at_s;
    at_s += 120 + random.below(1080);
    pauses.emplace_back(down_s, at_s);
    at_s += 420;  // It must be heard again for long enough to count as caught up.
  }
}

Fault PipelineSim::State::fault(Write write) {
  if (calm) return Fault::kNone;
  if (write != Write::kSnapshot && write != Write::kDelivery && random.chance(faults.refuse)) {
    ++counts.refusals;
    return Fault::kRefuse;
  }
  if (!random.chance(faults.crash)) return Fault::kNone;
  constexpr Fault kWays[] = {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kCrashUnsure};
  return kWays[random.below(3)];
}

void PipelineSim::State::note(const Error& error, const char* where) {
  if (log->crashed() || error.code == ErrorCode::kUnavailable || !broken.empty()) return;
  broken = std::string(where) + ": " + error.message;
}

void PipelineSim::State::start() {
  if (faults.bill && !usage) {
    auto opened = cost::UsageStore::open(folder.cost_db(++bills));
    FM_CHECK(opened.has_value());
    usage = *std::move(opened);
  }
  log = std::make_unique<MemoryLog>(disk, process_clock,
                                    [this](Write write) { return fault(write); });
  app::EvaluationLoop::Options options;
  options.receivers = receivers();
  options.retry_ms = 0;
  options.snapshot_interval_ms = 20'000 + random.below(300'000);
  loop = std::make_unique<app::EvaluationLoop>(*log, usage.get(), process_clock, options);
  // A rule more, of a metric that nobody sends; the others stay what they are.
  std::string text = config;
  if (config_changed) text.insert(text.find("alarms:\n") + 8, kRuleMore);
  const char* fingerprint = config_changed ? "2" : "1";
  if (auto recovered = loop->recover(text, fingerprint, inventory.get().get()); !recovered) {
    note(recovered.error(), "recover");
    return crash(5);  // A supervisor starts it again, whatever the reason.
  }
  ingest = std::make_unique<Ingest>(*log, process_clock, inventory);
}

void PipelineSim::State::crash(std::int64_t down_s) {
  ++counts.crashes;
  old_loop.reset();
  old_log.reset();
  loop.reset();
  ingest.reset();
  log.reset();
  if (random.chance(faults.lose_bill)) usage.reset();
  // One of the two stays whole: losing both is no fault that a log with its head pruned survives.
  const bool spare = std::ranges::count_if(disk.snapshots, &MemoryDisk::KeptSnapshot::whole) > 1;
  if (spare && random.chance(faults.damage) && disk.damage_newest_snapshot()) ++counts.damaged;
  if (random.chance(faults.change)) {
    config_changed = !config_changed;
    ++counts.changes;
  }
  up_at_s = now_s() + down_s;
}

/// As the service does when the inventory's file has changed: for ingest at once, for the evaluator
/// by a record.
void PipelineSim::State::change_inventory() {
  fleet_grown = !fleet_grown;
  ++counts.changes;
  const auto changed = fleet_inventory(fleet_grown);
  inventory.set(changed);
  proto::LogRecord record;
  record.mutable_inventory()->set_version(changed->version());
  record.mutable_inventory()->set_inventory(changed->serialize());
  aggregator::Commit commit;
  commit.records.push_back({0, std::move(record)});
  if (auto appended = log->append(std::move(commit)); !appended)
    note(appended.error(), "inventory");
}

/// As the Firehose endpoint takes a request.
void PipelineSim::State::attempt(Request& request) {
  const std::string key = "firehose:arn/" + request.id;
  const auto seen = log->seen_keys({key});
  bool taken = seen && !seen->empty();
  if (taken) ++counts.repeats;
  if (seen && !taken) {
    ingest->push.refresh();
    for (const Item* item : request.items) ingest->push_decoder.message(item->text);
    ingest->push.count(ingest->push_decoder, 0);
    const auto committed = ingest->push.try_commit({}, {key});
    taken = committed.has_value();
    if (!taken) note(committed.error(), "push");
  }
  if (!taken || log->crashed()) {
    request.next_s = now_s() + 1 + random.below(9);
    return;
  }
  ingest->pacer.note_event_time(ingest->push.event_time_max_s());
  for (const Item* item : request.items) {
    if (item->metric) delivered.emplace(item->machine, item->slot_end_s);
  }
  if (!calm && random.chance(faults.redeliver)) {  // The answer is lost, or the sender sends twice.
    ++(request.answered ? counts.repeats : counts.lost_answers);
    request.next_s = now_s() + 1 + random.below(request.answered ? 600 : 10);
    request.answered = true;
    return;
  }
  request.answered = true;
  request.settled = true;
}

void PipelineSim::State::push_due() {
  std::vector<std::size_t> due;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!requests[i].settled && requests[i].next_s <= now_s()) due.push_back(i);
  }
  for (const std::size_t i : due) {
    if (log && !log->crashed()) {
      attempt(requests[i]);
    } else if (faults.pauses > 0) {
      requests[i].settled = true;  // Given up: delivered to the backup bucket.
    } else {
      requests[i].next_s = now_s() + 1 + random.below(9);
    }
  }
}

void PipelineSim::State::write_file() {
  for (; written < writes.size() && writes[written].at_s <= now_s(); ++written)
    file += writes[written].item->text;
}

void PipelineSim::State::open_file() {
  ingest->file_decoder =
      std::make_unique<parsers::Decoder>(ingest->file.decoder_options(), ingest->file.sink());
  const auto committed = log->source_position(kFileKey);
  parsers::StreamPosition position;
  if (committed && *committed) position.plain_bytes = std::stoull(**committed);
  if (position.plain_bytes > 0) {
    ingest->file_decoder->resume_plain(position);
    ++counts.rereads;
  }
  ingest->file_offset = position.plain_bytes;
}

/// Reads up to any byte of what is there, a line's middle too.
void PipelineSim::State::read_file() {
  const std::int64_t began_ms = process_clock.wall().time_since_epoch().count();
  ingest->file.refresh();
  if (!ingest->file_decoder) open_file();
  const std::size_t left = file.size() - ingest->file_offset;
  const std::size_t take =
      calm || random.chance(0.5)
          ? left
          : static_cast<std::size_t>(random.below(static_cast<std::int64_t>(left) + 1));
  if (take > 0) {
    ingest->file_decoder->feed(std::string_view(file).substr(ingest->file_offset, take));
    ingest->file_offset += take;
    ingest->file.count(*ingest->file_decoder, take);
    ingest->file.behind();
  }
  if (left == 0) ingest->file.caught_up(began_ms);
  const std::string position = std::to_string(ingest->file_decoder->position().plain_bytes);
  const auto committed = ingest->file.try_commit({{kFileKey, position}}, {});
  if (committed) return;
  note(committed.error(), "file");
  ingest->file_decoder.reset();  // Read again from the committed position.
}

void PipelineSim::State::pace() {
  if (faults.idle_source) {
    ingest->idle.refresh();
    ingest->idle.caught_up(process_clock.wall().time_since_epoch().count());
    if (auto told = ingest->idle.try_commit({}, {}); !told) note(told.error(), "idle");
    if (log->crashed()) return;
  }
  if (!ingest->pacer.progress_due()) return;
  ingest->pacer.push_open(process_clock.wall().time_since_epoch().count());
  if (auto told = ingest->pacer.try_commit({}, {}); !told) note(told.error(), "progress");
}

void PipelineSim::State::evaluate() {
  for (int round = 0; round < 100; ++round) {
    const auto stepped = loop->step();
    if (!stepped) return note(stepped.error(), "evaluate");
    if (log->crashed() || !*stepped) return;
  }
}

/// A second evaluator, on a disk of its own, while the first one hangs; then the first one wakes
/// up. What it had read may be evaluated already: its commit must leave nothing.
void PipelineSim::State::hand_over() {
  old_log = std::move(log);
  old_loop = std::move(loop);
  ingest.reset();
  start();
  if (!log || log->crashed()) return;
  evaluate();
  const std::string before = disk.fingerprint();
  for (int round = 0; round < 3; ++round) {
    const auto stepped = old_loop->step();
    if (!stepped && stepped.error().code == ErrorCode::kFenced) {
      ++counts.fenced;
      break;
    }
    if (!stepped || !*stepped) break;
  }
  if (disk.fingerprint() != before) broken = "a fenced evaluator has written to the log";
  old_loop.reset();
  old_log.reset();
}

/// At least once: the receiver may have a body although we never heard so.
void PipelineSim::State::deliver() {
  const auto due = log->due_outbox(process_clock.wall().time_since_epoch().count(), 1000);
  if (!due) return note(due.error(), "outbox");
  for (aggregator::OutboxEntry entry : *due) {
    auto& bodies = arrived[{entry.event_id, entry.receiver}];
    if (!bodies.empty()) ++counts.sent_twice;
    bodies.insert(entry.body);
    entry.state = aggregator::DeliveryState::kDelivered;
    entry.attempts = 1;
    if (auto recorded = log->record_delivery(entry); !recorded)
      return note(recorded.error(), "delivery");
  }
}

/// What comes over the running process in this step.
void PipelineSim::State::draw_faults() {
  if (calm) {
    process_clock.step_to(Milliseconds(0));
    reachable_at_s = 0;
    return;
  }
  if (random.chance(faults.clock_step)) {
    const std::int64_t reach_ms = faults.clock_step_max_s * 1000;
    process_clock.step_to(Milliseconds(random.below(2 * reach_ms + 1) - reach_ms));
    ++counts.clock_steps;
  }
  // A source that has carried nothing yet is not waited for: its first minutes come through.
  const bool carries = now_s() > telemetry.begin_s + 240;
  if (carries && reachable_at_s <= now_s() && random.chance(faults.unreachable)) {
    reachable_at_s = now_s() + 30 + random.below(faults.unreachable_max_s);
    ++counts.spells;
  }
  if (log && !log->crashed() && random.chance(faults.change / 10)) change_inventory();
}

void PipelineSim::State::step() {
  clock.advance(Milliseconds(4000 + random.below(16'000)));
  // Faults end a few minutes after the telemetry, so that the last windows can close.
  calm = now_s() < telemetry.begin_s || now_s() > telemetry.end_s + 180;
  for (const auto& [down_s, up_s] : pauses) {
    if (log && now_s() >= down_s && now_s() < up_s) crash(up_s - now_s());
  }
  draw_faults();
  write_file();
  if (!log && now_s() >= up_at_s) {
    start();
    for (auto& [down_s, up_s] : pauses) {  // It listens from now on.
      if (log && up_s <= now_s() && up_s > now_s() - 40) up_s = now_s();
    }
  }
  const auto alive = [this] { return log && !log->crashed(); };
  push_due();
  if (alive() && now_s() >= reachable_at_s) read_file();
  if (alive()) pace();
  if (alive() && !calm && random.chance(faults.hand_over)) hand_over();
  if (alive()) evaluate();
  if (alive()) deliver();
  if (!log) return;
  if (log->crashed() || (!calm && random.chance(faults.crash))) crash(2 + random.below(50));
}

bool PipelineSim::State::done() const {
  if (now_s() < telemetry.end_s + kTail || !log || file.size() != ingest->file_offset) return false;
  return std::ranges::all_of(requests, &Request::settled) && written == writes.size();
}

PipelineSim::PipelineSim(const Telemetry& telemetry, std::uint32_t seed, const Faults& faults,
                         Rules rules)
    : state_(std::make_unique<State>(telemetry, seed, faults, rules)) {}
PipelineSim::~PipelineSim() = default;

void PipelineSim::run() {
  State& state = *state_;
  state.plan();
  state.start();
  const std::int64_t limit_s = state.telemetry.end_s + 4 * kTail;
  while (state.broken.empty() && !state.done()) {
    state.step();
    if (state.now_s() > limit_s) state.broken = "does not come to an end";
  }
  state.calm = true;  // What the last faults have left open.
  state.draw_faults();
  const auto never_again = [](Write) { return Fault::kNone; };
  state.loop.reset();
  state.ingest.reset();
  state.log = std::make_unique<MemoryLog>(state.disk, state.process_clock, never_again);
  state.start();
  if (!state.broken.empty()) return;
  state.read_file();
  state.pace();
  state.evaluate();
  state.deliver();
}

const std::string& PipelineSim::broken() const { return state_->broken; }
const MemoryDisk& PipelineSim::disk() const { return state_->disk; }
const PipelineSim::Arrived& PipelineSim::arrived() const { return state_->arrived; }
const PipelineSim::Counts& PipelineSim::counts() const { return state_->counts; }
const std::vector<std::pair<std::int64_t, std::int64_t>>& PipelineSim::pauses() const {
  return state_->pauses;
}
const std::set<std::pair<int, std::int64_t>>& PipelineSim::delivered() const {
  return state_->delivered;
}

namespace {

constexpr std::uint32_t kHourMax = 1'000'000;

std::vector<cost::FlowUsage> flow_rows(cost::UsageStore& usage) {
  auto rows = usage.flows(0, kHourMax);
  FM_CHECK(rows.has_value());
  return *std::move(rows);
}

std::vector<cost::HourlyUsage> hourly_rows(cost::UsageStore& usage) {
  auto rows = usage.usage(0, kHourMax);
  FM_CHECK(rows.has_value());
  return *std::move(rows);
}

}  // namespace

std::uint64_t PipelineSim::bytes_billed() {
  std::uint64_t bytes = 0;
  for (const cost::FlowUsage& usage : flow_rows(*state_->usage)) bytes += usage.bytes;
  return bytes;
}

std::uint64_t PipelineSim::records_billed() {
  std::uint64_t records = 0;
  for (const cost::FlowUsage& usage : flow_rows(*state_->usage)) {
    if (usage.status == proto::FLOW_OK) records += usage.records;
  }
  return records;
}

std::uint64_t PipelineSim::usage_of(const std::string& kind) {
  std::uint64_t quantity = 0;
  for (const cost::HourlyUsage& usage : hourly_rows(*state_->usage)) {
    if (usage.kind == kind) quantity += usage.quantity;
  }
  return quantity;
}

namespace {

std::string bill_text(cost::UsageStore& usage) {
  std::vector<std::string> rows;
  for (const cost::FlowUsage& u : flow_rows(usage)) {
    std::string row = u.environment + " " + std::to_string(u.hour);
    for (const int fact :
         {static_cast<int>(u.status), static_cast<int>(u.action), static_cast<int>(u.direction),
          static_cast<int>(u.path_class), static_cast<int>(u.nat_leg), static_cast<int>(u.role),
          static_cast<int>(u.peer_role)}) {
      row += " " + std::to_string(fact);
    }
    for (const std::string& text : {u.interface, u.interface_az, u.owner, u.owner_az, u.peer_owner,
                                    u.peer_az, u.peer_service, u.peer_region, u.peer_interface}) {
      row += " " + text;
    }
    for (const std::uint64_t sum : {u.bytes, u.packets, u.records})
      row += " " + std::to_string(sum);
    rows.push_back(std::move(row));
  }
  for (const cost::HourlyUsage& u : hourly_rows(usage)) {
    rows.push_back(u.environment + " " + std::to_string(u.hour) + " " + u.kind + " " + u.resource +
                   " " + std::to_string(u.quantity));
  }
  std::ranges::sort(rows);
  std::string text;
  for (const std::string& row : rows) text += row + "\n";
  return text;
}

}  // namespace

std::string PipelineSim::bill() { return bill_text(*state_->usage); }

std::string PipelineSim::bill_of(std::span<const aggregator::LogEntry> entries) {
  auto usage = cost::UsageStore::open(state_->folder.cost_db(++state_->bills));
  FM_CHECK(usage.has_value());
  FM_CHECK((*usage)->apply(0, entries).has_value());
  return bill_text(**usage);
}

std::vector<proto::Event> PipelineSim::event_records() const {
  std::vector<proto::Event> all;
  for (const auto& [id, event] : state_->disk.events) all.push_back(event);
  std::ranges::sort(all, [](const proto::Event& a, const proto::Event& b) {
    return std::tuple(std::string_view(a.environment()), a.time_s(), std::string_view(a.id())) <
           std::tuple(std::string_view(b.environment()), b.time_s(), std::string_view(b.id()));
  });
  return all;
}

std::vector<std::string> PipelineSim::events(std::int64_t until_s) const {
  std::vector<std::string> lines;
  for (const proto::Event& event : event_records()) {
    if (event.time_s() <= until_s) lines.push_back(alarms::event_json(event));
  }
  return lines;
}

}  // namespace fleetmeter::sim
