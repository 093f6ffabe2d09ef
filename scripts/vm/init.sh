#!/bin/sh
# First process of the guest, in the initrd: the machine's file system under an overlay, then its bash.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /mods/*; do insmod "$module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro host /low
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=none out /out
mount -t tmpfs tmpfs /up
mkdir /up/upper /up/work
mount -t overlay overlay -o lowerdir=/low,upperdir=/up/upper,workdir=/up/work /guest
mkdir -p /guest/run /guest/mnt
mount -t tmpfs tmpfs /guest/run
mkdir /guest/run/out
mount --move /out /guest/run/out
for folder in proc sys dev; do mount --move /$folder /guest/$folder; done
exec switch_root /guest /bin/bash /run/out/.guest
