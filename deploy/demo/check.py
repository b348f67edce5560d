#!/usr/bin/env python3
"""Compares what a demo run found with the truth that its generator states; exits 1 on any difference.

usage: check.py DIR    DIR holds truth.json, events.jsonl, flows.json, cost.json and deliveries.jsonl
"""

import json
import pathlib
import sys

differences = []


def same(what, found, expected):
    if found == expected:
        print(f"  equal      {what}: {expected if not isinstance(expected, (list, dict)) else len(expected)}")
        return
    differences.append(what)
    print(f"  DIFFERENT  {what}")
    if isinstance(expected, list):
        for line in [x for x in expected if x not in found][:5]:
            print(f"             missing  {line}")
        for line in [x for x in found if x not in expected][:5]:
            print(f"             too much {line}")
    else:
        print(f"             found {found}, expected {expected}")


def rows(items, keys):
    return sorted(tuple(item[key] for key in keys) for item in items)


def main(directory):
    read = lambda name: json.loads((directory / name).read_text())
    lines = lambda name: [json.loads(line) for line in (directory / name).read_text().splitlines()]
    truth, flows, cost = read("truth.json"), read("flows.json"), read("cost.json")
    events, deliveries = lines("events.jsonl"), lines("deliveries.jsonl")

    for key in ("total", "ok", "nodata", "skipdata"):
        same(f"flow records, {key}", flows["records"][key], truth["records"][key])
    for action in ("accept", "reject"):
        same(f"{action} (records, packets, bytes)", flows[action], truth[action])
    classes = {entry["class"]: entry["bytes"] for entry in flows["path_classes"]}
    for entry in truth["path_classes"]:
        same(f"bytes {entry['class']}", classes[entry["class"]], entry["bytes"])
    charges = {entry["charge"]: entry["bytes"] for entry in flows["charges"]}
    same("bytes through NAT", charges["nat_processing"], truth["charges"]["nat_processed_bytes"])
    same("bytes to the internet", charges["internet_egress"], truth["charges"]["internet_egress_bytes"])
    same("bytes across zones", charges["cross_az"], truth["charges"]["cross_az_bytes"])

    told = [e for e in events if e["time"] <= truth["alarms_until"] and not e.get("initial", False)]
    keys = ("time", "environment", "rule", "series", "from", "to")
    changes = [e for e in told if e["type"] == "alarm.state_changed"]
    same("alarm changes", rows(changes, keys), rows(truth["alarms"], keys))
    decided = [{**e, "group": e["series"]} for e in told if e["type"] == "scaling.decided"]
    keys = ("time", "environment", "group", "from", "to")
    wanted = [{**e, "from": str(e["from"]), "to": str(e["to"])} for e in truth["scaling"]]
    same("scaling decisions", rows(decided, keys), rows(wanted, keys))

    sent = {e["id"] for e in events if e["type"] in ("alarm.state_changed", "scaling.decided") and not e.get("initial", False)}
    received = {d["id"].rpartition("-")[0] for d in deliveries}
    same("events delivered", sorted(received), sorted(sent))
    # Traffic to private addresses outside the fleet's VPC pays by a path that the records do not name: shown as unknown.
    unknown = [line["component"] for e in cost["environments"] for line in e["lines"] if line["amount"] is None]
    other_private = next(entry["bytes"] for entry in truth["path_classes"] if entry["class"] == "other_private")
    same("unknown lines in the bill", unknown, ["unclassified transfer"] if other_private > 0 else [])
    if float(cost["total"]) <= 0:
        differences.append("bill")
        print("  DIFFERENT  the bill is empty")

    if differences:
        print(f"{len(differences)} differences from {directory / 'truth.json'}")
        return 1
    print("no difference")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1])))
