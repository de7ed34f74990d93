#!/bin/busybox sh
# The first process of the guest. Run (boot.go) puts its files into /guest: the modules, in the
# order of their names, and the command. If anything goes wrong no exit code gets out, and the
# console, which has the messages, is shown instead.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /results
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/netns /var
ln -s /run /var/run
for m in /guest/modules/*.ko; do
	insmod $m || poweroff -f
done
until [ -c /dev/vport0p5 ]; do usleep 10000; done # the last of the ports
echo 1 >/proc/sys/kernel/printk
export PATH=/usr/sbin:/bin HOME=/tmp
ip=/usr/sbin/ip # a bare ip would be busybox's here
$ip link set dev lo up
cd /tmp
/bin/sh /guest/command </dev/null >/dev/vport0p1 2>/dev/vport0p2 &
command=$!
read -r word </dev/vport0p5 && kill -TERM $command &
wait $command
code=$?
tar -C /results -cf /dev/vport0p3 . && echo $code >/dev/vport0p4
poweroff -f
