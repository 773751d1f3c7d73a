//! How busy a server was, second by second: a short load must not drown in a long
//! quiet, and a server that has ended when the watch does has left its traces.

use std::collections::VecDeque;

use super::process::CpuUse;
use super::process::Sample;
use crate::host::proc::Root;

/// Spans that are kept: ten minutes, 25 KB.
pub(super) const SPANS_MAX: usize = 600;

/// How busy a process was for a while, a second as a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
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

impl Span {
    /// Share for which the busiest thread had something to do.
    pub fn busy(&self) -> f64 {
        self.ran + self.waited
    }

    fn between(first: &Sample, last: &Sample) -> Option<Self> {
        let time = last.time_since(first)?.as_secs_f64();
        let busiest = last
            .threads_since(first)
            .max_by_key(|times| times.ran + times.waited)?;
        let ran = (busiest.ran.as_secs_f64() / time).min(1.0);
        Some(Self {
            from_ns: first.at_ns,
            to_ns: last.at_ns,
            ran,
            // The kernel books a wait when it is over, so it may be of before.
            waited: (busiest.waited.as_secs_f64() / time).min(1.0 - ran),
            stopped: last.stat.is_stopped(),
        })
    }
}

/// Looks at one process again and again.
#[derive(Debug)]
pub(super) struct History {
    first: Option<Sample>,
    last: Option<Sample>,
    spans: VecDeque<Span>,
}

impl History {
    /// Begins with the first look.
    pub(super) fn new(first: Option<Sample>) -> Self {
        Self {
            last: first.clone(),
            first,
            spans: VecDeque::new(),
        }
    }

    /// The next look, about a second later. A process that is gone adds nothing.
    pub(super) fn look(&mut self, process: &Root) {
        let Some((now, last)) = Sample::take(process, true).zip(self.last.as_ref()) else {
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

    /// From the first look to the last one that found it.
    pub(super) fn cpu(&self) -> Option<CpuUse> {
        self.last.as_ref()?.since(self.first.as_ref()?)
    }

    /// All spans in their order.
    pub(super) fn into_spans(self) -> Vec<Span> {
        self.spans.into()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_was_seen_is_not_forgotten_when_the_process_is_gone() {
        let own = Root::at("/proc/self");
        let mut history = History::new(Sample::take(&own, true));
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(start);
        }
        history.look(&own);
        let cpu = history.cpu();
        assert!(cpu.is_some());
        thread::sleep(Duration::from_millis(150));
        history.look(&Root::at("/proc").below(u32::MAX.to_string()));
        assert_eq!(history.cpu(), cpu);
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
