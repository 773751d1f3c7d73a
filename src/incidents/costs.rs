//! What lookups lost by each of their messages, until the message's incident is at hand.

use std::collections::HashMap;
use std::sync::Arc;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::incident::Cost;
use super::incident::Incident;
use crate::attempt::Attempt;
use crate::attempt::Plain;
use crate::attempt::identity::ClientKey;
use crate::attempt::identity::IdentityTable;
use crate::lookup::AttemptKey;
use crate::lookup::Lookup;
use crate::lookup::LookupResult;
use crate::lookup::Step;
use crate::lookup::StepEnd;
use crate::thresholds::LATENCY_WARNING_NS;

/// Messages that cost something, about 60 bytes each: 2 MB.
const COSTS_MAX: usize = 32_768;
/// Clients that lost time with their search lists, each by itself.
const CLIENTS_MAX: usize = 512;

/// All of them.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct Costs {
    of: HashMap<AttemptKey, Cost>,
    pub(super) search: SearchCosts,
    left_out_ns: u64,
}

/// Time lost with names that a search list made and that are not there.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq)]
pub struct SearchCosts {
    /// By who lost it and its process, in nanoseconds.
    pub by_client: HashMap<(ClientKey, Option<u32>), u64>,
    /// By all others.
    pub others_ns: u64,
}

impl SearchCosts {
    fn add(&mut self, client: (ClientKey, Option<u32>), lost_ns: u64) {
        let has_room = self.by_client.len() < CLIENTS_MAX;
        match self.by_client.get_mut(&client) {
            Some(sum) => *sum += lost_ns,
            None if has_room => {
                self.by_client.insert(client, lost_ns);
            }
            None => self.others_ns += lost_ns,
        }
    }

    /// Takes over what is known of clients in the end.
    pub(super) fn learn(&mut self, known: &IdentityTable) {
        let latest = |((client, pid), lost_ns)| match client {
            ClientKey::Workload(it) => {
                let latest = ClientKey::Workload(Arc::clone(known.latest(&it)));
                ((latest, pid), lost_ns)
            }
            process => ((process, pid), lost_ns),
        };
        self.by_client = self.by_client.drain().map(latest).collect();
    }

    /// By one process.
    pub fn of_process(&self, pid: u32) -> u64 {
        let own = self
            .by_client
            .iter()
            .filter(|((_, of), _)| *of == Some(pid));
        own.map(|(_, lost_ns)| lost_ns).sum()
    }

    /// All of it.
    pub fn sum_ns(&self) -> u64 {
        self.by_client.values().sum::<u64>() + self.others_ns
    }
}

fn client(attempt: &Attempt) -> (ClientKey, Option<u32>) {
    (ClientKey::of(attempt), attempt.owner.pid)
}

/// What was refused is got round only by an answer to the same: of an address family that is
/// not asked for again nobody knows whether it was needed.
fn has_successor(steps: &[Step], step: &Step) -> bool {
    let is_same = |it: &Step| it.question == step.question && it.end.is_settled();
    step.end != StepEnd::Refused || step.question.is_none() || steps.iter().any(is_same)
}

impl Costs {
    pub(super) fn record(&mut self, lookup: &Lookup) {
        let is_fine = lookup.outline.result != LookupResult::Failed;
        let was_got_round = is_fine && lookup.outline.lost_ns <= LATENCY_WARNING_NS;
        for step in lookup.steps.iter().filter(|step| step.is_waste) {
            let lost_ns = step.lost_ns;
            if !step.is_incident() {
                self.search.add(client(&lookup.example), lost_ns);
            } else if self.of.len() < COSTS_MAX {
                let cost = Cost {
                    lost_ns,
                    waited_ns: step.took_ns(),
                    has_failed: !is_fine,
                    was_got_round: was_got_round && has_successor(&lookup.steps, step),
                };
                self.of.insert(step.key, cost);
            } else {
                self.left_out_ns += lost_ns;
            }
        }
    }

    pub(super) fn count(&mut self, plain: &Plain) {
        if plain.lookups.lost_ns > 0 {
            self.search
                .add(client(&plain.example), plain.lookups.lost_ns);
        }
    }

    pub(super) fn follow(&mut self, next: Self) {
        for (key, cost) in next.of {
            match self.of.len() < COSTS_MAX {
                true => {
                    self.of.insert(key, cost);
                }
                false => self.left_out_ns += cost.lost_ns,
            }
        }
        for (client, lost_ns) in next.search.by_client {
            self.search.add(client, lost_ns);
        }
        self.search.others_ns += next.search.others_ns;
        self.left_out_ns += next.left_out_ns;
    }

    /// Gives each incident its own. Returns what is lost by none of them.
    pub(super) fn give(mut self, incidents: &mut [Incident]) -> u64 {
        for incident in incidents {
            // One that is not reported is nobody's whose time is counted.
            if incident.reported {
                incident.cost = self.of.remove(&AttemptKey::of(&incident.attempt));
            }
        }
        self.left_out_ns + self.of.values().map(|cost| cost.lost_ns).sum::<u64>()
    }
}
