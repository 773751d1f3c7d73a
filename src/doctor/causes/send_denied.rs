//! Rule `dns_send_denied`: the system call that sends the query fails.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::attempt::FailedCall;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_send_denied",
    takes,
    judge: severity::exact,
    tell,
};

/// Reason of a packet that a program of type `cgroup_skb` refused to let out.
const CGROUP_EGRESS: &str = "BPF_CGROUP_EGRESS";

/// `connect4`/`sendmsg4` said no: there is no packet at all.
const DENIED_CALL: &str = "denied call";
/// `cgroup_skb` egress said no to the packet.
const DENIED_PACKET: &str = "denied packet";
const NO_ROUTE: &str = "no route";
const NO_PORT: &str = "no port";
const FAILED: &str = "failed";

fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let form = match (case.attempt.failed_call, case.dropped()) {
        (Some(call), _) => form_of(case, call, evidence),
        (None, Some((_, CGROUP_EGRESS))) => DENIED_PACKET,
        _ => return None,
    };
    let place = Place::at(case.server()).in_netns(case.attempt.owner.netns);
    Some(place.in_form(form))
}

fn form_of(case: &Case, call: FailedCall, evidence: &Evidence) -> &'static str {
    match case.errno() {
        // Of EPERM without a packet only a program on the cgroup is the reason:
        // netfilter and cgroup_skb discard a packet, and kfree_skb tells of it.
        Some(libc::EPERM | libc::EACCES) => DENIED_CALL,
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => NO_ROUTE,
        Some(libc::EAGAIN | libc::EADDRNOTAVAIL) => NO_PORT,
        Some(_) => FAILED,
        // What connect() returned is not told; that it has no route can be seen.
        None if evidence.has_no_route(case) => NO_ROUTE,
        None if call == FailedCall::Connect => NO_PORT,
        None => FAILED,
    }
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let askers = group.askers();
    let pid = group.asker_pid();
    let pid = pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
    let cgroup_of = Command::new("cat").word(format!("/proc/{pid}/cgroup"));
    let address = group.place.server.map(|server| server.ip().to_string());
    let route = Command::new("ip route get").word(address.unwrap_or_default());
    let denied = |what: &str| Words {
        title: format!("A BPF program on the cgroup denies DNS queries to {server}"),
        cause: format!(
            "{what} Such programs are attached by container runtimes, by Cilium (socket load \
             balancing answers EPERM when a Service or a Local Redirect Policy has no backend) and \
             by systemd (IPAddressDeny=, RestrictNetworkInterfaces=). Firewall rules have no part \
             in it."
        ),
        fix: Fix::default()
            .run("See which cgroup it is:", cgroup_of.clone())
            .say(
                "List the programs on that cgroup and its parents, with the type connect4, \
                 sendmsg4 or egress: `bpftool cgroup tree`",
            )
            .say(
                "With Cilium, see whether the DNS Service has a backend: `cilium-dbg service list`",
            ),
        ..Words::default()
    };
    let mut words = match group.place.form {
        DENIED_CALL => denied(
            "A program of type connect or sendmsg on the asker's cgroup said no (EPERM), so no \
             packet ever existed: neither tcpdump nor a firewall log can show one.",
        ),
        DENIED_PACKET => denied(
            "A program of type cgroup_skb on the asker's cgroup discarded the packet on its way \
             out (BPF_CGROUP_EGRESS), and the sender got EPERM.",
        ),
        NO_ROUTE => Words {
            title: format!("There is no route to the DNS server {server}"),
            cause: "The asker's own network namespace has no route to that address, so the send \
                    fails before there is a packet."
                .to_owned(),
            fix: Fix::default()
                .run(
                    "See the routes as the asker has them:",
                    group.within(group.place.netns, route),
                )
                .say("Add the route, or name a server in resolv.conf that can be reached."),
            ..Words::default()
        },
        NO_PORT => Words {
            title: format!("No socket can be connected to the DNS server {server}"),
            cause: "There is a route, and still the call fails: all local ports are in use \
                    (EAGAIN, EADDRNOTAVAIL), or the address cannot be used from here."
                .to_owned(),
            fix: Fix::default()
                .run(
                    "Count the UDP sockets of the namespace:",
                    group.within(group.place.netns, Command::new("ss -uanH | wc -l")),
                )
                .say(
                    "Widen net.ipv4.ip_local_port_range, or mend the program that keeps the \
                     sockets open.",
                ),
            ..Words::default()
        },
        _ => Words {
            title: format!("Sending DNS queries to {server} fails"),
            cause: "The system call fails before there is a packet; its error is in the evidence."
                .to_owned(),
            fix: Fix::default().say("See each one as it happens: `kerno watch --failed`"),
            ..Words::default()
        },
    };
    words.impact =
        "The program is told at once, but many resolvers wait all the same: musl sits out its 5 s, \
         glibc goes on to the next server and then fails."
            .to_owned();
    words.evidence = evidence(group, &askers);
    words
}

fn evidence(group: &Group<'_>, askers: &str) -> Vec<String> {
    let connects = group.count(|case| case.attempt.failed_call == Some(FailedCall::Connect));
    let sends = group.count(|case| case.attempt.failed_call == Some(FailedCall::Send));
    let mut lines = Vec::new();
    for (n, call) in [(connects, "connect()"), (sends, "send()")] {
        if n > 0 {
            let error = group
                .first()
                .and_then(|case| case.attempt.reason.as_ref())
                .map_or(
                    "an error that the kernel does not tell".to_owned(),
                    |reason| reason.to_string(),
                );
            lines.push(format!(
                "{call} failed {n} times with {error}, in {askers}."
            ));
        }
    }
    let packets = group.count(|case| case.dropped().is_some());
    if packets > 0 {
        lines.push(format!(
            "{packets} packets were discarded with BPF_CGROUP_EGRESS, of {askers}."
        ));
    } else {
        lines
            .push("No packet left and none was discarded: kfree_skb saw none of these.".to_owned());
    }
    lines.extend(group.examples());
    lines
}
