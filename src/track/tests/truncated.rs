//! A TCP connection that failed has the question that it was made for.

use super::*;
use crate::attempt::Transport;
use crate::sample::MS;
use crate::sample::attempt;

const SERVER: &str = "10.0.0.10:53";
const PROCESS: (&str, u32) = ("curl", 4242);

fn truncated(name: &[u8], at_ms: u64) -> Attempt {
    let mut attempt = attempt(PROCESS, SERVER, Outcome::Answered, MS);
    attempt.question = RawQuestion::new(&[name, b"\0\0\x10\0\x01"].concat());
    attempt.sent_ns += at_ms * MS;
    attempt.end_ns += at_ms * MS;
    if let Some(answer) = attempt.answer.as_mut() {
        answer.truncated = true;
    }
    attempt
}

fn connection(id: Option<u16>, at_ms: u64) -> Attempt {
    let mut attempt = attempt(PROCESS, SERVER, Outcome::Unanswered, 1_000 * MS);
    attempt.transport = Transport::Tcp;
    attempt.id = id;
    attempt.sent_ns += at_ms * MS;
    attempt
}

/// The names that the last of these attempts, all connections, come out with.
fn names(attempts: impl IntoIterator<Item = Attempt>) -> Vec<Option<String>> {
    let mut tracker = Tracker::default();
    let mut ended = Vec::new();
    for attempt in attempts {
        tracker.ended(attempt, None, &mut ended);
    }
    ended
        .into_iter()
        .filter(|attempt| attempt.transport == Transport::Tcp)
        .map(|attempt| attempt.question.parse().map(|question| question.name))
        .collect()
}

#[test]
fn each_connection_has_the_question_of_one_answer() {
    // They fail in another order than they were begun in.
    let connections = [
        connection(None, 12),
        connection(None, 5),
        connection(None, 14),
    ];
    let answers = [truncated(b"\x01a", 1), truncated(b"\x01b", 7)];
    assert_eq!(
        names(answers.into_iter().chain(connections)),
        [Some("b".to_owned()), Some("a".to_owned()), None]
    );
}

#[test]
fn what_was_asked_over_tcp_needs_no_other_connection() {
    let mut asked = connection(Some(7), 10);
    asked.question = truncated(b"\x01a", 1).question;
    let attempts = [truncated(b"\x01a", 1), asked, connection(None, 20)];
    assert_eq!(names(attempts), [Some("a".to_owned()), None]);
}

#[test]
fn an_answer_from_after_the_connection_is_not_its_reason() {
    assert_eq!(
        names([truncated(b"\x01a", 30), connection(None, 10)]),
        [None]
    );
    let mut other = connection(None, 10);
    other.owner.pid = Some(7);
    assert_eq!(names([truncated(b"\x01a", 1), other]), [None]);
}

#[test]
fn memory_is_bounded() {
    let mut tracker = Tracker::default();
    for n in 0..20_000_u32 {
        let mut answer = truncated(b"\x01a", u64::from(n));
        answer.owner.pid = Some(n % 50);
        tracker.ended(answer, None, &mut Vec::new());
    }
    // The last ones are 13 s behind the first: nothing was too old yet.
    assert_eq!(tracker.truncated.kept(), 8_192);
    let late = truncated(b"\x01a", 200_000);
    tracker.ended(late, None, &mut Vec::new());
    assert_eq!(tracker.truncated.kept(), 1);
}
