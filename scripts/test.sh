#!/usr/bin/env bash
# Everything: set-up, the gate, then the lanes that need root. Ends with one line "N passed, N failed".
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/setup.sh test || exit 1

passed=0
failed=0
report=$(mktemp -d)
trap 'rm -rf "$report"' EXIT
count() { # a lane's vitest JSON report
  [ -s "$1" ] || return 1
  read -r p f < <(node -e 'const r=require(process.argv[1]);console.log(r.numPassedTests,r.numFailedTests+r.numFailedTestSuites*(r.numFailedTests?0:1))' "$1")
  passed=$((passed + p))
  failed=$((failed + f))
  node -e 'for(const f of require(process.argv[1]).testResults){const bad=f.assertionResults.filter((t)=>t.status==="failed");if(f.status==="failed")for(const t of bad.length>0?bad:[{fullName:f.message}])console.log("failed:",f.name,t.fullName)}' "$1" >>"$report/failed"
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
