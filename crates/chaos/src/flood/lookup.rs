//! One lookup: a socket, a question, and whether what comes back answers it.

use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use domain::base::iana::Rtype;

use crate::testbed::client;
use crate::testbed::client::Answer;

/// The names asked for end in this: `.test` is for testing only (RFC 6761
/// section 6.2), so that a resolver keeps the question to itself.
const ZONE: &str = "flood.kerno.test";

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

impl Lookup {
    /// Asks the server for the address of the `number`th name of a run.
    pub(super) fn start(server: SocketAddr, run: u32, number: u64) -> io::Result<Self> {
        let name = format!("q{number}-{run:08x}.{ZONE}");
        let query = client::query(&name, Rtype::A, None)?;
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

    /// Takes one datagram or error from the socket, without waiting; `None` if it does
    /// not answer the question.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Answer>> {
        let len = self.socket.recv(buffer)?;
        Ok(Answer::to(&self.query, &buffer[..len]))
    }
}

impl AsFd for Lookup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
