#!/usr/bin/env bash
# All that was generated is committed and closed in windows, and the ceilings give the answers of ours, on tiny inputs.
set -euo pipefail
figures=$1
dir=$2
rm -rf "$dir"
mkdir -p "$dir"

fail() { printf '%s\n' "$*" >&2; exit 1; }
# holds JSON NAME: the number of that name.
holds() { grep -oE "\"$2\": -?[0-9.]+" <<< "$1" | head -n 1 | grep -oE '[0-9.]+$'; }
equal() { [ "$2" = "$3" ] || fail "$1: $2 is not $3"; }

v5='version interface-id srcaddr dstaddr packets bytes start end action log-status flow-direction'
for format in json otlp; do
  layout=
  [ "$format" = json ] || layout=$v5
  made=$("$figures" generate "$dir/fleet" 15 "$format" "$layout")
  find "$dir/fleet/telemetry/metrics" -type f -print0 | sort -z | xargs -0 cat > "$dir/metrics.$format"
  find "$dir/fleet/telemetry" -path '*/metrics' -prune -o -type f -print0 | sort -z | xargs -0 cat > "$dir/flows.log"
  gzip -k -f "$dir/flows.log"

  windows=$("$figures" windows "$dir/$format/log.db" "$layout" "$dir/flows.log.gz" "$dir/metrics.$format")
  equal "records of $format" "$(holds "$windows" records)" "$(holds "$made" flow_lines)"
  equal "datapoints of $format" "$(holds "$windows" datapoints)" "$(holds "$made" datapoints)"
  equal "malformed of $format" "$(holds "$windows" malformed)" 0
  equal "late of $format" "$(holds "$windows" late)" 0

  "$figures" flows "$dir/$format/log.db" | sort > "$dir/flows.csv"
  [ -s "$dir/flows.csv" ] || fail "no flows in the log"
  equal "bytes of closed windows" "$(holds "$windows" accepted_bytes)" "$(awk -F, '$3 == "ACCEPT" { n += $6 } END { printf "%.0f", n }' "$dir/flows.csv")"
  "$figures" ingest "$dir/$format-ingested/log.db" "$layout" "$dir/flows.log" "$dir/metrics.$format" > /dev/null
  diff <("$figures" flows "$dir/$format-ingested/log.db" | sort) "$dir/flows.csv" || fail "plain and gzip differ"
  decoded=$("$figures" decode "$layout" "$dir/flows.log")
  equal "decoded bytes" "$(holds "$decoded" bytes)" "$(awk -F, '{ n += $6 } END { printf "%.0f", n }' "$dir/flows.csv")"

  walked=$("$figures" "probe-$format" "$dir/metrics.$format")
  equal "walked $format" "$(holds "$walked" datapoints)" "$(holds "$made" datapoints)"
  equal "walked sum of $format" "$(holds "$walked" sum)" "$(holds "$("$figures" decode '' "$dir/metrics.$format")" sum)"
  equal "inflated" "$(holds "$("$figures" probe-inflate "$dir/flows.log.gz")" plain_bytes)" "$(stat -c %s "$dir/flows.log")"
  if grep -q -w avx2 /proc/cpuinfo; then
    diff <("$figures" probe-flows "$layout" "$dir/flows.log" --print | grep -v '^{' | sort) "$dir/flows.csv" || fail "the probe's sums differ"
    diff <("$figures" probe-flows "$layout" "$dir/flows.log.gz" --print | grep -v '^{' | sort) "$dir/flows.csv" || fail "the probe's sums of gzip differ"
    equal "bytes of the probe" "$(holds "$("$figures" probe-columns "$layout" "$dir/flows.log")" bytes)" "$(holds "$decoded" bytes)"
  fi
done
diff <("$figures" metrics "$dir/json/log.db") <("$figures" metrics "$dir/otlp/log.db") || fail "JSON and OTLP differ"

malformed=$("$figures" corpus v2-malformed 2000 "$dir/malformed.log")
equal "good lines" "$(holds "$("$figures" decode '' "$dir/malformed.log")" records)" "$(holds "$malformed" records)"
rm -rf "$dir"
