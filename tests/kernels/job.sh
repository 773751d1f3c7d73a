#!/bin/sh
# What kerno has to do on every kernel: in a guest that has only busybox, and
# the same on the running kernel. Each thing that comes of it is a file in
# FOLDER, which the harness (tests/kernels) judges; nothing is judged here.
#
# Usage: job.sh KERNO FOLDER everything|own
#
# `own` makes the doctor look at the queries of this job only, for a machine on
# which others ask too.
set -u
kerno=$1
scope=$3
cd "$2" || exit

# BPF programs in this kernel: their machine code has symbols.
programs() {
	grep -c 'bpf_prog_.*\[bpf\]' /proc/kallsyms
}

# The kernel frees programs a moment after the last descriptor is closed.
programs_left() {
	tries=0
	while [ "$(programs)" -gt 0 ] && [ $tries -lt 20 ]; do
		sleep 0.2
		tries=$((tries + 1))
	done
	programs
}

uname -r >kernel

"$kerno" verify --output json >verify.json 2>verify.err
echo $? >verify.code
[ "$scope" = own ] || programs_left >programs.after_verify

# The mix waits for the doctor, whose filter needs to know its process id.
mkfifo go
(
	read -r _ <go
	exec "$kerno" chaos --induce dns-mix --duration 3s --output json
) >chaos.json 2>chaos.err &
chaos=$!
case $scope in
own) filter="--pid $chaos" ;;
*) filter= ;;
esac

# Longer than the mix takes on the slowest machine; it is told when to end.
# shellcheck disable=SC2086
"$kerno" -v doctor --duration 2m --timeout 2s --output json $filter \
	>doctor.json 2>doctor.err &
doctor=$!
trap 'kill $chaos $doctor 2>/dev/null; exit 143' INT TERM HUP
while kill -0 $doctor 2>/dev/null && ! grep -q 'watching for' doctor.err; do
	sleep 0.1
done
[ "$scope" = own ] || programs >programs.watching

echo >go
wait $chaos
echo $? >chaos.code
# The doctor's --timeout, and a second for the sweep that ends what waited so
# long: told to end, it waits no longer for what is in flight.
sleep 3
kill $doctor 2>/dev/null
wait $doctor
echo $? >doctor.code
[ "$scope" = own ] || programs_left >programs.at_the_end
rm go
