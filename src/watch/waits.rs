//! What lookups waited for, by the rules of the doctor: as far as the attempts of the last
//! minutes tell, without what the doctor reads of the host.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use crate::attempt::Attempt;
use crate::doctor;
use crate::doctor::Rule;
use crate::incidents::Evidence;
use crate::incidents::Incidents;
use crate::lookup::AttemptKey;
use crate::lookup::Lookup;
use crate::sampler::HostSample;

/// Incidents that are looked through for each batch, about 400 bytes each.
const KEPT_MAX: u64 = 2_048;

/// A burst of a moment is no rate to judge by.
const LEAST: Duration = Duration::from_secs(30);

/// The attempts that went by.
#[derive(Debug, Default)]
pub struct Waits {
    /// Those of now, and those before.
    now: Incidents,
    before: Incidents,
    kept: u64,
    /// Since when each of both.
    since: [Option<Instant>; 2],
}

impl Waits {
    /// Takes an attempt that has ended.
    pub fn see(&mut self, attempt: &Attempt) {
        if self.kept >= KEPT_MAX {
            self.kept = 0;
            self.since = [None, self.since[0]];
            let took = self.since[1].map_or(Duration::ZERO, |it| it.elapsed());
            let next = self.now.next(took);
            self.before = std::mem::replace(&mut self.now, next);
        }
        self.since[0].get_or_insert_with(Instant::now);
        self.kept += u64::from(self.now.record(attempt, true));
    }

    /// What each of these has waited for, in nanoseconds.
    pub fn of(&self, lookups: &[Lookup]) -> Vec<BTreeMap<Rule, u64>> {
        let has_incident = |it: &Lookup| it.steps.iter().any(|step| step.is_incident());
        let known = match lookups.iter().any(has_incident) {
            true => Known::new(self),
            false => Known::default(),
        };
        lookups.iter().map(|it| known.waited(it)).collect()
    }
}

#[derive(Default)]
struct Known {
    evidence: Evidence,
    places: HashMap<AttemptKey, usize>,
}

impl Known {
    fn new(waits: &Waits) -> Self {
        let mut all = waits.before.clone();
        all.follow(&waits.now);
        let since = waits.since[1].or(waits.since[0]);
        let window = since.map_or(LEAST, |since| since.elapsed().max(LEAST));
        let evidence = all.close(HostSample::default(), window, Vec::new());
        let incidents = evidence.incidents.iter().enumerate();
        let places = incidents.map(|(at, it)| (AttemptKey::of(&it.attempt), at));
        Self {
            places: places.collect(),
            evidence,
        }
    }

    fn waited(&self, lookup: &Lookup) -> BTreeMap<Rule, u64> {
        let mut waited = BTreeMap::new();
        for step in lookup.steps.iter().filter(|step| step.is_waste) {
            let place = self.places.get(&step.key);
            let rule = match place.map(|&at| doctor::cause_of(&self.evidence, at)) {
                _ if !step.is_incident() => Rule::SearchAmplification,
                Some(Some(rule)) => rule,
                _ if step.end.is_settled() => Rule::HighLatency,
                _ => Rule::Unknown,
            };
            *waited.entry(rule).or_default() += step.lost_ns;
        }
        waited.retain(|_, ns| *ns > 0);
        waited
    }
}
