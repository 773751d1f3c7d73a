//! Which node, server, workload or label has something that the others have not: computed
//! from who has it and who could.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::place::ALL;
use super::place::NAMESPACE;
use super::place::NODE;
use super::place::Place;
use super::place::SERVER;
use super::place::WORKLOAD;
use super::table::Name;
use super::table::Table;
use super::workload::Workload;
use crate::contrast;
use crate::contrast::Failed;
use crate::thresholds::CHANCE;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

/// What has a value of a label separates if its share of nodes is so much higher than that of
/// all others. Source: judgement; what is less clear is no place to go to.
const MARGIN: f64 = 0.5;
/// Of one workload's or server's are so many of the failures, and it alone is to blame.
const ITS_OWN: f64 = DEAD_PERCENT as f64 / 100.0;
/// A label with more values than this share of the nodes tells them apart, not where they are.
const VALUES_SHARE: usize = 2;
/// Nodes that are named at the most.
const NAMES_MAX: usize = 1_000;

/// What is to be found a place for.
#[derive(Debug)]
pub(super) struct Trouble<'a> {
    pub(super) table: &'a Table,
    /// Who has it.
    pub(super) affected: BTreeSet<&'a Name>,
    /// Whom the queries asked that have it, if the agents say so.
    pub(super) servers: BTreeSet<&'a str>,
    /// The failures of its cause, by workload.
    pub(super) workloads: BTreeMap<&'a Workload, f64>,
    /// … by server.
    pub(super) by_server: BTreeMap<&'a str, f64>,
}

type Nodes<'a> = BTreeSet<&'a Name>;

impl<'a> Trouble<'a> {
    pub(super) fn place(&self) -> Place {
        let able = self.able();
        let everywhere = || self.of(ALL, Vec::new(), &able, &able);
        let places = [
            self.workload(&able),
            self.namespace(&able),
            self.server(&able),
            self.label(&able),
        ];
        // The clearest; of those as clear, the first.
        let clearest = places.into_iter().flatten().reduce(|best, next| {
            match Self::margin(&next) > Self::margin(&best) {
                true => next,
                false => best,
            }
        });
        clearest
            .or_else(|| self.is_everywhere(&able).then(everywhere))
            .unwrap_or_else(|| self.nodes(&able))
    }

