"""Seeded inputs, made once a size: what our own generator writes, and what is derived from it."""

import dataclasses
import gzip
import json
import pathlib
import shutil
import sys

import duckdb

from processes import fail, run_child

V2 = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
ALL_29 = (V2 + " vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id "
          "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path")


@dataclasses.dataclass
class Input:
    """A file and what is in it."""

    path: pathlib.Path
    items: int            # Lines or datapoints, bad ones included; 0: not counted.
    format: str = ""      # Names of the columns of flow text.
    plain_bytes: int = 0  # Before compression.

    @property
    def columns(self):
        return [name.replace("-", "_") for name in self.format.split()]


def concatenate(files, path):
    with open(path, "wb") as out:
        for file in sorted(files):
            with open(file, "rb") as part:
                shutil.copyfileobj(part, out)
    if path.stat().st_size == 0:
        fail(f"{path} is empty")


def fleet(figures, work, minutes, metric_format, flow_format, parts):
    """Telemetry of a fleet of 100 machines; `parts` names the file that flow logs, and the one that metrics go to."""
    root = work / "fleet"
    shutil.rmtree(root, ignore_errors=True)
    made = json.loads(run_child([figures, "generate", root, minutes, metric_format, flow_format])[0])
    metrics = {file for file in (root / "telemetry" / "metrics").rglob("*") if file.is_file()}
    flows = {file for file in (root / "telemetry").rglob("*") if file.is_file()} - metrics
    for name, files in zip(parts, (flows, metrics)):
        if name:
            concatenate(files, work / name)
    shutil.rmtree(root)
    return made


def compress(path, packed):
    with open(path, "rb") as plain, gzip.GzipFile(packed, "wb", compresslevel=6, mtime=0) as out:
        shutil.copyfileobj(plain, out, 1 << 20)


def write_parquet(text, path):
    """As AWS delivers it, by another's writer: names with underscores, numbers of 32 and 64 bits, pages of gzip."""
    types = {name: "INTEGER" for name in ("version", "srcport", "dstport", "protocol")}
    types.update({name: "BIGINT" for name in ("packets", "bytes", "start", "end")})
    columns = ", ".join(f"'{name}': '{types.get(name, 'VARCHAR')}'" for name in V2.replace("-", "_").split())
    duckdb.execute(f"""COPY (FROM read_csv('{text}', delim = ' ', header = false, auto_detect = false, quote = '', escape = '', nullstr = '-',
                       columns = {{{columns}}})) TO '{path}' (FORMAT parquet, COMPRESSION gzip)""")


def without_bad_lines(path, good):
    """The malformed corpus breaks the lines 7, 27, 47, ... (bench/parsers/flow_corpus.cc)."""
    with open(path, "rb") as lines, open(good, "wb") as out:
        out.writelines(line for number, line in enumerate(lines) if number % 20 != 7)


def make(figures, work, minutes):
    print("making the inputs", file=sys.stderr)
    as_json = fleet(figures, work, minutes, "json", V2, ("fleet-v2.log", "metrics.json"))
    as_29 = fleet(figures, work, minutes, "otlp", ALL_29, ("fleet-29.log", "metrics.otlp"))
    compress(work / "fleet-v2.log", work / "fleet-v2.log.gz")
    write_parquet(work / "fleet-v2.log", work / "fleet-v2.parquet")
    lines = as_json["flow_lines"]
    run_child([figures, "corpus", "v2", lines, work / "wide-v2.log"])
    compress(work / "wide-v2.log", work / "wide-v2.log.gz")
    wide_29 = json.loads(run_child([figures, "corpus", "29", lines, work / "wide-29.log"])[0])
    run_child([figures, "corpus", "v2-malformed", lines, work / "malformed-v2.log"])
    without_bad_lines(work / "malformed-v2.log", work / "good-v2.log")
    return {"minutes": minutes, "lines": lines, "lines_29": as_29["flow_lines"], "wide_29": wide_29["format"],
            "datapoints": as_json["datapoints"]}


def prepare(figures, work, minutes):
    mark = work / "inputs.json"
    made = json.loads(mark.read_text()) if mark.exists() else {}
    if made.get("minutes") != minutes or "wide_29" not in made:
        mark.unlink(missing_ok=True)
        made = make(figures, work, minutes)
        mark.write_text(json.dumps(made))

    def text(name, items=made["lines"], names=V2):
        return Input(work / name, items, names, (work / name).stat().st_size)

    def packed(name, of):
        return dataclasses.replace(of, path=work / name)

    fleet, wide = text("fleet-v2.log"), text("wide-v2.log")

    return {
        "fleet": fleet, "fleet_29": text("fleet-29.log", made["lines_29"], ALL_29), "gzip": packed("fleet-v2.log.gz", fleet),
        "parquet": packed("fleet-v2.parquet", fleet), "wide": wide, "wide_29": text("wide-29.log", names=made["wide_29"]),
        "wide_gzip": packed("wide-v2.log.gz", wide), "malformed": text("malformed-v2.log"), "good": text("good-v2.log"),
        "json": text("metrics.json", made["datapoints"], ""), "otlp": text("metrics.otlp", made["datapoints"], "")}
