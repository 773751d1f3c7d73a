//! Rule `dns_failure_rate`: too many queries get no usable end.

use domain::base::iana::OptRcode;

use super::breakdown::Breakdown;
use super::commands;
use super::explanation::Explanation;
use super::explanation::USUAL_WAIT;
use super::metric::Metric;
use super::outlier::Pattern;
use super::own::Own;
use crate::attempt::names;
use crate::collect::Figures;
use crate::collect::OutcomeTotals;
use crate::thresholds::ERROR_ANSWERS_MIN;
use crate::thresholds::ERROR_ANSWERS_PERCENT;
use crate::units;

/// What is said if the client side fails too often.
pub(super) fn of_host(breakdown: &Breakdown<'_>) -> Explanation {
    let figures = &breakdown.snapshot.client;
    let title = format!(
        "{} of DNS queries{} fail{}",
        units::percent(figures.outcomes.failed(), figures.queries()),
        breakdown.only_server("to"),
        breakdown.place()
    );
    let process = breakdown.process.as_ref().filter(|it| it.is_alone());
    let inside = process.and_then(|it| it.row.whom.pid);
    let inside = inside.map(|pid| commands::in_netns_of(pid, breakdown.dig()));
    explanation(title, figures, breakdown.evidence())
        .causes(where_to_look(breakdown))
        .run("Ask the worst server yourself:", breakdown.dig())
        .run(
            "If the process runs in a container, ask from its network, as it does:",
            inside.unwrap_or_default(),
        )
        .with(|it| match breakdown.own_server() {
            Some(address) => it.run(
                "The server is on this host; see if it listens:",
                commands::sockets("ss -lntup", address.port()),
            ),
            None if figures.outcomes.refused > figures.outcomes.failed() / 2 => it.say(
                "Start the DNS server there, or take its address out of resolv.conf: `grep \
                 nameserver /etc/resolv.conf`",
            ),
            None => it.say(
                "If it does not answer you, check that server's load and the firewalls between. \
                 Until it answers, take it out of resolv.conf: `grep nameserver /etc/resolv.conf`",
            ),
        })
        .run(WATCH, breakdown.watch("--failed"))
}

/// The same of one that fails too often by its own attempts.
pub(super) fn of_one(own: &Own<'_>) -> Explanation {
    let apart = own.stands_out().then(|| {
        format!(
            "The rest of this host has fewer failures, so look first at what only {} has: its \
             network policy, network namespace and resolver settings.",
            own.party.name()
        )
    });
    explanation(own.told(), &own.party.figures, own.evidence())
        .causes(apart.as_deref())
        .run("Ask the server yourself, from its network:", own.dig())
        .say(
            "If the server does not answer you either, check its load and the firewalls between. \
             If it does, compare the workload's resolver settings with those of a program that \
             works.",
        )
        .run(WATCH, own.party.watch("--failed"))
}

/// What is said of the host and of one alike; `whose` is the evidence that only one
/// of them has.
fn explanation(
    title: String,
    figures: &Figures,
    whose: impl IntoIterator<Item = String>,
) -> Explanation {
    let outcomes = &figures.outcomes;
    let failed = Metric::Failed.told(Metric::Failed.share(figures));
    let late = (outcomes.late > 0).then(|| {
        format!(
            "Late answers came up to {} after their query, when nobody waited any more.",
            units::duration(figures.latest_ns)
        )
    });
    let resent = (figures.answered_after_resend > 0).then(|| {
        format!(
            "{} answered only when the program asked again; it had waited up to {} by then.",
            units::counted(figures.answered_after_resend, "query was", "queries were"),
            units::duration(figures.longest_wait_ns)
        )
    });
    Explanation::of(title, why(outcomes), impact(figures))
        .line(format!("{failed}: {}.", ends(outcomes)))
        .lines(whose)
        .lines(late)
        .lines(resent)
        .lines(error_answers(figures))
        .lines(Metric::Failed.small_sample(figures))
}

