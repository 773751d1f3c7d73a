//! Rule `dns_high_latency`: answers come, but they take too long.

use super::breakdown::Breakdown;
use super::commands;
use super::explanation::Explanation;
use super::metric::Metric;
use super::outlier::Pattern;
use super::own::Own;
use super::who;
use crate::collect::Figures;
use crate::collect::LatencyFigures;
use crate::collect::RESEND_NS;
use crate::collect::Snapshot;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::LOAD_PERCENT;
use crate::units;

/// What is said if the client side waits too long.
pub(super) fn of_host(breakdown: &Breakdown<'_>) -> Option<Explanation> {
    let figures = &breakdown.snapshot.client;
    let latency = figures.latency.as_ref()?;
    let own = breakdown.own_server();
    let sockets = own.map(|address| commands::sockets("ss -lunpm", address.port()));
    let (half_is_slow, means) = shape(latency, own.is_none());
    Explanation::of(
        title(latency, half_is_slow, breakdown),
        means,
        impact(latency),
    )
    .causes(where_to_look(latency, breakdown))
    .lines(figures_told(figures, latency))
    .lines(breakdown.evidence())
    .lines(resends(latency))
    .lines(load(breakdown.snapshot))
    .lines(own_view(breakdown))
    .lines(Metric::Slow.small_sample(figures))
    .run(
        "Ask the slowest server yourself, twice. If only the first answer is slow, its cache works \
         and its upstream is slow:",
        breakdown.dig(),
    )
    .run(
        "The server is on this host. If Recv-Q stays above 0, it cannot keep up:",
        sockets.unwrap_or_default(),
    )
    .say(match load(breakdown.snapshot) {
        Some(_) => {
            "Make the process that sends most of the load ask less: a cache in it or on this host, \
             fewer search domains (ndots)."
        }
        None => {
            "Give the server more CPU or more replicas if it is busy, or put a cache in front of \
             it on this host."
        }
    })
    .run(WATCH, breakdown.watch("--slower-than 100ms"))
    .into()
}

/// The same of one that waits too long by its own answers.
pub(super) fn of_one(own: &Own<'_>) -> Option<Explanation> {
    let figures = &*own.party.figures;
    let latency = figures.latency.as_ref()?;
    let slowest = units::duration(latency.max_ns);
    let apart = own.stands_out().then(|| {
        format!(
            "The rest of this host gets its answers faster, so look first at what only {} has: the \
             servers and names that it asks, and the way there.",
            own.party.name()
        )
    });
    let title = format!("{}, the slowest took {slowest}", own.told());
    let (_, means) = shape(latency, true);
    Explanation::of(title, means, impact(latency))
        .causes(apart.as_deref())
        .lines(figures_told(figures, latency))
        .lines(own.evidence())
        .lines(resends(latency))
        .lines(Metric::Slow.small_sample(figures))
        .run(
            "Ask the server yourself, from its network, twice. If only the first answer is slow, \
             the server's cache works and its upstream is slow:",
            own.dig(),
        )
        .run(WATCH, own.party.watch("--slower-than 100ms"))
        .into()
}

const WATCH: &str = "See each slow answer as it comes:";

fn impact(latency: &LatencyFigures) -> String {
    format!(
        "Programs look a name up before they connect, so each slow answer delays them by {} to {}. \
         A page or job that needs several names waits for them one after the other.",
        units::duration(LATENCY_WARNING_NS),
        units::duration(latency.max_ns)
    )
}

/// Whether half of all answers are slow, or only some; and what it points to that they
/// are spread so.
fn shape(latency: &LatencyFigures, may_be_far: bool) -> (bool, String) {
    let half = units::duration(latency.p50_ns);
    let far = may_be_far.then_some(", or it is far away");
    let slow = latency.spread.longer_than(LATENCY_WARNING_NS);
    // At least half of them took about the time after which resolvers resend.
    let resend = latency.near_resend.iter().position(|&n| n * 2 >= slow);
    match resend {
        Some(at) => (
            false,
            format!(
                "The slow answers took about {}: so long resolvers wait before they ask again. It looks \
                 as if one on the way got no answer at first: queries are lost or ignored behind the \
                 server that is asked; these figures cannot tell which.",
                units::duration(RESEND_NS[at])
            ),
        ),
        None if latency.p50_ns > LATENCY_WARNING_NS => (
            true,
            format!(
                "Half of all answers take {half} or more. Either the server gets more queries than \
                 it can answer and they wait, or its own upstream is slow{}; these figures cannot \
                 tell which.",
                far.unwrap_or_default()
            ),
        ),
        None => (
            false,
            format!(
                "Most answers are fast (half within {half}), some are slow. Either names that are \
                 not cached come from a slow upstream, or the server is overloaded for short \
                 times; these figures cannot tell which.",
            ),
        ),
    }
}

