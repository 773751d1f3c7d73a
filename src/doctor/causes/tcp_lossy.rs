//! Rule `dns_tcp_lossy`: the way to the server loses packets, so that TCP sends them again.

use super::Cause;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let view = evidence.view_of(incident);
    let is_lossy = evidence.resends.explain(incident, view, &evidence.tallies);
    is_lossy.then(|| Place::at(incident.server()).in_netns(incident.attempt.owner.netns))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let netns = group.place.netns;
    let (segments, openings) = group
        .evidence
        .resends
        .segments(netns.unwrap_or_default(), group.place.server?);
    let of_them = match openings {
        0 => String::new(),
        _ => format!(", {} of them to open a connection", units::count(openings)),
    };
    let tally = group.asked().tcp;
    Explanation::of(
        format!("Packets of DNS over TCP get lost on the way to {server}"),
        "The kernel did not hear that its segments had arrived, and sent them again. This host \
         discarded none of them, so they, or the answers to them, get lost on the way: a bad link, \
         a tunnel with too small an MTU, a firewall that forgets connections, or a link that is \
         full.",
        "A segment that is lost costs 200 ms at least, and 1 s where it was to open the \
         connection; twice as much if it is lost again. Programs with a shorter patience give up.",
    )
    .line(format!(
        "{} to {server} {} sent again from {}{of_them}.",
        units::counted(segments, "segment", "segments"),
        match segments {
            1 => "was",
            _ => "were",
        },
        group.netns_told(netns.unwrap_or_default()),
    ))
    .line(format!("{}, of {}.", group.told(), group.askers()))
    .line(format!(
        "Of {} over TCP {} were answered.",
        units::queries(tally.ended()),
        units::count(tally.answered),
    ))
    .lines(group.examples())
    .run(
        "See what is sent again, and how long round trips are:",
        group.within(netns, Command::new("ss -tinp").word("dport = :53")),
    )
    .run(
        "See where packets get lost:",
        group.within(
            netns,
            Command::new("mtr -T -P 53 -rwc 50").word(group.place.ip()),
        ),
    )
    .run("Ask over TCP yourself:", group.dig_root())
    .say("Check the link's errors (`ip -s link`) and the MTU of tunnels on the way.")
    .into()
}
