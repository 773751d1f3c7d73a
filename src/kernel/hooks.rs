//! Which program hangs on which hook, and what it is for.

use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;

use libbpf_rs::Link;
use libbpf_rs::ProgramMut;

use crate::host::Signal;
use crate::host::signals::DENIALS;
use crate::host::signals::DISCARDS;
use crate::host::signals::FAILED_CONNECTS;
use crate::host::signals::FAILED_SENDS;
use crate::host::signals::PACKETS;
use crate::host::signals::READS;
use crate::host::signals::REASONS;
use crate::host::signals::SOCKET_ERRORS;

/// A program and its place.
#[derive(Debug)]
pub(super) struct Hook {
    /// Its name in bpf/dns_monitor.bpf.c.
    pub(super) program: &'static str,
    /// The signals that it gives or takes part in.
    pub(super) signals: &'static [&'static str],
    kind: Kind,
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
pub(super) const HOOKS: [Hook; 11] = [
    Hook::trace("dns_read", &[READS]),
    Hook::trace("dns_sent", &[FAILED_SENDS]),
    Hook::cgroup("dns_release", &[FAILED_CONNECTS]),
    Hook::cgroup("dns_connect4", &[DENIALS, FAILED_CONNECTS]),
    Hook::cgroup("dns_connect6", &[DENIALS, FAILED_CONNECTS]),
    Hook::cgroup("dns_sendmsg4", &[DENIALS, FAILED_SENDS]),
    Hook::cgroup("dns_sendmsg6", &[DENIALS, FAILED_SENDS]),
    Hook::trace("dns_socket_error", &[SOCKET_ERRORS]),
    Hook::trace("dns_packet_drop", &[DISCARDS, REASONS]),
    Hook::cgroup("dns_ingress", &[PACKETS]),
    Hook::cgroup("dns_egress", &[PACKETS]),
];

impl Hook {
    const fn cgroup(program: &'static str, signals: &'static [&'static str]) -> Self {
        Self {
            program,
            signals,
            kind: Kind::Cgroup,
        }
    }

    const fn trace(program: &'static str, signals: &'static [&'static str]) -> Self {
        Self {
            program,
            signals,
            kind: Kind::Trace,
        }
    }

    pub(super) fn of(program: &str) -> Option<&'static Self> {
        HOOKS.iter().find(|hook| hook.program == program)
    }

    /// Whether kerno can't work without it.
    pub(super) fn is_core(&self) -> bool {
        self.signals.contains(&PACKETS)
    }

    /// Whether it gives anything on this kernel.
    pub(super) fn is_of_use(&self, signals: &[Signal]) -> bool {
        self.is_core() || self.signals.iter().any(|name| is_there(signals, name))
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
pub(super) fn is_there(signals: &[Signal], name: &str) -> bool {
    signals
        .iter()
        .any(|signal| signal.name == name && signal.missing.is_none())
}
