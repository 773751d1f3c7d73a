//! The base rules for one workload: its own attempts, beside those of the host.

use super::causes::Group;
use super::causes::Place;
use super::finding::Subject;
use super::metric::Metric;
use super::outlier::stands_out;
use super::party::Parties;
use super::party::Party;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::shell::Command;
use crate::thresholds::CONCENTRATED_PERCENT;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

/// One party, by one metric.
pub(super) struct Own<'a> {
    pub(super) party: &'a Party<'a>,
    metric: Metric,
    /// How many of how many: its own, those of the rest of the host, and of the whole.
    share: (u64, u64),
    rest: (u64, u64),
    whole: (u64, u64),
    /// Its failed or slow attempts, as far as they were kept.
    incidents: Group<'a>,
}

impl<'a> Own<'a> {
    pub(super) fn examine(
        metric: Metric,
        party: &'a Party<'a>,
        parties: &'a Parties<'a>,
        evidence: &'a Evidence,
    ) -> Self {
        let mut incidents = Group::new(Place::default(), evidence, parties);
        let kept = parties.incidents(party);
        for incident in kept.filter(|incident| has(metric, incident)) {
            incidents.add(incident, false);
        }
        let (share, whole) = (party.share(metric), metric.share(parties.whole));
        Self {
            party,
            metric,
            share,
            rest: (
                whole.0.saturating_sub(share.0),
                whole.1.saturating_sub(share.1),
            ),
            whole,
            incidents,
        }
    }

    /// `24 of 24 queries of pod shop/web-1 failed (100 %)`
    pub(super) fn told(&self) -> String {
        self.metric.told_of(self.share, Some(&self.party.name()))
    }

    /// `pod shop/web-1: 24 of 24 queries failed (100 %)`
    pub(super) fn share_told(&self) -> String {
        format!("{}: {}", self.party.name(), self.metric.told(self.share))
    }

    /// Whom it asked, and how the others fare.
    pub(super) fn evidence(&self) -> impl Iterator<Item = String> {
        let went = match self.metric {
            Metric::Failed => "They went to",
            Metric::Slow => "They came from",
        };
        let server = self.incidents.first();
        let server = server.map(|_| format!("{went} {}.", self.incidents.server()));
        let (affected, of) = self.rest;
        let others = format!(
            "Of the whole host {}; of all others {} of {}.",
            self.metric.told(self.whole),
            units::count(affected),
            units::count(of)
        );
        server.into_iter().chain([others])
    }

    pub(super) fn dig(&self) -> Command {
        self.incidents.dig_root()
    }

    /// Whether nearly all that failed or was slow on this host is its own.
    pub(super) fn has_nearly_all(&self) -> bool {
        self.share.0 * 100 >= self.whole.0 * CONCENTRATED_PERCENT
    }

    /// Whether it is much worse off than the rest of the host.
    pub(super) fn stands_out(&self) -> bool {
        stands_out(self.share, self.rest)
    }

    pub(super) fn subject(&self) -> Subject {
        self.party.subject().of_server(self.incidents.only_server())
    }
}

/// An answer with an error may be a slow one, too.
fn has(metric: Metric, incident: &Incident) -> bool {
    let is_slow = incident.attempt.elapsed().as_nanos() > u128::from(LATENCY_WARNING_NS);
    match metric {
        Metric::Failed => incident.has_failed(),
        Metric::Slow => !incident.has_failed() && is_slow,
    }
}
