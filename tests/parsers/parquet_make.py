#!/usr/bin/env python3
"""Writes the Parquet files of tests/parsers/parquet with pyarrow, and the same records as text beside them.

The files are checked in, so that the tests need no Python; run this again to add one:
    python3 -m venv v && v/bin/pip install pyarrow==26.0.1 && v/bin/python tests/parsers/parquet_make.py
Same seed, same records; the bytes differ only with pyarrow's version, which the files carry.

Each NAME.parquet holds the records of DATA.log, where NAME begins with "DATA-" (up to the first hyphen). NULL
stands where the text has "-".
"""
import pathlib
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent / "parquet"
CORPUS = pathlib.Path(__file__).parent.parent / "fuzz" / "corpus" / "parquet"
INT32 = {"version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path"}
INT64 = {"packets", "bytes", "start", "end"}

DEFAULT = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
           "action log-status").split()
V5 = DEFAULT + ("vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type "
                "sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path").split()
FLOW_FIELDS = {"srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action", "tcp-flags", "type",
               "pkt-srcaddr", "pkt-dstaddr", "pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction",
               "traffic-path"}


def records(fields, count, seed):
    """Rows as dictionaries of text; None is absent."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        start = 1700000000 + rng.randrange(600)
        source = rng.choice(["10.0.1.%d" % rng.randrange(256), "10.0.2.7", "2001:db8::%x" % rng.randrange(1, 65536)])
        target = rng.choice(["198.51.100.%d" % rng.randrange(256), "203.0.113.9"])
        row = {
            "version": "5", "account-id": "012345678901", "interface-id": "eni-%017x" % rng.randrange(1 << 20),
            "srcaddr": source, "dstaddr": target, "srcport": str(rng.randrange(65536)),
            "dstport": rng.choice(["443", "80", "22"]), "protocol": rng.choice(["6", "17", "1"]),
            "packets": str(rng.randrange(1, 1000)), "bytes": str(rng.randrange(40, 1 << 40)), "start": str(start),
            "end": str(start + rng.randrange(60)), "action": rng.choice(["ACCEPT", "ACCEPT", "REJECT"]),
            "log-status": "OK", "vpc-id": "vpc-0abc", "subnet-id": "subnet-%d" % rng.randrange(3),
            "instance-id": rng.choice(["i-0123456789abcdef0", None]), "tcp-flags": rng.choice(["0", "2", "18", "3"]),
            "type": "IPv6" if ":" in source else "IPv4", "pkt-srcaddr": source, "pkt-dstaddr": target,
            "region": "eu-west-1", "az-id": rng.choice(["euw1-az1", "euw1-az2", None]), "sublocation-type": None,
            "sublocation-id": None, "pkt-src-aws-service": rng.choice([None, "S3", "AMAZON"]),
            "pkt-dst-aws-service": None, "flow-direction": rng.choice(["ingress", "egress"]),
            "traffic-path": rng.choice([None, "1", "8"]),
        }
        if rng.random() < 0.15:
            row["log-status"] = rng.choice(["NODATA", "NODATA", "SKIPDATA"])
            row.update({field: None for field in FLOW_FIELDS})
        rows.append({field: row[field] for field in fields})
    return rows


def write_text(name, fields, rows):
    lines = [" ".join(fields)] + [" ".join(row[field] or "-" for field in fields) for row in rows]
    (FOLDER / (name + ".log")).write_text("\n".join(lines) + "\n")


def table(fields, rows, required=(), as_text=False, rename=lambda name: name.replace("-", "_"), types={}):
    arrays, schema = [], []
    for field in fields:
        kind = pa.int32() if field in INT32 else pa.int64() if field in INT64 else pa.string()
        kind = pa.string() if as_text else types.get(field, kind)
        values = [row[field] for row in rows]
        if pa.types.is_integer(kind):
            values = [None if value is None else int(value) for value in values]
        if as_text and field not in required:
            values = ["-" if value is None else value for value in values]
        arrays.append(pa.array(values, kind))
        schema.append(pa.field(rename(field), kind, nullable=field not in required))
    return pa.table(arrays, schema=pa.schema(schema))


def write(name, content, folder=FOLDER, **options):
    settings = {"store_schema": False, "write_statistics": False, "compression": "GZIP"}
    settings.update(options)
    pq.write_table(content, folder / (name + ".parquet"), **settings)


DELTA = {"DELTA_BINARY_PACKED": INT32 | INT64, "DELTA_BYTE_ARRAY": {"srcaddr", "interface-id", "action"},
         "DELTA_LENGTH_BYTE_ARRAY": {"dstaddr", "account-id", "log-status"}}


def delta_encodings():
    return {field.replace("-", "_"): encoding for encoding, fields in DELTA.items() for field in fields if field in DEFAULT}


def write_seeds():
    """Small objects for the fuzz target: every codec, encoding and page version, few columns."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    fields = ["interface-id", "srcaddr", "bytes", "start", "log-status"]
    content = table(fields, records(fields, 12, 5))
    delta = {"use_dictionary": False,
             "column_encoding": {"bytes": "DELTA_BINARY_PACKED", "start": "DELTA_BINARY_PACKED",
                                 "srcaddr": "DELTA_BYTE_ARRAY", "log_status": "DELTA_LENGTH_BYTE_ARRAY"}}
    seeds = {
        "dictionary": {"compression": "NONE"},
        "dictionary-v2": {"compression": "NONE", "data_page_version": "2.0"},
        "plain": {"compression": "NONE", "use_dictionary": False},
        "plain-v2": {"compression": "NONE", "use_dictionary": False, "data_page_version": "2.0"},
        "delta": {"compression": "NONE", **delta},
        "delta-v2": {"compression": "NONE", "data_page_version": "2.0", **delta},
        "gzip": {"compression": "GZIP"},
        "snappy": {"compression": "SNAPPY", "write_page_checksum": True},
        "zstd-v2": {"compression": "ZSTD", "data_page_version": "2.0"},
        "groups": {"compression": "NONE", "row_group_size": 5, "data_page_size": 16, "write_batch_size": 2},
        "statistics": {"compression": "NONE", "write_statistics": True, "write_page_index": True},
    }
    for name, options in seeds.items():
        write(name, content, folder=CORPUS, **options)
    write("as-text", table(fields, records(fields, 12, 5), as_text=True), folder=CORPUS, compression="NONE")
    write("nested", content.append_column("tags", pa.array([["a"]] * 12)), folder=CORPUS, compression="NONE")


