#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a guest: does the job, and writes what came of it to the
# second serial port.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up

echo 'kerno: the job begins'
/job.sh /bin/kerno /out everything
echo 'kerno: the job is done'

stty raw </dev/ttyS1
cd /out || exit
for file in *; do
	printf '\n=== %s\n' "$file"
	cat "$file"
done >/dev/ttyS1
printf '\n=== end\n' >/dev/ttyS1
poweroff -f
