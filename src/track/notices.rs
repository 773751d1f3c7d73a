//! Failures that the kernel tells of without naming the query by its key.

use std::collections::HashMap;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::kernel::InFlight;
use crate::kernel::Notice;
use crate::kernel::NoticeKind;

/// A notice is joined by the sweep that follows it, or by a resend record that
/// is right behind it in the ring buffer.
const KEPT: Duration = Duration::from_secs(1);
/// A flood of them (a closed port under load) must not make the sweep slow; the
/// queries without a notice end as unanswered.
const KEPT_MAX: usize = 4096;

/// Indexed by what the query shares with them: a closed port under load makes
/// one notice for each query.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// By socket cookie: when, and the errno value.
    errors: HashMap<u64, (u64, i32)>,
    /// By the client's port and the DNS id: when, and the message from its
    /// question on.
    no_socket: HashMap<(u16, u16), (u64, RawQuestion)>,
    fresh: bool,
}

/// Why and when a query failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// What the kernel said.
    pub reason: Reason,
}

/// What a notice can be compared with: a query in flight or one just resent.
struct Candidate<'a> {
    cookie: u64,
    role: Role,
    transport: Transport,
    local_port: u16,
    id: u16,
    sent_ns: u64,
    question: &'a [u8],
}

impl Notices {
    pub(super) fn add(&mut self, notice: Notice) {
        if self.errors.len() + self.no_socket.len() >= KEPT_MAX {
            return;
        }
        self.fresh = true;
        match notice.kind {
            NoticeKind::SocketError { cookie, error } => {
                self.errors.insert(cookie, (notice.at_ns, error));
            }
            NoticeKind::NoSocket {
                client_port,
                id,
                question,
            } => {
                let key = (client_port, id);
                self.no_socket.insert(key, (notice.at_ns, question));
            }
        }
    }

    pub(super) fn has_fresh(&self) -> bool {
        self.fresh
    }

    pub(super) fn forget(&mut self, now_ns: u64) {
        let horizon = now_ns.saturating_sub(KEPT.as_nanos() as u64);
        self.errors.retain(|_, (at_ns, _)| *at_ns >= horizon);
        self.no_socket.retain(|_, (at_ns, _)| *at_ns >= horizon);
        self.fresh = false;
    }

    pub(super) fn failure_of_query(&self, query: &InFlight) -> Option<Failure> {
        self.failure(&Candidate {
            cookie: query.cookie(),
            role: query.role(),
            transport: query.transport(),
            local_port: query.local_port(),
            id: query.id(),
            sent_ns: query.newest_ns(),
            question: query.question(),
        })
    }

    pub(super) fn failure_of_attempt(&self, attempt: &Attempt) -> Option<Failure> {
        self.failure(&Candidate {
            cookie: attempt.cookie,
            role: attempt.role,
            transport: attempt.transport,
            local_port: attempt.local.port(),
            id: attempt.id?,
            sent_ns: attempt.sent_ns,
            question: attempt.question.as_bytes(),
        })
    }

    fn failure(&self, query: &Candidate<'_>) -> Option<Failure> {
        if query.role != Role::Client {
            return None;
        }
        if let Some(&(at_ns, error)) = self.errors.get(&query.cookie)
            && at_ns >= query.sent_ns
        {
            return Some(Failure {
                at_ns,
                reason: Reason::Errno(error),
            });
        }
        let (at_ns, question) = self.no_socket.get(&(query.local_port, query.id))?;
        (query.transport == Transport::Udp
            && *at_ns >= query.sent_ns
            && question.as_bytes() == query.question)
            .then_some(Failure {
                at_ns: *at_ns,
                // What a connected socket would have been told: ICMP port
                // unreachable (RFC 1122 section 3.2.2.1).
                reason: Reason::Errno(libc::ECONNREFUSED),
            })
    }
}
