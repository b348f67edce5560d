#!/usr/bin/env python3
"""The demo on a small day, then each command that it tells its reader to type next.

usage: demo_test.py FLEETMETER WORKDIR
"""

import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request


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
        ends_by_itself = not command.endswith(f" run -c {workdir}/fleet.yaml")
        returncode, said = (run if ends_by_itself else serve)(command, root, workdir)
        print(f"{returncode}  {command}")
        if returncode != 0:
            sys.exit(said)
    if ends_by_itself:
        sys.exit("the demo does not say how to serve the API")


def run(command, root, _):
    done = subprocess.run(command, shell=True, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def serve(command, root, workdir):
    """Exit code after SIGTERM, which comes once the API answers."""
    words = shlex.split(command)
    variables = list(itertools.takewhile(lambda word: "=" in word, words))
    env = dict(os.environ, **dict(word.split("=", 1) for word in variables))
    listen = re.search(r'listen: "([0-9.:]+)"', (pathlib.Path(workdir) / "fleet.yaml").read_text())[1]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(words[len(variables):], cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://{listen}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        process.terminate()
        returncode = process.wait(60)
        said.seek(0)
        return returncode, said.read()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
