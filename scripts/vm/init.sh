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
mount -t overlay overlay -o lowerdir=/low,upperdir=/up/upper,workdir=/up/work /root
mkdir -p /root/run /root/mnt
mount -t tmpfs tmpfs /root/run
mkdir /root/run/out
mount --move /out /root/run/out
for folder in proc sys dev; do mount --move /$folder /root/$folder; done
exec switch_root /root /bin/bash /run/out/.guest
