//! Truncated answers, kept for the TCP connection that the client is to make.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::attempt::Attempt;
use crate::attempt::Owner;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::attempt::Transport;

/// A client asks again over TCP at once (RFC 7766 section 5), but the kernel sends
/// the SYN up to six times before the connection has failed (tcp(7), tcp_syn_retries).
const KEPT: Duration = Duration::from_secs(130);
/// Answers of all clients together, some 150 bytes each: the 50 connections a second
/// that wait for a whole patience of 130 s.
const ANSWERS_MAX: usize = 8_192;

/// Who was told to ask whom over TCP.
type Client = (Option<u32>, u32, SocketAddr);

#[derive(Debug, Default)]
pub(super) struct Truncated {
    /// By client, oldest first: when it came, and the question.
    answers: HashMap<Client, VecDeque<(u64, RawQuestion)>>,
    kept: usize,
}

fn client(owner: &Owner, server: SocketAddr) -> Client {
    (owner.pid, owner.netns, server)
}

impl Truncated {
    /// Looks at an attempt that has ended. A connection that failed before there
    /// was a message gets the question that it was made for.
    pub(super) fn see(&mut self, attempt: &mut Attempt) {
        if attempt.role != Role::Client {
            return;
        }
        match (attempt.transport, attempt.id) {
            (Transport::Udp, _) => self.remember(attempt),
            (Transport::Tcp, Some(_)) => self.asked(attempt),
            (Transport::Tcp, None) => self.name(attempt),
        }
    }

    fn remember(&mut self, attempt: &Attempt) {
        if !attempt.answer.is_some_and(|answer| answer.truncated) {
            return;
        }
        let key = client(&attempt.owner, attempt.peer);
        if self.kept == ANSWERS_MAX {
            self.forget(attempt.end_ns);
        }
        if self.kept == ANSWERS_MAX {
            return; // the connection stays without a name
        }
        let answer = (attempt.end_ns, attempt.question.clone());
        self.answers.entry(key).or_default().push_back(answer);
        self.kept += 1;
    }

    /// The connection was made: that question needs no other.
    fn asked(&mut self, attempt: &Attempt) {
        let key = client(&attempt.owner, attempt.peer);
        self.take(key, |(_, question)| *question == attempt.question);
    }

    fn name(&mut self, attempt: &mut Attempt) {
        if !attempt.question.as_bytes().is_empty() {
            return;
        }
        let key = client(&attempt.owner, attempt.peer);
        // Clients connect at once, so it is the answer that came last before. Taken so,
        // each connection finds one, in whatever order they fail.
        if let Some(question) = self.take(key, |(at_ns, _)| *at_ns <= attempt.sent_ns) {
            attempt.question = question;
        }
    }

    fn take(
        &mut self,
        key: Client,
        is_it: impl Fn(&(u64, RawQuestion)) -> bool,
    ) -> Option<RawQuestion> {
        let answers = self.answers.get_mut(&key)?;
        let place = answers.iter().rposition(is_it)?;
        let (_, question) = answers.remove(place)?;
        if answers.is_empty() {
            self.answers.remove(&key);
        }
        self.kept -= 1;
        Some(question)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    fn forget(&mut self, now_ns: u64) {
        let horizon = now_ns.saturating_sub(KEPT.as_nanos() as u64);
        self.answers.retain(|_, answers| {
            answers.retain(|(at_ns, _)| *at_ns >= horizon);
            !answers.is_empty()
        });
        self.kept = self.answers.values().map(VecDeque::len).sum();
    }
}
