//! Each program against a workload that counts itself.

use std::net::TcpListener;
use std::net::TcpStream;

use kerno_counters::ALL;
use kerno_counters::Definition;
use kerno_counters::Figure;
use kerno_counters::figure::Figures;

use super::Running;

fn definition(name: &str) -> Definition {
    *ALL.iter()
        .find(|it| it.name == name)
        .expect("there is such a program")
}

fn start(name: &str) -> Running {
    Running::start(definition(name), |_| true).expect("it loads and attaches, as root")
}

/// The figures of this process.
fn mine(running: &Running) -> Figures {
    let mine = std::process::id();
    let all = running.read().expect("it can be read");
    let found = all.into_iter().find(|(owner, _)| owner.tgid == mine);
    found
        .map(|(_, reading)| reading.figures)
        .unwrap_or_default()
}

fn count(figures: &Figures, counter: &str) -> u64 {
    match figures.get(counter) {
        None => 0,
        Some(Figure::Count(count)) => *count,
        Some(Figure::Log2Ns(slots)) => slots.iter().sum(),
    }
}

#[test]
fn root_each_program_runs_on_this_kernel() {
    for definition in ALL {
        let running = Running::start(definition, |_| true).expect(definition.name);
        assert!(running.is_active(), "{}", definition.name);
        assert_eq!(running.missing(), [], "{}", definition.name);
        assert!(
            running
                .losses()
                .expect("they can be read")
                .iter()
                .all(|(_, lost)| *lost == 0)
        );
    }
}

#[test]
fn root_each_failed_connect_is_counted_once() {
    const TRIES: u64 = 500;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = listener.local_addr().expect("an address");
    drop(listener);
    let (calls, net) = (start("syscall"), start("net"));
    for _ in 0..TRIES {
        TcpStream::connect(closed).expect_err("nobody listens there");
    }
    let figures = mine(&calls);
    assert_eq!(count(&figures, "connect.errors.111"), TRIES, "{figures:?}");
    assert!(count(&figures, "connect.calls") >= TRIES, "{figures:?}");
    assert_eq!(
        count(&figures, "connect.calls"),
        count(&figures, "connect.latency")
    );
    let figures = mine(&net);
    assert_eq!(count(&figures, "tcp_failed_connects"), TRIES, "{figures:?}");
    assert_eq!(count(&figures, "tcp_resets_received"), TRIES, "{figures:?}");
}
