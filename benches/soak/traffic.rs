//! What is asked: a million names, thousands of control groups that come and go, faults.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use anyhow::anyhow;

use crate::asked::Asked;
use crate::asked::Due;
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
