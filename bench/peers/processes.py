"""Child processes on a given number of cores, and what they took."""

import os
import subprocess
import sys
import tempfile
import time


def fail(why):
    sys.exit(f"figures: {why}")


def cores_there_are():
    return sorted(os.sched_getaffinity(0))


class ChildFailed(Exception):
    """Its text is the last line that the child wrote to its standard error."""


def run_child(command, cores=None, environment=None):
    """Standard output, and what the child took, its start included: CPU- and wall seconds."""
    command = [str(part) for part in command]
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        os.sched_setaffinity(0, cores_there_are()[:cores])  # The child inherits it.
        try:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **(environment or {})})
        finally:
            os.sched_setaffinity(0, before)
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        spent = {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": time.monotonic() - began}
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            raise ChildFailed(f"{' '.join(command[:3])}: {said[-1] if said else child.returncode}")
    return out.decode(), spent
