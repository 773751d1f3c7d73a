//! Rule `dns_send_denied`: the system call that sends the query fails.

use super::Cause;
use super::group::Group;
use super::packet::CGROUP_EGRESS;
use super::place::Place;
use crate::attempt::FailedCall;
use crate::attempt::identity::WorkloadId;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::ranking;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::sampler::Ports;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// `connect4` or `sendmsg4` said no: there is no packet at all.
const DENIED_CALL: usize = 1;
/// `cgroup_skb` egress said no to the packet.
const DENIED_PACKET: usize = 2;
pub(super) const NO_ROUTE: usize = 3;
const NO_PORT: usize = 4;
/// A resolver that tries IPv6 where there is none, and gets round it.
const NO_IPV6: usize = 5;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let fault = match (incident.attempt.failed_call, incident.dropped()) {
        (Some(call), _) => of_call(incident, call, evidence),
        (None, Some((_, CGROUP_EGRESS))) => DENIED_PACKET,
        _ => return None,
    };
    let owner = &incident.attempt.owner;
    if fault == NO_ROUTE && incident.is_side_try && is_over_ipv6(incident) {
        let place = Place::default().in_netns(owner.netns).of(owner.pid);
        return Some(place.fault(NO_IPV6));
    }
    Some(
        Place::at(incident.server())
            .in_netns(owner.netns)
            .fault(fault),
    )
}

fn is_over_ipv6(incident: &Incident) -> bool {
    incident.server().ip().to_canonical().is_ipv6()
}

fn of_call(incident: &Incident, call: FailedCall, evidence: &Evidence) -> usize {
    match incident.errno() {
        // Of EPERM without a packet only a program on the cgroup is the reason:
        // netfilter and cgroup_skb discard a packet, and kfree_skb tells of it.
        Some(libc::EPERM | libc::EACCES) => DENIED_CALL,
        // With a route it is what came back to a query before.
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH)
            if evidence.has_route(incident) != Some(true) =>
        {
            NO_ROUTE
        }
        Some(libc::EAGAIN | libc::EADDRNOTAVAIL) => NO_PORT,
        Some(_) => 0,
        // What connect() returned is not told; that it has no route can be seen.
        None if evidence.has_route(incident) == Some(false) => NO_ROUTE,
        None if call == FailedCall::Connect => NO_PORT,
        None => 0,
    }
}

const SERVERS_SHOWN: usize = 3;

const IMPACT: &str = "The program gets an error at once. glibc goes on to its next server; musl waits \
                      all the same.";

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let explanation = match group.place.fault {
        DENIED_CALL => denied(
            group,
            "A BPF program of type connect or sendmsg on the cgroup of the program that asks \
             denied the call (EPERM). No packet was made, so tcpdump and firewall logs show \
             nothing.",
        ),
        DENIED_PACKET => denied(
            group,
            "A BPF program of type cgroup_skb on the cgroup of the program that asks discarded the \
             packet on its way out (BPF_CGROUP_EGRESS). The program got EPERM.",
        ),
        NO_ROUTE => Explanation::of(
            format!("There is no route to {}", group.dns_server()),
            "The network namespace of the program that asks has no route to that address, so the \
             send fails before there is a packet.",
            IMPACT,
        )
        .run(
            "See the route as the program has it:",
            group.within_place(Command::new("ip route get").word(group.place.ip())),
        )
        .with(|it| match group.subject().workload {
            Some(WorkloadId::Unit(unit, user)) => it.run(
                "See whether the unit has a network of its own, which holds nothing but `lo`:",
                commands::properties_of(
                    (&unit, user),
                    "show -p PrivateNetwork -p NetworkNamespacePath -p JoinsNamespaceOf",
                ),
            ),
            _ => it,
        })
        .say("Add the route, or put a server that can be reached into resolv.conf."),
        NO_IPV6 => no_ipv6(group),
        NO_PORT => Explanation::of(
            format!("No socket can be connected to the DNS server {server}"),
            no_port(group),
            IMPACT,
        )
        .run(
            "Count the UDP sockets of the namespace:",
            group.within_place(Command::new("ss -uanH | wc -l")),
        )
        .say(
            "Widen net.ipv4.ip_local_port_range, or repair the program that keeps its sockets \
             open.",
        ),
        _ => Explanation::of(
            format!("Sending DNS queries to {server} fails"),
            "The system call fails before there is a packet. The evidence has its error.",
            IMPACT,
        )
        .say("See each one as it happens: `kerno watch --failed`"),
    };
    explanation
        .lines(evidence(group))
        .lines(ports_told(group))
        .into()
}

fn no_ipv6(group: &Group<'_>) -> Explanation {
    let servers = group.ranked(|incident| Some(incident.server()));
    let told = ranking::first_of(&servers, SERVERS_SHOWN, |(server, times)| {
        format!("{server} ({})", units::count(*times))
    });
    let of_one = group.first().map(Incident::server);
    let look = of_one.map_or_else(Command::default, |server| {
        Command::new("ip -6 route get").word(server.ip().to_string())
    });
    Explanation::of(
        format!(
            "{} cannot reach its servers over IPv6: there is no route to them",
            group.askers()
        ),
        "It may ask over IPv6, as most resolvers do if they are not told otherwise, but its network \
         namespace has no route to these addresses. It went on to another server each time.",
        IMPACT,
    )
    .lines(told.map(|servers| format!("Servers, and how often each was tried: {servers}.")))
    .run("See the route as it has it:", group.within_place(look))
    .say(
        "Let it ask over IPv4 alone (unbound `do-ip6: no`, BIND `named -4`, Knot Resolver \
         `net.ipv6 = false`, elsewhere without these servers in its list), or add the route.",
    )
}

