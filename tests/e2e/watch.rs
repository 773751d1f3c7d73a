//! `kerno watch` as a child, and what it says of a test's own traffic.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Instant;

use crate::place::Place;
use crate::process::PATIENCE;
use crate::process::Process;
use crate::record::Record;

/// What kerno writes to standard error once every program is attached.
const READY: &str = "kerno: watching";

/// A running `kerno watch`.
pub(crate) struct Watch {
    pub(crate) process: Process,
    lines: Receiver<String>,
    messages: Receiver<String>,
    /// The machine's other queries are none of this test's business.
    mine: Box<dyn Fn(&Record) -> bool>,
    seen: Vec<Record>,
}

impl Watch {
    /// Starts it on the host, and returns when it is attached.
    pub(crate) fn start(options: &[&str], mine: impl Fn(&Record) -> bool + 'static) -> Self {
        Self::start_in(&Place::host(), options, mine)
    }

    /// The same, in a place.
    pub(crate) fn start_in(
        place: &Place,
        options: &[&str],
        mine: impl Fn(&Record) -> bool + 'static,
    ) -> Self {
        let mut watch = Self::unread_in(place, options, mine);
        let stdout = watch.process.child.stdout.take().expect("piped");
        watch.lines = read_lines(stdout);
        watch
    }

    /// On the host, but nobody reads what it writes.
    pub(crate) fn unread(options: &[&str], mine: impl Fn(&Record) -> bool + 'static) -> Self {
        Self::unread_in(&Place::host(), options, mine)
    }

    fn unread_in(
        place: &Place,
        options: &[&str],
        mine: impl Fn(&Record) -> bool + 'static,
    ) -> Self {
        let mut command = place.command(env!("CARGO_BIN_EXE_kerno"));
        command.arg("watch").args(options);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let messages = read_lines(process.child.stderr.take().expect("piped"));
        let mut said = Vec::new();
        while said.last().is_none_or(|message| message != READY) {
            match messages.recv_timeout(PATIENCE) {
                Ok(message) => said.push(message),
                Err(_) => panic!("{command:?} was never ready; it said {said:?}"),
            }
        }
        Self {
            process,
            lines: mpsc::channel().1,
            messages,
            mine: Box::new(mine),
            seen: Vec::new(),
        }
    }

    /// Reads on until what it said of this test's queries is enough. All of
    /// that is returned; the next call begins anew.
    pub(crate) fn until(&mut self, what: &str, enough: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let start = Instant::now();
        while !enough(&self.seen) {
            match self
                .lines
                .recv_timeout(PATIENCE.saturating_sub(start.elapsed()))
            {
                Ok(line) => {
                    let record = Record::read(&line);
                    if (self.mine)(&record) {
                        self.seen.push(record);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("waited in vain for {what}; seen: {:#?}", self.seen)
                }
                Err(RecvTimeoutError::Disconnected) => panic!(
                    "kerno watch ended before {what}; it said {:?}",
                    self.messages.iter().collect::<Vec<_>>()
                ),
            }
        }
        std::mem::take(&mut self.seen)
    }

    /// Reads on until there are so many records of this test's queries.
    pub(crate) fn records(&mut self, number: usize) -> Vec<Record> {
        self.until(&format!("{number} records"), |seen| seen.len() >= number)
    }

    /// Everything that it said on standard error after it was ready, once ended.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.messages.iter().collect()
    }

    /// Stops reading, as `head` does when it has seen enough.
    pub(crate) fn close(&mut self) {
        self.lines = mpsc::channel().1;
    }
}

fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let line = line.expect("to read from kerno");
            // Strict: kerno must not write anything but UTF-8.
            let line = String::from_utf8(line).expect("UTF-8 from kerno");
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
