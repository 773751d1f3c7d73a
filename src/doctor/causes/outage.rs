//! When a server on this host was not there, and who answered before and after: a
//! restart is told in the past tense.

use std::collections::BTreeMap;

use super::group::Group;
use crate::attempt::Transport;
use crate::attempt::identity::WorkloadId;
use crate::doctor::finding::Severity;
use crate::doctor::who;
use crate::incidents::Incident;
use crate::incidents::ServerView;
use crate::shell::Command;
use crate::thresholds::FAILURE_WARNING_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// So many processes one after the other are more than a restart.
const AGAIN_AND_AGAIN: usize = 3;

pub(super) struct Outage<'a> {
    group: &'a Group<'a>,
    /// When the first and the last query were sent that met it.
    first_ns: u64,
    last_ns: u64,
    /// The last answer of the server before, and the first after it.
    before: Option<&'a ServerView>,
    after: Option<&'a ServerView>,
    /// Processes that answered there, one after the other.
    processes: usize,
    /// Queries sent later were answered.
    pub(super) is_over: bool,
}

impl<'a> Outage<'a> {
    pub(super) fn of(group: &'a Group<'a>) -> Option<Self> {
        let sent = || group.incidents().map(|incident| incident.attempt.sent_ns);
        let (first_ns, last_ns) = (sent().min()?, sent().max()?);
        let there = group.incidents().find_map(Incident::query_lost);
        let all = || {
            let views = group.evidence.server_views.iter();
            views.filter(move |view| {
                there.is_some_and(|drop| {
                    view.is_answered()
                        && (view.owner.netns, view.local) == (drop.netns, drop.destination)
                })
            })
        };
        // A connection may have a child of its own, as dnsmasq's have: that is no restart.
        let is_udp = |view: &&ServerView| view.transport == Transport::Udp;
        let any_udp = all().any(|view| is_udp(&view));
        let views = || all().filter(move |view| !any_udp || is_udp(view));
        let before = views().filter(|view| view.ended_ns <= first_ns);
        let after = views().filter(|view| view.arrived_ns > last_ns);
        let after = after.min_by_key(|view| view.arrived_ns);
        let processes = one_after_the_other(views());
        let mut ways = group
            .incidents()
            .map(|it| (it.attempt.owner.netns, it.server().ip()));
        let is_answered = ways.any(|way| {
            let last = group.evidence.last_answers.get(&way);
            last.is_some_and(|sent_ns| *sent_ns > last_ns)
        });
        Some(Self {
            group,
            first_ns,
            last_ns,
            before: before.max_by_key(|view| view.ended_ns),
            after,
            processes,
            is_over: after.is_some() || is_answered,
        })
    }

    /// Whose server it is, if that is known.
    pub(super) fn unit(&self) -> Option<WorkloadId> {
        let view = self.after.or(self.before)?;
        WorkloadId::of(view.workload.as_deref()?)
    }

    fn is_restart(&self) -> bool {
        let pid = |view: Option<&ServerView>| view.and_then(|view| view.owner.pid);
        let (before, after) = (pid(self.before), pid(self.after));
        before.is_some() && after.is_some() && before != after
    }

    /// `Nobody listened at 10.0.0.10:53 while unbound.service restarted`
    pub(super) fn title(&self) -> String {
        let server = self.group.server();
        let name = match (self.unit(), self.after) {
            (Some(unit), _) => who::workload(&unit),
            (None, Some(view)) => who::process(view.owner.pid, view.owner.comm),
            (None, None) => "the server".to_owned(),
        };
        match (self.is_over, self.is_restart()) {
            (false, _) => format!("Nobody listens at {server}"),
            (true, true) if self.processes >= AGAIN_AND_AGAIN => {
                format!("Nobody listened at {server} each time that {name} had ended")
            }
            (true, true) => format!("Nobody listened at {server} while {name} restarted"),
            (true, false) if self.before.is_none() && self.after.is_some() => {
                format!("Nobody listened at {server} before {name} answered there")
            }
            (true, false) => format!("Nobody listened at {server} for a while"),
        }
    }

