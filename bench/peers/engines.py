"""The engines of a contest. Each runs one question on so many cores, and gives its answer to hold against the others'.

An engine's `run(question, cores)` gives what it took; `answer(question)` runs it once more, untimed, and gives its table as sorted lines.
"""

import json
import pathlib
import shutil
import sys

from processes import fail, run_child

HERE = pathlib.Path(__file__).parent


class Fleetmeter:
    """`figures windows`, `decode` or `ingest`: the whole of main(), with validation and durable commits."""

    name = "fleetmeter"
    commands = {"flows": "windows", "columns": "decode", "metrics": "ingest"}

    def __init__(self, figures, work, kernel=None):
        self.figures, self.log, self.environment = figures, work / "log", {}
        if kernel:
            self.name, self.environment = f"fleetmeter {kernel}", {"FLEETMETER_FLOW_KERNEL": kernel}

    def _run(self, question, cores):
        shutil.rmtree(self.log, ignore_errors=True)
        to_log = [] if question.table == "columns" else [self.log / "log.db"]
        out, _ = run_child([self.figures, self.commands[question.table], *to_log, question.input.format, question.input.path],
                           cores, self.environment)
        counts, spent = out.splitlines()
        return json.loads(counts), json.loads(spent)

    def run(self, question, cores):
        return self._run(question, cores)[1]

    def answer(self, question):
        counts, _ = self._run(question, None)
        if question.input.items not in (0, counts["records"] + counts["datapoints"] + counts["malformed"]):
            fail(f"{question.title}: {question.input.items} items became {counts}")
        if counts["malformed"] and not question.lenient:
            fail(f"{question.title}: {counts['malformed']} are malformed")
        if question.table == "columns":
            return [f"{counts['records']},{counts['bytes']}"]
        rows = run_child([self.figures, question.table, self.log / "log.db"])[0].splitlines()
        if question.table == "flows":
            self.check_windows(question, counts, rows)
        return sorted(rows)

    @staticmethod
    def check_windows(question, counts, rows):
        """The windows that were closed hold what the committed sums hold."""
        cells = [row.split(",") for row in rows]
        for action, name in (("ACCEPT", "accepted"), ("REJECT", "rejected")):
            for column, what in ((4, "packets"), (5, "bytes"), (6, "records")):
                total = sum(int(cell[column]) for cell in cells if cell[2] == action)
                if total != counts[f"{name}_{what}"]:
                    fail(f"{question.title}: {name} {what} are {total} in the log, {counts[f'{name}_{what}']} in closed windows")
        if counts["late"] or counts["windows"] < len({(cell[0], cell[3]) for cell in cells}):
            fail(f"{question.title}: {counts['late']} records late, {counts['windows']} windows")


class FleetmeterFlows:
    """`fleetmeter flows`: the whole command and its start, which shows totals instead of a table; no log, no commit."""

    name = "fleetmeter flows"

    def __init__(self, program):
        self.program = program

    def _run(self, question, cores):
        return run_child([self.program, "flows", "--format", "json", question.input.path], cores)

    def run(self, question, cores):
        return self._run(question, cores)[1]

    def check(self, question, rows):
        said = json.loads(self._run(question, None)[0])
        for action in ("accept", "reject"):
            theirs = [row.split(",") for row in rows if row.split(",")[2] == action.upper()]
            for column, what in ((4, "packets"), (5, "bytes"), (6, "records")):
                if int(said[action][what]) != sum(int(cell[column]) for cell in theirs):
                    fail(f"{question.title}: flows says {said[action]} of {action}")


class Ceiling:
    """Our own unchecked probe, or the bare library, on its part of the work: the whole of main()."""

    def __init__(self, figures, ceiling, name="ceiling"):
        self.figures, self.ceiling, self.name = figures, ceiling, name

    def _run(self, question, cores, *more):
        command, with_format = self.ceiling
        out, _ = run_child([self.figures, command, *([question.input.format] if with_format else []), question.input.path, *more], cores)
        return out.splitlines()

    def run(self, question, cores):
        return json.loads(self._run(question, cores)[-1])

    def check(self, question, rows):
        """The same answer, as far as the ceiling gives one."""
        command, _ = self.ceiling
        if command == "probe-flows":
            if sorted(self._run(question, None, "--print")[:-1]) != rows:
                fail(f"{question.title}: the probe's sums differ")
            return
        said = json.loads(self._run(question, None)[0])
        if command == "probe-columns":
            right = [f"{said['records']},{said['bytes']}"] == rows
        elif command == "probe-inflate":
            right = said["plain_bytes"] == question.input.plain_bytes
        elif command == "probe-pages":
            right = said["plain_bytes"] > 0
        else:
            cells = [row.split(",") for row in rows]
            right = (said["datapoints"] == sum(int(cell[2]) for cell in cells) and
                     abs(said["count"] - sum(float(cell[3]) for cell in cells)) < 0.01 and
                     abs(said["sum"] - sum(float(cell[4]) for cell in cells)) < 1e-9 * abs(said["sum"]))
        if not right:
            fail(f"{question.title}: {command} says {said}")


class Peer:
    """DuckDB or Polars on as many threads as cores: from when Python and the library are loaded."""

    def __init__(self, name, work):
        self.name, self.work, self.version = name, work, None

    def _run(self, question, cores, table=None, lenient=None):
        task = {"question": question.table, "path": str(question.peer_input.path), "columns": question.peer_input.columns, "threads": cores,
                "lenient": question.lenient if lenient is None else lenient, "table": table and str(table)}
        out, _ = run_child([sys.executable, HERE / "peer.py", self.name, json.dumps(task)], cores)
        spent = json.loads(out)
        self.version = spent.pop("version")
        return spent

    def run(self, question, cores):
        return self._run(question, cores)

    def answer(self, question, lenient=None):
        table = self.work / f"{self.name}.csv"
        self._run(question, 1, table, lenient)
        return table.read_text().splitlines()
