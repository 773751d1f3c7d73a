//! Lookups of one scope: what people feel.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::latency::Latency;
use super::latency::LatencyFigures;
use crate::attempt::PlainLookups;
use crate::lookup::LookupResult;
use crate::lookup::Outline;

/// So many are added one by one.
const TOGETHER: usize = 128;

#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct LookupScope {
    count: u64,
    failed: u64,
    queries: u64,
    lost_ns: u64,
    latency: Latency,
}

/// Their durations at once, if they are many: they are added to several scopes.
pub(super) fn together(plain: &PlainLookups) -> Option<Latency> {
    (plain.durations.len() > TOGETHER).then(|| Latency::of(&plain.durations))
}

impl LookupScope {
    /// What it has beside itself, in octets.
    pub(super) fn octets(&self) -> usize {
        self.latency.octets()
    }

    pub(super) fn record(&mut self, outline: &Outline) {
        self.count += 1;
        self.failed += u64::from(outline.result == LookupResult::Failed);
        self.queries += outline.queries;
        self.lost_ns = self.lost_ns.saturating_add(outline.lost_ns);
        self.latency.record(outline.duration_ns);
    }

    pub(super) fn count(&mut self, plain: &PlainLookups, together: Option<&Latency>) {
        self.count += plain.durations.len() as u64;
        self.queries += plain.queries;
        self.lost_ns = self.lost_ns.saturating_add(plain.lost_ns);
        match together {
            Some(latency) => self.latency.absorb(latency),
            None => plain
                .durations
                .iter()
                .for_each(|&ns| self.latency.record(ns.into())),
        }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.failed += other.failed;
        self.queries += other.queries;
        self.lost_ns = self.lost_ns.saturating_add(other.lost_ns);
        self.latency.absorb(&other.latency);
    }

    pub(super) fn figures(&self) -> LookupFigures {
        LookupFigures {
            count: self.count,
            failed: self.failed,
            queries: self.queries,
            lost_ns: self.lost_ns,
            latency: self.latency.figures(),
        }
    }
}

/// The lookups of one scope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LookupFigures {
    /// How many are over.
    pub count: u64,
    /// Those that led to nothing.
    pub failed: u64,
    /// Their messages.
    pub queries: u64,
    /// What they lost in all, in nanoseconds: see [`Outline::lost_ns`].
    pub lost_ns: u64,
    /// How long they took; `None` if there are none.
    pub latency: Option<LatencyFigures>,
}

impl LookupFigures {
    /// Those of several scopes as if they were one.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.failed += other.failed;
        self.queries += other.queries;
        self.lost_ns = self.lost_ns.saturating_add(other.lost_ns);
        let both: Vec<_> = self.latency.iter().chain(&other.latency).collect();
        self.latency = LatencyFigures::together(&both);
    }
}
