//! From which port, and when, a lookup is made.

use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use nix::errno::Errno;
use nix::sched::CpuSet;
use nix::sched::sched_getaffinity;
use nix::sched::sched_setaffinity;
use nix::time::ClockId;
use nix::time::clock_gettime;
use nix::unistd::Pid;

use super::ask::Ask;
use super::ask::Ports;
use crate::pace::Pace;
use crate::testbed::client;

/// The first port of clients in step, and how many they use: below those that
/// the kernel chooses (`ip_local_port_range` begins at 32768), so that nobody
/// else has them, and so many that none is used again for minutes.
const PORT_FIRST: u16 = 20_000;
const PORTS: u64 = 10_000;

/// Before the moment of a step its lookup is made ready.
const AHEAD: Duration = Duration::from_millis(5);
/// The rest is not slept but spun: sleeps end late (50 µs on Linux).
const SPIN: Duration = Duration::from_micros(300);

#[derive(Debug)]
pub(super) enum Origin {
    /// A new port.
    Fresh,
    /// This socket.
    Kept(UdpSocket),
    /// A port and a moment.
    Step(Step),
}

impl Origin {
    /// A socket to ask from, which another address may still be asked from too.
    pub(super) fn socket(&self, server: SocketAddr) -> io::Result<UdpSocket> {
        match self {
            Self::Fresh => client::socket(server.ip()),
            Self::Kept(socket) => socket.try_clone(),
            Self::Step(step) => UdpSocket::bind((client::any(server.ip()), step.port)),
        }
    }

    /// Waits for the moment, if there is one.
    pub(super) fn wait(&self) {
        if let Self::Step(step) = self {
            step.wait();
        }
    }
}

/// One of the moments at which clients in step ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    at_ns: u64,
    port: u16,
    cpu: usize,
}

impl Step {
    /// The first that can be made ready for, and that comes after `last`.
    pub(super) fn after(last: Option<Self>, interval: Duration, cpu: usize) -> Self {
        let now_ns = monotonic_ns();
        let interval_ns = nanoseconds(interval).max(1);
        let earliest_ns = now_ns + nanoseconds(AHEAD);
        let earliest_ns = last.map_or(earliest_ns, |last| earliest_ns.max(last.at_ns + 1));
        let number = earliest_ns.div_ceil(interval_ns);
        Self {
            at_ns: number * interval_ns,
            port: PORT_FIRST + (number % PORTS) as u16,
            cpu,
        }
    }

    /// How long until it is to be made ready.
    pub(super) fn until_ready(self) -> Duration {
        self.left().saturating_sub(AHEAD)
    }

    fn left(self) -> Duration {
        Duration::from_nanos(self.at_ns.saturating_sub(monotonic_ns()))
    }

    /// Moves this thread to its CPU, before all others there, and waits for the moment.
    fn wait(self) {
        // Without these the two may be at work one after the other.
        let _anywhere = pin(self.cpu);
        let _in_its_turn = come_first();
        thread::sleep(self.left().saturating_sub(SPIN));
        while !self.left().is_zero() {
            std::hint::spin_loop();
        }
    }
}

/// When a client's next lookup begins, and where it comes from.
#[derive(Debug)]
pub(super) enum Turns {
    /// Evenly spaced, each from a new port or all from this socket.
    Paced(Pace, Option<UdpSocket>),
    /// In step with others.
    InStep(Step, Duration),
}

impl Turns {
    /// The first turn is now, or soon.
    pub(super) fn new(ask: &Ask, now: Instant) -> io::Result<Self> {
        let pace = || Pace::new(Some(ask.rate), now);
        Ok(match ask.ports {
            Ports::Fresh => Self::Paced(pace(), None),
            Ports::Kept => Self::Paced(pace(), Some(client::socket(ask.servers[0].ip())?)),
            Ports::InStep(cpu) => {
                let interval = Duration::from_secs(1) / ask.rate.get();
                Self::InStep(Step::after(None, interval, cpu), interval)
            }
        })
    }

    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Paced(pace, _) => pace.until_next(Instant::now()).unwrap_or_default(),
            Self::InStep(step, _) => step.until_ready(),
        }
    }

    pub(super) fn take(&mut self) -> io::Result<Origin> {
        Ok(match self {
            Self::Paced(pace, kept) => {
                pace.take(Instant::now());
                match kept {
                    Some(socket) => Origin::Kept(socket.try_clone()?),
                    None => Origin::Fresh,
                }
            }
            Self::InStep(step, interval) => {
                let due = *step;
                *step = Step::after(Some(due), *interval, due.cpu);
                Origin::Step(due)
            }
        })
    }
}

/// Whatever else has work for this CPU waits until this thread sleeps (sched(7)).
fn come_first() -> nix::Result<()> {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: a system call that reads one structure, which outlives it; 0 is the
    // calling thread.
    Errno::result(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const lowest) })?;
    Ok(())
}

/// Moves this thread to one of the CPUs that it may use.
fn pin(number: usize) -> nix::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let allowed: Vec<usize> = (0..CpuSet::count())
        .filter(|&cpu| allowed.is_set(cpu).unwrap_or(false))
        .collect();
    let mut chosen = CpuSet::new();
    if let Some(&cpu) = allowed.get(number.checked_rem(allowed.len()).unwrap_or(0)) {
        chosen.set(cpu)?;
        sched_setaffinity(this, &chosen)?;
    }
    Ok(())
}

/// The time that all processes share. Every Linux has that clock.
fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| nanoseconds(now.into()))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_in_step_have_the_same_ports_and_moments() {
        let interval = Duration::from_millis(40);
        let mut a = Step::after(None, interval, 0);
        let mut b = Step::after(None, interval, 1);
        for _ in 0..5 {
            // The second may have begun a step later.
            while b.at_ns < a.at_ns {
                b = Step::after(Some(b), interval, 1);
            }
            while a.at_ns < b.at_ns {
                a = Step::after(Some(a), interval, 0);
            }
            assert_eq!((a.at_ns, a.port), (b.at_ns, b.port));
            assert_eq!(a.at_ns % 40_000_000, 0);
            let next = Step::after(Some(a), interval, 0);
            assert!(next.at_ns > a.at_ns && next.port != a.port);
            a = next;
        }
    }

    #[test]
    fn a_step_begins_at_its_moment() {
        let step = Step::after(None, Duration::from_millis(10), 0);
        step.wait();
        assert!(monotonic_ns() >= step.at_ns);
        assert_eq!(step.until_ready(), Duration::ZERO);
    }
}
