//! The number of an attempt, whatever ends the one before it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::SECOND;
use super::attempt;
use super::ended_by;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::event::Event;
use crate::track::Failure;
use crate::track::Tracker;

/// What ends an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The kernel sees a resend, and numbers on.
    Resend,
    /// The sweep comes first, and the kernel begins anew.
    Timeout,
    /// The sweep comes with a failure.
    Refusal,
}

/// One key of the kernel's map, and the tracker behind it.
#[derive(Default)]
struct Kernel {
    entry: Option<Attempt>,
    tracker: Tracker,
    ended: Vec<Attempt>,
}

impl Kernel {
    fn send(&mut self, at_ns: u64) {
        let mut next = attempt(at_ns);
        if let Some(before) = self.entry.take() {
            next.first_ns = before.first_ns;
            next.number = before.number + 1;
            let resent = Attempt {
                end_ns: at_ns,
                ..before
            };
            self.ended
                .extend(ended_by(&mut self.tracker, Event::Ended(resent)));
        }
        self.entry = Some(next);
    }

    fn sweep(&mut self, failure: Option<Failure>) {
        let attempt = self.entry.take().expect("a query in flight");
        self.tracker.ended(attempt, failure, &mut self.ended);
    }

    fn answer(&mut self) {
        let attempt = self.entry.take().expect("a query in flight");
        let answered = Attempt {
            outcome: Outcome::Answered,
            ..attempt
        };
        self.ended
            .extend(ended_by(&mut self.tracker, Event::Ended(answered)));
    }
}

/// Sends five seconds apart, each but the last ended in one of the ways; the
/// last one is answered.
fn numbers(ends: &[End]) -> Vec<(Outcome, u16)> {
    let mut kernel = Kernel::default();
    kernel.send(SECOND);
    for (place, end) in ends.iter().enumerate() {
        let at_ns = (place as u64 * 5 + 6) * SECOND;
        let reason = Reason::Errno(libc::ECONNREFUSED);
        match end {
            End::Resend => {}
            End::Timeout => kernel.sweep(None),
            End::Refusal => kernel.sweep(Some(Failure {
                at_ns,
                outcome: Outcome::Refused,
                reason,
                drop: None,
                owner: None,
                number: None,
            })),
        }
        kernel.send(at_ns + 1);
    }
    kernel.answer();
    kernel
        .ended
        .iter()
        .map(|attempt| (attempt.outcome, attempt.number))
        .collect()
}

#[test]
fn timeout_and_resend_give_the_same_in_either_order() {
    let both = [(Outcome::Unanswered, 1), (Outcome::Answered, 2)];
    assert_eq!(numbers(&[End::Resend]), both);
    assert_eq!(numbers(&[End::Timeout]), both);
}

#[test]
fn a_resend_after_a_timeout_and_another_is_the_third() {
    let three = [
        (Outcome::Unanswered, 1),
        (Outcome::Unanswered, 2),
        (Outcome::Answered, 3),
    ];
    for first in [End::Resend, End::Timeout] {
        for second in [End::Resend, End::Timeout] {
            assert_eq!(numbers(&[first, second]), three, "{first:?}, {second:?}");
        }
    }
}

#[test]
fn a_resend_after_a_refusal_is_the_second() {
    assert_eq!(
        numbers(&[End::Refusal]),
        [(Outcome::Refused, 1), (Outcome::Answered, 2)]
    );
}

#[test]
fn another_question_with_the_same_id_is_a_first() {
    let mut kernel = Kernel::default();
    kernel.send(SECOND);
    kernel.sweep(None);
    kernel.send(7 * SECOND);
    if let Some(entry) = &mut kernel.entry {
        entry.question = RawQuestion::new(b"\x01b\0\0\x01\0\x01");
    }
    kernel.answer();
    assert_eq!(kernel.ended[1].number, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn attempts_are_numbered_in_order(
        ends in vec(prop_oneof![Just(End::Resend), Just(End::Timeout), Just(End::Refusal)], 0..12)
    ) {
        let expected: Vec<_> = ends
            .iter()
            .map(|end| match end {
                End::Refusal => Outcome::Refused,
                End::Resend | End::Timeout => Outcome::Unanswered,
            })
            .chain([Outcome::Answered])
            .zip(1..)
            .collect();
        prop_assert_eq!(numbers(&ends), expected);
    }
}
