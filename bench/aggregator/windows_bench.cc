// Flow text to closed windows, the whole way in one process: decode, attribute, sum up, commit to a
// log in SQLite, read back, close. Beside it, in the same iteration, the ceiling: an unchecked
// probe that only splits and converts and sums up by (interface, direction, action, minute) in a
// hash table. Both answers are compared first, window by window. Times are of the CPU, of all
// threads.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/flow_rows.h"
#include "aggregator/flow_windows.h"
#include "aggregator/partial_aggregator.h"
#include "aggregator/sqlite_log.h"
#include "bench/aggregator/fleet_corpus.h"
#include "bench/measure.h"
#include "bench/parsers/flow_probe.h"
#include "parsers/index_table.h"
#include "proto/check.h"
#include "proto/clock.h"

namespace fleetmeter::aggregator::bench {
namespace {

using parsers::bench::FlowProbe;

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kCommitBytes = 16 << 20;  // As the sources of ingest do.
constexpr GridTime kAfterAll = 4'000'000'000;

std::size_t record_count() { return records_wanted(1'000'000); }

double cpu_seconds() { return seconds_on(CLOCK_PROCESS_CPUTIME_ID); }

/// Accepted and rejected bytes, packets and records.
using Sums = std::array<std::uint64_t, 6>;
/// By minute and interface.
using Answer = std::map<std::pair<std::uint64_t, std::string>, Sums>;

/// A directory that goes with it.
class Directory {
 public:
  Directory() {
    std::string path = (std::filesystem::temp_directory_path() / "fleetmeter-XXXXXX").string();
    FM_CHECK(mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// The way of a record through the public interfaces.
class Pipeline {
 public:
  Pipeline(const FleetCorpus& corpus, std::shared_ptr<const Inventory> inventory)
      : text_(corpus.text),
        aggregator_(std::move(inventory), {}),
        decoder_(options(corpus), aggregator_) {
    SqliteLog::Options log_options;
    log_options.clock = &clock_;
    auto opened = SqliteLog::open(directory_.file("log.db"), log_options);
    FM_CHECK(opened.has_value());
    log_ = *std::move(opened);
  }

  /// Windows that were closed; their sums in `answer` where one is wanted.
  std::size_t run(Answer* answer) {
    FlowWindows windows{0};
    std::size_t uncommitted = 0;
    for (std::string_view rest = text_; !rest.empty();) {
      const std::string_view piece = rest.substr(0, kPieceBytes);
      rest.remove_prefix(piece.size());
      decoder_.feed(piece);
      uncommitted += piece.size();
      if (uncommitted < kCommitBytes && !rest.empty()) continue;
      commit(windows);
      uncommitted = 0;
    }
    closed_.clear();
    windows.close(kAfterAll, closed_);
    if (answer != nullptr) tell(windows, *answer);
    return closed_.size();
  }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t log_bytes() const { return log_->status().log_bytes; }

 private:
  static parsers::DecoderOptions options(const FleetCorpus& corpus) {
    parsers::DecoderOptions options;
    options.flow_format = corpus.format;
    options.fields = PartialAggregator::fields_needed();
    return options;
  }
  void commit(FlowWindows& windows) {
    Commit commit;
    for (proto::AggregateBatch& batch : aggregator_.take()) {
      Commit::Record& record = commit.records.emplace_back();
      *record.record.mutable_batch() = std::move(batch);
    }
    FM_CHECK(log_->append(std::move(commit)).has_value());
    const auto entries = log_->read(0, read_to_, 1000);
    FM_CHECK(entries.has_value());
    for (const LogEntry& entry : *entries) {
      FM_CHECK(windows.add(entry.record.batch(), 0) == 0);
      rows_ += flow_row_count(entry.record.batch().flows());
      read_to_ = entry.position;
    }
  }
  void tell(const FlowWindows& windows, Answer& answer) const {
    for (const FlowWindow& one : closed_) {
      if (one.accepted_records + one.rejected_records == 0) continue;  // NODATA alone.
      answer[{static_cast<std::uint64_t>(one.start_s / 60),
              std::string(windows.interface_name(one.interface))}] = {
          one.accepted_bytes, one.accepted_packets, one.accepted_records,
          one.rejected_bytes, one.rejected_packets, one.rejected_records};
    }
  }

  std::string_view text_;
  Directory directory_;
  SystemClock clock_;
  std::unique_ptr<SqliteLog> log_;
  PartialAggregator aggregator_;
  parsers::Decoder decoder_;
  LogPosition read_to_ = 0;
  std::size_t rows_ = 0;
  std::vector<FlowWindow> closed_;
};

/// The same question asked of the probe: no checks, no attribution, nothing kept. Interfaces are
/// told apart by the hash of their text alone.
class Ceiling {
 public:
  explicit Ceiling(const FleetCorpus& corpus) : corpus_(corpus), probe_(corpus.kinds) {}

  std::size_t run(Answer* answer) {
    std::fill(slots_.begin(), slots_.end(), Slot{});
    rows_ = 0;
    probe_.run(corpus_.text, [this](std::uint32_t lines) { add(lines); });
    if (answer != nullptr) tell(*answer);
    return rows_;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;  // 0 = free.
    std::uint64_t bytes = 0, packets = 0, records = 0;
  };
  /// What the key of a slot stands for, to compare answers.
  struct Note {
    std::string_view interface;
    std::uint32_t minute = 0;
    char action = 0;
  };

  static std::uint64_t is_private(const parsers::IpAddress& address) {
    const std::uint32_t v4 = address.v4();
    return (v4 >> 24 == 10) | (v4 >> 20 == 0xac1) | (v4 >> 16 == 0xc0a8);
  }

  void add(std::uint32_t lines) {
    const auto& columns = probe_.columns;
    const std::string_view* const interfaces = columns[corpus_.interface].texts.data();
    const parsers::IpAddress* const sources = columns[corpus_.source].addresses.data();
    const parsers::IpAddress* const destinations = columns[corpus_.destination].addresses.data();
    const std::uint64_t* const packets = columns[corpus_.packets].numbers.data();
    const std::uint64_t* const bytes = columns[corpus_.bytes].numbers.data();
    const std::uint64_t* const starts = columns[corpus_.start].numbers.data();
    const char* const actions = columns[corpus_.action].words.data();
    const char* const statuses = columns[corpus_.status].words.data();
    for (std::uint32_t i = 0; i < lines; ++i) {
      if (statuses[i] != 'O') continue;
      const std::uint64_t minute = starts[i] / 60;
      const std::uint64_t direction = is_private(sources[i]) << 1 | is_private(destinations[i]);
      const std::uint64_t rest =
          minute << 10 | direction << 8 | static_cast<unsigned char>(actions[i]);
      const std::size_t at = slot_of(parsers::mix(parsers::hash_text(interfaces[i]), rest) | 1);
      Slot& slot = slots_[at];
      if (slot.records == 0)
        notes_[at] = {interfaces[i], static_cast<std::uint32_t>(minute), actions[i]};
      slot.bytes += bytes[i];
      slot.packets += packets[i];
      ++slot.records;
    }
  }
  std::size_t slot_of(std::uint64_t key) {
    std::size_t at = find(key);
    if (slots_[at].key == key) return at;
    if (2 * ++rows_ > slots_.size()) {
      grow();
      at = find(key);
    }
    slots_[at].key = key;
    return at;
  }
  /// Where the key is, or the free slot for it.
  [[nodiscard]] std::size_t find(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = key >> 8 & mask;
    while (slots_[at].key != key && slots_[at].key != 0) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<Slot> slots(2 * slots_.size());
    std::vector<Note> notes(slots.size());
    slots.swap(slots_);
    notes.swap(notes_);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].key == 0) continue;
      const std::size_t at = find(slots[i].key);
      slots_[at] = slots[i];
      notes_[at] = notes[i];
    }
  }
  void tell(Answer& answer) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      if (slot.key == 0) continue;
      const std::size_t first = notes_[i].action == 'R' ? 3 : 0;
      Sums& sums = answer[{notes_[i].minute, std::string(notes_[i].interface)}];
      sums[first] += slot.bytes;
      sums[first + 1] += slot.packets;
      sums[first + 2] += slot.records;
    }
  }

