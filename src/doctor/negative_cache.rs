//! A cache on this host that still says what was true before: that a name does not exist.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::said::Questions;
use super::who;
use crate::attempt::Comm;
use crate::attempt::Fingerprint;
use crate::attempt::Role;
use crate::incidents::Asking;
use crate::incidents::Said;
use crate::shell::Command;

/// The name of systemd-resolved's process, as the kernel cuts it.
const RESOLVED: &[u8] = b"systemd-resolve";

/// What processes of this host answered and asked.
#[derive(Debug, Default)]
pub(super) struct Caches<'a> {
    /// By address of a server here and question.
    served: BTreeMap<(SocketAddr, u64, u16), &'a Said>,
    /// Whom each process asked, and how often it was denied a name.
    asked: BTreeMap<u32, BTreeMap<SocketAddr, u64>>,
    /// The same by question.
    denied: BTreeMap<(u32, u64, u16), u64>,
}

/// A cache with its process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cache {
    pid: u32,
    comm: Comm,
    /// Whether it was seen to ask the server that knows. If not, it may as well be a server with
    /// a zone of its own.
    pub(super) asks: bool,
}

fn key(question: Fingerprint) -> (u64, u16) {
    (question.name, question.rtype.to_int())
}

impl<'a> Caches<'a> {
    pub(super) fn of(all: &[(&Asking, &'a Said)]) -> Self {
        let mut caches = Self::default();
        for &(asking, said) in all {
            let (name, rtype) = key(asking.question);
            match (asking.role, said.pid) {
                (Role::Server, _) => {
                    caches.served.insert((asking.server, name, rtype), said);
                }
                (Role::Client, Some(pid)) => {
                    *caches
                        .asked
                        .entry(pid)
                        .or_default()
                        .entry(asking.server)
                        .or_default() += said.answers();
                    *caches.denied.entry((pid, name, rtype)).or_default() += said.no_such_name;
                }
                _ => {}
            }
        }
        caches
    }

    /// The process that denied this at an address of this host, if it did so oftener than it was
    /// itself told so, and asks nobody else than who knows the name.
    pub(super) fn stale(
        &self,
        denying: SocketAddr,
        knowing: SocketAddr,
        question: Fingerprint,
    ) -> Option<Cache> {
        let (name, rtype) = key(question);
        let said = self.served.get(&(denying, name, rtype))?;
        let pid = said.pid?;
        let told = self.denied.get(&(pid, name, rtype)).copied();
        let upstreams = || self.asked.get(&pid).into_iter().flat_map(|it| it.keys());
        let asks_others = upstreams().any(|it| *it != knowing);
        let is_cached = said.no_such_name > told.unwrap_or_default();
        (is_cached && !asks_others).then_some(Cache {
            pid,
            comm: said.comm,
            asks: upstreams().next().is_some(),
        })
    }
}

impl Cache {
    pub(super) fn title(self, denying: SocketAddr) -> String {
        let name = who::process(Some(self.pid), self.comm);
        format!(
            "{name} at {denying} keeps saying that names do not exist which do (negative cache)"
        )
    }

    pub(super) fn cause(self, knowing: SocketAddr) -> String {
        format!(
            "The names were asked for before they were made. The cache keeps the answer that there are none, \
             for as long as the zone's SOA record says (RFC 2308), and does not ask again meanwhile; {knowing} \
             knows them by now."
        )
    }

    /// Of one of which that is not certain.
    pub(super) fn may_be(self, knowing: SocketAddr) -> String {
        format!(
            "{} may have them in a zone or a file of its own; or, if it is a cache of {knowing}, it keeps an \
             answer from before the names were made.",
            who::process(Some(self.pid), self.comm)
        )
    }

    /// How it is emptied.
    pub(super) fn flush(self) -> Command {
        match self.comm.as_bytes() {
            RESOLVED => Command::new("resolvectl flush-caches"),
            b"unbound" => Command::new("unbound-control flush_negative"),
            b"named" => Command::new("rndc flush"),
            b"dnsmasq" => Command::new("kill -HUP").word(self.pid.to_string()),
            b"nscd" => Command::new("nscd -i hosts"),
            b"pdns_recursor" => Command::new("rec_control wipe-cache '$'"),
            _ => Command::default(),
        }
    }

    pub(super) fn told(self, denied: &Questions) -> String {
        format!(
            "{} answered these {} times, and was seen to ask for them less often or not at all.",
            who::process(Some(self.pid), self.comm),
            crate::units::count(denied.answers)
        )
    }
}