/// Answers that are no help, if they are notable: they do not count as failed, but who asks whether DNS works wants to know of them all the same.
fn error_answers(figures: &Figures) -> Option<String> {
    let answers: u64 = figures.rcodes.values().sum();
    let is_error = |rcode: &OptRcode| !matches!(*rcode, OptRcode::NOERROR | OptRcode::NXDOMAIN);
    let notable: Vec<_> = figures
        .rcodes
        .iter()
        .filter_map(|(rcode, n)| Some((*n, names::rcode(rcode.filter(is_error)?))))
        .filter(|(n, _)| *n >= ERROR_ANSWERS_MIN && *n * 100 > answers * ERROR_ANSWERS_PERCENT)
        .map(|(n, name)| {
            let share = units::percent(n, answers);
            format!("{} were {name} ({share})", units::count(n))
        })
        .collect();
    (!notable.is_empty()).then(|| {
        format!(
            "Of the {} that came, {}.",
            units::counted(answers, "answer", "answers"),
            notable.join(" and ")
        )
    })
}

/// `180 without an answer in time, 10 refused`
fn ends(outcomes: &OutcomeTotals) -> String {
    let ends = [
        (outcomes.unanswered, "without an answer in time"),
        (outcomes.late, "answered too late"),
        (outcomes.refused, "refused"),
        (outcomes.dropped, "discarded by this host's kernel"),
    ];
    let told: Vec<_> = ends
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, how)| format!("{} {how}", units::count(*n)))
        .collect();
    told.join(", ")
}

fn where_to_look(breakdown: &Breakdown<'_>) -> impl Iterator<Item = &'static str> {
    let server = match breakdown.server.as_ref().map(|it| it.pattern) {
        Some(Pattern::One) => Some(
            "The other servers have few failures or none, so look at that server and the way to \
             it.",
        ),
        Some(Pattern::Several) => Some(
            "Several servers are affected, so look first at what they share: this host's network, \
             its firewall, or a common upstream.",
        ),
        Some(Pattern::Only) | None => None,
    };
    let process = breakdown.stands_out().map(|_| {
        "Other processes have few failures or none, so look at that one's network policy, network \
         namespace and resolver settings."
    });
    server.into_iter().chain(process)
}

/// What that way of failing means which at least half of the failures have.
fn why(outcomes: &OutcomeTotals) -> String {
    let half = outcomes.failed().div_ceil(2);
    let ways = [
        (
            outcomes.refused,
            "The other end refuses: nothing listens on that port, or a firewall rejects the query.",
        ),
        (
            outcomes.dropped,
            "This host's own kernel discards the queries or their answers: a firewall rule, a full \
             table or a full socket buffer. `kerno watch --failed` has the reason of each.",
        ),
        (
            outcomes.late,
            "The server does answer, but after its clients have given up: it is overloaded, or it \
             waits for its own upstream servers.",
        ),
        (
            outcomes.unanswered,
            "The queries leave this host and no answer comes back in time. The server is down or \
             overloaded, or the query or its answer is lost on the way; these figures cannot tell \
             which.",
        ),
    ];
    let main = ways.into_iter().find(|(n, _)| *n >= half);
    let why = main.map_or(
        "Queries fail in more than one way; the evidence has each with its count.",
        |(_, why)| why,
    );
    match outcomes.late > 0 && outcomes.unanswered >= outcomes.late {
        true => format!("{why} Some answers came late, which points to an overloaded server."),
        false => why.to_owned(),
    }
}

fn impact(figures: &Figures) -> String {
    let lookups = &figures.lookups;
    if lookups.count > 0 {
        return format!(
            "{} of {} failed; all together they lost {} by messages that led to nothing or took long.",
            units::count(lookups.failed),
            units::counted(lookups.count, "lookup", "lookups"),
            units::duration(lookups.lost_ns)
        );
    }
    match figures.outcomes.refused > figures.outcomes.failed() / 2 {
        true => "glibc asks again at once when it is refused; musl waits as if no answer came."
            .to_owned(),
        false => USUAL_WAIT.to_owned(),
    }
}

const WATCH: &str = "See each failed query as it happens:";
