//! Rule `dns_socket_unread`: a server has several sockets for one address, and nobody
//! reads one of them.

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

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    match contrasts::of_silent_at_server(incident, evidence)? {
        (view, Trait::ServerSocket(_)) => Some(Place::at(view.local).in_netns(view.owner.netns)),
        _ => None,
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let most = group.views().map(|view| view.queued_bytes).max()?;
    let look = group.within_place(commands::sockets("ss -uanp", group.place.port()));
    Explanation::of(
        format!("One of several sockets at {server}, on this host, is not read"),
        "Several sockets share this address (SO_REUSEPORT), and the kernel deals the clients out to \
         them by their ports. One of them has nobody who reads it: a thread or process of the \
         server that hangs, a second server on the same address, or one that was left behind by a \
         restart.",
        group.impact(),
    )
    .lines(group.contrast_at_server_told("queries that came to that socket"))
    .line(format!(
        "Up to {} bytes lay unread in it when these queries came.",
        units::count(u64::from(most))
    ))
    .lines(group.asked_by_and_for())
    .run(
        "See the sockets: the one with a Recv-Q that stays, and whose it is,",
        look,
    )
    .say("Restart that process, or end it if it is not the server that is meant to be there.")
    .into()
}
