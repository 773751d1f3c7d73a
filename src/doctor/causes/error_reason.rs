//! Why a server answers with an error, as far as its answer, or what it did itself, tells.

use domain::base::iana::OptRcode;

use super::error_rcode;
use super::group::Group;
use super::in_flight_limit;
use super::listed::RESOLVED;
use super::place::Place;
use crate::attempt::names;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::InFlightLimit;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

/// Faults of a place; 0 is none of them.
pub(super) const DNSSEC: usize = 1;
pub(super) const NOT_LOADED: usize = 2;
pub(super) const UNREACHABLE: usize = 3;
pub(super) const FILTERED: usize = 4;
pub(super) const PROHIBITED: usize = 5;
pub(super) const NOT_ITS_ZONE: usize = 6;
pub(super) const NO_UPSTREAM: usize = 7;
pub(super) const LAME: usize = 8;
pub(super) const FULL: usize = 9;

/// What is known of the reason of this error answer.
pub(super) fn place(incident: &Incident, rcode: OptRcode, evidence: &Evidence) -> Option<Place> {
    let place = error_rcode::place(incident, rcode)?;
    let told = incident.attempt.answer?.extended_error.and_then(of_code);
    let fault = told.or_else(|| {
        let is_unsigned = || evidence.tallies.is_fine_unchecked(&incident.attempt);
        match rcode {
            OptRcode::SERVFAIL if is_unsigned() => Some(DNSSEC),
            _ if limit(incident, evidence).is_some() => Some(FULL),
            _ if has_no_upstream(incident, evidence) => Some(NO_UPSTREAM),
            _ if is_lame(incident, evidence) => Some(LAME),
            _ => None,
        }
    });
    Some(place.fault(fault.unwrap_or_default()))
}

/// By the Extended DNS Error: RFC 8914 section 4.
fn of_code(code: u16) -> Option<usize> {
    match code {
        1 | 2 | 5..=12 | 25..=27 => Some(DNSSEC),
        14 => Some(NOT_LOADED),
        22 | 23 => Some(UNREACHABLE),
        15..=17 => Some(FILTERED),
        18 => Some(PROHIBITED),
        20 => Some(NOT_ITS_ZONE),
        _ => None,
    }
}

/// A server on this host that would look names up, answers most with an error at once, and was
/// not seen to ask anybody.
fn has_no_upstream(incident: &Incident, evidence: &Evidence) -> bool {
    let Some(view) = evidence.view_of(incident) else {
        return false;
    };
    let (Some(pid), Some(answer)) = (view.owner.pid, incident.attempt.answer) else {
        return false;
    };
    let (netns, server) = (incident.attempt.owner.netns, incident.server());
    // Who serves others has somebody to ask; a loopback address is one of its own namespace.
    let asked = match server.ip().is_loopback() {
        true => evidence.tallies.asked(netns, server).all,
        false => evidence.tallies.asked_by_all(server).all,
    };
    let all_is_counted = evidence.tallies.processes.left_out == 0;
    answer.bits.recursion_available
        && view.took_ns() < LATENCY_WARNING_NS
        && asked.noerror * 2 <= asked.answered
        // Who has nobody to ask does not care for the type.
        && evidence.tallies.errs_by_type(&incident.attempt).is_none()
        && all_is_counted
        && evidence.tallies.processes.get(pid).is_none()
}

/// A resolver asked it as the zone's own server: without the RD bit.
fn is_lame(incident: &Incident, evidence: &Evidence) -> bool {
    let asker = incident.attempt.owner.pid;
    let asks_for_others = asker.is_some_and(|pid| evidence.resolvers.contains(&pid));
    let answer = incident.attempt.answer;
    asks_for_others && answer.is_some_and(|it| !it.bits.recursion_desired && !it.bits.is_no_query)
}

/// The number under way that the server takes, where nothing that the queries have themselves
/// tells as well which of them get an error.
fn limit<'a>(incident: &Incident, evidence: &'a Evidence) -> Option<&'a InFlightLimit> {
    let found = evidence.in_flight.of_error(incident)?;
    let other = evidence.separated.answered_with_error(&incident.attempt);
    let is_sharpest = other.is_none_or(|(_, other)| found.contrast.chance < other.chance);
    is_sharpest.then_some(found)
}

