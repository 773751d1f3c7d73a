//! Programs that wait for less long than kerno does: what they felt ends when they close
//! their socket. How long that was at the most, the test knows from when it started them;
//! at the least, from what they were told to wait.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::doctor::Doctor;
use crate::fake_server;
use crate::firewall::Firewall;
use crate::lookups;
use crate::process::Process;
use crate::process::finish;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::Site;

/// dig's clock starts before the query is sent; so much may lie between.
const LEAST: Duration = Duration::from_millis(900);

fn dig(site: &Site, options: &[&str]) -> Command {
    let mut dig = site.client.command("dig");
    dig.arg(format!("@{SERVER_V4}"))
        .args(["+time=1", "+tries=1"])
        .args(options)
        .arg(site.name("silent"));
    dig
}

fn server() -> SocketAddr {
    SocketAddr::new(SERVER_V4, 53)
}

#[track_caller]
fn gave_up(record: &Record) -> Duration {
    let gave_up_ns = record.gave_up_ns.unwrap_or_else(|| panic!("{record:#?}"));
    if record.outcome == "unanswered" {
        assert!(Some(gave_up_ns) < record.waited_ns, "{record:#?}");
    }
    Duration::from_nanos(gave_up_ns)
}

#[track_caller]
fn assert_within(felt: Duration, (least, most): (Duration, Duration)) {
    assert!(
        felt >= least && felt <= most,
        "{felt:?}: {least:?} to {most:?}"
    );
}

fn clients(records: &[Record]) -> Vec<&Record> {
    records.iter().filter(|it| it.role == "client").collect()
}

#[test]
fn root_dig_gives_up_after_a_second_and_no_more_is_lost() {
    let site = Site::new();
    let _silent = fake_server::silent(&site.server, server());
    let mut watch = site.watch(&["--timeout", "4s"]);
    let lookups = lookups::Watch::with(&["--timeout", "4s"]);
    let name = site.name("silent");
    let doctor = Doctor::start(&[
        "--timeout",
        "4s",
        "--comm",
        "dig",
        "--name",
        &name,
        "--output",
        "json",
    ]);
    let took = [(); 2].map(|()| finish(&mut dig(&site, &[])).took);
    let records = site.all_records(&mut watch, 4);
    let clients = clients(&records);
    assert_eq!(clients.len(), 2, "{records:#?}");
    for (record, took) in clients.iter().zip(took) {
        assert_eq!(record.outcome, "unanswered", "{record:#?}");
        assert_within(gave_up(record), (LEAST, took));
    }
    let mut told = lookups.lookups(&site.client);
    told.retain(|it| it["comm"] == "dig");
    assert_eq!(told.len(), 2, "{told:#?}");
    for (lookup, took) in told.iter().zip(took) {
        assert_eq!(lookup["result"], "failed", "{lookup:#}");
        let duration_ns = lookup["duration_ns"].as_u64().expect("nanoseconds");
        assert_within(Duration::from_nanos(duration_ns), (LEAST, took));
        let waited = lookup["waited_by_cause"].as_object().expect("causes");
        let waited: u64 = waited.values().map(|ns| ns.as_u64().expect("ns")).sum();
        assert_eq!(waited, duration_ns, "{lookup:#}");
    }
    let (_, report) = doctor.json();
    let lookups = &report["lookups"];
    assert_eq!(
        (&lookups["count"], &lookups["failed"]),
        (&2.into(), &2.into()),
        "{lookups:#}"
    );
    let lost = lookups["seconds_lost"].as_f64().expect("seconds");
    assert_within(
        Duration::from_secs_f64(lost),
        (2 * LEAST, took[0] + took[1]),
    );
}

/// Its tries are one lookup, though each has a socket of its own; and an answer ends it.
#[test]
fn root_what_dig_tries_from_new_sockets_is_one_lookup() {
    let site = Site::new();
    let is_third = |query: &[u8], number: u64| match number {
        2 => fake_server::at_once(query),
        _ => Vec::new(),
    };
    fake_server::serve(&site.server, server(), is_third);
    let lookups = lookups::Watch::with(&["--timeout", "4s"]);
    let took = finish(&mut dig(&site, &["+tries=4"])).took;
    let told = lookups.lookups(&site.client);
    let [lookup] = &told[..] else {
        panic!("one: {told:#?}");
    };
    assert_eq!(lookup["result"], "no_data", "{lookup:#}");
    assert_eq!(
        (&lookup["queries"], &lookup["exact"]),
        (&3.into(), &true.into())
    );
    let duration_ns = lookup["duration_ns"].as_u64().expect("nanoseconds");
    assert_within(Duration::from_nanos(duration_ns), (2 * LEAST, took));
}

#[test]
fn root_who_is_killed_waits_no_longer() {
    let site = Site::new();
    let _silent = fake_server::silent(&site.server, server());
    let mut watch = site.watch(&["--timeout", "2s"]);
    let query = r"b'\0\7\1\0\0\1\0\0\0\0\0\0\7example\4test\0\0\1\0\1'";
    let waits = format!(
        "import socket\nit = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         it.sendto({query}, ('{SERVER_V4}', 53))\nprint(flush=True)\nit.recv(512)"
    );
    let mut python = site.client.command("python3");
    python.args(["-c", &waits]).stdout(Stdio::piped());
    let start = Instant::now();
    let mut process = Process::start(&mut python);
    let mut stdout = process.child.stdout.take().expect("piped");
    stdout.read_exact(&mut [0]).expect("that it has asked");
    let asked = start.elapsed();
    process.signal(Signal::SIGKILL);
    process.ended();
    let took = start.elapsed();
    let records = site.all_records(&mut watch, 2);
    let [record] = clients(&records)[..] else {
        panic!("one: {records:#?}");
    };
    assert!(asked <= took);
    assert_within(gave_up(record), (Duration::ZERO, took));
}

/// The SYN gets no answer: there is no query yet, and kerno knows the socket alone.
#[test]
fn root_a_connection_that_is_not_accepted_is_given_up_on() {
    let site = Site::new();
    let _wall = Firewall::new(&site.server.namespace, "input", "tcp dport 53", "drop");
    let mut watch = site.watch(&["--timeout", "3s"]);
    let took = finish(&mut dig(&site, &["+tcp"])).took;
    let records = site.all_records(&mut watch, 1);
    let [record] = clients(&records)[..] else {
        panic!("one: {records:#?}");
    };
    assert_eq!(
        (&*record.transport, record.id),
        ("tcp", None),
        "{record:#?}"
    );
    assert_within(gave_up(record), (LEAST, took));
}

/// Kerno knows at once that it is discarded on this host; its program waits all the same.
#[test]
fn root_what_this_host_discards_is_waited_for_until_the_socket_is_closed() {
    let site = Site::new();
    for (where_, hook) in [(&site.client, "output"), (&site.server, "input")] {
        let wall = Firewall::new(&where_.namespace, hook, "udp dport 53", "drop");
        let lookups = lookups::Watch::with(&["--timeout", "4s"]);
        let took = finish(&mut dig(&site, &[])).took;
        let told = lookups.lookups(&site.client);
        let [lookup] = &told[..] else {
            panic!("one: {told:#?}");
        };
        let duration_ns = lookup["duration_ns"].as_u64().expect("nanoseconds");
        assert_within(Duration::from_nanos(duration_ns), (LEAST, took));
        wall.lift();
    }
}
