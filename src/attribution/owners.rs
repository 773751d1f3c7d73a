//! Whose figures are that the kernel keeps by process and control group.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::unbounded;

use super::Attribution;
use super::Ending;
use super::Options;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Owner;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::attempt::identity::ClientKey;
use crate::attempt::identity::IdentityTable;
use crate::attempt::identity::WorkloadId;
use crate::host::Clock;
use crate::host::proc::Root;
use crate::host::proc::stat::Stat;
use crate::monitor;
use crate::monitor::Message;

/// Owners that are asked for at once: the station takes its own looks at some of them and
/// has the others looked up meanwhile.
const BATCH: usize = 256;
/// `comm` has 15 octets and a line feed; threads of the kernel have longer names.
const COMM_FILE_MAX: u64 = 64;
/// The kernel counts the start of processes in hundredths of a second.
const TICK_NS: u64 = 10_000_000;

/// A process in a control group; `None` if only the group is known.
pub type OwnerKey = (u64, Option<u32>);

/// Finds out whose they are, by the way that attempts go: each owner is one attempt that
/// has nothing but an owner.
#[derive(Debug)]
pub struct Owners {
    attribution: Attribution,
    ask: Sender<Message>,
    met: HashMap<OwnerKey, Met>,
}

#[derive(Debug)]
struct Met {
    owner: Owner,
    /// When it was seen first, on the monotonic clock.
    seen_ns: u64,
    key: Option<ClientKey>,
}

/// Whose a figure is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The workload, or the process where nothing better is known.
    pub id: WorkloadId,
    /// Whether it is a process that has ended since.
    pub has_ended: bool,
}

impl Owners {
    /// `root` is that of cgroup v2.
    pub fn start(root: OwnedFd, options: &Options) -> Result<Self> {
        let (ask, asked) = unbounded();
        Ok(Self {
            attribution: Attribution::start(asked, root, options)?,
            ask,
            met: HashMap::new(),
        })
    }

    /// Asks for those that are new. Soon: a process that has ended is known by its name and
    /// its control group alone.
    pub fn meet(&mut self, owners: impl IntoIterator<Item = Owner>) {
        let seen_ns = Clock::monotonic_ns();
        let mut new = Vec::new();
        for mut owner in owners {
            let key = key_of(&owner);
            if self.met.contains_key(&key) {
                continue;
            }
            owner.comm = owner.pid.and_then(comm_of).unwrap_or(owner.comm);
            let met = Met {
                owner,
                seen_ns,
                key: None,
            };
            new.push(attempt(&met));
            self.met.insert(key, met);
        }
        self.send(new);
    }

    /// Those of them that were met before, and whose process has ended since.
    pub fn ended(&self, owners: impl IntoIterator<Item = OwnerKey>) -> HashSet<OwnerKey> {
        let has_ended = |(group, pid): &OwnerKey| {
            let met = self.met.get(&(*group, *pid));
            let (Some(met), Some(pid)) = (met, pid) else {
                return false;
            };
            !lives(*pid, met.seen_ns)
        };
        owners.into_iter().filter(has_ended).collect()
    }

    /// Whose these are, by what is known now.
    pub fn whose(&self, owners: &HashSet<OwnerKey>) -> HashMap<OwnerKey, Whose> {
        let known = self.attribution.known();
        let met = owners.iter().filter_map(|key| {
            let met = self.met.get(key)?;
            Some((*key, met.whose(&known)))
        });
        met.collect()
    }

    /// Those who come back are met anew.
    pub fn forget(&mut self, owners: impl IntoIterator<Item = OwnerKey>) {
        for key in owners {
            self.met.remove(&key);
        }
    }

    /// How many there are.
    pub fn number(&self) -> usize {
        self.met.len()
    }

    /// What has been found out; to be given to [`Owners::take`].
    pub fn messages(&self) -> &Receiver<Message> {
        self.attribution.messages()
    }

    /// Keeps what was found out.
    pub fn take(&mut self, message: Message) {
        let Message::Ended(attempts) = message else {
            return;
        };
        for attempt in attempts {
            if attempt.workload.is_some()
                && let Some(met) = self.met.get_mut(&key_of(&attempt.owner))
            {
                met.key = Some(ClientKey::of(&attempt));
            }
        }
    }

    /// Asks once more for those that nothing was found out about, as there may have been
    /// too many at once, and waits for all names.
    pub fn finish(mut self) -> (HashMap<OwnerKey, Whose>, Ending) {
        let unknown = self.met.values().filter(|met| met.key.is_none());
        self.send(unknown.map(attempt).collect());
        // Nobody asks any more; what is under way comes before the end.
        let ended = Message::Finished(monitor::Ending::default());
        let _gone = self.ask.send(ended);
        while let Ok(message) = self.messages().recv() {
            if matches!(message, Message::Finished(_)) {
                break;
            }
            self.take(message);
        }
        let ending = self.attribution.finish();
        let met = self.met.into_iter();
        let whose = met
            .map(|(key, met)| (key, met.whose(&ending.known)))
            .collect();
        (whose, ending)
    }

