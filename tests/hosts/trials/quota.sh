# A DNS server that its CPUQuota= stops, in its own unit and by a slice above it.
. ./trial.sh

cat >/etc/unbound/unbound.conf.d/trial.conf <<'END'
server:
  interface: 127.0.0.1
  module-config: "iterator"
  local-zone: "quota.test." redirect
  local-data: "quota.test. 0 A 10.1.2.3"
END
mkdir -p /run/systemd/system/unbound.service.d
printf '[Service]\nSlice=edge.slice\n' >/run/systemd/system/unbound.service.d/trial.conf
at_end 'rm -rf /etc/unbound/unbound.conf.d/trial.conf /run/systemd/system/unbound.service.d; systemctl daemon-reload'
systemctl daemon-reload
systemctl start unbound
at_end 'systemctl stop unbound'
await "unbound to answer" dig +short +tries=1 +time=1 @127.0.0.1 first.quota.test

busy() {
	# Ten ask at once, so that the server has more to do than it may.
	for _ in $(seq 10); do
		ask 8 quota.test 127.0.0.1 >/dev/null &
		askers+=($!)
	done
	wait "${askers[@]}" || true
	askers=()
}
askers=()

for unit in unbound.service edge.slice; do
	observe
	systemctl set-property --runtime "$unit" CPUQuota=2%
	busy
	systemctl set-property --runtime "$unit" CPUQuota=
	observed
	want "the quota of $unit is the cause" '.findings[0].rule == "dns_server_throttled"'
	want "and its remedy is $unit's" \
		'.findings[0].fix | any(test("systemctl set-property [^`]*" + $unit + " CPUQuota="))' --arg unit "$unit"
done
