//! What memory and disk have of a time, together: each window once.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use anyhow::Result;
use anyhow::anyhow;
use rusqlite::Connection;

use super::disk;
use super::disk::Fault;
use super::history;
use super::history::Line;
use super::history::Trouble;
use super::kept::Kept;
use super::marks::Mark;
use super::request::Question;
use super::rows;
use super::rows::Found;
use super::timed;
use super::timed::Held;
use super::timed::Place;
use super::timed::Timed;
use crate::units;
use crate::window::ClosedWindow;
use crate::window::Unreadable;

/// Windows of one report: a day of minutes.
const REPORT_MAX: usize = 1_440 + 60;
/// Lines of one history: two weeks of minutes.
const LINES_MAX: usize = 20_160;

/// What is remembered of the past.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) kept: Arc<Mutex<Kept>>,
    /// Where minutes are written, and since when this host runs.
    pub(super) disk: Option<(PathBuf, String)>,
}

/// A time as one window, and what is to be said of it.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) timed: Timed,
    pub(super) notes: Vec<String>,
}

/// More was asked for than is put together.
#[derive(Debug)]
pub(super) struct TooMuch;

impl Past {
    /// Of this time, the oldest first.
    fn in_memory(&self, (from, to): (SystemTime, SystemTime)) -> (Vec<Held>, Option<Place>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.overlapping(from, to).cloned().collect(), kept.oldest())
    }

    fn open(&self) -> Option<Connection> {
        let (folder, _) = self.disk.as_ref()?;
        disk::read_only(folder)
            .inspect_err(|fault| log::debug!("{}: {fault}", folder.display()))
            .ok()
    }

    /// What was seen in this time, as one window: of all windows that have a part in it.
    pub(super) fn between(&self, time: (SystemTime, SystemTime)) -> Result<Option<Whole>, TooMuch> {
        // Memory first: what it forgets meanwhile is on disk by then.
        let (mut memory, oldest) = self.in_memory(time);
        let mut notes = Vec::new();
        let mut whole = None;
        if let (Some(connection), Some((_, boot))) = (self.open(), &self.disk) {
            let found = rows::find(&connection, time, REPORT_MAX + 1);
            let found = found.map_err(Fault::from).unwrap_or_else(|fault| {
                notes.push(format!("The history on disk could not be read: {fault}."));
                Vec::new()
            });
            let found = beside_memory(found, oldest, &mut memory);
            if found.len() + memory.len() > REPORT_MAX {
                return Err(TooMuch);
            }
            let found = of_one_boot(found, (!memory.is_empty()).then_some(boot), &mut notes);
            whole = read(&connection, &found, &mut notes);
        }
        let mut damaged = 0;
        for next in memory {
            match next.whole() {
                Some(next) => timed::add(&mut whole, next),
                None => damaged += 1,
            }
        }
        if damaged > 0 {
            notes.push(format!(
                "{} of this time could not be read from memory.",
                units::counted(damaged, "window", "windows")
            ));
        }
        Ok(whole.map(|timed| Whole { timed, notes }))
    }

    /// What each minute of this time says of itself: what is written has been judged, and the
    /// rest is judged now.
    pub(super) fn lines(&self, time: (SystemTime, SystemTime)) -> Vec<Line> {
        let (mut memory, oldest) = self.in_memory(time);
        let written = self.open().map(|connection| lines_of(&connection, time));
        let written = written.unwrap_or_default();
        leave_out(written.iter().map(|(place, _)| *place), oldest, &mut memory);
        let learnt = written.into_iter().map(|(place, line)| {
            let of_now = oldest.is_some_and(|oldest| oldest.run == place.run);
            match of_now {
                // It may have been told when the row was written already.
                true => line.learn(&self.marks(place)),
                false => line,
            }
        });
        let mut lines: Vec<_> = learnt.collect();
        lines.extend(self.judged(&timed::grouped(memory.iter())));
        lines
    }

    fn marks(&self, place: Place) -> Vec<Mark> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.marks(place)
    }

    /// What memory has is judged by the minute, as it is when it is written.
    fn judged(&self, minutes: &[Vec<Held>]) -> Vec<Line> {
        let wholes = minutes.iter().filter_map(|minute| timed::together(minute));
        let marked = wholes.map(|whole| {
            let marks = self.marks(whole.place);
            Line::of(whole).learn(&marks)
        });
        marked.collect()
    }

    /// When the windows of this time were, and how many queries ended in each.
    pub(super) fn extents(&self, time: (SystemTime, SystemTime)) -> Vec<Extent> {
        let (mut memory, oldest) = self.in_memory(time);
        let written = self.open().map(|connection| lines_of(&connection, time));
        let mut lines = written.unwrap_or_default();
        lines.retain(|(place, _)| !has(oldest, place));
        leave_out(lines.iter().map(|(place, _)| *place), oldest, &mut memory);
        let on_disk = lines
            .iter()
            .map(|(_, line)| (line.from, line.to, line.queries));
        let of = |held: &Held| (held.from, held.to, held.queries());
        on_disk.chain(memory.iter().map(of)).collect()
    }
}

