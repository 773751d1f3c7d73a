//! Finds out whose an attempt is: process, systemd unit, container, pod.
//! docs/architecture.md tells of its threads.

mod books;
mod delegation;
mod handle;
mod names;
mod owners;
mod process;
mod questions;
mod recent;
mod resolver;
mod spawn;
mod station;
mod subject;
mod tree;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use crossbeam_channel::unbounded;

pub use books::Books;
pub use books::Counts;
pub use names::NameCounts;
pub use names::Options;
#[cfg(any(test, fuzzing))]
pub(crate) use names::fuzzed;
pub use owners::OwnerKey;
pub use owners::Owners;
pub use owners::Whose;
pub use process::has_version_1;
pub use station::Attributed;
pub use tree::TreeCounts;

use self::names::Names;
use self::resolver::Resolver;
use self::spawn::spawn;
use self::station::Station;
use crate::attempt::identity::IdentityTable;
use crate::monitor::Message;

/// Batches that may wait for the command; those behind wait with the poller.
const CHANNEL_BATCHES: usize = 2;
/// Answers that may wait for the station.
const ANSWERS_MAX: usize = 1024;
/// How long the end waits for a last try to find names.
const LAST_TRY: Duration = Duration::from_secs(3);

/// Says of each attempt whose it is.
#[derive(Debug)]
pub struct Attribution {
    messages: Receiver<Message>,
    station: Receiver<(Attributed, Resolver)>,
    /// What the station had counted when it let the last word about a window go.
    tallies: Receiver<Attributed>,
    names: Names,
    tree: Arc<Mutex<TreeCounts>>,
    /// What had been counted when the last window ended.
    told: Counts,
}

/// How the attribution went.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// What was counted in the last window, and what could not be found out.
    pub books: Books,
    /// Whether the complaints were logged when they were due.
    pub are_logged: bool,
    /// Names that may have come after their attempts had gone on.
    pub known: IdentityTable,
}

impl Attribution {
    /// Takes the poller's messages over. `root` is that of cgroup v2.
    pub fn start(messages: Receiver<Message>, root: OwnedFd, options: &Options) -> Result<Self> {
        let (tell, answers) = bounded(ANSWERS_MAX);
        let (names, asking) = Names::start(names::sources(options), tell.clone())?;
        let resolver = Resolver::start(root, tell)?;
        let tree = resolver.counts();
        let (output, out) = bounded(CHANNEL_BATCHES);
        // One for each window that ends: the station never waits with it.
        let (tally, tallies) = unbounded();
        let station = Station::new(output, tally, resolver, asking, has_version_1());
        let station = spawn("kerno-whose", "says whose an attempt is", move || {
            station.run(messages, answers)
        })?;
        Ok(Self {
            messages: out,
            station,
            tallies,
            names,
            tree,
            told: Counts::default(),
        })
    }

    /// The attempts with their identity, and at last [`Message::Finished`].
    pub fn messages(&self) -> &Receiver<Message> {
        &self.messages
    }

    /// The names that are known by now. They may have come after their attempts had gone on.
    pub fn known(&self) -> IdentityTable {
        self.names.known()
    }

    /// How it went in the window that is over: to be asked once for each
    /// [`Message::Rolled`] and for [`Message::Finished`], when it has come.
    pub fn roll(&mut self) -> Books {
        let told = self.names.so_far();
        let now = Counts {
            attempts: self.tallies.try_recv().unwrap_or(self.told.attempts),
            names: told.counts,
            tree: *self.tree.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let before = std::mem::replace(&mut self.told, now);
        Books::since(&before, now, told.complaints)
    }

    /// Tries a last time to find the names that are missing.
    pub fn finish(self) -> Ending {
        drop(self.messages);
        let Ok((attempts, resolver)) = self.station.recv() else {
            return Ending {
                books: Books {
                    complaints: vec!["the thread that says whose an attempt is died".to_owned()],
                    ..Books::default()
                },
                ..Ending::default()
            };
        };
        let tree = resolver.finish(LAST_TRY).unwrap_or(self.told.tree);
        let (told, known) = self.names.finish(LAST_TRY);
        let now = Counts {
            attempts,
            names: told.counts,
            tree,
        };
        Ending {
            books: Books::since(&self.told, now, told.complaints),
            are_logged: told.are_logged,
            known,
        }
    }
}
