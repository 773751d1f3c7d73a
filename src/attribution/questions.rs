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
    /// `None` if nobody knows the group, or the process is gone.
    Found(Question, Option<Found>),
    /// A control group has its names now, or will not have them soon.
    Named,
}

/// A group that is known, or a process that was still there.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) subject: Arc<Subject>,
    /// See [`super::process::Process::started_ns`]; 0 for a group.
    pub(super) started_ns: u64,
}
