//! One of several servers behind an address.

use super::contrasts::silent;
use super::*;
use crate::sampler::Flow;

const BEHIND: [&str; 3] = ["10.244.1.9:53", "10.244.2.9:53", "10.244.3.9:53"];

/// One in three is led to the last of them; these have no answer.
fn led(queries: u64, is_silent: impl Fn(u64) -> bool, is_led: impl Fn(u64) -> usize) -> Story {
    let mut story = Story::default();
    for n in 0..queries {
        let it = attempt(n, SERVER, Outcome::Answered);
        story.host.flows.push(Flow {
            netns: NODE,
            source: it.local,
            destination: it.peer,
            reply_source: address(BEHIND[is_led(n)]),
            is_replied: !is_silent(n),
        });
        story.attempts.push(match is_silent(n) {
            true => silent(it),
            false => it,
        });
    }
    story
}

pub(super) fn bad_replica() -> Story {
    led(60, |n| n % 3 == 2, |n| n as usize % 3)
}

#[test]
fn one_of_three_servers_behind_an_address_is_named() {
    let found = bad_replica().explain().findings.remove(0);
    assert_eq!((found.rule, found.queries), (Rule::BadReplica, 20));
    assert_eq!(
        found.title,
        format!("10.244.3.9:53, one of 3 servers behind {SERVER}, does not answer")
    );
    assert_eq!(
        found.evidence[0],
        format!(
            "Of entries of connection tracking for {SERVER} that lead to 10.244.3.9:53, 20 of 20 have \
             no answer; of all others, 0 of 40."
        )
    );
    // What two namespaces on the way have of the same packets counts once.
    let mut twice = bad_replica();
    let mut again = twice.host.flows.clone();
    again.iter_mut().for_each(|it| it.netns = POD);
    twice.host.flows.extend(again);
    let line = twice.explain().findings.remove(0).evidence.remove(0);
    assert!(line.contains("20 of 20"), "{line}");
}

#[test]
fn losses_that_fall_on_all_of_them_are_nobodys() {
    let lossy = led(60, |n| n % 3 == 2, |n| n as usize / 3 % 3);
    assert_eq!(lossy.said(), [("dns_unknown", 20)]);
    // All are silent, or there is one alone.
    let all = led(60, |_| true, |n| n as usize % 3);
    assert_eq!(all.said(), [("dns_unknown", 60)]);
    let one = led(60, |n| n % 3 == 2, |_| 0);
    assert_eq!(one.said(), [("dns_unknown", 20)]);
    // Not translated.
    let mut plain = bad_replica();
    for flow in &mut plain.host.flows {
        flow.reply_source = flow.destination;
    }
    assert_eq!(plain.said(), [("dns_unknown", 20)]);
}

#[test]
fn a_replica_on_this_host_that_has_the_query_is_better_known() {
    let mut story = bad_replica();
    let queries = std::mem::take(&mut story.attempts);
    for query in queries {
        let view = at_server(&query, servers::RESOLVER, query.outcome, MS / 10);
        story.attempts.extend([view, query]);
    }
    let findings = story.explain().findings;
    assert!(findings.iter().all(|it| it.rule != Rule::BadReplica));
}
