//! A BPF program that denies DNS to a cgroup, as a network policy does.

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_rs::Link;
use libbpf_rs::ProgramAttachType;
use libbpf_rs::skel::OpenSkel as _;
use libbpf_rs::skel::Skel as _;
use libbpf_rs::skel::SkelBuilder as _;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]
mod bpf {
    include!(concat!(env!("OUT_DIR"), "/chaos_deny.skel.rs"));
}

use bpf::ChaosDenySkelBuilder;

/// What is denied to port 53, with `EPERM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deny {
    /// `connect()` to an IPv4 address; glibc and Go connect.
    Connect4,
    /// `connect()` to an IPv6 address.
    Connect6,
    /// Sends of unconnected UDP sockets to an IPv4 address; musl does not connect.
    Sendmsg4,
    /// Sends of unconnected UDP sockets to an IPv6 address.
    Sendmsg6,
    /// Packets, when they leave their socket.
    Egress,
    /// Packets, when they come to the socket that they are for. Its program is not told.
    Ingress,
}

impl Deny {
    /// Its program in bpf/chaos_deny.bpf.c, and the hook for that.
    fn program(self) -> (&'static str, ProgramAttachType) {
        match self {
            Self::Connect4 => ("deny_call", ProgramAttachType::CgroupInet4Connect),
            Self::Connect6 => ("deny_call", ProgramAttachType::CgroupInet6Connect),
            Self::Sendmsg4 => ("deny_call", ProgramAttachType::CgroupUdp4Sendmsg),
            Self::Sendmsg6 => ("deny_call", ProgramAttachType::CgroupUdp6Sendmsg),
            Self::Egress => ("deny_packet", ProgramAttachType::CgroupInetEgress),
            Self::Ingress => ("deny_packet", ProgramAttachType::CgroupInetIngress),
        }
    }
}

/// A denial in force. Dropping it permits again, and so does the end of the
/// process, however it ends.
#[derive(Debug)]
pub struct Denial(Link);

impl Drop for Denial {
    fn drop(&mut self) {
        // A child that has not yet executed anything may hold the link too.
        let _permitted_anyway = self.0.detach();
    }
}

/// Denies it to all processes in a cgroup (version 2) and below. `cgroup` is its
/// folder.
pub fn deny(cgroup: BorrowedFd<'_>, which: Deny) -> Result<Denial> {
    let mut object = MaybeUninit::uninit();
    let mut open = ChaosDenySkelBuilder::default()
        .open(&mut object)
        .context("the BPF object that denies DNS cannot be opened")?;
    let (name, hook) = which.program();
    for mut program in open.open_object_mut().progs_mut() {
        let chosen = program.name() == name;
        program.set_autoload(chosen);
        if chosen {
            program.set_attach_type(hook.clone());
        }
    }
    let skel = open
        .load()
        .context("this kernel rejected the program that denies DNS")?;
    let program = skel
        .object()
        .progs_mut()
        .find(|program| program.name() == name)
        .context("the object lost a program")?;
    // The link holds the program when the object is gone.
    let link = program
        .attach_cgroup(cgroup.as_raw_fd())
        .with_context(|| format!("cannot attach {name} ({which:?}) to the cgroup"))?;
    Ok(Denial(link))
}
