//! `mem`: memory that was refused or had to be waited for, by process.

use typed_bpf::Block;
use typed_bpf::Comm;
use typed_bpf::Entry;
use typed_bpf::Event;
use typed_bpf::Field;
use typed_bpf::Hash;
use typed_bpf::Kind;
use typed_bpf::Local;
use typed_bpf::Module;
use typed_bpf::Operand;
use typed_bpf::bpf_struct;

use crate::kernel::FolioMarkAccessed;
use crate::kernel::MarkPageAccessed;
use crate::kernel::MarkVictim;
use crate::kernel::MarkVictimFields;
use crate::kernel::MmFilemapAddToPageCache;
use crate::kernel::MmFilemapGetPages;
use crate::kernel::SchedProcessExit;
use crate::kernel::TaskStruct;
use crate::kernel::WritebackDirtyFolio;
use crate::kernel::WritebackDirtyPage;
use crate::owner;
use crate::owner::OWNERS_MAX;
use crate::owner::Owner;

bpf_struct! {
    /// Figures of one process.
    pub struct Memory {
        /// The process' name.
        pub comm: Comm,
        /// Processes that were killed because there was no memory.
        pub oom_kills: u64,
        /// When the last of them was killed, on the monotonic clock.
        pub oom_ns: u64,
        /// Page faults that waited for a disk.
        pub major_faults: u64,
        /// Pages of files that were asked for.
        pub page_cache_accesses: u64,
        /// Pages that were put into the page cache: they had not been there.
        pub page_cache_additions: u64,
        /// Pages of files that were written to.
        pub page_cache_dirtied: u64,
    }
}

/// By process.
pub const MEMORY: Hash<Owner, Memory> = Hash::new("memory", OWNERS_MAX);
/// Threads that were chosen to be killed and have not ended yet.
pub const VICTIMS: Hash<u32, u8> = Hash::new("victims", 1024);
/// A process that is killed once more after this long is another one with its number. Ours:
/// of one that has not ended after 2 s the kernel takes the memory itself
/// (`OOM_REAPER_DELAY` in mm/oom_kill.c).
const DYING_NS: u64 = 60_000_000_000;

fn count<K: Kind>(b: &mut Block<'_, K>, field: Field<Memory, u64>, by: impl Operand<u64>) {
    let owner = owner::current(b);
    MEMORY.entry(b, &owner, |_, it| {
        it.set_current_comm(Memory::comm);
        it.add(field, by);
    });
}

/// A process is killed. Each thread of it that wants memory until it has ended is told as a
/// victim as well.
fn killed<K: Kind>(
    b: &mut Block<'_, K>,
    owner: &Local<'_, Owner>,
    name: impl for<'i> FnOnce(&mut Block<'i, K>, &Entry<'i, Memory>),
) {
    let now = b.now_ns();
    MEMORY.entry(b, owner, |b, it| {
        name(b, &it);
        let last = it.get(Memory::oom_ns);
        let is_another = last.is(0).or(&now.minus(&last).is_above(DYING_NS));
        b.when(is_another, |_| {
            it.add(Memory::oom_kills, 1);
            it.set(Memory::oom_ns, &now);
        });
    });
}

/// The programs.
pub fn module() -> Module {
    let mut m = Module::new(
        "mem",
        "Memory that was refused or had to be waited for, by process.",
    );
    // By its arguments: a container without tracefs can attach this one, too.
    m.raw_tracepoint::<MarkVictim>(|b, it| {
        let given = it.get(MarkVictim::victim);
        let is_task = b.has_field(MarkVictimFields::uid);
        // Its SIGKILL was sent before: since Linux 6.16, where it ends without a wait for
        // the lock that is held here, its end may have been told already.
        b.when_else(
            is_task,
            |b| {
                let victim = given.as_pointer::<TaskStruct>();
                let owner = owner::of_task(b, &victim);
                killed(b, &owner, |b, it| {
                    owner::leader_comm(b, &victim, it, Memory::comm);
                });
            },
            |b| VICTIMS.put(b, &given.to::<u32>(), 1),
        );
    })
    .gives(&["oom_kills"]);
    // One of which only the number was told is counted in its own context, where it is
    // known whose it is.
    m.tp_btf::<SchedProcessExit>(|b, _| {
        let tid = b.current_tid();
        VICTIMS.with(b, &tid, |b, _| {
            let owner = owner::current(b);
            killed(b, &owner, |_, it| it.set_current_comm(Memory::comm));
            VICTIMS.delete(b, &tid);
        });
    })
    .gives(&["oom_kills"]);
    m.perf_event(Event::MajorPageFault, |b| count(b, Memory::major_faults, 1))
        .gives(&["major_faults"]);
    m.first_of(&[
        &|m| {
            m.tp_btf::<MmFilemapGetPages>(|b, it| {
                let (first, last) = (
                    it.get(MmFilemapGetPages::index),
                    it.get(MmFilemapGetPages::last_index),
                );
                count(b, Memory::page_cache_accesses, last.minus(&first).plus(1));
            })
            .gives(&["page_cache_accesses"]);
        },
        &|m| {
            m.kprobe::<FolioMarkAccessed>(|b, _| count(b, Memory::page_cache_accesses, 1))
                .gives(&["page_cache_accesses"]);
        },
        &|m| {
            m.kprobe::<MarkPageAccessed>(|b, _| count(b, Memory::page_cache_accesses, 1))
                .gives(&["page_cache_accesses"]);
        },
    ]);
    m.tp_btf::<MmFilemapAddToPageCache>(|b, _| count(b, Memory::page_cache_additions, 1))
        .gives(&["page_cache_additions"]);
    m.first_of(&[
        &|m| {
            m.tp_btf::<WritebackDirtyFolio>(|b, _| count(b, Memory::page_cache_dirtied, 1))
                .gives(&["page_cache_dirtied"]);
        },
        &|m| {
            m.tp_btf::<WritebackDirtyPage>(|b, _| count(b, Memory::page_cache_dirtied, 1))
                .gives(&["page_cache_dirtied"]);
        },
    ]);
    m
}
