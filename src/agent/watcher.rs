//! Watches always, and closes windows.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::after;
use crossbeam_channel::bounded;
use crossbeam_channel::never;
use crossbeam_channel::select;

use super::answers::Answers;
use super::kept::Kept;
use super::kept::STEP;
use super::kept::Timed;
use crate::attribution::Attribution;
use crate::filter::Filter;
use crate::host::Clock;
use crate::host::Signal;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::monitor::Monitor;
use crate::sampler::HostSample;
use crate::sampler::Sampler;
use crate::window::End;
use crate::window::Window;

/// Questions about now that may wait at one time.
const QUESTIONS_MAX: usize = 64;

/// The parts of a watch, and where its windows go.
#[derive(Debug)]
pub struct Watcher {
    monitor: Monitor,
    attribution: Attribution,
    sampler: Sampler,
    signals: Vec<Signal>,
    window: Window,
    since: SystemTime,
    kept: Arc<Mutex<Kept>>,
    questions: Receiver<Sender<()>>,
    /// Who waits until the open window is closed.
    waiting: Vec<Sender<()>>,
}

impl Watcher {
    /// Takes over what watches already. `watched` are the signals that the sampler has, and
    /// what passes the filter is what windows are about.
    pub fn new(
        monitor: Monitor,
        attribution: Attribution,
        (sampler, watched): (Sampler, Vec<Signal>),
        filter: Filter,
        octets_max: usize,
    ) -> (Self, Answers) {
        let kept = Arc::new(Mutex::new(Kept::within(octets_max)));
        let (ask, questions) = bounded(QUESTIONS_MAX);
        let answers = Answers::of(Arc::clone(&kept), ask);
        let signals = [monitor.signals.clone(), watched].concat();
        let watcher = Self {
            monitor,
            attribution,
            sampler,
            signals,
            window: Window::new(filter),
            since: SystemTime::now(),
            kept,
            questions,
            waiting: Vec::new(),
        };
        (watcher, answers)
    }

    /// Until `stop` is disconnected.
    pub fn run(mut self, stop: &Receiver<()>) -> Result<()> {
        let mut stopped = stop.clone();
        let mut is_over = after(to_next(SystemTime::now()));
        loop {
            select! {
                recv(self.attribution.messages()) -> message => match message {
                    Ok(Message::Rolled(ending)) => self.close(ending),
                    Ok(Message::Finished(_)) => break,
                    Ok(message) => self.take(message),
                    Err(_) => {
                        self.monitor.join()?;
                        bail!("the poller thread ended without a word");
                    }
                },
                recv(self.questions) -> question => {
                    self.waiting.extend(question);
                    self.monitor.roll();
                }
                recv(is_over) -> _ => {
                    self.monitor.roll();
                    is_over = after(to_next(SystemTime::now()));
                }
                recv(stopped) -> _ => {
                    stopped = never();
                    self.monitor.stop();
                }
            }
        }
        self.monitor.join()?;
        let _attributed = self.attribution.finish();
        Ok(())
    }

    fn take(&mut self, message: Message) {
        self.window.take(&message);
        match message {
            Message::Ended(attempts) => {
                attempts
                    .iter()
                    .for_each(|attempt| self.sampler.meet(attempt));
            }
            Message::Plain(plain) => {
                plain
                    .iter()
                    .for_each(|plain| self.sampler.meet(&plain.example));
            }
            Message::SlowReads(reads) => self.sampler.meet_readers(&reads),
            Message::Suspects(places) => {
                places
                    .into_iter()
                    .for_each(|asked| self.sampler.meet_suspect(asked));
            }
            // They are the window's alone, or it is over.
            Message::Lookups(_)
            | Message::TurnedAway(_)
            | Message::Rolled(_)
            | Message::Finished(_) => {}
        }
    }

    fn close(&mut self, kernel: Ending) {
        let host: HostSample = self.sampler.roll();
        let to = SystemTime::now();
        let from = std::mem::replace(&mut self.since, to);
        let window = self.window.roll(End {
            // Where the clock was set back, a window takes no time.
            duration: to.duration_since(from).unwrap_or_default(),
            kernel,
            host,
            known: self.attribution.known(),
            signals: self.signals.clone(),
            clock: Some(Clock::start()),
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.add(Timed { from, to, window });
        drop(kept);
        for waiting in self.waiting.drain(..) {
            // Who no longer waits needs no word.
            let _gone = waiting.try_send(());
        }
    }
}

/// How long it is until the next window begins.
fn to_next(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let into = since.unwrap_or_default().as_nanos() % STEP.as_nanos();
    // Less than a step.
    STEP - Duration::from_nanos(into as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_at_whole_multiples() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(to_next(at(0)), STEP);
        assert_eq!(to_next(at(9_999)), Duration::from_millis(1));
        assert_eq!(to_next(at(10_001)), Duration::from_millis(9_999));
    }
}
