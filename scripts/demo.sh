#!/usr/bin/env bash
# Three hosts on this machine, one swarm, the voting app. `demo.sh --down` takes everything away again.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/setup.sh demo
exec node_modules/.bin/tsx scripts/demo.ts "$@"
