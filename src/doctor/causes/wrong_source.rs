//! Rule `dns_wrong_source`: the answer comes from another address than was asked.

use super::Cause;
use super::group::Group;
use super::packet::NO_SOCKET;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// No socket takes it, because the one that asked is connected to another address.
fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let (drop, reason) = incident.answer_dropped()?;
    let wrong = reason == NO_SOCKET && drop.source != incident.server();
    wrong.then(|| Place::at(incident.server()))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let source = group.drop()?.source;
    Explanation::of(
        format!("Answers of {server} come from the wrong address, {source}"),
        "The answers do not come from the address that was asked, so no socket takes them. Either \
         the server has several addresses and answers from another one, or the way back misses the \
         address translation that the query went through (a bridge without \
         bridge-nf-call-iptables, client and server on one node).",
        group.impact() + " dig says \"reply from unexpected source\".",
    )
    .line(format!(
        "{} sent to {server} were answered from {source}. The kernel discarded the answers \
         ({NO_SOCKET}): the client's socket is connected to the address that it asked.",
        group.counted()
    ))
    .lines(group.asked_by_and_for())
    .say(
        "On a node with bridged pods, let bridged packets pass netfilter: `modprobe br_netfilter \
         && sysctl -w net.bridge.bridge-nf-call-iptables=1`",
    )
    .say(
        "If the server has several addresses, let it answer from the one that was asked: unbound \
         `interface-automatic: yes`, dnsmasq `bind-interfaces`; BIND does so by itself.",
    )
    .run("See it:", group.dig_root())
    .into()
}
