//! Lines to a reader that may be slow, stopped or gone.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;

/// How long to wait for room before looking whether to stop, in milliseconds.
const LOOK_MS: u16 = 100;

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The line is with the reader.
    Whole,
    /// The reader has gone away, which ends `watch` quietly.
    ReaderGone,
    /// Stopped while the reader had no room.
    Stopped,
}

/// Writes to a descriptor without a buffer of its own, so that each line is out
/// when it is written, and without blocking for longer than a moment, so that
/// Ctrl-C works while a reader is stopped.
#[derive(Debug)]
pub struct LineWriter<F> {
    out: F,
}

impl<F: AsFd> LineWriter<F> {
    /// Writes to `out`, as `io::stdout()`.
    pub fn new(out: F) -> Self {
        Self { out }
    }

    /// Writes all of `lines`, until `stopped` says otherwise.
    pub fn write(&self, lines: &[u8], stopped: impl Fn() -> bool) -> io::Result<Written> {
        let mut rest = lines;
        while !rest.is_empty() {
            let mut fds = [PollFd::new(self.out.as_fd(), PollFlags::POLLOUT)];
            match nix::poll::poll(&mut fds, PollTimeout::from(LOOK_MS)) {
                Err(Errno::EINTR) | Ok(0) if stopped() => return Ok(Written::Stopped),
                Err(Errno::EINTR) | Ok(0) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            // A pipe that polls writable takes PIPE_BUF bytes without blocking.
            let chunk = &rest[..rest.len().min(libc::PIPE_BUF)];
            match nix::unistd::write(&self.out, chunk) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(Errno::EPIPE) => return Ok(Written::ReaderGone),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Written::Whole)
    }

    /// Whether the other end of a pipe or socket has been closed.
    pub fn reader_is_gone(&self) -> bool {
        let mut fds = [PollFd::new(self.out.as_fd(), PollFlags::empty())];
        nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok()
            && fds[0]
                .revents()
                .is_some_and(|events| events.contains(PollFlags::POLLERR))
    }
}
