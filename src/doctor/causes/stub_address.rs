//! A loopback address in resolv.conf, in a network namespace that has nobody there: it
//! is the host's, and was copied into a container.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use super::group::Group;
use crate::doctor::explanation::Explanation;
use crate::shell::Command;
use crate::units;

/// Where systemd-resolved listens (systemd-resolved.service(8)).
const OF_RESOLVED: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54)),
];

/// `None` if it is none, or if nothing says that it belongs elsewhere.
pub(super) fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.only_server()?;
    let ip = server.ip();
    // Where the kernel does not tell the packet, a loopback address is the asker's own.
    let own_of_asker = || Some(group.first()?.attempt.owner.netns).filter(|_| ip.is_loopback());
    let netns = group.place.netns.or_else(own_of_asker)?;
    let own = group.evidence.host.own_netns;
    let elsewhere = group.evidence.tallies.asked_elsewhere(netns, server);
    let is_answered = elsewhere.answered > 0;
    let of_resolved = OF_RESOLVED.contains(&ip);
    if !ip.is_loopback() || own == Some(netns) || !(of_resolved || is_answered) {
        return None;
    }
    let here = group.netns_told(netns);
    let whose = match of_resolved {
        true => format!(
            "{ip} is the stub of systemd-resolved. It listens in the host's own network namespace only"
        ),
        false => format!("{ip} is a loopback address: each network namespace has its own"),
    };
    let conf = group.resolv_conf();
    Explanation::of(
        format!("Nobody listens at {server} in a container: that address is the host's own"),
        format!("{whose}, and {here} is another one. The resolv.conf there was made for the host."),
        group.impact(),
    )
    .line(format!(
        "{} refused in {here}, of {}.",
        units::counted(group.queries(), "query was", "queries were"),
        group.askers()
    ))
    .lines(is_answered.then(|| {
        format!(
            "In other network namespaces {} to {server} were answered.",
            units::queries(elsewhere.answered)
        )
    }))
    .lines(group.examples())
    .with(|it| match conf {
        Some((_, conf)) => it.run(
            "See what the container was given:",
            Command::new("cat").word(conf.path.as_path()),
        ),
        None => it,
    })
    .with(|it| match of_resolved {
        true => it.say(
            "Give it the host's real nameservers, which are in `/run/systemd/resolve/resolv.conf`: \
             `docker run --dns ADDRESS` or \"dns\" in /etc/docker/daemon.json, the kubelet's \
             `resolvConf:`, or a mount of that file.",
        ),
        false => it.say(
            "Give it a nameserver that can be reached from its own namespace: `docker run --dns \
             ADDRESS`, the kubelet's `resolvConf:`, or a resolv.conf of its own.",
        ),
    })
    .into()
}
