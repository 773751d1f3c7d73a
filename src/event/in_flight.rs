//! A query in flight, as far as a failure can be joined with it.

#[cfg(test)]
use crate::attempt::Attempt;
use crate::attempt::Role;
use crate::attempt::Transport;

/// What is known of it at one moment; the kernel may have moved on since.
#[derive(Clone, Copy, Debug)]
pub struct InFlight<'a> {
    /// Which end the socket is.
    pub role: Role,
    /// What carries it.
    pub transport: Transport,
    /// Cookie of the socket.
    pub cookie: u64,
    /// Network namespace of the socket; 0 if it is not known.
    pub netns: u32,
    /// DNS message id.
    pub id: u16,
    /// Port of the asking end.
    pub client_port: u16,
    /// The message from the question on.
    pub question: &'a [u8],
    /// When the last of its servers was asked, `CLOCK_MONOTONIC` nanoseconds.
    pub newest_ns: u64,
    /// How many servers were asked at once.
    pub servers: usize,
}

impl<'a> InFlight<'a> {
    /// What the kernel has of a query that was sent once.
    #[cfg(test)]
    pub(crate) fn of_attempt(attempt: &'a Attempt) -> Self {
        Self {
            role: attempt.role,
            transport: attempt.transport,
            cookie: attempt.cookie,
            netns: attempt.owner.netns,
            id: attempt.id.unwrap_or_default(),
            client_port: attempt.client().port(),
            question: attempt.question.as_bytes(),
            newest_ns: attempt.sent_ns,
            servers: 1,
        }
    }
}
