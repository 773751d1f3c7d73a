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
    parties: &'a Parties<'a>,
    metric: Metric,
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
        for incident in parties
            .incidents(party)
            .filter(|incident| has(metric, incident))
        {
            incidents.add(incident, false);
        }
        Self {
            party,
            parties,
            metric,
            incidents,
        }
    }

    /// `24 of 24 queries of pod shop/web-1 failed (100 %)`
    pub(super) fn told(&self) -> String {
        let (affected, of) = self.party.share(self.metric);
        self.metric.told_of(affected, of, Some(&self.party.name()))
    }

    /// `pod shop/web-1: 24 of 24 queries failed (100 %)`
    pub(super) fn share_told(&self) -> String {
        let (affected, of) = self.party.share(self.metric);
        format!("{}: {}", self.party.name(), self.metric.told(affected, of))
    }

    /// WorkloadId it asked, and how the others fare.
    pub(super) fn evidence(&self) -> Vec<String> {
        let (affected, of) = self.rest();
        let whole = self.parties.whole;
        let (all, of_all) = (self.metric.affected(whole), self.metric.of(whole));
        let mut lines = Vec::new();
        if self.incidents.first().is_some() {
            let went = match self.metric {
                Metric::Failed => "They went to",
                Metric::Slow => "They came from",
            };
            lines.push(format!("{went} {}.", self.incidents.server()));
        }
        lines.push(format!(
            "Of the whole host {}; of all others {} of {}.",
            self.metric.told(all, of_all),
            units::count(affected),
            units::count(of)
        ));
        lines
    }

    /// A command that asks the same server from the same network.
    pub(super) fn dig(&self) -> Command {
        self.incidents.dig_root()
    }

    /// Whether nearly all that failed or was slow on this host is its own.
    pub(super) fn has_nearly_all(&self) -> bool {
        let (affected, _) = self.party.share(self.metric);
        affected * 100 >= self.metric.affected(self.parties.whole) * CONCENTRATED_PERCENT
    }

    /// Whether it is much worse off than the rest of the host.
    pub(super) fn stands_out(&self) -> bool {
        stands_out(self.party.share(self.metric), self.rest())
    }

    fn rest(&self) -> (u64, u64) {
        let (affected, of) = self.party.share(self.metric);
        let whole = self.parties.whole;
        (
            self.metric.affected(whole).saturating_sub(affected),
            self.metric.of(whole).saturating_sub(of),
        )
    }

    /// The `scope` of the finding.
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
