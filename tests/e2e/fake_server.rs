//! A server that misbehaves on purpose, as no real one would: it is a thread of
//! the test, so kerno sees the test's own pid on its side.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;

use kerno_chaos::testbed::server::Query;
pub(crate) use kerno_chaos::testbed::server::Replies;
use kerno_chaos::testbed::server::Server;

use crate::message;
use crate::place::Place;

/// Serves on an address until the test's process ends; `reply` gets the query and
/// its number, from 0.
pub(crate) fn serve(
    place: &Place,
    address: SocketAddr,
    reply: impl Fn(&[u8], u64) -> Replies + Send + Sync + 'static,
) {
    let answers = move |query: Query<'_>| reply(query.octets, query.number);
    let server = place.enter(|| Server::start(&[address], answers).expect("the server"));
    std::mem::forget(server);
}

/// What a good server would do.
pub(crate) fn at_once(query: &[u8]) -> Replies {
    vec![(Duration::ZERO, message::answer(query, 0))]
}

/// A socket that takes every query and answers none.
pub(crate) fn silent(place: &Place, address: SocketAddr) -> UdpSocket {
    place.enter(|| UdpSocket::bind(address).expect("the silent server's socket"))
}
