//! What programs count in a window in which more processes come and go than their maps have
//! room for.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use anyhow::Result;
use kerno_counters::Owner;
use kerno_counters::figure::add_all;
use kerno_counters::owner::OWNERS_MAX;
use kerno_counters::read::Readings;

use super::Running;

/// From so many owners in one program on, those that have ended make room: a quarter of what
/// fits.
const FILLING: usize = OWNERS_MAX as usize / 4;
/// Owners that have ended whose figures are kept, some kilobytes each. What comes beyond
/// stays in the maps, where what finds no room is counted.
const ENDED_MAX: usize = 8192;

/// Programs that count, and what was taken out of their maps so far.
#[derive(Debug)]
pub struct Gathering {
    running: Vec<Running>,
    ended: Ended,
}

/// Everything that was counted.
#[derive(Debug)]
pub struct Gathered {
    /// By program.
    pub readings: Vec<(&'static str, Readings)>,
    /// By program and map: how often it had no room.
    pub lost: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Ended {
    by_program: HashMap<&'static str, Readings>,
    owners: HashSet<Owner>,
}

impl Gathering {
    /// Of these.
    pub fn new(running: Vec<Running>) -> Self {
        Self {
            running,
            ended: Ended::default(),
        }
    }

    /// What the maps have now, by program.
    pub fn read(&self) -> Result<Vec<(&'static str, Readings)>> {
        let read = self.running.iter().map(|one| Ok((one.name(), one.read()?)));
        read.collect()
    }

    /// Whose entries should make room if they have ended; none while there is enough.
    pub fn filling(readings: &[(&'static str, Readings)]) -> HashSet<Owner> {
        let filling = readings.iter().filter(|(_, all)| all.len() >= FILLING);
        filling.flat_map(|(_, all)| all.keys().copied()).collect()
    }

    /// Takes what these have out of the maps, and keeps it.
    pub fn make_room(&mut self, gone: &HashSet<Owner>) -> Result<()> {
        let gone = self.ended.admit(gone);
        if gone.is_empty() {
            return Ok(());
        }
        for one in &self.running {
            self.ended.keep(one.name(), one.take(&gone)?);
        }
        Ok(())
    }

    /// Reads for the last time, and detaches the programs.
    pub fn finish(mut self) -> Result<Gathered> {
        let readings = self.read()?;
        let mut lost = BTreeMap::new();
        for one in &self.running {
            lost.insert(one.name(), one.losses()?.into_iter().collect());
        }
        drop(self.running);
        let all = readings
            .into_iter()
            .map(|(name, readings)| (name, self.ended.with(name, readings)));
        Ok(Gathered {
            readings: all.collect(),
            lost,
        })
    }
}

impl Ended {
    /// Those that there is room for.
    fn admit(&mut self, gone: &HashSet<Owner>) -> HashSet<Owner> {
        let mut admitted = HashSet::new();
        for owner in gone {
            if self.owners.len() < ENDED_MAX {
                self.owners.insert(*owner);
            }
            if self.owners.contains(owner) {
                admitted.insert(*owner);
            }
        }
        admitted
    }

    fn keep(&mut self, program: &'static str, readings: Readings) {
        let kept = self.by_program.entry(program).or_default();
        add(kept, readings);
    }

    fn with(&mut self, program: &'static str, readings: Readings) -> Readings {
        let mut all = self.by_program.remove(program).unwrap_or_default();
        add(&mut all, readings);
        all
    }
}

/// An owner may have come back: what happens to a connection is told after its process.
fn add(all: &mut Readings, more: Readings) {
    for (owner, reading) in more {
        let known = all.entry(owner).or_default();
        if known.comm.as_bytes().is_empty() {
            known.comm = reading.comm;
        }
        add_all(&mut known.figures, &reading.figures);
    }
}

#[cfg(test)]
mod tests {
    use kerno_counters::Figure;
    use kerno_counters::Figures;
    use kerno_counters::read::Reading;

    use super::*;

    fn owner(tgid: u32) -> Owner {
        Owner {
            cgroup_id: 1,
            tgid,
            pad: 0,
        }
    }

    fn readings(tgids: std::ops::Range<u32>) -> Readings {
        let figures = Figures::from([("n".to_owned(), Figure::Count(1))]);
        let reading = Reading {
            figures,
            ..Reading::default()
        };
        tgids.map(|tgid| (owner(tgid), reading.clone())).collect()
    }

    fn sum(readings: &Readings) -> u64 {
        let counts = readings.values().map(|it| match it.figures["n"] {
            Figure::Count(count) => count,
            Figure::Log2Ns(_) => 0,
        });
        counts.sum()
    }

    #[test]
    fn what_was_taken_out_and_what_is_there_is_all_there_was() {
        let mut ended = Ended::default();
        ended.keep("net", readings(0..10));
        ended.keep("net", readings(5..20));
        let all = ended.with("net", readings(18..30));
        assert_eq!((all.len(), sum(&all)), (30, 10 + 15 + 12));
        assert_eq!(all[&owner(5)].figures["n"], Figure::Count(2));
        assert_eq!(sum(&ended.with("mem", readings(0..3))), 3);
    }

    #[test]
    fn no_more_are_taken_out_than_are_kept() {
        let mut ended = Ended::default();
        let many: HashSet<Owner> = (0..10_000).map(owner).collect();
        let admitted = ended.admit(&many);
        assert_eq!((admitted.len(), ended.owners.len()), (ENDED_MAX, ENDED_MAX));
        // Who has a place keeps it.
        assert_eq!(ended.admit(&admitted), admitted);
        assert_eq!(ended.admit(&HashSet::from([owner(10_001)])).len(), 0);
    }

    #[test]
    fn nobody_makes_room_while_there_is_enough() {
        let few = ("net", readings(0..1023));
        let many = ("mem", readings(500..1524));
        assert_eq!(Gathering::filling(std::slice::from_ref(&few)).len(), 0);
        assert_eq!(Gathering::filling(&[few, many]).len(), 1024);
    }

    #[test]
    fn root_who_makes_room_is_counted_all_the_same_and_the_others_go_on() {
        let definition = kerno_counters::ALL.into_iter().find(|it| it.name == "proc");
        let running = Running::start(definition.expect("there is one"), |_| true);
        let mut gathering = Gathering::new(vec![running.expect("it loads, as root")]);
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let (gone, me) = (child.id(), std::process::id());
        child.wait().expect("its end");
        let of = |readings: &[(&'static str, Readings)], tgid: u32| {
            let all = readings.iter().flat_map(|(_, all)| all);
            all.filter(|(owner, _)| owner.tgid == tgid)
                .map(|(owner, it)| (*owner, it.figures.clone()))
                .next()
        };
        let before = gathering.read().expect("it can be read");
        let (owner, figures) = of(&before, gone).expect("it was counted");
        assert_eq!(figures["execs"], Figure::Count(1));
        gathering.make_room(&HashSet::from([owner])).expect("room");
        let meanwhile = gathering.read().expect("it can be read");
        assert_eq!(of(&meanwhile, gone), None);
        assert!(of(&meanwhile, me).is_some());
        let all = gathering.finish().expect("it can be read");
        assert_eq!(of(&all.readings, gone), Some((owner, figures)));
        assert_eq!(all.lost["proc"]["proc"], 0);
    }
}
