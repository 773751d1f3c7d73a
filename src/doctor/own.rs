//! The base rules for one workload: its own attempts, beside those of the host.

use super::causes::Group;
use super::causes::Place;
use super::finding::Subject;
use super::finding::SubjectServer;
use super::party::Parties;
use super::party::Party;
use super::suspect::stands_out;
use super::trouble::Trouble;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::shell::Command;
use crate::thresholds::CONCENTRATED_PERCENT;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

/// One party with one kind of trouble.
pub(super) struct Own<'a> {
    pub(super) party: &'a Party<'a>,
    parties: &'a Parties<'a>,
    trouble: Trouble,
    /// Its attempts with this trouble, as far as they were kept.
    cases: Group<'a>,
}

impl<'a> Own<'a> {
    pub(super) fn examine(
        trouble: Trouble,
        party: &'a Party<'a>,
        parties: &'a Parties<'a>,
        evidence: &'a Evidence,
    ) -> Self {
        let mut cases = Group::new(Place::default(), evidence, parties);
        for case in parties.cases(party).filter(|case| has(trouble, case)) {
            cases.add(case, false);
        }
        Self {
            party,
            parties,
            trouble,
            cases,
        }
    }

    /// `24 of 24 queries of pod shop/web-1 failed (100 %)`
    pub(super) fn told(&self) -> String {
        let (affected, of) = self.party.share(self.trouble);
        self.trouble.told_of(affected, of, &self.party.name())
    }

    /// `pod shop/web-1: 24 of 24 queries failed (100 %)`
    pub(super) fn share_told(&self) -> String {
        let (affected, of) = self.party.share(self.trouble);
        format!("{}: {}", self.party.name(), self.trouble.told(affected, of))
    }

    /// Whom it asked, and how the others fare.
    pub(super) fn evidence(&self) -> Vec<String> {
        let (affected, of) = self.rest();
        let whole = self.parties.whole;
        let (all, of_all) = (self.trouble.affected(whole), self.trouble.of(whole));
        let mut lines = Vec::new();
        if self.cases.first().is_some() {
            let went = match self.trouble {
                Trouble::Failed => "They went to",
                Trouble::Slow => "They came from",
            };
            lines.push(format!("{went} {}.", self.cases.server()));
        }
        lines.push(format!(
            "Of the whole host {}; of all others {} of {}.",
            self.trouble.told(all, of_all),
            units::count(affected),
            units::count(of)
        ));
        lines
    }

    /// A command that asks the same server from the same network.
    pub(super) fn dig(&self) -> Command {
        self.cases.dig_root()
    }

    /// Whether nearly all of the host's trouble is its own.
    pub(super) fn has_nearly_all(&self) -> bool {
        let (affected, _) = self.party.share(self.trouble);
        affected * 100 >= self.trouble.affected(self.parties.whole) * CONCENTRATED_PERCENT
    }

    /// Whether it is much worse off than the rest of the host.
    pub(super) fn stands_out(&self) -> bool {
        stands_out(self.party.share(self.trouble), self.rest())
    }

    fn rest(&self) -> (u64, u64) {
        let (affected, of) = self.party.share(self.trouble);
        let whole = self.parties.whole;
        (
            self.trouble.affected(whole).saturating_sub(affected),
            self.trouble.of(whole).saturating_sub(of),
        )
    }

    /// The `scope` of the finding.
    pub(super) fn subject(&self) -> Subject {
        let server = self.cases.only_server();
        Subject {
            server: server.map(|server| SubjectServer {
                ip: server.ip(),
                port: server.port(),
            }),
            ..self.party.subject()
        }
    }
}

/// An answer with an error may be a slow one, too.
fn has(trouble: Trouble, case: &Case) -> bool {
    let is_slow = case.attempt.elapsed().as_nanos() > u128::from(LATENCY_WARNING_NS);
    match trouble {
        Trouble::Failed => case.has_failed(),
        Trouble::Slow => !case.has_failed() && is_slow,
    }
}
