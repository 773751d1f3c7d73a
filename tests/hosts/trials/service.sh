# kerno as the package has it: hardened, asked about the past, through faults.
. ./trial.sh

[ "$(systemctl is-enabled kerno || true)" = disabled ] || { echo "the package starts it by itself"; exit 1; }
systemctl enable --quiet --now kerno
systemctl --quiet is-active kerno
echo "  ok: started, $(systemctl show --property=StatusText --value kerno)"
systemd-analyze security --no-pager --threshold=25 kerno >/dev/null
echo "  ok: exposed no more than 2.5"
at_end 'nft delete table inet trial'
nft 'add table inet trial; add chain inet trial out { type filter hook output priority 0; }; add rule inet trial out ip daddr 10.77.0.5 udp dport 53 drop'
ask 5 past.lab.test 10.77.0.5 >/dev/null
asked() {
	kerno doctor --last 5m --output json >"$out/report" && [ "$(jq '[.findings[] | select(.rule == "dns_policy_drop").queries] | add' "$out/report")" = 5 ]
}
await "the five in the report about the past" asked
want "they are a rule's" '.findings[0].rule == "dns_policy_drop"'
usermod --append --groups kerno alice
su - alice -c 'kerno doctor --last 5m' | grep -q 10.77.0.5
echo "  ok: who is in the group kerno may ask"
asked_history() { kerno history --last 1h | grep -q dns_policy_drop; }
await "a line of history" asked_history
