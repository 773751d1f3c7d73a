//! The rows of the history's database: one for each window, with what is asked most beside it.

use std::collections::BTreeSet;
use std::time::Duration;
use std::time::SystemTime;

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Result;
use rusqlite::Row;
use rusqlite::Transaction;
use rusqlite::params;

use super::history::Line;
use super::timed::Place;
use crate::attempt::names;
use crate::codec;
use crate::doctor::Verdict;

/// Raised when what follows changes; a database with a higher one is left alone.
pub(super) const SCHEMA: i64 = 1;

pub(super) const TABLES: &str = "
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE windows (
    id INTEGER PRIMARY KEY,
    boot TEXT NOT NULL,
    run INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    queries INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    rules TEXT NOT NULL,
    workloads TEXT NOT NULL,
    window BLOB NOT NULL
) STRICT;
CREATE INDEX windows_by_end ON windows (to_ms);
";

/// Rows that are deleted at a time.
const DELETED_AT_ONCE: i64 = 16;

/// A window on its way to disk.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) boot: String,
    pub(super) place: Place,
    pub(super) line: Line,
    pub(super) failed: u64,
    /// As it is stored.
    pub(super) window: Vec<u8>,
}

/// Which row, and which window is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) boot: String,
    pub(super) place: Place,
    pub(super) from: SystemTime,
    pub(super) to: SystemTime,
}

fn ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// What no clock said is 1970, or the last moment that RFC 3339 has.
fn time(ms: i64) -> SystemTime {
    let since = Duration::from_millis(ms.try_into().unwrap_or_default());
    SystemTime::UNIX_EPOCH + since.min(codec::time::LAST)
}

/// SQLite has no larger integers.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn insert(to: &Transaction<'_>, it: &Written) -> Result<()> {
    let text = |of: &BTreeSet<String>| serde_json::to_string(of).unwrap_or_default();
    let verdict = serde_json::to_string(&it.line.verdict).unwrap_or_default();
    to.prepare(
        "INSERT INTO windows (boot, run, first, last, from_ms, to_ms, queries, failed, verdict, \
         rules, workloads, window) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        it.boot,
        it.place.run,
        count(it.place.first),
        count(it.place.last),
        ms(it.line.from),
        ms(it.line.to),
        count(it.line.queries),
        count(it.failed),
        verdict,
        text(&it.line.rules),
        text(&it.line.workloads),
        it.window,
    ])?;
    Ok(())
}

/// What has a part in this time, in the order in which it was written.
const IN_TIME: &str = "FROM windows WHERE to_ms > ?1 AND from_ms < ?2 ORDER BY id LIMIT ?3";

/// Those that have a part in this time, so many at most.
pub(super) fn find(
    from: &Connection,
    (begin, end): (SystemTime, SystemTime),
    max: usize,
) -> Result<Vec<Found>> {
    let sql = format!("SELECT id, boot, run, first, last, from_ms, to_ms {IN_TIME}");
    let mut select = from.prepare(&sql)?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = select.query_map(params![ms(begin), ms(end), max], |row| {
        Ok(Found {
            id: row.get(0)?,
            boot: row.get(1)?,
            place: place(row, 2)?,
            from: time(row.get(5)?),
            to: time(row.get(6)?),
        })
    })?;
    rows.collect()
}

fn place(row: &Row<'_>, at: usize) -> Result<Place> {
    let number = |at| row.get(at).map(i64::unsigned_abs);
    Ok(Place {
        run: row.get(at)?,
        first: number(at + 1)?,
        last: number(at + 2)?,
    })
}

/// What each says of itself, so many at most; the windows are not looked at.
pub(super) fn lines(
    from: &Connection,
    (begin, end): (SystemTime, SystemTime),
    max: usize,
) -> Result<Vec<(Place, Line)>> {
    let sql = format!(
        "SELECT run, first, last, from_ms, to_ms, queries, verdict, rules, workloads {IN_TIME}"
    );
    let mut select = from.prepare(&sql)?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = select.query_map(params![ms(begin), ms(end), max], |row| {
        let text = |at| row.get::<_, String>(at);
        // It is told on a terminal.
        let texts = |at| -> Result<BTreeSet<String>> {
            let all: Vec<String> = serde_json::from_str(&text(at)?).unwrap_or_default();
            Ok(all.iter().map(|it| names::visible(it.as_bytes())).collect())
        };
        let line = Line {
            from: time(row.get(3)?),
            to: time(row.get(4)?),
            queries: row.get::<_, i64>(5)?.unsigned_abs(),
            // One that a later kerno has is none that this one can compare.
            verdict: serde_json::from_str(&text(6)?).unwrap_or(Verdict::Unknown),
            rules: texts(7)?,
            workloads: texts(8)?,
        };
        Ok((place(row, 0)?, line))
    })?;
    rows.collect()
}

/// The window in it, as it is stored; `None` if it had to make room.
pub(super) fn window(from: &Connection, id: i64) -> Result<Option<Vec<u8>>> {
    from.prepare("SELECT window FROM windows WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Takes out the oldest by age. Returns how many.
pub(super) fn forget_before(from: &Connection, moment: SystemTime) -> Result<usize> {
    from.execute("DELETE FROM windows WHERE to_ms < ?", [ms(moment)])
}

/// Takes out some that were written first. Returns how many.
pub(super) fn forget_first(from: &Connection) -> Result<usize> {
    from.execute(
        "DELETE FROM windows WHERE id IN (SELECT id FROM windows ORDER BY id LIMIT ?)",
        [DELETED_AT_ONCE],
    )
}

/// How many there are, and since when.
pub(super) fn extent(from: &Connection) -> Result<(u64, Option<SystemTime>)> {
    from.query_row("SELECT count(*), min(from_ms) FROM windows", [], |row| {
        let since: Option<i64> = row.get(1)?;
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), since.map(time)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_time_that_can_be_told() {
        for (ms, told) in [
            (i64::MIN, "1970-01-01T00:00:00Z"),
            (-1, "1970-01-01T00:00:00Z"),
            (1_800_000_000_000, "2027-01-15T08:00:00Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59Z"),
            (253_402_300_800_000, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(
                humantime::format_rfc3339_seconds(time(ms)).to_string(),
                told
            );
        }
    }
}
