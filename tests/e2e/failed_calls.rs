//! Calls that fail, so that no packet is sent: nothing but the call itself tells
//! of the query.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::UdpSocket;
use std::os::fd::AsFd;

use kerno_chaos::deny::Denial;
use kerno_chaos::deny::Deny;
use kerno_chaos::deny::deny;

use crate::clients_libc::compile;
use crate::doctor::Doctor;
use crate::exchange::Side;
use crate::process::Finished;
use crate::process::Process;
use crate::process::finish;
use crate::process::run;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

/// The cable leads to neither.
const NOWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));
const NOWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53));

/// Runs `calls.py` as a client.
fn calls(site: &Site, server: IpAddr, steps: &str) -> Finished {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/calls.py");
    let mut python = site.client.command("/usr/bin/python3");
    python.arg(script).arg(server.to_string());
    finish(python.args(steps.split_whitespace()))
}

fn deny_client(site: &Site, which: Deny) -> Denial {
    let folder = site.client.cgroup.open().expect("the control group");
    deny(folder.as_fd(), which).expect("to deny")
}

/// Call, transport and reason of each record, which must be complete.
#[track_caller]
fn told(site: &Site, client: &Finished, server: IpAddr, records: &[Record]) -> Vec<String> {
    let any: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let side = Side::client(client, &site.client, any);
    let tell = |record: &Record| {
        assert_eq!(record.role, "client", "{record:#?}");
        assert_eq!(record.outcome, "refused", "{record:#?}");
        assert_eq!(record.server.ip, server, "{record:#?}");
        assert_eq!(record.server.port, 53, "{record:#?}");
        assert_eq!(record.waited_ns, Some(0), "{record:#?}");
        assert_eq!((record.id, &record.name), (None, &None), "{record:#?}");
        assert_eq!(record.query_bytes, None, "{record:#?}");
        side.check(record);
        let call = record.failed_call.as_deref().expect("a failed call");
        let reason = record.reason.as_deref().unwrap_or("?");
        format!("{} {call} {reason}", record.transport)
    };
    records.iter().map(tell).collect()
}

#[test]
fn root_a_connect_that_a_cgroup_denies_is_told() {
    let site = Site::new();
    let mut watch = site.watch(&["--all-hooks"]);
    for (which, server, other) in [
        (Deny::Connect4, SERVER_V4, SERVER_V6),
        (Deny::Connect6, SERVER_V6, SERVER_V4),
    ] {
        let _denial = deny_client(&site, which);
        let client = calls(&site, server, "udp connect connect tcp connect udp connect");
        assert_eq!(client.output, "EPERM\n".repeat(4));
        let records = site.records(&mut watch);
        let expected = ["udp", "udp", "tcp", "udp"].map(|over| format!("{over} connect EPERM"));
        assert_eq!(told(&site, &client, server, &records), expected);
        // What is permitted stays so.
        let client = calls(&site, other, "udp connect");
        assert_eq!(client.output, "ok\n");
        assert_eq!(site.records(&mut watch).len(), 0);
    }
}

#[test]
fn root_a_send_that_a_cgroup_denies_is_told() {
    let site = Site::new();
    let mut watch = site.watch(&["--all-hooks"]);
    for (which, server, other) in [
        (Deny::Sendmsg4, SERVER_V4, SERVER_V6),
        (Deny::Sendmsg6, SERVER_V6, SERVER_V4),
    ] {
        let _denial = deny_client(&site, which);
        // Also on a socket that is connected, if an address is given.
        let client = calls(&site, server, "udp sendto sendto udp connect sendto");
        assert_eq!(client.output, "EPERM\nEPERM\nok\nEPERM\n");
        let mut records = site.records(&mut watch);
        // The connected socket knows its own address.
        let connected = records.pop().expect("the last");
        assert_eq!(connected.reason.as_deref(), Some("EPERM"), "{connected:#?}");
        assert_eq!(
            told(&site, &client, server, &records),
            ["udp send EPERM", "udp send EPERM"]
        );
        // It is the packet that is permitted: nobody listens there.
        let client = calls(&site, other, "udp sendto");
        assert_eq!(client.output, "ok\n");
        let record = &site.the_only_record(&mut watch);
        assert_eq!(record.failed_call, None, "{record:#?}");
    }
}

