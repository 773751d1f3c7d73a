# What all trials in a guest have in common: . ./trial.sh
# shellcheck shell=bash
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C
out=$(mktemp -d)
doctor=
stream=
undo=()

clean_up() {
	for ((at = ${#undo[@]} - 1; at >= 0; at--)); do
		eval "${undo[at]}" >/dev/null 2>&1 || true
	done
	[ -z "$stream" ] || kill "$stream" 2>/dev/null || true
	[ -z "$doctor" ] || kill "$doctor" 2>/dev/null || true
}
trap clean_up EXIT

# at_end COMMAND: undone in any case, the last first
at_end() {
	undo+=("$1")
}

# await WHAT COMMAND...: until it succeeds
await() {
	local what=$1
	shift
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	echo "waited in vain for $what"
	return 1
}

# observe [OPTION...]: returns when a doctor and a stream watch
observe() {
	kerno watch "$@" >"$out/records" 2>"$out/watch.err" &
	stream=$!
	kerno -v doctor --duration 10m --output json "$@" >"$out/report" 2>"$out/doctor.err" &
	doctor=$!
	await "kerno watch to watch" grep -q watching "$out/watch.err"
	await "kerno doctor to watch" grep -q watching "$out/doctor.err"
}

# observed: ends both, so that $out/report and $out/records are whole
observed() {
	kill -INT "$doctor"
	wait "$doctor"
	doctor=
	kill -INT "$stream"
	wait "$stream"
	stream=
}

# want WHAT FILTER [ARGUMENT OF jq...]: of the report
want() {
	local what=$1 filter=$2
	shift 2
	if jq --exit-status "$@" "$filter" "$out/report" >/dev/null; then
		echo "  ok: $what"
	else
		echo "  NOT: $what"
		jq '{verdict, findings: [.findings[] | {rule, title, cause, evidence, fix, scope, queries}], workloads: [.dns.by_workload[] | {name, unit, container}]}' "$out/report"
		return 1
	fi
}

# want_record NAME FILTER: one at least with this name, and all with that which clients asked; what
# systemd-resolved asks for them is its own
want_record() {
	if jq --slurp --exit-status --arg name "$1" \
		"[.[] | select(.name == \$name and .role == \"client\" and .unit != \"systemd-resolved.service\")] | length > 0 and all(.[]; $2)" \
		"$out/records" >/dev/null; then
		echo "  ok: $1 is of $2"
	else
		echo "  NOT: $1 is of $2"
		jq --compact-output --arg name "$1" 'select(.name == $name) | {role, comm, pid, unit, container, cgroup, outcome, rcode}' \
			"$out/records"
		return 1
	fi
}

# ask COUNT NAME [SERVER]: one question after the other, each once
ask() {
	seq --format="q%.0f.$2" "$1" | xargs --max-args=1 dig +short +noedns +tries=1 +time=2 ${3:+"@$3"} || true
}
export -f ask

# as UNIT COMMAND...: a service that runs it to its end
as() {
	systemd-run --quiet --wait --pipe --collect --unit="$@"
}

# image COMMAND...: gives it a system with nothing but busybox, as an archive on its standard input
image() {
	mkdir -p "$out/image/bin" "$out/image/etc" "$out/image/tmp"
	cp /bin/busybox "$out/image/bin/"
	for name in sh sleep nslookup; do
		ln -sf busybox "$out/image/bin/$name"
	done
	tar --create --directory "$out/image" . | "$@"
}
