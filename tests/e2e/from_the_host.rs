//! Client and server on the host itself, in no namespace or cgroup of their
//! own, over loopback.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::clients_libc::compile;
use crate::clients_tools::printed_id;
use crate::exchange::Asked;
use crate::exchange::Exchanges;
use crate::exchange::Side;
use crate::place::Place;
use crate::process::finish;
use crate::site::fence;
use crate::site::unique_loopback;
use crate::site::unique_zone;
use crate::unbound::Unbound;
use crate::watch::Watch;

#[test]
fn root_glibc_asks_on_the_host() {
    let mut place = Place::host();
    let program = compile(&place, &["cc"], "ask-glibc");
    let (zone, address) = (unique_zone(), unique_loopback());
    let unbound = Unbound::start(&place, &zone, &[address], 53);
    place.resolv_conf(&format!("nameserver {address}\n"));
    let mut watch = start_watch(&[], &zone);
    let name = format!("www.{zone}");
    let client = finish(place.command(&program).arg(&name));
    assert!(client.output.contains("192.0.2.1"), "{}", client.output);

    let mut told = Exchanges::of(&client, fence(&place, &zone, &mut watch));
    let asking = Side::client(&client, &place, Ipv4Addr::LOCALHOST.into());
    let serving = Side {
        pid: unbound.pid(),
        comm: "unbound",
        place: &place,
        ip: address,
    };
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

/// IPv6 has one loopback address, whose port 53 may be somebody's: hence
/// another port, below those that the kernel gives to clients.
#[test]
fn root_dig_asks_on_the_host() {
    let port = 20_000 + u16::try_from(std::process::id() % 10_000).expect("below 10,000");
    let loopback_v6 = Ipv6Addr::LOCALHOST.into();
    for (from, to, port) in [
        (IpAddr::V4(Ipv4Addr::LOCALHOST), unique_loopback(), 53),
        (loopback_v6, loopback_v6, port),
    ] {
        let (place, zone) = (Place::host(), unique_zone());
        let unbound = Unbound::start(&place, &zone, &[to], port);
        let mut watch = start_watch(&["--port", "53", "--port", &port.to_string()], &zone);
        let name = format!("www.{zone}");
        for (transport, option) in [("udp", "+notcp"), ("tcp", "+tcp")] {
            let (server, port) = (format!("@{to}"), port.to_string());
            let arguments = [&server, "-p", &port, option, &name, "AAAA"];
            let client = finish(place.command("dig").args(arguments));

            let mut told = Exchanges::of(&client, fence(&place, &zone, &mut watch));
            told.port = port.parse().expect("a port");
            let asked = Asked {
                name: &name,
                kind: "AAAA",
                rcode: "NOERROR",
                transport,
            };
            let asking = Side::client(&client, &place, from);
            let serving = Side {
                pid: unbound.pid(),
                comm: "unbound",
                place: &place,
                ip: to,
            };
            let record = told.answered(asked, asking, serving);
            told.nothing_else();
            assert_eq!(record.id, printed_id(&client), "{}", client.output);
        }
    }
}

/// On the host only the name tells whose query it is.
fn start_watch(options: &[&str], zone: &str) -> Watch {
    let zone = zone.to_owned();
    Watch::start(options, move |record| record.in_zone(&zone))
}
