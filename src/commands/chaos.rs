//! `kerno chaos`: makes a real fault on this host, and says what came of it.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use kerno_chaos::dns_flood;
use kerno_chaos::dns_mix;
use kerno_chaos::lab;
use kerno_chaos::scenario::Fault;
use kerno_chaos::scenario::Scenario;
use kerno_chaos::scenarios;
use kerno_chaos::target::Choice;
use kerno_chaos::target::DNS_PORT;

use crate::cli::ChaosArgs;
use crate::host;
use crate::host::conntrack;
use crate::host::proc::Root;
use crate::host::proc::mountinfo;
use crate::host::proc::net_udp;
use crate::host::proc::resolv_conf;
use crate::host::proc::snmp::Snmp;
use crate::stop::Stop;
use crate::thresholds::LATENCY_WARNING_NS;

/// Lists the scenarios, or makes one until its duration is over or a signal
/// comes, and prints what was sent and what came back.
pub(super) fn run(args: &ChaosArgs, stop: &Stop) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    match args.induce {
        Some(scenario) => induce(scenario, args, stop, &mut out)?,
        None => scenarios::list(&mut out).context("cannot write to stdout")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn induce(
    scenario: &Scenario,
    args: &ChaosArgs,
    stop: &Stop,
    out: &mut dyn io::Write,
) -> Result<()> {
    match &scenario.fault {
        Fault::DnsFlood => {
            let report = dns_flood::run(&flood_options(args), stop.flag())?;
            super::print(args.output, &report, |out| report.write_text(out), out)
        }
        Fault::DnsMix => {
            refuse_flood_options(scenario, args)?;
            let report = dns_mix::run(args.duration, stop.flag())?;
            super::print(args.output, &report, |out| report.write_text(out), out)
        }
        Fault::Lab(recipe) => {
            refuse_flood_options(scenario, args)?;
            let report = lab::run(scenario, recipe, &lab_options(args), stop.channel())?;
            super::print(args.output, &report, |out| report.write_text(out), out)
        }
    }
}

/// What would not be heeded must not pass in silence.
fn refuse_flood_options(scenario: &Scenario, args: &ChaosArgs) -> Result<(), clap::Error> {
    let given = [
        ("--rate", args.rate.is_some()),
        ("--concurrency", args.concurrency.is_some()),
        ("--server", args.server.is_some()),
        ("--yes-flood-it", args.yes_flood_it),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(clap::Error::raw(
            clap::error::ErrorKind::ArgumentConflict,
            format!("{option} is for dns-flood, not for {}\n", scenario.name),
        )),
        None => Ok(()),
    }
}

fn lab_options(args: &ChaosArgs) -> lab::Options {
    lab::Options {
        zone: args.zone.clone(),
        duration: args.duration,
        yes: args.yes,
        slow: Duration::from_nanos(LATENCY_WARNING_NS),
        machine: lab::Machine {
            cgroups: host::cgroup_mount_point(),
            cpu_cgroups: mount_point(b"cpu"),
            memory_cgroups: mount_point(b"memory"),
            conntrack_entries: conntrack::entries,
            receive_buffer_errors: || {
                let own = Root::default().below("proc/thread-self/net");
                Ok(Snmp::read(&own)?.receive_buffer_errors)
            },
        },
    }
}

/// Where this controller of version 1 is mounted, if it is.
fn mount_point(controller: &[u8]) -> Option<PathBuf> {
    let mounts = mountinfo::read(&Root::default()).ok()?;
    let mut own =
        mountinfo::parse(&mounts).filter(|mount| mount.root == "/" && mount.controls(controller));
    Some(own.next()?.point)
}

fn flood_options(args: &ChaosArgs) -> dns_flood::Options {
    dns_flood::Options {
        server: args.server.unwrap_or_default(),
        system: system_resolver,
        yes_flood_it: args.yes_flood_it,
        rate: args.rate.unwrap_or(dns_flood::DEFAULT_RATE),
        concurrency: args.concurrency.unwrap_or(dns_flood::DEFAULT_CONCURRENCY),
        duration: args.duration,
    }
}

/// The stub of systemd-resolved if something listens there, else the first
/// nameserver of resolv.conf that one host can be.
fn system_resolver() -> Result<SocketAddr> {
    const STUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

    let stub = SocketAddr::new(STUB.into(), DNS_PORT);
    // Without IPv4 or /proc there is no such stub either.
    let sockets = net_udp::sockets(&Root::default().below("proc/net"));
    if sockets.is_ok_and(|mut sockets| sockets.any(|socket| takes(&socket, stub))) {
        return Ok(stub);
    }
    let conf = Root::at("/etc").text("resolv.conf", resolv_conf::FILE_MAX);
    let conf = conf.context(
        "/etc/resolv.conf cannot be read to find this host's resolver; name one with --server ADDR",
    )?;
    first_nameserver(&conf)
        .context("/etc/resolv.conf names no usable nameserver; name one with --server ADDR")
}

/// Whether it takes what anybody sends to this address: it is bound to it or to all
/// addresses, and not connected.
fn takes(socket: &net_udp::Socket, address: SocketAddr) -> bool {
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let everywhere = SocketAddr::new(any.ip(), address.port());
    [address, everywhere].contains(&socket.local) && socket.peer == any
}

fn first_nameserver(conf: &str) -> Option<SocketAddr> {
    resolv_conf::nameservers(conf).find_map(|server| match server.parse() {
        Ok(Choice::Server(server)) => Some(server),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_nameserver_is_taken() {
        let cases = [
            ("nameserver 10.0.0.2\nnameserver 10.0.0.3\n", "10.0.0.2:53"),
            (
                "nameserver dns.example\nnameserver fd00::1\n",
                "[fd00::1]:53",
            ),
            ("nameserver fe80::1%1\n", "[fe80::1%1]:53"),
            ("nameserver 0.0.0.0\nnameserver 10.0.0.2\n", "10.0.0.2:53"),
        ];
        for (conf, expected) in cases {
            let server = first_nameserver(conf).map(|server| server.to_string());
            assert_eq!(server.as_deref(), Some(expected), "{conf:?}");
        }
        assert_eq!(first_nameserver("search example\n"), None);
    }

    #[test]
    fn a_socket_takes_what_is_sent_to_its_address_or_to_any() {
        let stub = "127.0.0.53:53".parse().unwrap();
        let socket = |local: &str, peer: &str| net_udp::Socket {
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            inode: 1,
        };
        assert!(takes(&socket("127.0.0.53:53", "0.0.0.0:0"), stub));
        assert!(takes(&socket("0.0.0.0:53", "0.0.0.0:0"), stub));
        assert!(!takes(&socket("127.0.0.54:53", "0.0.0.0:0"), stub));
        assert!(!takes(&socket("127.0.0.53:5353", "0.0.0.0:0"), stub));
        assert!(!takes(&socket("127.0.0.53:53", "10.0.0.1:53"), stub));
    }
}
