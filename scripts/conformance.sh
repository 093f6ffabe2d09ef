#!/usr/bin/env bash
# Tells Docker's own Swarm and Shoal the same commands and compares what the CLI says. See docs/conformance.md.
#   conformance.sh [WORD…]   only the sequences whose names begin with a word
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/setup.sh bench
exec npx --no-install tsx test/conformance/main.ts "$@"
