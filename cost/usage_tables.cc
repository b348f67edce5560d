#include "cost/usage_tables.h"

namespace fleetmeter::cost {
namespace {

using aggregator::LogPartition;
using aggregator::SqliteDatabase;
using aggregator::SqliteQuery;

// flow_key numbers the combinations of facts, so that a row of flow_hour is found by two integers.
// Columns of flow_key follow enum FlowFact; those that hold strings are numbers of `text`.
constexpr const char* kTables = R"sql(
CREATE TABLE view (id INTEGER PRIMARY KEY CHECK (id = 1), source TEXT NOT NULL);  -- '' = not told yet
INSERT INTO view VALUES (1, '');
CREATE TABLE position (
  partition INTEGER PRIMARY KEY,    -- of the log, here and below
  applied INTEGER NOT NULL,         -- position of the last log record that the rows hold
  next_offset INTEGER NOT NULL,     -- in a view of a usage topic: where to read on
  settled_hour INTEGER NOT NULL     -- append time up to which periods are settled
);
CREATE TABLE text (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE);
INSERT INTO text VALUES (0, '');
CREATE TABLE flow_key (
  id INTEGER PRIMARY KEY,
  environment INTEGER NOT NULL, status INTEGER NOT NULL, action INTEGER NOT NULL, direction INTEGER NOT NULL,
  path_class INTEGER NOT NULL, nat_leg INTEGER NOT NULL, role INTEGER NOT NULL, peer_role INTEGER NOT NULL,
  interface INTEGER NOT NULL, interface_az INTEGER NOT NULL, owner INTEGER NOT NULL, owner_az INTEGER NOT NULL,
  peer_owner INTEGER NOT NULL, peer_az INTEGER NOT NULL, peer_service INTEGER NOT NULL, peer_region INTEGER NOT NULL,
  peer_interface INTEGER NOT NULL, traffic_path INTEGER NOT NULL,
  UNIQUE (interface, owner, peer_owner, environment, status, action, direction, path_class, nat_leg, role, peer_role,
          interface_az, owner_az, peer_az, peer_service, peer_region, peer_interface, traffic_path)
);
CREATE TABLE flow_hour (
  hour INTEGER NOT NULL, key INTEGER NOT NULL, partition INTEGER NOT NULL, bytes INTEGER NOT NULL,
  packets INTEGER NOT NULL, records INTEGER NOT NULL, PRIMARY KEY (hour, key, partition)
) WITHOUT ROWID;
CREATE TABLE usage_hour (
  environment INTEGER NOT NULL, hour INTEGER NOT NULL, kind INTEGER NOT NULL, resource INTEGER NOT NULL,
  partition INTEGER NOT NULL, quantity INTEGER NOT NULL,
  PRIMARY KEY (hour, environment, kind, resource, partition)
) WITHOUT ROWID;
CREATE TABLE instance_minutes (
  environment INTEGER NOT NULL, instance INTEGER NOT NULL, hour INTEGER NOT NULL, partition INTEGER NOT NULL,
  mask INTEGER NOT NULL,            -- bit i = minute i was seen; of a NAT gateway's metric too, as gateway/metric
  PRIMARY KEY (hour, environment, instance, partition)
) WITHOUT ROWID;
CREATE TABLE metric_period (
  environment INTEGER NOT NULL, kind INTEGER NOT NULL, resource INTEGER NOT NULL, metric INTEGER NOT NULL,
  start_s INTEGER NOT NULL, partition INTEGER NOT NULL, sample_count_e6 INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  append_hour INTEGER NOT NULL,     -- of the newest value for the period
  PRIMARY KEY (environment, kind, resource, metric, start_s, partition)
) WITHOUT ROWID;
CREATE INDEX metric_period_by_age ON metric_period (partition, append_hour);
)sql";

constexpr aggregator::SqliteIdentity kIdentity{
    .application_id = 0x464d6374, .schema = 2, .tables = kTables};

std::int64_t signed_of(std::uint64_t value) {
  constexpr std::uint64_t kMax = static_cast<std::uint64_t>(INT64_MAX);
  return static_cast<std::int64_t>(value < kMax ? value : kMax);
}

/// The first column of the only row; nullopt where there is none.
Result<std::optional<std::uint64_t>> only_number(SqliteQuery& query) {
  std::optional<std::uint64_t> number;
  if (query.next()) number = static_cast<std::uint64_t>(query.integer(0));
  if (auto done = query.finish(); !done) return std::move(done).error();
  return number;
}

}  // namespace

