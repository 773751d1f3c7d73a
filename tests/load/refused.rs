//! A tenant whose queries are all refused at once, more of them than kerno has room for: what
//! has ended makes room for what comes.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::ALONE;
use crate::doctor::Doctor;
use crate::message;

/// Three times what `dns_inflight` takes.
const QUERIES: u32 = 24_000;
/// A quarter of what a debug build keeps up with on two slow cores.
const PER_SECOND: u32 = 2_500;

#[test]
fn root_a_flood_of_refused_queries_loses_none() {
    let _alone = ALONE.lock();
    // A port that was somebody's just now, so nobody else has it.
    let closed = {
        let server = UdpSocket::bind("127.0.0.72:0").expect("a port");
        server.local_addr().expect("it is bound")
    };
    let port = closed.port().to_string();
    let doctor = Doctor::start(&["--port", &port, "--output", "json"]);
    let name = message::labels("www.kerno.test");
    let query = message::query(7, &name, message::A);
    let begin = Instant::now();
    for number in 0..QUERIES {
        let client = UdpSocket::bind("127.0.0.73:0").expect("a port");
        client.connect(closed).expect("a connected socket");
        client.send(&query).expect("loopback takes it");
        let error = client.recv(&mut [0; 64]).expect_err("nobody is there");
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
        // No faster; slower does no harm.
        let due = Duration::from_secs(1) * number / PER_SECOND;
        if number % 100 == 0 {
            thread::sleep(due.saturating_sub(begin.elapsed()));
        }
    }
    let (_, report) = doctor.json();
    let accounting = &report["accounting"];
    assert_eq!(accounting["queries_seen"], QUERIES, "{accounting}");
    assert_eq!(accounting["refused"], QUERIES, "{accounting}");
    assert_eq!(accounting["lost"], 0, "{accounting}");
    assert_eq!(accounting["notice_lost"], 0, "{accounting}");
    let causes = &accounting["failures_by_cause"];
    assert_eq!(causes["dns_nobody_listening"], QUERIES, "{causes}");
}
