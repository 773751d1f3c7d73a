//! `syscall`.

use std::io::Read as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use kerno_counters::Figure;

use super::place::Alone;
use super::place::count;
use super::place::mine;
use super::place::start;

#[test]
fn root_each_failed_connect_is_counted_once() {
    const TRIES: u64 = 500;
    let _alone = Alone::here();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = listener.local_addr().expect("an address");
    drop(listener);
    let (calls, net) = (start("syscall"), start("net"));
    for _ in 0..TRIES {
        TcpStream::connect(closed).expect_err("nobody listens there");
    }
    let figures = mine(&calls);
    let refused = format!("connect.errors.{}", libc::ECONNREFUSED);
    assert_eq!(count(&figures, &refused), TRIES, "{figures:?}");
    assert_eq!(count(&figures, "connect.calls"), TRIES, "{figures:?}");
    assert_eq!(count(&figures, "connect.latency"), TRIES, "{figures:?}");
    let figures = mine(&net);
    assert_eq!(count(&figures, "tcp_failed_connects"), TRIES, "{figures:?}");
    assert_eq!(count(&figures, "tcp_resets_received"), TRIES, "{figures:?}");
    assert_eq!(count(&figures, "tcp_connects"), 0, "{figures:?}");
}

/// A call that waits is that of its thread, on whatever CPU it goes on.
#[test]
fn root_a_call_that_waits_is_as_long_as_it_waited() {
    const WAIT: Duration = Duration::from_millis(30);
    let _alone = Alone::here();
    let calls = start("syscall");
    let (mut here, there) = UnixStream::pair().expect("two ends");
    let begun = Instant::now();
    let reader = thread::spawn(move || {
        let mut octets = Vec::new();
        here.read_to_end(&mut octets).expect("an end");
    });
    thread::sleep(WAIT);
    drop(there);
    reader.join().expect("it ends");
    let took = begun.elapsed().as_nanos() as u64;
    let figures = mine(&calls);
    let Some(Figure::Log2Ns(slots)) = figures.get("recvfrom.latency") else {
        panic!("{figures:?}");
    };
    let longest = slots.iter().rposition(|count| *count > 0).expect("one");
    // The slot's bounds: it waited less than all took, and nearly as long as the sleep.
    assert!(1 << longest <= took, "slot {longest} of {took} ns");
    assert!(
        (WAIT.as_nanos() as u64) < 1 << (longest + 2),
        "slot {longest}"
    );
}