    /// When, how long, and who was there before and after.
    pub(super) fn told(&self) -> Vec<String> {
        let at = |ns| self.at(ns).map_or(String::new(), |at| format!(" at {at}"));
        let sent = match self.last_ns - self.first_ns {
            0 => self
                .at(self.first_ns)
                .map(|at| format!("It was sent at {at}.")),
            lasted => Some(format!(
                "The first of them was sent{}, the last {} later.",
                at(self.first_ns),
                units::duration(lasted)
            )),
        };
        let mut lines = Vec::from_iter(sent);
        let name = |view: &ServerView| who::process(view.owner.pid, view.owner.comm);
        match (self.before, self.after) {
            (Some(before), Some(after)) => lines.push(format!(
                "{} gave the last answer before{}; {} gave the next one {} later.",
                name(before),
                at(before.ended_ns),
                match before.owner.pid == after.owner.pid {
                    true => "it".to_owned(),
                    false => name(after),
                },
                units::duration(after.ended_ns.saturating_sub(before.ended_ns))
            )),
            (Some(before), None) => lines.push(format!(
                "{} gave the last answer there{}.",
                name(before),
                at(before.ended_ns)
            )),
            (None, Some(after)) => lines.push(format!(
                "{} gave the first answer there{}.",
                name(after),
                at(after.ended_ns)
            )),
            (None, None) if self.is_over => {
                lines.push("Queries that were sent there later were answered.".to_owned());
            }
            (None, None) => {}
        }
        if self.processes >= AGAIN_AND_AGAIN {
            lines.push(format!(
                "{} processes answered there, one after the other.",
                units::count(self.processes as u64)
            ));
        }
        lines
    }

    /// `09:49:31 UTC`
    fn at(&self, monotonic_ns: u64) -> Option<String> {
        let clock = self.group.evidence.clock?;
        Some(units::time_of_day(clock.wall(monotonic_ns)))
    }

    /// Where it is written why it ended.
    pub(super) fn log(&self) -> Command {
        match self.unit() {
            Some(WorkloadId::Unit(unit, None)) => Command::new("journalctl -u").word(unit),
            Some(WorkloadId::Unit(unit, Some(uid))) => Command::new("journalctl --user-unit")
                .word(unit)
                .word(format!("_UID={uid}")),
            _ => Command::default(),
        }
    }
}

/// How many processes answered of which each began when the one before had given its last
/// answer: workers that answer side by side are one.
fn one_after_the_other<'a>(views: impl Iterator<Item = &'a ServerView>) -> usize {
    let mut spans: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for view in views {
        let Some(pid) = view.owner.pid else { continue };
        let (first, last) = spans.entry(pid).or_insert((u64::MAX, 0));
        (*first, *last) = ((*first).min(view.arrived_ns), (*last).max(view.ended_ns));
    }
    let mut by_end: Vec<_> = spans.into_values().collect();
    by_end.sort_unstable_by_key(|(_, last)| *last);
    let mut number = 0;
    let mut ended_ns = 0;
    for (first_ns, last_ns) in by_end {
        if number == 0 || first_ns > ended_ns {
            number += 1;
            ended_ns = last_ns;
        }
    }
    number
}

/// Who is told that it is over need not be woken; one of a hundred is a note.
pub(super) fn limit(group: &Group<'_>) -> Option<Severity> {
    let outage = Outage::of(group).filter(|outage| outage.is_over)?;
    let (lost, all) = (group.queries(), group.asked().all.ended());
    let is_little = lost < FAILURES_MIN || lost * 100 <= all * FAILURE_WARNING_PERCENT;
    let is_once = outage.processes < AGAIN_AND_AGAIN;
    match (is_once, is_little) {
        (true, true) => Some(Severity::Info),
        (true, false) => Some(Severity::Warning),
        (false, _) => None,
    }
}
