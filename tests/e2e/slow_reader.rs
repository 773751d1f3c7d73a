//! Nobody reads what `kerno watch` writes: it must not grow, must say what is
//! missing, and must still end when it is told to.

use std::net::SocketAddr;

use nix::sys::signal::Signal;

use crate::ask::connected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::site::SERVER_V4;
use crate::site::Site;
use crate::watch::Watch;

/// Three times what the kernel's ring buffer takes (10,000 records of both
/// roles), and far more than a pipe's 64 KiB.
const QUERIES: u16 = 16_384;

/// What kerno may use beside the pages of its program: of 30 MiB in all (design.md), those of
/// a release build are more than half.
const RESIDENT_KIB: u64 = 12 * 1024;

#[test]
fn root_a_reader_that_stands_still_costs_losses_and_no_memory() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let mut watch = Watch::unread(&[], |_| true);
    let name = message::labels(&site.name("unread"));
    let socket = connected(&site.client, server);
    for id in 0..QUERIES {
        socket
            .send(&message::query(id, &name, message::A))
            .expect("to ask");
        socket.recv(&mut [0; 512]).expect("an answer");
    }
    let resident = peak_resident_kib(watch.process.pid());
    watch.process.signal(Signal::SIGTERM);
    assert_eq!(watch.process.ended().code(), Some(0));
    let complaints = watch.complaints();
    assert!(resident < RESIDENT_KIB, "{resident} KiB");
    assert!(
        complaints
            .iter()
            .any(|said| said.contains("lost on the way to kerno")),
        "{complaints:?}"
    );
}

/// The peak, without the pages of the program itself: a debug build has several times as many.
fn peak_resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let kib = |name: &str| -> u64 {
        let (_, rest) = status.split_once(name).expect(name);
        let number = rest.split_whitespace().next().expect("a number");
        number.parse().expect("a number")
    };
    kib("VmHWM:") - kib("RssFile:")
}
