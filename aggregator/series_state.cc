#include "aggregator/series_state.h"

#include <string_view>
#include <tuple>

namespace fleetmeter::aggregator {
namespace {

void save_info(const SeriesState& series, StateWriter& out) {
  const SeriesKey& key = series.info.key;
  out.text(key.account);
  out.text(key.region);
  out.text(key.metric_namespace);
  out.text(key.name);
  out.u64(key.dimensions.size());
  for (const auto& [name, value] : key.dimensions) {
    out.text(name);
    out.text(value);
  }
  out.text(series.info.unit);
  out.u32(series.info.own_period_s);
  out.u32(series.info.publication_delay_s);
  out.i64(series.info.first_start_s);
  out.i64(series.info.last_start_s);
  out.u32(series.info.source);
}

SeriesKey load_key(StateReader& in) {
  SeriesKey key;
  key.account = in.text();
  key.region = in.text();
  key.metric_namespace = in.text();
  key.name = in.text();
  const std::uint64_t dimensions = in.count();
  for (std::uint64_t i = 0; i < dimensions && in.ok(); ++i) {
    std::string name = in.text();
    key.dimensions.emplace_back(std::move(name), in.text());
  }
  return key;
}

void save_series(const SeriesState& series, StateWriter& out) {
  save_info(series, out);
  out.boolean(series.period_configured);
  out.u32(series.retention_s);
  out.u32(series.carried_period_s);
  out.i64(series.carried_start_s);
  series.learner.save(out);
  out.i64(series.learned_s);
  series.points.save(out);
}

void load_series(SeriesState& series, StateReader& in) {
  series.info.own_period_s = in.u32();
  series.info.publication_delay_s = in.u32();
  series.info.first_start_s = in.i64();
  series.info.last_start_s = in.i64();
  series.info.source = in.u32();
  series.period_configured = in.boolean();
  series.retention_s = in.u32();
  series.carried_period_s = in.u32();
  series.carried_start_s = in.i64();
  series.learner.load(in);
  series.learned_s = in.i64();
  series.points.load(in);
  if (series.info.own_period_s == 0) in.fail();
}

}  // namespace

std::uint64_t hash_of(const SeriesKey& key) noexcept {
  std::uint64_t hash =
      parsers::mix(parsers::hash_text(key.name), parsers::hash_text(key.metric_namespace));
  hash = parsers::mix(hash, parsers::hash_text(key.account));
  hash = parsers::mix(hash, parsers::hash_text(key.region));
  for (const auto& [name, value] : key.dimensions)
    hash = parsers::mix(parsers::mix(hash, parsers::hash_text(name)), parsers::hash_text(value));
  return hash;
}

bool SeriesState::learn(GridTime start_s, std::uint32_t carried_s, GridTime heard_s) {
  const GridTime old_phase_s = learned_s;
  const std::uint32_t old_period_s = info.own_period_s;
  learned_s = std::max(learned_s, start_s);
  if (carried_s > 0) {
    const auto newer =
        std::tuple(start_s, carried_s) >= std::tuple(carried_start_s, carried_period_s);
    if (newer) {
      carried_start_s = start_s;
      carried_period_s = carried_s;
    }
  } else if (!flow) {
    learner.add(start_s, heard_s);
  }
  if (!period_configured)
    info.own_period_s =
        carried_period_s > 0 ? carried_period_s : learner.period_s(family.own_period_s);
  return old_phase_s == kBeforeAll || old_period_s != info.own_period_s ||
         (learned_s - old_phase_s) % old_period_s != 0;
}

void SeriesTable::save(std::string& out) const {
  StateWriter writer(out);
  writer.u64(state_->series.size());
  for (const SeriesState& series : state_->series) save_series(series, writer);
  writer.u64(state_->sources.size());
  for (const SourceState& source : state_->sources) {
    writer.i64(source.stalled_at_s);
    writer.u64(source.deaf.size());
    for (const DeafSpan& span : source.deaf) {
      writer.i64(span.from_s);
      writer.i64(span.to_s);
    }
  }
  writer.u64(state_->unretained.size());
  for (const SeriesId id : state_->unretained) writer.u32(id);
  writer.boolean(state_->learns_by_tick);
  writer.u64(state_->unlearned.size());
  for (const Unlearned& one : state_->unlearned) {
    writer.u32(one.id);
    writer.i64(one.next_s);
  }
}

bool SeriesTable::load(std::string_view& in) {
  SeriesTable loaded;
  StateReader reader(in);
  const std::uint64_t series = reader.count();
  for (std::uint64_t i = 0; i < series && reader.ok(); ++i) {
    SeriesKey key = load_key(reader);
    const std::uint64_t hash = hash_of(key);
    if (loaded.state_->find(key, hash) != parsers::IndexTable::kNone)
      reader.fail();  // Twice the same key.
    const SeriesId id = loaded.state_->add(std::move(key), hash, reader.text());
    load_series(loaded.state_->at(id), reader);
  }
  const std::uint64_t sources = reader.count();
  for (std::uint64_t i = 0; i < sources && reader.ok(); ++i) {
    SourceState source;
    source.stalled_at_s = reader.i64();
    const std::uint64_t spans = reader.count();
    for (std::uint64_t j = 0; j < spans && reader.ok(); ++j) {
      const GridTime from_s = reader.i64();
      source.deaf.push_back({from_s, reader.i64()});
    }
    loaded.state_->sources.push_back(std::move(source));
  }
  const std::uint64_t unretained = reader.count();
  for (std::uint64_t i = 0; i < unretained && reader.ok(); ++i) {
    const SeriesId id = reader.u32();
    if (id >= loaded.size()) reader.fail();
    loaded.state_->unretained.push_back(id);
  }
  loaded.state_->learns_by_tick = reader.boolean();
  const std::uint64_t unlearned = reader.count();
  for (std::uint64_t i = 0; i < unlearned && reader.ok(); ++i) {
    const SeriesId id = reader.u32();
    const GridTime next_s = reader.i64();
    if (id >= loaded.size()) {
      reader.fail();
      break;
    }
    loaded.state_->learn_later(id, next_s);
  }
  if (!reader.ok()) return false;
  *this = std::move(loaded);
  return true;
}

}  // namespace fleetmeter::aggregator
