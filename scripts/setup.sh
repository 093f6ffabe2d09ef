#!/usr/bin/env bash
# Installs what Shoal needs that is not there yet, and builds. Safe to run again. Root, Debian 12 or newer, Node 20.19 or newer.
#   setup.sh [run|demo|test|bench|vm]   what for: `run` is enough for a node; the others need more programs
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
purpose=${1:-run}

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { printf 'setup: cannot go on: %s\n' "$*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || stop "Shoal programs the Linux kernel and runs on Linux only"
[ "$(id -u)" = 0 ] || stop "run it as root: it installs packages, and the swarm makes network namespaces (sudo npm run ...)"
command -v node >/dev/null || stop "Node is missing: install Node 20.19 or newer"
node -e 'const [a,b]=process.versions.node.split(".").map(Number);process.exit(a>20||(a===20&&b>=19)?0:1)' ||
  stop "Node $(node --version) is too old: install 20.19 or newer"

# program or file that must be there | Debian package that brings it
run_needs="containerd|containerd
runc|runc
nft|nftables
/usr/lib/*/libnftables.so.1|libnftables1
ip|iproute2
conntrack|conntrack
etcd|etcd-server
nsenter|util-linux
umount|mount
/usr/bin/tini-static|tini
docker|docker.io"
demo_needs="docker-registry|docker-registry
mmdebstrap|mmdebstrap
busybox|busybox-static
perl|perl-base
tar|tar
curl|curl"
test_needs="$demo_needs
skopeo|skopeo
pgrep|procps
script|bsdutils
openssl|openssl
ping|iputils-ping
modinfo|kmod
iptables-nft|iptables
/usr/sbin/dockerd|docker.io
wrk|wrk
haproxy|haproxy
/usr/lib/python3/dist-packages/docker|python3-docker"
bench_needs="$test_needs
iperf3|iperf3"
vm_needs="$test_needs
qemu-system-x86_64|qemu-system-x86
cpio|cpio
depmod|kmod
ipvsadm|ipvsadm"

case $purpose in
  run) needs=$run_needs ;;
  demo) needs="$run_needs"$'\n'"$demo_needs" ;;
  test) needs="$run_needs"$'\n'"$test_needs" ;;
  bench) needs="$run_needs"$'\n'"$bench_needs" ;;
  vm) needs="$run_needs"$'\n'"$vm_needs" ;;
  *) stop "no such purpose: $purpose" ;;
esac

has() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
  esac
}

missing=()
while IFS='|' read -r what package; do
  has "$what" || missing+=("$package")
done <<<"$needs"

if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || stop "these Debian packages are missing and apt-get is not here: ${missing[*]}"
  say "installing ${missing[*]}"
  # A package must not start its service now: the docker engine, containerd and etcd are run by us or not at all.
  policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; trap 'rm -f "$policy"' EXIT; }
  apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    stop "apt-get could not install ${missing[*]}"
fi
while IFS='|' read -r what package; do
  has "$what" || stop "$what is still missing after installing $package"
done <<<"$needs"

stamp=node_modules/.shoal-lock
if ! cmp -s package-lock.json "$stamp" 2>/dev/null; then
  # npm would empty the folder behind the link, which is another checkout's.
  [ ! -L node_modules ] || stop "node_modules is a link: remove it, or run npm ci where it leads"
  say "installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error >&2
  cp package-lock.json "$stamp"
fi
newest=$(find src proto package-lock.json tsconfig*.json buf.gen.yaml -newer dist/.built -print -quit 2>/dev/null || echo none)
if [ ! -e dist/.built ] || [ -n "$newest" ]; then
  say "building"
  npm run --silent build >&2
  touch dist/.built
fi
say "ready"
