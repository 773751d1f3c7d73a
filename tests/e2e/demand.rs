//! Hooks that every socket of the host pays for: attached while there is a reason, and
//! then they tell what they would have told all along, but for the first.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use kerno_chaos::deny::Deny;
use kerno_chaos::deny::deny;
use libbpf_rs::query::ProgInfoIter;

use crate::ask::connected;
use crate::ask::unconnected;
use crate::doctor::Doctor;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::listening::Listening;
use crate::message;
use crate::process::PATIENCE;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::Site;
use crate::watch::Watch;

/// The cable leads to neither.
const NOWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));
const NOWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53));

/// Between two tries of a client; no result depends on it.
const RHYTHM: Duration = Duration::from_millis(20);

/// What a hook has to do with reads and sends.
const ON_DEMAND: [&str; 4] = ["dns_read", "dns_sent", "dns_sendmsg4", "dns_sendmsg6"];

/// Does it again and again until the other is over.
fn while_repeating<T>(mut again: impl FnMut() + Send, other: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (over, is_over) = mpsc::channel::<()>();
        scope.spawn(move || {
            while is_over.recv_timeout(RHYTHM) == Err(mpsc::RecvTimeoutError::Timeout) {
                again();
            }
        });
        let result = other();
        drop(over);
        result
    })
}

/// Which of the hooks on demand are attached by this process.
fn attached(pid: u32) -> Vec<String> {
    let programs: Vec<_> = ProgInfoIter::default().collect();
    let folder = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("its descriptors");
    let link = |info: String| {
        info.contains("link_type:").then_some(())?;
        let id = info
            .lines()
            .find_map(|line| line.strip_prefix("prog_id:"))?;
        let id: u32 = id.trim().parse().ok()?;
        let program = programs.iter().find(|program| program.id == id)?;
        Some(program.name.to_string_lossy().into_owned())
    };
    let infos = folder.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    let mut names: Vec<_> = infos.filter_map(link).collect();
    names.retain(|name| ON_DEMAND.contains(&&**name));
    names.sort_unstable();
    names
}

#[track_caller]
fn await_attached(watch: &Watch, what: &str, enough: impl Fn(&[String]) -> bool) {
    let start = Instant::now();
    while !enough(&attached(watch.process.pid())) {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(RHYTHM);
    }
}

#[test]
fn root_without_a_reason_there_is_a_short_look_now_and_then() {
    let site = Site::new();
    let all = site.watch(&["--all-hooks"]);
    assert_eq!(attached(all.process.pid()).len(), ON_DEMAND.len());
    let watch = site.watch(&[]);
    await_attached(&watch, "a look at reads", |on| {
        on.contains(&ON_DEMAND[0].to_owned())
    });
    await_attached(&watch, "its end", |on| {
        !on.contains(&ON_DEMAND[0].to_owned())
    });
}

#[test]
fn root_sends_without_a_route_are_looked_at_when_there_are_some() {
    for nowhere in [NOWHERE_V4, NOWHERE_V6] {
        let site = Site::new();
        let mut watch = site.watch(&[]);
        let socket = unconnected(&site.client, nowhere);
        let name = message::labels(&site.name("lost"));
        let query = message::query(1, &name, message::A);
        let ask = || {
            let sent = socket.send_to(&query, (nowhere, 53));
            let error = sent.expect_err("there is no route").kind();
            assert_eq!(error, ErrorKind::NetworkUnreachable);
        };
        let told = |seen: &[Record]| seen.len() >= 10;
        let records = while_repeating(ask, || watch.until("failed sends", told));
        for record in &records {
            assert_eq!(record.failed_call.as_deref(), Some("send"), "{record:#?}");
            assert_eq!(record.reason.as_deref(), Some("ENETUNREACH"), "{record:#?}");
            assert_eq!(record.server.ip, nowhere, "{record:#?}");
        }
    }
}

#[test]
fn root_sends_that_a_cgroup_denies_are_looked_at_while_it_may() {
    let site = Site::new();
    // One that is there before kerno is, and one that comes later.
    for early in [true, false] {
        let deny_client = || {
            let folder = site.client.cgroup.open().expect("the control group");
            deny(folder.as_fd(), Deny::Sendmsg4).expect("to deny")
        };
        let before = early.then(deny_client);
        let mut watch = site.watch(&[]);
        let denial = before.unwrap_or_else(deny_client);
        let steps = ["udp", "sendto", "sendto"];
        let ask = || {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/calls.py");
            let mut python = site.client.command("/usr/bin/python3");
            python.arg(script).arg(SERVER_V4.to_string()).args(steps);
            let client = crate::process::finish(&mut python);
            assert_eq!(client.output, "EPERM\nEPERM\n");
        };
        let told = |seen: &[Record]| seen.len() >= 2;
        let records = match early {
            true => {
                ask();
                watch.until("the first denied sends", told)
            }
            false => while_repeating(ask, || watch.until("denied sends", told)),
        };
        for record in &records {
            assert_eq!(record.reason.as_deref(), Some("EPERM"), "{record:#?}");
        }
        drop(denial);
    }
}

#[test]
fn root_answers_that_are_read_late_are_looked_at_when_there_are_some() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let mut listening = Listening::on_demand(&site);
    let name = message::labels(&site.name("late"));
    // As a C library does: a socket for each lookup.
    let ask = || {
        let socket = connected(&site.client, server);
        let query = message::query(7, &name, message::A);
        socket.send(&query).expect("to ask");
        // It is this time that the answer lies.
        thread::sleep(Duration::from_millis(100));
        socket.recv(&mut [0; 512]).expect("an answer");
    };
    while_repeating(ask, || {
        listening.until("late reads", |told| told.slow_reads.len() >= 5);
    });
    let mine = |read: &&kerno::attempt::SlowRead| read.owner.pid != Some(std::process::id());
    assert_eq!(listening.slow_reads.iter().find(mine), None);
}

#[test]
fn root_the_report_says_what_was_looked_at_on_demand() {
    let doctor = Doctor::start(&["--output", "json"]);
    let (_, report) = doctor.json();
    let signals = report["signals"].as_array().expect("signals");
    for name in ["sock_recv_length", "sock_send_length"] {
        let signal = signals.iter().find(|signal| signal["name"] == name);
        let signal = signal.expect(name);
        assert_eq!(signal["active"], true, "{signal}");
        assert_eq!(signal["attached"], "on demand", "{signal}");
        let seconds = signal["attached_seconds"].as_f64().expect("seconds");
        let window = report["window_seconds"].as_f64().expect("seconds");
        assert!(seconds < window + 1.0, "{signal}");
    }
    let doctor = Doctor::start(&["--output", "json", "--all-hooks"]);
    let (_, report) = doctor.json();
    for signal in report["signals"].as_array().expect("signals") {
        assert_eq!(signal["active"], true, "{signal}");
        assert!(signal.get("attached").is_none(), "{signal}");
    }
}
