//! A rule of a firewall that rejects: it discards a query and answers it with an error.

use super::group::Group;
use super::packet;
use crate::attempt::PacketDrop;
use crate::doctor::explanation::Explanation;
use crate::incidents::Incident;
use crate::incidents::Rejection;
use crate::shell::Command;
use crate::units;

/// Errors that only a rule, or a route made to reject, sends (RFC 1812 section 5.2.7.1, RFC
/// 4443 section 3.1), as the kernel tells them to a socket.
pub(super) const BY_A_RULE_ONLY: [i32; 2] = [libc::EACCES, libc::ENOPROTOOPT];

/// What comes back, by what the socket is told (net/ipv4/icmp.c, net/ipv6/icmp.c).
fn answer(errno: i32, is_v6: bool) -> &'static str {
    match (errno, is_v6) {
        (libc::ECONNREFUSED, _) => "port unreachable, or a TCP reset",
        (libc::EHOSTUNREACH, false) => "host or communication prohibited, or host unreachable",
        (libc::EHOSTUNREACH, true) => "address unreachable",
        (libc::ENETUNREACH, false) => "network prohibited or unreachable",
        (libc::ENETUNREACH, true) => "no route",
        (libc::EACCES, _) => "administratively prohibited",
        (libc::ENOPROTOOPT, _) => "protocol unreachable",
        _ => "an error",
    }
}

/// `as they are sent (OUTPUT)`
fn chain(drop: &PacketDrop) -> &'static str {
    match drop.when_sent {
        true => "as they are sent (chain OUTPUT)",
        false => "on their way (chain INPUT or FORWARD)",
    }
}

/// By a rule on this host.
pub(super) fn here(group: &Group<'_>) -> Option<Explanation> {
    let drop = group.incidents().find_map(Incident::filtered)?;
    let (server, netns) = (group.server(), group.netns_told(drop.netns));
    let by = match packet::is_rule_of_nftables(drop) {
        true => "A REJECT rule of nftables (or iptables-nft)",
        false => "A REJECT rule (netfilter)",
    };
    let within = |command| group.within(Some(drop.netns), Command::new(command));
    Explanation::of(
        format!("A firewall rule rejects DNS queries to {server}"),
        format!(
            "{by} in {netns} discards the queries {} and answers them with an error.",
            chain(drop)
        ),
        group.impact(),
    )
    .causes(group.is_on_a_node().then_some(
        "kube-proxy has such a rule for a Service without ready endpoints: then no DNS pod is ready.",
    ))
    .lines(discarded(group, drop, &netns))
    .lines(errors(group))
    .lines(silent(group))
    .lines(group.asked_by_and_for())
    .with(|it| group.look_at_firewall(it, drop.netns))
    .run(
        "Find the rule and its counter:",
        within("nft list ruleset | grep -n reject"),
    )
    .run(
        "Or, with the older tools:",
        within("iptables-save -c | grep REJECT"),
    )
    .say(format!(
        "Let UDP and TCP port {} to {} pass, ahead of that rule.",
        group.place.port(),
        group.place.ip()
    ))
    .into()
}

/// By one elsewhere: an error came, and this host discarded nothing.
pub(super) fn elsewhere(group: &Group<'_>) -> Explanation {
    Explanation::of(
        format!(
            "A firewall on the way rejects DNS queries to {}",
            group.server()
        ),
        "An error came back that only a firewall rule (REJECT) or a route made to reject sends. It \
         is at the server, or on the way to it.",
        group.impact(),
    )
    .lines(errors(group))
    .line("kerno saw no drop of these queries on this host.")
    .lines(group.asked_by_and_for())
    .run("Ask it yourself, as the client does:", group.dig_root())
    .say(format!(
        "Let UDP and TCP port {} to {} pass in the firewall of that host or router.",
        group.place.port(),
        group.place.ip()
    ))
}

fn discarded(group: &Group<'_>, drop: &PacketDrop, netns: &str) -> Option<String> {
    let packets = group.count(|incident| incident.filtered().is_some());
    Some(format!(
        "{} discarded: {}, in {netns}, last seen as {} → {}.",
        units::counted(packets, "packet was", "packets were"),
        packet::told(drop),
        drop.source,
        drop.destination
    ))
}

/// `19 queries were refused (EHOSTUNREACH: host …), of curl (pid 7).`
fn errors(group: &Group<'_>) -> Vec<String> {
    let ranked = group.ranked(|incident| {
        let errno = incident.errno()?;
        let is_v6 = incident.server().is_ipv6();
        Some((
            answer(errno, is_v6),
            incident.attempt.reason.as_ref()?.to_string(),
        ))
    });
    let told = |((answer, errno), queries): ((&str, String), u64)| {
        let refused = units::counted(queries, "query was", "queries were");
        format!("{refused} refused with {errno} ({answer}).")
    };
    let mut lines: Vec<_> = ranked.into_iter().map(told).collect();
    let pending = group.count(|incident| incident.error_of.is_some());
    if pending > 0 {
        lines.push(format!(
            "{} of them came to the error of an earlier one of their socket, and were not sent.",
            units::count(pending)
        ));
    }
    lines
}

/// What came to those that no socket was told of.
fn silent(group: &Group<'_>) -> Option<String> {
    let silent = group.count(|incident| incident.errno().is_none());
    let drop = group.incidents().find_map(Incident::filtered)?;
    let is_counted = group
        .incidents()
        .all(|incident| group.evidence.rejections.of_query(incident) == Some(Rejection::Counted));
    let discarded = units::counted(silent, "query was", "queries were");
    let counters = &group.evidence.host.unreachable;
    match (silent, is_counted) {
        (0, _) => None,
        (_, true) => Some(format!(
            "No socket was told: {discarded} sent from sockets that the kernel tells no such error. \
             But it sent {} there in the same time.",
            units::counted(
                counters.get(&drop.netns).map_or(0, |it| it.sent),
                "ICMP error \"unreachable\"",
                "ICMP errors \"unreachable\""
            )
        )),
        _ => Some(format!(
            "{discarded} discarded in the same way and not told: the kernel sends one error a second \
             to an address (net.ipv4.icmp_ratelimit), and tells few sockets of it."
        )),
    }
}
