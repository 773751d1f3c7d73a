//! The server as clients see it, on free ports of loopback addresses.

use std::io::Read;
use std::io::Write;
use std::net::Ipv6Addr;
use std::net::Shutdown;
use std::net::TcpStream;

use domain::base::Message;
use domain::base::iana::Rcode;
use domain::base::iana::Rtype;
use domain::rdata::A;
use domain::rdata::Aaaa;

use super::*;

/// Far beyond what anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

fn v4() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn start(rate: Option<u32>) -> Server {
    Server::start(&[v4()], well(rate.and_then(NonZeroU32::new))).unwrap()
}

fn query(id: u16, rtype: Rtype) -> Vec<u8> {
    let mut query = client::query("a.flood.kerno.test", rtype, None).unwrap();
    query[..2].copy_from_slice(&id.to_be_bytes());
    query
}

fn connected(server: SocketAddr) -> UdpSocket {
    let socket = client::connected(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Message<Vec<u8>> {
    let mut buffer = [0; 1500];
    let len = socket.recv(&mut buffer).unwrap();
    Message::from_octets(buffer[..len].to_vec()).unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    client::write_message(&mut octets, message).unwrap();
    octets
}

fn read_framed(stream: &mut TcpStream) -> Message<Vec<u8>> {
    Message::from_octets(client::read_message(stream).unwrap()).unwrap()
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn it_answers_over_udp_on_every_address() {
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let has_v6 = UdpSocket::bind(v6).is_ok();
    let listen = if has_v6 { vec![v4(), v6] } else { vec![v4()] };
    let server = Server::start(&listen, well(None)).unwrap();
    for &address in server.addresses() {
        let client = connected(address);
        client.send(&query(1, Rtype::A)).unwrap();
        let a = receive(&client);
        let record = a.answer().unwrap().limit_to::<A>().next().unwrap().unwrap();
        assert_eq!(record.data().addr(), A_ANSWER);
        client.send(&query(0, Rtype::AAAA)).unwrap();
        let aaaa = receive(&client);
        let mut records = aaaa.answer().unwrap().limit_to::<Aaaa>();
        assert_eq!(records.next().unwrap().unwrap().data().addr(), AAAA_ANSWER);
        assert_eq!(aaaa.header().id(), 0);
    }
    let counts = server.stop();
    let expected = 2 * listen.len() as u64;
    assert_eq!((counts.received, counts.answered), (expected, expected));
}

#[test]
fn tcp_messages_come_pipelined_or_octet_by_octet() {
    let server = start(None);
    let mut stream = connect(server.addresses()[0]);
    stream.set_nodelay(true).unwrap();
    for octet in framed(&query(1, Rtype::A)) {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(read_framed(&mut stream).header().id(), 1);

    let mut several = Vec::new();
    for id in 2..200 {
        several.extend(framed(&query(id, Rtype::AAAA)));
    }
    stream.write_all(&several).unwrap();
    // Those who say that they are done are still answered.
    stream.shutdown(Shutdown::Write).unwrap();
    for id in 2..200 {
        assert_eq!(read_framed(&mut stream).header().id(), id);
    }
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.stop().answered, 199);
}

#[test]
fn junk_is_counted_and_hurts_nobody() {
    let server = start(None);
    let address = server.addresses()[0];
    let udp = connected(address);
    udp.send(&[]).unwrap();
    udp.send(b"junk").unwrap();
    udp.send(&[0xff; 600]).unwrap();
    let mut tcp = connect(address);
    tcp.write_all(&framed(b"junk")).unwrap();
    tcp.write_all(&framed(&[])).unwrap();
    let mut unfinished = connect(address);
    unfinished.write_all(&[0xff]).unwrap();
    drop(unfinished);

    udp.send(&query(5, Rtype::A)[..20]).unwrap();
    assert_eq!(receive(&udp).header().rcode(), Rcode::FORMERR);
    tcp.write_all(&framed(&query(6, Rtype::A))).unwrap();
    assert_eq!(read_framed(&mut tcp).header().id(), 6);
    let counts = server.stop();
    let expected = Counts {
        received: 7,
        answered: 2,
        unsent: 0,
    };
    assert_eq!(counts, expected);
}

#[test]
fn the_service_rate_holds_and_the_queue_keeps_its_order() {
    const QUERIES: u16 = 60;
    const RATE: u32 = 200;
    let server = start(Some(RATE));
    let client = connected(server.addresses()[0]);
    let begin = Instant::now();
    for id in 0..QUERIES {
        client.send(&query(id, Rtype::A)).unwrap();
    }
    for id in 0..QUERIES {
        assert_eq!(receive(&client).header().id(), id);
    }
    // One is free, and two intervals may be caught up with.
    let least = Duration::from_secs(1) / RATE * u32::from(QUERIES - 3);
    assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
    assert_eq!(server.stop().answered, u64::from(QUERIES));
}

#[test]
fn it_stops_at_once_with_a_queue_and_frees_its_port() {
    // One query a second: nearly all of its time it waits for a turn.
    let server = Server::start(&[v4()], well(NonZeroU32::new(1))).unwrap();
    let address = server.addresses()[0];
    let client = connected(address);
    for id in 0..50 {
        client.send(&query(id, Rtype::A)).unwrap();
    }
    receive(&client);
    let counts = server.stop();
    // It did not wait for the rest.
    assert!(counts.answered < 50, "{counts:?}");
    let again = UdpSocket::bind(address);
    assert!(again.is_ok(), "{again:?}");
}

#[test]
fn a_taken_address_is_named() {
    let holder = UdpSocket::bind(v4()).unwrap();
    let taken = holder.local_addr().unwrap();
    let error = Server::start(&[taken], well(None)).unwrap_err();
    assert_eq!(error.address, taken);
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn replies_come_when_they_are_due_in_whatever_order() {
    let begin = Instant::now();
    let late = Duration::from_millis(30);
    let server = Server::start(&[v4()], move |query| {
        vec![
            (late, b"late".to_vec()),
            (late / 3, b"soon".to_vec()),
            (Duration::ZERO, query.octets.to_vec()),
        ]
    });
    let server = server.unwrap();
    let client = connected(server.addresses()[0]);
    client.send(b"at once").unwrap();
    for expected in [&b"at once"[..], b"soon"] {
        let mut buffer = [0; 16];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], expected);
    }
    // What waits when it is stopped is sent all the same.
    assert_eq!(server.stop().answered, 3);
    assert_eq!(client.recv(&mut [0; 16]).unwrap(), 4);
    assert!(begin.elapsed() >= late);
}

#[test]
fn who_is_queued_when_it_finishes_is_answered() {
    let (came, arrivals) = std::sync::mpsc::channel();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let reply = move |query: Query<'_>| {
        if query.number == 0 {
            came.send(()).unwrap();
            let _released = locked(&gate).recv_timeout(PATIENCE);
        }
        answer(query.octets)
            .map(|it| (Duration::ZERO, it))
            .into_iter()
            .collect()
    };
    let mut server = Server::start(&[v4()], reply).unwrap();
    let socket = connected(server.addresses()[0]);
    for id in 1..=3 {
        socket.send(&query(id, Rtype::A)).unwrap();
    }
    arrivals.recv_timeout(PATIENCE).unwrap();
    // It is told to stop while two are queued.
    server.empties.store(true, Relaxed);
    server.stop = None;
    go_on.send(()).unwrap();
    assert_eq!(server.finish().answered, 3);
    for id in 1..=3 {
        assert_eq!(receive(&socket).header().id(), id);
    }
}