/// Title, cause and steps of a known reason; `None` where there is none.
pub(super) fn describe(group: &Group<'_>, rcode: OptRcode, impact: &str) -> Option<Explanation> {
    let ask = || group.ask_name(group.dig());
    let explained = |cause: &str| error_rcode::explanation(group, rcode, cause, impact);
    Some(match group.place.fault {
        DNSSEC => dnssec(group, rcode, impact),
        NOT_LOADED => explained(
            "The server says that it is not ready (Extended DNS Error 14): it is meant to have that \
             zone, or to look it up, and has not loaded it: a zone file with an error, a transfer from \
             the primary that failed, or it has just started.",
        )
        .run("Ask for the zone's own record:", ask().and("SOA"))
        .say(
            "Look into the server's log for that zone: `named-checkzone`, `nsd-control zonestatus`, \
             `knotc zone-status`, `rndc zonestatus`.",
        ),
        UNREACHABLE => explained(
            "The server says that it could not reach the zone's own servers, or that these did not \
             answer (Extended DNS Error 22 or 23).",
        )
        .run(
            "See which of them answers, from the root on:",
            group.ask_example(Command::new("dig +trace")),
        )
        .say("If it is many zones, look at the way from that server to the outside."),
        FILTERED => explained(
            "The server says that it does so on purpose: the name is on a list of the server's \
             operator, or of its client (Extended DNS Error 15 to 17: blocked, censored, filtered).",
        )
        .say("Ask the operator of the filter to let the name pass, or another server."),
        PROHIBITED => explained(
            "The server says that this client is not allowed to ask it (Extended DNS Error 18).",
        )
        .say(
            "Allow the client's addresses in the server: unbound `access-control:`, BIND \
             `allow-recursion`, Knot Resolver `policy`. Or ask another server.",
        ),
        NOT_ITS_ZONE => explained(
            "The server says that it is not responsible for that zone and does not look names up for \
             others (Extended DNS Error 20): it is an authoritative server.",
        )
        .run("See who has it on the list:", group.grep_nameservers())
        .say("Ask a resolver instead, or load the zone in this server."),
        LAME => explained(
            "A resolver on this host asked it as the zone's own server (without the RD bit), and it does \
             not have the zone: it has not loaded it (an error in the zone file, a transfer that failed, an \
             expired copy), or the zone above names a server that is none (lame delegation).",
        )
        .titled(|title| format!("{title}: it does not have the zone that it is asked for"))
        .run("Ask for the zone's own record:", ask().and("+norec SOA"))
        .run(
            "See which servers the zone above names:",
            group.ask_example(Command::new("dig +trace")),
        )
        .say(
            "On that server look into its log and at the zone: `rndc zonestatus`, `named-checkzone`, \
             `nsd-control zonestatus`, `knotc zone-status`; or have the zone above name another one.",
        ),
        NO_UPSTREAM => no_upstream(group, rcode, impact)?,
        FULL => full(group, rcode, impact)?,
        _ => return None,
    })
}

