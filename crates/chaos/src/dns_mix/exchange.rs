//! Makes one part of the mix, and counts what really came of each query.

use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::unbounded;
use domain::base::iana::Rtype;
use nix::sched::CpuSet;
use nix::sched::sched_getaffinity;
use nix::sched::sched_getcpu;
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;

use super::part::End;
use super::part::Part;
use super::part::Transport;
use super::report::Outcomes;
use crate::testbed::client;
use crate::testbed::client::Answer;
use crate::testbed::server::Query;
use crate::testbed::server::Replies;
use crate::testbed::server::Server;
use crate::testbed::server::answer;

/// The names asked for end in this (`.test`: RFC 6761 section 6.2).
const ZONE: &str = "mix.kerno.test";

/// Both ends are on this host: what does not come within this does not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between a message and the same again. kerno takes equal questions within
/// 50 ms for one that was put to several servers at once, as musl does.
const RESEND_AFTER: Duration = Duration::from_millis(60);

/// Makes the part once. Returns what came of it and the slowest answer's time.
pub(super) fn make(part: &Part, port: u16) -> io::Result<(Outcomes, Duration)> {
    let server: SocketAddr = (part.address, port).into();
    let (taken, takes) = unbounded();
    let _serving = match part.end {
        End::Refused | End::Unheard => None,
        end => {
            let started = Server::start(&[server], move |query| reply(end, query, &taken));
            Some(started.map_err(|error| error.source)?)
        }
    };
    let mut exchange = Exchange {
        server,
        takes,
        outcomes: Outcomes::default(),
        slowest: Duration::ZERO,
    };
    for number in 0..part.lookups {
        let name = format!("{}-{number}.{ZONE}", part.name);
        exchange.look_up(part, &client::query(&name, Rtype::A, None)?)?;
    }
    Ok((exchange.outcomes, exchange.slowest))
}

/// What the server of a part says. It tells what it took.
fn reply(end: End, query: Query<'_>, taken: &Sender<Vec<u8>>) -> Replies {
    let _unheard = taken.send(query.octets.to_vec());
    let is_answered = match end {
        End::Answered => true,
        // The first of each lookup is not.
        End::AnsweredWhenResent => query.number % 2 == 1,
        End::Unanswered | End::Refused | End::Unheard => false,
    };
    let answer = answer(query.octets).filter(|_| is_answered);
    answer
        .map(|answer| (Duration::ZERO, answer))
        .into_iter()
        .collect()
}

struct Exchange {
    server: SocketAddr,
    takes: Receiver<Vec<u8>>,
    outcomes: Outcomes,
    slowest: Duration,
}

/// Sent from another CPU, the first segment may overtake the end of the handshake on
/// loopback; then it comes to the listening socket, where kerno does not read it.
fn on_one_cpu<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let mut here = CpuSet::new();
    here.set(sched_getcpu()?)?;
    sched_setaffinity(this, &here)?;
    let done = act();
    sched_setaffinity(this, &before)?;
    done
}

impl Exchange {
    fn look_up(&mut self, part: &Part, query: &[u8]) -> io::Result<()> {
        match (part.end, part.transport) {
            (End::Answered, Transport::Udp) => {
                let client = self.client()?;
                self.have_answered(&client, query)?;
            }
            (End::Answered, Transport::Tcp) => {
                self.outcomes.queries += 1;
                let begin = Instant::now();
                // A connection for each lookup, as stub resolvers do it.
                let mut client = on_one_cpu(|| {
                    let mut client = client::dial(self.server, PATIENCE)?;
                    client::write_message(&mut client, query)?;
                    Ok(client)
                })?;
                check_answer(&client::read_message(&mut client)?, query)?;
                self.answered(begin);
            }
            (End::Unanswered, _) => {
                let client = self.client()?;
                self.leave_unanswered(&client, query)?;
            }
            (End::AnsweredWhenResent, _) => {
                let client = self.client()?;
                self.leave_unanswered(&client, query)?;
                thread::sleep(RESEND_AFTER);
                self.have_answered(&client, query)?;
            }
            (End::Refused, transport) => {
                self.outcomes.queries += 1;
                let told = match transport {
                    Transport::Tcp => client::dial(self.server, PATIENCE).map(drop),
                    Transport::Udp => {
                        let client = self.client()?;
                        client.send(query)?;
                        client.recv(&mut [0; 512]).map(drop)
                    }
                };
                match told {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error),
                    Ok(()) => {
                        let why = "somebody listens where nobody should";
                        return Err(io::Error::other(why));
                    }
                }
                self.outcomes.refused += 1;
            }
            (End::Unheard, _) => {
                let client = client::socket(self.server.ip())?;
                client.send_to(query, self.server)?;
                self.outcomes.queries += 1;
                self.outcomes.unheard += 1;
            }
        }
        Ok(())
    }

    /// A socket connected to the server, on a free port.
    fn client(&self) -> io::Result<UdpSocket> {
        let client = client::connected(self.server)?;
        client.set_read_timeout(Some(PATIENCE))?;
        Ok(client)
    }

    fn have_answered(&mut self, client: &UdpSocket, query: &[u8]) -> io::Result<()> {
        self.outcomes.queries += 1;
        let begin = Instant::now();
        client.send(query)?;
        let mut buffer = [0; 512];
        let len = client.recv(&mut buffer)?;
        check_answer(&buffer[..len], query)?;
        self.answered(begin);
        Ok(())
    }

    fn answered(&mut self, begin: Instant) {
        self.outcomes.answered += 1;
        self.slowest = self.slowest.max(begin.elapsed());
    }

    /// On return the query has reached the server's socket and been read there.
    fn leave_unanswered(&mut self, client: &UdpSocket, query: &[u8]) -> io::Result<()> {
        client.send(query)?;
        self.outcomes.queries += 1;
        while self
            .takes
            .recv_timeout(PATIENCE)
            .map_err(io::Error::other)?
            != query
        {}
        self.outcomes.unanswered += 1;
        Ok(())
    }
}

fn check_answer(answer: &[u8], query: &[u8]) -> io::Result<()> {
    match Answer::to(query, answer) {
        Some(_) => Ok(()),
        None => Err(io::Error::other("something else came than the answer")),
    }
}
