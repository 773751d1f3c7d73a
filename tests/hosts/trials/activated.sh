# A DNS server whose socket systemd opened: the service is named, not the socket.
. ./trial.sh

cat >"$out/server.py" <<'END'
import socket
s = socket.socket(fileno=3)
while True:
    q, who = s.recvfrom(4096)
    end = q.index(b"\0", 12) + 5
    s.sendto(q[:2] + b"\x85\x80" + q[4:6] + b"\0\1\0\0\0\0" + q[12:end]
             + b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\x0a\1\2\3", who)
END
printf '[Socket]\nListenDatagram=127.0.0.12:53\n' >/run/systemd/system/act.socket
printf '[Service]\nExecStart=/usr/bin/python3 %s/server.py\n' "$out" >/run/systemd/system/act.service
at_end 'systemctl stop act.socket act.service; rm -f /run/systemd/system/act.{socket,service}; systemctl daemon-reload'
systemctl daemon-reload
systemctl start act.socket

# It is started by what is asked.
await "the server" dig +short +noedns +tries=1 +time=1 @127.0.0.12 first.act.test

observe
ask 10 act.test 127.0.0.12 >/dev/null
observed
want "all is well" '.verdict == "healthy"'
if jq --slurp --exit-status '[.[] | select(.role == "server" and .server.ip == "127.0.0.12")] | length == 10 and all(.[]; .unit == "act.service")' "$out/records" >/dev/null; then
	echo "  ok: each of its records has the service"
else
	echo "  NOT: each of its records has the service"
	jq --compact-output 'select(.role == "server") | {name, unit, cgroup, comm, pid}' "$out/records"
	exit 1
fi
