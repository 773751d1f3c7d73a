//! What this machine offers: rights, kernel features, cgroups, signals.
//! Each file format of the kernel is parsed once, in [`proc`] and [`netlink`].

mod capabilities;
mod cgroup;
mod clock;
pub mod conntrack;
mod drop_names;
mod facts;
mod groups;
pub mod netlink;
pub mod netns;
mod own_pages;
pub mod privileges;
pub mod proc;
mod restrictions;
mod signals;
mod tools;

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;

use anyhow::Result;
use anyhow::bail;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;

use proc::Root;

pub use cgroup::mount_point as cgroup_mount_point;
pub use clock::Clock;
pub use drop_names::DropNames;
pub use facts::Facts;
pub use groups::group_id;
pub use own_pages::give_back_heap;
pub use own_pages::give_back_pages;
pub use restrictions::of_programs as what_forbids_programs;
pub use restrictions::of_symbols as what_hides_functions;
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
            // Where even the oldest kind of map is refused, it is not the kernel's age.
            let is_refused = !libbpf_rs::MapType::Array.is_supported()?;
            match restrictions::of_bpf(&Root::default()) {
                Some(why) if is_refused || restrictions::is_in_user_namespace(&Root::default()) => {
                    bail!("the kernel refuses kerno's BPF maps: {why}")
                }
                _ if is_refused => bail!(
                    "the kernel refuses kerno's BPF maps although the capabilities are there: a \
                     security module (SELinux, AppArmor, a BPF LSM) may forbid them; its audit log \
                     says so"
                ),
                _ => bail!(
                    "this kernel has no BPF ring buffers: kerno needs Linux 5.8 or later with BTF"
                ),
            }
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
