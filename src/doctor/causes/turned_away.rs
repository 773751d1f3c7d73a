//! Queries of other hosts that this one discards before its own DNS server can see them: told
//! by `dns_policy_drop` where a firewall does it, else by `dns_kernel_drop`.

use std::net::IpAddr;

use super::group::Group;
use super::kernel_reasons;
use super::packet;
use super::place::Place;
use super::policy_drop;
use crate::attempt::Role;
use crate::doctor::explanation::Explanation;
use crate::doctor::explanation::Measured;
use crate::doctor::finding::Finding;
use crate::doctor::finding::Severity;
use crate::doctor::finding::Subject;
use crate::doctor::party::Parties;
use crate::doctor::ranking;
use crate::doctor::rule::Rule;
use crate::incidents::Evidence;
use crate::incidents::TurnedAway;
use crate::shell::Command;
use crate::thresholds::FAILURES_MIN;
use crate::units;

const CLIENTS_SHOWN: usize = 3;
const NAME_MAX: usize = 80;

const IMPACT: &str = "Who asks from there gets no answer: each lookup waits, asks again, and fails, \
                      or goes to another server.";
/// Anybody may send anything to an address of the internet.
const STRANGERS: &str = "All of them came from addresses of the internet: if this server is not for \
                         these, the rule does what it is for.";

/// One finding for each server and reason.
pub(in crate::doctor) fn check(evidence: &Evidence, parties: &Parties<'_>) -> Vec<Finding> {
    let all = evidence.turned_away.iter();
    let enough = all.filter(|it| it.queries() >= FAILURES_MIN);
    enough.map(|it| finding(it, evidence, parties)).collect()
}

fn finding(away: &TurnedAway, evidence: &Evidence, parties: &Parties<'_>) -> Finding {
    let place = Place::at(away.server).in_netns(away.drop.netns);
    let group = Group::new(place, evidence, parties);
    let is_policy = policy_drop::is_policy(&away.drop.reason);
    let said = match is_policy {
        true => filtered(away, &group),
        false => discarded(away, &group),
    };
    let is_near = away.from_near() >= FAILURES_MIN;
    let (rule, severity) = match is_policy {
        true if !is_near => (Rule::PolicyDrop, Severity::Info),
        true => (Rule::PolicyDrop, Severity::Warning),
        false if !is_near => (Rule::KernelDrop, Severity::Info),
        false => (Rule::KernelDrop, Severity::Warning),
    };
    let process = away.pid.and_then(|pid| evidence.tallies.processes.get(pid));
    let comm = process.map(|it| it.comm).unwrap_or_default();
    let queries = away.queries();
    Finding {
        scope: Subject {
            role: Role::Server,
            netns: group.place.netns,
            ..Subject::process(away.pid, comm).of_server(Some(away.server))
        },
        queries,
        ..said.finding(rule, severity, Measured::queries(queries))
    }
}

fn filtered(away: &TurnedAway, group: &Group<'_>) -> Explanation {
    let netns = group.netns_told(away.drop.netns);
    let there = |command| group.within(Some(away.drop.netns), Command::new(command));
    let by = policy_drop::by(&away.drop);
    let is_netfilter = &*away.drop.reason == packet::NETFILTER;
    let hooks = match is_netfilter {
        true => " (PREROUTING or INPUT)",
        false => "",
    };
    let own = Explanation::of(
        format!(
            "A firewall of this host discards queries to its own DNS server {}",
            away.server
        ),
        format!(
            "{by} in {netns} discards them as they come in{hooks}, before the server can see them."
        ),
        IMPACT,
    )
    .causes((away.from_near() == 0).then_some(STRANGERS));
    told(own, away, group)
        .with(|it| match is_netfilter {
            true => group
                .look_at_firewall(it, away.drop.netns)
                .run("Find the rule and its counter:", there("nft list ruleset"))
                .run("Or, with the legacy tools:", there("iptables-save -c")),
            false => it.run(
                "List the programs on the interfaces there:",
                there("bpftool net show"),
            ),
        })
        .say(format!(
            "Allow UDP and TCP port {} to {} from the networks that this server is for, and from \
             no others.",
            away.server.port(),
            away.server.ip()
        ))
}

fn discarded(away: &TurnedAway, group: &Group<'_>) -> Explanation {
    let drop = &away.drop;
    let known = kernel_reasons::position(&drop.reason).and_then(kernel_reasons::at);
    let means = match known {
        Some(known) => known.means.to_owned(),
        None => format!(
            "The kernel calls the reason {}; the function is {}.",
            drop.reason,
            packet::function(drop)
        ),
    };
    let look = match known {
        Some(known) => known.look(group, drop.netns, away.server.ip()),
        None => group.within(Some(drop.netns), Command::new("nstat -az")),
    };
    let own = Explanation::of(
        format!(
            "This host's kernel discards queries to its own DNS server {} ({})",
            away.server, drop.reason
        ),
        format!("{means} The server cannot see them."),
        IMPACT,
    );
    told(own, away, group)
        .lines(kernel_reasons::counted(
            group,
            &drop.reason,
            drop.netns,
            away.server.ip(),
        ))
        .run("Look there:", look)
        .with(|it| match known {
            Some(known) => it.say(known.remedy(away.server.ip())),
            None => it,
        })
}

/// How many of whom, for what, and how the server fared otherwise.
fn told(own: Explanation, away: &TurnedAway, group: &Group<'_>) -> Explanation {
    let evidence = group.evidence;
    let netns = away.drop.netns;
    let connections = match away.connections {
        0 => String::new(),
        n => format!(
            " ({} of them over TCP, whose connection was not opened)",
            units::count(n)
        ),
    };
    let server = match away.pid {
        Some(pid) => format!("The process with pid {pid}"),
        None => "A program".to_owned(),
    };
    let reached = match evidence.tallies.served(netns, away.server) {
        0 => "no other query reached it".to_owned(),
        n => format!(
            "{} it",
            units::counted(n, "other query reached", "other queries reached")
        ),
    };
    own.line(format!(
        "{} of other hosts discarded{connections}: {}, in {}.",
        units::counted(away.queries(), "query", "queries"),
        packet::told(&away.drop),
        group.netns_told(netns)
    ))
    .line(format!(
        "{server} listens at {}, and in the same time {reached}.",
        away.server
    ))
    .line(format!("They came from {}.", clients(away)))
    .lines(questions(away))
}

/// `10.1.0.7 (30), 10.1.0.9 (7) and 12 other addresses`
fn clients(away: &TurnedAway) -> String {
    let ranked = ranking::ranked(away.clients.iter().map(|(ip, queries)| (*ip, *queries)));
    let shown = ranking::first_of(&ranked, CLIENTS_SHOWN, |(ip, queries): &(IpAddr, u64)| {
        format!("{ip} ({})", units::count(*queries))
    });
    let shown = shown.unwrap_or_else(|| "many addresses".to_owned());
    match away.others {
        0 => shown,
        n => format!("{shown}; {} of further addresses", units::queries(n)),
    }
}

fn questions(away: &TurnedAway) -> Option<String> {
    let shown: Vec<_> = away
        .questions
        .iter()
        .map(|question| units::shorten(question, NAME_MAX))
        .collect();
    (!shown.is_empty()).then(|| format!("Asked for, among others: {}.", shown.join(", ")))
}