/// What is known of why no socket can be connected.
fn no_port(group: &Group<'_>) -> String {
    let route = group.first().map(|it| group.evidence.has_route(it));
    let route = match route.flatten() {
        Some(true) => "There is a route, but the call fails",
        _ => "The call fails, and whether there is a route was not seen",
    };
    let why = match ports(group).and_then(Ports::are_used_up) {
        Some(true) => {
            "the local ports of this network namespace are used up (EAGAIN, EADDRNOTAVAIL)."
        }
        Some(false) => {
            "there were free ports in this network namespace when that was looked at, so the \
             address cannot be used from here, or the ports had been used up just before."
        }
        None => {
            "all local ports are in use (EAGAIN, EADDRNOTAVAIL), or the address cannot be used \
             from here."
        }
    };
    format!("{route}: {why}")
}

fn ports<'a>(group: &Group<'a>) -> Option<&'a Ports> {
    group.evidence.host.ports.get(&group.place.netns?)
}

/// Who has the ports, where a call failed for want of one.
fn ports_told(group: &Group<'_>) -> Vec<String> {
    let Some(ports) = ports(group).filter(|_| group.place.fault == NO_PORT) else {
        return Vec::new();
    };
    let of = match (ports.of(), ports.range) {
        (Some(of), Some((first, last))) => format!(
            " of the {} that the kernel gives ({first} to {last})",
            units::count(of)
        ),
        _ => String::new(),
    };
    let used = units::counted(ports.used, "UDP port", "UDP ports");
    let verb = if ports.used == 1 { "was" } else { "were" };
    let told = format!("Soon after the first call failed there, {used}{of} {verb} in use.");
    let holders: Vec<_> = ports
        .holders
        .iter()
        .map(|(pid, comm, held)| {
            format!(
                "{} has {}",
                who::process(Some(*pid), *comm),
                units::count(*held)
            )
        })
        .collect();
    let holders =
        (!holders.is_empty()).then(|| format!("Of its UDP sockets, {}.", holders.join(", ")));
    [Some(told), holders].into_iter().flatten().collect()
}

fn denied(group: &Group<'_>, what: &str) -> Explanation {
    let server = group.server();
    let title = format!("A BPF program on the cgroup denies DNS queries to {server}");
    Explanation::of(title, what, IMPACT)
        .causes([
            "Such programs come from container runtimes, from Cilium (EPERM when a Service or a \
             Local Redirect Policy has no backend) and from systemd (IPAddressDeny=, \
             RestrictNetworkInterfaces=). It is not a firewall rule.",
        ])
        .lines(group.control_group_told())
        .with(|it| match group.subject().workload {
            Some(WorkloadId::Unit(unit, user)) => it.run(
                "See what the unit forbids (and the slices above it):",
                commands::properties_of(
                    (&unit, user),
                    "show -p IPAddressAllow -p IPAddressDeny -p IPEgressFilterPath \
                     -p RestrictNetworkInterfaces",
                ),
            ),
            _ => it.run(
                "See which cgroup it is:",
                commands::cgroup_of(group.asker_pid()),
            ),
        })
        .say(
            "List the programs on that cgroup and its parents; look for the types connect4, \
             sendmsg4 and egress: `bpftool cgroup tree`",
        )
        .say("With Cilium, see if the DNS Service has a backend: `cilium-dbg service list`")
}

fn evidence(group: &Group<'_>) -> Vec<String> {
    let askers = group.askers();
    let error = group
        .first()
        .and_then(|incident| incident.attempt.reason.as_ref())
        .map_or("an error that the kernel does not tell".to_owned(), |it| {
            it.to_string()
        });
    let failed = |call: FailedCall, name: &str| {
        let times = group.count(|it| it.attempt.failed_call == Some(call));
        let told = units::counted(times, "time", "times");
        (times > 0).then(|| format!("{name} failed {told} with {error}, in {askers}."))
    };
    let packets = match group.count(|incident| incident.dropped().is_some()) {
        0 => "kerno saw no packet of these queries, neither sent nor discarded.".to_owned(),
        packets => format!(
            "{} discarded with {CGROUP_EGRESS}, of {askers}.",
            units::counted(packets, "packet was", "packets were")
        ),
    };
    let sends = failed(FailedCall::Send, "send()");
    let share = group
        .evidence
        .share_looked_at(|it| match group.place.fault {
            DENIED_CALL => it.destinations,
            _ => it.sends,
        });
    let looked = sends.as_ref().and_then(|_| who::looked_at("Sends", share));
    let calls = [failed(FailedCall::Connect, "connect()"), sends, looked];
    let lines = calls.into_iter().chain([Some(packets), group.examples()]);
    lines.flatten().collect()
}
