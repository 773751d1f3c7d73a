//! A real server: unbound, with a zone of the test's own and nothing else.

use std::fmt::Write;
use std::fs::File;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;

use kerno_chaos::testbed;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::place::Place;
use crate::process::poll;

/// The zone that unbound serves is this, under the test's own name.
/// `big` does not fit into a datagram of 1,232 octets (the DNS flag day's size).
fn zone_data(zone: &str) -> String {
    let mut data = format!(
        "local-zone: \"{zone}.\" static\n\
         local-data: \"{zone}. SOA ns.{zone}. root.{zone}. 1 3600 600 86400 60\"\n\
         local-data: \"www.{zone}. A 192.0.2.1\"\n\
         local-data: \"www.{zone}. AAAA 2001:db8::1\"\n\
         local-data: \"www.{zone}. TXT hello\"\n\
         local-zone: \"refused.{zone}.\" always_refuse\n\
         local-zone: \"silent.{zone}.\" deny\n"
    );
    for part in 0..10 {
        let text = "x".repeat(200);
        writeln!(data, "local-data: 'big.{zone}. TXT \"{part}{text}\"'").expect("to a string");
    }
    data
}

/// A running unbound.
#[derive(Debug)]
pub(crate) struct Unbound {
    running: testbed::Unbound,
    log: PathBuf,
}

impl Unbound {
    /// Starts one in a place, and returns when it answers on every address.
    pub(crate) fn start(place: &Place, zone: &str, addresses: &[IpAddr], port: u16) -> Self {
        // Several may run in one place.
        let log = place.folder().join(format!("unbound-{}.log", addresses[0]));
        let mut command = place.command(unpacked(&["usr/sbin/unbound"]));
        command
            .env("LD_LIBRARY_PATH", library_path())
            .stderr(File::create(&log).expect("unbound's log"));
        let listens = addresses.iter().map(|&ip| SocketAddr::new(ip, port));
        let listens: Vec<SocketAddr> = listens.collect();
        // What it counted is in its log. Nothing but local data: it never asks
        // another server.
        let settings = format!(
            "verbosity: 1\nlocal-zone: \".\" static\n{}",
            zone_data(zone)
        );
        let running = testbed::Unbound::start(command, &place.namespace, &listens, &settings);
        Self {
            running: running.expect("unbound"),
            log,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("to signal unbound");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Ends it, and returns the number of queries that it says it was asked:
    /// the sum over its threads, with the one that [`Self::start`] asks of each
    /// address.
    pub(crate) fn queries(mut self) -> u64 {
        self.signal(Signal::SIGTERM);
        let child = self.running.child();
        poll("the end of unbound", || child.try_wait().expect("wait"));
        let log = std::fs::read_to_string(&self.log).expect("unbound's log");
        log.lines()
            .filter_map(|line| line.split_once("server stats for thread "))
            .filter_map(|(_, stats)| stats.split_once(": ")?.1.split_once(" queries"))
            .map(|(queries, _)| queries.parse::<u64>().expect("a number"))
            .sum()
    }
}

/// A program that `unpack-servers` unpacked, or else the installed one.
pub(crate) fn unpacked(paths: &[&str]) -> PathBuf {
    [servers(), PathBuf::from("/")]
        .iter()
        .flat_map(|root| paths.iter().map(move |path| root.join(path)))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {paths:?}: `make setup` unpacks the servers"))
}

/// Where their libraries are, before the machine's own.
pub(crate) fn library_path() -> String {
    let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["lib", "usr/lib"].map(|lib| servers().join(lib).join(&architecture));
    let paths = folders
        .iter()
        .flat_map(|path| [path.clone(), path.join("systemd")]);
    paths
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(":")
}

fn servers() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("servers")
}
