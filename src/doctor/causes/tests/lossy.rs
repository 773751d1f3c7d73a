//! TCP whose packets get lost on the way.

use super::*;
use crate::counters::Resent;
use crate::counters::TcpClient;

fn over_tcp(mut attempt: Attempt) -> Attempt {
    attempt.transport = Transport::Tcp;
    attempt
}

fn slow(n: u64) -> Attempt {
    let mut attempt = over_tcp(attempt(n, SERVER, Outcome::Answered));
    attempt.end_ns = attempt.sent_ns + 400 * MS;
    attempt
}

/// Its connection's segments were sent again while it waited.
fn resent(story: &mut Story, attempt: &Attempt) {
    let client = TcpClient {
        netns: attempt.owner.netns,
        server: attempt.peer.ip(),
        port: attempt.local.port(),
    };
    let resent = Resent {
        segments: 2,
        openings: 1,
        first_ns: attempt.sent_ns + 200 * MS,
        last_ns: attempt.sent_ns + 300 * MS,
    };
    story.host.resent.insert(client, resent);
}

/// Queries that were well, six slow and two unanswered ones; segments of the first so many
/// of those were sent again.
fn story(own: usize) -> Story {
    let well = many(20, SERVER, Outcome::Answered).map(over_tcp);
    let bad: Vec<_> = (30..36)
        .map(slow)
        .chain((36..38).map(|n| over_tcp(attempt(n, SERVER, Outcome::Unanswered))))
        .collect();
    let mut story = Story::default().with(well).with(bad.clone());
    bad[..own].iter().for_each(|it| resent(&mut story, it));
    story
}

pub(in super::super) fn lossy() -> Story {
    story(8)
}

#[test]
fn what_waited_while_segments_were_sent_again_is_theirs() {
    let findings = lossy().explain().findings;
    assert_eq!(findings[0].rule, Rule::TcpLossy);
    assert_eq!(findings[0].queries, 8);
    let told = format!("{findings:?}");
    for part in [
        "16 segments to 10.0.0.10:53 were sent again from",
        "8 of them to open a connection",
        "Of 28 queries over TCP 26 were answered",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn an_answer_that_was_lost_is_sent_again_by_its_server_unseen() {
    assert_eq!(story(3).said(), [("dns_tcp_lossy", 8)]);
    // One in a hundred is daily life, and explains nothing but itself.
    let one = story(1).explain();
    assert_eq!(one.failures_by_cause.get(&Rule::TcpLossy), None);
    assert_eq!(
        story(0).explain().failures_by_cause.get(&Rule::TcpLossy),
        None
    );
}

#[test]
fn where_something_else_explains_it_the_way_is_not_blamed() {
    let not = |change: fn(&mut Story)| {
        let mut story = lossy();
        change(&mut story);
        let findings = story.explain().findings;
        assert!(
            findings.iter().all(|it| it.rule != Rule::TcpLossy),
            "{findings:?}"
        );
    };
    // Nothing gets through: that is no loss.
    not(|story| {
        story
            .attempts
            .retain(|it| it.outcome == Outcome::Unanswered)
    });
    // Over UDP nothing is sent again by the kernel.
    not(|story| {
        let all = story.attempts.iter_mut();
        all.for_each(|it| it.transport = Transport::Udp);
    });
    // This host discards packets on that way.
    not(|story| {
        let lost = attempt(70, SERVER, Outcome::Dropped);
        let lost = dropped(lost, Packet::Query, "NETFILTER_DROP", "nft_do_chain");
        story.attempts.push(over_tcp(lost));
    });
    // The server on this host was slow itself.
    not(|story| {
        let bad = story.attempts[20..].to_vec();
        let slow = |it: &Attempt| at_server(it, 53, Outcome::Answered, 390 * MS);
        story.attempts.extend(bad.iter().map(slow));
    });
    // They were sent again at another time.
    not(|story| {
        for resent in story.host.resent.values_mut() {
            (resent.first_ns, resent.last_ns) = (0, 1);
        }
    });
    // To another server, and from another namespace.
    not(|story| {
        let all = std::mem::take(&mut story.host.resent);
        for (mut client, resent) in all {
            client.netns += 1;
            story.host.resent.insert(client, resent);
        }
    });
}

#[test]
fn what_is_sent_again_in_vain_is_told_of_tcp_that_is_blocked() {
    let mut truncated = attempt(0, SERVER, Outcome::Answered);
    if let Some(answer) = truncated.answer.as_mut() {
        answer.truncated = true;
    }
    let silent: Vec<_> = (4..8)
        .map(|n| over_tcp(attempt(n, SERVER, Outcome::Unanswered)))
        .collect();
    let mut story = Story::default().with([truncated]).with(silent.clone());
    silent.iter().for_each(|it| resent(&mut story, it));
    let findings = story.explain().findings;
    assert_eq!(findings[0].rule, Rule::TcpBlocked);
    let told = format!("{:?}", findings[0].evidence);
    let line = "sent 8 segments to it again, 4 of them to open a connection";
    assert!(told.contains(line), "{told}");
}

#[test]
fn an_answer_at_once_and_a_refusal_are_none_of_it() {
    let mut story = lossy();
    for attempt in &mut story.attempts[20..] {
        *attempt = refused(attempt.clone(), libc::ECONNREFUSED);
    }
    assert_eq!(story.said(), [("dns_nobody_listening", 8)]);
}
