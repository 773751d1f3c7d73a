//! Watches always, and closes windows.

use std::hash::BuildHasher as _;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::after;
use crossbeam_channel::bounded;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::tick;

use super::answers::Answers;
use super::counting::Counters;
use super::counting::Counting;
use super::disk::Bounds;
use super::health::Health;
use super::health::Part;
use super::herald::Herald;
use super::herald::Shared;
use super::hook::Hook;
use super::judge::Judge;
use super::kept::Kept;
use super::kept::STEP;
use super::live::Live;
use super::metrics::Metrics;
use super::past::Past;
use super::rolls::Rolls;
use super::timed::Place;
use super::timed::Timed;
use super::web::Pages;
use super::writer::Writer;
use crate::host::proc::Root;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::notify::Notify;
use crate::watching::Watching;
use crate::window::Names;

/// Questions about now that may wait at one time.
const QUESTIONS_MAX: usize = 64;

/// A clock that is set by more tears windows apart.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// Where what was seen is kept.
#[derive(Debug)]
pub struct Keep {
    kept: Arc<Mutex<Kept>>,
    past: Past,
    writer: Option<Writer>,
}

impl Keep {
    /// In so many octets of memory, and on disk within these bounds, with these names. To be
    /// made before anything is watched: windows on disk say how names are hashed.
    pub fn start(octets_max: usize, disk: Option<(Bounds, Names)>) -> Result<Self> {
        let kept = Arc::new(Mutex::new(Kept::within(octets_max)));
        let boot = Root::default().text("proc/sys/kernel/random/boot_id", 64);
        let boot = boot.unwrap_or_default().trim().to_owned();
        let past = Past {
            kept: Arc::clone(&kept),
            disk: disk
                .as_ref()
                .map(|(bounds, _)| (bounds.folder.clone(), boot.clone())),
        };
        let writer = disk
            .map(|(bounds, names)| Writer::start(bounds, names, boot, Arc::clone(&kept)))
            .transpose()?;
        Ok(Self { kept, past, writer })
    }
}

/// Watches, and keeps what it saw.
#[derive(Debug)]
pub struct Watcher {
    watching: Watching,
    since: SystemTime,
    kept: Arc<Mutex<Kept>>,
    run: i64,
    /// The number of the window that is open.
    number: u64,
    /// When it began.
    begun: Instant,
    writer: Option<Writer>,
    questions: Receiver<Sender<()>>,
    rolls: Rolls,
    live: Live,
    herald: Herald,
    hook: Option<Arc<Hook>>,
    /// The time of ten seconds that was told of last, by its number.
    told: u64,
    notify: Arc<Notify>,
    judge: Judge,
    health: Arc<Health>,
    _counting: Option<Counting>,
}

/// What an agent is to do beside watching.
#[derive(Debug)]
pub struct Duties {
    /// Who is told of findings.
    pub hook: Option<Hook>,
    /// Who is told that it lives.
    pub notify: Arc<Notify>,
    /// Counters beside DNS that are told as metrics.
    pub counters: Option<Counters>,
}

impl Watcher {
    /// Takes over what watches already.
    pub fn new(watching: Watching, keep: Keep, duties: Duties) -> Result<(Self, Answers, Pages)> {
        let health = Arc::new(Health::begin());
        let metrics = Arc::new(Metrics::new(watching.signals().to_vec()));
        let (closes, questions) = bounded(QUESTIONS_MAX);
        let Keep { kept, past, writer } = keep;
        let history = writer.as_ref().map(Writer::told);
        let counters = duties.counters;
        let (open, hook, notify) = (Shared::default(), duties.hook.map(Arc::new), duties.notify);
        let live = Live::of(watching.each());
        let answers = Answers {
            past,
            history: history.clone(),
            closes,
            filter: Arc::new(watching.filter().clone()),
            open: open.clone(),
            live: live.clone(),
            hook: hook.clone(),
        };
        let (windows, told) = (Arc::clone(&kept), Arc::clone(&metrics));
        let herald = Herald::start(windows, open, told, Arc::clone(&notify), hook.clone())?;
        let counting = counters.map(|it| Counting::start(it, Arc::clone(&metrics)));
        let counting = counting.transpose()?;
        let watcher = Self {
            watching,
            since: now(),
            kept,
            // Nobody has to guess it; the standard library takes its own from the system.
            run: std::hash::RandomState::new()
                .build_hasher()
                .finish()
                .cast_signed(),
            number: 0,
            begun: Instant::now(),
            writer,
            questions,
            rolls: Rolls::default(),
            live,
            herald,
            hook,
            told: 0,
            notify,
            _counting: counting,
            judge: Judge::start(Arc::clone(&metrics), Arc::clone(&health))?,
            health: Arc::clone(&health),
        };
        let pages = Pages::of(metrics, health, Arc::clone(&watcher.kept));
        let pages = pages.with(history, watcher.watching.standing());
        Ok((watcher, answers, pages))
    }

