//! What this machine offers: rights, kernel features, cgroups, signals.
//! Each file format of the kernel is parsed once, in [`proc`] and [`netlink`].

mod capabilities;
mod cgroup;
mod clock;
pub mod conntrack;
mod drop_names;
mod facts;
pub mod netlink;
pub mod netns;
pub mod proc;
mod signals;
mod tools;

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;

use anyhow::Result;
use anyhow::bail;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;

pub use cgroup::mount_point as cgroup_mount_point;
pub use clock::Clock;
pub use drop_names::DropNames;
pub use facts::Facts;
pub use signals::Signal;
pub use signals::SignalName;
pub use tools::Tools;

/// A host on which kerno's programs can be loaded.
#[derive(Debug)]
pub struct Host {
    cgroup: File,
}

impl Host {
    /// Checks rights, BTF, ring buffers and cgroup v2, in the order in which a
    /// user can do something about them.
    pub fn probe() -> Result<Self> {
        capabilities::check()?;
        signals::check_btf()?;
        // Kernels since 5.11 charge BPF memory to the cgroup and ignore this.
        if let Err(error) = setrlimit(
            Resource::RLIMIT_MEMLOCK,
            nix::sys::resource::RLIM_INFINITY,
            nix::sys::resource::RLIM_INFINITY,
        ) {
            log::debug!("RLIMIT_MEMLOCK stays as it is: {error}");
        }
        if !libbpf_rs::MapType::RingBuf.is_supported()? {
            bail!("this kernel has no BPF ring buffers: kerno needs Linux 5.8 or later with BTF");
        }
        let cgroup = cgroup::open_root()?;
        Ok(Self { cgroup })
    }

    /// Which signals this kernel gives, and what limits them here.
    pub fn signals(&self) -> Vec<Signal> {
        let mut signals = signals::signals();
        if !cgroup::is_host_root(&self.cgroup) {
            for signal in signals
                .iter_mut()
                .filter(|signal| signal.name == SignalName::Packets)
            {
                signal.missing = Some(
                    "kerno runs in a cgroup namespace and sees only the sockets of its own \
                     container: start it on the host, or with the host's cgroup namespace"
                        .to_owned(),
                );
            }
        }
        signals
    }

    /// The root of the cgroup v2 hierarchy, under which every socket is.
    pub fn cgroup(&self) -> BorrowedFd<'_> {
        self.cgroup.as_fd()
    }
}
