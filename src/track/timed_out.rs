//! Attempts that were reported as unanswered, kept for an answer that comes
//! after all; with the refused ones, kept for the number of the next resend.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Stray;

/// Longer than the whole patience of any stub resolver: glibc ends after 2
/// attempts on each of 3 servers, 5 s each (resolv.conf(5)).
const KEPT: Duration = Duration::from_secs(60);
/// About 350 bytes each: 3 MiB at most.
const KEPT_MAX: usize = 8192;

/// Servers that came second between two sweeps.
const SECONDS_MAX: usize = 1024;
/// Of one key; who resends more often without an answer waits for the last ones.
const KEPT_OF_KEY: usize = 64;

/// What identifies a query message at its socket, as the kernel's key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    cookie: u64,
    role: Role,
    transport: Transport,
    local_port: u16,
    id: u16,
    /// The asking end, for a server.
    peer: Option<SocketAddr>,
}

#[derive(Debug, Default)]
pub(super) struct TimedOut {
    /// Oldest first; several if it was resent and given up on again.
    attempts: HashMap<Key, VecDeque<Attempt>>,
    /// Cookies of clients' sockets by port and id: for an answer that comes when
    /// the socket is closed.
    sockets: HashMap<(Transport, u16, u16), Vec<u64>>,
    /// In the order of their end, to forget the oldest.
    order: VecDeque<(u64, Key)>,
    /// Answers to superseded attempts, by network namespace and server, until they are
    /// asked for.
    came_second: BTreeMap<(u32, SocketAddr), u64>,
}

impl Key {
    fn of_attempt(attempt: &Attempt) -> Option<Self> {
        Some(Self {
            cookie: attempt.cookie,
            role: attempt.role,
            transport: attempt.transport,
            local_port: attempt.local.port(),
            id: attempt.id?,
            peer: (attempt.role == Role::Server).then_some(attempt.peer),
        })
    }

    fn of_stray(stray: &Stray, cookie: u64) -> Self {
        Self {
            cookie,
            role: stray.role,
            transport: stray.transport,
            local_port: stray.local_port,
            id: stray.id,
            peer: (stray.role == Role::Server).then_some(stray.peer),
        }
    }
}

impl Key {
    fn without_cookie(&self) -> (Transport, u16, u16) {
        (self.transport, self.local_port, self.id)
    }
}

