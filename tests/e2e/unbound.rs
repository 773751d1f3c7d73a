//! A real server: unbound, with a zone of the test's own and nothing else.

use std::fmt::Write;
use std::fs::File;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::message;
use crate::place::Place;
use crate::process::PATIENCE;
use crate::process::Process;
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
    process: Process,
    log: PathBuf,
}

impl Unbound {
    /// Starts one in a place, and returns when it answers on every address.
    pub(crate) fn start(place: &Place, zone: &str, addresses: &[IpAddr], port: u16) -> Self {
        let mut config = String::from(
            "server:\n\
             chroot: \"\"\nusername: \"\"\npidfile: \"\"\ndirectory: \".\"\n\
             do-daemonize: no\nuse-syslog: no\nlogfile: \"\"\nverbosity: 1\n\
             num-threads: 1\nmodule-config: \"iterator\"\n\
             access-control: 0.0.0.0/0 allow\naccess-control: ::/0 allow\n\
             # Nothing but local data: it never asks another server.\n\
             local-zone: \".\" static\n",
        );
        for address in addresses {
            writeln!(config, "interface: {address}@{port}").expect("to a string");
        }
        config += &zone_data(zone);
        // Several may run in one place.
        let file = place
            .folder()
            .join(format!("unbound-{}.conf", addresses[0]));
        std::fs::write(&file, config).expect("unbound's configuration");

        let mut command = place.command(unpacked(&["usr/sbin/unbound"]));
        command
            .arg("-c")
            .arg(&file)
            .env("LD_LIBRARY_PATH", library_path());
        let log = file.with_extension("log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("unbound's log"));
        let mut unbound = Self {
            process: Process::start(&mut command),
            log,
        };
        for &address in addresses {
            unbound.await_answer(place, SocketAddr::new(address, port));
        }
        unbound
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it, and returns the number of queries that it says it was asked:
    /// the sum over its threads, with the one that [`Self::start`] asks of each
    /// address.
    pub(crate) fn queries(mut self) -> u64 {
        self.process.signal(Signal::SIGTERM);
        self.process.ended();
        let log = std::fs::read_to_string(&self.log).expect("unbound's log");
        log.lines()
            .filter_map(|line| line.split_once("server stats for thread "))
            .filter_map(|(_, stats)| stats.split_once(": ")?.1.split_once(" queries"))
            .map(|(queries, _)| queries.parse::<u64>().expect("a number"))
            .sum()
    }

    fn await_answer(&mut self, place: &Place, server: SocketAddr) {
        let asked = message::query(1, &message::labels("ready.test"), message::A);
        place.namespace.enter(|| {
            let any = if server.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            let socket = UdpSocket::bind(any).expect("a socket");
            socket.connect(server).expect("to connect");
            socket
                // Each query counts: no second one only because it is slow.
                .set_read_timeout(Some(PATIENCE))
                .expect("a timeout");
            poll("an answer of unbound", || {
                assert!(
                    !self.process.has_ended(),
                    "unbound ended at once: {server} taken?"
                );
                // An error tells of the datagram before: nobody listened yet.
                let _refused = socket.send(&asked);
                socket.recv(&mut [0; 512]).ok()
            });
        });
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
