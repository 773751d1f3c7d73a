# Whose a query is, for every way that systemd starts programs.
. ./trial.sh

cat >/run/systemd/system/ask@.service <<'END'
[Service]
Type=oneshot
ExecStart=/usr/bin/dig +short +tries=1 +time=2 %I.lab.test
END
cat >/run/systemd/system/deep.service <<'END'
[Service]
Type=oneshot
Slice=shop-web.slice
DynamicUser=yes
ExecStart=/usr/bin/dig +short +tries=1 +time=2 deep.lab.test
END
cat >/run/systemd/system/twin.service <<'END'
[Service]
Type=oneshot
ExecStart=/usr/bin/dig +short +tries=1 +time=2 twin-system.lab.test
END
systemctl daemon-reload
at_end 'rm -f /run/systemd/system/{ask@,deep,twin}.service; systemctl daemon-reload'

observe
systemctl start ask@one.service 'ask@two-2.service' deep.service twin.service
as transient dig +short +tries=1 +time=2 transient.lab.test
systemd-run --quiet --scope --unit=mine dig +short +tries=1 +time=2 scope.lab.test
systemd-run --quiet --wait --user --machine=alice@ --unit=twin \
	dig +short +tries=1 +time=2 twin-user.lab.test
dig +short +tries=1 +time=2 session.lab.test
observed

want_record one.lab.test '.unit == "ask@one.service"'
want_record two/2.lab.test '.unit == "ask@two-2.service"'
want_record deep.lab.test '.unit == "deep.service"'
want_record transient.lab.test '.unit == "transient.service"'
want_record scope.lab.test '.unit == "mine.scope"'
want_record session.lab.test '.unit | test("^session-[0-9c]+.scope$")'
want_record twin-system.lab.test '.cgroup == "/system.slice/twin.service"'
want_record twin-user.lab.test '.cgroup | test("/user@1000.service/.*/?twin.service$")'
want "all is well" '.verdict == "healthy"'
