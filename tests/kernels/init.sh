#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a guest: does the job, and writes what came of it to the
# serial port that the kernel's command line names (result=).
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

# It may be the console: then nothing else is to stand there.
dmesg -n 1
stty raw <"/dev/$result"
cd /out || exit
for file in *; do
	printf '\n=== %s\n' "$file"
	cat "$file"
done >"/dev/$result"
printf '\n=== end\n' >"/dev/$result"
poweroff -f
