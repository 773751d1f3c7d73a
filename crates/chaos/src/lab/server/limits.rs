//! What the server does over UDP whatever it is asked: why a program without a
//! fault serves badly.

use std::io;
use std::net::UdpSocket;
use std::num::NonZeroU32;
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::sys::signal::raise;
use nix::time::ClockId;
use nix::time::clock_gettime;
use serde::Deserialize;
use serde::Serialize;

use crate::pace::Pace;

/// All of them; by default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    /// What it asks for with SO_RCVBUF, in bytes; the kernel takes twice that
    /// (socket(7)).
    pub(crate) receive_buffer: Option<i32>,
    /// CPU time that each query costs.
    pub(crate) work: Duration,
    /// With this query it stops itself, as SIGSTOP from elsewhere would.
    pub(crate) stops_with: Option<u64>,
    /// It leaves without an answer what exceeds this in a second.
    pub(crate) limit: Option<NonZeroU32>,
}

/// The limits of a server at work, and how far it is.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    read: u64,
    pace: Pace,
}

impl Limiter {
    pub(super) fn of(limits: Limits, socket: &UdpSocket) -> io::Result<Self> {
        if let Some(bytes) = limits.receive_buffer {
            set_receive_buffer(socket, bytes)?;
        }
        Ok(Self {
            limits,
            read: 0,
            pace: Pace::new(limits.limit, Instant::now()),
        })
    }

    /// A query was read; whether it is answered.
    pub(super) fn serves(&mut self) -> bool {
        self.read += 1;
        if self.limits.stops_with == Some(self.read) {
            // It goes on here when somebody continues it.
            let _cannot_fail = raise(Signal::SIGSTOP);
        }
        work(self.limits.work);
        let now = Instant::now();
        let is_due = self.pace.until_next(now).is_none();
        if is_due {
            self.pace.take(now);
        }
        is_due
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

fn set_receive_buffer(socket: &UdpSocket, bytes: i32) -> io::Result<()> {
    let len = size_of_val(&bytes) as libc::socklen_t;
    // SAFETY: the pointer and the length are those of an integer on this stack.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const bytes).cast(),
            len,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
