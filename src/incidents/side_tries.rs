//! What went wrong on the way to an answer that came in time.
//!
//! A stub tries its next nameserver, a resolver another server of the zone, a cache opens
//! the connection again that its upstream had closed: if the lookup that it was for had
//! its answer at once, or the clients of the resolver theirs, nobody was hurt.

use std::collections::HashMap;

use super::arrivals::Arrivals;
use super::incident::FailureKind;
use super::incident::Incident;
use super::server_view::ServerView;
use crate::thresholds::SAMPLE_MIN;

/// Marks them. What `is_missed` no other answer stands in for.
pub(super) fn mark(
    incidents: &mut [Incident],
    (views, arrivals): (&[ServerView], &Arrivals),
    is_missed: impl Fn(&Incident) -> bool,
) {
    let served = Served::of(views, arrivals);
    for incident in incidents {
        if incident.kind == FailureKind::Slow || is_missed(incident) {
            continue;
        }
        let pid = incident.attempt.owner.pid;
        let serves = pid.and_then(|pid| served.get(&pid));
        incident.is_side_try = incident.cost.is_some_and(|cost| cost.was_got_round)
            || serves.is_some_and(|served| served.is_fine_while(incident));
    }
}

/// How a process served its clients.
#[derive(Debug, Default)]
struct Served {
    exchanges: u64,
    /// From when to when one of them was not served well.
    hurt: Vec<(u64, u64)>,
}

impl Served {
    /// By process; one that never answered is known by its socket, if at all.
    fn of(views: &[ServerView], arrivals: &Arrivals) -> HashMap<u32, Self> {
        let well = arrivals.processes().map(|(pid, served)| {
            let all = Self {
                exchanges: served.well,
                hurt: Vec::new(),
            };
            (pid, all)
        });
        let mut all: HashMap<u32, Self> = well.collect();
        for view in views.iter().filter(|view| !view.is_fine()) {
            if let Some(pid) = view.owner.pid {
                let served = all.entry(pid).or_default();
                served.exchanges += 1;
                served.hurt.push((view.arrived_ns, view.ended_ns));
            }
        }
        all
    }

    /// Whether there were enough of them to say so, and all that had to do with it had
    /// their answers in time.
    fn is_fine_while(&self, incident: &Incident) -> bool {
        let attempt = &incident.attempt;
        let meets = |(from, to): &(u64, u64)| attempt.sent_ns <= *to && attempt.end_ns >= *from;
        self.exchanges >= SAMPLE_MIN && !self.hurt.iter().any(meets)
    }
}
