//! Rule `dns_clients_ignored`: a server on this host answers some networks, and ignores
//! others.

use std::net::IpAddr;

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::doctor::ranking;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Trait;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

const CLIENTS_SHOWN: usize = 3;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    match contrasts::of_silent_at_server(incident, evidence)? {
        (view, Trait::Network(_)) => Some(Place::at(view.local).of(view.owner.pid)),
        _ => None,
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let view = group.views().find(|view| !view.is_answered())?;
    let network = match group.evidence.separated.at_server(view)? {
        (Trait::Network(network @ IpAddr::V4(_)), _) => format!("{network}/24"),
        (Trait::Network(network), _) => format!("{network}/64"),
        _ => return None,
    };
    let evidence = group.evidence;
    let clients = group.ranked(|incident| Some(evidence.view_of(incident)?.peer.ip()));
    let clients = ranking::first_of(&clients, CLIENTS_SHOWN, |(ip, _)| ip.to_string());
    Explanation::of(
        format!("{server}, on this host, ignores its clients in {network}"),
        "These queries come to the server, and it does not answer them, while it answers others: \
         its access rules do not allow that network. dnsmasq with `--local-service` (Debian's \
         default) ignores all but its own subnets, unbound with `access-control: … deny`, BIND \
         with `blackhole`.",
        group.impact(),
    )
    .lines(group.contrast_at_server_told(&format!("queries from {network}")))
    .lines(clients.map(|clients| format!("Clients that are ignored: {clients}.")))
    .lines(group.asked_by_and_for())
    .say(
        "Allow the network in the server: dnsmasq `interface=` or `listen-address=` (either ends \
         `--local-service`), unbound `access-control: NETWORK allow`, BIND `allow-query` and \
         `allow-recursion`.",
    )
    .run("Ask it yourself, as such a client does:", group.dig_root())
    .into()
}
