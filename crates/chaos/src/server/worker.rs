//! The one thread that serves everything, at the service rate.

use std::io;
use std::io::PipeReader;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use nix::poll::PollFd;
use nix::poll::PollFlags;

use super::answer::answer;
use super::counts::Counters;
use super::stream::Stream;
use crate::pace::Pace;
use crate::wait::is_ready;
use crate::wait::wait;

/// Connections served at once; further ones wait in the listen backlog.
const STREAMS_MAX: usize = 64;

/// How often idle connections are looked for, and how long a failing `accept`
/// (no descriptors left) is left alone.
const HOUSEKEEPING: Duration = Duration::from_millis(500);

/// What the worker thread owns.
pub(super) struct Worker {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
    pub(super) pace: Pace,
    pub(super) counters: Arc<Counters>,
    /// Its other end is closed to stop the worker.
    pub(super) stop: PipeReader,
}

/// Why the worker ends.
enum End {
    /// It was told to.
    Stopped,
    /// Waiting itself failed.
    Failed(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// What is ready, by index.
#[derive(Default)]
struct Ready {
    udp: Vec<usize>,
    tcp: Vec<usize>,
    streams: Vec<usize>,
}

impl Worker {
    /// Serves until told to stop.
    ///
    /// It waits for its next turn first and takes a query from the kernel after
    /// that: what has to wait, waits in the socket's receive buffer, in order,
    /// and overflows it as with any overloaded server.
    pub(super) fn run(mut self) -> io::Result<()> {
        match self.serve() {
            Ok(()) | Err(End::Stopped) => Ok(()),
            Err(End::Failed(error)) => Err(error),
        }
    }

    fn serve(&mut self) -> Result<(), End> {
        let mut streams = Vec::new();
        let mut buffer = vec![0; usize::from(u16::MAX)];
        let mut accept_from = Instant::now();
        loop {
            self.wait_for_turn()?;
            let accepting = streams.len() < STREAMS_MAX && Instant::now() >= accept_from;
            let ready = self.wait_for_work(&streams, accepting)?;
            for index in ready.tcp {
                if self.accept(index, &mut streams).is_err() {
                    accept_from = Instant::now() + HOUSEKEEPING;
                }
            }
            // One query of each socket in turn, so that none starves another.
            for index in ready.udp {
                self.wait_for_turn()?;
                self.serve_datagram(index, &mut buffer);
            }
            for index in ready.streams {
                let stream = &mut streams[index];
                stream.transfer(Instant::now());
                if stream.has_message() {
                    self.wait_for_turn()?;
                    self.serve_stream(stream);
                }
            }
            let now = Instant::now();
            streams.retain(|stream| !stream.is_over(now));
        }
    }

    /// Sleeps until the service rate allows another query.
    fn wait_for_turn(&self) -> Result<(), End> {
        while let Some(left) = self.pace.until_next(Instant::now()) {
            let mut fds = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
            wait(&mut fds, Some(left))?;
            if is_ready(&fds[0]) {
                return Err(End::Stopped);
            }
        }
        Ok(())
    }

    fn wait_for_work(&self, streams: &[Stream], accepting: bool) -> Result<Ready, End> {
        let readable = PollFlags::POLLIN;
        let listen = if accepting {
            readable
        } else {
            PollFlags::empty()
        };
        let mut fds = vec![PollFd::new(self.stop.as_fd(), readable)];
        fds.extend(self.udp.iter().map(|s| PollFd::new(s.as_fd(), readable)));
        fds.extend(self.tcp.iter().map(|s| PollFd::new(s.as_fd(), listen)));
        fds.extend(streams.iter().map(|s| PollFd::new(s.as_fd(), s.interest())));

        let timeout = if streams.iter().any(Stream::has_message) {
            Some(Duration::ZERO)
        } else if streams.is_empty() && accepting {
            None
        } else {
            Some(HOUSEKEEPING)
        };
        wait(&mut fds, timeout)?;
        if is_ready(&fds[0]) {
            return Err(End::Stopped);
        }

        let (udp, rest) = fds[1..].split_at(self.udp.len());
        let (tcp, conns) = rest.split_at(self.tcp.len());
        let indices = |fds: &[PollFd<'_>]| -> Vec<usize> {
            let ready = fds.iter().enumerate().filter(|(_, fd)| is_ready(fd));
            ready.map(|(index, _)| index).collect()
        };
        let served = conns.iter().zip(streams).enumerate();
        Ok(Ready {
            udp: indices(udp),
            tcp: indices(tcp),
            streams: served
                .filter(|(_, (fd, stream))| is_ready(fd) || stream.has_message())
                .map(|(index, _)| index)
                .collect(),
        })
    }

    fn accept(&self, index: usize, streams: &mut Vec<Stream>) -> io::Result<()> {
        if streams.len() < STREAMS_MAX {
            let (socket, _) = self.tcp[index].accept()?;
            streams.push(Stream::new(socket, Instant::now())?);
        }
        Ok(())
    }

    fn serve_datagram(&mut self, index: usize, buffer: &mut [u8]) {
        // Nothing there after all, such as a datagram with a wrong checksum.
        let Ok((len, client)) = self.udp[index].recv_from(buffer) else {
            return;
        };
        if let Some(answer) = self.answer(&buffer[..len]) {
            let counter = match self.udp[index].send_to(&answer, client) {
                Ok(_) => &self.counters.answered,
                Err(_) => &self.counters.unsent,
            };
            counter.fetch_add(1, Relaxed);
        }
    }

    fn serve_stream(&mut self, stream: &mut Stream) {
        let Some(message) = stream.take_message() else {
            return;
        };
        if let Some(answer) = self.answer(&message) {
            self.counters.answered.fetch_add(1, Relaxed);
            stream.send(&answer, Instant::now());
        }
    }

    /// The answer, counted and paid for with a turn. Junk is free, as it costs
    /// a real server next to nothing.
    fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        self.counters.received.fetch_add(1, Relaxed);
        let answer = answer(message);
        match answer {
            Some(_) => self.pace.take(Instant::now()),
            None => {
                self.counters.junk.fetch_add(1, Relaxed);
            }
        }
        answer
    }
}
