//! A program that looks names up, steadily, as a stub resolver does, and counts
//! precisely what it sent and what came of it.

mod ask;
mod burst;
mod counts;
mod exchange;
mod libc_lookup;
mod lookup;
mod origin;

use std::fs::File;
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::bounded;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;
use serde::Deserialize;
use serde::Serialize;

pub(crate) use ask::Ask;
pub(crate) use ask::Ports;
pub(crate) use ask::Share;
pub(crate) use ask::Style;
pub(crate) use counts::Counts;

use counts::Tally;
use origin::Origin;
use origin::Turns;

/// What starts a client that is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Go {
    pub(crate) zone: String,
    /// After this time all lookups have ended.
    pub(crate) duration: Duration,
    pub(crate) slow: Duration,
}

/// Is a client: waits for the start, then asks until the time is over or its
/// input ends. Lookups in flight are waited for in either case.
pub(crate) fn run(
    ask: &Ask,
    mut input: impl BufRead + Send + 'static,
    ready: impl FnOnce(),
) -> Result<Counts> {
    if let Some(resolv_conf) = &ask.resolv_conf {
        libc_lookup::prepare(resolv_conf)?;
    }
    ready();
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(Counts::default());
    }
    let go: Go = serde_json::from_str(&line).context("not a start")?;
    let (stopped, stop) = bounded::<()>(0);
    // It ends with the process: the input may outlast the lookups.
    thread::spawn(move || {
        let _ended = input.read(&mut [0]);
        drop(stopped);
    });
    // Half of a short time at least is for asking.
    let asking = (go.duration.saturating_sub(ask.longest())).max(go.duration / 2);
    ask_for(asking, ask, &go, &stop)
}

/// Starts lookups for the time, or until `stop` is disconnected, and waits for
/// the last ones.
fn ask_for(time: Duration, ask: &Ask, go: &Go, stop: &Receiver<()>) -> Result<Counts> {
    let tally = Tally::new(go.slow);
    let look_up = |number, origin: &Origin| lookup::run(ask, &go.zone, number, origin, &tally);
    let begin = Instant::now();
    let mut turns = Turns::new(ask, begin).context("cannot make a socket")?;
    let mut hoard = Vec::new();
    thread::scope(|scope| -> Result<()> {
        for number in 0.. {
            let told = stop.recv_timeout(turns.wait()) != Err(RecvTimeoutError::Timeout);
            if told || begin.elapsed() > time {
                break;
            }
            if ask.hoards_after == Some(number) {
                hoard = descriptors();
            }
            let look_up = &look_up;
            match turns.take()? {
                origin @ Origin::Kept(_) => look_up(number, &origin),
                origin => drop(scope.spawn(move || look_up(number, &origin))),
            }
        }
        Ok(())
    })?;
    drop(hoard);
    let counts = tally.counts().clone();
    Ok(counts)
}

/// What a program has for a limit that leaks.
const DESCRIPTORS: u64 = 64;

/// All file descriptors that this process may have, of a small limit.
fn descriptors() -> Vec<OwnedFd> {
    let _cannot_fail = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS);
    let more = || File::open("/dev/null").map(OwnedFd::from).ok();
    std::iter::from_fn(more)
        .take(DESCRIPTORS as usize)
        .collect()
}
