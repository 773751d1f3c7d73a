//! How busy a server was, second by second: a short load must not drown in a long
//! quiet, and a server that has ended when the watch does has left its traces.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::threads;
use crate::host::Clock;
use crate::host::proc::Root;
use crate::host::proc::schedstat::ThreadTimes;
use crate::host::proc::stat::Stat;

/// Spans that are kept: ten minutes, 25 KB.
pub(super) const SPANS_MAX: usize = 600;

/// Shares of shorter times say nothing: the kernel counts in hundredths of a
/// second.
const SPAN_MIN: Duration = Duration::from_millis(100);

/// How busy a process was for a while, a second as a rule.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Its beginning, in nanoseconds of `CLOCK_MONOTONIC`.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
    /// Share of it, 0 to 1, for which its busiest thread ran: the one that
    /// wanted to run most.
    pub ran: f64,
    /// Share for which this thread wanted to run, and others had the CPU.
    pub waited: f64,
    /// At its end all threads were stopped, by SIGSTOP or a debugger.
    pub stopped: bool,
}

#[derive(Debug)]
struct Look {
    at_ns: u64,
    stat: Stat,
    threads: HashMap<u32, ThreadTimes>,
}

impl Look {
    /// At the process whose folder this is; `None` if it is gone.
    fn take(process: &Root) -> Option<Self> {
        Some(Self {
            threads: threads::times(process),
            stat: Stat::read(process).ok()?,
            at_ns: Clock::monotonic_ns(),
        })
    }
}

impl Span {
    /// Share for which the busiest thread had something to do.
    pub fn busy(&self) -> f64 {
        self.ran + self.waited
    }

    /// For how long it wanted to run, and others had the CPU.
    pub fn waited_ns(&self) -> f64 {
        self.waited * self.to_ns.saturating_sub(self.from_ns) as f64
    }

    /// `None` if the time is too short to say, or this is another process.
    fn between(first: &Look, last: &Look) -> Option<Self> {
        let time = Duration::from_nanos(last.at_ns.saturating_sub(first.at_ns));
        if time < SPAN_MIN || first.stat.started != last.stat.started {
            return None;
        }
        let before = |tid| first.threads.get(tid).copied().unwrap_or_default();
        let threads = last.threads.iter();
        let threads = threads.map(|(tid, times)| times.since(before(tid)));
        let busiest = threads.max_by_key(|times| times.ran + times.waited)?;
        let ran = busiest.ran.div_duration_f64(time).min(1.0);
        Some(Self {
            from_ns: first.at_ns,
            to_ns: last.at_ns,
            ran,
            // The kernel books a wait when it is over, so it may be of before.
            waited: busiest.waited.div_duration_f64(time).min(1.0 - ran),
            stopped: last.stat.is_stopped(),
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<Look>,
    spans: VecDeque<Span>,
}

impl History {
    /// Begins with the first look.
    pub(super) fn of(process: &Root) -> Self {
        Self {
            last: Look::take(process),
            spans: VecDeque::new(),
        }
    }

    /// The next look, about a second later. A process that is gone adds nothing, nor one that
    /// was not looked at when it was met.
    pub(super) fn look(&mut self, process: &Root) {
        let Some(last) = &self.last else {
            return;
        };
        let Some(now) = Look::take(process) else {
            return;
        };
        let Some(span) = Span::between(last, &now) else {
            return;
        };
        if self.spans.len() == SPANS_MAX {
            self.spans.pop_front();
        }
        self.spans.push_back(span);
        self.last = Some(now);
    }

    pub(super) fn into_spans(self) -> Vec<Span> {
        self.spans.into()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn shares_are_of_the_busiest_thread() {
        let look = |seconds: f64, started, threads: &[(u32, f64)]| Look {
            at_ns: (seconds * 1e9) as u64,
            stat: Stat {
                ticks: 0,
                started,
                state: b'S',
                flags: 0,
            },
            threads: threads
                .iter()
                .map(|&(tid, ran)| {
                    let ran = Duration::from_secs_f64(ran);
                    let waited = Duration::ZERO;
                    (tid, ThreadTimes { ran, waited })
                })
                .collect(),
        };
        let first = look(1.0, 7, &[(1, 1.0)]);
        let last = look(3.0, 7, &[(1, 1.5), (2, 1.6)]);
        let span = Span::between(&first, &last).unwrap();
        assert!((span.ran - 0.8).abs() < 1e-9, "{span:?}");
        assert_eq!(Span::between(&first, &look(1.05, 7, &[(1, 1.0)])), None);
        let another = look(3.0, 8, &[(1, 1.0)]);
        let reused = Span::between(&first, &another);
        assert_eq!(reused, None, "a pid that was used again");
    }

    #[test]
    fn live_what_was_seen_is_not_forgotten_when_the_process_is_gone() {
        let own = Root::at("/proc/self");
        let mut history = History::of(&own);
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(start);
        }
        history.look(&own);
        thread::sleep(Duration::from_millis(150));
        history.look(&Root::at("/proc").below(u32::MAX.to_string()));
        let spans = history.into_spans();
        assert_eq!(spans.len(), 1);
        // Waiting for a CPU counts, however much others do here.
        assert!(spans[0].busy() > 0.5, "{spans:?}");
        assert!(spans[0].busy() < 1.5 && !spans[0].stopped, "{spans:?}");
        assert!(
            spans[0].to_ns - spans[0].from_ns >= 200_000_000,
            "{spans:?}"
        );
    }
}
