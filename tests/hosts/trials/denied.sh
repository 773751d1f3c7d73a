# Filters that systemd puts on a unit: the client's own, and the server's.
. ./trial.sh

observe
as denied --property=IPAddressDeny=any bash -c "$(declare -f ask); ask 6 denied.lab.test 10.77.0.1"
observed
want "the client's filter is the cause" '.findings[0].rule == "dns_send_denied"'
want "with its unit and option" '.findings[0] | [.title, .cause, .evidence[], .fix[]] | join(" ") | test("denied.service") and test("IPAddressDeny")'

cat >/etc/unbound/unbound.conf.d/trial.conf <<'END'
server:
  interface: 127.0.0.1
  module-config: "iterator"
  local-zone: "in.test." redirect
  local-data: "in.test. 0 A 10.1.2.3"
END
at_end 'rm -f /etc/unbound/unbound.conf.d/trial.conf'
systemctl start unbound
at_end 'systemctl stop unbound'
await "unbound to answer" dig +short +tries=1 +time=1 @127.0.0.1 first.in.test
observe
systemctl set-property --runtime unbound.service IPAddressDeny=127.0.0.0/8
at_end 'systemctl set-property --runtime unbound.service IPAddressDeny='
as victim bash -c "$(declare -f ask); ask 6 in.test 127.0.0.1"
observed
want "the server's filter is the cause, by its unit and option" \
	'.findings[0] | [.title, .cause, .evidence[], .fix[]] | join(" ") | test("unbound.service") and test("IPAddressDeny")'
want "and no firewall" '.findings[0].title | test("firewall") | not'
