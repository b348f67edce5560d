#!/usr/bin/env python3
"""One timed run of a peer; prints what it took as JSON. The clock starts when Python and the peer are loaded.

usage: peer.py duckdb|polars TASK      TASK: JSON of question, path, columns, threads, lenient, table
  question  flows: flow logs to sums by (interface, direction, action, minute of start), over log-status OK
            columns: flow logs to a table of typed columns;  metrics: a JSON metric stream to the same
  lenient   whatever option the peer has to pass over bad lines
  table     a file that gets the answer, as `figures flows` and `figures metrics` print it; not timed
The answer is in memory at the end, nothing is durable.
"""

import importlib
import json
import os
import pathlib
import resource
import sys
import time

# What Fleetmeter takes for private when no inventory says more (aggregator/path_class.cc), as far as inputs hold it.
PRIVATE = r"^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|169\.254\.|127\.)"

NUMBERS = {"version": 8, "srcport": 16, "dstport": 16, "protocol": 8, "packets": 64, "bytes": 64, "tcp_flags": 16, "traffic_path": 8}
TIMES = ("start", "end")


def cpu_s():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def rss_mb():
    """At its peak; ru_maxrss would be that of the process that started this one, where that was larger."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    name, task = sys.argv[1], json.loads(sys.argv[2])
    os.environ["POLARS_MAX_THREADS"] = str(task["threads"])
    peer = importlib.import_module(f"peer_{name}").Peer(task)
    began, wall = cpu_s(), time.monotonic()
    try:
        answer = getattr(peer, task["question"])()
    except Exception as error:  # Of whatever class the peer has: its first line says why.
        sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0]}")
    spent = {"cpu_s": cpu_s() - began, "wall_s": time.monotonic() - wall, "rss_mb": rss_mb(), "version": peer.version}
    if task["table"]:
        rows = sorted(",".join(map(str, row)) for row in getattr(peer, task["question"] + "_rows")(answer))
        pathlib.Path(task["table"]).write_text("".join(row + "\n" for row in rows))
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
