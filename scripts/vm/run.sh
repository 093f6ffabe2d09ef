#!/usr/bin/env bash
# Runs a command as root in a virtual machine that boots Debian's stock kernel under software emulation: see docs/vm-lane.md.
#
#   run.sh [--mem MIB] [--cpus N] [--steady] [--timeout SECONDS] [--out FOLDER] -- COMMAND [ARGUMENT...]
#
# With --steady the guest's clock counts instructions, a nanosecond each, on one processor: how busy this machine is does not show in
# what is measured there, and nothing runs into a time limit.
# The guest sees this machine's whole file system, read-only under a throw-away overlay. What it writes under $OUT comes
# back in FOLDER. The command's output is printed and its exit status is ours; 124: out of time, 125: the guest died.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
cache=$root/.cache/vm
mem=3072 cpus=2 limit=300 out=
clock=(-accel tcg,thread=multi)

stop() { printf 'vm: cannot go on: %s\n' "$*" >&2; exit 125; }
while [[ ${1-} == --* ]]; do
  case $1 in
    --mem) mem=$2; shift 2 ;;
    --cpus) cpus=$2; shift 2 ;;
    --steady) clock=(-accel tcg,thread=single -icount shift=0) cpus=1; shift ;;
    --timeout) limit=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --) shift; break ;;
    *) stop "no such option: $1" ;;
  esac
done
(($#)) || stop "no command given"
for tool in qemu-system-x86_64 busybox cpio depmod modprobe; do
  PATH="$PATH:/usr/sbin:/sbin" command -v $tool >/dev/null || stop "$tool is missing: run scripts/setup.sh vm"
done

# The kernel is a package that is unpacked, not installed: it never runs on this machine itself.
fetch_kernel() {
  local package
  package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
  [[ $package ]] || stop "no linux-image-amd64 in the package lists: run apt-get update"
  (
    cd "$cache"
    apt-get download -q -o APT::Sandbox::User=root "$package" >&2
    dpkg -x "$package"_*.deb unpacked
    rm "$package"_*.deb
  ) || stop "the kernel package $package could not be fetched"
  depmod -b "$cache/unpacked" "$(ls "$cache/unpacked/lib/modules")"
  mv "$cache/unpacked" "$cache/kernel"
}

# A root with busybox and the few modules that it takes to mount the machine's own file system.
make_initrd() {
  local folder n=10 module ko
  folder=$(mktemp -d)
  mkdir -p "$folder"/{bin,mods,proc,sys,dev,low,up,out,guest}
  cp "$(command -v busybox)" "$folder/bin/busybox"
  for applet in sh mount mkdir insmod switch_root; do ln -s busybox "$folder/bin/$applet"; done
  for module in virtio_pci 9pnet_virtio 9p overlay; do
    modprobe -d "$cache/kernel" -S "$version" --show-depends $module | awk '/^insmod/ { print $2 }'
  done | awk '!seen[$0]++' | while read -r ko; do cp "$ko" "$folder/mods/$((n++))-$(basename "$ko")"; done
  cp "$root/scripts/vm/init.sh" "$folder/init"
  chmod 755 "$folder/init"
  (cd "$folder" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$cache/initrd.new"
  mv "$cache/initrd.new" "$cache/initrd.gz"
  rm -rf "$folder"
}

# What the guest's first process does once it stands on the machine's file system.
guest_script() {
  echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb OUT=/run/out'
  printf 'export PATH=$PATH:%q\n' "$(dirname "$(command -v node || echo /usr/bin/node)")"
  echo 'mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm'
  echo 'mount -t cgroup2 cgroup2 /sys/fs/cgroup; ip link set lo up; hostname vm'
  printf 'mkdir -p /lib/modules; rm -rf /lib/modules/%q; ln -s %q /lib/modules/%q\n' \
    "$version" "$cache/kernel/lib/modules/$version" "$version"
  printf 'cd %q\n' "$PWD"
  printf '%q ' "$@"
  echo '</dev/null'
  echo 'echo $? >/run/out/.rc; sync; echo o >/proc/sysrq-trigger; while :; do read -t 60 </dev/zero; done'
}

mkdir -p "$cache"
cache=$(readlink -f "$cache")
exec 9>"$cache/lock"
flock 9
[[ -e $cache/kernel ]] || fetch_kernel
version=$(ls "$cache/kernel/lib/modules")
[[ $cache/initrd.gz -nt $root/scripts/vm/init.sh && $cache/initrd.gz -nt $cache/kernel ]] || make_initrd
flock -u 9

if [[ ! $out ]]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
mkdir -p "$out"
rm -f "$out/.rc"
guest_script "$@" >"$out/.guest"
status=0
timeout --foreground "$limit" qemu-system-x86_64 "${clock[@]}" -cpu max -smp "$cpus" -m "$mem" \
  -nodefaults -display none -serial stdio -monitor none -no-reboot -nic none \
  -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$cache/initrd.gz" -append "console=ttyS0 quiet loglevel=3 panic=-1" \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
  -virtfs local,path="$out",mount_tag=out,security_model=none,multidevs=remap </dev/null | sed -u 's/\r//g' || status=$?
[[ -e $out/.rc ]] && exit "$(cat "$out/.rc")"
((status == 124)) && { echo "vm: out of time after $limit seconds" >&2; exit 124; }
echo "vm: the guest ended without an exit status" >&2
exit 125
