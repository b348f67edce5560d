#!/usr/bin/env python3
"""Kills `fleetmeter run` with -9 at seeded points and holds it to an undisturbed twin.

Telemetry of a generated fleet goes to both at the same times of a test-only clock: metric streams through the Firehose
endpoint (the sender repeats what was not answered, with the same request id), flow logs into followed files, cut at any byte.
One of the two is killed again and again: at named points between append and commit, around the commit of outputs, before
and after a delivery, and from outside. In the end events, totals and bill must be equal, and each receiver must have got
every event id and never two bodies for one.

usage: kill_test.py FLEETMETER WORKDIR [--kills N] [--minutes N] [--rate X] [--seed N] [--changes N] [--decisions N]
"""

import argparse
import base64
import collections
import gzip
import http.client
import json
import math
import mmap
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import uuid

START = 1_772_409_600  # 2026-03-02T00:00:00Z, where the generated telemetry begins.
SECRET = "whsec_" + base64.b64encode(b"kill-test-secret-of-24-b").decode()
POINTS = (["append.before_commit"] * 4 + ["outputs.before_commit"] * 3 +
          ["append.after_commit", "outputs.after_commit", "delivery.before_send", "delivery.after_send", "firehose.before_reply",
           "source.after_read", "snapshot.before_commit", "snapshot.after_commit"])

