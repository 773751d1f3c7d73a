//! The counters that the doctor asks from its start: their hooks run seldom.

use std::time::Duration;

use super::OomWatch;
use super::ResentWatch;
use super::WaitsWatch;
use crate::host::Signal;
use crate::host::SignalName;

/// Those of them that run.
#[derive(Debug, Default)]
pub struct Watches {
    /// Who is killed for want of memory.
    pub oom: Option<OomWatch>,
    /// What is sent again over TCP.
    pub resent: Option<ResentWatch>,
    /// Who waits for a CPU is counted while there is a reason: whether this kernel can.
    pub waits: bool,
    /// All of it runs all the time.
    pub always: bool,
    signals: Vec<Signal>,
}

impl Watches {
    /// Attaches what this kernel lets. Nothing that is missing is an error.
    ///
    /// With `always` that runs all the time, too, which is otherwise attached on demand.
    pub fn start(always: bool) -> Self {
        let mut watches = Self {
            always,
            ..Self::default()
        };
        watches.oom = watches.keep(
            SignalName::OomKills,
            "processes that the kernel kills because there is no memory",
            "a DNS server that was killed shows as one that does not listen",
            OomWatch::start(),
        );
        watches.resent = watches.keep(
            SignalName::Retransmissions,
            "segments to DNS servers that TCP sends again",
            "a way that loses packets is not told from a server that is slow over TCP",
            ResentWatch::start(),
        );
        // Tried once, so that it is known.
        let waits = watches.keep(
            SignalName::RunQueue,
            "how long servers and clients wait for a CPU",
            "whether a program waited for a CPU is known from its counters of each second alone",
            WaitsWatch::start(),
        );
        watches.waits = waits.is_some();
        watches
    }

    /// What they show, or why not.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    fn keep<T>(
        &mut self,
        name: SignalName,
        shows: &'static str,
        without: &str,
        started: anyhow::Result<T>,
    ) -> Option<T> {
        let missing = started
            .as_ref()
            .err()
            .map(|error| format!("{error:#}: {without}"));
        self.signals.push(Signal {
            name,
            shows: shows.into(),
            missing,
            attached: None::<Duration>,
        });
        started.ok()
    }
}
