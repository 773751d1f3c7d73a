//! What failed or slow queries do to the programs that asked: what was measured of their
//! lookups, and only without that what is usual.

use super::group::Group;
use crate::attempt::Outcome;
use crate::doctor::explanation::USUAL_WAIT;
use crate::incidents::Cost;
use crate::incidents::Incident;
use crate::units;

const AT_ONCE: &str = "The program is told at once.";
const C_LIBRARIES: &str = "glibc then asks its other servers; musl takes no notice, and asks again when \
                           it has waited.";

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
            _ if told == failed && self.is_asked_by_resolvers() => AT_ONCE.to_owned(),
            _ if told == failed => format!("{AT_ONCE} {C_LIBRARIES}"),
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
            hurt.filter_map(|it| Some((it, it.cost?)))
        };
        let count = |of: fn(&Cost) -> bool| -> u64 {
            let those = known().filter(|(_, cost)| of(cost));
            those.map(|(incident, _)| incident.weight).sum()
        };
        let (all, failed) = (count(|_| true), count(|cost| cost.has_failed));
        let waits = known().filter(|(incident, cost)| is_wait_known(incident, cost));
        let mut waited: Vec<u64> = waits.map(|(_, cost)| cost.waited_ns).collect();
        waited.sort_unstable();
        let ends = match (failed, all) {
            (_, 0) => return None,
            (0, 1) => "Its lookup led to an answer in the end",
            (1, 1) => "Its lookup failed",
            (0, _) => "Each lookup of these led to an answer in the end",
            _ if failed == all => "All were for lookups that failed",
            _ => "",
        };
        let ends = match ends.is_empty() {
            false => ends.to_owned(),
            true => format!(
                "{} of {} were for lookups that failed",
                units::count(failed),
                units::count(all)
            ),
        };
        // A call that failed at once took nothing that was measured.
        let longest_ns = waited.last().filter(|it| **it > 0);
        let (Some(median_ns), Some(longest_ns)) = (waited.get(waited.len() / 2), longest_ns) else {
            return Some(format!("{ends}."));
        };
        let longest = units::duration(*longest_ns);
        let known_or_not = self.count(|it| !it.is_side_try);
        Some(match waited.len() as u64 {
            1 => format!("There was no usable answer for {longest}. {ends}."),
            known if known < known_or_not => format!(
                "Of {} it is known how long they were without a usable answer: half of them for {} or \
                 more, the worst one for {longest}. {ends}.",
                units::queries(known),
                units::duration(*median_ns),
            ),
            _ => format!(
                "Half of these queries were without a usable answer for {} or more, the worst one for \
                 {longest}. {ends}.",
                units::duration(*median_ns),
            ),
        })
    }
}

/// What this host discards is known at once; how long its program waited for it only if it
/// asked again.
fn is_wait_known(incident: &Incident, cost: &Cost) -> bool {
    incident.attempt.outcome != Outcome::Dropped || cost.waited_ns > incident.took_ns()
}
