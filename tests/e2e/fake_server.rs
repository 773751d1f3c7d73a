//! A server that misbehaves on purpose, as no real one would: it is a thread of
//! the test, so kerno sees the test's own pid on its side.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use kerno_chaos::testbed::server;
pub(crate) use kerno_chaos::testbed::server::Replies;

use crate::message;
use crate::place::Place;

/// Serves UDP on an address until the test's process ends; `reply` gets the
/// query and its number, from 0.
pub(crate) fn serve(
    place: &Place,
    address: SocketAddr,
    reply: impl Fn(&[u8], usize) -> Replies + Send + 'static,
) {
    let socket = place.enter(|| UdpSocket::bind(address).expect("the server's socket"));
    // A client may have gone when it is answered.
    let answers = move |query: server::Query<'_>| reply(query.octets, query.number);
    thread::spawn(move || server::serve(socket, answers, |_taken| ()));
}

/// What a good server would do.
pub(crate) fn at_once(query: &[u8]) -> Replies {
    vec![(Duration::ZERO, message::answer(query, 0))]
}

/// A socket that takes every query and answers none.
pub(crate) fn silent(place: &Place, address: SocketAddr) -> UdpSocket {
    place.enter(|| UdpSocket::bind(address).expect("the silent server's socket"))
}
