//! Rule `dns_server_saturated`: the server can't keep up, and no quota stops it.

use super::Cause;
use super::at_server;
use super::group::Group;
use super::place::Place;
use crate::doctor::commands;
use crate::doctor::cpu_waits;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::sampler::Span;
use crate::shell::Command;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::SATURATED_PERCENT;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let view = at_server::held_up(incident, evidence)?;
    full(view, evidence)?;
    Some(Place::at(view.local).of(view.owner.pid))
}

/// The second in which the server had most to do while it had the query, if it had too much,
/// or if it waited for a CPU for most of the time in which it had slow ones. Who waits for a
/// CPU is busy, too.
fn full<'a>(view: &ServerView, evidence: &'a Evidence) -> Option<&'a Span> {
    let busiest = at_server::spans(view, evidence).max_by(|a, b| a.busy().total_cmp(&b.busy()))?;
    let is_short = || {
        let span = at_server::spans(view, evidence).max_by(|a, b| a.waited.total_cmp(&b.waited))?;
        let slow_ns = at_server::slow_ns(span, view, evidence) as f64;
        (span.waited > span.ran && span.waited_ns() * 2.0 > slow_ns).then_some(span)
    };
    match is_full(busiest.busy()) {
        true => Some(busiest),
        false if view.is_answered() && view.took_ns() > LATENCY_WARNING_NS => is_short(),
        false => None,
    }
}

fn is_full(share: f64) -> bool {
    share * 100.0 >= SATURATED_PERCENT as f64
}

/// The shares of the time that the busiest thread ran meanwhile, and that it waited for
/// a CPU, on the average of the queries.
fn load(group: &Group<'_>) -> (f64, f64) {
    let views = group.views();
    let spans: Vec<_> = views
        .filter_map(|view| full(view, group.evidence))
        .collect();
    let mean = |of: fn(&Span) -> f64| {
        spans.iter().map(|span| of(span)).sum::<f64>() / spans.len().max(1) as f64
    };
    (mean(|span| span.ran), mean(|span| span.waited))
}

/// Whether it is known that no CPU limit holds the server up.
fn is_quota_known(group: &Group<'_>) -> bool {
    let servers = &group.evidence.host.servers;
    let server = group.place.pid.and_then(|pid| servers.get(&pid));
    server.is_some_and(|server| server.is_quota_known)
}

const IMPACT: &str =
    "Who asks this server waits, and each query that is repeated adds to its load.";

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let (ran, waited) = load(group);
    let (server, pid) = (group.server(), group.place.pid);
    // At times it had nothing to do.
    let is_idle = !is_full(ran + waited);
    let renice = |pid: u32| Command::new("renice -n -10 -p").word(pid.to_string());
    let explanation = match waited > ran || is_idle {
        true if !is_quota_known(group) => Explanation::of(
            format!("The DNS server {server} gets too little CPU"),
            format!(
                "{} Whether other programs use it or a CPU limit stops the server is not known: its \
                 control group was not looked at, or gone before its figures could be compared.",
                match is_idle {
                    true => "When the server has work, it waits for a CPU.",
                    false => "The server has work all the time, and most of this time it waits for a CPU.",
                }
            ),
            IMPACT,
        )
        .say("See who has the CPUs: `top`")
        .say(
            "See whether the server has a CPU limit, and raise it: `resources.limits.cpu` in Kubernetes, \
             `CPUQuota=` in systemd, `--cpus` in Docker.",
        ),
        true => Explanation::of(
            format!(
                "The DNS server {server} gets too little CPU: other programs on this host use it"
            ),
            match is_idle {
                true => {
                    "When the server has work, it waits for a CPU that other programs use: for most of \
                     the time that these queries took."
                }
                false => {
                    "The server has work nearly all the time, and most of this time it waits for a CPU \
                     that other programs use. Meanwhile queries wait in its socket, and get lost where \
                     its receive buffer is full."
                }
            },
            IMPACT,
        )
        .say("See who has the CPUs: `top`")
        .run(
            "Give the server its share: a CPU request in Kubernetes, `CPUWeight=` in systemd. For \
             the moment:",
            pid.map_or(Command::default(), renice),
        )
        .say("Move other work away from this host."),
        false => Explanation::of(
            format!("The DNS server {server} cannot keep up with its load"),
            "A thread of the server is busy nearly all the time. Queries wait in its socket before they \
             are read, and get lost where its receive buffer is full.",
            IMPACT,
        )
        .run("See which threads are busy:", commands::threads_of(pid))
        .say(
            "Give it more threads or sockets (unbound `num-threads`, CoreDNS `multisocket`), more \
             replicas, or a cache in front (NodeLocal DNSCache).",
        )
        .say(
            "See who asks most: `kerno doctor` lists the processes, busiest first. Look for \
             dns_storm and dns_search_amplification in this report.",
        ),
    };
    explanation
        .line(format!(
            "Meanwhile the busiest thread of {} ran {:.0} % of the time and waited for a CPU {:.0} \
             %.",
            who::with_pid("the server", pid),
            ran * 100.0,
            waited * 100.0
        ))
        .lines(cpu_waits::told("The server", pid, &group.evidence.host))
        .lines(at_server::queue_told(group))
        .line(at_server::ended_told(group))
        .into()
}
