#!/usr/bin/env python3
"""Types every `fleetmeter` command that README.md, docs/ and the `--help` of each command show, as they stand there.

Each runs in a fresh copy of a directory that holds the files they name. A command must end with 0; a service must say that it
listens, and end with 0 when it is asked to.

usage: docs_test.py FLEETMETER WORKDIR
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = "2 123456789012 eni-1 10.0.10.5 10.0.11.6 20641 22 6 20 4249 1763692200 1763692259 ACCEPT OK\n"
SERVICES = ("run", "receive", "ingest", "evaluate")
NEEDS_A_BROKER = ("ingest", "evaluate")
FLEET = """
fleet: docs
state: state
http: { listen: "127.0.0.1:0" }
environments: { prod: { region: us-east-1 } }
sources: [ files: { paths: [AWSLogs] } ]
inventory: [ file: subnets.yaml ]
alarms:
  - { name: traffic, metric: { namespace: Fleetmeter/VPC, name: AcceptedBytes }, for_each: InterfaceId, when: "> 1000" }
"""
INVENTORY = """
vpc_cidr: 10.0.0.0/16
subnets:
  - { name: private-a, cidr: 10.0.10.0/24, az: us-east-1a }
  - { name: private-b, cidr: 10.0.11.0/24, az: us-east-1b }
interfaces:
  - { id: eni-1, role: nat, address: 10.0.10.5, subnet: private-a }