/// What the missing RA bit says of who answers.
pub(super) fn without_recursion(group: &Group<'_>) -> Option<&'static str> {
    let is_without = |it: &Incident| {
        let bits = it.attempt.answer.map(|answer| answer.bits);
        bits.is_some_and(|bits| bits.recursion_desired && !bits.recursion_available)
    };
    group.incidents().all(is_without).then_some(
        "These answers have no RA bit: the server does not look names up for these clients. If it is the \
         zone's own server, it has not loaded the zone, or does not have it.",
    )
}

fn dnssec(group: &Group<'_>, rcode: OptRcode, impact: &str) -> Explanation {
    let unchecked = group
        .incidents()
        .any(|it| group.evidence.tallies.is_fine_unchecked(&it.attempt));
    let is_told = group.incidents().any(|it| {
        let code = it.attempt.answer.and_then(|answer| answer.extended_error);
        code.and_then(of_code) == Some(DNSSEC)
    });
    let ask = |option| group.ask_example(group.dig().and(option));
    let how = match is_told {
        true => "The server says so itself (Extended DNS Error).",
        false => "The same names are answered where checks are off (CD bit).",
    };
    error_rcode::explanation(
        group,
        rcode,
        "The zone's DNSSEC signatures do not verify, so the server must not give the answer: they have \
         expired, the parent zone has another key (DS), something on the way takes them out, or the \
         server's clock is wrong.",
        impact,
    )
    .titled(|title| format!("{title}: DNSSEC does not verify"))
    .causes([how])
    .lines(unchecked.then(|| {
        "Queries for the same names with the CD bit (no checks) were answered NOERROR.".to_owned()
    }))
    .run("Ask with the checks, and see the reason:", ask("+dnssec"))
    .run("Ask with the checks off:", ask("+cd"))
    .say(
        "If it is one zone, its operator has to sign it again or mend the DS record; until then a negative \
         trust anchor: unbound `domain-insecure:`, BIND `rndc nta`, systemd-resolved \
         /etc/dnssec-trust-anchors.d/*.negative. If it is all zones, set the server's clock (`timedatectl`), \
         and look whether its upstream passes DNSSEC records on.",
    )
    .with(|it| match is_resolved(group) {
        true => it.say("systemd-resolved tells what it validated: `resolvectl query NAME`, `resolvectl statistics`"),
        false => it,
    })
}

fn is_resolved(group: &Group<'_>) -> bool {
    let mut views = group.views();
    views.any(|view| view.owner.comm.as_bytes() == RESOLVED)
}

fn no_upstream(group: &Group<'_>, rcode: OptRcode, impact: &str) -> Option<Explanation> {
    let view = group.views().next()?;
    let name = who::process(view.owner.pid, view.owner.comm);
    let explanation = error_rcode::explanation(
        group,
        rcode,
        "The server on this host answers at once with an error and was not seen to ask any other server: \
         it has no upstream, or none that it would ask for these names (a link without DNS servers, an \
         empty list, a file that does not exist).",
        impact,
    )
    .titled(|_| {
        format!(
            "{name} at {} has no server to ask: it answers {}",
            group.server(),
            names::rcode(rcode)
        )
    })
    .line(format!(
        "In the {} that kerno watched, {name} asked no other server.",
        units::duration(u64::try_from(group.evidence.window.as_nanos()).unwrap_or(u64::MAX))
    ));
    Some(match is_resolved(group) {
        true => explanation
            .run("See which servers each link has:", Command::new("resolvectl status"))
            .say(
                "Give it some: `DNS=` in /etc/systemd/resolved.conf (then `systemctl restart \
                 systemd-resolved`), or let the network manager or DHCP do so for the link.",
            ),
        false => explanation
            .say(
                "Look at its configuration and its log for upstream servers: dnsmasq `server=` and the \
                 file of `resolv-file=`, unbound `forward-zone:`, CoreDNS `forward`.",
            )
            .say("Give it one, and have it read its configuration again."),
    })
}

fn full(group: &Group<'_>, rcode: OptRcode, impact: &str) -> Option<Explanation> {
    let found = group
        .incidents()
        .find_map(|incident| limit(incident, group.evidence))?;
    let InFlightLimit {
        others,
        contrast,
        median_ns,
    } = found;
    let rcode_name = names::rcode(rcode);
    let told = contrast.with.against(
        &contrast.others,
        (
            &in_flight_limit::sent_while(*others),
            in_flight_limit::SENT_WHILE_FEWER,
        ),
        &format!("were answered {rcode_name}"),
    );
    error_rcode::explanation(
        group,
        rcode,
        "Those that it takes wait long for their answers, so that many are under way together; what \
         comes beyond its limit gets this error at once. Forwarders have such a limit: dnsmasq \
         `--dns-forward-max` (150 if not set), CoreDNS `max_concurrent`.",
        impact,
    )
    .titled(|_| {
        format!(
            "{} takes about {} at once, and answers {rcode_name} to the rest",
            group.server(),
            units::queries(*others)
        )
    })
    .line(told)
    .line(format!(
        "Half of those that waited did so for {} or more; answers within {} are left out of this.",
        units::duration(*median_ns),
        units::duration(LATENCY_WARNING_NS)
    ))
    .say(
        "Find out why its answers take long: most of all, the servers that it asks itself. With \
         faster answers fewer are under way.",
    )
    .say("Ask less at once: a cache in the program or on its host, fewer lookups side by side.")
    .say("Or let it take more at once: dnsmasq `dns-forward-max`, CoreDNS `max_concurrent`.")
    .into()
}