fn title(latency: &LatencyFigures, half_is_slow: bool, breakdown: &Breakdown<'_>) -> String {
    let (from, place) = (breakdown.only_server("from"), breakdown.place());
    match half_is_slow {
        true => format!(
            "DNS answers{from} are slow: half take {} or more{place}",
            units::duration(latency.p50_ns)
        ),
        false => format!(
            "Some DNS answers{from} are slow: 1 in 100 takes {} or more{place}",
            units::duration(latency.p99_ns)
        ),
    }
}

fn figures_told(figures: &Figures, latency: &LatencyFigures) -> Vec<String> {
    let told = Metric::Slow.told(Metric::Slow.share(figures));
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

/// What each time of [`RESEND_NS`] is. Source: CoreDNS's forward plugin, musl's
/// `res_msend.c`, resolv.conf(5).
const WHO_RESENDS: [&str; RESEND_NS.len()] = [
    "CoreDNS's forward plugin gives up on its upstream",
    "musl sends a query again",
    "glibc and many forwarders send a query again",
];

/// Answers that took as long as resolvers wait before they ask again.
fn resends(latency: &LatencyFigures) -> impl Iterator<Item = String> {
    let near = latency.near_resend.into_iter().enumerate();
    near.filter(|(_, near)| *near > 0).map(|(at, near)| {
        format!(
            "{} about {} or a little longer, the time after which {}.",
            units::counted(near, "answer took", "answers took"),
            units::duration(RESEND_NS[at]),
            WHO_RESENDS[at]
        )
    })
}

/// The process that makes most of the load, if there are several.
fn load(snapshot: &Snapshot) -> Option<String> {
    let busiest = snapshot.by_process.rows.first()?;
    let (own, all) = (busiest.figures.queries(), snapshot.client.queries());
    (own < all && own * 100 > all * LOAD_PERCENT).then(|| {
        format!(
            "{} sends most of the load: {} of {} ({}).",
            who::process(busiest.whom.pid, busiest.whom.comm),
            units::count(own),
            units::queries(all),
            units::percent(own, all)
        )
    })
}

/// The figures of the server on this host, if they can be those of the worst
/// server: it is on a loopback address, and most of its queries were seen there.
fn server_latency<'a>(breakdown: &Breakdown<'a>) -> Option<&'a LatencyFigures> {
    breakdown.own_server()?;
    let asked = breakdown.server.as_ref()?.row.figures.queries();
    let server_side = &breakdown.snapshot.server_side;
    server_side
        .latency
        .as_ref()
        .filter(|_| server_side.queries() * 2 > asked)
}

/// What the DNS server on this host sees of the same queries, if it is the one.
fn own_view(breakdown: &Breakdown<'_>) -> Option<String> {
    let latency = server_latency(breakdown)?;
    Some(format!(
        "The DNS server on this host answers 99 % within {} of a query's arrival at its socket, \
         half within {}.",
        units::duration(latency.p99_ns),
        units::duration(latency.p50_ns)
    ))
}

/// Where the time is lost, and whose answers are slow.
fn where_to_look(
    latency: &LatencyFigures,
    breakdown: &Breakdown<'_>,
) -> impl Iterator<Item = &'static str> {
    let place = server_latency(breakdown).map(|own| match own.p99_ns >= latency.p99_ns / 2 {
        true => {
            "The DNS server on this host takes that long itself, with the time in its queue: look \
             at it and behind it, not at the way to it."
        }
        false => {
            "The DNS server on this host is faster than that: the time is lost on the way to it or \
             back."
        }
    });
    let server = match breakdown.server.as_ref().map(|it| it.pattern) {
        Some(Pattern::One) => Some("Other servers answer faster, so it is that one."),
        Some(Pattern::Several) => Some(
            "Several servers are slow, so look also at what they share: the network, or a common \
             upstream.",
        ),
        Some(Pattern::Only) | None => None,
    };
    place.into_iter().chain(server)
}
