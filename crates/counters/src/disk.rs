//! `disk`: how long requests to block devices took, by who asked.

use typed_bpf::Block;
use typed_bpf::Comm;
use typed_bpf::Hash;
use typed_bpf::Local;
use typed_bpf::Module;
use typed_bpf::Tracepoint;
use typed_bpf::Val;
use typed_bpf::bpf_struct;

use crate::figure::LOG2_SLOTS;
use crate::kernel::BlockGetRq;
use crate::kernel::BlockGetrq;
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
    pub struct Request {
        /// Whose.
        pub owner: Owner,
        /// The process' name.
        pub comm: Comm,
        /// When it was sent to the device; 0 before.
        pub at_ns: u64,
        /// Octets that are asked for.
        pub bytes: u64,
    }
}

/// By process.
pub const DISK: Hash<Owner, Disk> = Hash::new("disk", OWNERS_MAX);
/// By place.
pub const REQUESTS: Hash<Place, Request> = Hash::new("requests", 8192);

fn place_of<'s>(
    b: &mut Block<'s, Tracepoint>,
    dev: Val<'_, u32>,
    sector: Val<'_, u64>,
) -> Local<'s, Place> {
    let place = b.new_struct::<Place>("place");
    place.set(Place::sector, sector).set(Place::dev, dev);
    place
}

fn begin(b: &mut Block<'_, Tracepoint>, dev: Val<'_, u32>, sector: Val<'_, u64>) {
    let place = place_of(b, dev, sector);
    let owner = owner::current(b);
    let request = b.new_struct::<Request>("request");
    request.set_struct(Request::owner, &owner);
    REQUESTS.put(b, &place, &request);
    REQUESTS.with(b, &place, |_, it| it.set_current_comm(Request::comm));
}

fn complete(b: &mut Block<'_, Tracepoint>, dev: Val<'_, u32>, sector: Val<'_, u64>) {
    let place = place_of(b, dev, sector);
    REQUESTS.with(b, &place, |b, request| {
        let took = b.now_ns().minus(request.get(Request::at_ns));
        let bytes = request.get(Request::bytes);
        let owner = b.copy_of(&request, Request::owner);
        // Of one that was begun before anybody looked it is not known how long it took.
        b.when(request.get(Request::at_ns).is_not(0), |b| {
            DISK.entry(b, &owner, |_, it| {
                it.copy_from(Disk::comm, &request, Request::comm);
                it.add(Disk::requests, 1);
                it.add(Disk::bytes, &bytes);
                it.count_log2(Disk::latency, &took);
            });
        });
        REQUESTS.delete(b, &place);
    });
}

/// The programs.
pub fn module() -> Module {
    let mut m = Module::new(
        "disk",
        "How long requests to block devices took, by who asked.",
    );
    let all = ["requests", "bytes", "latency"];
    // Who asks is running; the request may be sent on by anybody.
    m.first_of(&[
        &|m| {
            m.tracepoint::<BlockGetRq>(|b, it| {
                let dev = it.field(BlockGetRq::dev);
                begin(b, dev, it.field(BlockGetRq::sector));
            })
            .gives(&all)
            .needs_type(
                "trace_event_raw_block_get_rq",
                "its tracepoint is another one",
            );
        },
        &|m| {
            m.tracepoint::<BlockGetrq>(|b, it| {
                let dev = it.field(BlockGetrq::dev);
                begin(b, dev, it.field(BlockGetrq::sector));
            })
            .gives(&all);
        },
    ]);
    m.tracepoint::<BlockRqIssue>(|b, it| {
        let (dev, sector) = (it.field(BlockRqIssue::dev), it.field(BlockRqIssue::sector));
        let bytes = it.field(BlockRqIssue::bytes).to::<u64>();
        let place = place_of(b, dev, sector);
        let now = b.now_ns();
        REQUESTS.with(b, &place, |_, it| {
            it.set(Request::at_ns, &now);
            it.set(Request::bytes, &bytes);
        });
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
