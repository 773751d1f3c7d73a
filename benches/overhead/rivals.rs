//! What kerno is compared with, in the kernel: programs of `bpf/bench.bpf.c`.

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::Link;
use libbpf_rs::MapHandle;
use libbpf_rs::RingBufferBuilder;
use libbpf_rs::skel::OpenSkel as _;
use libbpf_rs::skel::Skel as _;
use libbpf_rs::skel::SkelBuilder as _;

use crate::site::Site;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_imports,
    dead_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]
mod bpf {
    include!(concat!(env!("OUT_DIR"), "/bench.skel.rs"));
}

use bpf::BenchSkelBuilder;

/// Names of the empty programs, by the direction that they are called in.
pub(crate) const EMPTY_EGRESS: &str = "empty_egress";
pub(crate) const EMPTY_INGRESS: &str = "empty_ingress";

/// How long a reader of records sleeps at most before it sees that it is to end.
const PATIENCE: Duration = Duration::from_millis(50);

/// Programs on their hooks. Dropped, they are gone.
#[derive(Debug)]
pub(crate) struct Attached {
    _links: Vec<Link>,
    records: MapHandle,
}

/// The empty programs, where kerno's are: on the root of the control groups.
pub(crate) fn empty(site: &Site) -> Result<Attached> {
    attach(site, "empty")
}

/// The obvious design, with a reader that counts the records and does no more, for
/// as long as `f` runs.
pub(crate) fn obvious<T>(site: &Site, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let attached = attach(site, "obvious")?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<u64> {
            let mut count = 0;
            let mut ring = RingBufferBuilder::new();
            ring.add(&attached.records, |_| {
                count += 1;
                0
            })?;
            let ring = ring.build()?;
            while !is_over.load(Ordering::Relaxed) {
                ring.poll(PATIENCE)?;
            }
            drop(ring);
            Ok(count)
        });
        let done = f();
        is_over.store(true, Ordering::Relaxed);
        let read = reader.join();
        let count = read.ok().and_then(Result::ok).unwrap_or(0);
        done.and_then(|done| match count {
            0 => bail!("the obvious design saw nothing"),
            _ => Ok(done),
        })
    })
}

/// Attaches the programs whose names begin so.
fn attach(site: &Site, kind: &str) -> Result<Attached> {
    let root = site.cgroup_root()?;
    let mut object = MaybeUninit::uninit();
    let mut open = BenchSkelBuilder::default()
        .open(&mut object)
        .context("the BPF object of the bench cannot be opened")?;
    for mut program in open.open_object_mut().progs_mut() {
        let chosen = program.name().to_string_lossy().starts_with(kind);
        program.set_autoload(chosen);
    }
    let skel = open
        .load()
        .context("this kernel rejected the programs of the bench")?;
    let mut links = Vec::new();
    for program in skel.object().progs_mut().filter(|it| it.autoload()) {
        let link = match kind {
            "empty" => program.attach_cgroup(root.as_raw_fd()),
            _ => program.attach(),
        };
        links.push(link.with_context(|| format!("cannot attach {:?}", program.name()))?);
    }
    // The links hold the programs, and the handle the map, when the object is gone.
    Ok(Attached {
        _links: links,
        records: MapHandle::try_from(&skel.maps.records)?,
    })
}
