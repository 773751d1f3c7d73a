//! What held a query up at its server on this host: for the rules that look for
//! the reason in the server's process.

use std::collections::BTreeSet;

use super::group::Group;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::sampler::Process;
use crate::sampler::Span;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::QUEUED_BYTES;
use crate::units;

/// Spans are a second long; those next to a query's time belong to it, too: the
/// kernel books a wait for the CPU when it is over.
const SPAN_NS: u64 = 1_000_000_000;

/// The server's view of a query that waited in its socket, or found no room there.
pub(super) fn waited_in_queue<'a>(
    incident: &Incident,
    evidence: &'a Evidence,
) -> Option<&'a ServerView> {
    let view = evidence.view_of(incident)?;
    let waited = view.queued_bytes >= QUEUED_BYTES && !is_discarded(incident);
    (waited || incident.has_overflowed()).then_some(view)
}

/// The same, or of one that the server itself took long to answer: who has no CPU
/// has none in the midst of a query either.
pub(super) fn held_up<'a>(incident: &Incident, evidence: &'a Evidence) -> Option<&'a ServerView> {
    waited_in_queue(incident, evidence).or_else(|| {
        let view = evidence.view_of(incident)?;
        let slowly = view.is_answered() && view.took_ns() > LATENCY_WARNING_NS;
        let until_closed = incident.was_left_unread()
            && incident.drop().is_some_and(|drop| {
                drop.at_ns.saturating_sub(view.arrived_ns) > LATENCY_WARNING_NS
            });
        ((slowly || until_closed) && !is_discarded(incident)).then_some(view)
    })
}

/// Whether this host discarded the query, for another reason than that the server
/// had not read it.
pub(super) fn is_discarded(incident: &Incident) -> bool {
    incident.query_dropped().is_some() && !incident.was_left_unread()
}

/// How busy the server was around the time when it had the query.
pub(super) fn spans<'a>(
    view: &ServerView,
    evidence: &'a Evidence,
) -> impl Iterator<Item = &'a Span> {
    let from_ns = view.arrived_ns.saturating_sub(SPAN_NS);
    let to_ns = view.ended_ns.saturating_add(SPAN_NS);
    process(view, evidence)
        .into_iter()
        .flat_map(|server| &server.spans)
        .filter(move |span| span.to_ns > from_ns && span.from_ns < to_ns)
}

/// How long around this second the server had queries that it answered slowly, this one among
/// them; those of the second before as well, for a wait is booked when it is over.
pub(super) fn slow_ns(span: &Span, view: &ServerView, evidence: &Evidence) -> u64 {
    let is_near = |other: &&ServerView| {
        other.owner.pid == view.owner.pid
            && other.took_ns() > LATENCY_WARNING_NS
            && other.ended_ns > span.from_ns.saturating_sub(SPAN_NS)
            && other.arrived_ns < span.to_ns
    };
    let (mut from_ns, mut to_ns) = (view.arrived_ns, view.ended_ns);
    for other in evidence.server_views.iter().filter(is_near) {
        from_ns = from_ns.min(other.arrived_ns);
        to_ns = to_ns.max(other.ended_ns);
    }
    to_ns.saturating_sub(from_ns)
}

/// The server's process, if it was looked at.
pub(super) fn process<'a>(view: &ServerView, evidence: &'a Evidence) -> Option<&'a Process> {
    evidence.host.servers.get(&view.owner.pid?)
}

/// Of how many queries the server was stopped around their time there.
pub(super) fn stopped(group: &Group<'_>) -> u64 {
    group.count(|incident| {
        let view = group.evidence.view_of(incident);
        view.is_some_and(|view| spans(view, group.evidence).any(|span| span.stopped))
    })
}

pub(super) fn stopped_told(group: &Group<'_>) -> Option<String> {
    let stopped = stopped(group);
    (stopped > 0).then(|| {
        format!(
            "{} was stopped (state T in /proc) while {} of these queries came or waited there.",
            who::with_pid("The server", group.place.pid),
            units::count(stopped)
        )
    })
}

/// How the queries ended, and whose they are.
pub(super) fn ended_told(group: &Group<'_>) -> String {
    format!("{}, of {}.", group.told(), group.askers())
}

impl Group<'_> {
    /// Whether something of the server's own went wrong at the same time.
    pub(super) fn own_told(&self) -> Option<String> {
        let servers: BTreeSet<u32> = self.views().filter_map(|view| view.owner.pid).collect();
        let own = self.evidence.incidents.iter().filter(|incident| {
            let pid = incident.attempt.owner.pid;
            pid.is_some_and(|pid| servers.contains(&pid))
        });
        let told = match own.map(|incident| incident.weight).sum::<u64>() {
            0 => "kerno saw no slow or lost query of its own behind it.".to_owned(),
            own => format!(
                "{} of its own went wrong in this time.",
                units::queries(own)
            ),
        };
        (!servers.is_empty()).then_some(told)
    }
}

pub(super) fn was_examined(group: &Group<'_>) -> bool {
    group
        .views()
        .any(|view| process(view, group.evidence).is_some())
}

/// How much lay in the socket when these queries came.
pub(super) fn queue_told(group: &Group<'_>) -> Vec<String> {
    let mut queued: Vec<u32> = group.views().map(|view| view.queued_bytes).collect();
    queued.sort_unstable();
    let mut lines = Vec::new();
    if let (Some(median), Some(most)) = (queued.get(queued.len() / 2), queued.last())
        && *most > 0
    {
        let (half, most) = (units::count((*median).into()), units::count((*most).into()));
        lines.push(match half == most {
            true => format!(
                "When at least half of these queries came, {most} bytes lay unread in the server's socket, \
                 and never more."
            ),
            false => format!(
                "When half of these queries came, {half} bytes or more lay unread in the server's socket, \
                 and at most {most}."
            ),
        });
    }
    let overflowed = group.count(Incident::has_overflowed);
    if overflowed > 0 {
        lines.push(format!(
            "{} found its receive buffer full and were discarded (SOCKET_RCVBUFF).",
            units::queries(overflowed)
        ));
    }
    lines
}
