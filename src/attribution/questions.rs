//! What the threads ask each other, and what they answer.

use crate::attempt::Comm;
use crate::attempt::identity::Delegated;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The control group of version 2 with this id.
    Cgroup(u64),
    /// The process with this number, which had this name.
    Process(u32, Comm),
}

#[derive(Debug)]
pub(super) enum Answer {
    /// `None` if nobody knows the group, or the process is gone.
    Found(Question, Option<Found>),
    /// A control group has its names now, or will not have them soon.
    Named,
}

/// The control group that is asked for, or that a process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its path, of a process the one that tells most, from the root of its hierarchy.
    pub(super) path: Vec<u8>,
    /// Which part of it is a user's.
    pub(super) delegated: Option<Delegated>,
    /// When the process started, in nanoseconds of `CLOCK_MONOTONIC`, rounded down to a
    /// clock tick: an attempt from before is not of this process. 0 for a group.
    pub(super) started_ns: u64,
}
