//! Counters that run for as long as an agent does: what they counted since the last look is
//! handed on, and who has ended or was quiet for long makes room for others.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use anyhow::Result;
use kerno_counters::Figures;
use kerno_counters::Owner;
use kerno_counters::read::Reading;
use kerno_counters::read::Readings;

use super::Running;

/// Who counted nothing in so many looks in a row makes room: ten minutes, with a look a
/// second.
const QUIET_MAX: u32 = 600;

/// Programs that count, and what they had at the last look.
#[derive(Debug)]
pub struct Always {
    running: Vec<Running>,
    seen: Seen,
}

/// What was read last.
#[derive(Debug, Default)]
struct Seen {
    by_program: HashMap<&'static str, HashMap<Owner, Figures>>,
    /// Looks in a row in which an owner counted nothing.
    quiet: HashMap<Owner, u32>,
}

impl Always {
    /// Of these.
    pub fn new(running: Vec<Running>) -> Self {
        Self {
            running,
            seen: Seen::default(),
        }
    }

    /// What was counted since the last look, by program.
    pub fn look(&mut self) -> Result<Vec<(&'static str, Readings)>> {
        let mut since = Vec::new();
        for one in &self.running {
            let grown = self.seen.since(one.name(), one.read()?);
            since.push((one.name(), grown));
        }
        self.seen.age(&since);
        Ok(since)
    }

    /// Takes these out of the maps, and says what they had counted since the last look. Who
    /// comes back begins anew.
    pub fn take_out(&mut self, gone: &HashSet<Owner>) -> Result<Vec<(&'static str, Readings)>> {
        let mut since = Vec::new();
        for one in &self.running {
            let grown = self.seen.since(one.name(), one.take(gone)?);
            since.push((one.name(), grown));
        }
        self.seen.forget(gone);
        Ok(since)
    }

    /// All who have entries.
    pub fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.seen.quiet.keys()
    }

    /// Those of them who were quiet for long.
    pub fn quiet(&self) -> HashSet<Owner> {
        let quiet = self.seen.quiet.iter();
        let long = quiet.filter(|(_, looks)| **looks >= QUIET_MAX);
        long.map(|(owner, _)| *owner).collect()
    }

    /// By program and map: how often there was no room since the start.
    pub fn losses(&self) -> Result<BTreeMap<(&'static str, &'static str), u64>> {
        let mut lost = BTreeMap::new();
        for one in &self.running {
            let maps = one.losses()?.into_iter();
            lost.extend(maps.map(|(map, number)| ((one.name(), map), number)));
        }
        Ok(lost)
    }
}

impl Seen {
    /// What is more than it was; nothing of who has the same.
    fn since(&mut self, program: &'static str, now: Readings) -> Readings {
        let before = self.by_program.entry(program).or_default();
        let mut grown = Readings::new();
        for (owner, reading) in now {
            self.quiet.entry(owner).or_default();
            let known = before.entry(owner).or_default();
            let figures = more(&reading.figures, known);
            if figures.is_empty() {
                continue;
            }
            *known = reading.figures;
            let comm = reading.comm;
            grown.insert(owner, Reading { comm, figures });
        }
        grown
    }

    /// A look is over in which these counted something.
    fn age(&mut self, grown: &[(&'static str, Readings)]) {
        for (owner, looks) in &mut self.quiet {
            let is_busy = grown.iter().any(|(_, all)| all.contains_key(owner));
            *looks = if is_busy { 0 } else { *looks + 1 };
        }
    }

    fn forget(&mut self, gone: &HashSet<Owner>) {
        for known in self.by_program.values_mut() {
            known.retain(|owner, _| !gone.contains(owner));
        }
        self.quiet.retain(|owner, _| !gone.contains(owner));
    }
}

/// What `now` has more than `before`.
fn more(now: &Figures, before: &Figures) -> Figures {
    let grown = now.iter().map(|(counter, figure)| {
        let figure = match before.get(counter) {
            Some(before) => figure.since(before),
            None => figure.clone(),
        };
        (counter.clone(), figure)
    });
    grown.filter(|(_, figure)| !figure.is_zero()).collect()
}

#[cfg(test)]
mod tests {
    use kerno_counters::Figure;
    use kerno_counters::figure::add_all;
    use proptest::prelude::*;

    use super::*;

    fn owner(tgid: u32) -> Owner {
        Owner {
            cgroup_id: 1,
            tgid,
            pad: 0,
        }
    }

    fn figures(n: u64) -> Figures {
        let mut slots = vec![0; 4];
        slots[n as usize % 4] = n;
        Figures::from([
            ("n".to_owned(), Figure::Count(n)),
            ("t".to_owned(), Figure::Log2Ns(slots)),
        ])
    }

    fn readings(all: &HashMap<u32, Figures>) -> Readings {
        let reading = |(tgid, figures): (&u32, &Figures)| {
            let figures = figures.clone();
            let reading = Reading {
                figures,
                ..Reading::default()
            };
            (owner(*tgid), reading)
        };
        all.iter().map(reading).collect()
    }

    proptest! {
        /// Whatever is counted when, and whoever makes room: what is handed on is all there was.
        #[test]
        fn what_is_handed_on_is_what_was_counted(
            counted in proptest::collection::vec((0..4_u32, 0..9_u64, any::<bool>()), 0..60),
        ) {
            let mut seen = Seen::default();
            let mut map = HashMap::<u32, Figures>::new();
            let (mut all, mut told) = (HashMap::<u32, Figures>::new(), HashMap::<Owner, Figures>::new());
            for (tgid, n, leaves) in counted {
                add_all(map.entry(tgid).or_default(), &figures(n));
                add_all(all.entry(tgid).or_default(), &figures(n));
                for (owner, grown) in seen.since("mem", readings(&map)) {
                    add_all(told.entry(owner).or_default(), &grown.figures);
                }
                if leaves {
                    map.remove(&tgid);
                    seen.forget(&HashSet::from([owner(tgid)]));
                }
            }
            for (tgid, figures) in all {
                let told = told.remove(&owner(tgid)).unwrap_or_default();
                let whole: Figures = figures.into_iter().filter(|(_, it)| !it.is_zero()).collect();
                prop_assert_eq!(told, whole);
            }
            prop_assert_eq!(told.len(), 0);
        }
    }

    #[test]
    fn who_counts_nothing_for_long_is_quiet_and_who_does_is_not() {
        let mut seen = Seen::default();
        let of = |n| readings(&HashMap::from([(1, figures(n)), (2, figures(7))]));
        let long = |seen: &Seen| {
            let quiet = seen.quiet.iter();
            let long = quiet.filter(|(_, looks)| **looks >= QUIET_MAX);
            long.map(|(owner, _)| owner.tgid).collect::<Vec<_>>()
        };
        for n in 0..=QUIET_MAX {
            assert_eq!(long(&seen), [0; 0], "{n}");
            let grown = [("mem", seen.since("mem", of(u64::from(n) + 1)))];
            seen.age(&grown);
        }
        assert_eq!(long(&seen), [2]);
        seen.forget(&HashSet::from([owner(2)]));
        assert_eq!(long(&seen), [0; 0]);
        // It begins anew, with all that it has then.
        let grown = seen.since("mem", of(900));
        assert_eq!(grown[&owner(2)].figures, figures(7));
    }
}
