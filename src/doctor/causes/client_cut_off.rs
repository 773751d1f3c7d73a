//! Rule `dns_client_cut_off`: a server elsewhere answers nearly all but one network
//! namespace, or one control group.

use super::Cause;
use super::contrasts;
use super::group::Group;
use super::place::Place;
use crate::attempt::identity::WorkloadId;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Trait;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

const NAMESPACE: usize = 1;
const GROUP: usize = 2;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    if !contrasts::is_silent(incident) || evidence.view_of(incident).is_some() {
        return None;
    }
    let attempt = &incident.attempt;
    let place = Place::at(incident.server()).in_netns(attempt.owner.netns);
    match contrasts::whenever(incident, evidence) {
        Some((Trait::Group(_), _)) => Some(place.fault(GROUP)),
        Some(_) => None,
        None => evidence
            .separated
            .cut_off(attempt)
            .map(|_| place.fault(NAMESPACE)),
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    match group.place.fault {
        GROUP => of_group(group),
        _ => of_namespace(group),
    }
}

/// Whose control group it is, if that is known; else the first process that asks.
fn whose(group: &Group<'_>) -> Option<String> {
    let whose = group.ranked(|incident| Some(WorkloadId::made(&incident.attempt)));
    let (whom, _) = whose.into_iter().next()?;
    Some(who::workload(&whom))
}

fn of_namespace(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let attempt = &group.first()?.attempt;
    let netns = attempt.owner.netns;
    let cut_off = group.evidence.separated.cut_off(attempt)?;
    let which = match cut_off.alike {
        1 => "queries from this network namespace".to_owned(),
        more => format!(
            "queries from {} network namespaces, this one among them",
            units::count(more)
        ),
    };
    let own = (cut_off.alike > 1).then(|| {
        format!(
            "Of those of this one, {} of {}.",
            units::count(cut_off.own.failed),
            units::count(cut_off.own.of)
        )
    });
    Explanation::of(
        format!(
            "{server} does not answer {}, but other network namespaces",
            whose(group)?
        ),
        format!(
            "Nothing that kerno compares sets these queries apart but where they come from: {}. kerno saw none of them discarded on \
             this host, and {} got answers from the same address. A firewall or policy beyond this host \
             lets them not through, the server's access rules leave out the address that they leave \
             with, or their way leads elsewhere.",
            group.netns_told(netns),
            units::counted(
                cut_off.answered,
                "other namespace of it",
                "other namespaces of it"
            )
        ),
        group.impact(),
    )
    .line(cut_off.contrast.told(&which, "went unanswered"))
    .lines(own)
    .lines(group.asked_by_and_for())
    .with(|it| compared(it, group))
    .into()
}

fn of_group(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let whose = whose(group)?;
    Explanation::of(
        format!("{server} does not answer {whose}, but others of the same network namespace"),
        "Nothing that kerno compares sets these queries apart but who asks: one control group. kerno saw none of its queries discarded on \
         this host. A rule may send them another way (routing by user or by mark, a VPN for some \
         programs), they may leave with another source address, or something beyond this host limits \
         this program.",
        group.impact(),
    )
    .lines(group.contrast_told(&format!("queries of {whose}")))
    .lines(group.asked_by_and_for())
    .with(|it| compared(it, group))
    .into()
}

/// What to look at, from where it fails.
fn compared(explanation: Explanation, group: &Group<'_>) -> Explanation {
    let netns = group.place.netns;
    let route = Command::new("ip route get").word(group.place.ip());
    explanation
        .run("Ask it from there:", group.dig_root())
        .run(
            "See which way they take and with which address they leave; compare it with that of one who is \
             answered:",
            group.within(netns, route),
        )
        .run("… and the rules that choose the way:", group.within(netns, Command::new("ip rule")))
        .say(
            "Allow that address in the server (`access-control`, `allow-query`) and in the firewalls on \
             the way (network policies, security groups).",
        )
}
