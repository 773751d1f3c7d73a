# ufw denies DNS: its own command is the remedy.
. ./trial.sh

at_end 'ufw --force reset; ufw --force disable'
ufw allow 22/tcp >/dev/null
ufw --force enable >/dev/null
ufw deny out 53 >/dev/null
observe
as behind bash -c "$(declare -f ask); ask 6 ufw.lab.test 10.77.0.1"
observed
want "the rule is the cause" '.findings[0] | .rule == "dns_policy_drop" and .queries == 6'
want "with ufw's command" '[.findings[0].fix[]] | any(test("ufw"))'
