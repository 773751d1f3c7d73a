//! Rule `dns_kernel_drop`: this host's kernel discarded it, for a reason that no
//! other rule speaks of.

use super::Cause;
use super::group::Group;
use super::kernel_reasons;
use super::packet;
use super::place::Place;
use crate::attempt::identity::WorkloadId;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// The server closed its socket. A known reason has its place in the table behind that.
const SERVER_ENDED: usize = 1;

fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let (drop, reason) = incident.dropped()?;
    let place = Place::at(incident.server());
    if incident.was_left_unread() {
        return Some(place.fault(SERVER_ENDED));
    }
    let known = kernel_reasons::position(reason);
    let fault = known.map_or(0, |known| SERVER_ENDED + 1 + known);
    Some(place.in_netns(drop.netns).fault(fault))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    if group.place.fault == SERVER_ENDED {
        return Some(server_ended(group));
    }
    let (drop, reason) = group.incidents().find_map(Incident::dropped)?;
    let known = group.place.fault.checked_sub(SERVER_ENDED + 1);
    let known = known.and_then(kernel_reasons::at);
    let means = match known {
        Some(known) => known.means.to_owned(),
        None => format!(
            "The kernel calls the reason {reason}; the function is {}.",
            packet::function(drop)
        ),
    };
    let title = known.map_or("This host's kernel discards DNS packets", |it| it.title);
    let look = match known {
        Some(known) => known.look(group, drop.netns, drop.destination.ip()),
        None => group.within(Some(drop.netns), Command::new("nstat -az")),
    };
    let reason_told = kernel_reasons::counted(group, reason, drop.netns, drop.destination.ip());
    Explanation::of(format!("{title} ({reason})"), means, group.impact())
        .line(format!(
            "{} discarded: {}, in {}; last seen as {} → {}.",
            group.packets(),
            packet::told(drop),
            group.netns_told(drop.netns),
            drop.source,
            drop.destination
        ))
        .lines(reason_told)
        .lines(group.asked_by_and_for())
        .run("Look there:", look)
        .with(|it| match known {
            Some(known) => it.say(known.remedy(drop.destination.ip())),
            None => it,
        })
        .say("See each one as it happens: `kerno watch --failed`")
        .into()
}

/// Of the server's unit, if it is one of the system.
fn journal(group: &Group<'_>) -> Command {
    let whose = group
        .views()
        .find_map(|view| WorkloadId::of(view.workload.as_deref()?));
    match whose {
        Some(WorkloadId::Unit(unit, None)) => Command::new("journalctl -u").word(unit),
        _ => Command::default(),
    }
}

fn server_ended(group: &Group<'_>) -> Explanation {
    let server = group.server();
    let pid = group.views().find_map(|view| view.owner.pid);
    Explanation::of(
        format!("The DNS server {server} closed its socket with queries unread"),
        "The server closed its socket: it ended, restarted, or opened it anew. The queries that waited \
         in it were lost.",
        group.impact(),
    )
    .line(format!(
        "{} had reached the socket of {} and were discarded with it, unread.",
        group.counted(),
        who::with_pid("the server", pid)
    ))
    .lines(group.asked_by_and_for())
    .run("See why it ended:", journal(group))
    .with(|it| {
        group.on_a_node(
            it,
            "See how often its pod was restarted: `kubectl -n kube-system get pods`",
        )
    })
    .say(
        "Let it go on for a while after it has left its service: CoreDNS `health { lameduck 5s }`.",
    )
}
