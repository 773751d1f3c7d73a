//! What the threads ask each other, and what they answer.

use std::sync::Arc;

use super::subject::Subject;
use crate::attempt::Comm;

/// What is to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The control group of version 2 with this id.
    Cgroup(u64),
    /// The process with this number, which had this name.
    Process(u32, Comm),
}

/// What was found out.
#[derive(Debug)]
pub(super) enum Answer {
    /// `None` if nobody knows the group.
    Cgroup(u64, Option<Arc<Subject>>),
    /// `None` if the process is gone.
    Process(u32, Comm, Option<Found>),
    /// A control group has its names now, or will not have them soon.
    Named,
}

/// A process that was still there.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) subject: Arc<Subject>,
    /// See [`super::process::Process::started_ns`].
    pub(super) started_ns: u64,
}
