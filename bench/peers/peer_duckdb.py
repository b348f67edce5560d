"""DuckDB's side of peer.py: SQL with explicit column types, into tables in memory."""

import duckdb

from peer import NUMBERS, PRIVATE, TIMES


def type_of(column):
    if column in TIMES:
        return "BIGINT"
    return {8: "UTINYINT", 16: "USMALLINT", 64: "UBIGINT"}.get(NUMBERS.get(column), "VARCHAR")


class Peer:
    version = duckdb.__version__

    def __init__(self, task):
        self.task = task
        self.connection = duckdb.connect()
        self.connection.execute(f"SET threads = {task['threads']}")
        self.connection.execute("SELECT 1").fetchall()

    def run(self, sql):
        return self.connection.execute(sql)

    def source(self):
        if self.task["path"].endswith(".parquet"):
            return f"read_parquet('{self.task['path']}')"
        columns = ", ".join(f"'{column}': '{type_of(column)}'" for column in self.task["columns"])
        lenient = ", ignore_errors = true" if self.task["lenient"] else ""
        return (f"read_csv('{self.task['path']}', delim = ' ', header = false, auto_detect = false, quote = '', escape = '', "
                f"nullstr = '-', columns = {{{columns}}}{lenient})")

    def flows(self):
        if "flow_direction" in self.task["columns"]:
            direction, facts = "flow_direction", "flow_direction"
        else:
            direction = ("CASE WHEN from_private AND NOT to_private THEN 'egress' WHEN to_private AND NOT from_private THEN 'ingress' "
                         "ELSE 'unknown' END")
            facts = f"regexp_matches(srcaddr, '{PRIVATE}') AS from_private, regexp_matches(dstaddr, '{PRIVATE}') AS to_private"
        self.run(f"""CREATE TABLE sums AS
            WITH records AS (SELECT interface_id, action, start, packets, bytes, {facts} FROM {self.source()} WHERE log_status = 'OK')
            SELECT interface_id, {direction} AS direction, action, start // 60 AS start_min,
                   sum(packets)::UBIGINT AS packets, sum(bytes)::UBIGINT AS bytes, count(*) AS records
            FROM records GROUP BY ALL""")

    def flows_rows(self, _):
        return self.run("SELECT interface_id, direction, coalesce(action, ''), start_min::VARCHAR, packets::VARCHAR, bytes::VARCHAR, "
                        "records::VARCHAR FROM sums").fetchall()

    def columns(self):
        self.run(f"CREATE TABLE records AS SELECT * FROM {self.source()}")

    def columns_rows(self, _):
        return self.run("SELECT count(*)::VARCHAR, sum(bytes)::VARCHAR FROM records").fetchall()

    def metrics(self):
        self.run(f"""CREATE TABLE datapoints AS
            SELECT account_id, region, namespace, metric_name, dimensions, timestamp, unit,
                   value."count" AS sample_count, value."sum" AS total, value."min" AS minimum, value."max" AS maximum
            FROM read_json('{self.task['path']}', format = 'newline_delimited',
              columns = {{'metric_stream_name': 'VARCHAR', 'account_id': 'VARCHAR', 'region': 'VARCHAR', 'namespace': 'VARCHAR',
                'metric_name': 'VARCHAR', 'dimensions': 'MAP(VARCHAR, VARCHAR)', 'timestamp': 'BIGINT',
                'value': 'STRUCT("count" DOUBLE, "sum" DOUBLE, "max" DOUBLE, "min" DOUBLE)', 'unit': 'VARCHAR'}})""")

    def metrics_rows(self, _):
        return self.run("""SELECT namespace, metric_name, count(*)::VARCHAR, printf('%.6f', sum(sample_count)), printf('%.6f', sum(total)),
                           printf('%.6f', min(minimum)), printf('%.6f', max(maximum)) FROM datapoints GROUP BY ALL""").fetchall()
