//! The faulty server's queries over TCP: a thread for each connection.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use super::Counters;
use super::behaviour::Behaviour;
use crate::chaos::server::answer;

/// How long a connection may say nothing: its thread is bound.
const IDLE: Duration = Duration::from_secs(2);

/// Accepts as long as the process lives.
pub(super) fn serve(listener: &TcpListener, behaviours: &[Behaviour], counters: &Counters) {
    thread::scope(|scope| {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that went away is no fault of the server.
            scope.spawn(move || converse(stream, behaviours, counters));
        }
    });
}

fn converse(
    mut stream: TcpStream,
    behaviours: &[Behaviour],
    counters: &Counters,
) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    loop {
        // RFC 1035 section 4.2.2: each message has its length in front.
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut query)?;
        counters.received.fetch_add(1, Relaxed);
        let does = Behaviour::of(behaviours, &query);
        counters
            .faulty
            .fetch_add(u64::from(does.is_some()), Relaxed);
        let answer = match does {
            Some(does) => does.answer_over_tcp(&query),
            None => answer(&query),
        };
        if let Some(answer) = answer {
            let len = u16::try_from(answer.len()).map_err(io::Error::other)?;
            let sent = stream.write_all(&[&len.to_be_bytes()[..], &answer].concat());
            counters.sent(sent.is_ok());
            sent?;
        }
    }
}
