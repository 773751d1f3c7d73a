//! Rule `dns_conntrack_full`: the connection-tracking table has no room.

use super::Cause;
use super::group::Group;
use super::packet::NETFILTER;
use super::packet::lost_by_netfilter;
use super::place::Place;
use crate::attempt::Conntrack;
use crate::attempt::PacketDrop;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::sampler::ConntrackCounters;
use crate::sampler::Fullness;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// The limit on hosts with more than 4 GiB (Documentation/networking/nf_conntrack-sysctl.rst).
const USUAL_MAX: u64 = 262_144;

/// Discarded by netfilter itself, not by a rule of nftables, without an entry,
/// while the namespace's counter says that entries could not be made. A rule of
/// iptables-legacy looks the same, but moves no counter.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let drop = lost_by_netfilter(incident, Conntrack::Absent)?;
    let counters = counters(drop, evidence)?;
    (turned_away(counters) > 0).then(|| Place::default().in_netns(drop.netns))
}

fn counters<'a>(drop: &PacketDrop, evidence: &'a Evidence) -> Option<&'a ConntrackCounters> {
    evidence.host.conntrack.get(&drop.netns)
}

/// Packets for which there was no room: `drop` counts failed insertions too.
fn turned_away(counters: &ConntrackCounters) -> u64 {
    counters.drop.saturating_sub(counters.insert_failed)
}

/// `The table had up to 262,144 entries of at most 262,144 (nf_conntrack_max)`
fn fullness(counters: &ConntrackCounters) -> String {
    match counters.fullest {
        Some(Fullness { entries, max }) => format!(
            "The table was seen with {} entries of at most {} (nf_conntrack_max)",
            units::count(entries),
            units::count(max)
        ),
        None => format!(
            "The table had {} entries at the end",
            units::count(counters.entries)
        ),
    }
}

/// Twice what it is, and no less than the kernel's usual choice.
fn larger(counters: Option<&ConntrackCounters>) -> u64 {
    let max = counters
        .and_then(|it| it.fullest)
        .map_or(0, |fullest| fullest.max);
    max.saturating_mul(2).max(USUAL_MAX)
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let (drop, _) = group.incidents().find_map(Incident::dropped)?;
    let counters = counters(drop, group.evidence);
    let netns = group.netns_told(drop.netns);
    let there = |command| group.within_place(Command::new(command));
    let room = format!("net.netfilter.nf_conntrack_max={}", larger(counters));
    Explanation::of(
        format!("The conntrack table is full: {} discarded", group.counted()),
        "Each new connection needs an entry in the connection-tracking table, and there is no \
         room. The kernel discards the first packet of everything new. DNS suffers first, because \
         nearly each query is a new connection.",
        "New connections of all kinds fail at random in that namespace, not DNS alone. ".to_owned()
            + &group.impact(),
    )
    .line(format!(
        "{} discarded with {NETFILTER}, without a conntrack entry, in {netns}.",
        group.packets()
    ))
    .lines(counters.map(|counters| {
        format!(
            "{}, and {} new ones were turned away (counters `drop` less `insert_failed`), DNS or \
             not.",
            fullness(counters),
            units::count(turned_away(counters))
        )
    }))
    .lines(group.examples())
    .run(
        "See how full it is:",
        there("sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max"),
    )
    .run_amid(
        "Make room at once, on the host itself:",
        &[Command::new("sysctl -w").word(room)],
        " (kube-proxy: --conntrack-max-per-core)",
    )
    .run(
        "See who fills it:",
        there(
            "conntrack -L 2>/dev/null | awk '{print $1,$4,$5}' | sort | uniq -c | sort -rn | head",
        ),
    )
    .say(
        "For good: do not track DNS (NodeLocal DNSCache, NOTRACK), or shorten \
         nf_conntrack_udp_timeout.",
    )
    .into()
}
