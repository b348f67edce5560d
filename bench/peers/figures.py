#!/usr/bin/env python3
"""Telemetry to durable aggregates, Fleetmeter against DuckDB, per CPU-second: equal tables first, then alternating rounds.

usage: figures.py FIGURES WORKDIR [--minutes N] [--rounds N] [--python PYTHON]
FIGURES is the program of bench/figures; PYTHON has the module duckdb. Leaves figures.json and figures.md in WORKDIR.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent


def fail(why):
    sys.exit(f"figures.py: {why}")


def run_child(command, capture=True):
    """Standard output, and the CPU- and wall seconds of the child alone."""
    began = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE if capture else None)
    out = child.stdout.read() if capture else b""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        fail(f"{command[0]} {command[1]} ended with {child.returncode}")
    return out.decode(), {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": time.monotonic() - began, "rss_mb": usage.ru_maxrss / 1024}


def concatenate(files, path):
    with open(path, "wb") as out:
        for file in sorted(files):
            with open(file, "rb") as part:
                shutil.copyfileobj(part, out)
    if path.stat().st_size == 0:
        fail(f"{path} is empty")


def prepare(figures, work, minutes):
    """Seeded inputs, one file a kind; made once a length."""
    mark = work / "inputs.json"
    if mark.exists() and json.loads(mark.read_text())["minutes"] == minutes:
        return json.loads(mark.read_text())
    inputs = {"minutes": minutes}
    for name in ("json", "otlp"):
        fleet = work / f"fleet-{name}"
        shutil.rmtree(fleet, ignore_errors=True)
        made, _ = run_child([figures, "generate", fleet, minutes, name])
        inputs.update(json.loads(made))
        metrics = [file for file in (fleet / "telemetry" / "metrics").rglob("*") if file.is_file()]
        concatenate(metrics, work / f"metrics.{name}")
        if name == "json":
            flows = [file for file in (fleet / "telemetry").rglob("*") if file.is_file() and file not in set(metrics)]
            concatenate(flows, work / "flows.log")
        shutil.rmtree(fleet)
    mark.write_text(json.dumps(inputs))
    return inputs


class Contest:
    """One question: our run on `ours`, DuckDB's on `theirs` (the same telemetry)."""

    def __init__(self, title, table, items, ours, theirs):
        self.title, self.table, self.items, self.ours, self.theirs = title, table, items, ours, theirs
        self.rounds = {"fleetmeter": [], "duckdb": []}

    def run_ours(self, args):
        log = args.work / "log"
        shutil.rmtree(log, ignore_errors=True)
        out, spent = run_child([args.figures, "ingest", log / "log.db", self.ours])
        counts = json.loads(out)
        if counts["malformed"]:
            fail(f"{self.ours}: {counts['malformed']} records malformed")
        return spent

    def run_theirs(self, args, table=()):
        out, _ = run_child([args.python, HERE / "duckdb_side.py", self.table, self.theirs, *table])
        return json.loads(out)

    def check(self, args):
        """Both tables must be equal, byte by byte; this is the warm-up too."""
        self.run_ours(args)
        ours, _ = run_child([args.figures, self.table, args.work / "log" / "log.db"])
        theirs = args.work / f"{self.table}.duckdb.csv"
        args.duckdb_version = self.run_theirs(args, [theirs])["version"]
        left, right = sorted(ours.splitlines()), sorted(theirs.read_text().splitlines())
        if left != right:
            different = sorted(set(left) ^ set(right))
            fail(f"{self.title}: tables differ in {len(different)} lines, the first: {different[:4]}")
        if not left:
            fail(f"{self.title}: the tables are empty")
        self.rows = len(left)

    def round(self, args):
        self.rounds["fleetmeter"].append(self.run_ours(args))
        self.rounds["duckdb"].append(self.run_theirs(args))

    def spread(self, side):
        rates = sorted(self.items / spent["cpu_s"] / 1e6 for spent in self.rounds[side])
        return rates[0], statistics.median(rates), rates[-1]

    def summary(self):
        ours, theirs = self.spread("fleetmeter"), self.spread("duckdb")
        return {"question": self.title, "items": self.items, "table_rows": self.rows, "input_bytes": self.ours.stat().st_size,
                "million_per_cpu_s": {"fleetmeter": ours, "duckdb": theirs}, "ratio_of_medians": ours[1] / theirs[1],
                "rss_mb_max": max(spent["rss_mb"] for spent in self.rounds["fleetmeter"]), "rounds": self.rounds}


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def markdown(results, args):
    lines = [f"{processor()}, {os.cpu_count()} cores, DuckDB {args.duckdb_version} on one thread, {args.rounds} rounds; million records or datapoints per CPU-second, min / median / max", "",
             "| Question | Items | Equal rows | Fleetmeter | DuckDB | Ratio of medians |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for result in results:
        cells = [" / ".join(f"{rate:.2f}" for rate in result["million_per_cpu_s"][side]) for side in ("fleetmeter", "duckdb")]
        lines.append(f"| {result['question']} | {result['items']:,} | {result['table_rows']:,} | {cells[0]} | {cells[1]} | {result['ratio_of_medians']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--minutes", type=int, default=500, help="of a fleet of 100 machines: 2,000 flow records and 1,000 datapoints each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    inputs = prepare(args.figures, args.work, args.minutes)
    flows, as_json, as_otlp = args.work / "flows.log", args.work / "metrics.json", args.work / "metrics.otlp"
    contests = [Contest("flow text v2 to sums", "flows", inputs["flow_lines"], flows, flows),
                Contest("metric stream JSON to datapoints", "metrics", inputs["datapoints"], as_json, as_json),
                Contest("metric stream OTLP 1.0 to datapoints (DuckDB: the JSON)", "metrics", inputs["datapoints"], as_otlp, as_json)]
    for contest in contests:
        contest.check(args)
    for number in range(args.rounds):
        for contest in contests:
            contest.round(args)
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    results = [contest.summary() for contest in contests]
    (args.work / "figures.json").write_text(json.dumps({"schema": 1, "duckdb": args.duckdb_version, "minutes": args.minutes, "results": results}, indent=1) + "\n")
    (args.work / "figures.md").write_text(markdown(results, args))
    print(markdown(results, args), end="")


if __name__ == "__main__":
    main()
