#!/usr/bin/env bash
# Measures Shoal against Docker's own Swarm here and now, and prints one table. See bench/RESULTS.md.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/setup.sh bench
exec npx --no-install tsx bench/main.ts "$@"
