//! Query messages over one socket, and what comes back.

use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use domain::base::iana::Rtype;
use nix::poll::PollFd;
use nix::poll::PollFlags;

use super::ask::Ask;
use super::ask::Style;
use super::counts::Tally;
use super::counts::count;
use crate::testbed::client;
use crate::testbed::client::Answer;
use crate::testbed::client::is_timeout;
use crate::wait::is_ready;
use crate::wait::wait;

#[derive(Debug)]
pub(super) struct Query {
    pub(super) rtype: Rtype,
    message: Vec<u8>,
    /// Messages on their way that nothing has come of.
    waiting: u64,
    sent: SystemTime,
    /// No answer is expected any more.
    over: bool,
    /// Whose it is, and what it says.
    pub(super) answer: Option<(SocketAddr, Answer)>,
}

impl Query {
    /// A query with a random id. `udp_payload` is the size in its OPT record.
    pub(super) fn new(name: &str, rtype: Rtype, udp_payload: Option<u16>) -> io::Result<Self> {
        Ok(Self {
            rtype,
            message: client::query(name, rtype, udp_payload)?,
            waiting: 0,
            sent: SystemTime::now(),
            over: false,
            answer: None,
        })
    }

    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// The answer that came then, counted, if it is one to this.
    fn answered_by(&self, octets: &[u8], came: SystemTime, tally: &Tally) -> Option<Answer> {
        let answer = Answer::to(&self.message, octets)?;
        let took = came.duration_since(self.sent).unwrap_or_default();
        tally.counts().answer(answer, took > tally.slow);
        Some(answer)
    }
}

/// Queries over a UDP socket, to one server or to all at once.
pub(super) struct UdpExchange<'a> {
    pub(super) ask: &'a Ask,
    pub(super) socket: UdpSocket,
    pub(super) servers: &'a [SocketAddr],
    pub(super) queries: Vec<Query>,
    pub(super) tally: &'a Tally,
}

impl UdpExchange<'_> {
    /// Sends all, and again what stays without an answer. What became of each
    /// message is counted after it.
    pub(super) fn run(&mut self) {
        for _ in 0..=self.ask.resends {
            self.send();
            let deadline = Instant::now() + self.ask.patience;
            while self.queries.iter().any(|query| !query.over) && self.receive(deadline) {}
            let mut counts = self.tally.counts();
            for query in &mut self.queries {
                let end = match query.answer {
                    Some(_) => &mut counts.superseded,
                    None => &mut counts.unanswered,
                };
                *end += std::mem::take(&mut query.waiting);
            }
        }
    }

    fn send(&mut self) {
        // From now on the kernel keeps when an answer came.
        let _none_yet = client::arrived(&self.socket);
        let is_connected = self.ask.style == Style::Glibc;
        for query in &mut self.queries {
            for &server in self.servers {
                if query.over {
                    continue;
                }
                query.sent = SystemTime::now();
                let sent = if is_connected {
                    self.socket.send(&query.message)
                } else {
                    self.socket.send_to(&query.message, server)
                };
                let mut counts = self.tally.counts();
                match sent {
                    Ok(_) => {
                        counts.sent += 1;
                        query.waiting += 1;
                    }
                    Err(error) => {
                        count(&mut counts.unsent, &error, 1);
                        query.over = is_connected;
                    }
                }
            }
        }
    }

    /// Takes one datagram or error; false if there was none in time.
    fn receive(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.socket.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let reads_late = self.ask.reads_late;
        if !reads_late.is_zero() {
            let mut wanted = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if wait(&mut wanted, Some(left)).is_err() || !is_ready(&wanted[0]) {
                return false;
            }
            // As a program whose event loop is busy with something else.
            thread::sleep(reads_late);
        }
        let mut buffer = [0; 65_535];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                // Who reads late is late; who only waits for a CPU is not.
                let arrived = client::arrived(&self.socket).filter(|_| reads_late.is_zero());
                let came = arrived.unwrap_or_else(SystemTime::now);
                self.take(&buffer[..len], from, came);
            }
            Err(error) if is_timeout(&error) => return false,
            Err(error) => self.refuse(&error),
        }
        true
    }

    fn take(&mut self, octets: &[u8], from: SocketAddr, came: SystemTime) {
        // musl ignores whom it did not ask; the kernel does so for a connected
        // socket.
        let asked = self.servers.contains(&from);
        let waiting = self
            .queries
            .iter_mut()
            .filter(|query| asked && query.waiting > 0);
        for query in waiting {
            if let Some(answer) = query.answered_by(octets, came, self.tally) {
                query.waiting -= 1;
                query.over = true;
                query.answer = Some((from, answer));
                return;
            }
        }
        self.tally.counts().unexpected += 1;
    }

    /// The socket says that its server can't be reached.
    fn refuse(&mut self, error: &io::Error) {
        for query in self.queries.iter_mut().filter(|query| !query.over) {
            let waiting = std::mem::take(&mut query.waiting);
            count(&mut self.tally.counts().refused, error, waiting);
            query.over = true;
        }
    }
}

/// Asks a server again over TCP; whether a good answer came.
pub(super) fn over_tcp(
    server: SocketAddr,
    query: &mut Query,
    patience: Duration,
    tally: &Tally,
) -> bool {
    let mut dial = || {
        let mut stream = client::dial(server, patience)?;
        query.sent = SystemTime::now();
        client::write_message(&mut stream, &query.message)?;
        Ok(stream)
    };
    let mut stream = match dial() {
        Ok(stream) => stream,
        Err(error) => {
            count(&mut tally.counts().tcp_failed, &error, 1);
            return false;
        }
    };
    tally.counts().sent += 1;
    match client::read_message(&mut stream) {
        Ok(answer) => match query.answered_by(&answer, SystemTime::now(), tally) {
            Some(answer) => return answer.is_fine(),
            None => tally.counts().unanswered += 1,
        },
        Err(error) if is_timeout(&error) => tally.counts().unanswered += 1,
        Err(error) => count(&mut tally.counts().refused, &error, 1),
    }
    false
}
