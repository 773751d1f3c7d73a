//! Tools that ask by themselves, without libc's resolver.

use crate::exchange::Asked;
use crate::exchange::Exchanges;
use crate::exchange::Side;
use crate::process::Finished;
use crate::process::finish;
use crate::site::CLIENT_V4;
use crate::site::CLIENT_V6;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

#[test]
fn root_dig_asks_over_udp() {
    dig("udp", "+notcp");
}

#[test]
fn root_dig_asks_over_tcp() {
    dig("tcp", "+tcp");
}

fn dig(transport: &str, option: &str) {
    let site = Site::new();
    let unbound = site.unbound();
    let mut watch = site.watch(&[]);
    for (from, to) in [(CLIENT_V4, SERVER_V4), (CLIENT_V6, SERVER_V6)] {
        let serving = site.serving(&unbound, to);
        for (label, kind, rcode) in [
            ("www", "A", "NOERROR"),
            ("www", "AAAA", "NOERROR"),
            ("www", "TXT", "NOERROR"),
            ("www", "TYPE65280", "NOERROR"),
            ("WwW", "MX", "NOERROR"),
            ("nothing", "A", "NXDOMAIN"),
            ("refused", "A", "REFUSED"),
        ] {
            let name = site.name(label);
            let arguments = [&format!("@{to}"), option, name.as_str(), kind].map(str::to_owned);
            let client = finish(site.client.command("dig").args(arguments));
            assert!(
                client.output.contains(&format!("status: {rcode}")),
                "{}",
                client.output
            );

            let mut told = Exchanges::of(&client, site.records(&mut watch));
            let asked = Asked {
                name: &name,
                kind,
                rcode,
                transport,
            };
            let asking = Side::client(&client, &site.client, from);
            let record = told.answered(asked, asking, serving);
            told.nothing_else();
            assert_eq!(record.id, printed_id(&client), "{}", client.output);
            assert_eq!(
                record.answer_bytes,
                printed_size(&client),
                "{}",
                client.output
            );
        }
    }
}

/// An answer that does not fit comes twice: truncated, and whole over TCP.
#[test]
fn root_dig_asks_again_over_tcp_when_truncated() {
    let site = Site::new();
    let unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let name = site.name("big");
    let client = finish(
        site.client
            .command("dig")
            .args([&format!("@{SERVER_V4}"), &name, "TXT"]),
    );
    assert!(
        client.output.contains("Truncated, retrying in TCP mode"),
        "{}",
        client.output
    );

    let mut told = Exchanges::of(&client, site.records(&mut watch));
    let asking = Side::client(&client, &site.client, CLIENT_V4);
    let serving = site.serving(&unbound, SERVER_V4);
    for (transport, truncated) in [("udp", true), ("tcp", false)] {
        let asked = Asked {
            name: &name,
            kind: "TXT",
            rcode: "NOERROR",
            transport,
        };
        let record = told.answered(asked, asking, serving);
        assert_eq!(record.truncated, Some(truncated), "{record:#?}");
        if !truncated {
            assert_eq!(record.answers, Some(10), "{record:#?}");
            assert_eq!(
                record.answer_bytes,
                printed_size(&client),
                "{}",
                client.output
            );
        }
    }
    told.nothing_else();
}

/// busybox writes and reads the socket as if it were a file.
#[test]
fn root_busybox_nslookup_asks() {
    let mut site = Site::new();
    let unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let name = site.name("www");
    for (from, to) in [(CLIENT_V4, SERVER_V4), (CLIENT_V6, SERVER_V6)] {
        site.client.resolv_conf(&format!("nameserver {to}\n"));
        let client = finish(site.client.command("busybox").args(["nslookup", &name]));
        assert!(client.output.contains("192.0.2.1"), "{}", client.output);

        let mut told = Exchanges::of(&client, site.records(&mut watch));
        let asking = Side::client(&client, &site.client, from);
        let serving = site.serving(&unbound, to);
        for kind in ["A", "AAAA"] {
            let asked = Asked {
                name: &name,
                kind,
                rcode: "NOERROR",
                transport: "udp",
            };
            told.answered(asked, asking, serving);
        }
        told.nothing_else();
    }
}

/// `;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711`
pub(crate) fn printed_id(dig: &Finished) -> Option<u16> {
    let (_, rest) = dig.output.rsplit_once(", id: ")?;
    rest.lines().next()?.parse().ok()
}

/// `;; MSG SIZE  rcvd: 123`
fn printed_size(dig: &Finished) -> Option<u32> {
    let (_, rest) = dig.output.rsplit_once("MSG SIZE  rcvd: ")?;
    rest.lines().next()?.parse().ok()
}
