//! `syscall`: how often a call was made, how it failed and how long it took, by process.

use typed_bpf::Comm;
use typed_bpf::Hash;
use typed_bpf::Module;
use typed_bpf::bpf_struct;

use crate::figure::LOG2_SLOTS;
use crate::kernel::SysEnter;
use crate::kernel::SysExit;
use crate::owner;
use crate::owner::Owner;

/// The calls that can be counted: those that a lookup is made of, and those that it waits
/// in. A tracepoint on any call makes every call of every process slower.
pub const CALLS: &[&str] = &[
    "connect",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    // Other machines of the kernel than x86 have no older way to wait than these two.
    #[cfg(target_arch = "x86_64")]
    "poll",
    "ppoll",
    #[cfg(target_arch = "x86_64")]
    "epoll_wait",
    "epoll_pwait",
    "openat",
    "socket",
];

/// Errors are -1 to -4095 (include/linux/err.h).
const MAX_ERRNO: u64 = 4095;

bpf_struct! {
    /// A call of a process.
    pub struct Call {
        /// Whose.
        pub owner: Owner,
        /// Its place in [`CALLS`].
        pub call: u32,
        /// Always 0.
        pub pad: u32,
    }
}

bpf_struct! {
    /// A call that failed.
    pub struct Failure {
        /// Whose.
        pub owner: Owner,
        /// Its place in [`CALLS`].
        pub call: u32,
        /// What it returned.
        pub errno: u32,
    }
}

bpf_struct! {
    /// Figures of one call of one process.
    pub struct Calls {
        /// The process' name.
        pub comm: Comm,
        /// How many have ended.
        pub calls: u64,
        /// How long each took.
        pub latency: [u64; LOG2_SLOTS],
    }
}

bpf_struct! {
    /// A call that is going on.
    pub struct Begun {
        /// When it began.
        pub at_ns: u64,
        /// Its place in [`CALLS`].
        pub call: u32,
        /// Always 0.
        pub pad: u32,
    }
}

/// By process and call.
pub const BY_CALL: Hash<Call, Calls> = Hash::new("by_call", 4096);
/// How many of them failed how.
pub const FAILURES: Hash<Failure, u64> = Hash::new("failures", 4096);
/// By thread: a call that waits wakes up on another CPU.
pub const BEGUN: Hash<u32, Begun> = Hash::new("begun", 16_384);

/// The programs.
pub fn module() -> Module {
    let mut m = Module::new(
        "syscall",
        "How often chosen system calls were made, how they failed and how long they took.",
    );
    for (number, call) in (0u32..).zip(CALLS.iter().copied()) {
        m.tracepoint_on::<SysEnter>(&format!("syscalls/sys_enter_{call}"), |b, _| {
            let tid = b.current_tid();
            let now = b.now_ns();
            let begun = b.new_struct::<Begun>("begun");
            begun.set(Begun::at_ns, &now).set(Begun::call, number);
            BEGUN.put(b, &tid, &begun);
        })
        .gives(&[call]);
        m.tracepoint_on::<SysExit>(&format!("syscalls/sys_exit_{call}"), |b, it| {
            let returned = it.field(SysExit::ret);
            let tid = b.current_tid();
            BEGUN.with(b, &tid, |b, begun| {
                let waited = b.now_ns().minus(begun.get(Begun::at_ns));
                let owner = owner::current(b);
                let key = b.new_struct::<Call>("call");
                key.set_struct(Call::owner, &owner).set(Call::call, number);
                BY_CALL.entry(b, &key, |_, it| {
                    it.set_current_comm(Calls::comm);
                    it.add(Calls::calls, 1);
                    it.count_log2(Calls::latency, &waited);
                });
                let errno = returned.to::<u64>().negative();
                b.when(errno.minus(1).is_below(MAX_ERRNO), |b| {
                    let failure = b.new_struct::<Failure>("failure");
                    failure.set_struct(Failure::owner, &owner);
                    failure
                        .set(Failure::call, number)
                        .set(Failure::errno, errno.to::<u32>());
                    FAILURES.entry(b, &failure, |_, it| it.add_value(1));
                });
                BEGUN.delete(b, &tid);
            });
        })
        .gives(&[call]);
    }
    m
}
