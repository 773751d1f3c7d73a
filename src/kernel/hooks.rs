//! Which program hangs on which hook, and what it is for.

use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;

use libbpf_rs::Link;
use libbpf_rs::ProgramMut;

use super::features::Features;
use crate::host::Signal;
use crate::host::SignalName;
use crate::host::SignalName::Denials;
use crate::host::SignalName::Discards;
use crate::host::SignalName::FailedConnects;
use crate::host::SignalName::FailedSends;
use crate::host::SignalName::Packets;
use crate::host::SignalName::Reads;
use crate::host::SignalName::Reasons;
use crate::host::SignalName::SocketErrors;

/// A program and its place.
#[derive(Debug)]
pub(super) struct Hook {
    /// Its name in bpf/dns_monitor.bpf.c.
    pub(super) program: &'static str,
    /// The signals that it gives or takes part in.
    pub(super) signals: &'static [SignalName],
    kind: Kind,
    /// Whether it needs atomic swaps, or is there for kernels without them.
    swaps: Option<bool>,
}

/// How a program gets onto its hook.
#[derive(Debug)]
enum Kind {
    /// On the cgroup v2 root.
    Cgroup,
    /// On a tracepoint, which its section names.
    Trace,
}

/// In the order in which they are attached. Answers before queries: an answer
/// without its query is harmless, the contrary would look like a failure.
pub(super) const HOOKS: [Hook; 13] = [
    Hook::trace("dns_read", &[Reads]),
    Hook::trace("dns_sent", &[FailedSends]),
    Hook::cgroup("dns_release", &[FailedConnects]),
    Hook::cgroup("dns_connect4", &[Denials, FailedConnects]),
    Hook::cgroup("dns_connect6", &[Denials, FailedConnects]),
    Hook::cgroup("dns_sendmsg4", &[Denials, FailedSends]),
    Hook::cgroup("dns_sendmsg6", &[Denials, FailedSends]),
    Hook::trace("dns_socket_error", &[SocketErrors]),
    Hook::trace("dns_packet_drop", &[Discards, Reasons]),
    Hook::cgroup("dns_ingress", &[Packets]).with_swaps(true),
    Hook::cgroup("dns_egress", &[Packets]).with_swaps(true),
    Hook::cgroup("dns_ingress_old", &[Packets]).with_swaps(false),
    Hook::cgroup("dns_egress_old", &[Packets]).with_swaps(false),
];

impl Hook {
    const fn cgroup(program: &'static str, signals: &'static [SignalName]) -> Self {
        Self {
            program,
            signals,
            kind: Kind::Cgroup,
            swaps: None,
        }
    }

    const fn with_swaps(mut self, swaps: bool) -> Self {
        self.swaps = Some(swaps);
        self
    }

    const fn trace(program: &'static str, signals: &'static [SignalName]) -> Self {
        Self {
            program,
            signals,
            kind: Kind::Trace,
            swaps: None,
        }
    }

    pub(super) fn of(program: &str) -> Option<&'static Self> {
        HOOKS.iter().find(|hook| hook.program == program)
    }

    /// Whether kerno can't work without it.
    pub(super) fn is_core(&self) -> bool {
        self.signals.contains(&Packets)
    }

    /// Whether it gives anything on this kernel.
    pub(super) fn is_of_use(&self, features: Features, signals: &[Signal]) -> bool {
        if self.swaps.is_some_and(|swaps| swaps != features.swaps) {
            return false;
        }
        self.is_core() || self.signals.iter().any(|name| is_there(signals, *name))
    }

    /// The kernel refused the hook: what it was for is missing.
    pub(super) fn is_refused(&self, signals: &mut [Signal], error: &libbpf_rs::Error) {
        let mine = |signal: &&mut Signal| self.signals.contains(&signal.name);
        for signal in signals.iter_mut().filter(mine) {
            let why = || format!("the kernel refused the hook: {error:#}");
            signal.missing.get_or_insert_with(why);
        }
    }

    pub(super) fn attach(
        &self,
        program: &ProgramMut<'_>,
        cgroup: BorrowedFd<'_>,
    ) -> libbpf_rs::Result<Link> {
        match self.kind {
            Kind::Cgroup => program.attach_cgroup(cgroup.as_raw_fd()),
            Kind::Trace => program.attach(),
        }
    }
}

/// Whether the kernel gives a signal.
pub(super) fn is_there(signals: &[Signal], name: SignalName) -> bool {
    signals
        .iter()
        .any(|signal| signal.name == name && signal.missing.is_none())
}