/// The root's program runs behind the child's, and must not change its verdict.
#[test]
fn root_verdicts_are_the_same_with_kerno_and_without() {
    let site = Site::new();
    // A connection that is denied its packets would only wait.
    let calls_and_packets = "udp connect tcp connect udp sendto";
    let only_packets = "udp connect udp sendto";
    let cases = [
        (Deny::Connect4, calls_and_packets, "EPERM\nEPERM\nok\n"),
        (
            Deny::Sendmsg4,
            calls_and_packets,
            "ok\nECONNREFUSED\nEPERM\n",
        ),
        (Deny::Egress, only_packets, "ok\nEPERM\n"),
    ];
    let check = || {
        for (which, steps, expected) in cases {
            let _denial = deny_client(&site, which);
            let output = calls(&site, SERVER_V4, steps).output;
            assert_eq!(output, expected, "{which:?}");
        }
        let permitted = calls(&site, SERVER_V4, calls_and_packets).output;
        assert_eq!(permitted, "ok\nECONNREFUSED\nok\n");
    };
    check();
    let _watch = site.watch(&["--all-hooks"]);
    check();
}

#[test]
fn root_a_call_without_a_route_is_told() {
    let site = Site::new();
    let mut watch = site.watch(&["--all-hooks"]);
    for server in [NOWHERE_V4, NOWHERE_V6] {
        let steps = "udp connect connect udp sendto sendto tcp connect";
        let client = calls(&site, server, steps);
        assert_eq!(client.output, "ENETUNREACH\n".repeat(5));
        let records = site.records(&mut watch);
        let mut seen = told(&site, &client, server, &records);
        seen.sort_unstable();
        let expected = [
            "tcp connect ?",
            "udp connect ?",
            "udp connect ?",
            "udp send ENETUNREACH",
            "udp send ENETUNREACH",
        ];
        assert_eq!(seen, expected, "{records:#?}");
    }
}

#[test]
fn root_a_connect_without_a_free_port_is_told() {
    let site = Site::new();
    let mut watch = site.watch(&["--all-hooks"]);
    // Somebody lives there, through whom the namespace can be looked into.
    let _resident = Process::start(site.client.command("sleep").arg("600"));
    let doctor = Doctor::start(&["--output", "json", "--all-hooks"]);
    let range = "/proc/sys/net/ipv4/ip_local_port_range";
    // The namespace's own.
    let set_range = |ports| std::fs::write(range, ports).expect("a range of ports");
    let _taken = site.client.enter(|| {
        set_range("40000 40001");
        [0; 2].map(|_| UdpSocket::bind("0.0.0.0:0").expect("a port"))
    });
    let client = calls(&site, SERVER_V4, "udp connect");
    assert_eq!(client.output, "EAGAIN\n");
    let (_, report) = doctor.json();
    site.client.enter(|| set_range("40000 50000"));
    let records = site.records(&mut watch);
    assert_eq!(told(&site, &client, SERVER_V4, &records), ["udp connect ?"]);
    // Other tests have their own failures at this time.
    let findings = report["findings"].as_array().expect("findings");
    let netns = site.client.namespace.inode();
    let mut own = findings.iter().filter(|it| it["scope"]["netns"] == netns);
    let finding = own.next().expect("a finding about the namespace");
    assert_eq!(finding["rule"], "dns_send_denied", "{finding:#}");
    let said = finding.to_string();
    let held = format!("(pid {}) has 2", std::process::id());
    for part in [
        "2 UDP ports of the 2 that the kernel gives (40000 to 40001)",
        &held,
    ] {
        assert!(said.contains(part), "{finding:#}\n{:#}", report["not_read"]);
    }
}

