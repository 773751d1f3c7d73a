//! What failed or slow queries do to the programs that asked: what was measured of their
//! lookups, and only without that what is usual.

use super::group::Group;
use crate::attempt::Outcome;
use crate::doctor::explanation::USUAL_WAIT;
use crate::incidents::Cost;
use crate::incidents::Incident;
use crate::units;

const AT_ONCE: &str = "The program is told at once. glibc then asks its other servers; musl takes \
                       no notice, and asks again when it has waited.";

/// Whether the system call failed, or the socket was told with an error.
fn is_told(incident: &Incident) -> bool {
    let when_sent = incident.query_lost().is_some_and(|drop| drop.when_sent);
    incident.attempt.outcome == Outcome::Refused || when_sent
}

impl Group<'_> {
    /// Of queries that are lost, one like the other; what was measured follows in
    /// [`Self::measured`].
    pub(super) fn impact(&self) -> String {
        let failed = self.count(Incident::has_failed);
        let told = self.count(|incident| incident.has_failed() && is_told(incident));
        match told {
            0 => self.usual_impact(USUAL_WAIT),
            _ if told == failed => AT_ONCE.to_owned(),
            _ => format!("Of {} the program is told at once.", units::queries(told)),
        }
    }

    /// What is usual, if nothing was measured.
    pub(super) fn usual_impact(&self, usual: &str) -> String {
        match self.measured() {
            Some(_) => String::new(),
            None => usual.to_owned(),
        }
    }

    /// How long these queries were without an answer, and how their lookups ended, as far as
    /// these are known.
    pub(super) fn measured(&self) -> Option<String> {
        let known = || {
            let hurt = self.incidents().filter(|it| !it.is_side_try);
            hurt.filter_map(|it| Some((it.cost?, it.weight)))
        };
        let mut waited: Vec<u64> = known().map(|(cost, _)| cost.waited_ns).collect();
        waited.sort_unstable();
        let (median_ns, longest_ns) = (*waited.get(waited.len() / 2)?, *waited.last()?);
        let count = |of: fn(&Cost) -> bool| -> u64 {
            let those = known().filter(|(cost, _)| of(cost));
            those.map(|(_, weight)| weight).sum()
        };
        let (all, failed) = (count(|_| true), count(|cost| cost.has_failed));
        let wait = match all {
            1 => format!(
                "Its program had no usable answer to it for {}",
                units::duration(longest_ns)
            ),
            _ => format!(
                "To half of these queries there was no usable answer for {} or more, to one for {}",
                units::duration(median_ns),
                units::duration(longest_ns)
            ),
        };
        let end = match (failed, all) {
            (0, 1) => "its lookup led to an answer in the end".to_owned(),
            (1, 1) => "its lookup failed".to_owned(),
            (0, _) => "no lookup failed by them".to_owned(),
            _ if failed == all => "all were for lookups that failed".to_owned(),
            _ => format!(
                "{} of {} were for lookups that failed",
                units::count(failed),
                units::count(all)
            ),
        };
        Some(format!("{wait}; {end}."))
    }
}
