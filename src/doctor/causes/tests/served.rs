//! What other hosts feel of a server of this one.

use super::servers::RESOLVER;
use super::servers::overloaded;
use super::servers::quota;
use super::servers::server;
use super::*;
use crate::sampler::Quota;

/// What a server here did for other hosts: 40 queries, of which so many came late and so many
/// were not answered.
fn served_others(slow: u64, unanswered: u64, quota: Option<Quota>) -> Vec<Finding> {
    let views = (0..40).map(|n| {
        let (outcome, took) = match n {
            n if n < slow => (Outcome::Answered, 300 * MS),
            n if n < slow + unanswered => (Outcome::Unanswered, 5_000 * MS),
            _ => (Outcome::Answered, MS),
        };
        let mut client = attempt(n, SERVER, outcome);
        client.local = format!("10.1.0.{}:{}", n % 4, 30_000 + n)
            .parse()
            .expect("an address");
        at_server(&client, RESOLVER, outcome, took)
    });
    let mut story = Story::default().with(views);
    story.host.servers.insert(RESOLVER, server(quota, 0.2, 0.0));
    served(&story.evidence(), &[])
}

#[test]
fn a_limit_that_hurts_other_hosts_only_is_a_finding() {
    let found = served_others(6, 2, Some(quota(90)));
    let [finding] = &found[..] else {
        panic!("{found:#?}")
    };
    assert_eq!(finding.rule.name(), "dns_server_throttled");
    assert_eq!((finding.severity, finding.queries), (Severity::Critical, 8));
    assert_eq!(finding.scope.role, Role::Server);
    assert_eq!(finding.scope.pid, Some(RESOLVER));
    let all = finding.evidence.join("\n");
    for part in [
        "was stopped in 90 of 100 quota periods, for 5.0 s in all. It may use 0.20 of a core.",
        "Of 40 queries that other addresses asked, 6 were answered later than 100 ms, and 2 not at all.",
        "These came from 10.1.0.0 (2), 10.1.0.1 (2), 10.1.0.2 (2) and 1 more.",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    assert!(
        finding.fix.iter().any(|it| it.contains("CPU limit")),
        "{finding:#?}"
    );
    // Few of many, a limit that hardly ever runs out, none.
    assert!(served_others(2, 0, Some(quota(90))).is_empty());
    assert!(served_others(6, 2, Some(quota(3))).is_empty());
    assert!(served_others(6, 2, None).is_empty());
    // Its clients on this host have told of it.
    let both = overloaded(server(Some(quota(90)), 0.2, 0.0));
    let told = overloaded(server(Some(quota(90)), 0.2, 0.0))
        .explain()
        .findings;
    assert!(served(&both.evidence(), &told).is_empty());
    // What they felt is theirs: all views have an incident.
    assert!(served(&both.evidence(), &[]).is_empty());
}

/// Given up on, and answered after all: two views of one exchange.
#[test]
fn an_answer_that_comes_late_is_no_query_of_another_host() {
    let late = |is_of_this_host: bool| {
        let mut story = Story::default();
        for n in 0..40 {
            let client = attempt(n, SERVER, Outcome::Unanswered);
            let given_up = at_server(&client, RESOLVER, Outcome::Unanswered, 2_000 * MS);
            let answered = at_server(&client, RESOLVER, Outcome::Late, 3_000 * MS);
            story = story.with([given_up]);
            story = story.with(is_of_this_host.then_some(client));
            story = story.with([answered]);
        }
        let limited = server(Some(quota(90)), 0.2, 0.0);
        story.host.servers.insert(RESOLVER, limited);
        served(&story.evidence(), &[])
    };
    assert_eq!(late(true), []);
    let found = late(false);
    assert_eq!((found.len(), found[0].queries), (1, 40));
    let told = found[0].evidence.join("\n");
    assert!(
        told.contains("Of 40 queries that other addresses asked, 40 were answered later"),
        "{told}"
    );
    assert!(told.contains("and 0 not at all"), "{told}");
}