const aggregator::SqliteIdentity& usage_identity() noexcept { return kIdentity; }

Result<std::string> find_text_of(SqliteDatabase& database, TextId id) {
  SqliteQuery query(database, "SELECT value FROM text WHERE id = ?1");
  query.bind(1, id);
  std::optional<std::string> text;
  if (query.next()) text = std::string(query.blob(0));
  if (auto done = query.finish(); !done) return std::move(done).error();
  if (!text) return Error{ErrorCode::kDataLoss, database.path() + ": a string of it is missing"};
  return *std::move(text);
}

Result<TextId> find_or_add_text(SqliteDatabase& database, std::string_view text) {
  {
    SqliteQuery find(database, "SELECT id FROM text WHERE value = ?1");
    find.bind_text(1, text);
    if (find.next()) return static_cast<TextId>(find.integer(0));
    if (auto done = find.finish(); !done) return std::move(done).error();
  }
  SqliteQuery add(database, "INSERT INTO text (value) VALUES (?1) RETURNING id");
  add.bind_text(1, text);
  TextId id = 0;
  if (add.next()) id = static_cast<TextId>(add.integer(0));
  if (auto done = add.run(); !done) return std::move(done).error();
  return id;
}

Result<FlowKeyId> find_or_add_key(SqliteDatabase& database, const FlowFacts& facts) {
  const auto bind = [&facts](SqliteQuery& query) {
    for (std::size_t i = 0; i < facts.size(); ++i) query.bind(static_cast<int>(i) + 1, facts[i]);
  };
  {
    SqliteQuery find(
        database,
        "SELECT id FROM flow_key WHERE environment = ?1 AND status = ?2 AND action = ?3 AND "
        "direction = ?4 "
        "AND path_class = ?5 AND nat_leg = ?6 AND role = ?7 AND peer_role = ?8 AND interface = ?9 "
        "AND "
        "interface_az = ?10 AND owner = ?11 AND owner_az = ?12 AND peer_owner = ?13 AND peer_az = "
        "?14 AND "
        "peer_service = ?15 AND peer_region = ?16 AND peer_interface = ?17 AND traffic_path = ?18");
    bind(find);
    if (find.next()) return find.integer(0);
    if (auto done = find.finish(); !done) return std::move(done).error();
  }
  SqliteQuery add(
      database,
      "INSERT INTO flow_key (environment, status, action, direction, path_class, nat_leg, role, "
      "peer_role, "
      "interface, interface_az, owner, owner_az, peer_owner, peer_az, peer_service, peer_region, "
      "peer_interface, traffic_path) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
      "?13, ?14, "
      "?15, ?16, ?17, ?18) RETURNING id");
  bind(add);
  std::int64_t id = 0;
  if (add.next()) id = add.integer(0);
  if (auto done = add.run(); !done) return std::move(done).error();
  return id;
}

Result<std::optional<FlowSums>> find_flow_hour(SqliteDatabase& database, LogPartition partition,
                                               const FlowHour& key) {
  SqliteQuery query(database,
                    "SELECT bytes, packets, records FROM flow_hour WHERE hour = ?1 AND key = ?2 "
                    "AND partition = ?3");
  query.bind(1, key.hour).bind(2, key.key).bind(3, partition);
  std::optional<FlowSums> sums;
  if (query.next()) {
    sums = FlowSums{static_cast<std::uint64_t>(query.integer(0)),
                    static_cast<std::uint64_t>(query.integer(1)),
                    static_cast<std::uint64_t>(query.integer(2))};
  }
  if (auto done = query.finish(); !done) return std::move(done).error();
  return sums;
}

Result<void> put_flow_hour(SqliteDatabase& database, LogPartition partition, const FlowHour& key,
                           const FlowSums& sums) {
  SqliteQuery query(
      database,
      "INSERT INTO flow_hour VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET "
      "bytes = excluded.bytes, packets = excluded.packets, records = excluded.records");
  return query.bind(1, key.hour)
      .bind(2, key.key)
      .bind(3, partition)
      .bind(4, signed_of(sums.bytes))
      .bind(5, signed_of(sums.packets))
      .bind(6, signed_of(sums.records))
      .run();
}

