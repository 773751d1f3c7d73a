//! Sampling on the real machine.

mod files;
mod limits;
mod namespaces;
mod place;
mod processes;

use std::time::Duration;
use std::time::Instant;

use super::*;
use crate::attempt::Outcome;
use crate::sample::attempt;

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `there` says so.
fn await_that(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An answered query of this process, whose socket is in its namespace.
fn attempt_of(pid: u32, role: Role) -> Attempt {
    let mut attempt = attempt(("test", pid), "127.0.0.1:53", Outcome::Answered, 1);
    attempt.role = role;
    attempt.owner.netns = netns::of(&Root::default().process(pid)).expect("a namespace");
    attempt
}

/// On this machine.
fn start() -> Sampler {
    Sampler::start(Root::default(), Watches::default())
}

impl Sampler {
    /// Meets and waits until the process has been looked at.
    fn meet_now(&mut self, attempt: &Attempt) {
        self.meet(attempt);
        let pid = attempt.owner.pid.expect("a process");
        await_that("the first look", || {
            let baseline = self.baseline.lock().expect("the baseline");
            match attempt.role {
                Role::Client => baseline.clients.contains_key(&pid),
                Role::Server => baseline.servers.contains_key(&pid),
            }
        });
    }
}
