//! Makes one part of the mix, and counts what really came of each query.

use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use domain::base::iana::Rtype;

use super::part::End;
use super::part::Part;
use super::part::Transport;
use super::report::Outcomes;
use crate::testbed::client;
use crate::testbed::client::Answer;
use crate::testbed::server;
use crate::testbed::server::Server;

/// The names asked for end in this (`.test`: RFC 6761 section 6.2).
const ZONE: &str = "mix.kerno.test";

/// Both ends are on this host: what does not come within this does not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between a message and the same again. kerno takes equal questions within
/// 50 ms for one that was put to several servers at once, as musl does.
const RESEND_AFTER: Duration = Duration::from_millis(60);

/// Makes the part once. Returns what came of it and the slowest answer's time.
///
/// # Errors
///
/// A socket that cannot be had, an answer that does not come.
pub(super) fn make(part: &Part, port: u16) -> io::Result<(Outcomes, Duration)> {
    let server: SocketAddr = (part.address, port).into();
    let mut outcomes = Outcomes::default();
    let mut slowest = Duration::ZERO;
    let mut each = |lookup: &mut dyn FnMut(&[u8], &mut Outcomes) -> io::Result<Duration>| {
        for number in 0..part.lookups {
            let name = format!("{}-{number}.{ZONE}", part.name);
            let query = client::query(&name, Rtype::A, None)?;
            slowest = slowest.max(lookup(&query, &mut outcomes)?);
        }
        io::Result::Ok(())
    };
    match part.end {
        End::Answered => {
            let started = Server::start(&[server], server::well(None));
            let _serving = started.map_err(|error| error.source)?;
            each(&mut |query, outcomes| {
                outcomes.queries += 1;
                let begin = Instant::now();
                match part.transport {
                    Transport::Udp => ask_udp(server, query)?,
                    Transport::Tcp => ask_tcp(server, query)?,
                }
                outcomes.answered += 1;
                Ok(begin.elapsed())
            })?;
        }
        End::Unanswered => {
            let silent = socket(server)?;
            each(&mut |query, outcomes| {
                let client = client_of(server)?;
                send_and_take(&client, &silent, query, outcomes)?;
                outcomes.unanswered += 1;
                Ok(Duration::ZERO)
            })?;
        }
        End::AnsweredWhenResent => {
            let forgetful = socket(server)?;
            each(&mut |query, outcomes| resend(&forgetful, server, query, outcomes))?;
        }
        End::Refused => each(&mut |query, outcomes| {
            outcomes.queries += 1;
            refuse(part.transport, server, query)?;
            outcomes.refused += 1;
            Ok(Duration::ZERO)
        })?,
        End::Unheard => each(&mut |query, outcomes| {
            let client = client::socket(server.ip())?;
            client.send_to(query, server)?;
            outcomes.queries += 1;
            outcomes.unheard += 1;
            Ok(Duration::ZERO)
        })?,
    }
    Ok((outcomes, slowest))
}

fn ask_udp(server: SocketAddr, query: &[u8]) -> io::Result<()> {
    let client = client_of(server)?;
    client.send(query)?;
    take_answer(&client, query)
}

/// A connection for each lookup, as stub resolvers do it.
fn ask_tcp(server: SocketAddr, query: &[u8]) -> io::Result<()> {
    let mut client = client::dial(server, PATIENCE)?;
    client::write_message(&mut client, query)?;
    check_answer(&client::read_message(&mut client)?, query)
}

fn resend(
    forgetful: &UdpSocket,
    server: SocketAddr,
    query: &[u8],
    outcomes: &mut Outcomes,
) -> io::Result<Duration> {
    let client = client_of(server)?;
    send_and_take(&client, forgetful, query, outcomes)?;
    thread::sleep(RESEND_AFTER);
    outcomes.unanswered += 1;
    let begin = Instant::now();
    let asker = send_and_take(&client, forgetful, query, outcomes)?;
    let answer = server::answer(query).ok_or_else(|| io::Error::other("the mix asks junk"))?;
    forgetful.send_to(&answer, asker)?;
    take_answer(&client, query)?;
    outcomes.answered += 1;
    Ok(begin.elapsed())
}

/// The query has reached the server's socket and been read there.
fn send_and_take(
    client: &UdpSocket,
    server: &UdpSocket,
    query: &[u8],
    outcomes: &mut Outcomes,
) -> io::Result<SocketAddr> {
    client.send(query)?;
    outcomes.queries += 1;
    let mut buffer = [0; 512];
    loop {
        let (len, asker) = server.recv_from(&mut buffer)?;
        if &buffer[..len] == query {
            return Ok(asker);
        }
    }
}

fn refuse(transport: Transport, server: SocketAddr, query: &[u8]) -> io::Result<()> {
    let told = match transport {
        Transport::Tcp => client::dial(server, PATIENCE).map(drop),
        Transport::Udp => {
            let client = client_of(server)?;
            client.send(query)?;
            client.recv(&mut [0; 512]).map(drop)
        }
    };
    match told {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(io::Error::other("somebody listens where nobody should")),
    }
}

fn take_answer(client: &UdpSocket, query: &[u8]) -> io::Result<()> {
    let mut buffer = [0; 512];
    let len = client.recv(&mut buffer)?;
    check_answer(&buffer[..len], query)
}

fn check_answer(answer: &[u8], query: &[u8]) -> io::Result<()> {
    match Answer::to(query, answer) {
        Some(_) => Ok(()),
        None => Err(io::Error::other("something else came than the answer")),
    }
}

/// A socket connected to the server, on a free port.
fn client_of(server: SocketAddr) -> io::Result<UdpSocket> {
    let client = client::connected(server)?;
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}
