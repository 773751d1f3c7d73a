# Docker: containers by name, its embedded resolver at 127.0.0.11, a silent upstream.
. ./trial.sh

modprobe --all overlay bridge br_netfilter || true
systemctl start docker
at_end 'docker rm --force $(docker ps --all --quiet); docker network rm shop; systemctl stop docker docker.socket containerd'
image docker import - lab
docker network create shop >/dev/null
docker run --detach --name web --network shop lab sleep 100000 >/dev/null
docker run --detach --name plain lab sleep 100000 >/dev/null

observe
docker exec web nslookup -type=a embedded.lab.test >/dev/null
docker exec plain nslookup -type=a plain.lab.test >/dev/null
docker run --rm --name short --network shop lab nslookup -type=a short.lab.test >/dev/null
observed
want_record embedded.lab.test '(.container.runtime == "docker") or (.unit == "docker.service") or (.unit == "systemd-resolved.service")'
want "web is a workload, by name" '[.dns.by_workload[] | select(.name == "web" and .container.runtime == "docker")] | length == 1'
want "so is a container of a second" '[.dns.by_workload[].name] | index("short") != null'
want "and one without the embedded resolver" '[.dns.by_workload[].name] | index("plain") != null'
want "nothing but slowness is found" '[.findings[].rule] - ["dns_high_latency"] == []'

observe
docker run --detach --name victim --network shop --dns 10.77.0.7 lab \
	sh -c 'for i in 1 2 3 4; do nslookup -type=a v$i.lab.test; done' >/dev/null
await "its lookups to fail" sh -c '[ "$(docker inspect --format "{{.State.Status}}" victim)" = exited ]'
observed
want "the silent upstream is found, and whom it hurts" \
	'.verdict == "critical" and ([.findings[] | .title, .cause, .impact, .hit_hardest, .evidence[]] | join(" ") | test("10.77.0.7") and test("victim"))'
