//! Rule `dns_nobody_listening`: the server's port is closed, or a firewall says so.

use std::net::SocketAddr;

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::outage;
use super::outage::Outage;
use super::packet::NO_SOCKET;
use super::place::Place;
use super::rejected;
use super::stub_address;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// On another machine, or on a way that this host does not see.
const CLOSED_ELSEWHERE: usize = 0;

const CLOSED_PORT: usize = 1;
const REJECTED: usize = 2;
const REJECTED_WHEN_SENT: usize = 3;
const REJECTED_ELSEWHERE: usize = 4;

/// Whether it is a firewall that says so.
pub(super) fn is_rejected(group: &Group<'_>) -> bool {
    let fault = group.place.fault;
    [REJECTED, REJECTED_WHEN_SENT, REJECTED_ELSEWHERE].contains(&fault)
}

/// See [`outage::limit`].
pub(super) fn limit(group: &Group<'_>) -> Option<Severity> {
    match group.place.fault {
        CLOSED_PORT | CLOSED_ELSEWHERE => outage::limit(group),
        _ => None,
    }
}

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let place = Place::at(incident.server());
    if evidence.rejections.of_query(incident).is_some()
        && let Some(drop) = incident.filtered()
    {
        let fault = match drop.when_sent {
            true => REJECTED_WHEN_SENT,
            false => REJECTED,
        };
        return Some(place.in_netns(drop.netns).fault(fault));
    }
    // What lay in the socket when it was closed belongs to what found none after that.
    if incident.was_left_unread()
        && let Some(drop) = incident.query_lost()
        && evidence
            .closed_ports
            .contains(&(drop.netns, incident.server()))
    {
        return Some(place.in_netns(drop.netns).fault(CLOSED_PORT));
    }
    // RFC 1812, 4.3.2.8: who sends ICMP errors sends so many a second.
    let way = (incident.attempt.owner.netns, incident.server());
    if contrasts::is_silent(incident) && !incident.is_tcp() && evidence.refusing.contains(&way) {
        return Some(place.fault(CLOSED_ELSEWHERE));
    }
    let errno = incident.errno()?;
    let was_sent = incident.attempt.failed_call.is_none();
    match incident.query_lost() {
        None if was_sent && rejected::BY_A_RULE_ONLY.contains(&errno) => {
            Some(place.fault(REJECTED_ELSEWHERE))
        }
        Some(drop) if errno == libc::ECONNREFUSED => {
            Some(place.in_netns(drop.netns).fault(CLOSED_PORT))
        }
        None if errno == libc::ECONNREFUSED => Some(place.fault(CLOSED_ELSEWHERE)),
        _ => None,
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    match group.place.fault {
        REJECTED | REJECTED_WHEN_SENT => return rejected::here(group),
        REJECTED_ELSEWHERE => return Some(rejected::elsewhere(group)),
        _ => {}
    }
    if let Some(stub) = stub_address::describe(group) {
        return Some(stub);
    }
    let outage = Outage::of(group)?;
    let netns = group.drop_netns();
    let here = group.netns_told(netns.unwrap_or_default());
    let led = led_to(group);
    let is_one = group.queries() == 1;
    let port = led.map_or(group.place.port(), |it| it.port());
    let (cause, found, look) = match group.place.fault {
        CLOSED_PORT => (
            format!(
                "{} in {here}, on this host, and no program {} that port open. {}",
                match (outage.is_over, is_one) {
                    (true, true) => "The query arrived",
                    (true, false) => "The queries arrived",
                    (false, true) => "The query arrives",
                    (false, false) => "The queries arrive",
                },
                if outage.is_over { "had" } else { "has" },
                match outage.is_over {
                    true => "The DNS server there was not running, or was just starting. It answers again.",
                    false => "The DNS server there is not running or listens on another address.",
                }
            ),
            match led {
                Some(led) => format!(
                    "{} led to {led} in {here} (address translation), and found no socket there \
                     ({NO_SOCKET}).",
                    if is_one { "It was" } else { "They were" }
                ),
                None => format!(
                    "{} arrived in {here} and found no socket ({NO_SOCKET}).",
                    if is_one { "It" } else { "They" }
                ),
            },
            group.within(netns, commands::sockets("ss -lntup", port)),
        ),
        _ => (
            match outage.is_over {
                true => {
                    "The host at that address said that the port was closed. Its DNS server was not \
                     running, or a firewall on the way rejected the queries. It answers again."
                }
                false => {
                    "The host at that address says that the port is closed. Its DNS server is not \
                     running, or a firewall on the way rejects the queries."
                }
            }
            .to_owned(),
            "The refusal came as ICMP port unreachable or as a TCP reset; kerno saw no drop on \
             this host."
                .to_owned(),
            group.dig_root(),
        ),
    };
    Explanation::of(outage.title(), cause, group.impact())
        .lines(refused_told(group))
        .line(found)
        .lines(outage.told())
        .lines(group.examples())
        .with(|it| match outage.is_over {
            true => it.run("See why it ended:", outage.log()).say(KEEP_SERVING),
            false => group.on_a_node(
                it.run("Look there:", look)
                    .run("See why it is not there:", outage.log())
                    .say(match led {
                        Some(_) => "Start what is to listen there, or take the rule away that leads queries there.",
                        None => "Start the server, or take the address out of resolv.conf.",
                    })
                    .with(|it| match led {
                        Some(_) => it.run("See the rule:", group.within(netns, Command::new("nft list ruleset"))),
                        None => it,
                    }),
                PODS,
            ),
        })
        .into()
}

/// Where the queries came out that found no socket, if that is not where they were sent to.
fn led_to(group: &Group<'_>) -> Option<SocketAddr> {
    let of = |incident: &Incident| {
        let drop = incident.query_lost()?;
        incident.found_no_socket().then_some(drop.destination)
    };
    match group.distinct(of)[..] {
        [Some(led)] if group.only_server().is_some_and(|it| it != led) => Some(led),
        _ => None,
    }
}

const PODS: &str = "See if the DNS pods are ready: `kubectl -n kube-system get endpointslices -l \
                    k8s-app=kube-dns`";

const KEEP_SERVING: &str = "If that happens often, let the new one listen before the old one ends (a \
                            socket unit of systemd, SO_REUSEPORT), or let the old one go on for a while: \
                            CoreDNS `health { lameduck 5s }`.";

fn refused_told(group: &Group<'_>) -> Vec<String> {
    let refused = group.count(|incident| incident.errno().is_some());
    let unread = group.count(Incident::was_left_unread);
    let told = units::counted(refused, "query was", "queries were");
    let mut lines = Vec::new();
    if refused > 0 {
        lines.push(format!(
            "{told} refused (ECONNREFUSED), of {}.",
            group.askers()
        ));
    }
    let silent = group.count(contrasts::is_silent);
    if silent > 0 {
        lines.push(format!(
            "{} unanswered: a host sends such refusals only so many times a second \
             (net.ipv4.icmp_ratelimit).",
            units::counted(silent, "more query went", "more queries went")
        ));
    }
    if unread > 0 {
        lines.push(format!(
            "{} in the server's socket when that was closed, and lost with it.",
            units::counted(unread, "query lay unread", "queries lay unread")
        ));
    }
    lines
}
