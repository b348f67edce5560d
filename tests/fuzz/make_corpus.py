#!/usr/bin/env python3
"""Writes the files made_* of tests/fuzz/corpus: what each target starts from. Same seed, same bytes.

    python3 tests/fuzz/make_corpus.py

Run it again after a change of what a target takes; files of other names are findings, and stay. The Parquet files are
written by tests/parsers/parquet_make.py.
"""
import base64
import gzip
import json
import pathlib
import random
import struct
import zlib

CORPUS = pathlib.Path(__file__).parent / "corpus"
RNG = random.Random(20261128)

DEFAULT = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
           "log-status").split()
V5 = DEFAULT + ("vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type "
                "sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path").split()
GATEWAY = ("version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id "
           "tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id "
           "tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
           "log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded "
           "packets-lost-ttl-expired tcp-flags region flow-direction pkt-src-aws-service "
           "pkt-dst-aws-service").split()


def address():
    return RNG.choice(["10.0.%d.%d" % (RNG.randrange(4), RNG.randrange(256)), "203.0.113.9", "2001:db8::%x" %
                       RNG.randrange(1, 65536), "255.255.255.255", "::ffff:10.1.2.3"])


def value(name):
    numbers = {"srcport": 65535, "dstport": 65535, "protocol": 255, "tcp-flags": 31, "traffic-path": 8, "version": 11}
    if name in numbers:
        return str(RNG.randint(0, numbers[name]))
    if name in ("packets", "bytes") or name.startswith("packets-lost"):
        return str(RNG.randrange(10 ** RNG.randint(1, 19)))
    if name in ("start", "end"):
        return str(1700000000 + RNG.randrange(600))
    if name.endswith("addr"):
        return address()
    words = {"action": ["ACCEPT", "REJECT"], "log-status": ["OK", "OK", "OK", "NODATA", "SKIPDATA"],
             "flow-direction": ["ingress", "egress"], "type": ["IPv4", "IPv6", "EFA"], "account-id": ["012345678901"],
             "resource-type": ["TransitGateway"], "region": ["eu-west-1"], "sublocation-type": ["-", "outpost"]}
    return RNG.choice(words.get(name, ["-", "eni-%017x" % RNG.randrange(1 << 60), "vpc-0abc"]))


def line(names):
    """One of ten is odd in one place."""
    values = [value(name) for name in names]
    if values[-1] != "OK" and names[-1] == "log-status":
        values = [v if n in ("version", "account-id", "interface-id", "start", "end", "log-status") else "-"
                  for n, v in zip(names, values)]
    if RNG.random() < 0.1:
        values[RNG.randrange(len(values))] = RNG.choice(["-", "256", "x1", "1.2.3", "99999999999999999999", "", "extra 1"])
    return " ".join(values)


def lines(names, count, end="\n"):
    return "".join(line(names) + end for _ in range(count))


def datapoint():
    values = {"max": RNG.randrange(100) + 0.5, "min": 0.25, "sum": RNG.randrange(10000) / 8, "count": RNG.randrange(1, 60)}
    if RNG.random() < 0.5:
        values.update({"p99": 1.5e3, "TM(25%:75%)": -2.0})
    names = ["InstanceId", "AutoScalingGroupName", "Größe", "quo\"te"]
    point = {"metric_stream_name": "S", "account_id": "012345678901", "region": "eu-west-1", "namespace": "AWS/EC2",
             "metric_name": RNG.choice(["CPUUtilization", "NetworkIn", "a\\b"]),
             "dimensions": {name: "i-%x" % RNG.randrange(1 << 32) for name in RNG.sample(names, RNG.randrange(3))},
             "timestamp": 1700000000000 + 60000 * RNG.randrange(60), "value": values, "unit": "Percent"}
    keys = list(point)
    if RNG.random() < 0.3:
        RNG.shuffle(keys)
    if RNG.random() < 0.2:
        del point[keys.pop()]
    return {key: point[key] for key in keys}