    fn send(&self, mut attempts: Vec<Attempt>) {
        while !attempts.is_empty() {
            let rest = attempts.split_off(attempts.len().min(BATCH));
            // The station has died: then they stay unknown, and the ending says so.
            let _gone = self.ask.send(Message::Ended(attempts));
            attempts = rest;
        }
    }
}

impl Met {
    fn whose(&self, known: &IdentityTable) -> Whose {
        let alone = ClientKey::Process(self.owner.pid, self.owner.comm);
        let id = self.key.as_ref().unwrap_or(&alone).id(known);
        let has_ended = match id {
            WorkloadId::Process(Some(pid), _) => !lives(pid, self.seen_ns),
            _ => false,
        };
        Whose { id, has_ended }
    }
}

fn key_of(owner: &Owner) -> OwnerKey {
    (owner.cgroup_id, owner.pid)
}

fn attempt(met: &Met) -> Attempt {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Attempt {
        owner: met.owner,
        sent_ns: met.seen_ns,
        end_ns: met.seen_ns,
        ..Attempt::between(Role::Client, Transport::Udp, nowhere, nowhere)
    }
}

/// The name of a process; the kernel's side may have that of a thread.
fn comm_of(pid: u32) -> Option<Comm> {
    let file = Root::default().process(pid).octets("comm", COMM_FILE_MAX);
    let octets = file.ok()?;
    let name = octets.strip_suffix(b"\n").unwrap_or(&octets);
    (!name.is_empty()).then(|| Comm::new(name))
}

/// Whether the process that was seen then is still there, and not another with its number.
fn lives(pid: u32, seen_ns: u64) -> bool {
    let stat = Stat::read(&Root::default().process(pid));
    stat.is_ok_and(|stat| {
        let started_ns = stat.started_ns().unwrap_or(u64::MAX);
        !stat.is_ending() && started_ns <= seen_ns.saturating_add(TICK_NS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pid: u32) -> Owner {
        Owner {
            pid: Some(pid),
            comm: Comm::new(b"a thread"),
            ..Owner::default()
        }
    }

    fn found(owners: &[Owner]) -> HashMap<OwnerKey, Whose> {
        let root = std::fs::File::open("/proc/self").expect("a folder");
        let mut all = Owners::start(root.into(), &Options::default()).expect("threads");
        all.meet(owners.iter().copied());
        all.meet(owners.iter().copied());
        all.finish().0
    }

    #[test]
    fn live_who_lives_has_its_own_name_and_who_is_gone_that_of_the_kernel() {
        let me = std::process::id();
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let gone = child.id();
        child.wait().expect("its end");
        let found = found(&[owner(me), owner(gone), Owner::default()]);
        assert_eq!(found.len(), 3);
        let gone = &found[&(0, Some(gone))];
        let WorkloadId::Process(Some(_), comm) = &gone.id else {
            panic!("{gone:?}");
        };
        assert_eq!((comm.as_bytes(), gone.has_ended), (&b"a thread"[..], true));
        let mine = &found[&(0, Some(me))];
        assert!(!mine.has_ended);
        // Unless the test runs in a unit or a container.
        if let WorkloadId::Process(pid, comm) = &mine.id {
            assert_eq!((*pid, Some(*comm)), (Some(me), comm_of(me)));
        }
        let nobody = &found[&(0, None)];
        assert_eq!(nobody.id, WorkloadId::Process(None, Comm::default()));
    }

    #[test]
    fn live_only_who_was_met_and_has_ended_has_ended() {
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let gone = child.id();
        child.wait().expect("its end");
        let root = std::fs::File::open("/proc/self").expect("a folder");
        let mut all = Owners::start(root.into(), &Options::default()).expect("threads");
        let keys = [
            (0, Some(gone)),
            (0, Some(std::process::id())),
            (0, None),
            (7, Some(gone)),
        ];
        assert_eq!(all.ended(keys), HashSet::new());
        all.meet([owner(gone), owner(std::process::id()), Owner::default()]);
        assert_eq!(all.ended(keys), HashSet::from([(0, Some(gone))]));
    }

    #[test]
    fn live_another_process_with_the_number_is_not_the_one_that_was_seen() {
        let me = std::process::id();
        assert!(lives(me, Clock::monotonic_ns()));
        assert!(!lives(me, 0));
        assert!(!lives(u32::MAX, Clock::monotonic_ns()));
    }
}
