//! Rule `dns_wrong_source`: the answer comes from another address than was asked.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_wrong_source",
    takes,
    judge: severity::exact,
    tell,
};

pub(super) const NO_SOCKET: &str = "NO_SOCKET";

/// No socket takes it, because the one that asked is connected to another address.
fn takes(case: &Case, _: &Evidence) -> Option<Place> {
    let (drop, reason) = case.answer_dropped()?;
    let wrong = reason == NO_SOCKET && drop.source != case.server();
    wrong.then(|| Place::at(case.server()))
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let source = group
        .cases()
        .find_map(Case::drop)
        .map_or("another address".to_owned(), |drop| drop.source.to_string());
    let mut evidence = vec![
        format!(
            "{} sent to {server} were answered from {source}, and the kernel discarded the answers \
             (NO_SOCKET): the socket is connected to the address that it asked.",
            group.counted()
        ),
        format!("Asked by {}.", group.askers()),
    ];
    evidence.extend(group.examples());
    Words {
        title: format!("Answers of {server} come from the wrong address, {source}"),
        cause: "Somebody answers, but not from the address that was asked, so the answer is taken \
                for a stranger's. Either the server has several addresses and answers from its \
                first one, or the way back does not pass the translation that the query passed (a \
                bridge without bridge-nf-call-iptables, hairpin traffic on one node)."
            .to_owned(),
        impact: "The answers are there within milliseconds and nobody may read them: each lookup \
                 waits 5 s (glibc) or 2.5 s (musl), asks again, and fails. dig says \"reply from \
                 unexpected source\"."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .say(
                "On a node with bridged pods, let bridged packets pass netfilter: `modprobe \
                 br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1`",
            )
            .say(
                "If the server has several addresses, let it answer from the one that was asked: \
                 unbound `interface-automatic: yes`, dnsmasq `bind-interfaces`, BIND listens on \
                 each by itself.",
            )
            .run("See it:", group.dig_root()),
    }
}
