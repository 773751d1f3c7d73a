//! A program with many questions under way at one socket, which it reads late.

use std::io;
use std::net::UdpSocket;
use std::thread;

use domain::base::iana::Rtype;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::sockopt::UdpGsoSegment;

use super::ask::Ask;
use super::ask::Style;
use super::counts::Tally;
use super::counts::count;
use super::exchange::Query;
use crate::testbed::client;

/// What it asks for with SO_RCVBUF; the kernel takes twice that (socket(7)): room for
/// some ten small answers.
const BUFFER: usize = 4_096;

/// Asks for so many names below this one; whether all were answered well.
pub(super) fn run(ask: &Ask, name: &str, size: u64, tally: &Tally) -> bool {
    match burst(ask, name, size, tally) {
        Ok(all) => all,
        Err(error) => {
            count(&mut tally.counts().unsent, &error, 1);
            false
        }
    }
}

fn burst(ask: &Ask, name: &str, size: u64, tally: &Tally) -> io::Result<bool> {
    let server = ask.servers[0];
    let socket = client::socket(server.ip())?;
    let is_together = matches!(ask.style, Style::Together(_));
    if !is_together {
        setsockopt(&socket, RcvBuf, &BUFFER)?;
    }
    socket.connect(server)?;
    // All of one length.
    let queries = (0..size).map(|n| Query::new(&format!("n{n:02}.{name}"), Rtype::A, None));
    let queries = queries.collect::<io::Result<Vec<_>>>()?;
    match is_together {
        true => send_together(&socket, &queries)?,
        false => queries
            .iter()
            .try_for_each(|query| socket.send(query.message()).map(drop))?,
    }
    tally.counts().sent += size;
    // By then all answers have come that ever will.
    thread::sleep(ask.patience);
    let answered = read(&socket, &queries, tally)?;
    tally.counts().unanswered += size - answered;
    Ok(answered == size)
}

/// The kernel makes a datagram of each.
fn send_together(socket: &UdpSocket, queries: &[Query]) -> io::Result<()> {
    let len = queries.first().map_or(0, |query| query.message().len());
    let len = i32::try_from(len).map_err(io::Error::other)?;
    setsockopt(socket, UdpGsoSegment, &len)?;
    let all: Vec<u8> = queries.iter().flat_map(Query::message).copied().collect();
    socket.send(&all).map(drop)
}

/// What lies in the socket.
fn read(socket: &UdpSocket, queries: &[Query], tally: &Tally) -> io::Result<u64> {
    let mut buffer = [0; 1_500];
    let mut answered = 0;
    socket.set_nonblocking(true)?;
    loop {
        let len = match socket.recv(&mut buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(answered),
            Err(error) => return Err(error),
        };
        let answer = queries
            .iter()
            .find_map(|query| client::Answer::to(query.message(), &buffer[..len]));
        match answer {
            Some(answer) => {
                answered += 1;
                // It came in time, and was read late.
                tally.counts().answer(answer, false);
            }
            None => tally.counts().unexpected += 1,
        }
    }
}
