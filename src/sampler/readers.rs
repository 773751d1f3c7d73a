//! Processes that read their answers late: whether they wanted to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::threads;
use crate::attempt::SlowRead;
use crate::host::proc::Root;
use crate::host::proc::schedstat::ThreadTimes;

const READERS_MAX: usize = 64;

/// One process between its first late read and its last.
#[derive(Clone, Copy, Debug)]
struct Reader {
    first: ThreadTimes,
    last: ThreadTimes,
    /// For how long answers lay that it read after the first look. Several that lie at
    /// once wait for the same: that time counts once.
    lay: Duration,
    /// When the latest of them was read.
    read_ns: u64,
}

/// Looks at each while it lives: it may be gone when the watch ends.
#[derive(Debug, Default)]
pub(super) struct Readers(BTreeMap<u32, Reader>);

impl Readers {
    pub(super) fn look_at(&mut self, root: &Root, reads: &[SlowRead]) {
        let mut lay: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        for read in reads {
            if let Some(pid) = read.owner.pid {
                let came_ns = read.at_ns.saturating_sub(read.lay_ns);
                lay.entry(pid).or_default().push((came_ns, read.at_ns));
            }
        }
        for (pid, lay) in lay {
            self.look(root, pid, lay);
        }
    }

    fn look(&mut self, root: &Root, pid: u32, lay: Vec<(u64, u64)>) {
        if self.0.len() == READERS_MAX && !self.0.contains_key(&pid) {
            return;
        }
        // The main thread: that of an event loop, and the only one of many.
        let Some(now) = threads::of(&root.process(pid), pid) else {
            return;
        };
        let reader = self.0.entry(pid).or_insert(Reader {
            first: now,
            last: now,
            lay: Duration::ZERO,
            read_ns: 0,
        });
        let (lay, read_ns) = at_least_one(lay, reader.read_ns);
        reader.read_ns = read_ns;
        if reader.last != now {
            reader.last = now;
            reader.lay += lay;
        }
    }

    /// By pid, the share of the time that the answers lay in which it wanted to run
    /// and others had the CPU, 0 to 1. Only those of which two moments are known.
    pub(super) fn close(self) -> BTreeMap<u32, f64> {
        self.0
            .into_iter()
            .filter(|(_, reader)| !reader.lay.is_zero())
            .map(|(pid, reader)| {
                let waited = reader.last.since(reader.first).waited;
                (pid, waited.div_duration_f64(reader.lay).min(1.0))
            })
            .collect()
    }
}

/// The time after `since_ns` in which at least one of these lay, and when the last was
/// read.
fn at_least_one(mut lay: Vec<(u64, u64)>, since_ns: u64) -> (Duration, u64) {
    lay.sort_unstable();
    let (mut total_ns, mut until_ns) = (0, since_ns);
    for (came_ns, read_ns) in lay {
        total_ns += read_ns.saturating_sub(came_ns.max(until_ns));
        until_ns = until_ns.max(read_ns);
    }
    (Duration::from_nanos(total_ns), until_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Owner;

    fn times(ran: u64, waited: u64) -> ThreadTimes {
        ThreadTimes {
            ran: Duration::from_millis(ran),
            waited: Duration::from_millis(waited),
        }
    }

    #[test]
    fn the_share_is_of_the_time_that_answers_lay() {
        let reader = |waited: u64| Reader {
            first: times(5, 100),
            last: times(9, 100 + waited),
            lay: Duration::from_millis(400),
            read_ns: 0,
        };
        let readers = BTreeMap::from([(1, reader(200)), (2, reader(0)), (3, reader(4_000))]);
        let shares: Vec<_> = Readers(readers).close().into_iter().collect();
        assert_eq!(shares, [(1, 0.5), (2, 0.0), (3, 1.0)]);
    }

    #[test]
    fn answers_that_lie_at_once_wait_for_the_same() {
        let lay = vec![(50, 90), (0, 60), (10, 20), (200, 210)];
        assert_eq!(
            at_least_one(lay.clone(), 0),
            (Duration::from_nanos(100), 210)
        );
        assert_eq!(at_least_one(lay, 80), (Duration::from_nanos(20), 210));
        assert_eq!(at_least_one(Vec::new(), 7), (Duration::ZERO, 7));
    }

    #[test]
    fn live_one_look_says_nothing_and_a_stranger_costs_nothing() {
        let read = |pid| SlowRead {
            at_ns: 1,
            lay_ns: 60_000_000,
            owner: Owner {
                pid: Some(pid),
                ..Owner::default()
            },
            cookie: 1,
            id: 1,
        };
        let mut readers = Readers::default();
        // pid_max is 2^22 at most: there is no such process.
        readers.look_at(
            &Root::default(),
            &[read(u32::MAX), read(std::process::id())],
        );
        assert_eq!(readers.0.len(), 1);
        assert!(readers.close().is_empty());
    }
}
