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

/// What a reverse lookup without an answer does.
pub(super) const WAITS: &str = "Whatever shows a client's name waits for it: logins with ssh, \
                                sudo, mail, `iptables -L`, log files.";

/// The zone that the first of the names is in, as whole octets of the address and digits of it
/// go; it is made of these alone.
fn zone(group: &Group<'_>) -> Option<String> {
    let name = group.first()?.attempt.question.parse()?.name;
    let labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').collect();
    let is = |label: &&&str, text: &str| label.eq_ignore_ascii_case(text);
    let number = match labels.get(1).filter(|it| is(it, "ip6")) {
        Some(_) if labels.get(3).is_some_and(|it| is(&it, "e")) => 3,
        Some(_) => 2,
        None if matches!(labels.get(2), Some(&("10" | "127"))) => 1,
        None => 2,
    };
    let own = labels.get(2..2 + number)?;
    let is_plain = own
        .iter()
        .all(|it| it.bytes().all(|it| it.is_ascii_hexdigit()));
    let top = if is(&labels.get(1)?, "ip6") {
        "ip6.arpa"
    } else {
        "in-addr.arpa"
    };
    let own: Vec<&str> = own.iter().rev().copied().collect();
    is_plain.then(|| format!("{}.{top}", own.join(".").to_ascii_lowercase()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    Explanation::of(
        format!("{server} does not answer reverse lookups of private addresses"),
        "Programs ask for the names of private addresses (10/8, 172.16/12, 192.168/16, 100.64/10, \
         fc00::/7, …). No server outside knows these, and this one, or the one that it asks, stays \
         silent instead of saying NXDOMAIN. A resolver is to answer such zones itself (RFC 6303, \
         RFC 7793).",
        WAITS,
    )
    .lines(group.contrast_told("reverse lookups of private addresses"))
    .lines(group.asked_by_and_for())
    .run("Ask it yourself:", group.ask_name(group.dig()).and("PTR"))
    .say(format!(
        "Let your own resolver answer them: dnsmasq `bogus-priv`{}; unbound does so by default \
         (`local-zone: … nodefault` takes it away), BIND by `empty-zones-enable yes`.",
        match zone(group) {
            Some(zone) => format!(", or `server=/{zone}/` with the address of who knows them"),
            None => String::new(),
        }
    ))
    .say("Or do not ask: `UseDNS no` for sshd, `iptables -n`.")
    .into()
}
