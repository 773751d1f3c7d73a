//! `cpu_sched`: how long threads that could run waited for a CPU, by process.

use typed_bpf::Block;
use typed_bpf::Comm;
use typed_bpf::Hash;
use typed_bpf::Module;
use typed_bpf::Ptr;
use typed_bpf::TpBtf;
use typed_bpf::Val;
use typed_bpf::bpf_struct;

use crate::figure::LOG2_SLOTS;
use crate::kernel::SchedSwitch;
use crate::kernel::SchedWakeup;
use crate::kernel::SchedWakeupNew;
use crate::kernel::TaskStruct;
use crate::owner;
use crate::owner::OWNERS_MAX;
use crate::owner::Owner;

bpf_struct! {
    /// Figures of one process, all of its threads together.
    pub struct CpuSched {
        /// The process' name.
        pub comm: Comm,
        /// Times that a thread gave up its CPU to wait for something.
        pub voluntary_switches: u64,
        /// Times that a thread was made to give up its CPU.
        pub involuntary_switches: u64,
        /// Nanoseconds that threads waited for a CPU, in all.
        pub run_queue_sum_ns: u64,
        /// How long each of these waits was.
        pub run_queue: [u64; LOG2_SLOTS],
    }
}

/// By process.
pub const SCHED: Hash<Owner, CpuSched> = Hash::new("sched", OWNERS_MAX);
/// Since when a thread waits for a CPU: by thread, because it wakes up on one CPU and may
/// run on another.
pub const QUEUED: Hash<u32, u64> = Hash::new("queued", 16_384);

fn is_queued(b: &mut Block<'_, TpBtf>, task: &Val<'_, Ptr<TaskStruct>>) {
    let tid = b.read(task, TaskStruct::pid).to::<u32>();
    let now = b.now_ns();
    QUEUED.put(b, &tid, &now);
}

/// `state` of a thread, 0 if it could go on: TASK_RUNNING (include/linux/sched.h).
fn state<'s>(b: &mut Block<'s, TpBtf>, task: &Val<'_, Ptr<TaskStruct>>) -> Val<'s, u64> {
    let state = b.variable::<u64>("state", 0);
    let is_new = b.has_field(TaskStruct::__state);
    b.when_else(
        is_new,
        |b| state.set(b.read(task, TaskStruct::__state).to::<u64>()),
        |b| state.set(b.read(task, TaskStruct::state).to::<u64>()),
    );
    state.get()
}

/// The programs.
pub fn module() -> Module {
    let mut m = Module::new(
        "cpu_sched",
        "How long threads that could run waited for a CPU, and why they gave one up, by process.",
    );
    let all = ["run_queue", "run_queue_sum_ns"];
    m.tp_btf::<SchedWakeup>(|b, it| is_queued(b, &it.get(SchedWakeup::p)))
        .gives(&all);
    m.tp_btf::<SchedWakeupNew>(|b, it| is_queued(b, &it.get(SchedWakeupNew::p)))
        .gives(&all);
    m.tp_btf::<SchedSwitch>(|b, it| {
        let preempt = it.get(SchedSwitch::preempt);
        let prev = it.get(SchedSwitch::prev);
        let next = it.get(SchedSwitch::next);
        let now = b.now_ns();
        let prev_tid = b.read(&prev, TaskStruct::pid).to::<u32>();
        // Thread 0 is a CPU that has nothing to do.
        b.when(prev_tid.is_not(0), |b| {
            let state = state(b, &prev);
            let could_go_on = preempt.is_not(0).or(&state.is(0));
            let owner = owner::of_task(b, &prev);
            SCHED.entry(b, &owner, |b, it| {
                // Each time: it may have become another program.
                owner::leader_comm(b, &prev, &it, CpuSched::comm);
                b.when_else(
                    could_go_on.clone(),
                    |_| it.add(CpuSched::involuntary_switches, 1),
                    |_| it.add(CpuSched::voluntary_switches, 1),
                );
            });
            b.when_else(
                could_go_on.clone(),
                |b| QUEUED.put(b, &prev_tid, &now),
                // Who was woken up while still running waits for nothing.
                |b| QUEUED.delete(b, &prev_tid),
            );
        });
        let next_tid = b.read(&next, TaskStruct::pid).to::<u32>();
        QUEUED.with(b, &next_tid, |b, since| {
            let waited = now.minus(since.value());
            let owner = owner::of_task(b, &next);
            SCHED.entry_or(
                b,
                &owner,
                |b, it| owner::leader_comm(b, &next, &it, CpuSched::comm),
                |_, it| {
                    it.add(CpuSched::run_queue_sum_ns, &waited);
                    it.count_log2(CpuSched::run_queue, &waited);
                },
            );
            QUEUED.delete(b, &next_tid);
        });
    })
    .gives(&all)
    .gives(&["voluntary_switches", "involuntary_switches"]);
    m
}
