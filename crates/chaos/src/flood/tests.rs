//! The flood against servers of every temper, on free loopback ports.

use std::net::Ipv6Addr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;

use super::*;
use crate::testbed::server::Server;
use crate::testbed::server::well;

/// Far beyond what anything here takes; only a failing test waits so long.
const LONG: Duration = Duration::from_secs(60);

fn v4() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn flood(server: SocketAddr) -> Flood {
    Flood {
        server,
        rate: NonZeroU32::new(2_000).unwrap(),
        concurrency: NonZeroU16::new(16).unwrap(),
        duration: Duration::from_millis(300),
        timeout: LONG,
    }
}

fn adds_up(summary: &Summary) {
    let ended =
        summary.answered + summary.timeouts + summary.refused + summary.errors + summary.abandoned;
    assert_eq!(summary.sent, ended, "{summary:?}");
    assert_eq!(summary.answered, summary.rcodes.values().sum::<u64>());
    assert_eq!(summary.errors, summary.errnos.values().sum::<u64>());
}

fn run(flood: Flood) -> Summary {
    let summary = flood
        .run(&AtomicBool::new(false), &mut |_, _, _| ())
        .unwrap();
    adds_up(&summary);
    summary
}

#[test]
fn every_lookup_is_answered_and_the_server_counts_the_same() {
    for ip in [v4(), (Ipv6Addr::LOCALHOST, 0).into()] {
        if UdpSocket::bind(ip).is_err() {
            continue; // a host without IPv6
        }
        let server = Server::start(&[ip], well(None)).unwrap();
        let summary = run(flood(server.addresses()[0]));
        assert!(summary.sent > 0);
        assert_eq!(summary.rcodes["NOERROR"], summary.sent);
        assert_eq!(server.stop().answered, summary.sent);
    }
}

#[test]
fn the_rate_is_not_exceeded() {
    let server = Server::start(&[v4()], well(None)).unwrap();
    let summary = run(Flood {
        rate: NonZeroU32::new(100).unwrap(),
        ..flood(server.addresses()[0])
    });
    // 300 ms at 100/s, 10 ms to catch up with, and the one at the start.
    assert!((1..=32).contains(&summary.sent), "{summary:?}");
}

#[test]
fn an_overloaded_server_answers_all_but_late() {
    let server = Server::start(&[v4()], well(NonZeroU32::new(100))).unwrap();
    let summary = run(flood(server.addresses()[0]));
    assert_eq!(summary.answered, summary.sent);
    // 16 places at 100/s settle at 160 ms; the first few wait less.
    let p99 = summary.latency_ns.unwrap().p99;
    assert!(p99 > 100_000_000, "{summary:?}");
}

#[test]
fn a_closed_port_refuses_every_lookup() {
    // An address of its own, lest another test takes the port meanwhile.
    let free = UdpSocket::bind("127.0.0.99:0").unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    let summary = run(flood(closed));
    assert!(summary.refused > 0);
    assert_eq!(summary.refused, summary.sent);
    assert_eq!(summary.latency_ns, None);
}

#[test]
fn silence_times_out() {
    let silent = UdpSocket::bind(v4()).unwrap();
    let summary = run(Flood {
        timeout: Duration::from_millis(50),
        ..flood(silent.local_addr().unwrap())
    });
    assert!(summary.timeouts >= 1, "{summary:?}");
    assert_eq!(summary.timeouts, summary.sent);
}

#[test]
fn what_answers_no_question_is_unexpected() {
    let liar = UdpSocket::bind(v4()).unwrap();
    let server = liar.local_addr().unwrap();
    let lies = thread::spawn(move || -> io::Result<u64> {
        let mut buffer = [0; 600];
        let mut told = 0;
        loop {
            let (len, client) = liar.recv_from(&mut buffer)?;
            if len == 0 {
                return Ok(told);
            }
            buffer[2] |= 0x80;
            buffer[0] ^= 0xff;
            liar.send_to(&buffer[..len], client)?;
            told += 1;
        }
    });
    let summary = run(Flood {
        timeout: Duration::from_millis(100),
        ..flood(server)
    });
    UdpSocket::bind(v4()).unwrap().send_to(&[], server).unwrap();
    let told = lies.join().unwrap().unwrap();
    assert_eq!((summary.timeouts, told), (summary.sent, summary.sent));
    // A lie may have come when its lookup was over.
    assert!((1..=told).contains(&summary.unexpected), "{summary:?}");
}

#[test]
fn what_the_kernel_will_not_send_is_an_error_by_name() {
    // Broadcast without SO_BROADCAST is refused before anything is sent.
    let summary = run(flood(([127, 255, 255, 255], 9).into()));
    assert!(summary.errors > 0);
    assert_eq!(summary.errnos["EACCES"], summary.sent);
}

#[test]
fn the_stop_flag_ends_it_and_abandons_what_is_in_flight() {
    let silent = UdpSocket::bind(v4()).unwrap();
    let flood = Flood {
        duration: LONG,
        ..flood(silent.local_addr().unwrap())
    };
    let stop = Arc::new(AtomicBool::new(false));
    let summary = flood
        .run(&stop, &mut |_, _, in_flight| {
            if in_flight == 16 {
                stop.store(true, Relaxed);
            }
        })
        .unwrap();
    adds_up(&summary);
    assert_eq!((summary.sent, summary.abandoned), (16, 16));
    assert!(summary.seconds < LONG.as_secs_f64());
}
