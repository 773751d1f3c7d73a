//! Loads and attaches the programs, and says which signals this kernel gives.

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_rs::Link;
use libbpf_rs::OpenObject;
use libbpf_rs::skel::OpenSkel as _;
use libbpf_rs::skel::SkelBuilder as _;

use super::bpf::DnsMonitorSkel;
use super::bpf::DnsMonitorSkelBuilder;
use super::bpf::OpenDnsMonitorSkel;
use crate::host::Host;
use crate::host::Signal;

/// Ports that can be watched at once; `DNS_PORTS_MAX` of bpf/dns_monitor.h.
pub const PORTS_MAX: usize = 8;

/// What the programs are told before they are loaded.
#[derive(Clone, Debug)]
pub struct Config {
    /// DNS ports to watch; at most [`PORTS_MAX`].
    pub ports: Vec<u16>,
    /// Wake the poller for every record (someone watches live) instead of in
    /// batches, which costs the host less.
    pub live: bool,
}

/// The programs in the kernel. Dropping it detaches and frees everything.
pub(super) struct Loaded<'obj> {
    pub(super) skel: DnsMonitorSkel<'obj>,
    pub(super) signals: Vec<Signal>,
}

impl<'obj> Loaded<'obj> {
    /// Opens, configures, loads and attaches; nothing counts before [`Self::arm`].
    pub(super) fn new(
        object: &'obj mut MaybeUninit<OpenObject>,
        host: &Host,
        config: &Config,
    ) -> Result<Self> {
        let mut open = open(object)?;
        configure(&mut open, config);
        let signals = host.signals();
        for signal in signals.iter().filter(|signal| signal.missing.is_some()) {
            disable(&mut open, signal.name);
        }
        let skel = open
            .load()
            .context("this kernel rejected kerno's programs; `kerno verify` shows which and why")?;
        let mut loaded = Self { skel, signals };
        loaded.attach(host.cgroup())?;
        Ok(loaded)
    }

    /// Answers first: an answer without its query is harmless, the contrary
    /// would look like a failure.
    fn attach(&mut self, cgroup: BorrowedFd<'_>) -> Result<()> {
        let Self { skel, signals } = self;
        let links = &mut skel.links;
        let progs = &skel.progs;
        links.dns_socket_error = attach_optional(&progs.dns_socket_error, signals, SOCKET_ERROR);
        links.dns_packet_drop = attach_optional(&progs.dns_packet_drop, signals, PACKET_DROP);
        let attach = |prog: &libbpf_rs::ProgramMut<'_>| -> Result<Link> {
            prog.attach_cgroup(cgroup.as_raw_fd())
                .with_context(|| format!("cannot attach {:?} to the cgroup v2 root", prog.name()))
        };
        links.dns_ingress = Some(attach(&progs.dns_ingress)?);
        links.dns_egress = Some(attach(&progs.dns_egress)?);
        Ok(())
    }

    /// Queries count from now on, or no more.
    pub(super) fn arm(&mut self, armed: bool) {
        if let Some(bss) = self.skel.maps.bss_data.as_mut() {
            bss.armed = u32::from(armed);
        }
    }

    /// Takes every program off its hook.
    pub(super) fn detach(&mut self) {
        let links = &mut self.skel.links;
        links.dns_egress = None;
        links.dns_ingress = None;
        links.dns_packet_drop = None;
        links.dns_socket_error = None;
    }
}

/// Tracepoint behind each optional program, which is the signal's name.
const SOCKET_ERROR: &str = "inet_sk_error_report";
const PACKET_DROP: &str = "kfree_skb";

pub(super) fn open(object: &mut MaybeUninit<OpenObject>) -> Result<OpenDnsMonitorSkel<'_>> {
    DnsMonitorSkelBuilder::default()
        .open(object)
        .context("kerno's BPF object cannot be opened")
}

pub(super) fn configure(open: &mut OpenDnsMonitorSkel<'_>, config: &Config) {
    if let Some(rodata) = open.maps.rodata_data.as_mut() {
        let ports = &config.ports[..config.ports.len().min(PORTS_MAX)];
        rodata.config.ports[..ports.len()].copy_from_slice(ports);
        rodata.config.nports = ports.len() as u32;
        rodata.config.live = u32::from(config.live);
    }
}

fn disable(open: &mut OpenDnsMonitorSkel<'_>, signal: &str) {
    match signal {
        SOCKET_ERROR => open.progs.dns_socket_error.set_autoload(false),
        PACKET_DROP => open.progs.dns_packet_drop.set_autoload(false),
        _ => {}
    }
}

/// A tracing program that does not attach is a missing signal, not an error.
fn attach_optional(
    prog: &libbpf_rs::ProgramMut<'_>,
    signals: &mut [Signal],
    name: &str,
) -> Option<Link> {
    let signal = signals.iter_mut().find(|signal| signal.name == name)?;
    if signal.missing.is_some() {
        return None;
    }
    match prog.attach() {
        Ok(link) => Some(link),
        Err(error) => {
            signal.missing = Some(format!("the kernel refused the hook: {error:#}"));
            None
        }
    }
}