/// From when to when, and queries.
pub(super) type Extent = (SystemTime, SystemTime, u64);

/// What the files of an agent say that does not run; `None` if there are none.
pub fn troubles_on_disk(folder: &Path, question: Question) -> Option<Result<Vec<Trouble>>> {
    let connection = match disk::read_only(folder) {
        Err(Fault::Gone) => return None,
        opened => opened,
    };
    let to = question.to.unwrap_or_else(SystemTime::now);
    let time = (question.from.unwrap_or(SystemTime::UNIX_EPOCH), to);
    let lines = connection.and_then(|it| Ok(rows::lines(&it, time, LINES_MAX)?));
    let troubles = lines.map(|lines| history::of(lines.into_iter().map(|(_, it)| it).collect()));
    Some(troubles.map_err(|fault| anyhow!("{}: {fault}", folder.display())))
}

fn lines_of(connection: &Connection, time: (SystemTime, SystemTime)) -> Vec<(Place, Line)> {
    let lines = rows::lines(connection, time, LINES_MAX);
    let lines = lines.inspect_err(|why| log::info!("the history on disk: {why}"));
    lines.unwrap_or_default()
}

/// Whether memory has all of it.
fn has(oldest: Option<Place>, place: &Place) -> bool {
    oldest.is_some_and(|oldest| oldest.run == place.run && place.first >= oldest.first)
}

/// Leaves out on disk what memory has, and in memory what disk has the minute of.
fn beside_memory(
    mut found: Vec<Found>,
    oldest: Option<Place>,
    memory: &mut Vec<Held>,
) -> Vec<Found> {
    found.retain(|it| !has(oldest, &it.place));
    leave_out(found.iter().map(|it| it.place), oldest, memory);
    found
}

fn leave_out(on_disk: impl Iterator<Item = Place>, oldest: Option<Place>, memory: &mut Vec<Held>) {
    let Some(oldest) = oldest else { return };
    let own = on_disk.filter(|place| place.run == oldest.run);
    if let Some(last) = own.map(|place| place.last).max() {
        memory.retain(|held| held.place.first > last);
    }
}

/// Ids of processes, sockets and namespaces, and the kernel's clock, begin anew with the host.
pub(super) fn of_one_boot(
    mut found: Vec<Found>,
    now: Option<&String>,
    notes: &mut Vec<String>,
) -> Vec<Found> {
    let last = found.last().map(|it| it.boot.clone());
    let boot = now.cloned().or(last).unwrap_or_default();
    let before = found.iter().rposition(|it| it.boot != boot);
    if let Some(place) = before {
        let gone: Vec<_> = found.drain(..=place).collect();
        let until = gone.last().map(|it| it.to);
        let until = until.map(|it| humantime::format_rfc3339_seconds(it).to_string());
        notes.push(format!(
            "The host was started anew in this time, and this report is about what came after. \
             Ask for what was before with --until {}.",
            until.unwrap_or_default()
        ));
    }
    found
}

/// Puts together what is on disk.
fn read(connection: &Connection, found: &[Found], notes: &mut Vec<String>) -> Option<Timed> {
    let mut whole = None;
    let mut unreadable: Vec<(Unreadable, u64)> = Vec::new();
    for it in found {
        let stored = match rows::window(connection, it.id) {
            Ok(Some(stored)) => ClosedWindow::restore(&stored),
            // It had to make room meanwhile.
            Ok(None) => continue,
            Err(_) => Err(Unreadable::Corrupt),
        };
        match stored {
            Ok(window) => {
                let (place, from, to) = (it.place, it.from, it.to);
                let timed = Timed {
                    place,
                    from,
                    to,
                    window,
                };
                timed::add(&mut whole, timed.into());
            }
            Err(why) => match unreadable.iter_mut().find(|(known, _)| *known == why) {
                Some((_, number)) => *number += 1,
                None => unreadable.push((why, 1)),
            },
        }
    }
    for (why, number) in unreadable {
        notes.push(format!(
            "{} of this time could not be read from disk: {why}.",
            units::counted(number, "window", "windows")
        ));
    }
    whole
}

#[cfg(test)]
mod tests;
