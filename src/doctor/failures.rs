//! Rule `dns_failure_rate`: too many queries get no usable end.

use super::error_answers::error_answers;
use super::finding::Finding;
use super::finding::Severity;
use super::fix::Fix;
use super::own::Own;
use super::patient::Patient;
use super::patient::small_sample;
use super::suspect::Pattern;
use super::trouble::Trouble;
use crate::attempt::Outcome;
use crate::collect::Figures;
use crate::collect::OutcomeTotals;
use crate::collect::Snapshot;
use crate::shell::Command;
use crate::thresholds::FAILURE_CRITICAL_PERCENT;
use crate::thresholds::FAILURE_WARNING_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

const RULE: &str = "dns_failure_rate";

/// How bad it is if so many attempts fail.
pub(super) fn judge(figures: &Figures) -> Option<Severity> {
    let (failed, queries) = (figures.outcomes.failed(), figures.queries());
    let exceeds = |percent| u128::from(failed) * 100 > u128::from(queries) * u128::from(percent);
    if failed < FAILURES_MIN || !exceeds(FAILURE_WARNING_PERCENT) {
        None
    } else if exceeds(FAILURE_CRITICAL_PERCENT) && queries >= SAMPLE_MIN {
        Some(Severity::Critical)
    } else {
        Some(Severity::Warning)
    }
}

fn threshold(severity: Severity) -> f64 {
    let percent = match severity {
        Severity::Critical => FAILURE_CRITICAL_PERCENT,
        _ => FAILURE_WARNING_PERCENT,
    };
    percent as f64
}

fn value(failed: u64, queries: u64) -> f64 {
    (units::ratio(failed, queries) * 1e5).round() / 1e3
}

/// The finding, if the client side fails too often.
pub(super) fn check(snapshot: &Snapshot) -> Option<Finding> {
    let figures = &snapshot.client;
    let severity = judge(figures)?;
    let (failed, queries) = (figures.outcomes.failed(), figures.queries());
    let patient = Patient::examine(Trouble::Failed, snapshot);
    let share = units::percent(failed, queries);
    Some(Finding {
        rule: RULE,
        severity,
        title: format!(
            "{share} of DNS queries{} fail{}",
            patient.only_server("to"),
            patient.place()
        ),
        cause: cause(&patient),
        impact: impact(figures),
        hit_hardest: patient.hit_hardest(),
        evidence: evidence(&patient),
        fix: fix(&patient),
        value: value(failed, queries),
        threshold: threshold(severity),
        unit: "percent",
        scope: patient.subject(),
        queries: failed,
    })
}

/// The finding about one that fails too often by its own attempts.
pub(super) fn of_one(own: &Own<'_>, severity: Severity) -> Finding {
    let figures = &*own.party.figures;
    let (failed, queries) = (figures.outcomes.failed(), figures.queries());
    let mut cause = why(&figures.outcomes);
    if own.stands_out() {
        cause += &format!(
            " The rest of this host fares better, so look first at what only {} has: its network \
             policy, network namespace and resolver settings.",
            own.party.name()
        );
    }
    Finding {
        rule: RULE,
        severity,
        title: own.told(),
        cause,
        impact: impact(figures),
        hit_hardest: Some(own.share_told()),
        evidence: std::iter::once(how_they_ended(figures))
            .chain(own.evidence())
            .chain(more_evidence(figures))
            .collect(),
        fix: fix_of_one(own),
        value: value(failed, queries),
        threshold: threshold(severity),
        unit: "percent",
        scope: own.subject(),
        queries: failed,
    }
}

fn evidence(patient: &Patient<'_>) -> Vec<String> {
    let figures = &patient.snapshot.client;
    std::iter::once(how_they_ended(figures))
        .chain(patient.evidence())
        .chain(more_evidence(figures))
        .collect()
}

fn how_they_ended(figures: &Figures) -> String {
    let failed = Trouble::Failed.told(figures.outcomes.failed(), figures.queries());
    format!("{failed}: {}.", ends(&figures.outcomes))
}

