//! What the server does whatever it is asked: why a program without a fault serves
//! badly.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::sys::signal::raise;
use nix::time::ClockId;
use nix::time::clock_gettime;
use serde::Deserialize;
use serde::Serialize;

use crate::pace::Pace;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    /// What it asks for with SO_RCVBUF, in bytes; the kernel takes twice that
    /// (socket(7)).
    pub(crate) receive_buffer: Option<usize>,
    /// CPU time that each query costs.
    pub(crate) work: Duration,
    /// It runs on this CPU alone.
    pub(crate) cpu: Option<usize>,
    /// With this query it stops itself, as SIGSTOP from elsewhere would.
    pub(crate) stops_with: Option<u64>,
    /// It does not answer this client.
    pub(crate) ignores: Option<IpAddr>,
    /// Of each source port it answers the first query over UDP alone.
    pub(crate) first_of_port: bool,
    /// Another socket shares its address, and nobody reads it.
    pub(crate) unread_twin: bool,
    /// With this query it begins to take memory, and never stops.
    pub(crate) hoards_from: Option<u64>,
    /// It takes so many queries at once, so long each, and leaves without an answer what comes
    /// beyond.
    pub(crate) in_flight: Option<(usize, Duration)>,
    /// It answers with REFUSED what comes beyond that.
    pub(crate) refuses: bool,
    /// It leaves without an answer what exceeds this in a second.
    pub(crate) limit: Option<NonZeroU32>,
    /// It cuts every second answer short that exceeds the limit, and has none over TCP:
    /// response rate limiting with `slip 2`.
    pub(crate) slips: bool,
}

impl Limits {
    /// A query was read, so many after the first; whether it is answered. `pace` is
    /// that of [`Self::limit`].
    pub(super) fn serves(&self, number: u64, pace: &Mutex<Pace>) -> bool {
        if self.stops_with == Some(number + 1) {
            // It goes on here when somebody continues it.
            let _cannot_fail = raise(Signal::SIGSTOP);
        }
        if self.hoards_from == Some(number + 1) {
            hoard();
        }
        work(self.work);
        let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = pace.until_next(now).is_none();
        if is_due {
            pace.take(now);
        }
        is_due
    }
}

/// Takes memory until the kernel has none left for it.
fn hoard() {
    /// Octets that are asked for at once.
    const PIECE: usize = 1 << 20;
    let mut hoard = Vec::new();
    loop {
        // Not zeros: those the kernel gives only when they are written to.
        hoard.push(vec![1u8; PIECE]);
        std::hint::black_box(&hoard);
    }
}

/// Uses CPU time of this thread, whatever else the host does.
fn work(time: Duration) {
    let used = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
    let Ok(begin) = used() else {
        return;
    };
    while used().is_ok_and(|now| now - begin < time) {}
}