def datapoints(count):
    return "".join(json.dumps(datapoint(), ensure_ascii=RNG.random() < 0.5, separators=RNG.choice([(",", ":"), (", ", ": ")])) +
                   "\n" for _ in range(count))


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A length-delimited field."""
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def key_value(key, text):
    return field(1, key) + field(2, field(1, text))


def otlp_point(version):
    start = (1700000000 + 60 * RNG.randrange(60)) * 10 ** 9
    labels = {"InstanceId": "i-%x" % RNG.randrange(1 << 32)}
    if version == 7:
        out = b"".join(field(1, field(1, k) + field(2, v))
                       for k, v in [("Namespace", "AWS/EC2"), ("MetricName", "CPUUtilization"), *labels.items()])
    else:
        listed = b"".join(field(1, key_value(k, v)) for k, v in labels.items())
        out = field(7, key_value("Namespace", "AWS/EC2")) + field(7, key_value("MetricName", "NetworkIn"))
        out += field(7, field(1, "Dimensions") + field(2, field(6, listed)))
    out += struct.pack("<BQBQBQBd", 2 << 3 | 1, start, 3 << 3 | 1, start + 60 * 10 ** 9, 4 << 3 | 1,
                       RNG.randrange(1, 60), 5 << 3 | 1, RNG.randrange(1000) / 4)
    for quantile in [0.0, 1.0] + RNG.sample([0.5, 0.9, 0.99, 0.999], RNG.randrange(3)):
        out += field(6, struct.pack("<BdBd", 1 << 3 | 1, quantile, 2 << 3 | 1, RNG.randrange(100) / 2))
    return out


def otlp_request(version, points):
    facts = b"".join(field(1, key_value(k, v)) for k, v in [
        ("cloud.provider", "aws"), ("cloud.account.id", "012345678901"), ("cloud.region", "eu-west-1"),
        ("aws.exporter.arn", "arn:aws:cloudwatch:eu-west-1:012345678901:metric-stream/s")])
    summary = b"".join(field(1, otlp_point(version)) for _ in range(points))
    metric = field(1, "amazonaws.com/AWS/EC2/CPUUtilization") + field(3, RNG.choice(["%", "By/s", "{Count}"]))
    return field(1, field(1, facts) + field(2, field(2, metric + field(11, summary))))


def frame(message):
    return varint(len(message)) + message


def text64(data):
    return base64.b64encode(data).decode()


def packed(data):
    return gzip.compress(data, mtime=0)


def subscription(messages):
    events = [{"id": "%056d" % i, "timestamp": 1700000000000, "message": m} for i, m in enumerate(messages)]
    return json.dumps({"messageType": "DATA_MESSAGE", "owner": "012345678901", "logGroup": "g", "logStream": "eni-1-all",
                       "subscriptionFilters": ["f"], "logEvents": events})


def firehose(records):
    return json.dumps({"requestId": "ed4acda5-034f-9f42-bba1-f29aea6d7d8f", "timestamp": 1700000000000,
                       "records": [{"data": text64(record)} for record in records]})


def write(target, name, content, choices=0):
    """`choices` random bytes, as many as the target takes off the front, before the content."""
    content = content.encode() if isinstance(content, str) else content
    folder = CORPUS / target
    folder.mkdir(exist_ok=True)
    (folder / ("made_" + name)).write_bytes(bytes(RNG.randrange(256) for _ in range(choices)) + content)


def main():
    for old in CORPUS.glob("*/made_*"):
        old.unlink()

    flows = {"v2": lines(DEFAULT, 6), "v2_long": lines(DEFAULT, 24), "crlf": lines(DEFAULT, 4, "\r\n"),
             "gateway": lines(GATEWAY, 3), "wide": lines(V5, 4),
             "export": "".join("2024-12-20T20:28:14.000Z " + line(DEFAULT) + "\n" for _ in range(4)),
             "console": "timestamp,message\n" + "".join('1734726494000,"%s"\n' % line(DEFAULT) for _ in range(3))}
    headers = {"default": DEFAULT, "v5": V5, "gateway": GATEWAY, "short": ["bytes", "start", "log-status"],
               "underscores": ["interface_id", "srcaddr", "pkt_dstaddr", "bytes", "start"],
               "unknown": ["interface-id", "bytes", "flux-capacity", "start"], "twice": ["bytes", "bytes", "start"],
               "words": "start of file".split()}
    for name, text in flows.items():
        write("flow_line", name, text)
        write("decoder", "flow_" + name, text, choices=4)
    for name, names in headers.items():
        write("flow_header", name, " ".join(names) + "\n" + lines(names, 5))
        write("flow_format", name, " ".join("${%s}" % n for n in names) + "\n" + lines(names, 5), choices=4)
    write("flow_format", "many", " ".join(["bytes"] + ["column"] * 260) + "\n" + " ".join(["1"] * 261), choices=4)
    write("flow_format", "none", "\n" + lines(DEFAULT, 3), choices=4)

    messages = [line(DEFAULT) for _ in range(3)] + ["REPORT RequestId: 1\tDuration: 2 ms\n"]
    envelopes = {"subscription": subscription(messages),
                 "control": json.dumps({"messageType": "CONTROL_MESSAGE", "logEvents": []}),
                 "vended": "".join(json.dumps({"message": line(DEFAULT)}) for _ in range(3)),
                 "awslogs": json.dumps({"awslogs": {"data": text64(packed(subscription(messages).encode()))}}),
                 "kinesis": json.dumps({"Records": [{"kinesis": {"data": text64(line(DEFAULT).encode())}}]}),
                 "raw_data": json.dumps({"attemptsMade": 4, "rawData": text64(line(DEFAULT).encode())}),
                 "firehose": firehose([line(DEFAULT).encode()])}
    for name, text in envelopes.items():
        write("envelope", name, text, choices=4)
        write("decoder", name, text, choices=4)

    otlp = {"v7": otlp_request(7, 3), "v10": otlp_request(10, 3), "both": otlp_request(7, 1) + otlp_request(10, 1)}
    bodies = {"lines": [lines(DEFAULT, 2).encode(), line(DEFAULT).encode()],
              "packed": [packed(subscription(messages).encode())], "vended": [envelopes["vended"].encode()],
              "json": [datapoints(3).encode(), datapoints(1).encode()],
              "otlp": [frame(otlp["v7"]) + frame(otlp["v10"]), frame(b"")], "empty": [b"", b""], "none": []}
    for name, records in bodies.items():
        write("firehose", name, firehose(records), choices=4)
        write("decoder", "firehose_" + name, firehose(records), choices=4)
    write("firehose", "no_id", '{"timestamp":1,"records":[{"data":"AA=="},{"data":1},7]}', choices=4)

    for name, text in flows.items():
        write("gzip", name, text, choices=6)
    write("gzip", "members", packed(b"one\n") + packed(b"") + bytes(3) + packed(lines(DEFAULT, 9).encode()), choices=6)
    for strategy, name in enumerate(["default", "filtered", "huffman", "rle", "fixed"]):
        raw = zlib.compressobj(6, zlib.DEFLATED, -15, 8, strategy)
        write("gzip", "raw_" + name, raw.compress(lines(DEFAULT, 12).encode()) + raw.flush(), choices=6)
    write("gzip", "stored", b"\x00\x05\x00\xfa\xffhello\x01\x03\x00\xfc\xffend", choices=6)
    write("decoder", "gzip_members", packed(flows["v2"].encode()) + packed(flows["wide"].encode()), choices=4)
    write("decoder", "gzip_twice", packed(packed(flows["v2"].encode())), choices=4)
    write("decoder", "zlib", zlib.compress(flows["v2"].encode()), choices=4)
    write("decoder", "base64", text64(packed(flows["v2"].encode())), choices=4)

    for i in range(6):
        write("metric_json", "one_%d" % i, datapoints(1).rstrip("\n"), choices=3)
    write("metric_json", "some", datapoints(4), choices=3)
    write("metric_json", "nested", '{"namespace":' + '[{"a":' * 20 + "1" + "}]" * 20 + "}", choices=3)
    write("metric_json", "numbers", json.dumps({
        "namespace": "N", "metric_name": "M", "timestamp": 253402300799000, "dimensions": {"a": None, "b": 1},
        "value": {"max": 1e308, "min": -0.0, "sum": 123456789012345678, "count": 1e-7, "x": "text"}}), choices=3)
    write("decoder", "metric_json", datapoints(4), choices=4)

    for name, message in otlp.items():
        write("otlp", name, message, choices=3)
        write("otlp", "framed_" + name, frame(message) + frame(b"") + frame(message), choices=3)
        write("decoder", "otlp_" + name, frame(message) + frame(b"") + frame(message), choices=4)
    write("otlp", "endless_varint", b"\x0a" + b"\xff" * 12, choices=3)

    for size in [1, 2, 3, 60, 61, 200]:
        write("base64", "bytes_%d" % size, RNG.randbytes(size), choices=3)
        write("base64", "text_%d" % size, text64(RNG.randbytes(size)), choices=3)

    row = dict(zip([name.replace("-", "_") for name in DEFAULT], line(DEFAULT).split()))
    row.update({"bytes": 7, "vpc_id": None})
    write("envelope", "flow_row", json.dumps(row), choices=4)
    write("decoder", "flow_rows", (json.dumps(row) + "\n") * 3 + line(DEFAULT) + "\n" + json.dumps(row), choices=4)
    write("decoder", "json_then_otlp", (datapoints(2).encode() + frame(otlp["v10"]) + frame(otlp["v7"]) +
                                        datapoints(1).encode() + frame(otlp["v7"])), choices=4)

    values = (datapoints(1).strip() + json.dumps({"message": line(DEFAULT)})) * 2
    write("decoder", "value_without_its_begin", values[40:] + values + "\n" + values[90:] + line(DEFAULT), choices=4)
    write("decoder", "members_and_line_ends", (packed(flows["v2"].encode()) + b"\n") * 2 + packed(b"") + b"\r\n", choices=4)
    write("gzip", "members_and_line_ends", (packed(b"one\n") + b"\n") * 3, choices=6)
    write("metric_json", "envelope_behind", '{"namespace":"N",' + json.dumps({"message": line(DEFAULT)})[1:], choices=3)

    twice = subscription(messages)[:-1] + ", " + json.dumps({"logEvents": [{"id": "9", "message": line(DEFAULT)}]})[1:]
    write("envelope", "events_twice", twice, choices=4)
    tail = ["log-status", "start", "bytes"]
    for i in range(4):
        write("decoder", "grown_%d" % i, " ".join(tail) + "\n" + lines(tail, 4), choices=4)


if __name__ == "__main__":
    main()
