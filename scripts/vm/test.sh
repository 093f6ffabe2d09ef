#!/usr/bin/env bash
# The VM lane: the vitest project `vm` inside one guest with Debian's stock kernel. See docs/vm-lane.md.
#   test.sh [vitest argument...]   e.g. test.sh test/vm/ipvs.test.ts -t sweep
# A test that is skipped is a failure here: the guest's kernel has everything, so whoever skips has looked wrongly.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
scripts/setup.sh vm || exit 1
# The guest has no network: images that its tests want are made here.
npx --no-install tsx scripts/images.ts || exit 1

report=$(mktemp -d)
trap 'rm -rf "$report"' EXIT
scripts/vm/run.sh --timeout "${VM_TIMEOUT:-3600}" --out "$report" -- scripts/vm/guest.sh "$@"
status=$?
[ -s "$report/vm.json" ] || { echo "vm: no report came back (status $status)" >&2; exit 1; }
node -e '
  const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests, numTodoTests, success } =
    JSON.parse(require("fs").readFileSync(process.argv[1]));
  const skipped = process.argv[2] === "all" ? numPendingTests + numTodoTests : 0;
  console.log(`vm: ${numPassedTests} passed, ${numFailedTests} failed, ${skipped} skipped, ${numFailedTestSuites} files with failures`);
  process.exit(success && numPassedTests > 0 && skipped === 0 ? 0 : 1);
' "$report/vm.json" "$([[ " $* " == *" -t "* ]] && echo some || echo all)" || exit 1
exit $status
