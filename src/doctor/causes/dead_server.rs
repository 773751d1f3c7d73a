//! Rule `dns_dead_server`: one nameserver never answers, another one does.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::Tally;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_dead_server",
    takes,
    judge: severity::pattern,
    tell,
};

/// Both asked from the same network namespace, so both are on somebody's list.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    if !case.has_failed() || case.drop().is_some() {
        return None;
    }
    let netns = case.attempt.owner.netns;
    let tallies = &evidence.tallies;
    let dead = is_dead(&tallies.asked(netns, case.server()).all);
    let another = tallies
        .servers_of(netns)
        .any(|(server, asked)| server != case.server() && is_alive(&asked.all));
    (dead && another).then(|| Place::at(case.server()))
}

fn is_dead(tally: &Tally) -> bool {
    tally.failed >= FAILURES_MIN && tally.failed * 100 >= tally.ended() * DEAD_PERCENT
}

fn is_alive(tally: &Tally) -> bool {
    tally.answered >= FAILURES_MIN && tally.answered * 100 >= tally.ended() * DEAD_PERCENT
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let tally = group.asked().all;
    let netns = group.first().map_or(0, |case| case.attempt.owner.netns);
    let mut others: Vec<_> = group
        .evidence
        .tallies
        .servers_of(netns)
        .filter(|(other, asked)| Some(*other) != group.place.server && is_alive(&asked.all))
        .map(|(other, asked)| (other, asked.all))
        .collect();
    others.sort_unstable_by_key(|(_, tally)| std::cmp::Reverse(tally.answered));
    let mut evidence = vec![format!(
        "{server}: {} of {} failed.",
        units::count(tally.failed),
        units::counted(tally.ended(), "query", "queries")
    )];
    for (other, tally) in others.iter().take(3) {
        evidence.push(format!(
            "{other}, asked by the same clients: {} of {} answered.",
            units::count(tally.answered),
            units::counted(tally.ended(), "query", "queries")
        ));
    }
    evidence.extend(place_in_list(group));
    evidence.push("This host's kernel discarded nothing on the way there.".to_owned());
    evidence.push(format!("Asked by {}.", group.askers()));
    Words {
        title: format!("The nameserver {server} is dead, and is still asked"),
        cause: format!(
            "{server} answers nothing, while another server on the same list does: it is that \
             server, or the way to it beyond this host."
        ),
        impact: "With glibc every lookup that begins at the dead server takes 5 s longer; musl \
                 asks all servers at once and hardly notices."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .run("Take it out of the list:", group.grep_nameservers())
            .run("See whether it is back:", group.dig_root())
            .say(
                "Until then: `options timeout:1 attempts:2 rotate` in resolv.conf shortens the \
                 wait.",
            ),
    }
}

/// Where the server stands in the list of those who ask it.
fn place_in_list(group: &Group<'_>) -> Option<String> {
    let server = group.place.server?.ip();
    let clients = &group.evidence.surroundings.clients;
    let pid = group
        .cases()
        .filter_map(|case| case.attempt.owner.pid)
        .find(|pid| clients.contains_key(pid))?;
    let list = &clients.get(&pid)?.resolv_conf.as_ref()?.nameservers;
    let place = list.iter().position(|ip| *ip == server)?;
    Some(format!(
        "It is number {} of {} in the resolv.conf of pid {pid}.",
        place + 1,
        units::counted(list.len() as u64, "nameserver", "nameservers")
    ))
}