  const FleetCorpus& corpus_;
  FlowProbe probe_;
  std::vector<Slot> slots_ = std::vector<Slot>(1 << 16);
  std::vector<Note> notes_ = std::vector<Note>(1 << 16);
  std::size_t rows_ = 0;
};

using Make = FleetCorpus (*)(std::size_t machines, std::size_t lines);

void text_to_closed_windows(benchmark::State& state, Make make, bool with_inventory) {
  const auto machines = static_cast<std::size_t>(state.range(0));
  const FleetCorpus corpus = make(machines, record_count());
  Pipeline pipeline{corpus, with_inventory ? fleet_inventory(machines) : Inventory::empty({})};
  Answer ours;
  pipeline.run(&ours);
  std::optional<Ceiling> ceiling;
  if (FlowProbe::is_supported()) {
    Answer of_probe;
    ceiling.emplace(corpus).run(&of_probe);
    if (ours != of_probe) return state.SkipWithError("the probe has another answer");
  }
  const std::uint64_t log_bytes = pipeline.log_bytes();
  const std::size_t rows = pipeline.rows();
  double ours_s = 0;
  double ceiling_s = 0;
  for (auto _ : state) {
    const double begin = cpu_seconds();
    benchmark::DoNotOptimize(pipeline.run(nullptr));
    const double middle = cpu_seconds();
    if (ceiling) benchmark::DoNotOptimize(ceiling->run(nullptr));
    ours_s += middle - begin;
    ceiling_s += cpu_seconds() - middle;
    state.SetIterationTime(middle - begin);
  }
  const auto lines = static_cast<double>(corpus.lines);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * corpus.lines));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * corpus.text.size()));
  state.counters["records_a_row"] = lines / static_cast<double>(rows);
  state.counters["raw_to_log"] =
      static_cast<double>(corpus.text.size()) / static_cast<double>(log_bytes);
  if (!ceiling) return;
  state.counters["of_ceiling"] = ceiling_s / ours_s;
  state.counters["ceiling/s"] = static_cast<double>(state.iterations()) * lines / ceiling_s;
}

const int kRegistered = [] {
  for (const auto& [name, make] : {std::pair{"v2", Make{fleet_v2}}, {"29_fields", fleet_29}}) {
    for (const bool with_inventory : {true, false}) {
      const std::string full =
          std::string{"text_to_closed_windows/"} + name + (with_inventory ? "" : "/no_inventory");
      benchmark::RegisterBenchmark(full.c_str(),
                                   [make = make, with_inventory](benchmark::State& state) {
                                     text_to_closed_windows(state, make, with_inventory);
                                   })
          ->ArgName("machines")
          ->Arg(100)
          ->Arg(2000)
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace fleetmeter::aggregator::bench
