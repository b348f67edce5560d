"""Results as JSON and as Markdown."""

import pathlib
import platform
import statistics

from processes import cores_there_are


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def measured(question, rounds):
    return {"million_per_cpu_s": spread([question.input.items / spent["cpu_s"] / 1e6 for spent in rounds]),
            "cpu_s": spread([spent["cpu_s"] for spent in rounds]), "wall_s": spread([spent["wall_s"] for spent in rounds]),
            "rss_mb_max": max(spent.get("rss_mb", 0.0) for spent in rounds), "rounds": rounds}


def ratios(ours, theirs):
    """Theirs by ours, round by round: 0.5 = we take twice as long."""
    return {what: spread([b[what] / a[what] for a, b in zip(ours, theirs)]) for what in ("cpu_s", "wall_s")}


def summary(contest, contests):
    question = contest.question
    rounds = dict(contest.rounds)
    if question.borrows:
        lender = next((other for other in contests if other.question.key == question.borrows), None)
        rounds.update({key: value for key, value in (lender.rounds if lender else {}).items() if key[0] in ("duckdb", "polars")})
    engines = {}
    for (name, cores), spent in rounds.items():
        entry = engines.setdefault(name, {}).setdefault(str(cores), measured(question, spent))
        if name != contest.ours.name:
            entry["by_ours"] = ratios(rounds[contest.ours.name, cores], spent)
    return {"key": question.key, "question": question.title, "items": question.input.items, "input_bytes": question.input.path.stat().st_size,
            "plain_bytes": question.input.plain_bytes, "table_rows": contest.rows, "notes": contest.notes, "engines": engines}


def machine(versions):
    return {"processor": processor(), "cores": len(cores_there_are()), "kernel_release": platform.release(),
            "python": platform.python_version(), **versions}


def three(values, digits=2):
    return " / ".join(f"{values[name]:.{digits}f}" for name in ("min", "median", "max"))


def ratio(values):
    return f"{values['median']:.2f} ({values['min']:.2f}-{values['max']:.2f})"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(head, rows):
    return [row(head), row(["---"] + ["---:"] * (len(head) - 1)), *(row(cells) for cells in rows), ""]


def cell(result, name, cores, show, missing=""):
    entry = result["engines"].get(name, {}).get(str(cores))
    return show(entry) if entry else missing


def rates(results):
    def rate(entry):
        return three(entry["million_per_cpu_s"])

    def by_ours(entry):
        return ratio(entry["by_ours"]["cpu_s"])

    names = ("ceiling", "duckdb", "polars")
    return table(["Question", "Items", "MB", "Fleetmeter", "Ceiling", "DuckDB", "Polars", "of ceiling", "x DuckDB", "x Polars"],
                 [[result["question"], f"{result['items']:,}", f"{result['input_bytes'] / 1e6:.0f}",
                   *(cell(result, name, 1, rate) for name in ("fleetmeter", *names)), *(cell(result, name, 1, by_ours) for name in names)]
                  for result in results])


def walls(results):
    names = ("fleetmeter", "ceiling", "duckdb", "polars")
    return table(["Question", "Cores", "Wall s: Fleetmeter", "Ceiling", "DuckDB", "Polars", "of ceiling", "Peak MB: Fleetmeter", "DuckDB", "Polars"],
                 [[result["question"], str(cores), *(cell(result, name, cores, lambda entry: f"{entry['wall_s']['median']:.2f}") for name in names),
                   cell(result, "ceiling", cores, lambda entry: ratio(entry["by_ours"]["wall_s"])),
                   *(cell(result, name, cores, lambda entry: f"{entry['rss_mb_max']:.0f}") for name in ("fleetmeter", "duckdb", "polars"))]
                  for result in results for cores in (1, 2) if str(cores) in result["engines"]["fleetmeter"]])


def other_engines(results):
    known = {"fleetmeter", "ceiling", "duckdb", "polars"}
    return [f"{result['question']}, {name}: {three(entry['1']['million_per_cpu_s'])} million per CPU-second; "
            f"Fleetmeter has {ratio(entry['1']['by_ours']['cpu_s'])} of it." for result in results
            for name, entry in result["engines"].items() if name not in known and "1" in entry]


def overlap(results):
    """Two cores at best inflate on one while the other makes windows: no sooner than the slower of the two alone."""
    by_key = {result["key"]: result["engines"] for result in results}
    if not {"windows", "windows-gzip"} <= by_key.keys() or "2" not in by_key["windows-gzip"]["fleetmeter"]:
        return []
    packed, inflating, plain = (by_key[key][name][cores]["rounds"] for key, name, cores in (
        ("windows-gzip", "fleetmeter", "2"), ("windows-gzip", "ceiling", "1"), ("windows", "fleetmeter", "1")))
    best = [max(a["wall_s"], b["wall_s"]) for a, b in zip(inflating, plain)]
    shares = spread([a / b["wall_s"] for a, b in zip(best, packed)])
    return [f"gzip flow file -> closed windows on two cores, by wall time: {ratio(shares)} of inflating overlapped with parsing "
            "(the slower of inflating alone and of the same from plain text on one core)."]


def malformed_against_clean(results):
    by_key = {result["key"]: result["engines"] for result in results}
    if not {"windows-wide", "windows-malformed"} <= by_key.keys():
        return []
    lines = []
    for name in by_key["windows-malformed"]:
        clean, bad = (by_key[key][name]["1"]["rounds"] for key in ("windows-wide", "windows-malformed"))
        lines.append(f"{name} {ratio(ratios(bad, clean)['cpu_s'])}")
    return ["Rate with 5 % malformed lines by the clean rate, same rounds: " + ", ".join(lines) + "."]


def failures(results):
    if not results:
        return []
    heads = list(results[0])
    return ["What is kept of input that is not clean, 20,000 lines:", "", *table(heads, [[result[head] for head in heads] for result in results])]


def markdown(document):
    about = document["machine"]
    results = document["results"]
    notes = [f"{result['question']}: {note}." for result in results for note in result["notes"]]
    return "\n".join([
        f"{about['processor']}, {about['cores']} cores; kernel {about['flow_kernel']}, probe {about['probe_kernel']}; {about['compiler']}; "
        f"DuckDB {about['duckdb']}, Polars {about['polars']}, simdjson {about['simdjson']}, ISA-L {about['isal']}; {document['rounds']} rounds.", "",
        "One core, million lines or datapoints per CPU-second, min / median / max; ratios are medians (min-max) of the rounds' own.", "",
        *rates(results), "Wall time, median, and peak memory.", "", *walls(results),
        *(line + "\n" for line in (*other_engines(results), *overlap(results), *malformed_against_clean(results), *notes)), *failures(document["failures"])]) + "\n"
