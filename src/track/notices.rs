//! Failures that the kernel tells of without naming the query by its key.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::kernel::InFlight;
use crate::kernel::Notice;
use crate::kernel::NoticeKind;

/// A socket's error is joined by the sweep that follows it, or by a record that is
/// right behind it in the ring buffer.
const ERROR_KEPT: Duration = Duration::from_secs(1);
/// A query that met no socket may be one of several, to servers that were asked at
/// once: it is joined when the question ends, after the longest timeout at the
/// latest.
const NO_SOCKET_KEPT: Duration = Duration::from_secs(61);
/// Those that wait to be joined at one time, a few milliseconds' worth of the
/// hardest flood. More are counted, and their queries end as unanswered.
const KEPT_MAX: usize = 8192;

/// Why and when a query failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub at_ns: u64,
    /// What the kernel said.
    pub reason: Reason,
}

/// Indexed by what the query shares with them: a closed port under load makes
/// one notice for each query.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// By socket cookie: when, and the errno value.
    errors: HashMap<u64, (u64, i32)>,
    /// By the client's port and the DNS id; each is joined once.
    no_socket: HashMap<(u16, u16), Vec<NoSocket>>,
    kept: usize,
    fresh: bool,
    lost: u64,
}

/// A query that arrived where nobody listens.
#[derive(Debug)]
struct NoSocket {
    at_ns: u64,
    server: SocketAddr,
    question: RawQuestion,
}

impl Notices {
    pub(super) fn add(&mut self, notice: Notice) {
        if self.kept >= KEPT_MAX {
            self.lost += 1;
            return;
        }
        self.kept += 1;
        self.fresh = true;
        match notice.kind {
            NoticeKind::SocketError { cookie, error } => {
                self.errors.insert(cookie, (notice.at_ns, error));
            }
            NoticeKind::NoSocket {
                client_port,
                server,
                id,
                question,
            } => self
                .no_socket
                .entry((client_port, id))
                .or_default()
                .push(NoSocket {
                    at_ns: notice.at_ns,
                    server,
                    question,
                }),
        }
    }

    /// Whether a notice has come since the last [`Self::forget`].
    pub(super) fn has_fresh(&self) -> bool {
        self.fresh
    }

    /// Notices for which there was no room.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn forget(&mut self, now_ns: u64) {
        let before = |kept: Duration| now_ns.saturating_sub(kept.as_nanos() as u64);
        let (error, no_socket) = (before(ERROR_KEPT), before(NO_SOCKET_KEPT));
        self.errors.retain(|_, (at_ns, _)| *at_ns >= error);
        self.no_socket.retain(|_, notices| {
            notices.retain(|notice| notice.at_ns >= no_socket);
            !notices.is_empty()
        });
        let no_socket: usize = self.no_socket.values().map(Vec::len).sum();
        self.kept = self.errors.len() + no_socket;
        self.fresh = false;
    }

    /// Why a query in flight has failed, at every server that was asked; while
    /// one of several may still answer, it has not.
    pub(super) fn failure_of_query(&mut self, query: &InFlight) -> Option<Failure> {
        if query.role() != Role::Client {
            return None;
        }
        let error = self.error(query.cookie(), query.newest_ns());
        // With several servers, each attempt is joined when the question ends.
        let only_one = query.servers().len() == 1;
        if !only_one || query.transport() != Transport::Udp {
            return error;
        }
        let key = (query.local_port(), query.id());
        // The server's address may have been translated on the way.
        let no_socket = self.take(key, |notice| {
            notice.at_ns >= query.newest_ns() && notice.question.as_bytes() == query.question()
        });
        // A connected socket has both, for one query.
        error.or(no_socket)
    }

    /// Why an attempt failed that has just ended without an answer.
    pub(super) fn failure_of_attempt(&mut self, attempt: &Attempt) -> Option<Failure> {
        if attempt.role != Role::Client {
            return None;
        }
        let error = self.error(attempt.cookie, attempt.sent_ns);
        let (Transport::Udp, Some(id)) = (attempt.transport, attempt.id) else {
            return error;
        };
        let no_socket = self.take((attempt.local.port(), id), |notice| {
            notice.at_ns >= attempt.sent_ns
                && notice.server == attempt.peer
                && notice.question == attempt.question
        });
        error.or(no_socket)
    }

    fn error(&self, cookie: u64, sent_ns: u64) -> Option<Failure> {
        let &(at_ns, error) = self.errors.get(&cookie)?;
        (at_ns >= sent_ns).then_some(Failure {
            at_ns,
            reason: Reason::Errno(error),
        })
    }

    fn take(&mut self, key: (u16, u16), matches: impl Fn(&NoSocket) -> bool) -> Option<Failure> {
        let notices = self.no_socket.get_mut(&key)?;
        let place = notices.iter().position(matches)?;
        let notice = notices.swap_remove(place);
        if notices.is_empty() {
            self.no_socket.remove(&key);
        }
        self.kept = self.kept.saturating_sub(1);
        Some(Failure {
            at_ns: notice.at_ns,
            // What a connected socket would have been told: ICMP port
            // unreachable (RFC 1122 section 3.2.2.1).
            reason: Reason::Errno(libc::ECONNREFUSED),
        })
    }
}
