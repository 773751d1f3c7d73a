//! WorkloadId a finding is about, where addresses do not tell.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::cgroup::mount_point;
use crate::doctor::Doctor;
use crate::node::Layout;
use crate::node::Node;
use crate::place::Place;
use crate::place::link;
use crate::pod::Container;
use crate::unbound::Unbound;

/// At the far end of every tenant's cable.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
const QUERIES: u64 = 30;

/// Both have the same addresses, in networks of their own; only one has a server.
#[test]
fn root_two_pods_with_the_same_addresses() {
    let zone = format!("tenants{}.pods.test", std::process::id());
    let node = Node::start(Layout::Machine);
    let (well, ill) = (node.pod("red", "app"), node.pod("blue", "app"));
    let (well_app, ill_app) = (well.container("app"), ill.container("app"));
    let servers = [&well_app, &ill_app].map(|app| {
        let place = Place::in_group(Cgroup::below(&mount_point(), "system.slice/dns.service"));
        link(&app.network(), &place.namespace);
        place
    });
    let _unbound = Unbound::start(&servers[0], &zone, &[SERVER], 53);

    let socket = node.socket.to_str().expect("UTF-8");
    let glob = format!("*.{zone}");
    let options = ["--cri-endpoint", socket, "--name", &glob];
    let json = Doctor::start(&[&options[..], &["--output", "json"]].concat());
    let text = Doctor::start(&options);
    ask(&well_app, &zone);
    ask(&ill_app, &zone);
    let (_, report) = json.json();
    let (_, text) = text.text();

    let rows = report["dns"]["by_workload"].as_array().expect("workloads");
    let row = |pod: &Value| {
        let row = rows.iter().find(|row| row["pod"] == *pod);
        row.unwrap_or_else(|| panic!("no {pod}: {report:#}"))
    };
    assert_eq!(row(&well.told())["failure_percent"], 0.0);
    assert_eq!(row(&ill.told())["failure_percent"], 100.0);
    let findings = report["findings"].as_array().expect("findings");
    let why = &findings[0];
    assert_eq!(why["rule"], "dns_nobody_listening", "{report:#}");
    for finding in findings {
        assert_eq!(finding["scope"]["pod"], ill.told(), "{report:#}");
        assert_eq!(finding["queries"], QUERIES);
    }
    // Each of them asked once: what they are together counts.
    for told in [
        "nearly all for pod blue/app".to_owned(),
        format!("nslookup ({} processes)", 2 * QUERIES),
    ] {
        assert!(text.contains(&told), "{text}");
    }
}

/// All at once, and none lives long enough to ask again.
fn ask(container: &Container<'_>, zone: &str) {
    let script = format!(
        "for i in $(/bin/busybox seq {QUERIES}); do \
         /bin/busybox timeout 1 /bin/nslookup -type=a www.{zone} {SERVER} & done; wait"
    );
    container.exec(&["/bin/sh", "-c", &script]);
}
