//! Several threads ask and answer over the same socket with the same ids, so that
//! queries, resends and answers of one key come at the same moment.

use std::net::UdpSocket;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::ALONE;
use crate::doctor::Doctor;
use crate::message;

/// Queries of each thread that asks.
const QUERIES: usize = 100_000;
const ASKING: usize = 3;
const ANSWERING: usize = 2;
/// So few ids that most are in use when they come again.
const IDS: u16 = 8;

#[test]
fn root_each_attempt_has_one_end_whoever_comes_first() {
    let _alone = ALONE.lock();
    let server = UdpSocket::bind("127.0.0.70:0").expect("a port of its own");
    let address = server.local_addr().expect("it is bound");
    let client = UdpSocket::bind("127.0.0.71:0").expect("a port of its own");
    client.connect(address).expect("a connected socket");
    client.set_nonblocking(true).expect("a socket that reads");
    let port = address.port().to_string();
    let doctor = Doctor::start(&["--port", &port, "--timeout", "1s", "--output", "json"]);

    let left = AtomicUsize::new(ASKING);
    thread::scope(|threads| {
        for first in 0..ASKING as u16 {
            let (client, left) = (&client, &left);
            threads.spawn(move || {
                ask(client, first);
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for _ in 0..ANSWERING {
            let server = server.try_clone().expect("the same socket");
            let left = &left;
            threads.spawn(move || answer(&server, left));
        }
    });

    // json() holds that each attempt that was seen has exactly one end.
    let (_, report) = doctor.json();
    let seen = report["accounting"]["queries_seen"].as_u64();
    assert!(seen > Some((ASKING * QUERIES) as u64), "{report}");
}

/// So often who answers looks whether anybody still asks.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// Sends on, whoever sent the same just now, and takes what has come.
fn ask(client: &UdpSocket, first: u16) {
    let name = message::labels("www.kerno.test");
    let queries: Vec<_> = (0..IDS)
        .map(|id| message::query(id, &name, message::A))
        .collect();
    let mut answer = [0; 512];
    // Each thread takes the ids in an order of its own.
    let step = 2 * usize::from(first) + 1;
    for n in 0..QUERIES {
        // A full buffer loses a query before it is one.
        let _ = client.send(&queries[n * step % queries.len()]);
        while client.recv(&mut answer).is_ok() {}
    }
}

/// Answers until nobody asks any more and nothing comes.
fn answer(server: &UdpSocket, left: &AtomicUsize) {
    let mut query = [0; 512];
    server.set_read_timeout(Some(LOOK)).expect("a timeout");
    loop {
        let (len, from) = match server.recv_from(&mut query) {
            Ok(came) => came,
            Err(_) if left.load(Ordering::Relaxed) == 0 => return,
            Err(_) => continue,
        };
        let answer = message::answer(&query[..len], 0);
        server.send_to(&answer, from).expect("loopback takes it");
    }
}
