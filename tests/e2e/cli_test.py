#!/usr/bin/env python3
"""What the binary says to a user who mistypes, points it at the wrong thing, or takes its output away.

Each line below is a shell command, the exit code it must have, and a pattern of what must be said on standard error.

usage: cli_test.py FLEETMETER WORKDIR
"""

import gzip
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

LINE = "2 123456789012 eni-1 10.0.10.5 10.0.11.6 20641 22 6 20 4249 1763692200 1763692259 ACCEPT OK\n"
FLEET = "state: {state}\nhttp: {{ listen: \"127.0.0.1:0\" }}\nsources: [ files: {{ paths: [{paths}], follow: {follow} }} ]\n"

CASES = [
    # Commands and options.
    ("fleetmeter", 2, ""),
    ("fleetmeter flws", 2, r"`flws` is not a command; did you mean `flows`\?"),
    ("fleetmeter xyzzy", 2, r"`xyzzy` is not a command; `fleetmeter help` lists them"),
    ("fleetmeter run --untileof", 2, r"--untileof.*--help"),
    ("fleetmeter run extra", 2, r"--help"),
    ("fleetmeter flows", 2, r"needs a file"),
    ("fleetmeter flows good.log --format yaml", 2, r"`yaml` is none of table, json"),
    ("fleetmeter flows good.log --by foo", 2, r"`foo`"),
    ("fleetmeter rules", 2, r"there is: check"),
    # Numbers that are none of theirs.
    ("fleetmeter receive --no-verify --fail-first=-1", 2, r"--fail-first: must be a number from 0 to"),
    ("fleetmeter receive --no-verify --fail-status=-1", 2, r"--fail-status: must be a number from 200 to 599"),
    ("fleetmeter receive --no-verify --retry-after=-1", 2, r"--retry-after: must be a number from 0 to"),
    ("fleetmeter generate --out fleet --machines=-4294967276", 2, r"--machines: must be a number from 0 to"),
    ("fleetmeter generate --out fleet --zones=-1", 2, r"--zones: must be a number from 0 to"),
    ("fleetmeter generate --out fleet --gateways=-1", 2, r"--gateways: must be a number from 0 to"),
    # Inputs.
    ("fleetmeter flows good.log", 0, r"^$"),
    ("cat good.log | fleetmeter flows -", 0, r"^$"),
    ("fleetmeter flows <(cat good.log)", 0, r"^$"),
    ("fleetmeter flows nothing.log", 2, r"nothing.log: no such file"),
    ("fleetmeter flows good.log nothing.log", 1, r"nothing.log: no such file"),
    ("fleetmeter flows hollow", 2, r"hollow: holds no file"),
    ("fleetmeter flows empty.log", 0, r"the input is empty"),
    ("fleetmeter flows binary", 2, r"binary: is neither a flow log.* seems to be binary data; read are flow logs"),
    ("fleetmeter run -c binary.yaml --until-eof", 2, r"binary: is neither a flow log.* seems to be binary data; read are flow logs"),
    ("fleetmeter flows array.json", 2, r"array.json: is a JSON array.*jq -c '\.\[\]'"),
    ("fleetmeter flows object.json", 2, r"missing_key, such as object.json\n +a datapoint of a metric stream has namespace, metric_name"),
    ("fleetmeter flows rotated", 0, r"^rotated/a.log.gz holds nothing that rotated/a.log does not, and is left out$"),
    ("fleetmeter flows garbage.log", 2, r"--flow-format"),
    ("fleetmeter flows --strict good.log garbage.log", 1, r"1 flow log lines dropped"),
    ("fleetmeter flows cut.log.gz", 1, r"cut.log.gz: is cut short"),
    ("fleetmeter flows twice.gz", 0, r"^$"),
    ("fleetmeter flows twice-damaged.gz", 1, r"twice-damaged.gz: holds damaged compressed data"),
    ("fleetmeter flows $'odd\\xff.log'", 0, r"^$"),
    ("fleetmeter flows --inventory - good.log < good.log", 2, r"--inventory: `-` is not supported"),
    ("fleetmeter flows --inventory nothing.json good.log", 2, r"nothing.json: cannot be read"),
    # Output.
    ("fleetmeter flows good.log > /dev/full", 1, r"standard output could not be written"),
    ("fleetmeter flows --format json good.log > /dev/full", 1, r"standard output could not be written"),
    ("fleetmeter help config > /dev/full", 1, r"standard output could not be written"),
    ("fleetmeter version > /dev/full", 1, r"standard output could not be written"),
    ("fleetmeter replay -c files.yaml good.log --format json > /dev/full", 1, r"standard output could not be written"),
    ("fleetmeter run -c files.yaml --format json", 2, r"--format is for --until-eof"),
    ("fleetmeter run -c files.yaml --until-eof > /dev/full", 1, r"standard output could not be written"),
    ("fleetmeter run -c files.yaml --until-eof | true", 0, r"^(?!.*could not be written)"),
    ("fleetmeter run -c files.yaml --until-eof --events /nowhere/e.jsonl", 2, r"--events: /nowhere/e.jsonl: cannot be written: No such file"),
    ("fleetmeter replay -c files.yaml good.log --events /nowhere/e.jsonl", 2, r"--events: /nowhere/e.jsonl: cannot be written"),
    # Configuration: file, line, key and fix.
    ("fleetmeter run", 2, r"fleet.yaml: cannot be opened: No such file.*help config"),
    ("fleetmeter run -c hollow", 2, r"hollow: is a directory"),
    ("fleetmeter rules check typo.yaml", 2, r"typo.yaml:2: alarm: is not a known key; did you mean `alarms`\? known here: "),
    ("fleetmeter rules check deep.yaml", 2, r"deep.yaml:3: sources\[0\].files.path: is not a known key; did you mean `paths`\?"),
    ("fleetmeter rules check env.yaml", 2, r"env.yaml:1: environments.prod.mach: is not a known key; did you mean `match`\?"),
    ("fleetmeter rules check threshold.yaml", 2, r"threshold.yaml:2: alarms\[0\].when: `> eighty` is not a condition"),
    ("fleetmeter rules check broken.yaml", 2, r"broken.yaml:2: not YAML"),
    ("fleetmeter rules check files.yaml", 0, r"^$"),
    ("cat typo.yaml | fleetmeter rules check -", 2, r"<stdin>:2: alarm: is not a known key"),
    ("fleetmeter rules check --format json files.yaml | grep -q '\"schema\":1'", 0, r"^$"),
    ("echo 'fleet: f' > sourceless.yaml; fleetmeter run -c sourceless.yaml", 2, r"sourceless.yaml: sources: there is none"),
    # Environments that there are not.
    ("fleetmeter cost report -c envs.yaml --usage usage.yaml --environment nope", 2, r"environment: `nope` is none of prod, staging, unassigned"),
    ("fleetmeter cost report -c envs.yaml --usage usage.yaml --environment staging", 0, r"^$"),
    ("fleetmeter replay -c envs.yaml good.log --environment nope", 2, r"--environment: `nope` is none of prod, staging, unassigned"),
    ("fleetmeter run -c envs.yaml --until-eof --environment nope", 2, r"--environment: `nope` is none of prod, staging, unassigned"),
    ("fleetmeter replay -c envs.yaml good.log --environment staging", 0, r"^Data quality: 1 flow records"),
    # States that are not ours to touch.
    ("fleetmeter run -c foreign.yaml --until-eof", 2, r"foreign/log.db: is no SQLite file; left untouched"),
    ("fleetmeter run -c theirs.yaml --until-eof", 2, r"theirs/log.db: is a SQLite file of another program; left untouched"),
    ("fleetmeter run -c newer.yaml --until-eof", 2, r"newer/log.db: was written by a newer release.*left untouched"),
    ("fleetmeter run -c inside.yaml --until-eof", 2, r"state directory good.log/state: .*`state:`"),
]