Result<std::optional<std::uint64_t>> find_usage(SqliteDatabase& database, LogPartition partition,
                                                const UsageFold::HourKey& key) {
  const auto& [environment, hour, kind, resource] = key;
  SqliteQuery query(database,
                    "SELECT quantity FROM usage_hour WHERE hour = ?1 AND environment = ?2 AND "
                    "kind = ?3 AND resource = ?4 AND partition = ?5");
  query.bind(1, hour).bind(2, environment).bind(3, kind).bind(4, resource).bind(5, partition);
  return only_number(query);
}

Result<void> put_usage(SqliteDatabase& database, LogPartition partition,
                       const UsageFold::HourKey& key, std::uint64_t quantity) {
  const auto& [environment, hour, kind, resource] = key;
  SqliteQuery query(database,
                    "INSERT INTO usage_hour VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE "
                    "SET quantity = excluded.quantity");
  return query.bind(1, environment)
      .bind(2, hour)
      .bind(3, kind)
      .bind(4, resource)
      .bind(5, partition)
      .bind(6, signed_of(quantity))
      .run();
}

Result<std::optional<std::uint64_t>> find_minutes(SqliteDatabase& database, LogPartition partition,
                                                  const UsageFold::MinuteKey& key) {
  const auto& [environment, instance, hour] = key;
  SqliteQuery query(database,
                    "SELECT mask FROM instance_minutes WHERE hour = ?1 AND environment = ?2 AND "
                    "instance = ?3 AND partition = ?4");
  query.bind(1, hour).bind(2, environment).bind(3, instance).bind(4, partition);
  return only_number(query);
}

Result<void> put_minutes(SqliteDatabase& database, LogPartition partition,
                         const UsageFold::MinuteKey& key, std::uint64_t mask) {
  const auto& [environment, instance, hour] = key;
  SqliteQuery query(database,
                    "INSERT INTO instance_minutes VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO "
                    "UPDATE SET mask = excluded.mask");
  return query.bind(1, environment)
      .bind(2, instance)
      .bind(3, hour)
      .bind(4, partition)
      .bind(5, static_cast<std::int64_t>(mask))
      .run();
}

Result<std::optional<PeriodRow>> find_period(SqliteDatabase& database, LogPartition partition,
                                             const UsageFold::PeriodKey& key) {
  const auto& [environment, kind, resource, metric, start_s] = key;
  SqliteQuery query(database,
                    "SELECT sample_count_e6, quantity, append_hour FROM metric_period WHERE "
                    "environment = ?1 AND kind = ?2 AND resource = ?3 AND metric = ?4 AND "
                    "start_s = ?5 AND partition = ?6");
  query.bind(1, environment)
      .bind(2, kind)
      .bind(3, resource)
      .bind(4, metric)
      .bind(5, start_s)
      .bind(6, partition);
  std::optional<PeriodRow> row;
  if (query.next()) row = PeriodRow{{query.integer(0), query.integer(1)}, query.integer(2)};
  if (auto done = query.finish(); !done) return std::move(done).error();
  return row;
}

Result<std::vector<std::pair<UsageFold::PeriodKey, PeriodRow>>> find_periods_before(
    SqliteDatabase& database, LogPartition partition, std::int64_t append_hour) {
  SqliteQuery query(database,
                    "SELECT environment, kind, resource, metric, start_s, sample_count_e6, "
                    "quantity, append_hour FROM metric_period WHERE partition = ?1 AND "
                    "append_hour < ?2");
  query.bind(1, partition).bind(2, append_hour);
  const auto text = [&query](int column) { return static_cast<TextId>(query.integer(column)); };
  std::vector<std::pair<UsageFold::PeriodKey, PeriodRow>> rows;
  while (query.next()) {
    rows.emplace_back(UsageFold::PeriodKey{text(0), text(1), text(2), text(3), query.integer(4)},
                      PeriodRow{{query.integer(5), query.integer(6)}, query.integer(7)});
  }
  if (auto done = query.finish(); !done) return std::move(done).error();
  return rows;
}

