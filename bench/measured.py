#!/usr/bin/env python3
"""Stands in for fleetmeter in a script: passes every call on, and notes what each `run` took.

FLEETMETER_MEASURED_PROGRAM is the program, FLEETMETER_MEASURED the file that gets one JSON object a run.
"""

import json
import os
import subprocess
import sys
import time


def main():
    command = [os.environ["FLEETMETER_MEASURED_PROGRAM"], *sys.argv[1:]]
    if sys.argv[1:2] != ["run"]:
        os.execv(command[0], command)
    began = time.monotonic()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    spent = {"wall_s": round(time.monotonic() - began, 2), "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
             "rss_mb_max": round(usage.ru_maxrss / 1024, 1), "exit": child.returncode}
    with open(os.environ["FLEETMETER_MEASURED"], "a", encoding="utf-8") as out:
        out.write(json.dumps(spent) + "\n")
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())
