//! Who is hit worse by a cause, by its own attempts, than the host as a whole.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::group::Group;
use super::severity::Share;
use crate::attempt::identity::WorkloadId;
use crate::doctor::finding::Severity;
use crate::doctor::finding::Subject;
use crate::doctor::party::Party;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::WORKLOADS_TOLD;
use crate::units;

/// Those of whom the judgement on the whole host is too mild.
pub(super) struct Hurt<'a> {
    /// The worst first, each with how bad it is and how many of how many have it.
    parties: Vec<(&'a Party<'a>, (Severity, Share))>,
}

impl<'a> Hurt<'a> {
    pub(super) fn by(
        group: &Group<'a>,
        judge: impl Fn(&Share) -> Option<Severity>,
    ) -> Option<Self> {
        let by_whom = group.ranked(|incident| {
            (!incident.is_side_try).then(|| WorkloadId::made(&incident.attempt))
        });
        let by_whom: HashMap<_, _> = by_whom.into_iter().collect();
        let mut parties = group.parties.judged(|party| {
            let queries: u64 = party.whoms().filter_map(|whom| by_whom.get(whom)).sum();
            let of = party.figures.queries();
            let share = Share {
                // Of one that came and went there may be figures of a part only.
                queries: queries.min(of),
                of,
                is_own: true,
                is_all_of_a_namespace: false,
            };
            // One lost query is not worth a name.
            let counts = share.queries >= FAILURES_MIN && party.is_telling(share.queries, of);
            let severity = judge(&share).filter(|_| counts)?;
            Some((severity, share))
        });
        parties.sort_by_key(|(_, (severity, share))| Reverse((*severity, share.queries)));
        (!parties.is_empty()).then_some(Self { parties })
    }

    pub(super) fn severity(&self) -> Severity {
        self.parties[0].1.0
    }

    /// `pod shop/web-1: 48 of 48 queries (100 %)`
    pub(super) fn hardest(&self) -> String {
        told(&self.parties[0])
    }

    /// The figures that the judgement rests on.
    pub(super) fn told(&self, group: &Group<'_>) -> String {
        let shown = self.parties.iter().take(WORKLOADS_TOLD);
        let mut told: Vec<_> = shown.map(told).collect();
        let more = self.parties.len().saturating_sub(WORKLOADS_TOLD);
        if more > 0 {
            told.push(format!("and {} more", units::count(more as u64)));
        }
        let whose = match self.parties.len() {
            1 => "its",
            _ => "their",
        };
        format!(
            "Judged by {whose} own attempts: {}. Of the whole host: {}.",
            told.join(", "),
            group.share().told()
        )
    }

    /// The `scope` of the finding: the one who is hurt, if it is one.
    pub(super) fn subject(&self, group: &Group<'_>) -> Subject {
        let subject = group.subject();
        match &self.parties[..] {
            [(party, _)] => Subject {
                server: subject.server,
                netns: subject.netns,
                ..party.subject()
            },
            _ => subject,
        }
    }
}

fn told((party, (_, share)): &(&Party<'_>, (Severity, Share))) -> String {
    format!("{}: {}", party.name(), share.told())
}
