//! Rule `dns_high_latency`: answers come, but they take too long.

use super::finding::Finding;
use super::finding::Severity;
use super::fix::Fix;
use super::own::Own;
use super::patient::Patient;
use super::patient::process_name;
use super::patient::small_sample;
use super::suspect::Pattern;
use super::trouble::Trouble;
use crate::collect::Figures;
use crate::collect::LatencyFigures;
use crate::collect::RESEND_NS;
use crate::collect::Snapshot;
use crate::shell::Command;
use crate::thresholds::LATENCY_CRITICAL_NS;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::LOAD_PERCENT;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

const RULE: &str = "dns_high_latency";

/// How bad it is if answers take so long.
pub(super) fn judge(figures: &Figures) -> Option<Severity> {
    let p99_ns = figures.latency.as_ref()?.p99_ns;
    if p99_ns <= LATENCY_WARNING_NS {
        None
    } else if p99_ns > LATENCY_CRITICAL_NS && figures.outcomes.answered >= SAMPLE_MIN {
        Some(Severity::Critical)
    } else {
        Some(Severity::Warning)
    }
}

fn threshold(severity: Severity) -> f64 {
    let ns = match severity {
        Severity::Critical => LATENCY_CRITICAL_NS,
        _ => LATENCY_WARNING_NS,
    };
    ns as f64 / 1e6
}

fn value(latency: &LatencyFigures) -> f64 {
    (latency.p99_ns as f64 / 1e3).round() / 1e3
}

/// The finding, if the client side waits too long.
pub(super) fn check(snapshot: &Snapshot) -> Option<Finding> {
    let severity = judge(&snapshot.client)?;
    let latency = snapshot.client.latency.as_ref()?;
    let patient = Patient::examine(Trouble::Slow, snapshot);
    let shape = Shape::of(latency);
    Some(Finding {
        rule: RULE,
        severity,
        title: title(latency, shape, &patient),
        cause: cause(latency, shape, &patient),
        impact: impact(latency),
        hit_hardest: patient.hit_hardest(),
        evidence: evidence(latency, &patient),
        fix: fix(&patient),
        value: value(latency),
        threshold: threshold(severity),
        unit: "ms",
        scope: patient.subject(),
        queries: snapshot.client.slower_than(LATENCY_WARNING_NS),
    })
}

/// The finding about one that waits too long by its own answers.
pub(super) fn of_one(own: &Own<'_>, severity: Severity) -> Option<Finding> {
    let figures = &*own.party.figures;
    let latency = figures.latency.as_ref()?;
    let mut cause = why(latency, Shape::of(latency), true);
    if own.stands_out() {
        cause += &format!(
            " The rest of this host gets its answers faster, so look first at what only {} has: \
             the servers and names that it asks, and the way there.",
            own.party.name()
        );
    }
    let steps = Fix::default()
        .run(
            "Ask the server yourself, from its network, twice; a fast second answer means that its \
             cache is fine and its upstream slow:",
            own.dig(),
        )
        .run(
            "See each slow answer as it comes:",
            own.party.watch("--slower-than 100ms"),
        );
    let mut evidence = figures_told(figures, latency);
    evidence.extend(own.evidence());
    evidence.extend(resends(latency));
    evidence.extend(small_sample(figures.outcomes.answered, "answers"));
    Some(Finding {
        rule: RULE,
        severity,
        title: format!(
            "{}, the slowest took {}",
            own.told(),
            units::duration(latency.max_ns)
        ),
        cause,
        impact: impact(latency),
        hit_hardest: Some(own.share_told()),
        evidence,
        fix: steps.into_steps(),
        value: value(latency),
        threshold: threshold(severity),
        unit: "ms",
        scope: own.subject(),
        queries: figures.slower_than(LATENCY_WARNING_NS),
    })
}

fn impact(latency: &LatencyFigures) -> String {
    format!(
        "Programs look a name up before they connect, so each slow answer delays them by {} to \
         {}; a page or job that needs several names waits for them one after the other.",
        units::duration(LATENCY_WARNING_NS),
        units::duration(latency.max_ns)
    )
}

/// What the distribution looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// At least half of the slow ones took about the time after which resolvers
    /// resend (an index into [`RESEND_NS`]).
    Resends(usize),
    /// Half of all answers are slow.
    All,
    /// Most are fast, some are slow.
    Tail,
}

impl Shape {
    fn of(latency: &LatencyFigures) -> Self {
        let slow = latency.spread.longer_than(LATENCY_WARNING_NS);
        let resends = latency.near_resend.iter().position(|&n| n * 2 >= slow);
        match resends {
            Some(at) => Self::Resends(at),
            None if latency.p50_ns > LATENCY_WARNING_NS => Self::All,
            None => Self::Tail,
        }
    }
}

fn title(latency: &LatencyFigures, shape: Shape, patient: &Patient<'_>) -> String {
    let (from, place) = (patient.only_server("from"), patient.place());
    match shape {
        Shape::All => format!(
            "DNS answers{from} are slow: half take {} or more{place}",
            units::duration(latency.p50_ns)
        ),
        _ => format!(
            "Some DNS answers{from} are slow: 1 in 100 takes {} or more{place}",
            units::duration(latency.p99_ns)
        ),
    }
}

fn evidence(latency: &LatencyFigures, patient: &Patient<'_>) -> Vec<String> {
    let client = &patient.snapshot.client;
    let mut lines = figures_told(client, latency);
    lines.extend(patient.evidence());
    lines.extend(resends(latency));
    lines.extend(load(patient.snapshot));
    lines.extend(own_view(patient));
    lines.extend(small_sample(client.outcomes.answered, "answers"));
    lines
}

