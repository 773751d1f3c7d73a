//! `disk`: how long requests to block devices took, by who asked.

use typed_bpf::Block;
use typed_bpf::Comm;
use typed_bpf::Hash;
use typed_bpf::Module;
use typed_bpf::Tracepoint;
use typed_bpf::Val;
use typed_bpf::bpf_struct;

use crate::figure::LOG2_SLOTS;
use crate::kernel::BlockRqComplete;
use crate::kernel::BlockRqCompletion;
use crate::kernel::BlockRqIssue;
use crate::owner;
use crate::owner::OWNERS_MAX;
use crate::owner::Owner;

bpf_struct! {
    /// Figures of who sent requests on to a device: the process that asked, or a thread of
    /// the kernel that writes for all.
    pub struct Disk {
        /// The process' name.
        pub comm: Comm,
        /// Requests that have ended.
        pub requests: u64,
        /// Octets that were asked for.
        pub bytes: u64,
        /// How long each took.
        pub latency: [u64; LOG2_SLOTS],
    }
}

bpf_struct! {
    /// Where a request begins, which tells those apart that are under way.
    pub struct Place {
        /// First sector.
        pub sector: u64,
        /// Device.
        pub dev: u32,
        /// Always 0.
        pub pad: u32,
    }
}

bpf_struct! {
    /// A request that is under way.
    pub struct Issued {
        /// Whose.
        pub owner: Owner,
        /// When it was sent to the device.
        pub at_ns: u64,
    }
}

/// By process.
pub const DISK: Hash<Owner, Disk> = Hash::new("disk", OWNERS_MAX);
/// By place.
pub const ISSUED: Hash<Place, Issued> = Hash::new("issued", 8192);

fn complete(b: &mut Block<'_, Tracepoint>, dev: Val<'_, u32>, sector: Val<'_, u64>) {
    let place = b.new_struct::<Place>("place");
    place.set(Place::sector, sector).set(Place::dev, dev);
    ISSUED.with(b, &place, |b, issued| {
        let took = b.now_ns().minus(issued.get(Issued::at_ns));
        let owner = b.copy_of(&issued, Issued::owner);
        DISK.with(b, &owner, |_, it| {
            it.add(Disk::requests, 1);
            it.count_log2(Disk::latency, &took);
        });
        ISSUED.delete(b, &place);
    });
}

/// The programs.
pub fn module() -> Module {
    let mut m = Module::new(
        "disk",
        "How long requests to block devices took, by who asked.",
    );
    let all = ["requests", "bytes", "latency"];
    m.tracepoint::<BlockRqIssue>(|b, it| {
        let (dev, sector) = (it.field(BlockRqIssue::dev), it.field(BlockRqIssue::sector));
        let bytes = it.field(BlockRqIssue::bytes).to::<u64>();
        let place = b.new_struct::<Place>("place");
        place.set(Place::sector, sector).set(Place::dev, dev);
        let owner = owner::current(b);
        let now = b.now_ns();
        let issued = b.new_struct::<Issued>("issued");
        issued
            .set_struct(Issued::owner, &owner)
            .set(Issued::at_ns, &now);
        ISSUED.put(b, &place, &issued);
        let name = |_: &mut Block<'_, Tracepoint>, it: typed_bpf::Entry<'_, Disk>| {
            it.set_current_comm(Disk::comm);
        };
        DISK.entry_or(b, &owner, name, |_, it| it.add(Disk::bytes, &bytes));
    })
    .gives(&all);
    m.first_of(&[
        &|m| {
            m.tracepoint::<BlockRqCompletion>(|b, it| {
                let dev = it.field(BlockRqCompletion::dev);
                complete(b, dev, it.field(BlockRqCompletion::sector));
            })
            .gives(&all)
            .needs_type(
                "trace_event_raw_block_rq_completion",
                "its tracepoint is another one",
            );
        },
        &|m| {
            m.tracepoint::<BlockRqComplete>(|b, it| {
                let dev = it.field(BlockRqComplete::dev);
                complete(b, dev, it.field(BlockRqComplete::sector));
            })
            .gives(&all);
        },
    ]);
    m
}