def main():
    FOLDER.mkdir(exist_ok=True)

    rows = records(DEFAULT, 70, 1)
    write_text("default", DEFAULT, rows)
    content = table(DEFAULT, rows)
    encodings = {
        "dictionary": {"use_dictionary": True},
        "plain": {"use_dictionary": False},
        "delta": {"use_dictionary": False, "column_encoding": delta_encodings()},
    }
    for codec in ["NONE", "SNAPPY", "GZIP", "ZSTD"]:
        for pages in ["1.0", "2.0"]:
            for encoding, options in encodings.items():
                write("default-%s-v%s-%s" % (codec.lower(), pages[0], encoding), content, compression=codec,
                      data_page_version=pages, **options)
    write("default-required", table(DEFAULT, rows, required={"version", "account-id", "interface-id", "start", "end",
                                                            "log-status"}), compression="SNAPPY")
    write("default-hyphens", table(DEFAULT, rows, rename=lambda name: name), compression="ZSTD")
    write("default-astext", table(DEFAULT, rows, as_text=True))
    write("default-ids", table(DEFAULT, rows, types={"account-id": pa.int64(), "protocol": pa.int64(),
                                                     "srcport": pa.uint16(), "bytes": pa.uint64()}))
    write("default-extra", content.append_column("comment", pa.array(["x"] * len(rows)))
          .append_column("weight", pa.array([0.5] * len(rows))))

    # Values that drop their record, or only themselves.
    fields = DEFAULT + ["tcp-flags", "type", "pkt-srcaddr", "flow-direction"]
    rows = records(fields, 40, 4)
    for at, (field, value) in enumerate([
            ("srcport", "70000"), ("protocol", "256"), ("bytes", "-5"), ("start", "-1"), ("end", "253402300800"),
            ("packets", "-9223372036854775808"), ("srcaddr", "10.0.0.300"), ("dstaddr", "nowhere"), ("log-status", "MAYBE"),
            ("log-status", None), ("action", "ALLOW"), ("tcp-flags", "256"), ("type", "IPX"), ("pkt-srcaddr", "1.2.3"),
            ("flow-direction", "sideways"), ("start", None), ("bytes", None), ("tcp-flags", "-1"), ("version", "300")]):
        rows[2 * at][field] = value
        rows[2 * at]["log-status"] = value if field == "log-status" else "OK"
    write_text("bad", fields, rows)
    write("bad-dictionary", table(fields, rows))
    write("bad-plain", table(fields, rows), use_dictionary=False, data_page_version="2.0")
    write("bad-astext", table(fields, rows, as_text=True))

    # Records without a flow, and something in its place all the same.
    rows = records(DEFAULT, 40, 5)
    for at, (field, value) in enumerate([
            ("srcport", "70000"), ("protocol", "999"), ("bytes", "-5"), ("start", "-1"), ("end", "253402300800"),
            ("packets", "1"), ("srcaddr", "None"), ("dstaddr", "nowhere"), ("action", "ALLOW"), ("log-status", "NODATE")]):
        rows[3 * at]["log-status"] = ("NODATA", "SKIPDATA")[at % 2]
        rows[3 * at][field] = value
    write_text("odd", DEFAULT, rows)
    write("odd-values", table(DEFAULT, rows))
    write("odd-plain", table(DEFAULT, rows), use_dictionary=False)
    write("odd-astext", table(DEFAULT, rows, as_text=True))

    rows = records(V5, 150, 2)
    write_text("v5", V5, rows)
    content = table(V5, rows)
    # Pages of a few rows, at other rows in every column, and row groups.
    pages = {"data_page_size": 300, "write_batch_size": 7, "dictionary_pagesize_limit": 400}
    write("v5-groups", content, row_group_size=40)
    write("v5-pages", content, compression="SNAPPY", write_page_checksum=True, **pages)
    write("v5-pages2", content, compression="ZSTD", data_page_version="2.0", row_group_size=70,
          write_page_checksum=True, **pages)
    write("v5-plainpages", content, compression="NONE", use_dictionary=False, data_page_size=300, write_batch_size=7)
    write("v5-statistics", content, write_statistics=True, store_schema=True, write_page_index=True)

    # What no reader of the flat subset reads.
    few = table(DEFAULT, records(DEFAULT, 4, 3))
    index = few.schema.get_field_index
    write("refused-brotli", few, compression="BROTLI")
    write("refused-lz4", few, compression="LZ4")
    write("refused-nested", few.append_column("tags", pa.array([["a"]] * 4)))
    write("refused-split", few, use_dictionary=False, column_encoding={"bytes": "BYTE_STREAM_SPLIT"})
    write("refused-timestamp", few.set_column(index("start"), "start",
                                              few["start"].cast(pa.timestamp("s")).cast(pa.timestamp("ms"))))
    write("refused-double", few.set_column(index("bytes"), "bytes", few["bytes"].cast(pa.float64(), safe=False)))
    write("refused-foreign", pa.table({"line_item_usage_type": ["NatGateway-Bytes"], "region": ["eu-west-1"],
                                       "cost": [0.1]}))
    none = few.set_column(index("action"), "action", pa.nulls(4))
    write_text("null", DEFAULT, [dict(row, action=None) for row in records(DEFAULT, 4, 3)])
    write("null-action", none)
    write_text("empty", DEFAULT, [])
    write("empty-table", few.slice(0, 0))
    write_seeds()
    return 0


if __name__ == "__main__":
    sys.exit(main())
