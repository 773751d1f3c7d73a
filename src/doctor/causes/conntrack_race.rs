//! Rule `dns_conntrack_race`: two packets want the same translated port.

use super::Cause;
use super::group::Group;
use super::packet::NETFILTER;
use super::packet::lost_by_netfilter;
use super::place::Place;
use crate::attempt::Conntrack;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// Discarded when the entry was to be put into the table, while the namespace's
/// counter says that insertions failed. `clashres` alone proves nothing: those
/// clashes were resolved.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let drop = lost_by_netfilter(incident, Conntrack::Unconfirmed)?;
    let counters = evidence.host.conntrack.get(&drop.netns)?;
    (counters.insert_failed > 0).then(|| Place::default().in_netns(drop.netns))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let (drop, _) = group.incidents().find_map(Incident::dropped)?;
    let counters = group.evidence.host.conntrack.get(&drop.netns);
    let find = Command::new("nft list ruleset | grep -n masquerade");
    Explanation::of(
        format!(
            "A conntrack race of address translation loses DNS packets: {}",
            group.counted()
        ),
        "Two new connections got the same translated source port at the same moment. The second \
         one cannot be entered into the table, and the kernel discards its packet. The masquerade \
         rule keeps the source port that a program has, and two programs had the same one.",
        group.impact() + " It hits lookups at random, and nothing is logged.",
    )
    .line(format!(
        "{} discarded with {NETFILTER} before the conntrack entry was in the table, in {}.",
        group.packets(),
        group.netns_told(drop.netns)
    ))
    .lines(counters.map(|counters| {
        // First seen when a packet had been discarded there.
        let since = match counters.baseline_late {
            true => "Since shortly after the first of them",
            false => "In the same time",
        };
        format!(
            "{since} {} of new entries failed there (counter `insert_failed`), DNS or not.",
            units::counted(counters.insert_failed, "insertion", "insertions")
        )
    }))
    .lines(group.examples())
    .run("Find the rule that translates:", group.within_place(find))
    .say(
        "Let it choose ports at random: `masquerade fully-random` (nftables), `-j MASQUERADE \
         --random-fully` (iptables 1.6.2 or newer). kube-proxy does so by itself; CNI plugins and \
         ip-masq-agent have rules of their own.",
    )
    .say(
        "Or keep DNS out of translation: NodeLocal DNSCache. Where A and AAAA of one socket clash \
         (old kernels), `options single-request-reopen` helps glibc.",
    )
    .into()
}
