# podman: containers of root with aardvark-dns, and of a user without rights.
. ./trial.sh

image podman import --quiet - localhost/lab
podman network create shop >/dev/null
at_end 'podman rm --all --force --time 0; podman network rm shop'
podman run --detach --name web --network shop localhost/lab sleep 100000 >/dev/null
mkdir -p /home/alice/image
tar --create --directory "$out/image" --file /home/alice/image/lab.tar .
chown -R alice:alice /home/alice/image
as_alice() {
	su - alice -c "export XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus; $1"
}
as_alice 'podman import --quiet image/lab.tar localhost/lab' >/dev/null
at_end "as_alice 'podman rm --all --force --time 0'"
as_alice 'podman run --detach --name rootless localhost/lab sleep 100000' >/dev/null

observe
podman exec web nslookup -type=a aardvark.lab.test >/dev/null
podman run --rm --name short --network shop localhost/lab nslookup -type=a short.lab.test >/dev/null
as_alice 'podman exec rootless nslookup -type=a rootless.lab.test' >/dev/null
observed
want "a container of root is a workload, by name" '[.dns.by_workload[] | select(.name == "web" and .container.runtime == "podman")] | length == 1'
want "so is one of a second" '[.dns.by_workload[].name] | index("short") != null'
want "and one of a user" '[.dns.by_workload[].name] | index("rootless") != null'
want "its resolver is a program, not a number" '[.dns.by_workload[].name | test("aardvark-dns")] | any'
want "nothing but slowness is found" '[.findings[].rule] - ["dns_high_latency"] == []'
