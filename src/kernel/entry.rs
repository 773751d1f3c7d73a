//! A query in flight, wherever the programs keep it, and what came of its claim.

use super::fields;
use super::wire::dns_key;
use super::wire::dns_query;
use super::wire::dns_send;
use crate::attempt::Attempt;
use crate::attempt::Ignored;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::event::InFlight;

/// A query in flight: copied from the kernel, which may have moved on since.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(super) key: dns_key,
    pub(super) query: dns_query,
    /// Its slot, if it is not in `dns_inflight`.
    pub(super) place: Option<Place>,
}

impl Entry {
    /// What a failure is joined by.
    pub(crate) fn view(&self) -> InFlight<'_> {
        let role = fields::role(self.key.role);
        InFlight {
            role,
            transport: fields::transport(self.key.transport),
            cookie: self.key.cookie,
            netns: self.query.owner.netns,
            id: self.key.id,
            client_port: match role {
                Role::Client => self.key.local_port,
                Role::Server => self.key.peer_port,
            },
            question: self.question(),
            newest_ns: self.newest_ns(),
            servers: self.sends().len(),
        }
    }

    /// Cookie of the socket, if it is a client's.
    pub(super) fn client_socket(&self) -> Option<u64> {
        (fields::role(self.key.role) == Role::Client).then_some(self.key.cookie)
    }

    /// When the last of its servers was asked, `CLOCK_MONOTONIC` nanoseconds.
    pub(crate) fn newest_ns(&self) -> u64 {
        self.sends()
            .iter()
            .map(|send| send.at_ns)
            .max()
            .unwrap_or(0)
    }

    /// The message from the question on.
    pub(super) fn question(&self) -> &[u8] {
        let len = usize::from(self.query.question_len).min(self.query.question.len());
        &self.query.question[..len]
    }

    /// Attempts that the entry stands for.
    pub(crate) fn servers_asked(&self) -> u64 {
        self.sends().len() as u64
    }

    fn sends(&self) -> &[dns_send] {
        &self.query.sends[..usize::from(self.query.nsends).min(self.query.sends.len())]
    }

    /// One attempt for each server that was asked, ended as unanswered.
    pub(crate) fn give_up(&self, now_ns: u64) -> Vec<Attempt> {
        let (key, query) = (&self.key, &self.query);
        let (role, transport) = (fields::role(key.role), fields::transport(key.transport));
        let attempt = |send: &dns_send| {
            let local = fields::address(send.local_ip, key.local_port);
            let peer = fields::address(send.peer_ip, send.peer_port);
            Attempt {
                end_ns: now_ns,
                sent_ns: send.at_ns,
                first_ns: query.first_ns,
                cookie: key.cookie,
                owner: fields::owner(&query.owner, query.tid),
                id: Some(key.id),
                number: send.attempt,
                query_bytes: query.message_bytes,
                queued_bytes: query.queued_bytes,
                ignored: Ignored {
                    other_question: query.other_question,
                    other_source: query.other_source,
                },
                question: RawQuestion::new(self.question()),
                ..Attempt::between(role, transport, local, peer)
            }
        };
        self.sends().iter().map(attempt).collect()
    }
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The kernel was faster (an answer or a resend) and reports it.
    Kernels,
    /// Ours: these attempts have ended.
    Ours(Vec<Attempt>),
    /// Taken while a program was filling it: an attempt of which nothing is
    /// known.
    Lost,
}

/// A slot with the word that it had when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) word: u64,
}
