//! Waiting for sockets, as long as told, and not longer when a signal comes.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;

/// Waits until one of the descriptors is ready or the timeout has passed; no
/// timeout waits for ever. A signal ends the wait early with nothing ready,
/// because its handler may have set a stop flag.
///
/// ppoll and not poll: lookups and answers are paced in microseconds.
pub(super) fn wait(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    match ppoll(fds, timeout.map(TimeSpec::from), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether ppoll has anything to say about the descriptor, be it an error.
pub(super) fn is_ready(fd: &PollFd<'_>) -> bool {
    fd.any().unwrap_or(true)
}
