"""A contest: one question, its engines, the gate that all answers pass, and what each round took."""

import dataclasses

from inputs import Input
from processes import cores_there_are, fail


@dataclasses.dataclass
class Question:
    key: str
    title: str
    table: str                   # flows, columns or metrics: what is asked for.
    input: Input
    ceiling: tuple = ()          # Command of `figures`, and whether it takes the format.
    cores: tuple = (1,)
    peers: bool = True
    peer_input: Input = None     # What peers read instead.
    good: Input = None           # The input has bad lines; these are the good ones.
    borrows: str = ""            # Key of the question whose peers' rounds it is held against.

    def __post_init__(self):
        self.peer_input = self.peer_input or self.input

    @property
    def lenient(self):
        return self.good is not None


def questions(inputs):
    sums, columns = ("probe-flows", True), ("probe-columns", True)
    two = (1, 2)
    return [
        Question("columns", "flow text v2 -> validated columns", "columns", inputs["fleet"], columns),
        Question("windows", "flow text v2 -> closed windows", "flows", inputs["fleet"], sums, two),
        Question("windows-29", "flow text, 29 fields -> closed windows", "flows", inputs["fleet_29"], sums, two),
        Question("windows-gzip", "gzip flow file -> closed windows", "flows", inputs["gzip"], ("probe-inflate", False), two),
        Question("windows-parquet", "Parquet flow object -> closed windows", "flows", inputs["parquet"], ("probe-pages", False)),
        Question("windows-wide", "flow text v2, 2,000 interfaces, any peers -> closed windows", "flows", inputs["wide"], sums),
        Question("windows-malformed", "the same, 5 % malformed -> closed windows", "flows", inputs["malformed"], good=inputs["good"]),
        Question("windows-wide-29", "29 fields, 2,000 interfaces, any peers -> closed windows", "flows", inputs["wide_29"], sums),
        Question("windows-wide-gzip", "gzip file of 2,000 interfaces, any peers -> closed windows", "flows", inputs["wide_gzip"], ("probe-inflate", False), two),
        Question("json", "metric stream JSON -> datapoints", "metrics", inputs["json"], ("probe-json", False)),
        Question("otlp", "OTLP 1.0 frames -> datapoints (peers: the JSON)", "metrics", inputs["otlp"], ("probe-otlp", False), peers=False,
                 peer_input=inputs["json"], borrows="json")]


class Contest:
    def __init__(self, question, ours, others):
        """`ours` gives the table; `others` are held against it. What `check`s need not give a table."""
        self.question, self.ours, self.others = question, ours, others
        self.rounds = {}  # (engine's name, cores) -> what each round took
        self.rows = 0
        self.notes = []

    @property
    def engines(self):
        return [self.ours, *self.others]

    def gate(self):
        """Every answer equals ours, byte by byte; with bad lines in the input, ours equals a peer's of the good ones alone."""
        rows = self.ours.answer(self.question)
        if not rows:
            fail(f"{self.question.title}: the table is empty")
        self.rows = len(rows)
        for engine in self.others:
            if hasattr(engine, "check"):
                engine.check(self.question, rows)
            elif self.question.lenient:
                self.gate_good(engine, rows)
            else:
                self.compare(engine.name, rows, engine.answer(self.question))

    def compare(self, name, ours, theirs):
        if ours != theirs:
            different = sorted(set(ours) ^ set(theirs))
            fail(f"{self.question.title}: {name}'s table differs in {len(different)} lines, the first: {different[:4]}")

    def gate_good(self, engine, rows):
        good = dataclasses.replace(self.question, peer_input=self.question.good)
        self.compare(engine.name, rows, engine.answer(good, lenient=False))
        kept = engine.answer(self.question)
        if kept != rows:
            self.notes.append(f"{engine.name}: {compared(kept, rows)}")

    def round(self):
        for cores in self.question.cores:
            if cores > len(cores_there_are()):
                continue
            for engine in self.engines:
                self.rounds.setdefault((engine.name, cores), []).append(engine.run(self.question, cores))


def compared(kept, right):
    """What an answer keeps of the right one, in words."""
    if kept == right:
        return "exactly the good records"

    def records(rows):
        return sum(int(row.rsplit(",", 1)[1]) for row in rows)

    wrong = len(set(kept) - set(right))
    return f"{records(kept):,} records kept where {records(right):,} are good; {wrong:,} of {len(kept):,} rows wrong"
