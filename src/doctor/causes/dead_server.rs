//! Rule `dns_dead_server`: one nameserver never answers, another one does.

use std::collections::BTreeSet;

use super::Cause;
use super::group::Group;
use super::listed::NAMESERVERS_USED;
use super::place::Place;
use crate::contrast::Failed;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Tally;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

const OTHERS_SHOWN: usize = 3;

/// Compared with what else its own clients ask, which is on somebody's list.
fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    if !incident.has_failed() || incident.drop().is_some() {
        return None;
    }
    let netns = incident.attempt.owner.netns;
    let is_dead = evidence.separated.is_dead(netns, incident.server());
    is_dead.then(|| Place::at(incident.server()))
}

/// What it was asked against what all others were.
fn contrast_told(group: &Group<'_>) -> Option<String> {
    let server = group.place.server?;
    let failed = |tally: &Tally| Failed {
        failed: tally.failed,
        of: tally.ended(),
    };
    let (mut others, mut dead) = (Failed::default(), BTreeSet::new());
    for netns in group.distinct(|incident| incident.attempt.owner.netns) {
        for (other, asked) in group.evidence.tallies.servers_beside(netns, server) {
            match group.evidence.separated.is_dead(netns, other) {
                true => _ = dead.insert(other),
                false => others.absorb(&failed(&asked.all)),
            }
        }
    }
    let own = failed(&group.asked().all);
    // The others that are dead have findings of their own.
    let rest = match dead.len() {
        0 | 1 => "those to all other servers from the same network namespaces",
        _ => "those to all servers but the dead ones from the same network namespaces",
    };
    Some(own.against(&others, (&format!("queries to {server}"), rest), "failed"))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    if let Some(conf) = group.unlisted() {
        return Some(unlisted(group, &conf));
    }
    let server = group.server();
    Explanation::of(
format!(
        "The nameserver {server} is dead, and is still asked"
    ),
format!(
        "{server} does not answer, while another server that is asked from the same network \
         namespace does. Look at that server, or at the way to it beyond this host."
    ),
"glibc waits for the dead server before it asks the next one. musl asks all servers at once and hardly \
 notices.",
)
    .lines(contrast_told(group))
    .lines(others_told(group))
    .lines(place_in_list(group))
    .line("kerno saw none of these queries discarded on this host.")
    .line(group.asked_by())
    .with(|it| match group.is_asked_by_resolvers() {
        true => it
            .say(
                "Take it out of the resolver's own list (dnsmasq `server=`, unbound `forward-addr:`, \
                 CoreDNS `forward`, dnsdist `newServer`), or mend it.",
            )
            .run("See if it is back:", group.dig_root()),
        false => it
            .run("Find it in the list of nameservers, and take it out there:", group.grep_nameservers())
            .run("See if it is back:", group.dig_root())
            .say(
                "Until then: `options timeout:1 attempts:2 rotate` in resolv.conf shortens the wait.",
            ),
    })
    .into()
}

/// Those on the same list that do answer.
fn others_told(group: &Group<'_>) -> Vec<String> {
    let Some((netns, server)) = group
        .first()
        .map(|it| (it.attempt.owner.netns, it.server()))
    else {
        return Vec::new();
    };
    let others = group.evidence.tallies.servers_beside(netns, server);
    let mut others: Vec<_> = others
        .filter(|(other, asked)| {
            asked.all.answered > 0 && !group.evidence.separated.is_dead(netns, *other)
        })
        .collect();
    others.sort_unstable_by_key(|(_, asked)| std::cmp::Reverse(asked.all.answered));
    let shown = others.into_iter().take(OTHERS_SHOWN);
    shown
        .map(|(other, asked)| {
            format!(
                "{other}, asked from the same network namespace: {} of {} answered.",
                units::count(asked.all.answered),
                units::queries(asked.all.ended())
            )
        })
        .collect()
}

/// Where the server stands in the list of those who ask it.
fn place_in_list(group: &Group<'_>) -> Option<String> {
    let server = group.place.server?.ip();
    let (pid, conf) = group.resolv_conf()?;
    let list = &conf.nameservers;
    let place = list.iter().position(|ip| *ip == server)?;
    let unused = match place >= NAMESERVERS_USED {
        true => " C libraries use the first three only.",
        false => "",
    };
    Some(format!(
        "It is number {} of {} in the resolv.conf of pid {pid}.{unused}",
        place + 1,
        units::counted(list.len() as u64, "nameserver", "nameservers")
    ))
}

/// Nobody's list has it: whoever asks read his before it was changed, or has one of his own.
fn unlisted(group: &Group<'_>, conf: &str) -> Explanation {
    let server = group.server();
    let asker = group.askers();
    Explanation::of(
            format!("The nameserver {server} is dead and not in resolv.conf (any more), but {asker} still asks it"),
            format!(
                "{server} does not answer, while another server that is asked from the same network \
                 namespace does. It is not in the resolv.conf of who asks it: the program read that \
                 file before it was changed, or has the address in its own configuration."
            ),
            "Programs that read the file as it is now do not ask that server.",
        )
        .lines(contrast_told(group))
        .lines(others_told(group))
        .line(conf.to_owned())
        .line("kerno saw none of these queries discarded on this host.")
        .lines(group.examples())
        .say(
            "Restart the program, so that it reads resolv.conf again; or take the address out of its own \
             configuration, if it has one.",
        )
        .run("See what it would read now:", group.grep_nameservers())
        .run("See if the server is back:", group.dig_root())
}
