//! The tracker on events as the kernel would send them. Times are small numbers
//! of nanoseconds, or seconds where they matter.

mod late;
mod memory;
mod numbers;
mod refused;

use std::net::SocketAddr;

use super::Tracker;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::kernel::Event;
use crate::kernel::Stray;

const SECOND: u64 = 1_000_000_000;

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// `a`, type A, class IN.
fn question() -> RawQuestion {
    RawQuestion::new(b"\x01a\0\0\x01\0\x01")
}

/// An attempt of one client socket that was sent at this time.
fn attempt(sent_ns: u64) -> Attempt {
    Attempt {
        role: Role::Client,
        outcome: Outcome::Unanswered,
        transport: Transport::Udp,
        end_ns: sent_ns + 5 * SECOND,
        sent_ns,
        first_ns: sent_ns,
        cookie: 77,
        owner: Owner::default(),
        local: addr("10.0.0.5:40000"),
        peer: addr("10.0.0.53:53"),
        id: Some(7),
        number: 1,
        query_bytes: 19,
        answer: None,
        reason: None,
        drop: None,
        failed_call: None,
        queued_bytes: 0,
        question: question(),
    }
}

/// An answer that comes when this attempt is no longer in flight.
fn stray(to: &Attempt, at_ns: u64) -> Stray {
    Stray {
        at_ns,
        cookie: to.cookie,
        role: to.role,
        transport: to.transport,
        local_port: to.local.port(),
        peer: to.peer,
        id: to.id.expect("a message"),
        owner: Owner::default(),
        answer: Answer {
            rcode: 3,
            truncated: false,
            answers: 0,
            bytes: 19,
        },
        question: question(),
    }
}

/// What one event ends.
fn ended_by(tracker: &mut Tracker, event: Event) -> Vec<Attempt> {
    let mut ended = Vec::new();
    tracker.event(event, &mut ended);
    ended
}

/// The sweep gives up on an attempt.
fn give_up(tracker: &mut Tracker, attempt: Attempt) -> Attempt {
    let mut ended = Vec::new();
    tracker.ended(attempt, None, &mut ended);
    ended.remove(0)
}
