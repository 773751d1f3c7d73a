//! One TCP connection to the server: messages with a length in front
//! (RFC 1035 section 4.2.2), pipelined or in pieces as the client likes.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::time::Instant;

use nix::poll::PollFlags;

/// How long a connection may say nothing. RFC 7766 section 6.2.3 asks for
/// "a few seconds" and leaves the figure open.
const IDLE: Duration = Duration::from_secs(10);

/// Octets read at once; a query fits many times over.
const CHUNK: usize = 4096;

/// A connection. Memory is bounded: it reads only while no whole message waits,
/// and takes no message while an answer waits to be written.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// When octets last moved in either direction.
    last: Instant,
    /// The client has finished writing; what it asked is still answered.
    half_closed: bool,
    broken: bool,
}

impl Stream {
    /// Takes over a connection just accepted.
    pub(super) fn new(socket: TcpStream, now: Instant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // An answer is written whole; waiting for more only delays it.
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            inbox: Vec::new(),
            outbox: Vec::new(),
            last: now,
            half_closed: false,
            broken: false,
        })
    }

    /// What to wait for on the socket.
    pub(super) fn interest(&self) -> PollFlags {
        if !self.outbox.is_empty() {
            PollFlags::POLLOUT
        } else if self.message_len().is_some() || self.half_closed {
            PollFlags::empty()
        } else {
            PollFlags::POLLIN
        }
    }

    /// Moves what can be moved without blocking.
    pub(super) fn transfer(&mut self, now: Instant) {
        if let Err(error) = self.try_transfer(now)
            && !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            )
        {
            self.broken = true;
        }
    }

    fn try_transfer(&mut self, now: Instant) -> io::Result<()> {
        while !self.outbox.is_empty() {
            let written = self.socket.write(&self.outbox)?;
            self.outbox.drain(..written);
            self.last = now;
        }
        if self.message_len().is_none() && !self.half_closed {
            let mut chunk = [0; CHUNK];
            let read = self.socket.read(&mut chunk)?;
            self.inbox.extend_from_slice(&chunk[..read]);
            self.half_closed = read == 0;
            self.last = now;
        }
        Ok(())
    }

    /// Whether a message can be taken now.
    pub(super) fn has_message(&self) -> bool {
        self.outbox.is_empty() && self.message_len().is_some()
    }

    /// Takes the oldest whole message, without its length.
    pub(super) fn take_message(&mut self) -> Option<Vec<u8>> {
        let len = self.message_len()?;
        let message = self.inbox[2..2 + len].to_vec();
        self.inbox.drain(..2 + len);
        Some(message)
    }

    /// Sends an answer, as far as the client takes it now.
    pub(super) fn send(&mut self, answer: &[u8], now: Instant) {
        // Answers are built here and stay far below 64 KiB.
        let len = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        self.outbox.extend_from_slice(&len.to_be_bytes());
        self.outbox.extend_from_slice(&answer[..usize::from(len)]);
        self.transfer(now);
    }

    /// Whether nothing more will come of it.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let done = self.half_closed && self.outbox.is_empty() && self.message_len().is_none();
        self.broken || done || now.duration_since(self.last) > IDLE
    }

    fn message_len(&self) -> Option<usize> {
        let (prefix, rest) = self.inbox.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*prefix));
        (rest.len() >= len).then_some(len)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
