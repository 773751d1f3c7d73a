//! A DNS server over UDP that says whatever it is told to say, when it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;
use std::time::Instant;

/// Answers that wait at once. At a test's rate no delay needs more; what comes on
/// top is sent at once.
const DELAYED_MAX: usize = 4_096;

/// A datagram that came.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What it says.
    pub octets: &'a [u8],
    /// Whose it is.
    pub client: SocketAddr,
    /// How many came before it.
    pub number: usize,
}

/// What to send for a query, and how long after it came. May be nothing.
pub type Replies = Vec<(Duration, Vec<u8>)>;

/// Serves on a socket, for ever, unless it breaks. `sent` is told of each reply
/// whether the kernel took it.
pub fn serve(
    socket: UdpSocket,
    mut reply: impl FnMut(Query<'_>) -> Replies,
    sent: impl FnMut(bool),
) {
    let mut outbox = Outbox {
        socket,
        sent,
        delayed: BTreeMap::new(),
        replies: 0,
    };
    let mut buffer = [0; 65_535];
    let mut number = 0;
    loop {
        let wait = outbox.send_due();
        if outbox.socket.set_read_timeout(wait).is_err() {
            return;
        }
        // A timeout, or what an earlier answer's client said with ICMP.
        let Ok((len, client)) = outbox.socket.recv_from(&mut buffer) else {
            continue;
        };
        let query = Query {
            octets: &buffer[..len],
            client,
            number,
        };
        for (after, octets) in reply(query) {
            outbox.put(after, octets, client);
        }
        number += 1;
    }
}

/// What is still to be said.
struct Outbox<S> {
    socket: UdpSocket,
    sent: S,
    /// By the time at which they are due, and their number.
    delayed: BTreeMap<(Instant, u64), (Vec<u8>, SocketAddr)>,
    replies: u64,
}

impl<S: FnMut(bool)> Outbox<S> {
    fn put(&mut self, after: Duration, octets: Vec<u8>, client: SocketAddr) {
        if after.is_zero() || self.delayed.len() >= DELAYED_MAX {
            self.send(&octets, client);
            return;
        }
        self.replies += 1;
        let due = (Instant::now() + after, self.replies);
        self.delayed.insert(due, (octets, client));
    }

    /// Sends what is due, and returns how long until the next one is.
    fn send_due(&mut self) -> Option<Duration> {
        loop {
            let next = self.delayed.first_entry()?;
            let (due, _) = *next.key();
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(left);
            }
            let (octets, client) = next.remove();
            self.send(&octets, client);
        }
    }

    fn send(&mut self, octets: &[u8], client: SocketAddr) {
        let taken = self.socket.send_to(octets, client);
        (self.sent)(taken.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::client;
    use super::*;

    #[test]
    fn replies_come_when_they_are_due_in_whatever_order() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = client::connected(server.local_addr().unwrap()).unwrap();
        let begin = Instant::now();
        let late = Duration::from_millis(30);
        thread::spawn(move || {
            let reply = |query: Query<'_>| match query.number {
                0 => vec![(Duration::from_secs(3600), b"never".to_vec())],
                1 => vec![(Duration::ZERO, query.octets.to_vec())],
                _ => vec![(late, b"late".to_vec()), (late / 3, b"soon".to_vec())],
            };
            serve(server, reply, |taken| assert!(taken));
        });
        for query in [&b"first"[..], b"at once", b"third"] {
            client.send(query).unwrap();
        }
        for expected in [&b"at once"[..], b"soon", b"late"] {
            let mut buffer = [0; 16];
            let len = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], expected);
        }
        assert!(begin.elapsed() >= late);
    }
}