    /// Until `stop` is disconnected.
    pub fn run(mut self, stop: &Receiver<()>) -> Result<()> {
        let mut stopped = stop.clone();
        let mut is_over = after(to_next(SystemTime::now()));
        // Windows are a sign of life by themselves, where there are enough of them.
        let beat = self.notify.watchdog().map(|it| it / 2);
        let beats = beat.filter(|it| *it < STEP).map_or_else(never, tick);
        loop {
            select! {
                recv(self.watching.messages()) -> message => match message {
                    Ok(Message::Rolled(ending)) => self.close(ending),
                    Ok(Message::Finished(ending)) => {
                        self.live.end();
                        // Others have it too, and end with the process.
                        self.hook.as_deref().inspect(|it| it.end());
                        // It can only be asked for when it is on disk.
                        if self.writer.is_some() {
                            self.close(ending);
                        }
                        drop(self.writer);
                        return self.watching.end();
                    }
                    Ok(message) => {
                        self.live.see(&message);
                        self.watching.take(message);
                    }
                    Err(_) => return Err(self.watching.fault()),
                },
                recv(self.questions) -> question => self.roll(question.ok()),
                recv(beats) -> _ => self.roll(None),
                recv(is_over) -> _ => {
                    self.roll(None);
                    is_over = after(to_next(SystemTime::now()));
                }
                recv(stopped) -> _ => {
                    stopped = never();
                    self.notify.stopping();
                    self.watching.stop();
                }
            }
        }
    }

    fn roll(&mut self, whom: Option<Sender<()>>) {
        if self.rolls.want(whom) {
            self.watching.ask_to_roll();
        }
    }

    fn close(&mut self, ending: Ending) {
        let to = now();
        let duration = std::mem::replace(&mut self.begun, Instant::now()).elapsed();
        let from = begin(self.since, to, duration);
        self.since = to;
        let place = Place {
            run: self.run,
            first: self.number,
            last: self.number,
        };
        self.number += 1;
        let mut window = self.watching.roll(ending, duration);
        // Before there are two of them.
        window.shrink();
        let timed = Arc::new(Timed {
            place,
            from,
            to,
            window,
        });
        self.judge.take(Arc::clone(&timed));
        self.health.lives(Part::Windows);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.add(timed);
        drop(kept);
        if let Some(writer) = &self.writer {
            writer.wake();
        }
        // It has come through the poller and all threads behind it.
        self.notify.alive();
        let number = number(to);
        if std::mem::replace(&mut self.told, number) != number {
            self.herald.tell();
        }
        if self.rolls.answered() {
            self.watching.ask_to_roll();
        }
    }
}

/// To the millisecond, as times are told and written.
fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms.try_into().unwrap_or_default())
}

/// When a window began that took so long, by the clock of its end: the other's may have been
/// set meanwhile.
fn begin(since: SystemTime, to: SystemTime, took: Duration) -> SystemTime {
    let apart = to
        .duration_since(since)
        .map_or(Duration::MAX, |it| it.abs_diff(took));
    match apart > CLOCK_STEP {
        true => to.checked_sub(took).unwrap_or(to),
        false => since,
    }
}

/// Which time of ten seconds it is, of all since 1970.
fn number(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / STEP.as_secs()
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
    fn a_window_begins_where_the_last_ended_unless_the_clock_was_set() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let ten = Duration::from_secs(10);
        assert_eq!(begin(at(50_000), at(60_003), ten), at(50_000));
        // Back, by an hour or a little, and forward.
        assert_eq!(begin(at(4_000_000), at(60_000), ten), at(50_000));
        assert_eq!(begin(at(60_000), at(60_000), ten), at(50_000));
        assert_eq!(begin(at(50_000), at(90_000), ten), at(80_000));
    }

    #[test]
    fn windows_begin_at_whole_multiples() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(to_next(at(0)), STEP);
        assert_eq!(to_next(at(9_999)), Duration::from_millis(1));
        assert_eq!(to_next(at(10_001)), Duration::from_millis(9_999));
    }
}
