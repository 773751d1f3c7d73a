# systemd-resolved: its upstream is silent, for clients of its stub and of nss-resolve.
. ./trial.sh

link=$(ip -json route get 10.77.0.1 | jq --raw-output '.[0].dev')
at_end "resolvectl dns $link 10.77.0.1; resolvectl reset-server-features"
# The package's kerno has no library, and must not take this host's nss-resolve, which may be of
# another C library than its own: it asks the stub.
status=0
kerno fleet --prometheus http://fleet.lab.test:9 2>"$out/fleet" || status=$?
[ $status -eq 3 ] || { echo "kerno fleet ended with $status: $(cat "$out/fleet")"; exit 1; }
echo "  ok: $(cat "$out/fleet")"

observe
# Nobody has the address, but it has a link address: what is sent there is gone.
ip neighbour replace 10.77.0.7 lladdr 52:54:00:00:00:99 dev "$link"
resolvectl dns "$link" 10.77.0.7
as stub bash -c "$(declare -f ask); ask 4 stub.lab.test 127.0.0.53"
as nss timeout 12 getent ahosts nss.lab.test || true
observed
want "the upstream is the cause" \
	'.findings[0] | (.rule | test("dns_(upstream_slow|dead_server)")) and ([.title, .cause, .evidence[]] | join(" ") | test("10.77.0.7"))'
want "with the remedy for resolved" '[.findings[].fix[]] | any(test("resolvectl"))'
