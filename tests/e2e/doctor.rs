//! `kerno doctor` as a child, and its report.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::process::Stdio;
use std::thread;
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::place::Place;
use crate::process::Process;

/// A running `kerno doctor`. It watches until it is told to stop.
pub(crate) struct Doctor {
    process: Process,
    report: JoinHandle<String>,
    /// Kept open: kerno may have more to say.
    _messages: BufReader<std::process::ChildStderr>,
}

impl Doctor {
    /// Starts it on the host, and returns when it is attached.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::watching("10m", options)
    }

    /// The same for a time after which it ends by itself.
    pub(crate) fn watching(duration: &str, options: &[&str]) -> Self {
        let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
        command
            .args(["-v", "doctor", "--duration", duration])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let mut stdout = process.child.stdout.take().expect("piped");
        let report = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("UTF-8");
            text
        });
        let mut messages = BufReader::new(process.child.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("watching for") {
            line.clear();
            let read = messages.read_line(&mut line).expect("UTF-8");
            assert!(read > 0, "{command:?} ended before it was ready");
        }
        Self {
            process,
            report,
            _messages: messages,
        }
    }

    /// Ends the watching as Ctrl-C does. Returns the exit code and the report.
    pub(crate) fn text(self) -> (i32, String) {
        self.process.signal(Signal::SIGINT);
        self.ended()
    }

    /// Sends it a signal that ends it, and waits until it is gone.
    pub(crate) fn kill(&mut self, signal: Signal) {
        self.process.signal(signal);
        self.process.ended();
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(mut self) -> (i32, String) {
        let status = self.process.ended();
        let report = self.report.join().expect("the reader");
        (status.code().expect("not killed"), report)
    }

    /// The same for `--output json`. The books must add up in every report.
    pub(crate) fn json(self) -> (i32, Value) {
        let (code, text) = self.text();
        (code, checked(&text))
    }
}

/// The report, whose books must add up.
pub(crate) fn checked(text: &str) -> Value {
    let report: Value = serde_json::from_str(text).expect("JSON");
    let count = |field: &str| report["accounting"][field].as_u64().expect(field);
    let placed = [
        "answered",
        "unanswered",
        "late",
        "refused",
        "dropped",
        "superseded",
        "in_flight",
        "lost",
    ];
    let sum: u64 = placed.into_iter().map(count).sum();
    assert_eq!(count("queries_seen"), sum, "{}", report["accounting"]);
    let whose = &report["accounting"]["workloads"];
    let told = ["attributed", "unnamed", "unknown"]
        .into_iter()
        .map(|field| whose[field].as_u64().expect(field))
        .sum();
    let ended = sum - count("in_flight") - count("lost");
    // What was answered late has ended twice.
    let either = ended..=ended + count("late");
    assert!(either.contains(&told), "{told}: {}", report["accounting"]);
    report
}
