//! `proc`: programs started, processes made and ended, by process.

use typed_bpf::Comm;
use typed_bpf::Hash;
use typed_bpf::Module;
use typed_bpf::bpf_struct;

use crate::kernel::SchedProcessExec;
use crate::kernel::SchedProcessExit;
use crate::kernel::SchedProcessFork;
use crate::owner;
use crate::owner::OWNERS_MAX;
use crate::owner::Owner;

bpf_struct! {
    /// Figures of one process.
    pub struct Proc {
        /// The process' name.
        pub comm: Comm,
        /// Programs that it became.
        pub execs: u64,
        /// Threads and processes that it made.
        pub forks: u64,
        /// Threads of it that ended, the first one included.
        pub exits: u64,
    }
}

/// By process.
pub const PROC: Hash<Owner, Proc> = Hash::new("proc", OWNERS_MAX);

/// The programs.
pub fn module() -> Module {
    let mut m = Module::new(
        "proc",
        "Programs started, processes made and ended, by process.",
    );
    m.tp_btf::<SchedProcessExec>(|b, _| owner::count(b, PROC, Proc::comm, Proc::execs))
        .gives(&["execs"]);
    m.tp_btf::<SchedProcessFork>(|b, _| owner::count(b, PROC, Proc::comm, Proc::forks))
        .gives(&["forks"]);
    m.tp_btf::<SchedProcessExit>(|b, _| owner::count(b, PROC, Proc::comm, Proc::exits))
        .gives(&["exits"]);
    m
}
