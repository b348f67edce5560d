#!/usr/bin/env python3
"""One timed run of DuckDB on one thread: the SQL of duckdb_NAME.sql on a file; prints its CPU-seconds as JSON.

The clock starts when Python and DuckDB are loaded and stops when the result is a table in memory.
usage: duckdb_side.py flows|metrics INPUT [TABLE.csv]   (TABLE.csv: what figures prints of the same input)
"""

import json
import pathlib
import resource
import sys
import time

import duckdb

TABLES = {
    "flows": "SELECT interface_id, direction, coalesce(action, ''), start_min, packets, bytes, records FROM sums",
    "metrics": """SELECT namespace, metric_name, count(*), printf('%.6f', sum(sample_count)), printf('%.6f', sum(total)),
                  printf('%.6f', min(minimum)), printf('%.6f', max(maximum)) FROM datapoints GROUP BY ALL""",
}


def cpu_s():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    name, path = sys.argv[1:3]
    sql = (pathlib.Path(__file__).parent / f"duckdb_{name}.sql").read_text().replace("$path", f"'{path}'")
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute("SELECT 1").fetchall()
    began, wall = cpu_s(), time.monotonic()
    connection.execute(sql)
    spent = {"cpu_s": cpu_s() - began, "wall_s": time.monotonic() - wall, "version": duckdb.__version__}
    if len(sys.argv) > 3:
        rows = sorted(",".join(str(cell) for cell in row) for row in connection.execute(TABLES[name]).fetchall())
        pathlib.Path(sys.argv[3]).write_text("".join(row + "\n" for row in rows))
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
