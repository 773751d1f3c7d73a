//! Rule `dns_slow_way`: the way to the server takes the time, or that to a server elsewhere
//! cannot be told from its work on every answer.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::incidents::Trait;
use crate::shell::Command;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    severity: severity::slow,
    ..Cause::pattern(matches, describe)
};

/// Server and client are on this host, and it is between them.
const BETWEEN: usize = 1;
/// Nothing comes faster from there.
const FAR: usize = 2;
/// Nothing comes faster from there over TCP.
const TCP: usize = 3;
/// One attribute sets what it answers slowly apart from the rest.
const APART: usize = 4;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    if incident.kind != FailureKind::Slow {
        return None;
    }
    let place = Place::at(incident.server());
    if let Some(view) = evidence.view_of(incident) {
        let is_between = view.is_answered() && view.took_ns() * 2 <= incident.took_ns();
        return is_between.then(|| place.fault(BETWEEN));
    }
    let slow = evidence.slowness.at(incident)?;
    let netns = incident.attempt.owner.netns;
    let asked = evidence.tallies.asked(netns, incident.server());
    let nearly_all = |slow: u64, of: u64| slow * 100 >= of * DEAD_PERCENT;
    let udp = asked.all.answered.saturating_sub(asked.tcp.answered);
    let is_far =
        asked.all.answered >= SAMPLE_MIN && nearly_all(slow.udp + slow.tcp, asked.all.answered);
    let is_tcp_only = incident.is_tcp()
        && asked.tcp.answered >= FAILURES_MIN
        && nearly_all(slow.tcp, asked.tcp.answered)
        && udp >= FAILURES_MIN
        && nearly_all(udp.saturating_sub(slow.udp), udp);
    match (is_far, is_tcp_only) {
        (true, _) => Some(place.fault(FAR)),
        (_, true) => Some(place.fault(TCP)),
        _ => {
            let found = evidence.separated.answered_slowly(&incident.attempt);
            found.map(|_| place.fault(APART))
        }
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    match group.place.fault {
        BETWEEN => between(group),
        APART => apart(group),
        fault => elsewhere(group, fault == TCP),
    }
}

/// What half of these and the longest come to.
fn half_and_longest(mut all: Vec<u64>) -> Option<(String, String)> {
    all.sort_unstable();
    let half = all.get(all.len() / 2)?;
    Some((units::duration(*half), units::duration(*all.last()?)))
}

const IMPACT: &str = "Whoever asks that server waits for it.";

fn between(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let evidence = group.evidence;
    let seen = || {
        group
            .incidents()
            .filter_map(|it| Some((it, evidence.view_of(it)?)))
    };
    let there = seen().map(|(it, view)| view.arrived_ns.saturating_sub(it.attempt.sent_ns));
    let back = seen().map(|(it, view)| it.attempt.end_ns.saturating_sub(view.ended_ns));
    let at_server = seen().map(|(_, view)| view.took_ns());
    let (there, there_longest) = half_and_longest(there.collect())?;
    let (back, back_longest) = half_and_longest(back.collect())?;
    let (_, at_server) = half_and_longest(at_server.collect())?;
    let netns = group.first().map(|it| it.attempt.owner.netns);
    Explanation::of(
        format!("The way between {server} and its clients, both on this host, takes the time"),
        "The server itself takes the smaller part of the time. Packets wait between the two: in the queue of an interface or \
         its rate limit (`tc`), in a tunnel or a VPN, for a link address, or for a CPU that works off \
         packets.",
        IMPACT,
    )
    .line(format!(
        "The server needed {at_server} at most for these. On the way there half of them took {there} \
         or more (longest {there_longest}), on the way back {back} (longest {back_longest})."
    ))
    .line(format!("{}, of {}.", group.told(), group.askers()))
    .lines(group.examples())
    .run(
        "See the queues of the interfaces, from the client on:",
        group.within(netns, Command::new("tc -s qdisc show")),
    )
    .run(
        "See which way the packets take:",
        group.within(netns, Command::new("ip route get").word(group.place.ip())),
    )
    .say("Give the interface that has a backlog more room or rate, or let DNS pass ahead of the rest.")
    .into()
}

fn elsewhere(group: &Group<'_>, over_tcp: bool) -> Option<Explanation> {
    let server = group.server();
    let slow = group.evidence.slowness.of_all(group.incidents())?;
    let fastest = units::duration(slow.fastest_ns);
    let asked = group.asked();
    let (number, of) = match over_tcp {
        true => (slow.tcp, asked.tcp.answered),
        false => (slow.tcp + slow.udp, asked.all.answered),
    };
    let each = if number < of { "Nearly each" } else { "Each" };
    let (title, cause) = match over_tcp {
        true => (
            format!("Answers of {server} over TCP take {fastest} or more, over UDP they do not"),
            "A connection has to be made first, which takes the way there and back once more; what \
             takes longer than that is a server that accepts connections late, or a box on the way \
             that looks into TCP.",
        ),
        false => (
            format!("{each} answer of {server} takes {fastest} or more"),
            "A server that is near answers at least what it knows within some milliseconds. Here \
             next to nothing comes faster: the way there takes that long (a server far away, a VPN, \
             a tunnel, a link that is full), or the server is slow with everything. From this host \
             kerno cannot tell which.",
        ),
    };
    let netns = group.first().map(|it| it.attempt.owner.netns);
    let ping = Command::new("ping -c 5").word(group.place.ip());
    Some(
        Explanation::of(title, cause, IMPACT)
            .line(format!(
                "Of {} from there {} took more than 100 ms; the fastest of these took {fastest}.",
                units::counted(of.max(number), "answer", "answers"),
                units::count(number)
            ))
            .lines(group.asked_by_and_for())
            .run("See how long the way is:", group.within(netns, ping))
            .run("Ask it yourself, twice:", group.dig_root())
            .say(
                "Ask a server that is nearer, or have a cache on this host (systemd-resolved, unbound, \
                 dnsmasq), so that each name is waited for once.",
            ),
    )
}

/// The line of the contrast has the figures.
fn apart(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let (it, which) = group.which_is_slow()?;
    let cause = match it {
        Trait::Zone(_) | Trait::Parent(_) | Trait::PrivateReverse => {
            "It has to ask others for these names, and those are slow or far away, or the first of them \
             never answers. What it answers fast it knows itself, or asks elsewhere."
        }
        Trait::Type(_) => {
            "The servers that it asks for this type are slow, or one of them ignores it and the next is \
             asked after a wait."
        }
        Trait::Edns => {
            "Something on the way delays messages with an OPT record, or a resolver behind it tries with \
             EDNS first, gets no answer, and asks again without."
        }
        Trait::Group(_) => {
            "The server answers others at once. Look at what these clients have of their own: the names \
             that they ask for, and their way to the server."
        }
        _ => {
            "What the others do not have makes the difference; from this host kerno cannot tell why."
        }
    };
    let ask = group.ask_example(group.dig());
    Explanation::of(
        format!("{server} is slow to answer {which}, and fast with all else"),
        cause,
        IMPACT,
    )
    .lines(group.asked_by_and_for())
    .run("Ask for one of them yourself, twice:", ask)
    .say(
        "Look behind that server: at what it forwards such questions to. Until that is mended, a cache \
         on this host has each name waited for once.",
    )
    .into()
}
