//! A server that misbehaves on purpose, as no real one would: it is a thread of
//! the test, so kerno sees the test's own pid on its side.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use crate::place::Place;

/// What to send for a query, and how long after it came. Nothing: no answer.
pub(crate) type Reply = Option<(Duration, Vec<u8>)>;

/// Serves UDP on an address until the test's process ends. The answers keep
/// their order; `reply` gets the query and its number, from 0.
pub(crate) fn serve(
    place: &Place,
    address: SocketAddr,
    reply: impl Fn(&[u8], usize) -> Reply + Send + 'static,
) {
    let socket = place
        .namespace
        .enter(|| UdpSocket::bind(address).expect("the server's socket"));
    thread::spawn(move || {
        let mut query = [0; 4096];
        for number in 0.. {
            let (len, client) = socket.recv_from(&mut query).expect("a query");
            let Some((wait, answer)) = reply(&query[..len], number) else {
                continue;
            };
            let socket = socket.try_clone().expect("another handle of the socket");
            thread::spawn(move || {
                thread::sleep(wait);
                // The client may have gone.
                let _refused = socket.send_to(&answer, client);
            });
        }
    });
}

/// A socket that takes every query and answers none.
pub(crate) fn silent(place: &Place, address: SocketAddr) -> UdpSocket {
    place
        .namespace
        .enter(|| UdpSocket::bind(address).expect("the silent server's socket"))
}
