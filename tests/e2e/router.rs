//! A client and a server with a router between them, which translates and filters.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use kerno_chaos::testbed::Namespace;
use kerno_chaos::testbed::tool::IP;
use kerno_chaos::testbed::veth;

use crate::place::Place;
use crate::record::Record;
use crate::site::fence;
use crate::site::unique_zone;
use crate::watch::Watch;

/// The server's address; the client's is 10.81.0.1.
pub(crate) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 82, 0, 1));

/// Three places in a row. The client and the server send everything to the router.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) zone: String,
    pub(crate) client: Place,
    pub(crate) router: Place,
    pub(crate) server: Place,
}

impl Route {
    pub(crate) fn new() -> Self {
        let route = Self {
            zone: unique_zone(),
            client: Place::new(),
            router: Place::new(),
            server: Place::new(),
        };
        let router = &route.router.namespace;
        join(&route.client.namespace, router, "10.81.0");
        join(&route.server.namespace, router, "10.82.0");
        router.set("ipv4/ip_forward", "1").expect("to forward");
        route
    }

    pub(crate) fn name(&self, label: &str) -> String {
        format!("{label}.{}", self.zone)
    }

    pub(crate) fn watch(&self, options: &[&str]) -> Watch {
        let namespaces = [&self.client, &self.server].map(|place| place.namespace.inode());
        let mine = move |record: &Record| record.netns.is_some_and(|n| namespaces.contains(&n));
        Watch::start(options, mine)
    }

    /// As [`crate::site::Site::records`].
    pub(crate) fn records(&self, watch: &mut Watch) -> Vec<Record> {
        fence(&self.client, &self.zone, watch)
    }
}

/// A link from `.1` to the router's `.254` of a network, with a route to everywhere.
fn join(end: &Namespace, router: &Namespace, network: &str) {
    let joined = veth::join(
        &veth::End {
            namespace: router,
            device: &format!("to-{network}"),
            addresses: &[&format!("{network}.254/24")],
        },
        &veth::End {
            namespace: end,
            device: "cable",
            addresses: &[&format!("{network}.1/24")],
        },
    );
    joined.expect("two namespaces joined");
    ip(end, &format!("route add default via {network}.254"));
}

/// Runs `ip` in a namespace.
pub(crate) fn ip(namespace: &Namespace, arguments: &str) {
    namespace.run(IP, arguments, "").expect("ip");
}
