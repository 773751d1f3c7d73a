//! Destination NAT, as kube-proxy does it for the cluster's DNS service: the
//! client asks an address that no host has, and the answer comes from another.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use crate::clients_libc::compile;
use crate::firewall::nft;
use crate::process::finish;
use crate::record::Record;
use crate::router::ip;
use crate::site::SERVER_V4;
use crate::site::Site;

const SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));

#[test]
fn root_a_connected_socket_asks_a_service() {
    let site = behind_a_service();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let name = site.name("www");
    for (transport, option) in [("udp", "+notcp"), ("tcp", "+tcp")] {
        let arguments = [&format!("@{SERVICE}"), option, &name, "A"];
        let client = finish(site.client.command("dig").args(arguments));
        assert!(client.output.contains("192.0.2.1"), "{}", client.output);

        let records = site.records(&mut watch);
        let [serving, asking] = &records[..] else {
            panic!("not two: {records:#?}")
        };
        check(serving, "server", transport);
        check(asking, "client", transport);
        assert_eq!(asking.pid, Some(client.pid), "{asking:#?}");
        // Each as its own socket sees it.
        assert_eq!(asking.server.ip, SERVICE, "{asking:#?}");
        assert_eq!(serving.server.ip, SERVER_V4, "{serving:#?}");
    }
}

/// What an unconnected socket asked is not known any more once the packet is
/// seen; but the answer must still be found.
#[test]
fn root_an_unconnected_socket_asks_a_service() {
    let mut site = behind_a_service();
    let program = compile(&site.client, &["musl-gcc", "-static"], "ask-musl");
    let _unbound = site.unbound();
    site.client.resolv_conf(&format!("nameserver {SERVICE}\n"));
    let mut watch = site.watch(&[]);
    let client = finish(site.client.command(&program).arg(site.name("www")));
    assert!(client.output.contains("192.0.2.1"), "{}", client.output);

    let records = site.records(&mut watch);
    for role in ["client", "server"] {
        let mut kinds: Vec<_> = records
            .iter()
            .filter(|r| r.role == role && r.outcome == "answered")
            .map(|r| r.kind.as_deref())
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [Some("A"), Some("AAAA")], "{records:#?}");
    }
    assert_eq!(records.len(), 4, "{records:#?}");
}

fn behind_a_service() -> Site {
    let site = Site::new();
    let rules = format!(
        "add table ip service; \
         add chain ip service output {{ type nat hook output priority -100; }}; \
         add rule ip service output ip daddr {SERVICE} dnat to {SERVER_V4}"
    );
    let client = &site.client.namespace;
    ip(client, &format!("route add {SERVICE} dev cable"));
    nft(client, &rules);
    site
}

fn check(record: &Record, role: &str, transport: &str) {
    assert_eq!(record.role, role, "{record:#?}");
    assert_eq!(record.outcome, "answered", "{record:#?}");
    assert_eq!(record.transport, transport, "{record:#?}");
}