impl TimedOut {
    pub(super) fn remember(&mut self, attempt: &Attempt) {
        let Some(key) = Key::of_attempt(attempt) else {
            return;
        };
        if self.order.len() == KEPT_MAX {
            self.drop_oldest();
        }
        self.order.push_back((attempt.end_ns, key));
        let attempts = match self.attempts.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                if key.role == Role::Client {
                    let sockets = self.sockets.entry(key.without_cookie()).or_default();
                    sockets.push(key.cookie);
                }
                entry.insert(VecDeque::new())
            }
        };
        if attempts.len() == KEPT_OF_KEY {
            attempts.pop_front();
        }
        attempts.push_back(attempt.clone());
    }

    /// Continues the count of an attempt whose predecessor was given up on
    /// before it was resent: the kernel had forgotten it by then and began anew.
    /// So the numbers do not depend on which came first, timeout or resend.
    pub(super) fn number(&self, attempt: &mut Attempt) {
        let before = Key::of_attempt(attempt).and_then(|key| self.attempts.get(&key));
        // Those that the kernel remembers have the same first send.
        let forgotten = before.into_iter().flatten().rfind(|before| {
            before.outcome != Outcome::Superseded
                && before.first_ns != attempt.first_ns
                && before.sent_ns < attempt.first_ns
        });
        if let Some(before) = forgotten
            && before.question == attempt.question
        {
            attempt.number = attempt.number.saturating_add(before.number);
        }
    }

    /// The attempt that this answer belongs to: the oldest to the server that it
    /// comes from, else (NAT) the oldest of the same key. One that repeats another
    /// question belongs to another use of the id.
    pub(super) fn late(&mut self, stray: &Stray) -> Option<Attempt> {
        if let Some(cookie) = stray.cookie {
            return self.late_of(stray, Key::of_stray(stray, cookie));
        }
        let place = Key::of_stray(stray, 0).without_cookie();
        let cookies = self.sockets.get(&place)?.clone();
        let mut keys = cookies
            .into_iter()
            .map(|cookie| Key::of_stray(stray, cookie));
        keys.find_map(|key| self.late_of(stray, key))
    }

    fn late_of(&mut self, stray: &Stray, key: Key) -> Option<Attempt> {
        let attempts = self.attempts.get_mut(&key)?;
        // The answer of a server that came second is no news.
        let superseded = attempts.iter().rposition(|attempt| {
            attempt.outcome == Outcome::Superseded && attempt.peer == stray.peer
        });
        if let Some(place) = superseded {
            let attempt = attempts.remove(place)?;
            let way = (attempt.owner.netns, attempt.peer);
            let is_known = self.came_second.contains_key(&way);
            if is_known || self.came_second.len() < SECONDS_MAX {
                *self.came_second.entry(way).or_default() += 1;
            }
            return None;
        }
        // A refused one has had its end; it is here for its number only.
        let waits = |attempt: &Attempt| {
            attempt.outcome == Outcome::Unanswered
                && is_there(stray, attempt)
                && may_answer(stray, attempt)
        };
        let place = attempts
            .iter()
            .position(|attempt| waits(attempt) && attempt.peer == stray.peer)
            .or_else(|| attempts.iter().position(waits))?;
        let mut attempt = attempts.remove(place)?;
        if attempts.is_empty() {
            self.remove(&key);
        }
        attempt.outcome = Outcome::Late;
        attempt.end_ns = stray.at_ns;
        if attempt.owner.pid.is_none() {
            attempt.owner = stray.owner; // a server is known by its answer
        }
        attempt.answer = Some(stray.answer);
        Some(attempt)
    }

    /// Who answered what another server had answered before, since the last time.
    pub(super) fn came_second(&mut self) -> BTreeMap<(u32, SocketAddr), u64> {
        std::mem::take(&mut self.came_second)
    }

    pub(super) fn forget(&mut self, now_ns: u64) {
        let horizon = now_ns.saturating_sub(KEPT.as_nanos() as u64);
        while self.order.front().is_some_and(|(end, _)| *end < horizon) {
            self.drop_oldest();
        }
    }

    /// The entry may be gone already, when its answer came late.
    fn drop_oldest(&mut self) {
        let Some((end_ns, key)) = self.order.pop_front() else {
            return;
        };
        if let Some(attempts) = self.attempts.get_mut(&key) {
            attempts.retain(|attempt| attempt.end_ns != end_ns);
            if attempts.is_empty() {
                self.remove(&key);
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        self.attempts.remove(key);
        let place = key.without_cookie();
        if let Some(sockets) = self.sockets.get_mut(&place) {
            sockets.retain(|cookie| *cookie != key.cookie);
            if sockets.is_empty() {
                self.sockets.remove(&place);
            }
        }
    }
}

/// Whether both are in one network namespace, as far as it is known.
fn is_there(stray: &Stray, attempt: &Attempt) -> bool {
    let netns = [stray.owner.netns, attempt.owner.netns];
    netns.contains(&0) || netns[0] == netns[1]
}

/// Whether the answer repeats the question; also if it can't be told, because it
/// has none, or one that was cut. Servers may change the case (RFC 4343).
fn may_answer(stray: &Stray, attempt: &Attempt) -> bool {
    match (stray.question.parse(), attempt.question.parse()) {
        (Some(echo), Some(asked)) => {
            echo.rtype == asked.rtype && echo.name.eq_ignore_ascii_case(&asked.name)
        }
        _ => true,
    }
}
