//! Rule `dns_one_transport`: over TCP, or over UDP, a server does not answer, over the
//! other it does.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Trait;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

const TCP: usize = 1;
const UDP: usize = 2;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let fault = match contrasts::of_silent(incident, evidence)? {
        (Trait::Tcp, _) => TCP,
        (Trait::Udp, _) => UDP,
        _ => return None,
    };
    Some(Place::at(incident.server()).fault(fault))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let explanation = match group.place.fault {
        TCP => over_tcp(group),
        _ => over_udp(group),
    };
    explanation.lines(group.asked_by_and_for()).into()
}

fn over_tcp(group: &Group<'_>) -> Explanation {
    let server = group.server();
    let asked = group.count(|incident| incident.attempt.id.is_some());
    let port = group.place.port();
    // Where the server is, if it is on this host; else where the client is.
    let here = group.views().map(|view| view.owner.netns).next();
    let netns = here.or_else(|| Some(group.first()?.attempt.owner.netns));
    let looks = [
        commands::sockets("ss -ltn", port),
        commands::sockets("ss -tnp state established", port),
    ];
    let looks = looks.map(|look| group.within(netns, look));
    let cause = match asked {
        0 => {
            "No connection is made: something on the way discards TCP to that port, or the server's \
             queue of new connections is full. A server serves only so many at once (dnsmasq 20, \
             unbound `incoming-num-tcp` 10, BIND `tcp-clients` 150)."
        }
        _ => {
            "Connections are made, because the kernel does that alone, but no answer comes on them. \
             A server serves only so many connections at once (dnsmasq 20, unbound \
             `incoming-num-tcp` 10, BIND `tcp-clients` 150): where idle ones hold all of these \
             places, the others wait in its accept queue, and nobody reads them."
        }
    };
    Explanation::of(
        format!("{server} does not answer over TCP, but over UDP"),
        cause,
        "It hits answers too large for UDP, and programs that ask over TCP only.",
    )
    .lines(group.contrast_told("queries over TCP"))
    .line(format!(
        "For {} of {} the connection was made and the query sent on it.",
        units::count(asked),
        group.counted()
    ))
    .run_amid(
        "On the server's host see how many connections wait (Recv-Q of the listening socket), and \
         who holds those that are served:",
        &looks,
        "",
    )
    .say(
        "Let the server serve more, and close idle ones sooner: unbound `incoming-num-tcp:` and \
         `tcp-idle-timeout:`, BIND `tcp-clients`; dnsmasq has a fixed 20, so keep forwarders that \
         hold connections open (`force_tcp`) away from it.",
    )
}

fn over_udp(group: &Group<'_>) -> Explanation {
    let server = group.server();
    Explanation::of(
        format!("{server} does not answer over UDP, but over TCP"),
        match group.is_left_here() {
            true => "The queries come to its UDP socket, and the server does not answer them.",
            false => {
                "Something on the way discards UDP to that port, or the answers to it, or the server \
                 does not read its UDP socket."
            }
        },
        "Few programs try TCP by themselves.",
    )
    .lines(group.contrast_told("queries over UDP"))
    .run("Ask it yourself over UDP:", group.dig_root())
    .say("Allow UDP to port 53 and back, or let the clients use TCP: `options use-vc` (glibc).")
}
