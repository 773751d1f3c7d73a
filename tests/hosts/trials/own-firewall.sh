# This host's own server, whose firewall keeps its clients out: they are on a network beside it,
# so that kerno sees packets and no program that asks.
. ./trial.sh

# Queries of 10.9.0.2 to 10.9.0.1, as if they came over a wire: `lan.py DEVICE NAME...`
cat >"$out/lan.py" <<'PY'
import fcntl
import os
import struct
import sys

IFF_TUN, IFF_NO_PI, TUNSETIFF, UDP = 1, 0x1000, 0x400454CA, 17
CLIENT, SERVER = bytes([10, 9, 0, 2]), bytes([10, 9, 0, 1])


def folded(octets):
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(number, name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    message = struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    # No checksum, which UDP over IPv4 may do without.
    datagram = struct.pack("!4H", 40000 + number, 53, 8 + len(message), 0) + message
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), number, 0, 64, UDP, 0) + CLIENT + SERVER
    return head[:10] + struct.pack("!H", folded(head)) + head[12:] + datagram


device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", sys.argv[1].encode(), IFF_TUN | IFF_NO_PI))
os.system("ip address add 10.9.0.1/24 dev %s; ip link set %s up" % (sys.argv[1], sys.argv[1]))
print("up", flush=True)
for asked in sys.stdin:
    number, name = asked.split()
    os.write(device, packet(int(number), name))
    print("sent", flush=True)
PY
cat >/etc/unbound/unbound.conf.d/trial.conf <<'CONF'
server:
  interface: 10.9.0.1
  access-control: 10.9.0.0/24 allow
  module-config: "iterator"
  local-zone: "in.test." redirect
  local-data: "in.test. 0 A 10.1.2.3"
CONF
at_end 'rm -f /etc/unbound/unbound.conf.d/trial.conf'
modprobe tun
mkfifo "$out/asked" "$out/said"
python3 "$out/lan.py" lan0 <"$out/asked" >"$out/said" &
lan=$!
exec 8>"$out/asked" 9<"$out/said"
at_end "kill $lan"
read -r -u 9 said
systemctl start unbound
at_end 'systemctl stop unbound'
await "unbound to answer" dig +short +tries=1 +time=1 @10.9.0.1 first.in.test

# from_lan FIRST LAST: questions, each sent when the one before it was
from_lan() {
	for number in $(seq "$1" "$2"); do
		echo "$number q$number.in.test" >&8
		read -r -u 9 said
	done
}

observe
from_lan 1 10
observed
want "nothing is wrong as long as nothing keeps them out" \
	'.verdict == "healthy" and .dns.server_side.answered == 10'

nft add table inet trial
at_end 'nft delete table inet trial'
nft 'add chain inet trial in { type filter hook input priority 0; }'
nft add rule inet trial in iifname lan0 udp dport 53 drop
observe
from_lan 11 16
observed
nft delete table inet trial
want "packets that a rule drops are a finding, though no query was seen" \
	'.verdict != "no_traffic" and .verdict != "healthy" and ([.findings[] | select(.rule == "dns_policy_drop") | tostring | test("10.9.0.1")] | any)'

# firewalld rejects them with a reason of its own.
systemctl start firewalld
at_end 'systemctl stop firewalld'
firewall-cmd --quiet --zone=public --change-interface=lan0
observe
from_lan 21 26
observed
want "so are those that firewalld rejects, with its command" \
	'.verdict != "no_traffic" and .verdict != "healthy" and ([.findings[] | select(tostring | test("10.9.0.1")) | .fix[] | test("firewall-cmd")] | any)'
