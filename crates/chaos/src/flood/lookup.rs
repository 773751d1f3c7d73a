//! One lookup: a socket, a question, and whether what comes back answers it.

use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use domain::base::Message;
use domain::base::iana::Rtype;

use crate::testbed::client;

/// The names asked for end in this: `.test` is for testing only (RFC 6761
/// section 6.2), so that a resolver keeps the question to itself.
pub const ZONE: &str = "flood.kerno.test";

/// A lookup in flight.
///
/// Each has a socket of its own, as with glibc, Go and every resolver library
/// that picks a random source port per query (RFC 5452 section 9.2). An answer
/// that comes too late meets a closed port, never another lookup.
#[derive(Debug)]
pub(super) struct Lookup {
    socket: UdpSocket,
    query: Vec<u8>,
    /// Right before the query was given to the kernel.
    pub(super) sent: Instant,
}

/// What a readable socket held.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing after all.
    Nothing,
    /// A datagram that does not answer the question.
    Unexpected,
    /// The answer, with its response code (upper bits of EDNS included).
    Answer(u16),
    /// An error of the socket, which ends the lookup.
    Failed(io::Error),
}

impl Lookup {
    /// Asks the server for the address of the `number`th name of a run.
    pub(super) fn start(server: SocketAddr, run: u32, number: u64) -> io::Result<Self> {
        let query = build(run, number)?;
        let socket = client::connected(server)?;
        socket.set_nonblocking(true)?;
        let sent = Instant::now();
        socket.send(&query)?;
        Ok(Self {
            socket,
            query,
            sent,
        })
    }

    /// Takes one datagram or error from the socket, without waiting.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Reply {
        let len = match self.socket.recv(buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Reply::Nothing,
            Err(error) => return Reply::Failed(error),
        };
        match (
            Message::from_slice(&buffer[..len]),
            Message::from_slice(&self.query),
        ) {
            (Ok(answer), Ok(query)) if client::answers(answer, query) => {
                Reply::Answer(answer.opt_rcode().to_int())
            }
            _ => Reply::Unexpected,
        }
    }
}

impl AsFd for Lookup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A query for an A record, with a random id and a name never asked before.
fn build(run: u32, number: u64) -> io::Result<Vec<u8>> {
    client::query(&format!("q{number}-{run:08x}.{ZONE}"), Rtype::A, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_differ() {
        let queries: Vec<_> = (0..64).map(|number| build(1, number).unwrap()).collect();
        let mut names: Vec<&[u8]> = queries.iter().map(|query| &query[12..]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 64);
        assert!(queries.iter().any(|query| query[..2] != queries[0][..2]));
    }
}
