//! Query messages over one socket, and what comes back.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::time::Duration;
use std::time::Instant;

use domain::base::Message;
use domain::base::MessageBuilder;
use domain::base::Name;
use domain::base::iana::Rtype;
use nix::errno::Errno;

use super::counts::Came;
use super::counts::Fate;
use super::lookup::is_fine;
use crate::chaos::flood::answers;
use crate::chaos::flood::random;

/// A question as sent, and its answer.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) rtype: Rtype,
    message: Vec<u8>,
    /// Messages on their way that nothing has come of.
    waiting: usize,
    /// No answer is expected any more.
    over: bool,
    /// Whose it is, its response code, and whether it was truncated.
    pub(super) answer: Option<(SocketAddr, u16, bool)>,
}

impl Query {
    /// A query with a random id. `udp_payload` is the size in its OPT record.
    pub(super) fn new(name: &str, rtype: Rtype, udp_payload: Option<u16>) -> io::Result<Self> {
        let name = Name::vec_from_str(name).map_err(io::Error::other)?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id((random() & 0xffff) as u16);
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        builder.push((&name, rtype)).map_err(io::Error::other)?;
        let mut builder = builder.additional();
        if let Some(size) = udp_payload {
            let opt = builder.opt(|opt| {
                opt.set_udp_payload_size(size);
                Ok(())
            });
            opt.map_err(io::Error::other)?;
        }
        Ok(Self {
            rtype,
            message: builder.finish(),
            waiting: 0,
            over: false,
            answer: None,
        })
    }

    /// The response code and the TC bit, if this is an answer to it.
    fn answered_by(&self, octets: &[u8]) -> Option<(u16, bool)> {
        let answer = Message::from_slice(octets).ok()?;
        let query = Message::from_slice(&self.message[..]).ok()?;
        answers(answer, query).then(|| (answer.opt_rcode().to_int(), answer.header().tc()))
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
        for at in 0..self.queries.len() {
            for &server in self.servers {
                let query = &mut self.queries[at];
                if query.over {
                    continue;
                }
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
        let mut buffer = [0; 65_535];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, from)) => self.take(&buffer[..len], from),
            Err(error) if is_timeout(&error) => return false,
            Err(error) => self.refuse(&errno_name(&error)),
        }
        true
    }

    fn take(&mut self, octets: &[u8], from: SocketAddr) {
        // musl ignores whom it did not ask; the kernel does so for a connected
        // socket.
        let asked = self.servers.contains(&from);
        let mut waiting = self.queries.iter_mut().filter(|query| query.waiting > 0);
        let answer = waiting.find_map(|query| Some((query.answered_by(octets)?, query)));
        match answer {
            Some(((rcode, truncated), query)) if asked => {
                query.waiting -= 1;
                query.over = true;
                query.answer = Some((from, rcode, truncated));
                self.came.fates.push(Fate::Answered(rcode, truncated));
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
    query: &Query,
    patience: Duration,
    came: &mut Came,
) -> bool {
    let fate = match ask_over_tcp(server, query, patience) {
        Ok(fate) => fate,
        Err(error) => Fate::TcpFailed(errno_name(&error)),
    };
    let fine = matches!(fate, Fate::Answered(rcode, _) if is_fine(rcode));
    came.fates.push(fate);
    fine
}

/// An error if the query could not be sent.
fn ask_over_tcp(server: SocketAddr, query: &Query, patience: Duration) -> io::Result<Fate> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let len = u16::try_from(query.message.len()).map_err(io::Error::other)?;
    // With its length in front (RFC 1035 section 4.2.2).
    let framed = [&len.to_be_bytes()[..], &query.message].concat();
    stream.write_all(&framed)?;
    let mut read = || -> io::Result<Vec<u8>> {
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    Ok(match read() {
        Ok(answer) => match query.answered_by(&answer) {
            Some((rcode, truncated)) => Fate::Answered(rcode, truncated),
            None => Fate::Unanswered,
        },
        Err(error) if is_timeout(&error) => Fate::Unanswered,
        Err(error) => Fate::Refused(errno_name(&error)),
    })
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
