# A DNS server that the kernel kills for its memory, again and again.
. ./trial.sh

cat >"$out/eater.py" <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.9", 53))
kept = []
while True:
    q, who = s.recvfrom(4096)
    end = q.index(b"\0", 12) + 5
    answer = q[:2] + b"\x85\x80" + q[4:6] + b"\0\1\0\0\0\0" + q[12:end]
    s.sendto(answer + b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\x0a\1\2\3", who)
    kept.append(bytearray(2 * 1024 * 1024))
END
at_end 'systemctl stop eater; ip address del 127.0.0.9/8 dev lo'
ip address add 127.0.0.9/8 dev lo
systemd-run --quiet --unit=eater --property=MemoryMax=60M --property=MemorySwapMax=0 \
	--property=Restart=always --property=RestartSec=2 python3 "$out/eater.py"
await "the server" dig +short +tries=1 +time=1 +noedns @127.0.0.9 first.oom.test

observe
ask 80 oom.test 127.0.0.9 >/dev/null
observed
want "its memory limit is named" \
	'.findings | any((.rule | test("dns_(nobody_listening|server_died|unread)")) or (.title | test("killed"))) and any((.cause + (.evidence | join(" "))) | test("(?i)out of memory|oom|memory limit"))'
want "and its unit" '[.findings[] | .title, .cause, .evidence[], .fix[]] | join(" ") | test("eater.service")'
