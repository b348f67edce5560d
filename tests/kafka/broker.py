#!/usr/bin/env python3
"""One real Kafka broker for a test: combined broker and controller on free loopback ports.

  broker.py run -- COMMAND [ARG...]   starts a broker, runs COMMAND with FLEETMETER_TEST_KAFKA set to
                                      its address, ends the broker, exits as COMMAND did
  broker.py start DIR | stop DIR      the same in two steps; start prints the address

The jars lie in FLEETMETER_KAFKA_JARS (tests/kafka/pom.xml; ./dev test fetches them and sets it).
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

READY_TIMEOUT_S = 120
CLUSTER_ID = "ZmxlZXRtZXRlci10ZXN0MQ"

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{client}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=4194304
log.index.size.max.bytes=1048576
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def java(jars, heap, main, *arguments):
    return ["java", *heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k",
            "-cp", os.path.join(jars, "*"), main, *arguments]


class Broker:
    """Starts in `folder`; `address` is its bootstrap string once start() is back."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.address = None

    def start(self):
        jars = os.environ.get("FLEETMETER_KAFKA_JARS", "")
        if not os.path.isdir(jars):
            raise SystemExit("broker.py: FLEETMETER_KAFKA_JARS names no folder of jars (./dev test sets it)")
        client, controller = free_ports(2)
        self.address = f"127.0.0.1:{client}"
        settings = os.path.join(self.folder, "server.properties")
        with open(settings, "w", encoding="utf-8") as out:
            out.write(PROPERTIES.format(client=client, controller=controller, folder=self.folder))
        log = open(os.path.join(self.folder, "log"), "ab")
        subprocess.run(java(jars, ["-Xmx128m"], "kafka.tools.StorageTool", "format", "-t",
                            CLUSTER_ID, "-c", settings),
                       stdout=log, stderr=log, check=True)
        self.process = subprocess.Popen(java(jars, ["-Xms128m", "-Xmx384m"], "kafka.Kafka", settings),
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while b"Kafka Server started" not in self.log():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SystemExit("broker.py: the broker did not start:\n" + self.log().decode()[-3000:])
            time.sleep(0.1)
        return self.address

    def log(self):
        with open(os.path.join(self.folder, "log"), "rb") as file:
            return file.read()

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def run(command):
    folder = tempfile.mkdtemp(prefix="fleetmeter-kafka-")
    broker = Broker(folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that the broker ends with us.
    try:
        address = broker.start()
        return subprocess.run(command, env={**os.environ, "FLEETMETER_TEST_KAFKA": address}, check=False).returncode
    finally:
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    arguments = sys.argv[1:]
    if arguments[:2] == ["run", "--"] and len(arguments) > 2:
        return run(arguments[2:])
    if len(arguments) == 2 and arguments[0] == "start":
        os.makedirs(arguments[1], exist_ok=True)
        broker = Broker(os.path.abspath(arguments[1]))
        print(broker.start())
        with open(os.path.join(arguments[1], "pid"), "w", encoding="utf-8") as out:
            out.write(str(broker.process.pid))
        return 0
    if len(arguments) == 2 and arguments[0] == "stop":
        with open(os.path.join(arguments[1], "pid"), encoding="utf-8") as file:
            os.kill(int(file.read()), signal.SIGKILL)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
