//! Answers that say no: each rcode by its name.

use std::net::SocketAddr;
use std::time::Duration;

use crate::ask::ask;
use crate::exchange::Asked;
use crate::exchange::Exchanges;
use crate::exchange::Side;
use crate::fake_server;
use crate::message;
use crate::process::finish;
use crate::site::CLIENT_V4;
use crate::site::SERVER_V4;
use crate::site::Site;

/// The names are IANA's ("DNS RCODEs"); from 16 on they need EDNS.
const RCODES: [(u16, &str); 10] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (9, "NOTAUTH"),
    (12, "12"),
    (16, "BADVERS"),
    (23, "BADCOOKIE"),
];

#[test]
fn root_rcodes_have_their_names() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    // The name asked for says which rcode is wanted.
    fake_server::serve(&site.server, server, |query, _| {
        let rcode: u16 = message::first_label(query).parse().expect("a rcode");
        let mut answer = message::answer(query, 0);
        answer[3] |= u8::try_from(rcode & 15).expect("four bits");
        if rcode > 15 {
            answer = message::with_extended_rcode(answer, rcode);
        }
        vec![(Duration::ZERO, answer)]
    });
    let mut watch = site.watch(&[]);
    for (rcode, _) in RCODES {
        let name = message::labels(&site.name(&rcode.to_string()));
        ask(
            &site.client,
            server,
            &message::query(rcode, &name, message::A),
        );
    }

    let records = site.records(&mut watch);
    for role in ["client", "server"] {
        let told: Vec<_> = records
            .iter()
            .filter(|r| r.role == role)
            .map(|r| (r.id.expect("an id"), r.rcode.as_deref().expect("a rcode")))
            .collect();
        assert_eq!(told, RCODES, "{role}: {records:#?}");
    }
}

#[test]
fn root_extended_errors_are_told() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| {
        let code: u16 = message::first_label(query).parse().expect("a code");
        let answer = message::answer(query, 2);
        vec![(Duration::ZERO, message::with_extended_error(answer, code))]
    });
    let mut watch = site.watch(&[]);
    let codes = [6, 22, 49_152];
    for code in codes {
        let name = message::labels(&site.name(&code.to_string()));
        ask(
            &site.client,
            server,
            &message::query(code, &name, message::A),
        );
    }
    let records = site.records(&mut watch);
    for role in ["client", "server"] {
        let of_role = records.iter().filter(|r| r.role == role);
        let told: Vec<_> = of_role.filter_map(|r| r.extended_error).collect();
        assert_eq!(told, codes, "{role}: {records:#?}");
    }
}

/// unbound knows EDNS version 0 only.
#[test]
fn root_dig_is_told_bad_version() {
    let site = Site::new();
    let unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let name = site.name("www");
    let options = [
        &format!("@{SERVER_V4}"),
        "+edns=5",
        "+noednsnegotiation",
        name.as_str(),
        "A",
    ];
    let client = finish(site.client.command("dig").args(options));
    assert!(
        client.output.contains("status: BADVERS"),
        "{}",
        client.output
    );

    let mut told = Exchanges::of(&client, site.records(&mut watch));
    let asked = Asked {
        name: &name,
        kind: "A",
        rcode: "BADVERS",
        transport: "udp",
    };
    let asking = Side::client(&client, &site.client, CLIENT_V4);
    told.answered(asked, asking, site.serving(&unbound, SERVER_V4));
    told.nothing_else();
}