def prepare(fleetmeter, directory):
    write = lambda name, text: (directory / name).write_text(text)
    (directory / "hollow").mkdir()
    (directory / "bin").mkdir()
    (directory / "bin/fleetmeter").symlink_to(fleetmeter)
    write("good.log", LINE)
    write("empty.log", "")
    write("garbage.log", "garbage here\n")
    write("array.json", "[{}]\n")
    write("object.json", '{"foo": 1}\n')
    write("binary.yaml", FLEET.format(state="binary-state", paths="binary", follow="false"))
    (directory / "rotated").mkdir()
    write("rotated/a.log", LINE)
    (directory / "rotated/a.log.gz").write_bytes(gzip.compress(LINE.encode()))
    (directory / "binary").write_bytes(b"\x00\x01\x02binary\xff")
    (directory / os.fsdecode(b"odd\xff.log")).write_text(LINE)
    packed = gzip.compress("".join(LINE.replace("4249", str(i)) for i in range(5000)).encode())
    (directory / "cut.log.gz").write_bytes(packed[:len(packed) // 2])
    (directory / "twice.gz").write_bytes(gzip.compress(packed))
    (directory / "twice-damaged.gz").write_bytes(gzip.compress(packed[:-6] + b"\x55" + packed[-5:]))
    write("files.yaml", FLEET.format(state="state", paths="good.log", follow="false"))
    write("follow.yaml", FLEET.format(state="follow", paths="good.log", follow="true"))
    write("other.yaml", FLEET.format(state="other", paths="good.log", follow="true"))
    write("typo.yaml", "fleet: x\nalarm: []\n")
    write("deep.yaml", "fleet: x\nsources:\n  - files: { path: [a] }\n")
    write("env.yaml", "environments: { prod: { mach: { tag: { a: b } } } }\n")
    write("envs.yaml", FLEET.format(state="envs", paths="good.log", follow="false") +
          "environments: { prod: { accounts: [\"123456789012\"] }, staging: { accounts: [\"123456789013\"] } }\n")
    write("usage.yaml", "version: 0.1\nresource_usage: {}\n")
    write("threshold.yaml", "alarms:\n  - { name: a, metric: { namespace: N, name: m }, when: \"> eighty\" }\n")
    write("broken.yaml", "fleet: [x\n")
    for name in ("foreign", "theirs", "newer"):
        (directory / name).mkdir()
        write(f"{name}.yaml", FLEET.format(state=name, paths="good.log", follow="false"))
    write("inside.yaml", FLEET.format(state="good.log/state", paths="good.log", follow="false"))
    write("foreign/log.db", "somebody's notes, and nothing of ours")
    with sqlite3.connect(directory / "theirs/log.db") as theirs:
        theirs.execute("CREATE TABLE notes(text)")
    subprocess.run([fleetmeter, "run", "-c", "newer.yaml", "--until-eof"], cwd=directory, check=True, capture_output=True)
    newer = sqlite3.connect(directory / "newer/log.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()


def shell(command, directory, env):
    done = subprocess.run(["bash", "-c", "set -o pipefail; " + command], cwd=directory, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)
    return done.returncode, done.stderr.decode(errors="replace")


def check_cases(directory, env, failed):
    for command, code, pattern in CASES:
        before = {p: p.read_bytes() for p in (directory / "foreign").iterdir()}
        got, said = shell(command, directory, env)
        if got != code or not re.search(pattern, said.strip(), re.S):
            failed.append(f"{command}\n  exit {got}, wanted {code}; wanted to read {pattern!r}:\n  {said}")
        if before != {p: p.read_bytes() for p in (directory / "foreign").iterdir()}:
            failed.append(f"{command}: touched a file that is not ours")


def check_services(fleetmeter, directory, env, failed):
    """A state and a port have one owner; Ctrl-C ends a run whose input is silent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        got, said = shell(f"fleetmeter run -c other.yaml --http 127.0.0.1:{port}", directory, env)
        if got != 2 or f"cannot listen on 127.0.0.1:{port}: Address already in use" not in said or "`--no-http`" not in said:
            failed.append(f"a port in use: {got} {said}")
    owner = subprocess.Popen([fleetmeter, "run", "-c", "follow.yaml"], cwd=directory, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for line in owner.stderr:
        if b"HTTP API listens" in line:
            break
    got, said = shell("fleetmeter run -c follow.yaml", directory, env)
    if got != 2 or "in use by another process" not in said:
        failed.append(f"two processes on one state: {got} {said}")
    owner.kill()
    owner.wait()
    owner.stderr.close()
    for interrupt in (signal.SIGINT, signal.SIGHUP):
        again = subprocess.Popen([fleetmeter, "run", "-c", "follow.yaml"], cwd=directory, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for line in again.stderr:
            if b"HTTP API listens" in line:
                break
        again.send_signal(interrupt)
        if again.wait(timeout=30) != 0:
            failed.append(f"started again, then {interrupt.name}: {again.returncode}")
        again.stderr.close()

    os.mkfifo(directory / "silent")
    (directory / "silent.yaml").write_text(FLEET.format(state="silent-state", paths="silent", follow="false"))
    (directory / "stdin.yaml").write_text(FLEET.format(state="stdin-state", paths='"-"', follow="false"))
    for words, interrupt, then in (("run -c silent.yaml --until-eof", signal.SIGTERM, "the next run on silent-state goes on"),
                                   ("run -c stdin.yaml --until-eof", signal.SIGINT, "the next run on stdin-state goes on"),
                                   ("replay -c stdin.yaml --state kept -", signal.SIGINT, "the next run on kept goes on"),
                                   ("replay -c stdin.yaml -", signal.SIGINT, "nothing of it is kept")):
        quiet, writer = os.pipe()
        waiting = subprocess.Popen([fleetmeter, *words.split()], cwd=directory, env=env, stdin=quiet,
                                   stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        time.sleep(1)
        waiting.send_signal(interrupt)
        try:
            said = waiting.communicate(timeout=10)[1].decode()
            if waiting.returncode != 1 or f"stopped before the end; {then}" not in said:
                failed.append(f"{words}: {waiting.returncode} {said}")
        except subprocess.TimeoutExpired:
            waiting.kill()
            waiting.communicate()
            failed.append(f"{words}: a signal does not end a run whose input is silent")
        os.close(quiet)
        os.close(writer)


def check_progress(fleetmeter, directory, env, failed):
    """A bar on a terminal for work over a second, nothing of it elsewhere."""
    terminal, theirs = pty.openpty()
    feeder = subprocess.Popen([sys.executable, "-c", f"import sys, time\nfor _ in range(20):\n    sys.stdout.write({LINE!r} * 2000); sys.stdout.flush(); time.sleep(0.1)\n"],
                              stdout=subprocess.PIPE)
    done = subprocess.run([fleetmeter, "flows", "-"], cwd=directory, env=env, stdin=feeder.stdout, stdout=subprocess.DEVNULL, stderr=theirs, timeout=60)
    feeder.stdout.close()
    feeder.wait()
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:
        pass  # The other end is closed.
    os.close(terminal)
    if done.returncode != 0 or not re.search(rb"reading [0-9.]+ [kM]B", shown):
        failed.append(f"progress on a terminal: {done.returncode} {shown!r}")


def main(fleetmeter, workdir):
    fleetmeter, directory = str(pathlib.Path(fleetmeter).resolve()), pathlib.Path(workdir).resolve()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    prepare(fleetmeter, directory)
    env = dict(os.environ, PATH=f"{directory / 'bin'}:{os.environ['PATH']}", LC_ALL="C")
    failed = []
    check_cases(directory, env, failed)
    check_services(fleetmeter, directory, env, failed)
    check_progress(fleetmeter, directory, env, failed)
    if failed:
        sys.exit("FAILED:\n" + "\n".join(failed))
    print(f"{len(CASES)} commands said what they must")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
