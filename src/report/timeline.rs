//! How it went: the figures and the causes by time.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::SystemTime;

use crate::collect::Course;
use crate::collect::Moment;
use crate::doctor::Explained;
use crate::doctor::Rule;
use crate::host::Clock;

/// The year 8,000 or so: RFC 3339 has four digits for it.
const WRITABLE: Duration = Duration::from_secs(6_000 * 31_557_600);

/// The time that was watched, in slices of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// How long a slice is; the first and the last may be shorter.
    pub step: Duration,
    /// Those in which something ended, in their order.
    pub slices: Vec<Slice>,
    /// When the first query was sent that a rule explains, and the last one ended.
    pub rules: BTreeMap<Rule, (SystemTime, SystemTime)>,
}

/// A slice of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// When it began.
    pub from: SystemTime,
    /// What ended in it.
    pub moment: Moment,
    /// Failed queries by the rule that explains them, as far as they were kept one by one.
    pub causes: BTreeMap<Rule, u64>,
}

impl Slice {
    /// Failed queries that were too many to be kept one by one.
    pub fn not_kept(&self) -> u64 {
        let kept: u64 = self.causes.values().sum();
        self.moment.outcomes.failed().saturating_sub(kept)
    }
}

impl Timeline {
    /// Of a window that ended at this time. Without a clock its latest moment ended then.
    pub(super) fn of(
        course: &Course,
        explained: &[Explained],
        clock: Option<Clock>,
        time: SystemTime,
    ) -> Self {
        let latest = course.moments.last().map(|it| it.from_ns + course.step_ns);
        let latest_ns = latest.unwrap_or(0);
        let wall = |at_ns: u64| {
            let wall = match clock {
                Some(clock) => clock.wall(at_ns),
                None => {
                    let ago = Duration::from_nanos(latest_ns.saturating_sub(at_ns));
                    time.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
                }
            };
            wall.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + WRITABLE)
        };
        let mut rules: BTreeMap<Rule, (u64, u64)> = BTreeMap::new();
        let mut causes: BTreeMap<u64, BTreeMap<Rule, u64>> = BTreeMap::new();
        for it in explained {
            let (first, last) = rules.entry(it.rule).or_insert((it.sent_ns, it.at_ns));
            *first = it.sent_ns.min(*first);
            *last = it.at_ns.max(*last);
            if it.has_failed {
                let slot = it.at_ns / course.step_ns.max(1);
                *causes.entry(slot).or_default().entry(it.rule).or_default() += it.queries;
            }
        }
        let slice = |moment: &Moment| Slice {
            from: wall(moment.from_ns),
            moment: moment.clone(),
            causes: (causes.get(&(moment.from_ns / course.step_ns.max(1))))
                .map(|all| capped(all, moment.outcomes.failed()))
                .unwrap_or_default(),
        };
        Self {
            step: Duration::from_nanos(course.step_ns),
            slices: course.moments.iter().map(slice).collect(),
            rules: (rules.into_iter())
                .map(|(rule, (first, last))| (rule, (wall(first), wall(last))))
                .collect(),
        }
    }
}

/// One that stands for many like it stands at its own time for all of them.
fn capped(causes: &BTreeMap<Rule, u64>, failed: u64) -> BTreeMap<Rule, u64> {
    let mut rest = failed;
    let capped = causes.iter().map(|(rule, number)| {
        let number = rest.min(*number);
        rest -= number;
        (*rule, number)
    });
    capped.filter(|(_, number)| *number > 0).collect()
}
