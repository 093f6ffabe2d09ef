#!/usr/bin/env bash
# Everything: set-up, the gate, then the lanes that need root. Ends with one line "N passed, N failed".
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/setup.sh test || exit 1

passed=0
failed=0
report=$(mktemp -d)
trap 'rm -rf "$report"' EXIT
count() { # a lane's report, if there is one
  local p f
  read -r p f < <(npx --no-install tsx scripts/lane-report.ts "$1" "$report/failed") || return 1
  passed=$((passed + p))
  failed=$((failed + f))
}

gate() { # one step of the gate that is no test runner: it counts as one
  local title=$1
  printf '\n== %s\n' "$title"
  shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $title" >>"$report/failed"; fi
}
gate "types" npx --no-install tsc -p tsconfig.json
gate "format and lint" npx --no-install biome ci --error-on-warnings .
gate "dead code" npx --no-install knip
gate "images" npx --no-install tsx scripts/images.ts
for lane in unit sim kernel runtime e2e; do
  printf '\n== %s\n' "$lane"
  npx --no-install vitest run --project "$lane" --reporter=default --reporter=json --outputFile.json="$report/$lane.json"
  status=$?
  count "$report/$lane.json" || failed=$((failed + 1))
  [ $status = 0 ] || [ "$failed" -gt 0 ] || failed=$((failed + 1))
done
[ ! -s "$report/failed" ] || { echo && cat "$report/failed"; }
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
