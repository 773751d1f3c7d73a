# The same after the host has been booted anew.
. ./trial.sh

await "kerno to watch" sh -c 'systemctl is-active kerno && kerno doctor --last 1m'
echo "  ok: kerno watches since $(systemctl show --property=ActiveEnterTimestamp --value kerno)"
kerno history --last 1h | grep -q dns_policy_drop
echo "  ok: what was before is in its history"
asked() {
	dig +short +tries=1 +time=2 again.lab.test
	kerno doctor --last 1m --output json >"$out/report" && [ "$(jq .queries.client "$out/report" 2>/dev/null)" != 0 ]
}
await "queries of this boot" asked
[ "$(systemctl show --property=NRestarts --value kerno)" = 0 ]
! journalctl --boot --unit=kerno --grep='denied|panicked|Operation not permitted' --quiet
echo "  ok: no restart, nothing denied to it"
systemctl disable --quiet --now kerno
