#!/usr/bin/env bash
# Inside the guest: loads what the tests are here for, then runs them. Its report goes to $OUT/vm.json.
set -euo pipefail
modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_sh esp4 esp6 xfrm_user nf_flow_table nft_flow_offload vxlan sctp nfs nfsv4 nfsd
# Layers of images want a file system below them that is no overlay itself.
mkdir -p /var/lib/shoal-lab
mount -t tmpfs tmpfs /var/lib/shoal-lab
exec node node_modules/vitest/vitest.mjs run --project vm \
  --reporter=default --reporter=json --outputFile.json="$OUT/vm.json" "$@"
