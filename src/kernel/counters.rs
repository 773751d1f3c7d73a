//! The kernel's counters: what was seen, each way of losing something, and what people
//! are told of it.

use anyhow::Context as _;
use anyhow::Result;
use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use serde::Serialize;

use super::wire::dns_counter;
use crate::units;

/// Totals over all CPUs since the programs were armed. See
/// `enum dns_counter` in bpf/dns_monitor.h.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize,
)]
pub struct Counters {
    /// Attempts seen, both roles; with the TCP connections for a query that
    /// nobody accepted.
    #[serde(skip)]
    pub queries: u64,
    /// Attempts lost because `dns_inflight` had no room, or because the entry was
    /// claimed by user space while it was being filled.
    #[serde(skip)]
    pub inflight_full: u64,
    /// Attempts lost because `dns_events` had no room.
    #[serde(skip)]
    pub ring_full: u64,
    /// Runs of the programs that the kernel left out, whatever the packet was. It
    /// counts them itself.
    pub missed_runs: u64,
    /// Notices (strays, socket errors, slow reads, closed sockets) lost because `dns_events` had no room, and
    /// discarded packets whose message lay in page fragments.
    pub notice_lost: u64,
    /// Messages on a DNS port that are not DNS.
    pub unparsed: u64,
    /// Messages whose QR bit contradicts their ports: neither queries nor answers.
    pub contradictory: u64,
    /// Answers with another question than the query's, or from an address that was
    /// not asked.
    pub answers_ignored: u64,
    /// IPv6 packets with more extension headers than are read; they may be DNS.
    pub ipv6_chained: u64,
    /// TCP segments unread because `dns_connections` had no room, or data in the
    /// handshake.
    pub tcp_untracked: u64,
    /// Gaps in a TCP stream; messages may be unseen.
    pub tcp_gap: u64,
    /// DNS headers cut in two by a segment boundary; unseen.
    pub tcp_split: u64,
    /// Segments that held more messages than are read; the rest is unseen.
    pub tcp_crowded: u64,
    /// Sockets whose queries waited, and whose place was needed for another one: when they
    /// are closed goes unseen.
    pub closings_unseen: u64,
}

impl Counters {
    /// Those that the programs count, with their places in `dns_counters`: as many as
    /// the header has.
    fn of_programs(&mut self) -> [(&mut u64, dns_counter); dns_counter::DNS_COUNT_MAX.0 as usize] {
        [
            (&mut self.queries, dns_counter::DNS_COUNT_QUERIES),
            (
                &mut self.inflight_full,
                dns_counter::DNS_COUNT_INFLIGHT_FULL,
            ),
            (&mut self.ring_full, dns_counter::DNS_COUNT_RING_FULL),
            (&mut self.notice_lost, dns_counter::DNS_COUNT_NOTICE_LOST),
            (&mut self.unparsed, dns_counter::DNS_COUNT_UNPARSED),
            (
                &mut self.contradictory,
                dns_counter::DNS_COUNT_CONTRADICTORY,
            ),
            (&mut self.answers_ignored, dns_counter::DNS_COUNT_IGNORED),
            (&mut self.ipv6_chained, dns_counter::DNS_COUNT_CHAINED),
            (
                &mut self.tcp_untracked,
                dns_counter::DNS_COUNT_TCP_UNTRACKED,
            ),
            (&mut self.tcp_gap, dns_counter::DNS_COUNT_TCP_GAP),
            (&mut self.tcp_split, dns_counter::DNS_COUNT_TCP_SPLIT),
            (&mut self.tcp_crowded, dns_counter::DNS_COUNT_TCP_CROWDED),
            (
                &mut self.closings_unseen,
                dns_counter::DNS_COUNT_CLOSE_UNSEEN,
            ),
        ]
    }

    /// Attempts seen whose end is lost.
    pub fn lost(&self) -> u64 {
        self.inflight_full.saturating_add(self.ring_full)
    }

    /// Places where TCP could not be read; how many messages were there is not known.
    pub fn tcp_unseen(&self) -> u64 {
        let places = [
            self.tcp_untracked,
            self.tcp_gap,
            self.tcp_split,
            self.tcp_crowded,
        ];
        places.into_iter().fold(0, u64::saturating_add)
    }

    /// A sentence for each thing that is missing from the picture because of them.
    pub fn gaps(&self) -> Vec<String> {
        let lost = |n: u64, why: &str| {
            let share = units::percent(n, self.queries);
            let lost = units::counted(n, "query was lost", "queries were lost");
            (n > 0).then(|| format!("{lost} on the way to kerno ({share} of those seen): {why}."))
        };
        let said = |n: u64, (one, many): (&str, &str), sentence: &str| {
            (n > 0).then(|| sentence.replace('#', &units::counted(n, one, many)))
        };
        let sentences = [
            lost(self.inflight_full, "too many queries were waiting at once"),
            lost(
                self.ring_full,
                "they came faster than kerno could read them",
            ),
            said(
                self.notice_lost,
                ("error or late answer was", "errors or late answers were"),
                "# lost on the way to kerno, so some queries that failed or were late count as \
                 unanswered.",
            ),
            said(
                self.missed_runs,
                ("time", "times"),
                "The kernel left kerno's programs out #, for packets of any kind, so some \
                 queries that it discarded may count as unanswered.",
            ),
            said(
                self.ipv6_chained,
                ("IPv6 packet has", "IPv6 packets have"),
                "# more extension headers than kerno reads: packets of any kind, so some queries may \
                 be missing.",
            ),
            said(
                self.tcp_unseen(),
                ("place", "places"),
                "DNS over TCP could not be read in #, so some queries over TCP are missing.",
            ),
            said(
                self.closings_unseen,
                ("socket was", "sockets were"),
                "Too many queries were waiting at once to see when # closed, so programs that gave up \
                 early may count as having waited to the end.",
            ),
        ];
        sentences.into_iter().flatten().collect()
    }

    /// Adds those of the time after.
    pub fn add(&mut self, next: &Self) {
        let mut next = *next;
        self.missed_runs += next.missed_runs;
        let pairs = self.of_programs().into_iter().zip(next.of_programs());
        pairs.for_each(|((own, _), (next, _))| *own += *next);
    }

    /// What was counted after `before`.
    pub fn since(&self, before: &Self) -> Self {
        let (mut since, mut before) = (*self, *before);
        since.missed_runs -= before.missed_runs;
        let pairs = since.of_programs().into_iter().zip(before.of_programs());
        pairs.for_each(|((own, _), (before, _))| *own -= *before);
        since
    }

    /// What the programs count; the kernel counts `missed_runs`.
    pub(super) fn read(map: &dyn MapCore) -> Result<Self> {
        let mut counters = Self::default();
        for (total, index) in counters.of_programs() {
            let per_cpu = map
                .lookup_percpu(&index.0.to_ne_bytes(), MapFlags::ANY)?
                .context("a counter is missing from dns_counters")?;
            *total = per_cpu
                .iter()
                .filter_map(|bytes| bytes.first_chunk::<8>())
                .map(|bytes| u64::from_ne_bytes(*bytes))
                .sum();
        }
        Ok(counters)
    }
}
