//! What is asked: a million names, thousands of control groups that come and go, faults.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::anyhow;

use crate::cgroups::Groups;
use crate::exchange::Pair;
use crate::faults;
use crate::site::Site;

/// Names that are asked for, one after the other, again and again.
const NAMES: u64 = 1_000_000;
/// Control groups that are there at one time.
const GROUPS: u64 = 5_000;
/// All of these are there after so much of the time.
const FILLED_AFTER: f64 = 0.4;
/// Queries a second, at the least; more where the time is short for all names.
const RATE: f64 = 2_000.0;
/// So much at a time.
const TICK: Duration = Duration::from_millis(10);

/// What was asked, each query once.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// By the one that asks for many names.
    pub(crate) names: AtomicU64,
    /// By processes of control groups.
    pub(crate) groups: AtomicU64,
    /// Answered with an error.
    pub(crate) failing: AtomicU64,
    /// Never answered.
    pub(crate) silent: AtomicU64,
    /// Refused, which no server sees.
    pub(crate) refused: AtomicU64,
}

impl Asked {
    /// Attempts of clients that are answered.
    pub(crate) fn answered(&self) -> u64 {
        let all = [&self.names, &self.groups, &self.failing];
        all.map(|it| it.load(Ordering::Relaxed)).iter().sum()
    }

    /// Those that wait in vain.
    pub(crate) fn silent(&self) -> u64 {
        self.silent.load(Ordering::Relaxed)
    }

    /// Those that are refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Attempts at both ends.
    pub(crate) fn seen(&self) -> u64 {
        2 * (self.answered() + self.silent()) + self.refused()
    }
}

/// Threads that ask. They are to be ended.
#[derive(Debug)]
pub(crate) struct Traffic {
    asked: Arc<Asked>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Traffic {
    /// Begins, for about so long.
    pub(crate) fn start(site: &Arc<Site>, time: Duration) -> Result<Self> {
        let asked = Arc::<Asked>::default();
        let is_over = Arc::<AtomicBool>::default();
        let mut threads = Vec::new();
        type Work = fn(&Site, &Asked, &AtomicBool, Duration) -> Result<()>;
        for work in [names as Work, groups, faults::make] {
            let (site, asked, is_over) =
                (Arc::clone(site), Arc::clone(&asked), Arc::clone(&is_over));
            threads.push(thread::spawn(move || work(&site, &asked, &is_over, time)));
        }
        Ok(Self {
            asked,
            is_over,
            threads,
        })
    }

    /// Nobody asks any more. What was asked.
    pub(crate) fn end(self) -> Result<Arc<Asked>> {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread
                .join()
                .map_err(|_| anyhow!("a thread that asks died"))??;
        }
        Ok(self.asked)
    }
}

/// So many of a rate are due by now.
pub(crate) struct Due {
    begin: Instant,
    per_second: f64,
    done: u64,
}

impl Due {
    pub(crate) fn new(per_second: f64) -> Self {
        Self {
            begin: Instant::now(),
            per_second,
            done: 0,
        }
    }

    /// Waits for the next; who is late does not catch up.
    pub(crate) fn next(&mut self) {
        let due = Duration::from_secs_f64(self.done as f64 / self.per_second);
        let now = self.begin.elapsed();
        if due > now + TICK {
            thread::sleep(due - now);
        } else if now > due + Duration::from_secs(1) {
            self.done = (now.as_secs_f64() * self.per_second) as u64;
        }
        self.done += 1;
    }
}

fn names(site: &Site, asked: &Asked, is_over: &AtomicBool, time: Duration) -> Result<()> {
    let mut pair = Pair::at(site, Ipv4Addr::LOCALHOST)?;
    let mut due = Due::new(RATE.max(NAMES as f64 / time.as_secs_f64()));
    for number in (0..NAMES).cycle() {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        due.next();
        pair.name(number as usize);
        pair.exchange()?;
        asked.names.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn groups(site: &Site, asked: &Asked, is_over: &AtomicBool, time: Duration) -> Result<()> {
    let mut pair = Pair::at(site, Ipv4Addr::new(127, 0, 0, 2))?;
    let mut groups = Groups::new(site)?;
    let mut due = Due::new(GROUPS as f64 / (time.as_secs_f64() * FILLED_AFTER));
    site.namespace.enter(|| -> Result<()> {
        for number in 0_u64.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            due.next();
            groups.ask_from_another(&mut pair)?;
            asked.groups.fetch_add(1, Ordering::Relaxed);
            if number >= GROUPS {
                groups.forget_first()?;
            }
        }
        Ok(())
    })?
}
