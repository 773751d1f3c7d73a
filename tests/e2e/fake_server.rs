//! A server that misbehaves on purpose, as no real one would: it is a thread of
//! the test, so kerno sees the test's own pid on its side.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use crate::message;
use crate::place::Place;

/// What to send for a query, and how long after it came. May be nothing.
pub(crate) type Replies = Vec<(Duration, Vec<u8>)>;

/// Serves UDP on an address until the test's process ends; `reply` gets the
/// query and its number, from 0.
pub(crate) fn serve(
    place: &Place,
    address: SocketAddr,
    reply: impl Fn(&[u8], usize) -> Replies + Send + 'static,
) {
    let socket = place.enter(|| UdpSocket::bind(address).expect("the server's socket"));
    thread::spawn(move || {
        let mut query = [0; 4096];
        for number in 0.. {
            let (len, client) = socket.recv_from(&mut query).expect("a query");
            for (wait, answer) in reply(&query[..len], number) {
                if wait.is_zero() {
                    let _refused = socket.send_to(&answer, client);
                    continue;
                }
                let socket = socket.try_clone().expect("another handle of the socket");
                thread::spawn(move || {
                    thread::sleep(wait);
                    // The client may have gone.
                    let _refused = socket.send_to(&answer, client);
                });
            }
        }
    });
}

/// What a good server would do.
pub(crate) fn at_once(query: &[u8]) -> Replies {
    vec![(Duration::ZERO, message::answer(query, 0))]
}

/// A socket that takes every query and answers none.
pub(crate) fn silent(place: &Place, address: SocketAddr) -> UdpSocket {
    place.enter(|| UdpSocket::bind(address).expect("the silent server's socket"))
}
