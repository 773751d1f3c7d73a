//! Watches always, and closes windows.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::after;
use crossbeam_channel::bounded;
use crossbeam_channel::never;
use crossbeam_channel::select;

use super::answers::Answers;
use super::health::Health;
use super::health::Part;
use super::judge::Judge;
use super::kept::Kept;
use super::kept::STEP;
use super::kept::Timed;
use super::metrics::Metrics;
use super::web::Pages;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::watching::Watching;

/// Questions about now that may wait at one time.
const QUESTIONS_MAX: usize = 64;

/// Watches, and keeps what it saw.
#[derive(Debug)]
pub struct Watcher {
    watching: Watching,
    since: SystemTime,
    kept: Arc<Mutex<Kept>>,
    questions: Receiver<Sender<()>>,
    /// Who waits until the open window is closed.
    waiting: Vec<Sender<()>>,
    judge: Judge,
    health: Arc<Health>,
}

impl Watcher {
    /// Takes over what watches already; windows may take so many octets.
    pub fn new(watching: Watching, octets_max: usize) -> Result<(Self, Answers, Pages)> {
        let health = Arc::new(Health::begin());
        let metrics = Arc::new(Metrics::new(watching.signals().to_vec()));
        let kept = Arc::new(Mutex::new(Kept::within(octets_max)));
        let (ask, questions) = bounded(QUESTIONS_MAX);
        let answers = Answers::of(Arc::clone(&kept), ask);
        let watcher = Self {
            watching,
            since: SystemTime::now(),
            kept,
            questions,
            waiting: Vec::new(),
            judge: Judge::start(Arc::clone(&metrics), Arc::clone(&health))?,
            health: Arc::clone(&health),
        };
        let pages = Pages::of(metrics, health, Arc::clone(&watcher.kept));
        Ok((watcher, answers, pages))
    }

    /// Until `stop` is disconnected.
    pub fn run(mut self, stop: &Receiver<()>) -> Result<()> {
        let mut stopped = stop.clone();
        let mut is_over = after(to_next(SystemTime::now()));
        loop {
            select! {
                recv(self.watching.messages()) -> message => match message {
                    Ok(Message::Rolled(ending)) => self.close(ending),
                    // Nobody can ask for the last window any more.
                    Ok(Message::Finished(_)) => return self.watching.end(),
                    Ok(message) => self.watching.take(message),
                    Err(_) => return Err(self.watching.fault()),
                },
                recv(self.questions) -> question => {
                    self.waiting.extend(question);
                    self.watching.ask_to_roll();
                }
                recv(is_over) -> _ => {
                    self.watching.ask_to_roll();
                    is_over = after(to_next(SystemTime::now()));
                }
                recv(stopped) -> _ => {
                    stopped = never();
                    self.watching.stop();
                }
            }
        }
    }

    fn close(&mut self, ending: Ending) {
        let to = SystemTime::now();
        let from = std::mem::replace(&mut self.since, to);
        // Where the clock was set back, a window takes no time.
        let duration = to.duration_since(from).unwrap_or_default();
        let window = self.watching.roll(ending, duration);
        let timed = Timed { from, to, window };
        self.judge.take(timed.clone());
        self.health.lives(Part::Windows);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.add(timed);
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