#[test]
fn root_a_connected_socket_that_can_not_send_is_told() {
    let site = Site::new();
    let mut watch = site.watch(&["--all-hooks"]);
    let client = calls(&site, SERVER_V4, "udp connect long");
    assert_eq!(client.output, "ok\nEMSGSIZE\n");
    let records = site.records(&mut watch);
    let [record] = &records[..] else {
        panic!("not one: {records:#?}")
    };
    assert_eq!(record.reason.as_deref(), Some("EMSGSIZE"), "{record:#?}");
    assert_eq!(record.failed_call.as_deref(), Some("send"), "{record:#?}");
    assert_eq!(record.server.ip, SERVER_V4, "{record:#?}");
    assert_eq!(record.pid, Some(client.pid), "{record:#?}");
}

/// Many a program connects a UDP socket to learn its own address, and some look
/// for an address that can be reached.
#[test]
fn root_a_connect_that_comes_to_something_is_not_told() {
    let site = Site::new();
    let mut watch = site.watch(&["--all-hooks"]);
    for server in [SERVER_V4, SERVER_V6] {
        let client = calls(&site, server, "udp connect udp connect disconnect");
        assert_eq!(client.output, "ok\n".repeat(3));
    }
    for server in [NOWHERE_V4, NOWHERE_V6] {
        let steps = "udp connect elsewhere udp connect elsewhere disconnect";
        let client = calls(&site, server, steps);
        assert_eq!(client.output, "ENETUNREACH\nok\nENETUNREACH\nok\nok\n");
    }
    let records = site.records(&mut watch);
    assert_eq!(records.len(), 0, "{records:#?}");
}

#[test]
fn root_glibc_is_denied_and_without_a_route() {
    libc_fails(&["cc"], "ask-glibc", Deny::Connect4, "connect", 1);
}

#[test]
fn root_musl_is_denied_and_without_a_route() {
    let compiler = ["musl-gcc", "-static"];
    libc_fails(&compiler, "ask-musl", Deny::Sendmsg4, "send", 2);
}

/// A lookup is so many calls of its C library, each told once.
fn libc_fails(compiler: &[&str], name: &str, which: Deny, call: &str, number: usize) {
    let mut site = Site::new();
    let program = compile(&site.client, compiler, name);
    let mut watch = site.watch(&["--all-hooks"]);
    for server in [SERVER_V4, NOWHERE_V4] {
        let options = "options attempts:1 timeout:1";
        site.client
            .resolv_conf(&format!("nameserver {server}\n{options}\n"));
        let denial = (server == SERVER_V4).then(|| deny_client(&site, which));
        let client = finish(site.client.command(&program).arg(site.name("www")));
        assert!(!client.succeeded, "{}", client.output);
        drop(denial);
        let records = site.records(&mut watch);
        let reason = match (server == SERVER_V4, call) {
            (true, _) => "EPERM",
            (false, "send") => "ENETUNREACH",
            (false, _) => "?",
        };
        let expected = vec![format!("udp {call} {reason}"); number];
        assert_eq!(told(&site, &client, server, &records), expected);
    }
}

/// Who tries for ever fills the ring buffer, and what had no room is counted.
#[test]
fn root_a_loop_of_failed_calls_leaves_the_books_in_order() {
    const CALLS: u64 = 30_000;
    let site = Site::new();
    let doctor = Doctor::start(&["--output", "json", "--all-hooks"]);
    let program = format!(
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         for _ in range({CALLS}):\n    \
             try: s.sendto(b'x' * 20, ('{NOWHERE_V4}', 53))\n    \
             except OSError: pass\n"
    );
    run(site
        .client
        .command("/usr/bin/python3")
        .args(["-c", &program]));
    let (_, report) = doctor.json();
    let accounting = &report["accounting"];
    let of = |field: &str| accounting[field].as_u64().expect(field);
    assert!(of("refused") + of("lost") >= CALLS, "{accounting}");
    let places = [
        "answered",
        "unanswered",
        "late",
        "refused",
        "dropped",
        "superseded",
        "in_flight",
        "lost",
    ];
    let placed: u64 = places.into_iter().map(of).sum();
    assert_eq!(of("queries_seen"), placed, "{accounting}");
}
