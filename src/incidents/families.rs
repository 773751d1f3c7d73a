//! Names and servers that give no usable answer to AAAA while A has one: the contrast by
//! address family, name by name and server by server.

use std::collections::HashSet;

use super::asked::BothFamilies;
use super::tallies::Tallies;
use super::tally::Tally;
use super::traits::Way;
use crate::contrast::Contrast;
use crate::contrast::Failed;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;

/// Where AAAA is broken.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct BrokenFamilies {
    /// Names, hashed.
    pub(super) names: HashSet<u64>,
    /// Servers, by network namespace of who asks.
    pub(super) servers: HashSet<Way>,
}

impl BrokenFamilies {
    pub(super) fn of(tallies: &Tallies) -> Self {
        let servers = tallies.ways().map(|(way, asked)| (way, asked.families));
        Self {
            names: broken(tallies.names()).into_iter().collect(),
            servers: broken(servers).into_iter().collect(),
        }
    }
}

/// Those where one of the two fails and the other does not. If nothing but chance made them,
/// either would be the one that fails as often: so all of them are compared at once, AAAA
/// with A (as in McNemar's test), and there may be any number of names.
fn broken<K: Copy>(all: impl Iterator<Item = (K, BothFamilies)>) -> Vec<K> {
    let (mut aaaa, mut both) = (Failed::default(), Failed::default());
    let mut broken = Vec::new();
    for (key, it) in all {
        let (of_a, of_aaaa) = (useless(&it.a), useless(&it.aaaa));
        let is_broken = is_dead(&of_aaaa) && is_alive(&of_a);
        if is_broken || (is_dead(&of_a) && is_alive(&of_aaaa)) {
            aaaa.absorb(&of_aaaa);
            both.absorb(&of_aaaa);
            both.absorb(&of_a);
        }
        if is_broken {
            broken.push(key);
        }
    }
    match Contrast::of(aaaa, both, 1) {
        Some(_) => broken,
        None => Vec::new(),
    }
}

fn is_dead(it: &Failed) -> bool {
    it.failed >= FAILURES_MIN && it.failed * 100 >= it.of * DEAD_PERCENT
}

fn is_alive(it: &Failed) -> bool {
    it.of >= FAILURES_MIN && it.failed * 100 <= it.of * (100 - DEAD_PERCENT)
}

/// Not answered NOERROR: with records or without, that is an answer to both families.
pub fn useless(tally: &Tally) -> Failed {
    Failed {
        failed: tally.ended() - tally.noerror,
        of: tally.ended(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answered: u64, failed: u64) -> Tally {
        Tally {
            answered,
            noerror: answered,
            failed,
        }
    }

    fn found(names: &[(Tally, Tally)]) -> usize {
        let all = names
            .iter()
            .map(|(a, aaaa)| BothFamilies { a: *a, aaaa: *aaaa });
        broken((0..).zip(all)).len()
    }

    #[test]
    fn names_are_compared_all_at_once() {
        let (fine, lost) = (tally(4, 0), tally(0, 8));
        // Too few of one, enough of two; others that work take nothing away.
        assert_eq!(found(&[(tally(3, 0), tally(0, 3))]), 0);
        assert_eq!(found(&[(fine, lost); 2]), 2);
        assert_eq!(
            found(&[&[(fine, lost); 40][..], &[(fine, fine); 900]].concat()),
            40
        );
        // Names that are not there fail for both, and say nothing.
        assert_eq!(
            found(&[&[(fine, lost); 2][..], &[(lost, lost); 900]].concat()),
            2
        );
    }

    #[test]
    fn what_hits_either_family_is_chance() {
        let (fine, lost) = (tally(3, 0), tally(0, 3));
        let random = [(fine, lost), (lost, fine), (fine, fine), (lost, lost)];
        assert_eq!(found(&random.repeat(200)), 0);
        // And so is what is lost now and then.
        assert_eq!(found(&[(tally(20, 1), tally(18, 3)); 100]), 0);
    }
}
