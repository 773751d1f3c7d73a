//! Many lookups at once, at a rate: a crowd of DNS clients in one thread.
//!
//! It is a closed loop: each of the `concurrency` places asks again only when
//! its lookup has ended, as programs that wait for their answers do. So an
//! overloaded server's latency settles at `concurrency / service rate` instead
//! of growing until everything times out.

mod lookup;
mod tally;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::bail;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;

use super::pace::Pace;
use super::testbed::client::random;
use super::wait::is_ready;
use super::wait::wait;
use lookup::Lookup;
pub(crate) use tally::Endpoint;
pub(crate) use tally::Latency;
pub(crate) use tally::Summary;
use tally::Tally;

/// How long a lookup waits: the resend time of glibc (`RES_TIMEOUT`) and the
/// default of `kerno doctor --timeout`.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// How often the stop flag is looked at, and the progress told, when no socket
/// and no signal wakes the loop.
const TICK: Duration = Duration::from_millis(50);

/// Descriptors for all but the lookups: standard streams, the embedded server
/// with its connections, and room to spare.
const OTHER_DESCRIPTORS: u64 = 128;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    /// Who is asked.
    pub server: SocketAddr,
    /// Lookups started per second, at most.
    pub rate: NonZeroU32,
    /// Lookups in flight, at most.
    pub concurrency: NonZeroU16,
    /// How long new lookups are started. Those in flight are waited for.
    pub duration: Duration,
    /// How long a lookup waits for its answer.
    pub timeout: Duration,
}

impl Flood {
    /// Floods for the duration, or until `stop` is set, which ends it within
    /// 50 ms and abandons what is in flight. `progress` is often told the time since
    /// the start, the figures and how many lookups are in flight.
    /// An error of a single lookup is counted.
    pub(crate) fn run(
        &self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Duration, &Summary, usize),
    ) -> anyhow::Result<Summary> {
        self.make_room()?;
        let begin = Instant::now();
        let mut crowd = Crowd {
            flood: *self,
            pace: Pace::new(Some(self.rate), begin),
            in_flight: Vec::new(),
            tally: Tally::of(self.server),
            run: (random() & 0xffff_ffff) as u32,
        };
        // The longest datagram; a shorter buffer would cut an answer off.
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            if stop.load(Relaxed) {
                crowd.tally.figures.abandoned = crowd.in_flight.len() as u64;
                break;
            }
            let left = self.duration.saturating_sub(begin.elapsed());
            if !left.is_zero() {
                crowd.send();
            } else if crowd.in_flight.is_empty() {
                break;
            }
            let ready = crowd.wait(left)?;
            crowd.receive(&ready, &mut buffer);
            crowd.expire();
            progress(begin.elapsed(), &crowd.tally.figures, crowd.in_flight.len());
        }
        Ok(crowd.tally.summary(begin.elapsed().min(self.duration)))
    }

    /// Sees to it that every lookup can have its socket.
    fn make_room(&self) -> anyhow::Result<()> {
        let need = u64::from(self.concurrency.get()) + OTHER_DESCRIPTORS;
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
            .context("the limit of open files (RLIMIT_NOFILE) cannot be read")?;
        if hard < need {
            bail!(
                "{} lookups at once need {need} open files and this process may have {hard}; \
                 lower --concurrency or raise the limit with `ulimit -Hn {need}`",
                self.concurrency
            );
        }
        if soft < need {
            setrlimit(Resource::RLIMIT_NOFILE, need, hard)
                .context("the limit of open files (RLIMIT_NOFILE) cannot be raised")?;
        }
        Ok(())
    }
}

/// A flood under way.
struct Crowd {
    flood: Flood,
    pace: Pace,
    in_flight: Vec<Lookup>,
    tally: Tally,
    /// Tells the names of this run from those of another.
    run: u32,
}

impl Crowd {
    fn free_places(&self) -> usize {
        usize::from(self.flood.concurrency.get()).saturating_sub(self.in_flight.len())
    }

    /// Starts what is due, as far as there are free places.
    fn send(&mut self) {
        for _ in 0..self.free_places() {
            let now = Instant::now();
            if self.pace.until_next(now).is_some() {
                break;
            }
            self.pace.take(now);
            let lookup = Lookup::start(self.flood.server, self.run, self.tally.figures.sent);
            self.tally.figures.sent += 1;
            match lookup {
                Ok(lookup) => self.in_flight.push(lookup),
                Err(error) => self.tally.error(&error),
            }
        }
    }

    /// Waits for the first thing that can happen, and says which lookups are
    /// ready. `left` is the time left for starting new ones.
    fn wait(&self, left: Duration) -> anyhow::Result<Vec<bool>> {
        let now = Instant::now();
        let mut timeout = TICK;
        if let Some(oldest) = self.in_flight.iter().map(|lookup| lookup.sent).min() {
            let deadline = oldest + self.flood.timeout;
            timeout = timeout.min(deadline.saturating_duration_since(now));
        }
        if !left.is_zero() {
            timeout = timeout.min(left);
            if self.free_places() > 0 {
                timeout = timeout.min(self.pace.until_next(now).unwrap_or_default());
            }
        }
        let mut fds: Vec<PollFd<'_>> = self
            .in_flight
            .iter()
            .map(|lookup| PollFd::new(lookup.as_fd(), PollFlags::POLLIN))
            .collect();
        wait(&mut fds, Some(timeout)).context("waiting for answers failed")?;
        Ok(fds.iter().map(is_ready).collect())
    }

    fn receive(&mut self, ready: &[bool], buffer: &mut [u8]) {
        // From the end: swap_remove moves only what was looked at already.
        for index in (0..ready.len()).rev().filter(|&index| ready[index]) {
            let lookup = &self.in_flight[index];
            match lookup.receive(buffer) {
                Ok(Some(answer)) => self.tally.answer(answer.rcode, lookup.sent.elapsed()),
                Ok(None) => {
                    self.tally.figures.unexpected += 1;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => self.tally.error(&error),
            }
            self.in_flight.swap_remove(index);
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let before = self.in_flight.len();
        let timeout = self.flood.timeout;
        self.in_flight
            .retain(|lookup| now.saturating_duration_since(lookup.sent) < timeout);
        self.tally.figures.timeouts += (before - self.in_flight.len()) as u64;
    }
}
