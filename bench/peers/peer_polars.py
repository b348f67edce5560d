"""Polars' side of peer.py: explicit schema, lazy scan, streaming engine, into frames in memory."""

import polars as pl

from peer import NUMBERS, PRIVATE, TIMES

# Polars has no map type: a stream's dimensions are a structure of those that occur in the inputs.
DIMENSIONS = ("InstanceId", "device", "fstype", "path", "interface", "NatGatewayId", "AutoScalingGroupName")
METRIC = {"metric_stream_name": pl.String, "account_id": pl.String, "region": pl.String, "namespace": pl.String, "metric_name": pl.String,
          "dimensions": pl.Struct({name: pl.String for name in DIMENSIONS}), "timestamp": pl.Int64,
          "value": pl.Struct({"count": pl.Float64, "sum": pl.Float64, "max": pl.Float64, "min": pl.Float64}), "unit": pl.String}


def type_of(column):
    if column in TIMES:
        return pl.Int64
    return {8: pl.UInt8, 16: pl.UInt16, 64: pl.UInt64}.get(NUMBERS.get(column), pl.String)


class Peer:
    version = pl.__version__

    def __init__(self, task):
        self.task = task
        assert pl.thread_pool_size() == task["threads"]

    def source(self):
        if self.task["path"].endswith(".parquet"):
            return pl.scan_parquet(self.task["path"])
        lenient = {"ignore_errors": True, "truncate_ragged_lines": True} if self.task["lenient"] else {}
        return pl.scan_csv(self.task["path"], separator=" ", has_header=False, quote_char=None, null_values="-",
                           schema={column: type_of(column) for column in self.task["columns"]}, **lenient)

    def flows(self):
        if "flow_direction" in self.task["columns"]:
            direction = pl.col("flow_direction")
        else:
            from_private, to_private = pl.col("srcaddr").str.contains(PRIVATE), pl.col("dstaddr").str.contains(PRIVATE)
            direction = (pl.when(from_private & ~to_private).then(pl.lit("egress"))
                         .when(to_private & ~from_private).then(pl.lit("ingress")).otherwise(pl.lit("unknown")))
        minute = (pl.col("start") // 60).alias("start_min")
        return (self.source().filter(pl.col("log_status") == "OK")
                .select("interface_id", direction.alias("direction"), "action", minute, "packets", "bytes")
                .group_by("interface_id", "direction", "action", "start_min")
                .agg(pl.sum("packets"), pl.sum("bytes"), pl.len().alias("records"))
                .collect(engine="streaming"))

    def flows_rows(self, sums):
        return sums.with_columns(pl.col("action").fill_null("")).select(pl.all().cast(pl.String)).rows()

    def columns(self):
        return self.source().collect(engine="streaming")

    def columns_rows(self, records):
        return [(str(records.height), str(records["bytes"].sum()))]

    def metrics(self):
        return pl.scan_ndjson(self.task["path"], schema=METRIC).collect(engine="streaming")

    def metrics_rows(self, datapoints):
        totals = datapoints.unnest("value").group_by("namespace", "metric_name").agg(
            pl.len(), pl.sum("count"), pl.sum("sum"), pl.min("min"), pl.max("max"))
        return [(namespace, metric, str(points), *(f"{value:.6f}" for value in values))
                for namespace, metric, points, *values in totals.rows()]
