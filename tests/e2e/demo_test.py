#!/usr/bin/env python3
"""The demo on a small day, then each command that it tells its reader to type next.

usage: demo_test.py FLEETMETER WORKDIR
"""

import os
import pathlib
import shutil
import subprocess
import sys


def main(fleetmeter, workdir):
    root = pathlib.Path(__file__).resolve().parents[2]
    shutil.rmtree(workdir, ignore_errors=True)
    env = dict(os.environ, FLEETMETER=fleetmeter, FLEETMETER_DEMO_DIR=workdir, FLEETMETER_DEMO_MACHINES="10", FLEETMETER_DEMO_DURATION="6h")
    demo = subprocess.run(["bash", str(root / "deploy/demo/demo.sh")], env=env, stdin=subprocess.DEVNULL)
    if demo.returncode != 0:
        sys.exit(f"the demo ended with {demo.returncode}")
    for left in ("fleet.yaml", "telemetry", "state", "report.html", "events.jsonl", "next-commands"):
        if not (pathlib.Path(workdir) / left).exists():
            sys.exit(f"the demo left no {left}")
    commands = (pathlib.Path(workdir) / "next-commands").read_text().splitlines()
    if len(commands) < 3:
        sys.exit("the demo says too little to type next")
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=root, env=dict(env, FLEETMETER_DEMO_SECRET="unset"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        print(f"{done.returncode}  {command}")
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
