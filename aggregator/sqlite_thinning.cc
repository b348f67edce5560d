// Ticks and progress behind the snapshots (docs/time.md 11): nobody decides by them any more, and
// they come every ten and every second.
#include "aggregator/sqlite_tables.h"

namespace fleetmeter::aggregator {
namespace {

// No progress record of ordinary size is longer as stored; batches that are need not be opened.
constexpr std::int64_t kOpenedBytesMax = 16'384;
constexpr std::int64_t kMinuteMs = 60'000;

/// The newest progress record of the minute that is being read.
struct OpenMinute {
  LogPosition position = 0;  ///< 0 = none.
  std::int64_t minute = 0;
  std::int64_t stored_bytes = 0;
  bool changed = false;
  proto::LogRecord record;
};

bool begins_to_listen(const proto::Progress& progress) {
  for (const proto::SourceProgress& source : progress.sources()) {
    if (source.started()) return true;
  }
  return false;
}

/// Sources that only the older record speaks of come into the newer one.
void take_over(const proto::Progress& older, proto::Progress& newer) {
  const int spoken_of = newer.sources_size();
  for (const proto::SourceProgress& source : older.sources()) {
    bool known = false;
    for (int i = 0; i < spoken_of; ++i)
      known = known || newer.sources(i).source() == source.source();
    if (!known) *newer.add_sources() = source;
  }
}

Result<void> remove_record(SqliteDatabase& database, StoreTotals& totals, LogPosition position,
                           std::int64_t stored_bytes) {
  SqliteQuery query(database, "DELETE FROM log WHERE position = ?1");
  if (auto done = query.bind(1, position).run(); !done) return done;
  totals.log_bytes -= stored_bytes;
  return {};
}

Result<void> write_merged(SqliteDatabase& database, StoreTotals& totals, const OpenMinute& open) {
  if (!open.changed) return {};
  const StoredRecord stored = encode_record(open.record, true);
  SqliteQuery query(database,
                    "UPDATE log SET codec = ?2, crc = ?3, record = ?4 WHERE position = ?1");
  query.bind(1, open.position).bind(2, stored.codec).bind(3, stored.crc);
  if (auto done = query.bind_blob(4, stored.bytes).run(); !done) return done;
  totals.log_bytes += static_cast<std::int64_t>(stored.bytes.size()) - open.stored_bytes;
  return {};
}

struct SmallRecord {
  LogPosition position = 0;
  std::int64_t stored_bytes = 0;
  proto::LogRecord record;
};

/// Records that can be ticks or progress; one that is damaged stays as it is, for whoever reads it.
Result<std::vector<SmallRecord>> small_records(SqliteDatabase& database, LogPosition after,
                                               LogPosition to, std::size_t records_max,
                                               LogPosition& looked_at) {
  SqliteQuery query(database,
                    "SELECT position, codec, crc, record FROM log WHERE position > ?1 AND "
                    "position <= ?2 AND length(record) <= ?3 ORDER BY position LIMIT ?4");
  query.bind(1, after).bind(2, to).bind(3, kOpenedBytesMax);
  query.bind(4, static_cast<std::int64_t>(records_max));
  std::vector<SmallRecord> records;
  std::size_t rows = 0;
  while (query.next()) {
    ++rows;
    looked_at = query.integer(0);
    SmallRecord small{.position = looked_at,
                      .stored_bytes = static_cast<std::int64_t>(query.blob(3).size()),
                      .record = {}};
    const auto crc = static_cast<std::uint32_t>(query.integer(2));
    if (!decode_record(query.integer(1), crc, query.blob(3), small.record)) continue;
    if (small.record.has_tick() || small.record.has_progress()) records.push_back(std::move(small));
  }
  if (auto done = query.finish(); !done) return done.error();
  if (rows < records_max) looked_at = to;
  return records;
}

}  // namespace

Result<ThinnedStep> thin_records(SqliteDatabase& database, StoreTotals& totals, LogPosition to,
                                 std::size_t records_max) {
  const auto thinned_to = database.integer("SELECT position FROM thinned");
  if (!thinned_to) return thinned_to.error();
  ThinnedStep step{.gone = 0, .done = true};
  if (*thinned_to >= to) return step;
  LogPosition looked_at = *thinned_to;
  auto records = small_records(database, *thinned_to, to, records_max, looked_at);
  if (!records) return records.error();
  OpenMinute open;
  for (SmallRecord& small : *records) {
    if (small.record.has_tick()) {
      if (small.record.tick().time_s() % 60 == 0) continue;
      if (auto done = remove_record(database, totals, small.position, small.stored_bytes); !done)
        return done.error();
      ++step.gone;
      continue;
    }
    // Where a process began to listen stays to be seen.
    if (begins_to_listen(small.record.progress())) continue;
    const std::int64_t minute = small.record.append_time_ms() / kMinuteMs;
    const bool same = open.position != 0 && open.minute == minute;
    if (same) {
      if (auto done = remove_record(database, totals, open.position, open.stored_bytes); !done)
        return done.error();
      ++step.gone;
      take_over(open.record.progress(), *small.record.mutable_progress());
    } else if (auto done = write_merged(database, totals, open); !done) {
      return done.error();
    }
    open = {small.position, minute, small.stored_bytes, same, std::move(small.record)};
  }
  if (auto done = write_merged(database, totals, open); !done) return done.error();
  SqliteQuery query(database, "UPDATE thinned SET position = ?1");
  if (auto done = query.bind(1, looked_at).run(); !done) return done.error();
  step.done = looked_at >= to;
  return step;
}

}  // namespace fleetmeter::aggregator
