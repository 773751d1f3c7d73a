//! A client of the test's own, for what no ordinary client would do.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;

use kerno_chaos::testbed::client;

use crate::place::Place;
use crate::process::PATIENCE;

/// A UDP socket in a place, connected to a server.
pub(crate) fn connected(place: &Place, server: SocketAddr) -> UdpSocket {
    let socket = unconnected(place, server.ip());
    socket.connect(server).expect("to connect");
    socket
}

/// A UDP socket in a place, for servers of the given family.
pub(crate) fn unconnected(place: &Place, family_of: IpAddr) -> UdpSocket {
    let socket = place.enter(|| client::socket(family_of).expect("a socket"));
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Asks over UDP and takes the answer.
pub(crate) fn ask(place: &Place, server: SocketAddr, query: &[u8]) {
    let socket = connected(place, server);
    socket.send(query).expect("to ask");
    socket.recv(&mut [0; 4096]).expect("an answer");
}

/// A TCP connection from a place to a server. Each write is a segment.
pub(crate) fn dial(place: &Place, server: SocketAddr) -> TcpStream {
    let stream = place.enter(|| TcpStream::connect(server).expect("to connect"));
    stream.set_nodelay(true).expect("no delay");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Writes one message to a TCP connection, in one segment.
pub(crate) fn write_message(stream: &mut TcpStream, message: &[u8]) {
    client::write_message(stream, message).expect("to ask");
}

/// Reads one message from a TCP connection.
pub(crate) fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    client::read_message(stream).expect("a message")
}
