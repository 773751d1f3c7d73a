//! One module with a program of every kind, and a map of every kind.

#![allow(unreachable_pub, reason = "as it stands in a crate of definitions")]

use typed_bpf::Array;
use typed_bpf::Event;
use typed_bpf::Hash;
use typed_bpf::LruHash;
use typed_bpf::Module;
use typed_bpf::PerCpuArray;
use typed_bpf::PerCpuHash;
use typed_bpf::Ptr;
use typed_bpf::RingBuffer;
use typed_bpf::arguments;
use typed_bpf::bpf_struct;
use typed_bpf::kernel_struct;
use typed_bpf::tracepoint_fields;

kernel_struct! {
    /// include/linux/sched.h
    pub struct TaskStruct("task_struct") { tgid: i32 }
}

arguments! {
    /// include/trace/events/sched.h
    pub struct Fork("sched_process_fork") {
        parent: Ptr<TaskStruct>,
        child: Ptr<TaskStruct>,
    }
}

tracepoint_fields! {
    /// include/trace/events/sched.h
    pub struct ForkFields("sched/sched_process_fork", "trace_event_raw_sched_process_fork") {
        parent_pid: i32,
        child_pid: i32,
    }
}

arguments! {
    /// fs/exec.c
    pub struct BeginNewExec("begin_new_exec") {}
}

arguments! {
    /// kernel/fork.c
    pub struct WakeUpNewTask("wake_up_new_task") { p: Ptr<TaskStruct> }
}

bpf_struct! {
    /// A child that was made.
    pub struct Child {
        /// By which process.
        pub parent: u32,
        /// Its number.
        pub child: u32,
    }
}

const SLOTS: u32 = 64;

pub const HASH: Hash<u32, u64> = Hash::new("hash", 1024);
pub const LRU: LruHash<u32, u64> = LruHash::new("lru", 1024);
pub const PER_CPU: PerCpuHash<u32, u64> = PerCpuHash::new("per_cpu", 1024);
pub const ARRAY: Array<u64> = Array::new("array", SLOTS);
pub const PER_CPU_ARRAY: PerCpuArray<u64> = PerCpuArray::new("per_cpu_array", SLOTS);
pub const RECORDS: RingBuffer<Child> = RingBuffer::new("records", 65_536);
pub const TOO_SMALL: Hash<u32, u64> = Hash::new("too_small", 1);

/// Where the arrays count a process.
pub fn slot_of(tgid: u32) -> usize {
    (tgid % SLOTS) as usize
}

pub fn module() -> Module {
    let mut m = Module::new("every", "A program of every kind, and a map of every kind.");
    m.preamble("/* Before the programs. */");
    m.postamble("/* Behind the programs. */\n");
    m.tp_btf::<Fork>(|b, it| {
        let (parent, child) = (it.get(Fork::parent), it.get(Fork::child));
        let parent = b.read(&parent, TaskStruct::tgid).to::<u32>();
        let child = b.read(&child, TaskStruct::tgid).to::<u32>();
        // A new thread is no child.
        b.leave_when(child.is(&parent));
        HASH.entry(b, &parent, |_, it| it.add_value(1));
        RECORDS.emit(b, |_, it| {
            it.set(Child::parent, &parent);
            it.set(Child::child, &child);
        });
    });
    m.raw_tracepoint::<Fork>(|b, it| {
        let (parent, child) = (it.get(Fork::parent), it.get(Fork::child));
        let parent = b.read(&parent, TaskStruct::tgid).to::<u32>();
        let child = b.read(&child, TaskStruct::tgid).to::<u32>();
        b.when(child.is_not(&parent), |b| {
            LRU.entry(b, &parent, |_, it| it.add_value(1));
            PER_CPU.entry(b, &parent, |_, it| it.set_value(it.value().plus(1)));
        });
    });
    m.tracepoint::<ForkFields>(|b, it| {
        let child = it.field(ForkFields::child_pid);
        b.leave_when(child.is(0));
        let tgid = b.current_tgid();
        let slot = tgid.and_bits(SLOTS - 1);
        ARRAY.with(b, &slot, |_, it| it.add_value(1));
        PER_CPU_ARRAY.with(b, &slot, |_, it| it.add_value(1));
    });
    m.perf_event(Event::CpuMigration, |b| {
        b.raw("/* Whatever C says. */");
        let seven = b.raw_value::<u32>("seven", "7");
        ARRAY.with(b, &seven, |_, _| {});
    });
    m.kprobe::<BeginNewExec>(|b, _| {
        let address = b.func_ip();
        b.leave_when(address.is(0));
    });
    m.kretprobe::<BeginNewExec>(|b, it| {
        let failed = it.returned::<i32>().is_below(0);
        b.leave_when(failed);
    });
    m
}

/// The same on the entry of a function; not every kernel that has them lets one attach.
pub fn module_on_functions() -> Module {
    let mut m = Module::new("functions", "On the entry of a function.");
    m.fentry::<WakeUpNewTask>(|b, it| {
        let tgid = b
            .read(&it.get(WakeUpNewTask::p), TaskStruct::tgid)
            .to::<u32>();
        HASH.entry(b, &tgid, |_, it| it.add_value(1));
    });
    m
}

pub fn module_without_room() -> Module {
    let mut m = Module::new("without_room", "A map that is too small.");
    m.tp_btf::<Fork>(|b, it| {
        let child = it.get(Fork::child);
        let child = b.read(&child, TaskStruct::tgid).to::<u32>();
        TOO_SMALL.entry(b, &child, |_, it| it.add_value(1));
    });
    m
}
