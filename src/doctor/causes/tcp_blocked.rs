//! Rule `dns_tcp_blocked`: a truncated answer, and then TCP fails.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_tcp_blocked",
    takes,
    judge: severity::exact,
    tell,
};

fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let tally = evidence
        .tallies
        .asked(case.attempt.owner.netns, case.server());
    let blocked = case.is_tcp()
        && case.has_failed()
        && case.attempt.failed_call.is_none()
        && tally.truncated > 0
        && tally.tcp.answered == 0;
    blocked.then(|| Place::at(case.server()))
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let tally = group.asked();
    let reset = group.count(|case| case.errno() == Some(libc::ECONNREFUSED));
    let dropped = group.count(|case| case.dropped().is_some());
    let silent = group.queries() - reset - dropped;
    let mut evidence = vec![format!(
        "{} from {server} over UDP had the TC bit (the answer did not fit), and none of {} over \
         TCP was answered.",
        units::counted(tally.truncated, "answer", "answers"),
        units::counted(tally.tcp.ended(), "attempt", "attempts"),
    )];
    if let Some((drop, reason)) = group.cases().find_map(Case::dropped) {
        let location = drop
            .location
            .as_deref()
            .unwrap_or("a function that the kernel hides");
        evidence.push(format!(
            "{dropped} of them were discarded by this host's kernel: {reason} at {location}, in \
             {}.",
            group.netns_told(drop.netns)
        ));
    }
    if silent > 0 {
        evidence.push(format!(
            "{} got no answer to the opening of a connection: discarded on the way, beyond this \
             host's sight.",
            units::count(silent)
        ));
    }
    if reset > 0 {
        evidence.push(format!(
            "{} got a reset (ECONNREFUSED): the server does not listen on TCP, or a firewall \
             rejects it.",
            units::count(reset)
        ));
    }
    evidence.extend(group.examples());
    Words {
        title: format!("TCP to the DNS server {server} is blocked, so large answers never come"),
        cause: "An answer that does not fit into a UDP packet comes with the TC bit, and the \
                client must ask again over TCP (RFC 7766 section 5). UDP to port 53 is let \
                through, TCP is not: often a network policy or security group that names UDP only."
            .to_owned(),
        impact: "A few names fail every time (many addresses, TXT, SRV, DNSSEC), all others work."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .say(
                "Allow TCP to port 53 wherever UDP is allowed: NetworkPolicy, security group, \
                 firewall.",
            )
            .run("Ask over TCP yourself:", group.dig_root())
            .say(
                "Until then: let the servers offer an EDNS buffer size of 1232, so that more fits.",
            ),
    }
}
