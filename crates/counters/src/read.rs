//! Reading the counters: each program's maps as figures by process.

use std::collections::HashMap;
use std::collections::HashSet;
use std::hash::Hash;

use libbpf_rs::Result;
use typed_bpf::BpfType;
use typed_bpf::Comm;
use typed_bpf::Hash as Hashed;
use typed_bpf::load::Loaded;

use crate::cpu_sched;
use crate::disk;
use crate::figure::Figure;
use crate::figure::Figures;
use crate::mem;
use crate::net;
use crate::owner::Owner;
use crate::proc;
use crate::syscall;

/// What one process has, of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its name; empty where it is not known.
    pub comm: Comm,
    /// Its figures.
    pub figures: Figures,
}

/// By process.
pub type Readings = HashMap<Owner, Reading>;

/// A look at the maps of a program that runs.
#[derive(Debug)]
pub struct Look<'a> {
    /// Which one.
    pub loaded: &'a Loaded,
    /// Whose entries are taken out once they are read: of who has ended, so that there is
    /// room for others.
    pub gone: &'a HashSet<Owner>,
}

impl Look<'_> {
    fn entries<K: BpfType + Eq + Hash, V: BpfType>(
        &self,
        map: Hashed<K, V>,
        whose: impl Fn(&K) -> Owner,
    ) -> Result<HashMap<K, V>> {
        let all = map.read(self.loaded)?;
        if !self.gone.is_empty() {
            for key in all.keys().filter(|key| self.gone.contains(&whose(key))) {
                map.remove(self.loaded, key)?;
            }
        }
        Ok(all)
    }

    fn by_process<V: BpfType>(&self, map: Hashed<Owner, V>) -> Result<HashMap<Owner, V>> {
        self.entries(map, |owner| *owner)
    }
}

fn put(reading: &mut Reading, counter: impl Into<String>, figure: Figure) {
    if !figure.is_zero() {
        reading.figures.insert(counter.into(), figure);
    }
}

/// A reading of a struct: its name, its counts and its histograms.
fn reading(comm: Comm, counts: &[(&str, u64)], histograms: &[(&str, &[u64])]) -> Reading {
    let mut reading = Reading {
        comm,
        ..Reading::default()
    };
    for (counter, count) in counts {
        put(&mut reading, *counter, Figure::Count(*count));
    }
    for (counter, slots) in histograms {
        put(&mut reading, *counter, Figure::Log2Ns(slots.to_vec()));
    }
    reading
}

/// Counts and histograms of a struct by the names of its fields.
macro_rules! reading {
    ($it:ident: $($count:ident),* ; $($histogram:ident),*) => {
        reading(
            $it.comm,
            &[$((stringify!($count), $it.$count)),*],
            &[$((stringify!($histogram), $it.$histogram.as_slice())),*],
        )
    };
}

/// A program with one map by process: its counts, then its histograms, by the names of the
/// fields.
macro_rules! by_process {
    ($program:ident, $MAP:ident: $($count:ident),* ; $($histogram:ident),*) => {
        pub(crate) fn $program(look: &Look<'_>) -> Result<Readings> {
            let all = look.by_process($program::$MAP)?.into_iter();
            Ok(all
                .map(|(owner, it)| (owner, reading!(it: $($count),*; $($histogram),*)))
                .collect())
        }
    };
}

by_process!(mem, MEMORY: oom_kills, major_faults, page_cache_accesses, page_cache_additions,
    page_cache_dirtied;);
by_process!(cpu_sched, SCHED: voluntary_switches, involuntary_switches, run_queue_sum_ns;
    run_queue);
by_process!(proc, PROC: execs, forks, exits;);
by_process!(disk, DISK: requests, bytes; latency);

pub(crate) fn net(look: &Look<'_>) -> Result<Readings> {
    let mut all: Readings = look
        .by_process(net::NET)?
        .into_iter()
        .map(|(owner, it)| {
            (
                owner,
                reading!(it: tcp_connects, tcp_accepts, tcp_failed_connects,
                tcp_sent_bytes, tcp_received_bytes, tcp_retransmits, dns_retransmits,
                tcp_resets_sent, tcp_resets_received, udp_buffer_drops; tcp_round_trip),
            )
        })
        .collect();
    for (drop, count) in look.entries(net::DROPS, |drop| drop.owner)? {
        let counter = format!("drops.{}", drop.reason);
        put(
            all.entry(drop.owner).or_default(),
            counter,
            Figure::Count(count),
        );
    }
    Ok(all)
}

pub(crate) fn syscall(look: &Look<'_>) -> Result<Readings> {
    let mut all = Readings::new();
    let name = |call: u32| {
        syscall::CALLS
            .get(call as usize)
            .copied()
            .unwrap_or("unknown")
    };
    for (key, it) in look.entries(syscall::BY_CALL, |key| key.owner)? {
        let reading = all.entry(key.owner).or_default();
        reading.comm = it.comm;
        let call = name(key.call);
        put(reading, format!("{call}.calls"), Figure::Count(it.calls));
        put(
            reading,
            format!("{call}.latency"),
            Figure::Log2Ns(it.latency.to_vec()),
        );
    }
    for (key, count) in look.entries(syscall::FAILURES, |key| key.owner)? {
        let counter = format!("{}.errors.{}", name(key.call), key.errno);
        put(
            all.entry(key.owner).or_default(),
            counter,
            Figure::Count(count),
        );
    }
    Ok(all)
}
