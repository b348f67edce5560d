#!/usr/bin/env python3
"""Decoding beside its ceilings and its peers: answers are compared first, then all engines run in turn within each round.

usage: figures.py FIGURES WORKDIR [options]
FIGURES is the program of bench/figures; this Python has duckdb and polars.
Leaves figures.json and figures.md in WORKDIR.
"""

import argparse
import json
import pathlib
import sys

import engines
import failures
import inputs
import report
from contest import Contest, questions
from processes import ChildFailed, fail, run_child


def make_contest(question, args, peers, kernel):
    others = []
    if question.ceiling:
        others.append(engines.Ceiling(args.figures, question.ceiling))
    if question.peers:
        others += peers
    if question.ceiling[:1] == ("probe-inflate",):
        others.append(engines.Ceiling(args.figures, ("probe-flows", True), "unchecked probe behind ISA-L"))
        if args.fleetmeter.exists():
            others.append(engines.FleetmeterFlows(args.fleetmeter))
    contest = Contest(question, engines.Fleetmeter(args.figures, args.work), others)
    if question.key in ("columns", "windows") and kernel == "avx512":
        contest.others.append(engines.Fleetmeter(args.figures, args.work, "avx2"))
    return contest


def run(args):
    known = questions(inputs.prepare(args.figures, args.work, args.minutes))
    asked = [question for question in known if not args.only or question.key in args.only.split(",")]
    if not asked:
        fail(f"no question {args.only}: {', '.join(question.key for question in known)}")
    versions = json.loads(run_child([args.figures, "version"])[0])
    peers = [engines.Peer(name, args.work) for name in ("duckdb", "polars")]
    contests = [make_contest(question, args, peers, versions["flow_kernel"]) for question in asked]
    print("comparing the answers", file=sys.stderr)
    for contest in contests:
        contest.gate()
    for number in range(args.rounds):
        for contest in contests:
            contest.round()
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    lenient = [] if args.only else failures.measure(args.figures, args.work, engines.Fleetmeter(args.figures, args.work), peers, inputs.V2)
    versions.update({peer.name: peer.version for peer in peers})
    return {"schema": 1, "machine": report.machine(versions), "minutes": args.minutes, "rounds": args.rounds,
            "results": [report.summary(contest, contests) for contest in contests], "failures": lenient}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--minutes", type=int, default=500, help="of a fleet of 100 machines: 2,000 flow records and 1,000 datapoints each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="keys of questions, by commas: columns, windows, windows-29, windows-gzip, ...")
    parser.add_argument("--fleetmeter", type=pathlib.Path, help="the program (default: beside FIGURES)")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    args.fleetmeter = args.fleetmeter or args.figures.parent / "fleetmeter"
    try:
        document = run(args)
    except ChildFailed as failed:
        fail(failed)
    (args.work / "figures.json").write_text(json.dumps(document, indent=1) + "\n")
    (args.work / "figures.md").write_text(report.markdown(document))
    print(report.markdown(document), end="")


if __name__ == "__main__":
    main()
