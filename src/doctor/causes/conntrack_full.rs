//! Rule `dns_conntrack_full`: the connection-tracking table has no room.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::policy_drop::NETFILTER;
use super::severity;
use super::words::Words;
use crate::attempt::Conntrack;
use crate::attempt::PacketDrop;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::sampler::ConntrackCounters;
use crate::sampler::Fullness;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_conntrack_full",
    takes,
    judge: severity::exact,
    tell,
};

/// The limit on hosts with more than 4 GiB (Documentation/networking/nf_conntrack-sysctl.rst).
const USUAL_MAX: u64 = 262_144;

/// Discarded by netfilter itself, not by a rule of nftables, without an entry,
/// while the namespace's counter says that entries could not be made. A rule of
/// iptables-legacy looks the same, but moves no counter.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let (drop, reason) = case.dropped()?;
    let full = reason == NETFILTER
        && drop.conntrack == Some(Conntrack::Absent)
        && !super::policy_drop::is_rule_of_nftables(drop)
        && turned_away(counters(drop, evidence)?) > 0;
    full.then(|| Place::default().in_netns(drop.netns))
}

fn counters<'a>(drop: &PacketDrop, evidence: &'a Evidence) -> Option<&'a ConntrackCounters> {
    evidence.surroundings.conntrack.get(&drop.netns)
}

/// Packets for which there was no room: `drop` counts failed insertions too.
fn turned_away(counters: &ConntrackCounters) -> u64 {
    counters.drop.saturating_sub(counters.insert_failed)
}

/// `Its table was seen with 262,144 entries of at most 262,144 (nf_conntrack_max)`
fn fullness(counters: &ConntrackCounters) -> String {
    match counters.fullest {
        Some(Fullness { entries, max }) => format!(
            "Its table was seen with {} entries of at most {} (nf_conntrack_max)",
            units::count(entries),
            units::count(max)
        ),
        None => format!(
            "Its table had {} entries at the end",
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

fn tell(group: &Group<'_>) -> Words {
    let drop = group.cases().find_map(Case::drop);
    let counters = drop.and_then(|drop| counters(drop, group.evidence));
    let netns = group.netns_told(group.place.netns.unwrap_or_default());
    let mut evidence = vec![format!(
        "{} discarded with NETFILTER_DROP, without a conntrack entry, in {netns}.",
        units::counted(group.queries(), "packet was", "packets were")
    )];
    if let Some(counters) = counters {
        evidence.push(format!(
            "{}, and {} new ones were turned away in the window (counters `drop` less \
             `insert_failed`), DNS or not.",
            fullness(counters),
            units::count(turned_away(counters))
        ));
    }
    evidence.extend(group.examples());
    Words {
        title: format!("The conntrack table is full: {} discarded", group.counted()),
        cause:
            "Every new connection needs an entry in the connection-tracking table, and there is no \
             room: the kernel discards the first packet of whatever is new. DNS suffers first, \
             because nearly each query is a new connection."
                .to_owned(),
        impact: "New connections of all kinds fail at random in that namespace; DNS waits 5 s \
                 (glibc) or 2.5 s (musl) and asks again."
            .to_owned(),
        evidence,
        fix: fix(group, larger(counters)),
    }
}

fn fix(group: &Group<'_>, larger: u64) -> Fix {
    let there = |command| group.within(group.place.netns, Command::new(command));
    let room = format!("net.netfilter.nf_conntrack_max={larger}");
    Fix::default()
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
                "conntrack -L 2>/dev/null | awk '{print $1,$4,$5}' | sort | uniq -c | sort -rn | \
                 head",
            ),
        )
        .say(
            "For good: exempt DNS from tracking (NodeLocal DNSCache, NOTRACK), or shorten \
             nf_conntrack_udp_timeout.",
        )
}
