//! The faulty server's queries over TCP: a thread for each connection.

use std::io;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use super::behaviour::Behaviour;
use super::counts::Counters;
use crate::server::answer;
use crate::testbed::client;

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
        let query = client::read_message(&mut stream)?;
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
            let sent = client::write_message(&mut stream, &answer);
            counters.sent(sent.is_ok());
            sent?;
        }
    }
}
