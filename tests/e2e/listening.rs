//! kerno as a library, for what `kerno watch` does not show.

use std::time::Duration;
use std::time::Instant;

use kerno::attempt::Attempt;
use kerno::attempt::Owner;
use kerno::attempt::SlowRead;
use kerno::host::Host;
use kerno::kernel::Config;
use kerno::kernel::Wake;
use kerno::monitor::Message;
use kerno::monitor::Monitor;

use crate::process::PATIENCE;
use crate::site::Site;

/// A monitor in this process, and what it told of a site so far.
pub(crate) struct Listening {
    monitor: Monitor,
    namespaces: [u64; 2],
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) slow_reads: Vec<SlowRead>,
}

impl Listening {
    pub(crate) fn start(site: &Site) -> Self {
        Self::with_hooks(site, true)
    }

    /// The same where hooks are attached on demand.
    pub(crate) fn on_demand(site: &Site) -> Self {
        Self::with_hooks(site, false)
    }

    fn with_hooks(site: &Site, all_hooks: bool) -> Self {
        let config = Config {
            ports: vec![53],
            wake: Wake::Each,
            count_plain: false,
            lookups: false,
            all_hooks,
        };
        let host = Host::probe().expect("a host that kerno can watch");
        let timeout = Duration::from_secs(1);
        Self {
            monitor: Monitor::start(host, config, timeout).expect("a monitor"),
            namespaces: [&site.client, &site.server].map(|place| place.namespace.inode()),
            attempts: Vec::new(),
            slow_reads: Vec::new(),
        }
    }

    /// Listens until what it told is enough.
    pub(crate) fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !enough(self) {
            let rest = PATIENCE.saturating_sub(start.elapsed());
            if !self.hear(rest) {
                let (attempts, reads) = (&self.attempts, &self.slow_reads);
                panic!("waited in vain for {what}: {attempts:#?} {reads:#?}");
            }
        }
    }

    /// Takes a message that comes in time; whether one came.
    fn hear(&mut self, patience: Duration) -> bool {
        let Ok(message) = self.monitor.messages().recv_timeout(patience) else {
            return false;
        };
        let namespaces = self.namespaces;
        let is_mine = |owner: &Owner| namespaces.contains(&owner.netns.into());
        match message {
            Message::Ended(ended) => {
                let mine = ended.into_iter().filter(|ended| is_mine(&ended.owner));
                self.attempts.extend(mine);
            }
            Message::SlowReads(reads) => {
                let mine = reads.into_iter().filter(|read| is_mine(&read.owner));
                self.slow_reads.extend(mine);
            }
            Message::TurnedAway(_) | Message::Suspects(_) | Message::CameSecond(_) => {}
            Message::Plain(_) | Message::Questions(_) | Message::Lookups(_) => {
                panic!("each is to be told")
            }
            Message::Rolled(_) => panic!("nobody asked for the end of a window"),
            Message::Finished(_) => panic!("it ended by itself"),
        }
        true
    }
}
