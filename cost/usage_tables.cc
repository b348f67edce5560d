#include "cost/usage_tables.h"

namespace fleetmeter::cost {
namespace {

using aggregator::SqliteDatabase;
using aggregator::SqliteQuery;

// flow_key numbers the combinations of facts, so that a row of flow_hour is found by two integers.
// Columns of flow_key follow enum FlowFact; those that hold strings are numbers of `text`.
constexpr const char* kTables = R"sql(
CREATE TABLE position (partition INTEGER PRIMARY KEY, applied INTEGER NOT NULL);
CREATE TABLE settled (id INTEGER PRIMARY KEY CHECK (id = 1), append_hour INTEGER NOT NULL);
INSERT INTO settled VALUES (1, 0);
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
  hour INTEGER NOT NULL, key INTEGER NOT NULL, bytes INTEGER NOT NULL, packets INTEGER NOT NULL,
  records INTEGER NOT NULL, PRIMARY KEY (hour, key)
) WITHOUT ROWID;
CREATE TABLE usage_hour (
  environment INTEGER NOT NULL, hour INTEGER NOT NULL, kind INTEGER NOT NULL, resource INTEGER NOT NULL,
  quantity INTEGER NOT NULL, PRIMARY KEY (hour, environment, kind, resource)
) WITHOUT ROWID;
CREATE TABLE instance_minutes (
  environment INTEGER NOT NULL, instance INTEGER NOT NULL, hour INTEGER NOT NULL,
  mask INTEGER NOT NULL,            -- bit i = minute i was seen
  PRIMARY KEY (hour, environment, instance)
) WITHOUT ROWID;
CREATE TABLE metric_period (
  environment INTEGER NOT NULL, kind INTEGER NOT NULL, resource INTEGER NOT NULL, metric INTEGER NOT NULL,
  start_s INTEGER NOT NULL, sample_count_e6 INTEGER NOT NULL, quantity INTEGER NOT NULL,
  append_hour INTEGER NOT NULL,     -- of the newest value for the period
  PRIMARY KEY (environment, kind, resource, metric, start_s)
) WITHOUT ROWID;
CREATE INDEX metric_period_by_age ON metric_period (append_hour);
)sql";

constexpr aggregator::SqliteIdentity kIdentity{
    .application_id = 0x464d6374, .schema = 1, .tables = kTables};

std::int64_t signed_of(std::uint64_t value) {
  constexpr std::uint64_t kMax = static_cast<std::uint64_t>(INT64_MAX);
  return static_cast<std::int64_t>(value < kMax ? value : kMax);
}

}  // namespace

const aggregator::SqliteIdentity& usage_identity() noexcept { return kIdentity; }

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

Result<std::int64_t> find_or_add_key(SqliteDatabase& database, const FlowFacts& facts) {
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

Result<void> add_flow_hour(SqliteDatabase& database, std::uint32_t hour, std::int64_t key,
                           const FlowSums& sums) {
  SqliteQuery query(
      database,
      "INSERT INTO flow_hour VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET bytes = bytes + "
      "excluded.bytes, packets = packets + excluded.packets, records = records + excluded.records");
  return query.bind(1, hour)
      .bind(2, key)
      .bind(3, signed_of(sums.bytes))
      .bind(4, signed_of(sums.packets))
      .bind(5, signed_of(sums.records))
      .run();
}

Result<void> add_usage(SqliteDatabase& database, const UsageFold::HourKey& key,
                       std::uint64_t quantity) {
  const auto& [environment, hour, kind, resource] = key;
  SqliteQuery query(database,
                    "INSERT INTO usage_hour VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET "
                    "quantity = quantity + "
                    "excluded.quantity");
  return query.bind(1, environment)
      .bind(2, hour)
      .bind(3, kind)
      .bind(4, resource)
      .bind(5, signed_of(quantity))
      .run();
}

Result<void> add_minutes(SqliteDatabase& database, const UsageFold::MinuteKey& key,
                         std::uint64_t mask) {
  const auto& [environment, instance, hour] = key;
  SqliteQuery query(database,
                    "INSERT INTO instance_minutes VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE "
                    "SET mask = mask | "
                    "excluded.mask");
  return query.bind(1, environment)
      .bind(2, instance)
      .bind(3, hour)
      .bind(4, static_cast<std::int64_t>(mask))
      .run();
}

Result<void> put_period(SqliteDatabase& database, const UsageFold::PeriodKey& key,
                        const PeriodValue& value, std::int64_t append_hour) {
  const auto& [environment, kind, resource, metric, start_s] = key;
  SqliteQuery query(
      database,
      "INSERT INTO metric_period VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET "
      "sample_count_e6 = excluded.sample_count_e6, quantity = excluded.quantity, "
      "append_hour = max(append_hour, excluded.append_hour) "
      "WHERE (excluded.sample_count_e6, excluded.quantity) > (sample_count_e6, quantity)");
  return query.bind(1, environment)
      .bind(2, kind)
      .bind(3, resource)
      .bind(4, metric)
      .bind(5, start_s)
      .bind(6, value.sample_count_e6)
      .bind(7, value.quantity)
      .bind(8, append_hour)
      .run();
}

Result<void> settle_periods(SqliteDatabase& database, std::int64_t append_hour,
                            std::int64_t kept_hours) {
  {
    SqliteQuery advance(database, "UPDATE settled SET append_hour = ?1 WHERE append_hour < ?1");
    if (auto done = advance.bind(1, append_hour).run(); !done) return done;
    if (database.changes() == 0) return {};
  }
  const std::int64_t before = append_hour - kept_hours;
  {
    SqliteQuery fold(database,
                     "INSERT INTO usage_hour SELECT environment, start_s / 3600, kind, resource, "
                     "sum(quantity) FROM "
                     "metric_period WHERE append_hour < ?1 GROUP BY 1, 2, 3, 4 ON CONFLICT DO "
                     "UPDATE SET quantity = "
                     "quantity + excluded.quantity");
    if (auto done = fold.bind(1, before).run(); !done) return done;
  }
  SqliteQuery remove(database, "DELETE FROM metric_period WHERE append_hour < ?1");
  return remove.bind(1, before).run();
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
