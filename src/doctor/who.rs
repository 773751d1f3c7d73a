//! How those are called whom a finding is about.

use crate::attempt::Comm;
use crate::attempt::identity::WorkloadId;
use crate::units;

/// A process chooses its name, and each byte of it can take four columns.
const COMM_MAX: usize = 24;
/// Enough for the namespaces and names that people use; a pod's name has up to 253
/// characters, its namespace 63.
const WHOM_MAX: usize = 80;

/// `curl (pid 4242)`
pub(super) fn process(pid: Option<u32>, comm: Comm) -> String {
    let comm = self::comm(comm);
    match pid {
        Some(pid) if comm.is_empty() => format!("pid {pid}"),
        Some(_) => with_pid(&comm, pid),
        None => "an unknown process".to_owned(),
    }
}

/// `the server (pid 53)`, or without the number if it is not known.
pub(super) fn with_pid(what: &str, pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("{what} (pid {pid})"),
        None => what.to_owned(),
    }
}

/// `80 processes named dig`
pub(super) fn crowd(number: usize, comm: Comm) -> String {
    let comm = self::comm(comm);
    format!("{} processes named {comm}", units::count(number as u64))
}

/// `pod shop/web-1`
pub(super) fn workload(whom: &WorkloadId) -> String {
    match whom {
        WorkloadId::Process(pid, comm) => process(*pid, *comm),
        whom => units::shorten(&whom.to_string(), WHOM_MAX),
    }
}

fn comm(comm: Comm) -> String {
    units::shorten(&comm.to_string(), COMM_MAX)
}

/// What was looked at for a part of the time only, in a sentence.
pub(in crate::doctor) fn looked_at(what: &str, share: f64) -> Option<String> {
    (share < 0.995).then(|| {
        format!(
            "{what} were looked at for {:.0} % of the time, so that there may have been more.",
            share * 100.0
        )
    })
}
