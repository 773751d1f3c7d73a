//! Finds out whose an attempt is: process, systemd unit, container, pod.
//! docs/architecture.md tells of its threads.

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
use std::time::Duration;

use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use serde::Serialize;

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
    names: Names,
}

/// How the attribution went.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// The figures of it.
    pub counts: Counts,
    /// What could not be found out and why, as sentences.
    pub complaints: Vec<String>,
    /// Whether they were logged when they were due.
    pub are_logged: bool,
    /// Names that may have come after their attempts had gone on.
    pub known: IdentityTable,
}

/// Everything that is counted about it. Unfiltered, both roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Attempts.
    #[serde(flatten)]
    pub attempts: Attributed,
    /// Names.
    #[serde(flatten)]
    pub names: NameCounts,
    /// Control groups.
    #[serde(flatten)]
    pub tree: TreeCounts,
}

impl Attribution {
    /// Takes the poller's messages over. `root` is that of cgroup v2.
    pub fn start(messages: Receiver<Message>, root: OwnedFd, options: &Options) -> Result<Self> {
        let (tell, answers) = bounded(ANSWERS_MAX);
        let (names, asking) = Names::start(names::sources(options), tell.clone())?;
        let resolver = Resolver::start(root, tell)?;
        let (output, out) = bounded(CHANNEL_BATCHES);
        let station = Station::new(output, resolver, asking, has_version_1());
        let station = spawn("kerno-whose", "says whose an attempt is", move || {
            station.run(messages, answers)
        })?;
        Ok(Self {
            messages: out,
            station,
            names,
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

    /// Tries a last time to find the names that are missing.
    pub fn finish(self) -> Ending {
        drop(self.messages);
        let Ok((attempts, resolver)) = self.station.recv() else {
            return Ending {
                complaints: vec!["the thread that says whose an attempt is died".to_owned()],
                ..Ending::default()
            };
        };
        let tree = resolver.finish(LAST_TRY).unwrap_or_default();
        let (told, known) = self.names.finish(LAST_TRY);
        let told = told.unwrap_or_default();
        Ending {
            counts: Counts {
                attempts,
                names: told.counts,
                tree,
            },
            complaints: told.complaints,
            are_logged: told.are_logged,
            known,
        }
    }
}
