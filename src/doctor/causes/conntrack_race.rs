//! Rule `dns_conntrack_race`: two packets want the same translated port.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::policy_drop::NETFILTER;
use super::policy_drop::is_rule_of_nftables;
use super::severity;
use super::words::Words;
use crate::attempt::Conntrack;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_conntrack_race",
    takes,
    judge: severity::exact,
    tell,
};

/// Discarded when the entry was to be put into the table, while the namespace's
/// counter says that insertions failed. `clashres` alone proves nothing: those
/// clashes were resolved.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let (drop, reason) = case.dropped()?;
    let counters = evidence.surroundings.conntrack.get(&drop.netns)?;
    let lost = reason == NETFILTER
        && drop.conntrack == Some(Conntrack::Unconfirmed)
        && !is_rule_of_nftables(drop)
        && counters.insert_failed > 0;
    lost.then(|| Place::default().in_netns(drop.netns))
}

fn tell(group: &Group<'_>) -> Words {
    let netns = group.place.netns.unwrap_or_default();
    let mut evidence = vec![format!(
        "{} discarded with NETFILTER_DROP while the conntrack entry was not yet in the table, in \
         {}.",
        units::counted(group.queries(), "packet was", "packets were"),
        group.netns_told(netns)
    )];
    if let Some(counters) = group.evidence.surroundings.conntrack.get(&netns) {
        // First seen when a packet had been discarded there.
        let since = match counters.baseline_late {
            true => "Since shortly after the first of them",
            false => "In the same time",
        };
        evidence.push(format!(
            "{since} {} of new entries failed there (counter `insert_failed`), DNS or not.",
            units::counted(counters.insert_failed, "insertion", "insertions")
        ));
    }
    evidence.extend(group.examples());
    Words {
        title: format!(
            "A conntrack race of address translation loses DNS packets: {}",
            group.counted()
        ),
        cause:
            "Two new connections were given the same translated source port at the same moment. \
             The second one can't be entered into the table, and the kernel discards its packet. \
             It is the masquerade rule's port choice that clashes: it keeps the source port that \
             the program has, and two programs had the same one."
                .to_owned(),
        impact: "A small share of lookups takes 5 s (glibc) or 2.5 s (musl), at random, and \
                 succeeds then; nothing is logged anywhere."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .run(
                "Find the rule that translates:",
                group.within(
                    Some(netns),
                    Command::new("nft list ruleset | grep -n masquerade"),
                ),
            )
            .say(
                "Let it choose ports at random: `masquerade fully-random` (nftables), `-j \
                 MASQUERADE --random-fully` (iptables 1.6.2 or newer, with which kube-proxy does \
                 so by itself; CNI plugins and ip-masq-agent have rules of their own)",
            )
            .say(
                "Or keep DNS out of translation: NodeLocal DNSCache. Where A and AAAA of one \
                 socket clash (old kernels), `options single-request-reopen` helps glibc.",
            ),
    }
}
