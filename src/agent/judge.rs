//! Judges each ten seconds once they are over: a thread of its own, because what comes from
//! the kernel must not wait for it.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::TrySendError;
use crossbeam_channel::bounded;

use super::health::Health;
use super::health::Part;
use super::kept::STEP;
use super::metrics::Metrics;
use super::timed::Timed;
use super::turn::in_turn;
use crate::host::Facts;
use crate::report::Report;

/// Windows that may wait for it. Beyond that they are put together, and judged as one.
const WAITING_MAX: usize = 6;

/// Where closed windows are handed in.
#[derive(Debug)]
pub(super) struct Judge {
    /// What is not handed on yet: its ten seconds are not over, or there is no room.
    open: Option<Arc<Timed>>,
    steps: Option<Sender<Arc<Timed>>>,
    thread: Option<JoinHandle<()>>,
}

impl Judge {
    /// Starts the thread.
    pub(super) fn start(metrics: Arc<Metrics>, health: Arc<Health>) -> Result<Self> {
        let (steps, over) = bounded(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("kerno-judge".to_owned())
            .spawn(move || judge(&over, &metrics, &health))
            .context("cannot start the thread that judges")?;
        Ok(Self {
            open: None,
            steps: Some(steps),
            thread: Some(thread),
        })
    }

    /// Takes a window that is closed. Those that were closed for a question are put together
    /// with the rest of their ten seconds: whoever asks changes no figure.
    pub(super) fn take(&mut self, next: Arc<Timed>) {
        let open = match self.open.take() {
            Some(mut open) if open.to == next.from => {
                Arc::make_mut(&mut open).merge(&next);
                open
            }
            // The clock was set: nothing is one with what was before.
            Some(open) => {
                self.hand_on(open);
                next
            }
            None => next,
        };
        match open.is_over(STEP) {
            true => self.hand_on(open),
            false => self.open = Some(open),
        }
    }

    fn hand_on(&mut self, step: Arc<Timed>) {
        let Some(steps) = &self.steps else { return };
        match steps.try_send(step) {
            Ok(()) => {}
            Err(TrySendError::Full(step)) => {
                log::debug!("a window is judged later, together with the next");
                self.open = Some(step);
            }
            Err(TrySendError::Disconnected(_)) => log::error!("the thread that judges has ended"),
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.steps = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that judges died");
        }
    }
}

fn judge(over: &Receiver<Arc<Timed>>, metrics: &Metrics, health: &Health) {
    for step in over {
        let to = step.to;
        // Memory keeps it, nearly always.
        let step = Arc::unwrap_or_clone(step);
        let report = in_turn(|| Report::new(to, Facts::default(), step.window));
        metrics.take(to, &report);
        health.lives(Part::Judge);
    }
}
