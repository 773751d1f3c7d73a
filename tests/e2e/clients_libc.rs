//! Programs that look names up through their C library.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::exchange::Asked;
use crate::exchange::Exchanges;
use crate::exchange::Side;
use crate::fake_server;
use crate::message;
use crate::place::Place;
use crate::process::finish;
use crate::process::run;
use crate::record::Record;
use crate::site::CLIENT_V4;
use crate::site::CLIENT_V6;
use crate::site::SERVER_V4;
use crate::site::SERVER_V4_TOO;
use crate::site::SERVER_V6;
use crate::site::Site;

#[test]
fn root_glibc_asks_a_and_aaaa_on_one_socket() {
    let records = look_up_over_both_families(|place| vec![compile(place, &["cc"], "ask-glibc")]);
    for pair in records {
        assert_eq!(pair[0].0, pair[1].0, "one socket, so one port");
        assert_ne!(pair[0].1, pair[1].1, "two queries, so two ids");
    }
}

#[test]
fn root_musl_asks_one_nameserver() {
    look_up_over_both_families(|place| vec![compile(place, &["musl-gcc", "-static"], "ask-musl")]);
}

#[test]
fn root_python_asks_through_glibc() {
    let program = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], 80, \
                   type=socket.SOCK_STREAM))";
    look_up_over_both_families(|_| {
        // Debian's own: what PATH has may be a wrapper with another name.
        ["/usr/bin/python3", "-c", program]
            .map(PathBuf::from)
            .to_vec()
    });
}

/// musl sends every question to every nameserver at once and takes the first
/// answer; what the other servers do does not matter any more.
#[test]
fn root_musl_asks_two_nameservers_at_once() {
    fan_out([SERVER_V4, SERVER_V4_TOO], Second::Answers);
}

/// Then musl's one socket sends packets of both families.
#[test]
fn root_musl_asks_a_nameserver_of_each_family_at_once() {
    fan_out([SERVER_V4, SERVER_V6], Second::Answers);
}

#[test]
fn root_musl_does_not_mind_a_nameserver_that_is_silent() {
    fan_out([SERVER_V4, SERVER_V4_TOO], Second::IsSilent);
}

/// That nobody listens is known at once, before the other server answers.
#[test]
fn root_musl_does_not_mind_a_nameserver_that_is_not_there() {
    fan_out([SERVER_V4, SERVER_V4_TOO], Second::IsNotThere);
}

/// What the second nameserver does.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Second {
    Answers,
    IsSilent,
    IsNotThere,
}

fn fan_out(servers: [IpAddr; 2], second: Second) {
    let mut site = Site::new();
    let program = compile(&site.client, &["musl-gcc", "-static"], "ask-musl");
    // Both take their time, so that all are asked before one answers.
    let addresses = servers.map(|server| SocketAddr::new(server, 53));
    fake_server::serve(&site.server, addresses[0], |query, _| {
        vec![(Duration::from_millis(100), message::answer(query, 0))]
    });
    if second != Second::IsNotThere {
        fake_server::serve(&site.server, addresses[1], move |query, _| match second {
            Second::Answers => vec![(Duration::from_millis(150), message::answer(query, 0))],
            _ => Vec::new(),
        });
    }
    let resolv_conf = servers
        .map(|server| format!("nameserver {server}\n"))
        .concat();
    site.client.resolv_conf(&resolv_conf);
    let mut watch = site.watch(&["--timeout", "1s"]);
    let name = site.name("fan-out");
    let client = finish(site.client.command(&program).arg(&name));
    let (of_client, of_server, number) = match second {
        Second::Answers => ("superseded", "answered", 8),
        Second::IsSilent => ("superseded", "unanswered", 8),
        Second::IsNotThere => ("refused", "", 6),
    };
    // The second server's records come after the client has gone.
    let records = site.all_records(&mut watch, number);

    let told = |role: &str, kind: &str, server: IpAddr| {
        let fits = |r: &&Record| {
            r.role == role && r.kind.as_deref() == Some(kind) && r.server.ip == server
        };
        let outcomes: Vec<_> = records
            .iter()
            .filter(fits)
            .map(|r| r.outcome.clone())
            .collect();
        outcomes.join(" ")
    };
    for kind in ["A", "AAAA"] {
        assert_eq!(told("client", kind, servers[0]), "answered", "{records:#?}");
        assert_eq!(told("client", kind, servers[1]), of_client, "{records:#?}");
        assert_eq!(told("server", kind, servers[0]), "answered", "{records:#?}");
        assert_eq!(told("server", kind, servers[1]), of_server, "{records:#?}");
    }
    assert_eq!(records.len(), number, "{records:#?}");
    for record in records.iter().filter(|r| r.role == "client") {
        let ip = if record.server.ip.is_ipv4() {
            CLIENT_V4
        } else {
            CLIENT_V6
        };
        assert_eq!(record.client.ip, ip, "{record:#?}");
        assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
        assert_eq!(
            record.attempt, 1,
            "each is the first to its server: {record:#?}"
        );
        Side::client(&client, &site.client, ip).check(record);
    }
}

/// The program looks `www` and a name that is not there up, over IPv4 and over
/// IPv6. Returns, for each family, port and id of the queries A and AAAA.
fn look_up_over_both_families(
    command_line: impl Fn(&Place) -> Vec<PathBuf>,
) -> Vec<[(u16, Option<u16>); 2]> {
    let mut site = Site::new();
    let command_line = command_line(&site.client);
    let unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let mut seen = Vec::new();
    for (from, to) in [(CLIENT_V4, SERVER_V4), (CLIENT_V6, SERVER_V6)] {
        site.client.resolv_conf(&format!("nameserver {to}\n"));
        let serving = site.serving(&unbound, to);
        for (label, rcode) in [("www", "NOERROR"), ("nothing", "NXDOMAIN")] {
            let name = site.name(label);
            let client = finish(command(&site.client, &command_line).arg(&name));
            assert_eq!(client.succeeded, rcode == "NOERROR", "{}", client.output);
            assert_eq!(
                client.output.contains("192.0.2.1"),
                client.succeeded,
                "{}",
                client.output
            );
            let asking = Side::client(&client, &site.client, from);

            let mut told = Exchanges::of(&client, site.records(&mut watch));
            let pair = ["A", "AAAA"].map(|kind| {
                let asked = Asked {
                    name: &name,
                    kind,
                    rcode,
                    transport: "udp",
                };
                let record = told.answered(asked, asking, serving);
                assert_eq!(
                    record.answers,
                    Some(u16::from(client.succeeded)),
                    "{record:#?}"
                );
                assert_eq!(record.truncated, Some(false), "{record:#?}");
                (record.client.port, record.id)
            });
            told.nothing_else();
            seen.push(pair);
        }
    }
    seen
}

fn command(place: &Place, command_line: &[PathBuf]) -> Command {
    let mut command = place.command(&command_line[0]);
    command.args(&command_line[1..]);
    command
}

/// Compiles getaddrinfo.c; the program's name is what kerno will see as comm.
pub(crate) fn compile(place: &Place, compiler: &[&str], name: &str) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/getaddrinfo.c");
    let program = place.folder().join(name);
    run(Command::new(compiler[0])
        .args(&compiler[1..])
        .arg("-o")
        .arg(&program)
        .arg(source));
    program
}
