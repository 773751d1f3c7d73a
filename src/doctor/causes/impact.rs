//! What failed queries do to the programs that asked, by how these have ended.

use super::group::Group;
use crate::attempt::Outcome;
use crate::doctor::explanation::WAITS_AND_FAILS;
use crate::incidents::Incident;
use crate::units;

const AT_ONCE: &str = "The program is told at once. glibc asks its other servers and then fails; \
                       musl takes no notice and waits 5 s.";

/// Whether the system call failed, or the socket was told with an error.
fn is_told(incident: &Incident) -> bool {
    let when_sent = incident.query_lost().is_some_and(|drop| drop.when_sent);
    incident.attempt.outcome == Outcome::Refused || when_sent
}

impl Group<'_> {
    /// Of queries that are lost, one like the other.
    pub(super) fn impact(&self) -> String {
        let failed = self.count(Incident::has_failed);
        let told = self.count(|incident| incident.has_failed() && is_told(incident));
        match told {
            0 => WAITS_AND_FAILS.to_owned(),
            _ if told == failed => AT_ONCE.to_owned(),
            _ => format!(
                "Of {} the program is told at once. After the others a lookup waits 5 s (glibc) or 2.5 s (musl), asks \
                 again, and fails.",
                units::queries(told)
            ),
        }
    }
}
