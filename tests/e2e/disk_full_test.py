#!/usr/bin/env python3
"""Fills the disk under `fleetmeter run`, for real: its state lies on a tmpfs of a few MB.

Firehose requests go in until one is refused. Then ingest must acknowledge nothing, `/ready` must say why, `/health` must stay
200 and the log must say it once. When there is room again the process must go on by itself, and what it holds must be what
was acknowledged, before, meanwhile and after: nothing lost, nothing twice. A second process started on the full disk must
say the same, end when it is told to, and damage nothing of what is there.

usage: disk_full_test.py FLEETMETER WORKDIR      (needs the right to mount; else it says so and exits 77)
"""

import atexit
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

SIZE_MB = 24
CONFIG = """
fleet: disk-full
state: {disk}/state
http: {{ listen: "127.0.0.1:0" }}
environments: {{ prod: {{ region: us-east-1 }} }}
sources:
  - firehose: {{ listen: "127.0.0.1:0" }}
  - files: {{ paths: ["{flow}/*.log"], follow: true }}
"""


def fail(message):
    sys.exit(f"FAILED: {message}")


def wait_for(what, condition, seconds=60):
    until = time.time() + seconds
    while time.time() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    fail(f"{what}: not within {seconds} s")


def flow_line(byte_count, address):
    start = int(time.time()) - 60
    return (f"2 123456789012 eni-{address % 200:08x} 10.0.{address // 250 % 250}.{address % 250} 10.1.2.3 {1024 + address % 60000} 443 6 1 "
            f"{byte_count} {start} {start + 30} ACCEPT OK\n")


def start(fleetmeter, directory, name):
    """Ends with this test, however that ends."""
    process = subprocess.Popen([fleetmeter, "run", "-c", str(directory / "fleet.yaml")],
                               stdout=(directory / f"{name}.log").open("w"), stderr=subprocess.STDOUT)
    atexit.register(process.kill)
    return process


class Run:
    """One `fleetmeter run` and how to speak to it."""

    def __init__(self, fleetmeter, directory, name, reads=True):
        self.log_path = directory / f"{name}.log"
        self.process = start(fleetmeter, directory, name)
        self.http = self.port_of("HTTP API listens on port")
        if reads:
            self.firehose = self.port_of("Firehose endpoint listens on port")

    def log(self):
        return self.log_path.read_text()

    def messages(self):
        return [json.loads(line)["message"] for line in self.log().splitlines(keepends=True) if line.endswith("}\n")]

    def port_of(self, words):
        def look():
            if self.process.poll() is not None:
                fail(f"ended with {self.process.returncode}: {self.log()}")
            found = re.search(re.escape(words) + r" (\d+)", self.log())
            return found and int(found.group(1))
        return wait_for(words, look)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, text

    def send(self, request_id, lines):
        """Status and answer of one Firehose request; what the sender would repeat with the same id."""
        body = json.dumps({"requestId": request_id, "timestamp": int(time.time() * 1000),
                           "records": [{"data": base64.b64encode("".join(lines).encode()).decode()}]})
        connection = http.client.HTTPConnection("127.0.0.1", self.firehose, timeout=60)
        connection.request("POST", "/", body, {"X-Amz-Firehose-Request-Id": request_id,
                                               "X-Amz-Firehose-Source-Arn": "arn:aws:firehose:us-east-1:1:deliverystream/s"})
        answer = connection.getresponse()
        text = json.loads(answer.read())
        if text["requestId"] != request_id or ("errorMessage" in text) != (answer.status != 200):
            fail(f"answer outside the contract: {answer.status} {text}")
        return answer.status, text.get("errorMessage", "")

    def held(self):
        """Records and bytes that the bill knows of."""
        status, text = self.get("/api/v1/flows?hours=48")
        if status != 200:
            return None
        classes = json.loads(text)["path_classes"]
        return sum(int(c["records"]) for c in classes), sum(int(c["bytes"]) for c in classes)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        if code != 0:
            fail(f"SIGTERM: exit code {code}: {self.log()[-2000:]}")


def fill(run, sent, first):
    """Sends until one request is refused; returns its number."""
    for number in range(first, first + 5000):
        lines = [flow_line(1 + number, number * 50 + i) for i in range(50)]
        status, why = run.send(f"request-{number}", lines)
        if status == 503:
            print(f"request {number} is refused: {why}", flush=True)
            sent[number] = (lines, False)
            return number
        if status != 200:
            fail(f"request {number}: {status} {why}")
        sent[number] = (lines, True)
    fail("the disk does not fill")


def turns_of(run, who, seconds=0):
    """What the log says of who waits for room, in order: "waits" and "goes on"; waits a while for the first."""
    until = time.time() + seconds
    while True:
        found = [re.match(re.escape(who) + " (waits|goes on)", message) for message in run.messages()]
        turns = [one.group(1) for one in found if one]
        if turns or time.time() >= until:
            return turns
        time.sleep(0.1)


def expected(sent):
    taken = [lines for lines, acknowledged in sent.values() if acknowledged]
    return sum(len(lines) for lines in taken), sum(int(line.split()[9]) for lines in taken for line in lines)


