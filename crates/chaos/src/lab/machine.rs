//! The machine that the lab is made on.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// What the lab is told of this machine: it looks at nothing that kerno knows.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where control groups of version 2 are mounted, if they are.
    pub cgroups: Option<PathBuf>,
    /// Where the CPU controller of version 1 is mounted, if it is.
    pub cpu_cgroups: Option<PathBuf>,
    /// The same of the memory controller.
    pub memory_cgroups: Option<PathBuf>,
    /// Counts the entries of the connection tracking table of each network
    /// namespace that can be looked into, by its inode number.
    pub conntrack_entries: fn() -> BTreeMap<u32, u64>,
    /// Counts the datagrams for which a receive buffer had no room, in the network
    /// namespace of the thread that calls it.
    pub receive_buffer_errors: fn() -> io::Result<u64>,
}
