//! Rule `dns_private_reverse`: names of private addresses are asked for where nobody
//! knows them.

use super::Cause;
use super::contrasts;
use super::group::Group;
use crate::doctor::explanation::Explanation;
use crate::incidents::Trait;

pub(super) const CAUSE: Cause = Cause::pattern(
    |incident, evidence| contrasts::place(incident, evidence, |it| it == Trait::PrivateReverse),
    describe,
);

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    Explanation::of(
        format!("{server} does not answer reverse lookups of private addresses"),
        "Programs ask for the names of private addresses (10/8, 172.16/12, 192.168/16, …). No \
         server outside knows these, and this one, or the one that it asks, stays silent instead of \
         saying NXDOMAIN. A resolver is to answer such zones itself (RFC 6303).",
        "Whatever shows a client's name waits for it: logins with ssh, sudo, mail, `iptables -L`, log \
         files.",
    )
    .lines(group.contrast_told("reverse lookups of private addresses"))
    .lines(group.asked_by_and_for())
    .run("Ask it yourself:", group.ask_name(group.dig()).and("PTR"))
    .say(
        "Let your own resolver answer them: dnsmasq `bogus-priv`, or `server=/30.172.in-addr.arpa/` \
         with the address of who knows; unbound does so by default (`local-zone: … nodefault` \
         takes it away), BIND by `empty-zones-enable yes`.",
    )
    .say("Or do not ask: `UseDNS no` for sshd, `iptables -n`.")
    .into()
}