/// How long the answers took.
fn figures_told(figures: &Figures, latency: &LatencyFigures) -> Vec<String> {
    let slow = latency.spread.longer_than(LATENCY_WARNING_NS);
    let told = Trouble::Slow.told(slow, figures.outcomes.answered);
    vec![
        format!(
            "99 % of answers came within {} (P99), 95 % within {}, half within {}; the slowest \
             took {}.",
            units::duration(latency.p99_ns),
            units::duration(latency.p95_ns),
            units::duration(latency.p50_ns),
            units::duration(latency.max_ns)
        ),
        format!(
            "{told}, which means longer than {}.",
            units::duration(LATENCY_WARNING_NS)
        ),
    ]
}

/// Answers that took as long as resolvers wait before they ask again.
fn resends(latency: &LatencyFigures) -> impl Iterator<Item = String> {
    let near = RESEND_NS.into_iter().zip(latency.near_resend);
    near.filter(|(_, near)| *near > 0).map(|(resend_ns, near)| {
        format!(
            "{} about {} or a little longer, the time after which {}.",
            units::counted(near, "answer took", "answers took"),
            units::duration(resend_ns),
            who_resends(resend_ns)
        )
    })
}

/// Source: resolv.conf(5), musl's `res_msend.c`, CoreDNS's forward plugin.
fn who_resends(resend_ns: u64) -> &'static str {
    match resend_ns {
        2_000_000_000 => "CoreDNS's forward plugin gives up on its upstream",
        2_500_000_000 => "musl sends a query again",
        _ => "glibc and many forwarders send a query again",
    }
}

/// The process that makes most of the load, if there are several.
fn load(snapshot: &Snapshot) -> Option<String> {
    let busiest = snapshot.by_process.first()?;
    let (own, all) = (busiest.figures.queries(), snapshot.client.queries());
    (own < all && own * 100 > all * LOAD_PERCENT).then(|| {
        format!(
            "{} sends most of the load: {} of {} ({}).",
            process_name(busiest),
            units::count(own),
            units::counted(all, "query", "queries"),
            units::percent(own, all)
        )
    })
}

/// The figures of the server on this host, if they can be those of the worst
/// server: it is on a loopback address, and most of its queries were seen there.
fn server_latency<'a>(patient: &Patient<'a>) -> Option<&'a LatencyFigures> {
    patient.own_server()?;
    let asked = patient.server.as_ref()?.row.figures.queries();
    let server_side = &patient.snapshot.server_side;
    server_side
        .latency
        .as_ref()
        .filter(|_| server_side.queries() * 2 > asked)
}

/// What the DNS server on this host sees of the same queries, if it is the one.
fn own_view(patient: &Patient<'_>) -> Option<String> {
    let latency = server_latency(patient)?;
    Some(format!(
        "The DNS server on this host answers 99 % within {} of a query's arrival at its socket, \
         half within {}.",
        units::duration(latency.p99_ns),
        units::duration(latency.p50_ns)
    ))
}

/// What the shape means.
fn why(latency: &LatencyFigures, shape: Shape, may_be_far: bool) -> String {
    match shape {
        Shape::Resends(at) => format!(
            "The slow answers gather at {}: a resolver in between got no answer, waited out its \
             timeout and asked again. So queries are being lost or ignored behind the server that \
             is asked, which of the two the figures do not tell.",
            units::duration(RESEND_NS[at])
        ),
        Shape::All => format!(
            "Not just a few: half of all answers take {} or more. Either the server gets more \
             queries than it can answer and they queue up, or its own upstream is slow{}; which \
             of these it is, the figures alone do not tell.",
            units::duration(latency.p50_ns),
            if may_be_far {
                ", or it is far away"
            } else {
                ""
            }
        ),
        Shape::Tail => format!(
            "Most answers are fast (half within {}), some are slow. That is what it looks like \
             when names that are not cached have to be fetched from a slow upstream, or when the \
             server has short spells of overload; which of these it is, the figures do not tell.",
            units::duration(latency.p50_ns)
        ),
    }
}

fn cause(latency: &LatencyFigures, shape: Shape, patient: &Patient<'_>) -> String {
    let mut cause = why(latency, shape, patient.own_server().is_none());
    if let Some(own) = server_latency(patient) {
        cause += if own.p99_ns >= latency.p99_ns / 2 {
            " The DNS server on this host takes that long itself, its own queue included: the \
             time is lost there or behind it, not on the way to it."
        } else {
            " The DNS server on this host is faster than that: the time is lost on the way to \
             it or back."
        };
    }
    match patient.server.as_ref().map(|suspect| suspect.pattern) {
        Some(Pattern::One) => cause += " Other servers answer faster, so it is that one.",
        Some(Pattern::Several) => {
            cause += " Several servers are slow, so look also at what they share: the network, \
                      or a common upstream.";
        }
        Some(Pattern::Only) | None => {}
    }
    cause
}

fn fix(patient: &Patient<'_>) -> Vec<String> {
    let mut steps = Fix::default().run(
        "Ask the slowest server yourself, twice; a fast second answer means that its cache is fine \
         and its upstream slow:",
        patient.dig(),
    );
    if let Some(address) = patient.own_server() {
        steps = steps.run(
            "The server is on this host; a Recv-Q that stays above 0 means that it cannot keep up:",
            Command::new("ss -lunpm").word(format!("sport = :{}", address.port())),
        );
    }
    let load = match load(patient.snapshot) {
        Some(_) => {
            "Make the process that sends most of the load ask less: a cache in it or on this host, \
             fewer search domains (ndots)."
        }
        None => {
            "Give the server more CPU or more replicas if it is busy, or put a cache in front of \
             it on this host."
        }
    };
    steps
        .say(load)
        .run(
            "See each slow answer as it comes:",
            patient.watch("--slower-than 100ms"),
        )
        .into_steps()
}
