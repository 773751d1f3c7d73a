//! What the host said in two windows that follow each other: growth is added, what was
//! at first sight is kept of the first, what was at the end of the second.

use std::collections::BTreeMap;

use super::ClientProcess;
use super::ConntrackCounters;
use super::Flows;
use super::HostSample;
use super::Process;
use super::Quota;
use super::ServerProcess;
use super::conntrack;
use super::flows::MAX as FLOWS_MAX;
use super::history::SPANS_MAX;

/// Processes, namespaces and the like, of several windows together.
const EACH_MAX: usize = 1_024;

impl HostSample {
    /// Adds what was found in the window after.
    pub fn follow(&mut self, next: Self) {
        let Self {
            conntrack,
            conntrack_max,
            udp,
            servers,
            listeners,
            clients,
            readers,
            flows,
            routes,
            not_looked_at,
            missing,
            own_netns,
        } = next;
        let worst = |own: &mut f64, share: f64| *own = own.max(share);
        let left_out = each(&mut self.conntrack, conntrack, follow_conntrack)
            + each(&mut self.udp, udp, |own, next| *own += next)
            + each(&mut self.servers, servers, follow_server)
            + each(&mut self.clients, clients, follow_client)
            + each(&mut self.readers, readers, worst)
            + each(&mut self.listeners, listeners, |own, pid| *own = pid)
            + each(&mut self.routes, routes, |own, is_there| *own = is_there);
        self.conntrack_max = conntrack_max.or(self.conntrack_max);
        follow_flows(&mut self.flows, flows);
        self.not_looked_at += not_looked_at + left_out;
        for sentence in missing {
            if !self.missing.contains(&sentence) {
                self.missing.push(sentence);
            }
        }
        self.own_netns = own_netns.or(self.own_netns);
    }
}

/// Returns how many found no room.
fn each<K: Ord, V>(
    own: &mut BTreeMap<K, V>,
    next: BTreeMap<K, V>,
    follow: impl Fn(&mut V, V),
) -> u64 {
    let mut left_out = 0;
    for (key, value) in next {
        if let Some(own) = own.get_mut(&key) {
            follow(own, value);
        } else if own.len() < EACH_MAX {
            own.insert(key, value);
        } else {
            left_out += 1;
        }
    }
    left_out
}

fn follow_conntrack(own: &mut ConntrackCounters, next: ConntrackCounters) {
    own.drop += next.drop;
    own.insert_failed += next.insert_failed;
    own.entries = next.entries;
    own.fullest = conntrack::fuller(own.fullest, next.fullest);
}

fn follow_server(own: &mut ServerProcess, next: ServerProcess) {
    follow_process(&mut own.process, next.process);
    own.spans.extend(next.spans);
    let old = own.spans.len().saturating_sub(SPANS_MAX);
    own.spans.drain(..old);
}

fn follow_client(own: &mut ClientProcess, next: ClientProcess) {
    follow_process(&mut own.process, next.process);
    own.resolv_conf = next.resolv_conf.or(own.resolv_conf.take());
}

fn follow_process(own: &mut Process, next: Process) {
    own.ended = next.ended;
    own.netns = next.netns.or(own.netns);
    own.quota = match (own.quota.take(), next.quota) {
        (Some(first), Some(next)) if first.cgroup == next.cgroup => Some(Quota {
            periods: first.periods + next.periods,
            throttled_periods: first.throttled_periods + next.throttled_periods,
            throttled: first.throttled + next.throttled,
            ..next
        }),
        (first, next) => next.or(first),
    };
}

/// Those of the end first: they are in the table.
fn follow_flows(own: &mut Flows, next: Flows) {
    let mut kept = next.kept;
    for flow in own.kept.drain(..) {
        if kept.contains(&flow) {
            continue;
        }
        match kept.len() < FLOWS_MAX {
            true => kept.push(flow),
            false => own.left_out += 1,
        }
    }
    own.kept = kept;
    own.left_out += next.left_out;
    own.incomplete |= next.incomplete;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_added_and_the_end_is_the_later_one() {
        let counters = |drop, entries, baseline_late| ConntrackCounters {
            drop,
            entries,
            baseline_late,
            ..ConntrackCounters::default()
        };
        let mut first = HostSample::default();
        first.conntrack.insert(1, counters(3, 10, true));
        first.udp.insert(1, 2);
        let mut next = HostSample::default();
        next.conntrack.insert(1, counters(4, 7, false));
        next.conntrack.insert(2, counters(1, 1, true));
        next.udp.insert(1, 5);
        first.follow(next);
        assert_eq!(first.conntrack[&1], counters(7, 7, true));
        assert_eq!(first.conntrack[&2], counters(1, 1, true));
        assert_eq!(first.udp[&1], 7);
    }

    #[test]
    fn a_sentence_about_what_is_missing_is_said_once() {
        let missing = |sentence: &str| HostSample {
            missing: vec![sentence.to_owned()],
            ..HostSample::default()
        };
        let mut first = missing("a");
        first.follow(missing("a"));
        first.follow(missing("b"));
        assert_eq!(first.missing, ["a", "b"]);
    }
}
