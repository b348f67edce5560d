#!/usr/bin/env bash
# One day of a Hyperion-like fleet, from telemetry to bill: 100 machines, 2.9 M flow records, 1.4 M datapoints through the
# release binary, checked against the truth that the generator states. Called by `./dev demo`; --serve keeps the API up.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

serve=no
case "${1:-}" in
  --serve) serve=yes ;;
  '') ;;
  *) echo "usage: ./dev demo [--serve]" >&2; exit 2 ;;
esac

fleetmeter=${FLEETMETER:-build/release/fleetmeter}
dir=${FLEETMETER_DEMO_DIR:-build/demo}
machines=${FLEETMETER_DEMO_MACHINES:-100}
duration=${FLEETMETER_DEMO_DURATION:-24h}
export FLEETMETER_DEMO_SECRET=whsec_ZGVtb25zdHJhdGlvbi1zZWNyZXQtMjQtYnl0ZXM=
receiver_pid=

stop_receiver() {
  [ -n "$receiver_pid" ] || return 0
  kill -TERM "$receiver_pid" 2>/dev/null || true
  wait "$receiver_pid" || return 1
}
# Leaves no process behind, however it ends.
trap '[ -z "$receiver_pid" ] || kill -KILL "$receiver_pid" 2>/dev/null || true' EXIT

say() { printf '\n== %s\n' "$*"; }
seconds() { date +%s.%N; }
free_port() {  # The port itself when it is free, else 0: the service then takes one and says which.
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then echo 0; else echo "$1"; fi
}

began=$(seconds)
mkdir -p "$dir"
rm -rf "$dir/state" "$dir/deliveries.jsonl" "$dir/events.jsonl" "$dir/report.html" "$dir/flows.json" "$dir/cost.json"

say "A synthetic day: $machines machines, 20 flow records and 10 metrics a minute each"
"$fleetmeter" generate --out "$dir" --replace --machines "$machines" --duration "$duration"

say "A local receiver that checks signatures"
: > "$dir/receiver.log"  # It is read before the receiver has got so far as to make it.
"$fleetmeter" receive --listen 127.0.0.1:0 --secret-env FLEETMETER_DEMO_SECRET --tolerance 0 --out "$dir/deliveries.jsonl" > "$dir/receiver.log" 2>&1 &
receiver_pid=$!
for _ in $(seq 100); do
  receiver=$(sed -n 's|^listening on \(http://[^/]*\)/.*|\1|p' "$dir/receiver.log")
  [ -z "$receiver" ] || break
  sleep 0.1
done
[ -n "$receiver" ] || { echo "the receiver did not start:" >&2; cat "$dir/receiver.log" >&2; exit 1; }

sed -e "s|@STATE@|$dir/state|; s|@PORT@|$(free_port 8080)|; s|@TELEMETRY@|telemetry|g; s|@INVENTORY@|inventory|g; s|@RECEIVER@|$receiver|g" \
  deploy/demo/fleet.yaml.in > "$dir/fleet.yaml"
"$fleetmeter" rules check "$dir/fleet.yaml"

say "Telemetry through alarms, scaling, delivery and the bill"
ran=$(seconds)
"$fleetmeter" run -c "$dir/fleet.yaml" --until-eof --deliver --events "$dir/events.jsonl"
printf 'end to end in %.1f s\n' "$(awk -v a="$ran" -v b="$(seconds)" 'BEGIN { print b - a }')"
stop_receiver || { echo "the receiver found a conflict:" >&2; cat "$dir/receiver.log" >&2; exit 1; }
receiver_pid=

say "Top talkers and data quality"
inventory=()
for file in "$dir"/inventory/*.json; do inventory+=(--inventory "$file"); done
"$fleetmeter" flows "${inventory[@]}" --format json "$dir/telemetry/AWSLogs" > "$dir/flows.json"
"$fleetmeter" flows "${inventory[@]}" --top 5 "$dir/telemetry/AWSLogs"

say "The month so far"
"$fleetmeter" cost report -c "$dir/fleet.yaml" --basis to-date
"$fleetmeter" cost report -c "$dir/fleet.yaml" --basis to-date --format json --out "$dir/cost.json"
"$fleetmeter" cost report -c "$dir/fleet.yaml" --basis to-date --format html --out "$dir/report.html"

say "Compared with the truth"
python3 deploy/demo/check.py "$dir"
printf 'all of it in %.1f s\n' "$(awk -v a="$began" -v b="$(seconds)" 'BEGIN { print b - a }')"

say "Try next"
tee "$dir/next-commands" <<COMMANDS
$fleetmeter flows ${inventory[*]} --by nat $dir/telemetry/AWSLogs
$fleetmeter replay -c $dir/fleet.yaml --events $dir/replayed.jsonl $dir/telemetry/AWSLogs $dir/telemetry/metrics
$fleetmeter cost report -c $dir/fleet.yaml --basis estimate
$fleetmeter rules check $dir/fleet.yaml
FLEETMETER_DEMO_SECRET=$FLEETMETER_DEMO_SECRET $fleetmeter run -c $dir/fleet.yaml
COMMANDS
echo "(the last one serves its API until Ctrl-C, as ./dev demo --serve does)"

[ "$serve" = yes ] || exit 0
say "Serving; Ctrl-C ends it"
exec "$fleetmeter" run -c "$dir/fleet.yaml"
