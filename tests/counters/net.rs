//! `net`.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use super::place::Alone;
use super::place::count;
use super::place::mine;
use super::place::start;

#[test]
fn root_octets_of_connections_are_counted_when_they_end() {
    const CONNECTIONS: u64 = 20;
    const ASKED: usize = 100_000;
    const ANSWERED: usize = 777;
    let _alone = Alone::here();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        for _ in 0..CONNECTIONS {
            let (mut stream, _) = listener.accept().expect("a client");
            stream
                .read_exact(&mut vec![0; ASKED])
                .expect("it sends as much");
            stream.write_all(&[1; ANSWERED]).expect("it listens");
        }
    });
    let net = start("net");
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(address).expect("a server");
        stream.write_all(&vec![1; ASKED]).expect("it listens");
        let mut answer = Vec::new();
        // To its end: the server has closed then, and this end closes next.
        stream.read_to_end(&mut answer).expect("an answer");
        assert_eq!(answer.len(), ANSWERED);
    }
    server.join().expect("it ends");
    let figures = mine(&net);
    assert_eq!(count(&figures, "tcp_connects"), CONNECTIONS, "{figures:?}");
    assert_eq!(
        count(&figures, "tcp_sent_bytes"),
        CONNECTIONS * ASKED as u64,
        "{figures:?}"
    );
    let received = CONNECTIONS * ANSWERED as u64;
    assert_eq!(
        count(&figures, "tcp_received_bytes"),
        received,
        "{figures:?}"
    );
    assert!(
        count(&figures, "tcp_round_trip") >= CONNECTIONS,
        "{figures:?}"
    );
    // Who accepts is known by control group only.
    let accepted = net.read().expect("it can be read");
    let accepted = accepted
        .values()
        .map(|it| count(&it.figures, "tcp_accepts"))
        .sum::<u64>();
    assert!(accepted >= CONNECTIONS, "{accepted}");
}

#[test]
fn root_datagrams_that_do_not_fit_are_counted() {
    const SENT: u64 = 200;
    let _alone = Alone::here();
    let reader = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let least: libc::c_int = 1;
    // SAFETY: the option's value is an int, and is as long.
    let set = unsafe {
        libc::setsockopt(
            reader.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const least).cast(),
            size_of_val(&least) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
    let net = start("net");
    let drops = || {
        let all = net.read().expect("it can be read");
        all.values()
            .map(|it| count(&it.figures, "udp_buffer_drops"))
            .sum::<u64>()
    };
    let before = drops();
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let to = reader.local_addr().expect("an address");
    for _ in 0..SENT {
        sender.send_to(&[0; 500], to).expect("loopback takes it");
    }
    reader.set_nonblocking(true).expect("it can be");
    let mut read = 0;
    while reader.recv(&mut [0; 512]).is_ok() {
        read += 1;
    }
    assert!(read < SENT, "all fitted");
    // Others on this machine may lose some, too.
    assert!(
        drops() - before >= SENT - read,
        "{} of {}",
        drops() - before,
        SENT - read
    );
}
