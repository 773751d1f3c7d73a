//! Writes minutes to disk, on a thread of its own: a slow disk holds up nobody. What waits
//! to be written is what memory has, so a disk that is full for a while gets it later.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use serde::Serialize;

use super::disk;
use super::disk::Bounds;
use super::disk::Disk;
use super::disk::Fault;
use super::history::Line;
use super::kept::Kept;
use super::rows::Written;
use super::timed;
use super::timed::Held;
use super::turn::in_turn;
use crate::window::Names;

/// Minutes of one transaction.
const MINUTES_AT_ONCE: usize = 30;
/// At the end the last minute is waited for so long.
const LAST_WORD: Duration = Duration::from_millis(700);

/// What is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// Where it is.
    pub(super) folder: String,
    /// What keeps it from being written, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<String>,
    /// Windows that are there.
    pub(super) windows: u64,
    /// Since when there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    /// What its files take,
    pub(super) octets: u64,
    /// and may take.
    pub(super) octets_max: u64,
    /// Windows written by this run.
    pub(super) written: u64,
    /// Windows of ten seconds that memory had to forget before they were written.
    pub(super) unwritten: u64,
    /// Older windows that had to make room.
    pub(super) forgotten: u64,
    /// Times that it could not be written.
    pub(super) failures: u64,
    /// Times that a damaged or deleted database was begun anew.
    pub(super) begun_anew: u64,
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    wake: Option<Sender<()>>,
    ended: Receiver<()>,
    told: Arc<Mutex<Told>>,
    _thread: JoinHandle<()>,
}

impl Writer {
    /// Writes what is kept, with these names, from now on.
    pub(super) fn start(
        bounds: Bounds,
        names: Names,
        boot: String,
        kept: Arc<Mutex<Kept>>,
    ) -> Result<Self> {
        let told = Told {
            folder: bounds.folder.display().to_string(),
            octets_max: bounds.octets_max,
            ..Told::default()
        };
        let told = Arc::new(Mutex::new(told));
        let (wake, woken) = bounded(1);
        let (end, ended) = bounded(1);
        let mut work = Work {
            bounds,
            names,
            boot,
            kept,
            told: Arc::clone(&told),
            disk: None,
            next: 0,
        };
        // The key of the names' hashes is there, and is to be known before the first of them.
        work.open_first();
        let thread = std::thread::Builder::new()
            .name("kerno-history".to_owned())
            .spawn(move || {
                for () in woken {
                    work.write(false);
                }
                work.write(true);
                let _nobody = end.try_send(());
            })
            .context("cannot start the thread that writes the history")?;
        Ok(Self {
            wake: Some(wake),
            ended,
            told,
            _thread: thread,
        })
    }

    /// Says that there is a window more.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            // It is awake already.
            let _busy = wake.try_send(());
        }
    }

    /// What is told of it.
    pub(super) fn told(&self) -> Arc<Mutex<Told>> {
        Arc::clone(&self.told)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if self.ended.recv_timeout(LAST_WORD).is_err() {
            log::warn!("the disk is slow: the last minute may not be written");
        }
    }
}

#[derive(Debug)]
struct Work {
    bounds: Bounds,
    names: Names,
    boot: String,
    kept: Arc<Mutex<Kept>>,
    told: Arc<Mutex<Told>>,
    disk: Option<Disk>,
    /// The first window that is not written.
    next: u64,
}

impl Work {
    fn open_first(&mut self) {
        if let Err(fault) = self.open() {
            self.fail(&fault);
            // It may be read all the same.
            let _none = disk::use_key_of(&self.bounds.folder);
        }
    }

    fn open(&mut self) -> Result<(), Fault> {
        let disk = match Disk::open(self.bounds.clone()) {
            Err(Fault::Damaged) => {
                Disk::put_aside(&self.bounds.folder)?;
                self.begin_anew("is damaged; it is put aside");
                Disk::open(self.bounds.clone())?
            }
            opened => opened?,
        };
        disk.share_key()?;
        self.look(&disk)?;
        self.disk = Some(disk);
        Ok(())
    }

    /// What memory has is written once more.
    fn begin_anew(&mut self, why: &str) {
        log::warn!(
            "{}: the history {why}, and begun anew",
            self.bounds.folder.display()
        );
        self.tell(|told| told.begun_anew += 1);
        self.next = 0;
    }

    fn look(&self, disk: &Disk) -> Result<(), Fault> {
        let (windows, since, octets) = disk.extent()?;
        self.tell(|told| {
            told.windows = windows;
            told.since = since.map(|it| humantime::format_rfc3339_millis(it).to_string());
            told.octets = octets;
        });
        Ok(())
    }

    /// Writes the minutes that are over, or all that there is.
    fn write(&mut self, with_open: bool) {
        let (minutes, oldest) = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            (kept.minutes(self.next, with_open), kept.oldest())
        };
        let lost = oldest.map_or(0, |oldest| oldest.first.saturating_sub(self.next));
        if lost > 0 {
            self.next += lost;
            self.tell(|told| told.unwritten += lost);
        }
        for minutes in minutes.chunks(MINUTES_AT_ONCE) {
            match self.write_some(minutes) {
                Ok(()) => self.succeed(),
                Err(fault) => {
                    self.fail(&fault);
                    break;
                }
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.written(self.next);
    }

    fn write_some(&mut self, minutes: &[Vec<Held>]) -> Result<(), Fault> {
        if self.disk.is_none() {
            let next = self.next;
            self.open()?;
            if self.next < next {
                // What was written before is to be written again: with the next minute.
                return Ok(());
            }
        }
        let written = minutes.iter();
        let written = written.filter_map(|it| in_turn(|| self.written(it)));
        let written: Vec<_> = written.collect();
        let Some(last) = written.last().map(|it| it.place.last) else {
            return Ok(());
        };
        let Some(disk) = &mut self.disk else {
            return Ok(());
        };
        let forgotten = disk.write(&written, SystemTime::now())?;
        self.next = last + 1;
        self.tell(|told| {
            told.written += written.len() as u64;
            told.forgotten += forgotten;
        });
        match self.disk.take() {
            Some(disk) => {
                let looked = self.look(&disk);
                self.disk = Some(disk);
                looked
            }
            None => Ok(()),
        }
    }

    /// One row of a minute's windows.
    fn written(&self, minute: &[Held]) -> Option<Written> {
        let whole = timed::together(minute)?;
        let marks = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.marks(whole.place)
        };
        let line = Line::of(whole.clone()).learn(&marks);
        let failed = whole.window.failed();
        let stored = whole.window.store(self.names);
        let window = stored.inspect_err(|why| log::error!("a window cannot be written: {why}"));
        Some(Written {
            boot: self.boot.clone(),
            place: whole.place,
            line,
            failed,
            window: window.ok()?,
        })
    }

    fn succeed(&self) {
        let fault = self.tell(|told| told.fault.take());
        if fault.is_some() {
            log::warn!(
                "{}: the history is written again",
                self.bounds.folder.display()
            );
        }
    }

    /// Says it once, and goes on in memory.
    fn fail(&mut self, fault: &Fault) {
        // A damaged or deleted one is begun anew with the next minute.
        self.disk = None;
        if matches!(fault, Fault::Gone) {
            self.begin_anew("was deleted");
        }
        let why = fault.to_string();
        let was = self.tell(|told| {
            told.failures += 1;
            told.fault.replace(why.clone())
        });
        if was.as_ref() != Some(&why) {
            log::warn!(
                "{}: {why}: the history is kept in memory only, until it can be written again",
                self.bounds.folder.display()
            );
        }
    }

    fn tell<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
