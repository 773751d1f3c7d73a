//! The kernel's counters: what was seen, and each way of losing something.

use anyhow::Context as _;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

use super::wire::dns_counter;

/// Totals over all CPUs since the programs were armed. See
/// `enum dns_counter` in bpf/dns_monitor.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Attempts seen, both roles; with the TCP connections for a query that
    /// nobody accepted.
    pub queries: u64,
    /// Attempts lost because `dns_inflight` had no room, or because the entry was
    /// claimed by user space while it was being filled.
    pub inflight_full: u64,
    /// Attempts lost because `dns_events` had no room.
    pub ring_full: u64,
    /// Notices (strays, socket errors) lost because `dns_events` had no room, and
    /// discarded packets whose message lay in page fragments.
    pub notice_lost: u64,
    /// Messages on a DNS port that are not DNS.
    pub unparsed: u64,
    /// Messages whose QR bit contradicts their ports.
    pub contradictory: u64,
    /// TCP segments unread because `dns_connections` had no room.
    pub tcp_untracked: u64,
    /// Gaps in a TCP stream; messages may be unseen.
    pub tcp_gap: u64,
    /// DNS headers cut in two by a segment boundary; unseen.
    pub tcp_split: u64,
    /// Segments that held more messages than are read; the rest is unseen.
    pub tcp_crowded: u64,
    /// Runs of the programs that the kernel left out.
    pub missed_runs: u64,
}

impl Counters {
    /// Attempts seen whose end is lost.
    pub fn lost(&self) -> u64 {
        self.inflight_full.saturating_add(self.ring_full)
    }

    /// Places where TCP could not be read; how many messages were there is not
    /// known.
    pub fn tcp_unseen(&self) -> u64 {
        self.tcp_untracked + self.tcp_gap + self.tcp_split + self.tcp_crowded
    }

    /// Adds those of the time after.
    pub fn add(&mut self, next: &Self) {
        let Self {
            queries,
            inflight_full,
            ring_full,
            notice_lost,
            unparsed,
            contradictory,
            tcp_untracked,
            tcp_gap,
            tcp_split,
            tcp_crowded,
            missed_runs,
        } = next;
        self.queries += queries;
        self.inflight_full += inflight_full;
        self.ring_full += ring_full;
        self.notice_lost += notice_lost;
        self.unparsed += unparsed;
        self.contradictory += contradictory;
        self.tcp_untracked += tcp_untracked;
        self.tcp_gap += tcp_gap;
        self.tcp_split += tcp_split;
        self.tcp_crowded += tcp_crowded;
        self.missed_runs += missed_runs;
    }

    /// What the programs count; the kernel counts `missed_runs`.
    pub(super) fn read(map: &dyn MapCore) -> Result<Self> {
        let total = |index: dns_counter| -> Result<u64> {
            let per_cpu = map
                .lookup_percpu(&index.0.to_ne_bytes(), MapFlags::ANY)?
                .context("a counter is missing from dns_counters")?;
            Ok(per_cpu
                .iter()
                .filter_map(|bytes| bytes.first_chunk::<8>())
                .map(|bytes| u64::from_ne_bytes(*bytes))
                .sum())
        };
        Ok(Self {
            queries: total(dns_counter::DNS_COUNT_QUERIES)?,
            inflight_full: total(dns_counter::DNS_COUNT_INFLIGHT_FULL)?,
            ring_full: total(dns_counter::DNS_COUNT_RING_FULL)?,
            notice_lost: total(dns_counter::DNS_COUNT_NOTICE_LOST)?,
            unparsed: total(dns_counter::DNS_COUNT_UNPARSED)?,
            contradictory: total(dns_counter::DNS_COUNT_CONTRADICTORY)?,
            tcp_untracked: total(dns_counter::DNS_COUNT_TCP_UNTRACKED)?,
            tcp_gap: total(dns_counter::DNS_COUNT_TCP_GAP)?,
            tcp_split: total(dns_counter::DNS_COUNT_TCP_SPLIT)?,
            tcp_crowded: total(dns_counter::DNS_COUNT_TCP_CROWDED)?,
            missed_runs: 0,
        })
    }
}
