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
            match nix::unistd::write(&self.out, chunk_of(rest)) {
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

/// A pipe that polls writable takes PIPE_BUF bytes at once, without blocking. As they end with
/// a line, whoever is stopped before the next ones leaves no line cut.
fn chunk_of(lines: &[u8]) -> &[u8] {
    let chunk = &lines[..lines.len().min(libc::PIPE_BUF)];
    match chunk.iter().rposition(|&octet| octet == b'\n') {
        Some(end) => &chunk[..=end],
        None => chunk,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cell::RefCell;
    use std::fs::File;
    use std::io::Read as _;

    use super::*;

    #[test]
    fn who_is_stopped_by_a_slow_reader_has_cut_no_line() {
        let (reader, writer) = nix::unistd::pipe().expect("a pipe");
        // Lines of lengths that no page is a multiple of.
        let line = |n: usize| format!("{}\n", "x".repeat(400 + n % 97));
        let lines: String = (0..1000).map(line).collect();
        let writer = LineWriter::new(writer);
        let mut reader = File::from(reader);
        let mut read = vec![0; 10_000];
        let (before, looks) = (reader.try_clone().expect("a descriptor"), Cell::new(0));
        let taken = RefCell::new(read.as_mut_slice());
        let done = writer.write(lines.as_bytes(), || {
            looks.set(looks.get() + 1);
            // It takes some and stops, so that there is room, but for no whole line.
            if looks.get() == 1 {
                (&before)
                    .read_exact(&mut taken.borrow_mut())
                    .expect("lines");
            }
            looks.get() > 1
        });
        assert_eq!(done.expect("written"), Written::Stopped);
        drop(writer);
        reader.read_to_end(&mut read).expect("the rest");
        assert!(read.len() > 65_536);
        assert_eq!(read.last(), Some(&b'\n'));
        assert!(lines.as_bytes().starts_with(&read));
    }
}
