//! Query messages over one socket, and what comes back.

use std::io;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use domain::base::Message;
use domain::base::iana::Rtype;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;

use super::counts::Answer;
use super::counts::Came;
use super::counts::Fate;
use crate::testbed::client;

/// A question as sent, and its answer.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) rtype: Rtype,
    message: Vec<u8>,
    /// Messages on their way that nothing has come of.
    waiting: usize,
    /// When it was sent last.
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

    /// The answer that has just come, if it is one to this.
    fn answered_by(&self, octets: &[u8], came: SystemTime) -> Option<Answer> {
        let answer = Message::from_slice(octets).ok()?;
        let query = Message::from_slice(&self.message[..]).ok()?;
        client::answers(answer, query).then(|| Answer {
            rcode: answer.opt_rcode().to_int(),
            truncated: answer.header().tc(),
            took: came.duration_since(self.sent).unwrap_or_default(),
        })
    }
}

/// Queries over a UDP socket.
pub(super) struct UdpExchange<'a> {
    pub(super) socket: UdpSocket,
    /// To the only server. Else all servers are asked at once.
    pub(super) connected: bool,
    pub(super) servers: &'a [SocketAddr],
    pub(super) queries: Vec<Query>,
    /// How long each try waits.
    pub(super) patience: Duration,
    /// How long an answer lies in the socket before it is read.
    pub(super) reads_late: Duration,
    pub(super) came: &'a mut Came,
}

impl UdpExchange<'_> {
    /// Sends all, and again what stays without an answer. The fates of all
    /// messages are known after it.
    pub(super) fn run(&mut self, resends: u32) {
        for _ in 0..=resends {
            self.send();
            let deadline = Instant::now() + self.patience;
            while self.queries.iter().any(|query| !query.over) && self.receive(deadline) {}
            for query in &mut self.queries {
                let waiting = std::mem::take(&mut query.waiting);
                let fate = if query.answer.is_some() {
                    Fate::Superseded
                } else {
                    Fate::Unanswered
                };
                self.came.fates.extend(vec![fate; waiting]);
            }
        }
    }

    fn send(&mut self) {
        // From now on the kernel keeps when an answer came.
        let _none_yet = client::arrived(&self.socket);
        for at in 0..self.queries.len() {
            for &server in self.servers {
                let query = &mut self.queries[at];
                if query.over {
                    continue;
                }
                query.sent = SystemTime::now();
                let sent = if self.connected {
                    self.socket.send(&query.message)
                } else {
                    self.socket.send_to(&query.message, server)
                };
                match sent {
                    Ok(_) => query.waiting += 1,
                    Err(error) => {
                        self.came.fates.push(Fate::Unsent(errno_name(&error)));
                        query.over = self.connected;
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
        if !self.reads_late.is_zero() {
            if !is_readable(&self.socket, left) {
                return false;
            }
            // As a program whose event loop is busy with something else.
            thread::sleep(self.reads_late);
        }
        let mut buffer = [0; 65_535];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                // Who reads late is late; who only waits for a CPU is not.
                let arrived = client::arrived(&self.socket).filter(|_| self.reads_late.is_zero());
                let came = arrived.unwrap_or_else(SystemTime::now);
                self.take(&buffer[..len], from, came);
            }
            Err(error) if is_timeout(&error) => return false,
            Err(error) => self.refuse(&errno_name(&error)),
        }
        true
    }

    fn take(&mut self, octets: &[u8], from: SocketAddr, came: SystemTime) {
        // musl ignores whom it did not ask; the kernel does so for a connected
        // socket.
        let asked = self.servers.contains(&from);
        let mut waiting = self.queries.iter_mut().filter(|query| query.waiting > 0);
        let answer = waiting.find_map(|query| Some((query.answered_by(octets, came)?, query)));
        match answer {
            Some((answer, query)) if asked => {
                query.waiting -= 1;
                query.over = true;
                query.answer = Some((from, answer));
                self.came.fates.push(Fate::Answered(answer));
            }
            _ => self.came.unexpected += 1,
        }
    }

    /// The socket says that its server can't be reached.
    fn refuse(&mut self, errno: &str) {
        for query in self.queries.iter_mut().filter(|query| !query.over) {
            let waiting = std::mem::take(&mut query.waiting);
            let fate = Fate::Refused(errno.to_owned());
            self.came.fates.extend(vec![fate; waiting]);
            query.over = true;
        }
    }
}

/// Asks a server again over TCP; whether a good answer came.
pub(super) fn over_tcp(
    server: SocketAddr,
    query: &mut Query,
    patience: Duration,
    came: &mut Came,
) -> bool {
    let fate = match ask_over_tcp(server, query, patience) {
        Ok(fate) => fate,
        Err(error) => Fate::TcpFailed(errno_name(&error)),
    };
    let fine = matches!(fate, Fate::Answered(answer) if answer.is_fine());
    came.fates.push(fate);
    fine
}

/// An error if the query could not be sent.
fn ask_over_tcp(server: SocketAddr, query: &mut Query, patience: Duration) -> io::Result<Fate> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    query.sent = SystemTime::now();
    client::write_message(&mut stream, &query.message)?;
    Ok(match client::read_message(&mut stream) {
        Ok(answer) => match query.answered_by(&answer, SystemTime::now()) {
            Some(answer) => Fate::Answered(answer),
            None => Fate::Unanswered,
        },
        Err(error) if is_timeout(&error) => Fate::Unanswered,
        Err(error) => Fate::Refused(errno_name(&error)),
    })
}

/// Waits until there is something to read, without reading it.
fn is_readable(socket: &UdpSocket, patience: Duration) -> bool {
    let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    // A timeout longer than poll takes is none of a lab's.
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    poll(&mut wanted, timeout).is_ok_and(|ready| ready > 0)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// `ECONNREFUSED`; an error that is not the kernel's by its kind.
pub(super) fn errno_name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => format!("{:?}", Errno::from_raw(errno)),
        None => format!("{:?}", error.kind()),
    }
}
