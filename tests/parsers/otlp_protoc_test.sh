#!/usr/bin/env bash
# Decodes the OTLP 1.0 sample frame with protoc and the official schema from Maven, and compares what protoc prints with
# what our decoder must yield for the same bytes. Usage: otlp_protoc_test.sh PROTOC DUMP_PROGRAM WORK_FOLDER
set -euo pipefail
protoc=$1 dump=$2 work=$3
artifact=io.opentelemetry.proto:opentelemetry-proto:1.5.0-alpha
mkdir -p "$work/schema"
if [ ! -e "$work/schema/opentelemetry" ]; then
  mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory="$work"
  python3 -m zipfile -e "$work/opentelemetry-proto-1.5.0-alpha.jar" "$work/schema"
fi
"$dump" --message > "$work/message.bin"
"$protoc" -I "$work/schema" --decode=opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest \
  opentelemetry/proto/collector/metrics/v1/metrics_service.proto < "$work/message.bin" > "$work/official.txt"

fail() { echo "FAIL: $1"; cat "$work/official.txt"; exit 1; }
# An unknown field is printed by its number: the schema has to know every byte.
if grep -Eq '^ *[0-9]+[:{ ]' "$work/official.txt"; then fail "bytes that the official schema does not know"; fi

# The same facts in one form, from protoc's text and from our decoder.
official() { sed -n "s/^ *$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$work/official.txt" | tr '\n' ' '; }
{
  echo "count $(official count)"
  echo "sum $(official sum)"
  echo "start_ns $(official start_time_unix_nano)"
  echo "end_ns $(official time_unix_nano)"
  # string values in wire order: provider, account, region, stream, namespace, name, dimension.
  echo "strings $(official string_value)"
  echo "quantiles $(official quantile)"
  # protoc leaves out zeros; CloudWatch's minimum of this sample is one.
  grep -A3 'quantile_values' "$work/official.txt" | sed -n 's/^ *value: \(.*\)$/value \1/p'
} | sed 's/ *$//' > "$work/official.facts"
"$dump" --facts > "$work/ours.facts"
diff -u "$work/official.facts" "$work/ours.facts" || fail "our decoder and the official schema differ"
echo "equal: $(wc -l < "$work/ours.facts") facts"
