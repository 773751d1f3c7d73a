//! What others ask an agent, and what lies in its database, from octets: for `crate::fuzzing`.

use std::time::Duration;
use std::time::SystemTime;

use rusqlite::Connection;
use rusqlite::params;

use super::history;
use super::past;
use super::request::Question;
use super::rows;
use super::stream::Wanted;
use super::web;
use crate::window;

/// The query of a URL, for each path; returns what is answered where it makes no sense.
pub(crate) fn http_query(query: &str) -> Vec<String> {
    let mut told = Vec::new();
    match Question::parse(query) {
        Ok(question) => {
            // Over the socket it comes as the same.
            let written = question.query();
            let again = Question::parse(&written).expect("what is written is read");
            assert_eq!(again.query(), written);
        }
        Err(why) => told.push(why.to_string()),
    }
    if let Err(why) = Wanted::parse(query) {
        told.push(format!("{why:#}"));
    }
    let _any = web::format_for(query);
    told
}

/// A row of the history, and another one of the boot before.
pub(crate) struct Rows<'a> {
    /// Run, first and last window, begin and end in milliseconds, queries.
    pub(crate) numbers: [i64; 6],
    pub(crate) verdict: &'a str,
    pub(crate) rules: &'a str,
    pub(crate) workloads: &'a str,
    pub(crate) window: &'a [u8],
}

/// Reads them as an agent does, and returns what it says of them.
pub(crate) fn rows(it: &Rows<'_>) -> Vec<String> {
    thread_local! {
        static DATABASE: Connection = {
            let connection = Connection::open_in_memory().expect("a database");
            connection.execute_batch(rows::TABLES).expect("its tables");
            connection
        };
    }
    DATABASE.with(|connection| read(connection, it).expect("a database in memory"))
}

fn read(connection: &Connection, it: &Rows<'_>) -> rusqlite::Result<Vec<String>> {
    connection.execute("DELETE FROM windows", [])?;
    let [run, first, last, from_ms, to_ms, queries] = it.numbers;
    for boot in ["before", "now"] {
        connection
            .prepare(
                "INSERT INTO windows (boot, run, first, last, from_ms, to_ms, queries, failed, \
                 verdict, rules, workloads, window) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
            )?
            .execute(params![
                boot,
                run,
                first,
                last,
                from_ms,
                to_ms,
                queries,
                it.verdict,
                it.rules,
                it.workloads,
                it.window
            ])?;
    }
    let (_number, _since) = rows::extent(connection)?;
    // Whoever asks may name any time.
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(i64::MAX.unsigned_abs());
    let time = (SystemTime::UNIX_EPOCH, end);
    let lines = rows::lines(connection, time, 10)?;
    let lines = lines.into_iter().map(|(_, line)| line);
    let troubles = history::of(lines.collect());
    let mut told = vec![serde_json::to_string(&troubles).expect("JSON")];
    let found = rows::find(connection, time, 10)?;
    for row in past::of_one_boot(found, Some(&"now".to_owned()), &mut told) {
        let stored = rows::window(connection, row.id)?.expect("it is there");
        if let Some(window) = window::fuzzed::restored(&stored) {
            let _figures = (window.queries(), window.failed(), window.duration());
        }
    }
    Ok(told)
}
