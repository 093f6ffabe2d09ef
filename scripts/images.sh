#!/usr/bin/env bash
# Makes the images that the demo and the tests use, and prints the storage folder they are in. `--test`: only those
# that need no Debian archive.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
scripts/setup.sh demo
exec node_modules/.bin/tsx scripts/images.ts "$@"
