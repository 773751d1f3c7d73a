//! A client and a server with a router between them, which translates and filters.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;

use crate::namespace::Namespace;
use crate::place::Place;
use crate::process::run;
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
        router.enter(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("to forward"));
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

/// A cable from `.1` to the router's `.254` of a network, with a route to everywhere.
fn join(end: &Namespace, router: &Namespace, network: &str) {
    let handle = end.descriptor();
    let there = format!("/proc/{}/fd/{}", std::process::id(), handle.as_raw_fd());
    let cable = format!("to-{network}");
    ip(
        router,
        &format!("link add {cable} type veth peer name cable netns {there}"),
    );
    ip(router, &format!("address add {network}.254/24 dev {cable}"));
    ip(end, &format!("address add {network}.1/24 dev cable"));
    ip(router, &format!("link set {cable} up"));
    ip(end, "link set cable up");
    ip(end, &format!("route add default via {network}.254"));
}

/// Runs `ip` in a namespace.
pub(crate) fn ip(namespace: &Namespace, arguments: &str) {
    namespace.enter(|| run(Command::new("ip").args(arguments.split(' '))));
}
