"""What engines do with input that is not clean: which keep exactly the good records. Small inputs; facts, no times."""

import dataclasses

from contest import Question, compared
from inputs import Input, without_bad_lines
from processes import ChildFailed, run_child

LINES = 20_000


def header_inside(lines, header):
    return lines[:10_000] + [header] + lines[10_000:], lines


def cut_in_bytes(lines):
    """The last line ends inside its tenth value, bytes."""
    cut = b" ".join(lines[-1].split(b" ")[:10])[:-2]
    return lines[:-1] + [cut], lines[:-1]


def make(figures, work, columns):
    """(what is wrong, text, good lines) of each."""
    clean, malformed, good = (work / f"small-{name}.log" for name in ("clean", "malformed", "good"))
    run_child([figures, "corpus", "v2", LINES, clean])
    run_child([figures, "corpus", "v2-malformed", LINES, malformed])
    without_bad_lines(malformed, good)
    header = (columns + "\n").encode()

    def write(name, parts):
        paths = work / f"small-{name}.log", work / f"small-{name}-good.log"
        for path, lines in zip(paths, parts):
            path.write_bytes(b"".join(lines))
        return paths

    lines = clean.read_bytes().splitlines(keepends=True)
    return [("5 % of lines malformed", malformed, good),
            ("a header line in the middle", *write("header", header_inside(lines, header))),
            ("the last line cut inside `bytes`", *write("cut", cut_in_bytes(lines))),
            ("CRLF line ends", *write("crlf", ([line.replace(b"\n", b"\r\n") for line in lines], lines)))]


def outcome(answer, right):
    try:
        return compared(answer(), right)
    except ChildFailed as failed:
        return "refused: " + str(failed).split(": ", 1)[1][:90].replace("|", "/")


def measure(figures, work, ours, peers, columns):
    """One row a kind of damage: what was wrong, and the outcome by engine."""
    results = []
    for wrong, text, good in make(figures, work, columns):
        question = Question("", wrong, "flows", Input(text, 0, columns), good=Input(good, 0, columns))
        right = peers[0].answer(dataclasses.replace(question, peer_input=question.good), lenient=False)
        row = {"input": wrong, "fleetmeter": outcome(lambda: ours.answer(question), right)}
        for peer in peers:
            for how in ("strict", "lenient"):
                row[f"{peer.name}, {how}"] = outcome(lambda: peer.answer(question, how == "lenient"), right)
        results.append(row)
    return results
