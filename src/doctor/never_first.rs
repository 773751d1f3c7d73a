//! Servers that are asked beside others and never answer: nobody waits for them, so nothing
//! fails.

use std::net::SocketAddr;

use super::commands;
use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::rule::Rule;
use crate::collect::Figures;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::sampler::ResolvConf;
use crate::shell::Command;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

/// A note on each of them, unless a finding speaks of it already.
pub(super) fn check(
    snapshot: &Snapshot,
    evidence: &Evidence,
    findings: &[Finding],
) -> Vec<Finding> {
    // Where something cannot be seen, it may be the answers that came second.
    if !evidence.unseen.is_empty() {
        return Vec::new();
    }
    let is_told = |server: SocketAddr| {
        let mut servers = findings.iter().filter_map(|it| it.scope.server);
        servers.any(|it| (it.ip, it.port) == (server.ip(), server.port()))
    };
    let rows = snapshot.by_server.rows.iter();
    rows.filter(|row| is_silent(row.whom, &row.figures, evidence) && !is_told(row.whom))
        .map(|row| note(row.whom, row.figures.outcomes.superseded, evidence))
        .collect()
}

/// Asked often, beside others that answered, and no answer of its own came: not first, and not
/// after another one's.
fn is_silent(server: SocketAddr, figures: &Figures, evidence: &Evidence) -> bool {
    let asked = evidence.tallies.asked_by_all(server);
    figures.outcomes.superseded >= SAMPLE_MIN
        && figures.outcomes.failed() < FAILURES_MIN
        && figures.outcomes.answered == 0
        && asked.all.answered == 0
        && asked.came_second.is_never()
}

fn note(server: SocketAddr, superseded: u64, evidence: &Evidence) -> Finding {
    // A client that has it on its list, a living one if there is any.
    let has_it = |conf: &ResolvConf| conf.nameservers.contains(&server.ip());
    let clients = evidence.host.clients.values();
    let listed = clients.filter(|it| it.resolv_conf.as_ref().is_some_and(has_it));
    let client = listed.min_by_key(|it| it.ended);
    let netns = client.and_then(|it| it.netns);
    let conf = client.and_then(|it| it.resolv_conf.as_ref());
    let grep = Command::new("grep -n nameserver");
    let own = grep.clone().and("/etc/resolv.conf");
    let explanation = Explanation::of(
        format!("The nameserver {server} never answers; others that are asked at the same moment do"),
        format!(
            "Programs sent the same question to {server} and to other servers at once, as musl does, and \
             took the answer of another one. That server is down, or the way to it is cut."
        ),
        "Nobody waits for it: these lookups had their answer. If the others fail, it is no help; and \
         glibc, which asks one server after the other, would wait for it.",
    )
    .line(format!(
        "{} to it were answered by another server first, and none by {server}, in time or later.",
        units::queries(superseded)
    ))
    .run(
        "See if it answers:",
        commands::within(evidence, netns, commands::dig_root(server, false)),
    )
    .run(
        "If not, take it out of the list:",
        match conf {
            Some(conf) => grep.word(conf.path.as_path()).or(own),
            None => own,
        },
    );
    let measured = Measured::queries(superseded);
    Finding {
        scope: Subject::default().of_server(Some(server)),
        ..explanation.finding(Rule::DeadServer, Severity::Info, measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Attempt;
    use crate::attempt::Outcome;
    use crate::collect::Collector;
    use crate::incidents::Incidents;
    use crate::sample;
    use crate::sample::MS;
    use crate::sampler::HostSample;
    use std::time::Duration;

    const FAST: &str = "10.0.0.10:53";
    const SILENT: &str = "10.0.0.11:53";

    /// So many lookups that asked both at once.
    fn both(number: u64, came_second: u64, more: &[Attempt], unseen: &[&str]) -> Vec<Finding> {
        let mut collector = Collector::default();
        let mut incidents = Incidents::default();
        let pair = |_| {
            let at = |server, outcome| sample::attempt(("wget", 7), server, outcome, MS);
            [at(FAST, Outcome::Answered), at(SILENT, Outcome::Superseded)]
        };
        let mut netns = 0;
        for attempt in (0..number).flat_map(pair).chain(more.iter().cloned()) {
            netns = attempt.owner.netns;
            collector.record(&attempt);
            incidents.record(&attempt, true);
        }
        if came_second > 0 {
            let way = (netns, SILENT.parse().expect("an address"));
            incidents.record_came_second(way, came_second);
        }
        let unseen = unseen.iter().map(ToString::to_string).collect();
        let window = Duration::from_secs(30);
        let evidence = incidents.close(HostSample::default(), window, unseen);
        check(&collector.snapshot(), &evidence, &[])
    }

    #[test]
    fn who_never_answers_is_told_of_though_nobody_waits_for_it() {
        let found = both(20, 0, &[], &[]);
        assert_eq!(found.len(), 1, "{found:#?}");
        let found = &found[0];
        assert_eq!(
            (found.rule, found.severity),
            (Rule::DeadServer, Severity::Info)
        );
        assert!(
            found.title.contains("10.0.0.11:53 never answers"),
            "{found:#?}"
        );
        assert!(found.evidence[0].starts_with("20 queries to it were answered by another"));
        assert_eq!((found.queries, found.lost_ns), (0, 0));
    }

    #[test]
    fn who_is_only_slower_is_not() {
        assert_eq!(both(20, 1, &[], &[]), []);
        let once = sample::attempt(("wget", 7), SILENT, Outcome::Answered, MS);
        assert_eq!(both(20, 0, &[once], &[]), []);
        // Too few, or too little to be seen here.
        assert_eq!(both(19, 0, &[], &[]), []);
        assert_eq!(both(20, 0, &[], &["discarded packets"]), []);
    }
}