def main(fleetmeter, workdir):
    directory = pathlib.Path(workdir).resolve()
    disk, flow = directory / "disk", directory / "flow"
    if os.path.ismount(disk):
        subprocess.run(["umount", str(disk)], check=True)
    shutil.rmtree(directory, ignore_errors=True)
    disk.mkdir(parents=True)
    flow.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(disk)], capture_output=True, text=True)
    if mounted.returncode != 0:
        print(f"SKIPPED: a tmpfs cannot be mounted here ({mounted.stderr.strip()}); run it as root")
        sys.exit(77)
    try:
        play(fleetmeter, directory, disk, flow)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def play(fleetmeter, directory, disk, flow):
    (directory / "fleet.yaml").write_text(CONFIG.format(disk=disk, flow=flow))
    sent = {}
    run = Run(fleetmeter, directory, "first")
    for number in range(5):
        sent[number] = ([flow_line(7, number)], run.send(f"request-{number}", [flow_line(7, number)])[0] == 200)
    (flow / "before.log").write_text(flow_line(11, 1))
    wait_for("the first records", lambda: run.held() == (6, 46))

    # A file of somebody else's takes what is left, but for a little.
    ballast = disk / "ballast"
    with ballast.open("wb") as out:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        out.write(b"\0" * max(0, free - (2 << 20)))
    refused = fill(run, sent, 100)
    # Evaluation of the last that was acknowledged may have found room in pages it had already; then a little more goes in.
    for _ in range(20):
        if turns_of(run, "evaluation", 5):
            break
        os.truncate(ballast, ballast.stat().st_size - (128 << 10))
        refused = fill(run, sent, refused)

    status, text = wait_for("/ready says so", lambda: (lambda a: a if a[0] == 503 else None)(run.get("/ready")))
    if "full" not in text:
        fail(f"/ready does not say that the disk is full: {text}")
    print(f"/ready: {text}")
    if run.get("/health")[0] != 200:
        fail(f"/health: {run.get('/health')}")
    # More senders, a followed file, and the same request again and again: all wait.
    for number in range(refused + 1, refused + 4):
        lines = [flow_line(1 + number, number * 50 + i) for i in range(50)] * 20
        status, why = run.send(f"request-{number}", lines)
        if status != 503 or "full" not in why:
            fail(f"request {number} on a full disk: {status} {why}")
        sent[number] = (lines, False)
    for _ in range(5):
        if run.send(f"request-{refused}", sent[refused][0])[0] == 200:
            fail("a full disk acknowledges")
        time.sleep(0.2)
    meanwhile = [flow_line(13, 1_000_000 + i) for i in range(2000)]  # More than a page or two that may be left.
    (flow / "meanwhile.log").write_text("".join(meanwhile))
    who_waits = ("firehose:0", "files:1", "evaluation")
    wait_for("the log says who waits", lambda: all(turns_of(run, who)[-1:] == ["waits"] for who in who_waits))
    time.sleep(2)
    for who in who_waits:
        turns = turns_of(run, who)
        if turns != ["waits", "goes on"] * (len(turns) // 2) + ["waits"]:
            fail(f"the log does not say exactly once that {who} waits: {turns}\n" + run.log())
    print("log:", *(message for message in run.messages() if "full" in message), sep="\n  ")

    # Room again: it goes on without being told.
    ballast.unlink()
    wait_for("/ready again", lambda: run.get("/ready")[0] == 200, 30)
    for number in (refused, refused + 1):
        if run.send(f"request-{number}", sent[number][0])[0] != 200:
            fail(f"request {number} is still refused")
        sent[number] = (sent[number][0], True)
        run.send(f"request-{number}", sent[number][0])  # Once more: a repeat, not counted.
    sent["before.log"], sent["meanwhile.log"] = ([flow_line(11, 1)], True), (meanwhile, True)
    wait_for(f"all that was acknowledged, {expected(sent)}, and no more", lambda: run.held() == expected(sent))
    time.sleep(1)
    if run.held() != expected(sent):
        fail(f"holds {run.held()}, acknowledged {expected(sent)}")
    wait_for("the log says who goes on", lambda: all(turns_of(run, who)[-1] == "goes on" for who in who_waits))

    # Stopped on a full disk, started on a full disk, then given room.
    with ballast.open("wb", buffering=0) as out:  # A buffer would be written once more, and fail, when it closes.
        try:
            while True:
                out.write(b"\0" * 65536)
        except OSError:
            pass
    again = fill(run, sent, 10_000)
    time.sleep(1)
    run.stop()
    second = Run(fleetmeter, directory, "second", reads=False)
    reasons = wait_for("/ready says so from the start", lambda: (lambda a: a[1] if "full" in a[1] else None)(second.get("/ready")))
    print(f"started on a full disk: /ready: {reasons}")
    if second.get("/ready")[0] != 503 or second.get("/health")[0] != 200:
        fail(f"started on a full disk: {second.get('/ready')}, {second.get('/health')}")
    second.stop()
    ballast.unlink()
    third = Run(fleetmeter, directory, "third")
    if third.send(f"request-{again}", sent[again][0])[0] != 200:
        fail("not taken after the restart")
    sent[again] = (sent[again][0], True)
    wait_for(f"{expected(sent)} after the restart", lambda: third.held() == expected(sent))
    third.stop()
    print(f"equal: {expected(sent)[0]} records, {expected(sent)[1]} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
