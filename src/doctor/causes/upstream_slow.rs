//! Rule `dns_upstream_slow`: the resolver on this host waits for its own upstream.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::attempt::Outcome;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::Trouble;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_upstream_slow",
    takes,
    judge: severity::pattern,
    tell,
};

/// RFC 1035 section 4.1.1.
const SERVFAIL: u16 = 2;

/// The client's query to the resolver, and the resolver's own query upstream:
/// one trouble, told by the upstream that is asked.
fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    // A packet that this host discarded on this leg has a cause of its own.
    if case.query_dropped().is_some() || case.attempt.failed_call.is_some() {
        return None;
    }
    if let Some(upstream) = case.upstream.and_then(|index| evidence.cases.get(index)) {
        return Some(Place::at(upstream.server()));
    }
    if case.is_upstream {
        return case.errno().is_none().then(|| Place::at(case.server()));
    }
    // A resolver that has found its upstreams dead answers SERVFAIL at once for a
    // while, without asking.
    let view = evidence.view_of(case)?;
    let upstream = evidence.upstream_in_trouble(view.owner.pid?)?;
    (case.rcode() == Some(SERVFAIL) || case.has_failed()).then(|| Place::at(upstream))
}

/// The answer came, but to a socket that was closed, or after the attempt's end.
fn came_too_late(case: &Case) -> bool {
    case.answer_dropped().is_some() || case.attempt.outcome == Outcome::Late
}

fn tell(group: &Group<'_>) -> Words {
    let upstream = group
        .place
        .server
        .map_or_else(|| "its upstream".to_owned(), |server| server.to_string());
    let own = group.count(|case| case.is_upstream);
    let clients = group.queries() - own;
    let resolver = group
        .cases()
        .find(|case| case.is_upstream)
        .map(|case| case.attempt.owner);
    let resolver_name = resolver.map_or("the resolver".to_owned(), |owner| {
        format!(
            "{}{}",
            owner.comm,
            owner
                .pid
                .map(|pid| format!(" (pid {pid})"))
                .unwrap_or_default()
        )
    });
    let count = |of: fn(&Case) -> bool| group.count(|case| case.is_upstream && of(case));
    let too_late = count(came_too_late);
    let lost = count(Case::has_failed) - too_late;
    let errors = count(|case| case.trouble == Trouble::ErrorAnswer);
    let slow = own - too_late - lost - errors;
    let mut evidence = Vec::new();
    if own > 0 {
        let parts = [
            (lost, "went unanswered"),
            (
                too_late,
                "were answered when it had given up or asked again",
            ),
            (errors, "were answered with an error"),
            (slow, "were answered slowly"),
        ];
        let told: Vec<_> = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{} {what}", units::count(*number)))
            .collect();
        evidence.push(format!(
            "{resolver_name} asked {upstream} {}; of these, {}.",
            units::counted(group.asked().all.ended(), "time", "times"),
            told.join(", "),
        ));
    }
    if clients > 0 {
        let waits: Vec<u64> = group.views().map(|view| view.took_ns()).collect();
        let longest = waits.iter().max().copied().unwrap_or_default();
        evidence.push(format!(
            "{} of its clients waited for that, or came to nothing because of it, for up to {}.",
            units::counted(clients, "query", "queries"),
            units::duration(longest)
        ));
    }
    let servfail = group.count(|case| !case.is_upstream && case.rcode() == Some(SERVFAIL));
    if servfail > 0 {
        evidence.push(format!(
            "{} told SERVFAIL.",
            units::counted(servfail, "of them was", "of them were")
        ));
    }
    evidence.push("This host's kernel discarded no query on that way.".to_owned());
    evidence.extend(group.examples());
    Words {
        title: format!("The resolver on this host waits for its upstream {upstream}"),
        cause: format!(
            "{resolver_name} is itself healthy: while its clients wait, it waits for {upstream}, \
             which answers slowly or not at all."
        ),
        impact: "Names that must be asked upstream take seconds or fail with SERVFAIL; what the \
                 resolver has in its cache, or answers itself, is fast."
            .to_owned(),
        evidence,
        fix: Fix::default()
            .run(
                "Ask the upstream as the resolver does:",
                dig(group, resolver.map(|owner| owner.netns)),
            )
            .say(
                "Replace that upstream or give the resolver a second one; the load or the CPU of \
                 the resolver need no change.",
            )
            .say(
                "Bridge such times from the cache: unbound `serve-expired: yes`, CoreDNS `cache { \
                 serve_stale }`.",
            ),
    }
}

/// As the resolver asks, from its network namespace.
fn dig(group: &Group<'_>, netns: Option<u32>) -> Command {
    let Some(upstream) = group.place.server else {
        return Command::default();
    };
    let dig = Command::new("dig")
        .word(format!("@{}", upstream.ip()))
        .and("-p")
        .word(upstream.port().to_string())
        .and("+tries=1 . SOA");
    group.within(netns, dig)
}