fn more_evidence(figures: &Figures) -> Vec<String> {
    let mut lines = Vec::new();
    if figures.outcomes.late > 0 {
        lines.push(format!(
            "Late answers came up to {} after their query, when nobody waited any more.",
            units::duration(figures.latest_ns)
        ));
    }
    if figures.answered_after_resend > 0 {
        lines.push(format!(
            "{} answered only when the program asked again; it had waited up to {} by then.",
            units::counted(figures.answered_after_resend, "query was", "queries were"),
            units::duration(figures.longest_wait_ns)
        ));
    }
    lines.extend(error_answers(figures));
    lines.extend(small_sample(figures.queries(), "queries"));
    lines
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

/// The outcome that at least half of the failures have.
fn main_outcome(outcomes: &OutcomeTotals) -> Option<Outcome> {
    let half = outcomes.failed().div_ceil(2);
    [
        (outcomes.refused, Outcome::Refused),
        (outcomes.dropped, Outcome::Dropped),
        (outcomes.late, Outcome::Late),
        (outcomes.unanswered, Outcome::Unanswered),
    ]
    .into_iter()
    .find(|(n, _)| *n >= half)
    .map(|(_, outcome)| outcome)
}

fn cause(patient: &Patient<'_>) -> String {
    let mut cause = why(&patient.snapshot.client.outcomes);
    match patient.server.as_ref().map(|suspect| suspect.pattern) {
        Some(Pattern::One) => {
            cause += " The other servers are fine, so it is that server or the way to it.";
        }
        Some(Pattern::Several) => {
            cause += " Several servers are affected, so look first at what they share: this \
                      host's network, its firewall, or a common upstream.";
        }
        Some(Pattern::Only) | None => {}
    }
    if patient
        .process
        .as_ref()
        .is_some_and(|suspect| suspect.pattern == Pattern::One)
    {
        cause += " Other processes are fine, so look at that one's network policy, network \
                  namespace and resolver settings.";
    }
    cause
}

/// What the main way of failing means.
fn why(outcomes: &OutcomeTotals) -> String {
    let mut cause = match main_outcome(outcomes) {
        Some(Outcome::Refused) => {
            "The other end refuses: its host can be reached, but nothing listens on that port, or \
             a firewall there rejects the query."
        }
        Some(Outcome::Dropped) => {
            "This host's own kernel discards the queries or their answers: a firewall rule, a full \
             table or a full socket buffer. Each query's reason is in `kerno watch --failed`."
        }
        Some(Outcome::Late) => {
            "The server does answer, but after its clients have given up: it is overloaded, or it \
             waits for its own upstream servers."
        }
        Some(_) => {
            "The queries leave this host and no answer comes back in time. Either the server is \
             down or overloaded, or the query or its answer is lost on the way; which of these it \
             is, the figures alone do not tell."
        }
        None => "More than one thing goes wrong at once; the evidence has each with its count.",
    }
    .to_owned();
    if outcomes.late > 0 && outcomes.unanswered >= outcomes.late {
        cause += " That some answers came late speaks for an overloaded server.";
    }
    cause
}

fn impact(figures: &Figures) -> String {
    let outcomes = &figures.outcomes;
    if outcomes.refused > outcomes.failed() / 2 {
        "A refused query fails at once if the program's resolver notices (glibc does), else it \
         waits as if nothing had come back (musl). Then it asks again, or the lookup fails."
            .to_owned()
    } else {
        format!(
            "{} its program wait until the resolver gives up (glibc after 5 s, musl after 2.5 s). \
             Then it asks again, or the lookup fails and with it the connection.",
            units::counted(
                outcomes.failed(),
                "failed query made",
                "failed queries each made"
            )
        )
    }
}

fn fix(patient: &Patient<'_>) -> Vec<String> {
    let outcomes = &patient.snapshot.client.outcomes;
    let mut steps = Fix::default().run("Ask the worst server yourself:", patient.dig());
    let process = patient
        .process
        .as_ref()
        .filter(|suspect| suspect.is_alone());
    if let Some(pid) = process.and_then(|suspect| suspect.row.pid) {
        steps = steps.run(
            "If the process runs in a container, ask from its network, as it does:",
            Command::new("nsenter -t")
                .word(pid.to_string())
                .and("-n")
                .then(patient.dig()),
        );
    }
    steps = match patient.own_server() {
        Some(address) => steps.run(
            "The server is on this host; see whether it listens:",
            Command::new("ss -lntup").word(format!("sport = :{}", address.port())),
        ),
        None if outcomes.refused > outcomes.failed() / 2 => steps.say(
            "Start the DNS server there, or take its address out of resolv.conf: \
             `grep nameserver /etc/resolv.conf`",
        ),
        None => steps.say(
            "If it stays silent, check that server's load and the firewalls between; until it \
             answers, take it out of resolv.conf: `grep nameserver /etc/resolv.conf`",
        ),
    };
    steps
        .run(
            "See each failing query as it happens:",
            patient.watch("--failed"),
        )
        .into_steps()
}

fn fix_of_one(own: &Own<'_>) -> Vec<String> {
    Fix::default()
        .run("Ask the server yourself, from its network:", own.dig())
        .say(
            "If the server is silent for you, too, check its load and the firewalls between; if it \
             answers you, compare the workload's resolver settings with those of a program that \
             works.",
        )
        .run(
            "See each failing query as it happens:",
            own.party.watch("--failed"),
        )
        .into_steps()
}
