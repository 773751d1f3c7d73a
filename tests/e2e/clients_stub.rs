//! systemd-resolved between a client and a server: kerno sees the same question
//! twice, from the client to the stub and from the stub to its upstream.

use crate::clients_libc::compile;
use crate::clients_tools::printed_id;
use crate::exchange::Asked;
use crate::exchange::Exchanges;
use crate::exchange::Side;
use crate::process::Finished;
use crate::process::Process;
use crate::process::finish;
use crate::resolved;
use crate::resolved::STUB;
use crate::site::CLIENT_V4;
use crate::site::SERVER_V4;
use crate::site::Site;
use crate::unbound::Unbound;

/// "systemd-resolved", as long as a comm may be.
const COMM: &str = "systemd-resolve";

#[test]
fn root_glibc_asks_through_systemd_resolved() {
    let mut site = Site::new();
    let program = compile(&site.client, &["cc"], "ask-glibc");
    let unbound = site.unbound();
    let resolved = resolved::start(&mut site.client, SERVER_V4);
    site.client.resolv_conf(&format!("nameserver {STUB}\n"));
    let mut watch = site.watch(&[]);
    // No NXDOMAIN here: resolved asks again without EDNS (DVE-2018-0001), in
    // some versions.
    let name = site.name("www");
    let client = finish(site.client.command(&program).arg(&name));
    assert!(client.output.contains("192.0.2.1"), "{}", client.output);

    let mut told = Exchanges::of(&client, site.records(&mut watch));
    for kind in ["A", "AAAA"] {
        let asked = Asked {
            name: &name,
            kind,
            rcode: "NOERROR",
            transport: "udp",
        };
        through_the_stub(&mut told, asked, &site, &client, &resolved, &unbound);
    }
    told.nothing_else();
}

#[test]
fn root_dig_asks_through_systemd_resolved() {
    let mut site = Site::new();
    let unbound = site.unbound();
    let resolved = resolved::start(&mut site.client, SERVER_V4);
    let mut watch = site.watch(&[]);
    let name = site.name("www");
    let client = finish(
        site.client
            .command("dig")
            .args([&format!("@{STUB}"), &name, "TXT"]),
    );

    let mut told = Exchanges::of(&client, site.records(&mut watch));
    let asked = Asked {
        name: &name,
        kind: "TXT",
        rcode: "NOERROR",
        transport: "udp",
    };
    let id = through_the_stub(&mut told, asked, &site, &client, &resolved, &unbound);
    told.nothing_else();
    assert_eq!(id, printed_id(&client), "{}", client.output);
}

/// Takes out all four records. Returns the id of the client's query.
fn through_the_stub(
    told: &mut Exchanges,
    asked: Asked<'_>,
    site: &Site,
    client: &Finished,
    resolved: &Process,
    unbound: &Unbound,
) -> Option<u16> {
    let place = &site.client;
    // The client's own address on the way to the stub is loopback's.
    let loopback = std::net::Ipv4Addr::LOCALHOST.into();
    let client = Side::client(client, place, loopback);
    let stub = Side {
        pid: resolved.pid(),
        comm: COMM,
        place,
        ip: STUB,
    };
    let front = told.answered(asked, client, stub);
    let upstream = site.serving(unbound, SERVER_V4);
    let back = told.answered(
        asked,
        Side {
            ip: CLIENT_V4,
            ..stub
        },
        upstream,
    );
    assert!(back.latency_ns < front.latency_ns, "{back:#?} {front:#?}");
    front.id
}