    /// Nodes that could have it: those that asked something, or have it.
    fn able(&self) -> Nodes<'a> {
        let asked = self.table.seen().filter(|(_, node)| node.queries() > 0.0);
        asked
            .map(|(name, _)| name)
            .chain(self.affected.iter().copied())
            .collect()
    }

    fn is_everywhere(&self, able: &Nodes<'_>) -> bool {
        able.len() > 1 && self.affected.len() as f64 >= able.len() as f64 * ITS_OWN
    }

    /// A place, with how many of the nodes there have it, and elsewhere.
    fn of(
        &self,
        dimension: &str,
        values: Vec<String>,
        here: &Nodes<'_>,
        able: &Nodes<'_>,
    ) -> Place {
        let affected = here
            .iter()
            .filter(|it| self.affected.contains(**it))
            .count();
        Place {
            dimension: dimension.to_owned(),
            values,
            affected: affected as u64,
            of: here.len() as u64,
            elsewhere: (self.affected.len() - affected) as u64,
            elsewhere_of: (able.len() - here.len()) as u64,
        }
    }

    /// Whether those here have it and those elsewhere have not, and not by chance; where all
    /// could be here there is nothing to compare with.
    fn separates(place: &Place, looked_at: usize) -> bool {
        let with = Failed {
            failed: place.affected,
            of: place.of,
        };
        let all = Failed {
            failed: place.affected + place.elsewhere,
            of: place.of + place.elsewhere_of,
        };
        let chance = contrast::chance(with, all) * looked_at.max(1) as f64;
        Self::margin(place) >= MARGIN && chance <= CHANCE
    }

    /// Share here less share elsewhere (W. J. Youden, "Index for rating diagnostic tests",
    /// Cancer 3, 1950).
    fn margin(place: &Place) -> f64 {
        let share = |some: u64, of: u64| units::ratio(some, of);
        share(place.affected, place.of) - share(place.elsewhere, place.elsewhere_of)
    }

    /// One workload has nearly all failures, while others on its nodes asked too and have not.
    fn workload(&self, able: &Nodes<'a>) -> Option<Place> {
        let (workload, failed) = self.workloads.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
        let runs = self.table.workload_queries.get(workload)?;
        self.its_own(WORKLOAD, workload.name(), *failed, runs, able)
    }

    /// … the workloads of one namespace together.
    fn namespace(&self, able: &Nodes<'a>) -> Option<Place> {
        let (namespace, failed) = Workload::worst_namespace(&self.workloads)?;
        let all = Workload::Namespace(namespace.to_owned());
        let runs = self.table.workload_queries.get(&all)?;
        self.its_own(NAMESPACE, namespace.to_owned(), failed, runs, able)
    }

    fn its_own(
        &self,
        dimension: &str,
        name: String,
        failed: f64,
        runs: &BTreeMap<Name, f64>,
        able: &Nodes<'a>,
    ) -> Option<Place> {
        let total: f64 = self.workloads.values().sum();
        if failed < total * ITS_OWN {
            return None;
        }
        let (mut own, mut all) = (0.0, 0.0);
        for name in &self.affected {
            own += runs.get(*name).copied().unwrap_or_default();
            let node = self.table.nodes.get(*name);
            all += node.map_or(0.0, |node| node.queries());
        }
        if all - own < SAMPLE_MIN as f64 {
            return None;
        }
        let here = able.iter().copied();
        let here: Nodes<'_> = here.filter(|it| runs.contains_key(*it)).collect();
        let place = self.of(dimension, vec![name], &here, able);
        // On one node, it may as well be the node.
        let is_its_own = place.affected * 2 >= place.of && place.affected >= 2;
        (is_its_own && place.elsewhere == 0).then_some(place)
    }

    /// The queries to one server have it on most nodes that ask it, and not those to others.
    fn server(&self, able: &Nodes<'a>) -> Option<Place> {
        if self.servers.is_empty() || self.servers.len() > 2 {
            return None;
        }
        let asks = |name: &&Name| {
            let node = self.table.nodes.get(*name);
            node.is_some_and(|node| self.servers.iter().any(|it| node.asked.contains_key(*it)))
        };
        let here: Nodes<'_> = able.iter().copied().filter(asks).collect();
        let values = self.servers.iter().map(|it| (*it).to_owned()).collect();
        let place = self.of(SERVER, values, &here, able);
        let is_most = place.affected >= 2 && place.affected * 2 >= place.of;
        let is_separate = Self::separates(&place, 1) || self.other_servers_are_well(&here);
        (is_most && is_separate).then_some(place)
    }

    /// Those who have it ask other servers too, and these answer.
    fn other_servers_are_well(&self, here: &Nodes<'_>) -> bool {
        let mut others = 0.0;
        for node in here.iter().filter_map(|name| self.table.nodes.get(*name)) {
            let asked = node.asked.iter();
            let others_asked = asked.filter(|(server, _)| !self.servers.contains(server.as_str()));
            others += others_asked.map(|(_, queries)| queries).sum::<f64>();
        }
        let failed = self.by_server.iter();
        let failed: f64 = failed
            .filter(|(server, _)| !self.servers.contains(**server))
            .map(|(_, failed)| failed)
            .sum();
        others >= SAMPLE_MIN as f64 && failed <= others * (1.0 - ITS_OWN)
    }

    /// The label whose values separate best.
    fn label(&self, able: &Nodes<'a>) -> Option<Place> {
        let labels = self.labels(able);
        let mut best: Option<Place> = None;
        for (label, values) in &labels {
            let has = |here: &Nodes<'_>| {
                let has = here.iter().filter(|it| self.affected.contains(**it));
                has.count() as u64
            };
            let share = |here: &Nodes<'_>| units::ratio(has(here), here.len() as u64);
            // Several values are a place only if each of them has several nodes: with enough
            // values some fit by chance.
            let with = values
                .iter()
                .filter(|(_, here)| share(here) >= MARGIN && has(here) >= FAILURES_MIN);
            let with: Vec<_> = with.collect();
            if with.is_empty() || with.len() == values.len() {
                continue;
            }
            let here = with
                .iter()
                .flat_map(|(_, here)| here.iter().copied())
                .collect();
            let names = with.iter().map(|(value, _)| (**value).to_owned()).collect();
            let place = self.of(label, names, &here, able);
            if !Self::separates(&place, labels.len()) {
                continue;
            }
            let is_better = best.as_ref().is_none_or(|best| {
                let (new, old) = (Self::margin(&place), Self::margin(best));
                new > old || (new == old && place.values.len() < best.values.len())
            });
            if is_better {
                best = Some(place);
            }
        }
        best
    }

    /// The nodes by the values of each label that has some, and not one for each node.
    fn labels(&self, able: &Nodes<'a>) -> BTreeMap<&'a str, BTreeMap<&'a str, Nodes<'a>>> {
        let mut labels: BTreeMap<&str, BTreeMap<&str, Nodes<'_>>> = BTreeMap::new();
        for name in able {
            let Some(node) = self.table.nodes.get(*name) else {
                continue;
            };
            let version = (!node.version.is_empty()).then_some(("kerno version", &node.version));
            let own = node
                .labels
                .iter()
                .map(|(label, value)| (label.as_str(), value));
            for (label, value) in own.chain(version) {
                labels
                    .entry(label)
                    .or_default()
                    .entry(value)
                    .or_default()
                    .insert(name);
            }
        }
        labels.retain(|_, values| {
            values.len() > 1 && values.len() * VALUES_SHARE <= able.len().max(VALUES_SHARE)
        });
        labels
    }

    fn nodes(&self, able: &Nodes<'a>) -> Place {
        let names = self.affected.iter().take(NAMES_MAX);
        let names = names.map(|name| name.0.clone()).collect();
        self.of(NODE, names, &self.affected, able)
    }
}
