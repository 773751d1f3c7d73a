//! A program with many questions under way at one socket, which it reads too late.

use std::io;
use std::net::UdpSocket;
use std::thread;

use domain::base::iana::Rtype;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;

use super::ask::Ask;
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
    setsockopt(&socket, RcvBuf, &BUFFER)?;
    socket.connect(server)?;
    let queries = (0..size).map(|n| Query::new(&format!("n{n}.{name}"), Rtype::A, None));
    let queries = queries.collect::<io::Result<Vec<_>>>()?;
    for query in &queries {
        socket.send(query.message())?;
        tally.counts().sent += 1;
    }
    // By then all answers have come that ever will.
    thread::sleep(ask.patience);
    let answered = read(&socket, &queries, tally)?;
    tally.counts().unanswered += size - answered;
    Ok(answered == size)
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
