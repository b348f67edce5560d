#!/usr/bin/env bash
# The figures program commits all that was generated: records and datapoints of its tables equal the generator's counts.
set -euo pipefail
figures=$1
dir=$2
rm -rf "$dir"
for format in json otlp; do
  mkdir -p "$dir/$format"
  made=$("$figures" generate "$dir/$format/fleet" 40 "$format")
  read -r flow_lines datapoints < <(tr -dc '0-9 \n' <<< "$made")
  done=$("$figures" ingest "$dir/$format/log.db" "$dir/$format/fleet/telemetry")
  grep -q "\"records\": $flow_lines, \"datapoints\": $datapoints, \"malformed\": 0" <<< "$done" || {
    echo "generated $made, ingested $done" >&2
    exit 1
  }
  summed=$("$figures" metrics "$dir/$format/log.db" | awk -F, '{ n += $3 } END { print n + 0 }')
  [ "$summed" = "$datapoints" ] || { echo "$summed datapoints in the table, $datapoints generated" >&2; exit 1; }
  flows=$("$figures" flows "$dir/$format/log.db" | awk -F, '{ n += $7 } END { print n + 0 }')
  # The table holds records with log-status OK alone.
  if [ "$flows" -eq 0 ] || [ "$flows" -gt "$flow_lines" ]; then
    echo "$flows records in the table of $flow_lines" >&2
    exit 1
  fi
done
diff <("$figures" metrics "$dir/json/log.db") <("$figures" metrics "$dir/otlp/log.db")
rm -rf "$dir"
