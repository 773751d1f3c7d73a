//! Which program hangs on which hook, and what it is for.

use std::fmt;
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

/// What is to be looked at beyond packets. Each costs every socket of the host something,
/// so it is attached only while there is a reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// When answers are read.
    pub(crate) reads: bool,
    /// What sends return.
    pub(crate) sends: bool,
    /// Sends that a program of another control group denies.
    pub(crate) denials: bool,
}

impl Wanted {
    /// All of it.
    pub(crate) const ALL: Self = Self {
        reads: true,
        sends: true,
        denials: true,
    };

    const fn reads(self) -> bool {
        self.reads
    }

    const fn sends(self) -> bool {
        self.sends
    }

    const fn destinations(self) -> bool {
        self.sends || self.denials
    }
}

/// A program and its place.
pub(super) struct Hook {
    /// Its name in bpf/dns_monitor.bpf.c.
    pub(super) program: &'static str,
    /// The signals that it gives or takes part in.
    pub(super) signals: &'static [SignalName],
    kind: Kind,
    /// Whether it needs atomic swaps, or is there for kernels without them.
    swaps: Option<bool>,
    /// When it is attached; `None` for always.
    demand: Option<fn(Wanted) -> bool>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)
    }
}

/// How a program gets onto its hook.
#[derive(Debug)]
enum Kind {
    /// On the cgroup v2 root.
    Cgroup,
    /// On a tracepoint, which its section names.
    Trace,
    /// On none: it is run when it is asked.
    Asked,
}

/// In the order in which they are attached. Answers before queries: an answer
/// without its query is harmless, the contrary would look like a failure.
pub(super) const HOOKS: [Hook; 14] = [
    Hook::asked("dns_no_routes", &[FailedSends]),
    Hook::trace("dns_read", &[Reads]).while_wanted(Wanted::reads),
    Hook::cgroup("dns_release", &[FailedConnects]),
    Hook::cgroup("dns_connect4", &[Denials, FailedConnects]),
    Hook::cgroup("dns_connect6", &[Denials, FailedConnects]),
    Hook::cgroup("dns_sendmsg4", &[Denials, FailedSends]).while_wanted(Wanted::destinations),
    Hook::cgroup("dns_sendmsg6", &[Denials, FailedSends]).while_wanted(Wanted::destinations),
    Hook::trace("dns_sent", &[FailedSends]).while_wanted(Wanted::sends),
    Hook::trace("dns_socket_error", &[SocketErrors]),
    Hook::trace("dns_packet_drop", &[Discards, Reasons]),
    Hook::cgroup("dns_ingress", &[Packets]).with_swaps(true),
    Hook::cgroup("dns_egress", &[Packets]).with_swaps(true),
    Hook::cgroup("dns_ingress_old", &[Packets]).with_swaps(false),
    Hook::cgroup("dns_egress_old", &[Packets]).with_swaps(false),
];

impl Hook {
    const fn cgroup(program: &'static str, signals: &'static [SignalName]) -> Self {
        Self::new(program, signals, Kind::Cgroup)
    }

    const fn trace(program: &'static str, signals: &'static [SignalName]) -> Self {
        Self::new(program, signals, Kind::Trace)
    }

    const fn asked(program: &'static str, signals: &'static [SignalName]) -> Self {
        Self::new(program, signals, Kind::Asked)
    }

    const fn new(program: &'static str, signals: &'static [SignalName], kind: Kind) -> Self {
        Self {
            program,
            signals,
            kind,
            swaps: None,
            demand: None,
        }
    }

    const fn while_wanted(mut self, demand: fn(Wanted) -> bool) -> Self {
        self.demand = Some(demand);
        self
    }

    const fn with_swaps(mut self, swaps: bool) -> Self {
        self.swaps = Some(swaps);
        self
    }

    pub(super) fn of(program: &str) -> Option<&'static Self> {
        HOOKS.iter().find(|hook| hook.program == program)
    }

    /// Whether kerno can't work without it.
    pub(super) fn is_core(&self) -> bool {
        self.signals.contains(&Packets)
    }

    /// Whether it is attached all the time.
    pub(super) fn is_permanent(&self) -> bool {
        self.demand.is_none()
    }

    /// Whether it is to be attached now.
    pub(super) fn is_wanted(&self, wanted: Wanted) -> bool {
        self.demand.is_none_or(|demand| demand(wanted))
    }

    /// Whether it gives anything on this kernel.
    pub(super) fn is_of_use(&self, features: Features, signals: &[Signal]) -> bool {
        if self.swaps.is_some_and(|swaps| swaps != features.swaps) {
            return false;
        }
        if matches!(self.kind, Kind::Asked) && features.no_routes.is_none() {
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

    /// `None` if there is nothing to attach.
    pub(super) fn attach(
        &self,
        program: &ProgramMut<'_>,
        cgroup: BorrowedFd<'_>,
    ) -> libbpf_rs::Result<Option<Link>> {
        match self.kind {
            Kind::Cgroup => program.attach_cgroup(cgroup.as_raw_fd()).map(Some),
            Kind::Trace => program.attach().map(Some),
            Kind::Asked => Ok(None),
        }
    }
}

/// Whether the kernel gives a signal.
pub(super) fn is_there(signals: &[Signal], name: SignalName) -> bool {
    signals
        .iter()
        .any(|signal| signal.name == name && signal.missing.is_none())
}