"""
STATE = '{"version": 4, "terraform_version": "1.9.0", "resources": []}'
PLAN = '{"format_version": "1.2", "terraform_version": "1.9.0", "planned_values": {"root_module": {"resources": []}}}'
NAB = "timestamp,value\n2014-02-14 14:27:00,51.846\n2014-02-14 14:32:00,44.508\n"
BITBRAINS = ("Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\tMemory capacity provisioned [KB];"
             "\tMemory usage [KB];\tDisk read throughput [KB/s];\tDisk write throughput [KB/s];\tNetwork received throughput [KB/s];"
             "\tNetwork transmitted throughput [KB/s]\n1376314846;\t4;\t11703.99;\t10912.0;\t93.2;\t67108864;\t6129274.4;\t0.1;\t20.9;\t0.0;\t2.0\n")
SHELL_STUBS = {"aws": f"#!/bin/sh\nprintf '%s' '2025-11-21T02:30:00 {LINE}'\n", "jq": "#!/bin/sh\ncat >/dev/null\n"}


def prepare(fleetmeter, base):
    """What the commands name."""
    base.mkdir(parents=True)
    subprocess.run([fleetmeter, "generate", "--out", str(base / "made"), "--machines", "4", "--duration", "20m"], check=True, stdout=subprocess.DEVNULL)
    shutil.move(base / "made/telemetry/AWSLogs", base / "AWSLogs")
    shutil.move(base / "made/telemetry/metrics", base / "metrics")
    for path in (base / "made/inventory").iterdir():
        shutil.move(path, base / path.name)
    shutil.rmtree(base / "made")
    first = next((base / "AWSLogs").rglob("*.log.gz"))
    for name in ("flow.log.gz", "tuesday/flow.log.gz", "flow/flow.log.gz", "2026-11-17/a/flow.log.gz"):
        (base / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(first, base / name)
    files = {"fleet.yaml": FLEET, "staging.yaml": FLEET, "stdin.yaml": FLEET.replace("[AWSLogs]", '["-"]'), "subnets.yaml": INVENTORY,
             "nat.yaml": INVENTORY, "terraform.tfstate": STATE, "plan.json": PLAN, "usage.yml": "{}\n", "x.log": LINE, "custom.log": "eni-1 10.0.10.5 10.0.11.6 22 20 4249 1763692200 ACCEPT\n",
             "ec2_cpu_utilization_24ae8d.csv": NAB, "vm/1.csv": BITBRAINS, "vm/2.csv": BITBRAINS, "metrics-out/.keep": "",
             "events.jsonl": ""}
    for name, text in files.items():
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text(text)
    (base / "bin").mkdir()
    (base / "bin/fleetmeter").symlink_to(fleetmeter)
    for name, script in SHELL_STUBS.items():
        (base / "bin" / name).write_text(script)
        (base / "bin" / name).chmod(0o755)


def documented(fleetmeter):
    """(where, command) of all that a reader may type."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        fence = None
        for line in path.read_text().replace("\\\n", " ").splitlines():
            if line.startswith("```"):
                fence = None if fence is not None else line[3:].strip()
                continue
            line = re.sub(r"\s+#.*", "", line).strip()
            if fence in ("", "sh", "bash") and re.search(r"(^|[|&;]\s*|=\S*\s)fleetmeter\s", line + " "):
                found.append((path.name, line))
    overview = subprocess.run([fleetmeter, "help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  (\w+)\s{2,}", overview.split("Usage:")[1].split("\n\n", 1)[1].split("Exit codes")[0], re.M)
    for command in commands:
        words = ["cost", "report"] if command == "cost" else [command]
        done = subprocess.run([fleetmeter, *words, "--help"], capture_output=True, text=True)
        if done.returncode != 0 or not done.stdout.startswith("Usage: fleetmeter"):
            sys.exit(f"FAILED: fleetmeter {' '.join(words)} --help: {done.returncode} {done.stderr}")
        examples = done.stdout.split("Examples:\n")[1].splitlines()
        found += [(f"{command} --help", line.strip()) for line in examples if line.strip()]
    found += [("help", line.strip()) for line in overview.split("Examples:\n")[1].splitlines() if line.strip()]
    return found


def service_of(command):
    last = re.split(r"[|&]", command)[-1].split()
    words = last[last.index("fleetmeter") + 1:] if "fleetmeter" in last else []
    ends = "--until-eof" in words or "--expect" in words or "check" in words
    return words[0] if words and words[0] in SERVICES and not ends else None


def run(command, directory, env):
    """Exit code and what it said; a service is stopped once it listens."""
    service = service_of(command)
    process = subprocess.Popen(["bash", "-c", "set -o pipefail; " + command], cwd=directory, env=env, stdin=subprocess.DEVNULL,
                               stdout=(directory / "said").open("w"), stderr=subprocess.STDOUT, start_new_session=True)
    said = lambda: (directory / "said").read_text(errors="replace")
    until = time.time() + 60
    while process.poll() is None and time.time() < until:
        if service and re.search(r"listen", said()):
            time.sleep(0.3)
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
            break
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        return -1, said() + "\n(did not end within a minute)"
    return process.returncode, said()


def main(fleetmeter, workdir):
    fleetmeter, workdir = str(pathlib.Path(fleetmeter).resolve()), pathlib.Path(workdir).resolve()
    shutil.rmtree(workdir, ignore_errors=True)
    base = workdir / "base"
    prepare(fleetmeter, base)
    env = dict(os.environ, PATH=f"{base / 'bin'}:{os.environ['PATH']}", HOOK_SECRET="whsec_ZG9jcy10ZXN0LXNlY3JldC0yNC1ieXRlcw==",
               FIREHOSE_KEY="key")
    commands = documented(fleetmeter)
    if len(commands) < 40:
        sys.exit(f"FAILED: only {len(commands)} commands found: the documents are not read as meant")
    failed = []
    for number, (where, command) in enumerate(commands):
        directory = workdir / str(number)
        shutil.copytree(base, directory, symlinks=True)
        # A port that the machine may have taken already says nothing of the command.
        typed = command.replace("127.0.0.1:9000", "127.0.0.1:0").replace("0.0.0.0:8080", "127.0.0.1:0")
        typed = typed.replace("HOOK_SECRET=whsec_... ", "")
        if "--expect" in typed:
            typed += " --help"  # It ends when all have come, and nobody sends any.
        code, said = run(typed, directory, env)
        service = service_of(typed)
        good = code == 0 or (service in NEEDS_A_BROKER and code == 2 and "kafka" in said)
        print(f"{code:3}  {where}: {command}", flush=True)
        if not good:
            failed.append(f"{where}: {command}\n{said[-1500:]}")
        shutil.rmtree(directory)
    if failed:
        sys.exit("FAILED:\n" + "\n".join(failed))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