CONFIG = """
fleet: kill-test
state: {state}
http: {{ listen: "127.0.0.1:{http}" }}
environments: {{ prod: {{ match: {{ tag: {{ Environment: prod }} }}, region: us-east-1 }} }}
sources:
  - firehose: {{ listen: "127.0.0.1:{firehose}", access_key_env: KILL_TEST_KEY }}
  - files: {{ paths: ["{flow}/*.log"], follow: true }}
inventory: [ {inventory} ]
alarms:
  - {{ name: cpu-warn, metric: {{ namespace: AWS/EC2, name: CPUUtilization }}, for_each: InstanceId, when: "> 70", datapoints: 5 of 5, missing: ignore, notify: [ops] }}
  - {{ name: cpu-critical, severity: critical, metric: {{ namespace: AWS/EC2, name: CPUUtilization }}, for_each: InstanceId, when: "> 85", datapoints: 3 of 3, missing: ignore, notify: [ops] }}
  - {{ name: disk-warn, metric: {{ namespace: CWAgent, name: disk_used_percent, statistic: Maximum }}, for_each: InstanceId, when: "> 80", datapoints: 5 of 5, missing: ignore, notify: [ops] }}
  - {{ name: nat-drops, severity: critical, metric: {{ namespace: AWS/NATGateway, name: PacketsDropCount, statistic: Sum }}, for_each: NatGatewayId, when: "> 0", missing: ignore, notify: [ops] }}
  - {{ name: reject-scan, metric: {{ namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }}, for_each: InterfaceId, when: "> 200", datapoints: 3 of 3, missing: ignore, notify: [ops] }}
scaling:
  - {{ group: {{ asg: hyperion-windows-fleet-asg }}, min: 2, max: 40, cooldown: 300s,
      metrics: {{ cpu: {{ namespace: AWS/EC2, name: CPUUtilization }} }},
      policies: [ {{ simple: {{ metric: cpu, when: "> 70", for: 5m, add: 1 }} }}, {{ simple: {{ metric: cpu, when: "< 30", for: 10m, remove: 1 }} }} ],
      act: [ webhook: provisioning ] }}
notify:
  ops: {{ webhook: {{ url: "{receiver}/ops", secret_env: KILL_TEST_SECRET }} }}
  provisioning: {{ webhook: {{ url: "{receiver}/provisioning", secret_env: KILL_TEST_SECRET }} }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fail(message):
    print(f"FAILED: {message}", flush=True)
    raise SystemExit(1)


class Clock:
    """The test-only clock of all processes, a file that they read: runs `rate` times as fast as the real one where the machine
    can, and never over LEAD past what the slowest feeder has sent. A slow machine makes the test longer, its telemetry no later."""

    LEAD = 30

    def __init__(self, rate, path, feeders):
        self.rate, self.setting = rate, f"file:{path}"
        self.sent_to = dict.fromkeys(feeders, START)
        path.write_bytes(struct.pack("q", START * 1000))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 8)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            time.sleep(0.005)
            next_at = min(self.now() + 0.005 * self.rate, min(self.sent_to.values()) + self.LEAD)
            if next_at > self.now():
                self.memory[:] = struct.pack("q", int(next_at * 1000))

    def now(self):
        return struct.unpack("q", self.memory[:])[0] / 1000

    def wait_until(self, at, feeder):
        """For a feeder that has sent all that comes before `at`."""
        self.sent_to[feeder] = max(at, self.sent_to[feeder])
        while self.now() < at:
            time.sleep(0.01)

    def nothing_more(self, feeder):
        self.sent_to[feeder] = math.inf


class Fleet:
    """One `fleetmeter run` with its receiver, flow files and senders."""

    def __init__(self, name, args, clock, telemetry):
        self.name, self.args, self.clock = name, args, clock
        self.dir = pathlib.Path(args.workdir) / name
        self.flow = self.dir / "flow"
        self.flow.mkdir(parents=True)
        self.ports = {"http": free_port(), "firehose": free_port()}
        self.env = dict(os.environ, KILL_TEST_KEY="key", KILL_TEST_SECRET=SECRET, FLEETMETER_TEST_CLOCK=clock.setting)
        self.env.pop("FLEETMETER_TEST_FAULT", None)
        self.receiver_log = (self.dir / "receiver.log").open("w+")
        self.receiver = subprocess.Popen([args.fleetmeter, "receive", "--listen", "127.0.0.1:0", "--secret-env", "KILL_TEST_SECRET",
                                          "--tolerance", "0", "--out", str(self.dir / "deliveries.jsonl")],
                                         env=self.env, stdout=self.receiver_log, stderr=subprocess.STDOUT)
        inventory = ", ".join(f'file: "{p}"' for p in sorted((telemetry.dir / "inventory").glob("*.json")))
        (self.dir / "fleet.yaml").write_text(CONFIG.format(
            state=self.dir / "state", flow=self.flow, inventory=inventory, receiver=self.receiver_url(), **self.ports))
        self.process = None
        self.repeats = 0

    def receiver_url(self):
        for _ in range(200):
            text = (self.dir / "receiver.log").read_text()
            if "http://" in text:
                return "http://" + text.split("http://", 1)[1].split("/", 1)[0].split()[0]
            time.sleep(0.05)
        fail(f"{self.name}: the receiver did not start: {text}")

    def start(self, fault=None, events=None):
        env = dict(self.env)
        if fault:
            env["FLEETMETER_TEST_FAULT"] = fault
        command = [self.args.fleetmeter, "run", "-c", str(self.dir / "fleet.yaml")]
        if events:
            command += ["--events", str(events)]
        log = (self.dir / "run.log").open("a")
        self.process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)

    def wait_ready(self):
        for _ in range(400):
            try:
                with socket.create_connection(("127.0.0.1", self.ports["firehose"]), timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        fail(f"{self.name}: does not listen; see {self.dir}/run.log")

    def send(self, request_id, body):
        """As Firehose does: again until answered with 200, always with the same id."""
        attempt = 0
        while True:
            attempt += 1
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.ports["firehose"], timeout=10)
                connection.request("POST", "/", body, {"Content-Type": "application/json", "X-Amz-Firehose-Access-Key": "key",
                                                       "X-Amz-Firehose-Request-Id": request_id, "X-Amz-Firehose-Protocol-Version": "1.0",
                                                       "X-Amz-Firehose-Source-Arn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/m"})
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                if answer.status == 200:
                    if json.loads(text)["requestId"] != request_id:
                        fail(f"{self.name}: answered another request id")
                    self.repeats += attempt > 1
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=30)
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())

    def pending(self):
        with sqlite3.connect(f"file:{self.dir}/state/log.db?mode=ro", uri=True) as log:
            return log.execute("SELECT count(*) FROM outbox WHERE state = 0").fetchone()[0]


class Telemetry:
    """What the generator wrote, by minute."""

    def __init__(self, args):
        self.dir = pathlib.Path(args.workdir) / "telemetry"
        subprocess.run([args.fleetmeter, "generate", "--out", str(self.dir), "--machines", "12", "--duration", f"{args.minutes}m",
                        "--seed", str(args.seed)] + [x for i in incidents(args.minutes) for x in ("--incident", i)], check=True, stdout=subprocess.DEVNULL)
        self.flow, self.metrics = collections.defaultdict(list), collections.defaultdict(list)
        for path in sorted(self.dir.glob("telemetry/AWSLogs/**/*.log.gz")):
            for line in gzip.open(path, "rt"):
                if not line.startswith("version"):
                    self.flow[(int(line.split()[10]) - START) // 60].append(line)
        for path in sorted(self.dir.glob("telemetry/metrics/**/*")):
            if path.is_file():
                opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
                for line in opened:
                    self.metrics[(json.loads(line)["timestamp"] // 1000 - START) // 60].append(line)


def incidents(minutes):
    """Enough to decide about, and nothing that hangs on silence: a slot that ended while we were down is unknown, not missing."""
    found = []
    for start in range(20, minutes - 45, 50):
        found += [f"cpu@{start}+20:0:92.5", f"disk@{start + 5}+30:{start // 50 % 12}"]
        if start + 45 < minutes - 20:
            found.append(f"scan@{start + 27}+10:{(start // 50 + 5) % 12}")
    return found


def feed(fleet, telemetry, args):
    """Metrics of a minute come 80 s after its end, flow records in pieces cut anywhere; the same for both fleets."""
    rng = random.Random(args.seed)
    for minute in range(args.minutes):
        fleet.clock.wait_until(START + (minute + 1) * 60 + 80, fleet.name)
        text = "".join(telemetry.flow[minute]).encode()
        cuts = sorted(rng.randrange(len(text) + 1) for _ in range(3)) if text else []
        with (fleet.flow / f"hour-{minute // 60:03}.log").open("ab", buffering=0) as out:
            for begin, end in zip([0] + cuts, cuts + [len(text)]):
                out.write(text[begin:end])
        lines = telemetry.metrics[minute]
        for part in range(2):
            records = lines[part::2]
            data = [base64.b64encode("".join(records[i:i + 40]).encode()).decode() for i in range(0, len(records), 40)]
            request_id = str(uuid.UUID(int=rng.getrandbits(128)))
            fleet.send(request_id, json.dumps({"requestId": request_id, "timestamp": int(fleet.clock.now() * 1000), "records": [{"data": d} for d in data]}))
    fleet.clock.nothing_more(fleet.name)


def kill_again_and_again(fleet, args, histogram, stop):
    """Restarts at once after each kill: at a named point when it is passed in time, else from outside."""
    rng = random.Random(args.seed + 1)
    span = args.minutes * 60 / args.rate / args.kills  # Real seconds for each kill.
    for number in range(args.kills):
        fault = None
        if rng.random() < 0.9:
            point = rng.choice(POINTS)
            fault = f"{point}:{1 if point.startswith(('delivery', 'snapshot')) else rng.randrange(1, 15)}"
        if number == 0 and fleet.process is not None:
            fault = None  # The first one runs already.
        else:
            fleet.start(fault)
        deadline = time.time() + span * rng.uniform(0.5, 1.2)
        while time.time() < deadline and fleet.process.poll() is None:
            time.sleep(0.01)
        if fleet.process.poll() is None:
            fleet.process.send_signal(signal.SIGKILL)
            fleet.process.wait()
            where = "outside"
        elif fleet.process.returncode == -signal.SIGKILL:
            where = fault.rpartition(":")[0]
        else:
            fail(f"{fleet.name}: ended by itself with {fleet.process.returncode}; see {fleet.dir}/run.log")
        histogram[where + (", outbox waiting" if fleet.pending() > 0 else "")] += 1
    fleet.start(events=fleet.dir / "events.jsonl")
    stop.set()


def settle(fleet, args):
    """Until everything is evaluated, closed and delivered."""
    fleet.clock.wait_until(START + args.minutes * 60 + 45 * 60, fleet.name)
    for _ in range(600):
        status = fleet.get("/api/v1/status")
        if status["log"]["applied"] == status["log"]["last"] or status["log"]["last"] - status["log"]["applied"] < 50:
            if fleet.pending() == 0:
                break
        time.sleep(0.1)
    else:
        fail(f"{fleet.name}: does not settle: {status['log']}, {fleet.pending()} deliveries wait")
    fleet.process.send_signal(signal.SIGTERM)
    if fleet.process.wait(timeout=60) != 0:
        fail(f"{fleet.name}: SIGTERM ended it with {fleet.process.returncode}")
    fleet.receiver.send_signal(signal.SIGTERM)
    if fleet.receiver.wait(timeout=30) != 0:
        fail(f"{fleet.name}: the receiver got two bodies for one id: {(fleet.dir / 'receiver.log').read_text()}")
    report = subprocess.run([args.fleetmeter, "cost", "report", "-c", str(fleet.dir / "fleet.yaml"), "--month", "2026-03", "--basis", "to-date",
                             "--format", "json"], env=fleet.env, check=True, capture_output=True, text=True).stdout
    with sqlite3.connect(f"file:{fleet.dir}/state/cost.db?mode=ro", uri=True) as cost:
        totals = {table: cost.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for (table,) in
                  cost.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%hour%'").fetchall()}
        totals["flow"] = cost.execute("SELECT sum(bytes), sum(packets), sum(records) FROM flow_hour").fetchone()
    with sqlite3.connect(f"file:{fleet.dir}/state/log.db?mode=ro", uri=True) as log:
        states = collections.Counter(row[0] for row in log.execute("SELECT state FROM outbox"))
    return {"events": (fleet.dir / "events.jsonl").read_text(), "bill": report, "totals": totals, "outbox": states}


def check(fleet, found):
    events = [json.loads(line) for line in found["events"].splitlines()]
    deliveries = [json.loads(line) for line in (fleet.dir / "deliveries.jsonl").read_text().splitlines()]
    bodies = collections.defaultdict(set)
    for delivery in deliveries:
        bodies[delivery["id"]].add(delivery["sha256"])
    if any(len(found_bodies) > 1 for found_bodies in bodies.values()):
        fail(f"{fleet.name}: two bodies for one id")
    got = {identity.rpartition("-")[0] for identity in bodies}
    with sqlite3.connect(f"file:{fleet.dir}/state/log.db?mode=ro", uri=True) as log:
        expired = {row[0] for row in log.execute("SELECT event_id FROM outbox WHERE state = 3")}
        queued = {row[0] for row in log.execute("SELECT event_id FROM outbox")}
    told = {e["id"] for e in events if e["type"] in ("alarm.state_changed", "scaling.decided") and not e.get("initial", False)}
    if missing := queued - got - expired:
        fail(f"{fleet.name}: {len(missing)} queued events never reached their receiver")
    # After a catch-up an alarm notifies its net change only (docs/time.md 7); everything else is queued.
    if len(told - queued) > len(told) // 10:
        fail(f"{fleet.name}: {len(told - queued)} of {len(told)} events were never queued")
    changes = sum(e["type"] == "alarm.state_changed" and not e.get("initial", False) for e in events)
    decisions = sum(e["type"] == "scaling.decided" for e in events)
    print(f"{fleet.name}: {changes} alarm changes, {decisions} scaling decisions, {len(deliveries)} deliveries of {len(bodies)} ids, "
          f"{len(expired)} expired, {fleet.repeats} requests repeated, totals {found['totals']}", flush=True)
    return changes, decisions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleetmeter")
    parser.add_argument("workdir", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--rate", type=float, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--decisions", type=int, default=5)
    parser.add_argument("--inside", type=float, default=0.3, help="least share of kills between append and commit or with a filled outbox")
    args = parser.parse_args()
    shutil.rmtree(args.workdir, ignore_errors=True)
    pathlib.Path(args.workdir).mkdir(parents=True)
    telemetry = Telemetry(args)
    names = ["undisturbed", "killed"]
    clock = Clock(args.rate, pathlib.Path(args.workdir) / "clock", names)
    fleets = [Fleet(name, args, clock, telemetry) for name in names]
    processes = lambda: [p for f in fleets for p in (f.process, f.receiver) if p is not None and p.poll() is None]
    try:
        fleets[0].start(events=fleets[0].dir / "events.jsonl")
        fleets[1].start()
        for fleet in fleets:
            fleet.wait_ready()
        histogram, stop = collections.Counter(), threading.Event()
        failures = []

        def guarded(function, *arguments):
            try:
                function(*arguments)
            except BaseException as problem:  # A thread's failure must fail the test.
                failures.append(problem)

        threads = [threading.Thread(target=guarded, args=(feed, fleet, telemetry, args), daemon=True) for fleet in fleets]
        threads.append(threading.Thread(target=guarded, args=(kill_again_and_again, fleets[1], args, histogram, stop), daemon=True))
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if failures:
                raise failures[0]
            time.sleep(0.1)
        if failures:
            raise failures[0]
        print("kills:", ", ".join(f"{count} x {where}" for where, count in histogram.most_common()), flush=True)
        found = [settle(fleet, args) for fleet in fleets]
        changes, decisions = [check(fleet, result) for fleet, result in zip(fleets, found)][0]
        if changes < args.changes or decisions < args.decisions:
            fail(f"{changes} alarm changes and {decisions} decisions are too few to show anything")
        inside = sum(count for where, count in histogram.items() if where.endswith("outbox waiting") or where.endswith("before_commit"))
        if inside < args.inside * args.kills:
            fail(f"only {inside} of {args.kills} kills came between append and commit or while the outbox was filled")
        for what in ("events", "totals", "bill"):
            if found[0][what] != found[1][what]:
                fail(f"{what} differ; compare {fleets[0].dir} and {fleets[1].dir}")
        print(f"events, totals and bill are equal after {args.kills} kills")
    finally:
        for process in processes():
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