Result<void> put_period(SqliteDatabase& database, LogPartition partition,
                        const UsageFold::PeriodKey& key, const PeriodRow& row) {
  const auto& [environment, kind, resource, metric, start_s] = key;
  SqliteQuery query(database,
                    "INSERT INTO metric_period VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON "
                    "CONFLICT DO UPDATE SET sample_count_e6 = excluded.sample_count_e6, "
                    "quantity = excluded.quantity, append_hour = excluded.append_hour");
  return query.bind(1, environment)
      .bind(2, kind)
      .bind(3, resource)
      .bind(4, metric)
      .bind(5, start_s)
      .bind(6, partition)
      .bind(7, row.value.sample_count_e6)
      .bind(8, row.value.quantity)
      .bind(9, row.append_hour)
      .run();
}

Result<void> remove_period(SqliteDatabase& database, LogPartition partition,
                           const UsageFold::PeriodKey& key) {
  const auto& [environment, kind, resource, metric, start_s] = key;
  SqliteQuery query(database,
                    "DELETE FROM metric_period WHERE environment = ?1 AND kind = ?2 AND resource "
                    "= ?3 AND metric = ?4 AND start_s = ?5 AND partition = ?6");
  return query.bind(1, environment)
      .bind(2, kind)
      .bind(3, resource)
      .bind(4, metric)
      .bind(5, start_s)
      .bind(6, partition)
      .run();
}

Result<void> remove_periods_before(SqliteDatabase& database, LogPartition partition,
                                   std::int64_t append_hour) {
  SqliteQuery query(database,
                    "DELETE FROM metric_period WHERE partition = ?1 AND append_hour < ?2");
  return query.bind(1, partition).bind(2, append_hour).run();
}

Result<UsagePosition> find_position(SqliteDatabase& database, LogPartition partition) {
  SqliteQuery query(database,
                    "SELECT applied, next_offset, settled_hour FROM position WHERE partition = ?1");
  query.bind(1, partition);
  UsagePosition position;
  if (query.next()) position = {query.integer(0), query.integer(1), query.integer(2)};
  if (auto done = query.finish(); !done) return std::move(done).error();
  return position;
}

Result<void> put_position(SqliteDatabase& database, LogPartition partition,
                          const UsagePosition& position) {
  SqliteQuery query(database,
                    "INSERT INTO position VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "
                    "applied = excluded.applied, next_offset = excluded.next_offset, "
                    "settled_hour = excluded.settled_hour");
  return query.bind(1, partition)
      .bind(2, position.applied)
      .bind(3, position.next_offset)
      .bind(4, position.settled_hour)
      .run();
}

Result<void> prune_usage(SqliteDatabase& database, std::uint32_t before_hour) {
  const std::string hour = std::to_string(before_hour);
  const std::string sql =
      "BEGIN IMMEDIATE;"
      "DELETE FROM flow_hour WHERE hour < " +
      hour +
      ";"
      "DELETE FROM usage_hour WHERE hour < " +
      hour +
      ";"
      "DELETE FROM instance_minutes WHERE hour < " +
      hour +
      ";"
      "DELETE FROM metric_period WHERE start_s / 3600 < " +
      hour +
      ";"
      "DELETE FROM flow_key WHERE id NOT IN (SELECT key FROM flow_hour);"
      "DELETE FROM text WHERE id <> 0 AND id NOT IN ("
      "  SELECT environment FROM flow_key UNION SELECT interface FROM flow_key UNION SELECT "
      "interface_az FROM flow_key"
      "  UNION SELECT owner FROM flow_key UNION SELECT owner_az FROM flow_key UNION SELECT "
      "peer_owner FROM flow_key"
      "  UNION SELECT peer_az FROM flow_key UNION SELECT peer_service FROM flow_key"
      "  UNION SELECT peer_region FROM flow_key UNION SELECT peer_interface FROM flow_key"
      "  UNION SELECT environment FROM usage_hour UNION SELECT kind FROM usage_hour UNION SELECT "
      "resource FROM usage_hour"
      "  UNION SELECT environment FROM instance_minutes UNION SELECT instance FROM instance_minutes"
      "  UNION SELECT environment FROM metric_period UNION SELECT kind FROM metric_period"
      "  UNION SELECT resource FROM metric_period UNION SELECT metric FROM metric_period);"
      "COMMIT";
  Result<void> done = database.execute(sql);
  if (!done && database.in_transaction()) (void)database.execute("ROLLBACK").has_value();
  return done;
}

}  // namespace fleetmeter::cost
