//! What no rule explains: only what was looked at is said of it.

use std::ops::Range;

use super::*;

fn finding(story: Story) -> Finding {
    let findings = story.explain().findings;
    let mut unknown = findings.into_iter().filter(|it| it.rule == Rule::Unknown);
    unknown.next().expect("a finding")
}

fn says(finding: &Finding, text: &str) -> bool {
    let texts = [&finding.title, &finding.cause, &finding.impact];
    let mut all = texts.into_iter().chain(&finding.evidence);
    all.any(|it| it.contains(text))
}

#[test]
fn a_connection_that_was_reset_is_no_silence() {
    let over_tcp = |n, errno| Attempt {
        transport: Transport::Tcp,
        ..refused(attempt(n, SERVER, Outcome::Refused), errno)
    };
    let answered = |n| Attempt {
        transport: Transport::Tcp,
        ..attempt(n, SERVER, Outcome::Answered)
    };
    let story = |errno| {
        let failed = (0..12).map(move |n| over_tcp(n, errno));
        Story::default().with(failed).with((20..50).map(answered))
    };
    let reset = finding(story(libc::ECONNRESET));
    assert!(
        says(&reset, "are reset before the answer comes"),
        "{reset:#?}"
    );
    assert!(says(&reset, "ECONNRESET 12 times"), "{reset:#?}");
    assert!(
        says(&reset, "Of 42 queries over TCP 30 were answered"),
        "{reset:#?}"
    );
    for claim in [
        "no answer comes back",
        "no ICMP error",
        "waits 5 s",
        "unanswered",
    ] {
        assert!(!says(&reset, claim), "{claim}: {reset:#?}");
    }
    let other = finding(story(libc::EMSGSIZE));
    assert!(says(&other, "EMSGSIZE 12 times"), "{other:#?}");
    assert!(!says(&other, "no answer comes back"), "{other:#?}");
}

#[test]
fn the_queue_is_spoken_of_where_it_was_looked_at() {
    let story = |transport| {
        let asked = (0..12).map(|n| attempt(n, SERVER, Outcome::Unanswered));
        let asked: Vec<_> = asked.map(|it| Attempt { transport, ..it }).collect();
        let views: Vec<_> = asked
            .iter()
            .map(|it| at_server(it, 53, Outcome::Unanswered, 4_000 * MS))
            .collect();
        finding(Story::default().with(views).with(asked))
    };
    let (udp, tcp) = (story(Transport::Udp), story(Transport::Tcp));
    assert!(
        says(&udp, "next to nothing lay unread in its UDP socket"),
        "{udp:#?}"
    );
    assert!(says(&tcp, "TCP connections is not looked at"), "{tcp:#?}");
    assert!(!says(&tcp, "lay unread in its UDP socket"), "{tcp:#?}");
    assert!(says(&udp, "no slow or lost query of its own"), "{udp:#?}");
}

#[test]
fn its_own_queries_that_went_wrong_are_not_passed_over() {
    let asked: Vec<_> = (0..12)
        .map(|n| attempt(n, SERVER, Outcome::Unanswered))
        .collect();
    let views: Vec<_> = asked
        .iter()
        .map(|it| at_server(it, 53, Outcome::Unanswered, 4_000 * MS))
        .collect();
    // Long after, for another name.
    let mut own = attempt(900, OTHER, Outcome::Unanswered);
    own.owner.pid = Some(53);
    own.owner.netns = NODE;
    let story = Story::default().with(views).with(asked).with([own]);
    let told = finding(story);
    assert!(says(&told, "1 query of its own went wrong"), "{told:#?}");
    assert!(
        !says(&told, "no slow or lost query of its own"),
        "{told:#?}"
    );
}

/// A UDP socket is read in order: who answers what came later has read what came before.
#[test]
fn a_server_that_answers_later_queries_is_not_said_not_to_read() {
    let story = |answered: Range<u64>, later: Range<u64>| {
        let asked = (20..32).map(|n| {
            let client = attempt(n, SERVER, Outcome::Unanswered);
            let mut view = at_server(&client, 53, Outcome::Unanswered, 4_000 * MS);
            view.queued_bytes = 4_000;
            [view, client]
        });
        let answered = answered.chain(later).map(|n| {
            let client = attempt(n, SERVER, Outcome::Answered);
            [at_server(&client, 53, Outcome::Answered, MS / 2), client]
        });
        let all: Vec<_> = answered.flatten().chain(asked.flatten()).collect();
        finding(Story::default().with(all))
    };
    let reads = story(40..60, 0..0);
    assert!(
        says(&reads, "reads queries and leaves them unanswered"),
        "{reads:#?}"
    );
    assert!(says(&reads, "it has read at least 12"), "{reads:#?}");
    for claim in ["does not read", "stopped (SIGSTOP", "lie unread"] {
        assert!(!says(&reads, claim), "{claim}: {reads:#?}");
    }
    let some = story(0..20, 123..124);
    assert!(
        says(&some, "and it read on after some of them"),
        "{some:#?}"
    );
    assert!(!says(&some, "does not read"), "{some:#?}");
    let hangs = story(0..20, 0..0);
    assert!(says(&hangs, "does not read its queries"), "{hangs:#?}");
    assert!(says(&hangs, "4,000 bytes lie unread"), "{hangs:#?}");
}

/// A server that ends each connection after its first answer: the second question is reset.
pub(super) fn ended_after_an_answer(first_too: u64) -> Story {
    let over_tcp = |it: Attempt| Attempt {
        transport: Transport::Tcp,
        ..it
    };
    let answered = many(25, SERVER, Outcome::Answered).map(over_tcp);
    let reset = more(25, SERVER, Outcome::Refused).map(move |it| Attempt {
        is_after_answer: it.cookie - 1_500 >= first_too,
        ..refused(over_tcp(it), libc::ECONNRESET)
    });
    Story::default().with(answered).with(reset)
}

#[test]
fn connections_that_end_after_an_answer_are_told_as_such() {
    let found = finding(ended_after_an_answer(0));
    assert_eq!(
        found.title,
        "10.0.0.10:53 ends TCP connections after an answer, and more is asked on them"
    );
    assert!(
        says(&found, "none was the first on its connection"),
        "{found:#?}"
    );
    // One of them was the first.
    let found = finding(ended_after_an_answer(1));
    assert!(
        says(&found, "are reset before the answer comes"),
        "{found:#?}"
    );
}
