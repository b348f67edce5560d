#!/usr/bin/env python3
"""The rules of deploy/fleets/hyperion over what Windows machines send, and the fleet's bill.

usage: hyperion_test.py FLEETMETER WORKDIR
"""

import json
import pathlib
import shutil
import subprocess
import sys
import unittest

FLEET = pathlib.Path(__file__).resolve().parents[2] / "deploy/fleets/hyperion"
START = 1_772_409_600  # 2026-03-02T00:00:00Z
GROUP = "hyperion-windows-fleet-asg"
MACHINES = [f"i-0hyperion{n}" for n in range(4)]
MINUTES = 30
INCIDENT = range(10, 17)


def fleetmeter(*arguments):
    done = subprocess.run([FLEETMETER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def datapoint(minute, namespace, name, dimensions, value):
    """A line of a metric stream in JSON (Amazon CloudWatch User Guide, "CloudWatch metric stream output in JSON format")."""
    return json.dumps({"metric_stream_name": "hyperion", "account_id": "123456789012", "region": "us-east-1", "namespace": namespace,
                       "metric_name": name, "dimensions": dimensions, "timestamp": (START + minute * 60) * 1000,
                       "value": {"max": value, "min": value, "sum": value, "count": 1.0}, "unit": "None"})


def machine_metrics(minute, machine, cpu=50.0, memory=50.0, free=60.0, errors=0.0):
    """What one machine sends in a minute: EC2's own metric, and the agent's with Windows' counter names."""
    of_machine = {"InstanceId": machine, "AutoScalingGroupName": GROUP}

    def agent(name, value, **more):
        return datapoint(minute, "CWAgent", name, {**of_machine, "objectname": name.split(" %")[0].split(" Packets")[0], **more}, value)

    return [datapoint(minute, "AWS/EC2", "CPUUtilization", {"InstanceId": machine}, cpu),
            agent("Memory % Committed Bytes In Use", memory),
            agent("LogicalDisk % Free Space", 75.0, instance="C:"),
            agent("LogicalDisk % Free Space", free, instance="D:"),
            agent("Network Interface Packets Received Errors", errors, instance="Amazon Elastic Network Adapter")]


def group_metrics(minute, cpu):
    return [datapoint(minute, "AWS/EC2", "CPUUtilization", {"AutoScalingGroupName": GROUP}, cpu)]


class Hyperion(unittest.TestCase):
    def events(self, **incident):
        """Half an hour in which `incident` holds for seven minutes, on the machine it names or on all."""
        only = incident.pop("machine", None)
        lines = []
        for minute in range(MINUTES):
            for machine in MACHINES:
                struck = minute in INCIDENT and only in (None, machine)
                lines += machine_metrics(minute, machine, **(incident if struck else {}))
            lines += group_metrics(minute, incident.get("cpu", 50.0) if minute in INCIDENT and only is None else 50.0)
        (WORKDIR / "metrics.json").write_text("\n".join(lines) + "\n")
        fleetmeter("replay", "-c", str(FLEET / "fleet.yaml"), str(WORKDIR / "metrics.json"), "--strict", "--events", str(WORKDIR / "events.jsonl"))
        return [json.loads(line) for line in (WORKDIR / "events.jsonl").read_text().splitlines()]

    def alarms(self, events):
        return {(event["rule"], event["series"].removeprefix("InstanceId=")) for event in events if event["type"] == "alarm.state_changed" and event["to"] == "ALARM"}

    def decisions(self, events):
        return [(event["time"][11:16], event["scaling"]["current"], event["scaling"]["desired"]) for event in events if event["type"] == "scaling.decided"]

    def test_rules_are_accepted(self):
        fleetmeter("rules", "check", str(FLEET / "fleet.yaml"))

    def test_a_quiet_fleet_is_quiet(self):
        events = self.events()
        self.assertEqual(self.alarms(events), set())
        self.assertEqual(self.decisions(events), [])

    def test_a_full_drive_alarms_its_machine_alone(self):
        self.assertEqual(self.alarms(self.events(machine=MACHINES[2], free=19.5)), {("disk-warning", MACHINES[2])})

    def test_a_drive_that_is_eighty_percent_used_is_not_over_it(self):
        self.assertEqual(self.alarms(self.events(machine=MACHINES[2], free=20.0)), set())

    def test_a_network_error_alarms(self):
        self.assertEqual(self.alarms(self.events(machine=MACHINES[0], errors=1.0)), {("network-errors-in", MACHINES[0])})

    def test_cpu_over_seventy_for_five_minutes_adds_one_machine(self):
        events = self.events(cpu=80.0)
        self.assertEqual(self.decisions(events), [("00:15", 4, 5)])
        self.assertEqual({rule for rule, _ in self.alarms(events)}, {"cpu-warning"})

    def test_memory_over_eighty_for_five_minutes_adds_one_machine(self):
        self.assertEqual(self.decisions(self.events(memory=85.0)), [("00:15", 4, 5)])

    def test_the_bill_of_the_document(self):
        def stated(*more):
            return fleetmeter("cost", "report", "-c", str(FLEET / "fleet.yaml"), "--usage", str(FLEET / "usage.yml"), "--month", "2026-11",
                              "--basis", "estimate", *more)

        self.assertIn("Stated: 696.66 USD", stated())
        self.assertIn("Stated: 428.02 USD", stated("--assume", "os=linux"))


if __name__ == "__main__":
    FLEETMETER = sys.argv[1]
    WORKDIR = pathlib.Path(sys.argv[2])
    shutil.rmtree(WORKDIR, ignore_errors=True)
    WORKDIR.mkdir(parents=True)
    unittest.main(argv=sys.argv[:1])
