//! The programs, loaded as the monitor loads them but attached to nothing, and
//! what they leave behind.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::Mutex;

use libbpf_rs::ErrorKind;
use libbpf_rs::MapCore as _;
use libbpf_rs::MapFlags;
use libbpf_rs::MapMut;
use libbpf_rs::ProgramInput;
use libbpf_rs::RingBuffer;
use libbpf_rs::RingBufferBuilder;
use libbpf_rs::skel::OpenSkel as _;

use super::super::bpf::DnsMonitorMaps;
use super::super::bpf::DnsMonitorSkel;
use super::super::bpf::types::bss;
use super::super::counters::Counters;
use super::super::decode::decode;
use super::super::entry::Entry;
use super::super::features::Features;
use super::super::hooks;
use super::super::inflight::snapshot;
use super::super::load::Config;
use super::super::load::Wake;
use super::super::load::configure;
use super::super::load::open;
use super::super::slots::Slots;
use super::super::wire::dns_query;
use super::slots::InTests as _;
use crate::attempt::Attempt;
use crate::event::Event;
use crate::host::Clock;
use crate::host::Signal;
use crate::host::SignalName::Reads;

/// Both programs let every packet pass.
const PASS: u32 = 1;

/// Whether these are the tests of the programs for kernels before 5.12.
pub(super) const WITHOUT_SWAPS: bool = ends_with(module_path!(), "tests_before_5_12::programs");

const fn ends_with(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    let mut at = 1;
    while at <= end.len() {
        if at > text.len() || text[text.len() - at] != end[end.len() - at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The hook that a packet goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Egress,
    Ingress,
}

pub(super) const BOTH: [Hook; 2] = [Hook::Egress, Hook::Ingress];

/// Programs for port 53 that no test uses just now. The verifier takes most of a
/// second; so each thread of the tests pays for it once, not each test.
static IDLE: Mutex<Vec<Loaded>> = Mutex::new(Vec::new());

struct Loaded {
    ring: RingBuffer<'static>,
    /// What was read from the ring buffer; `None` for a malformed record.
    records: Arc<Mutex<Vec<Option<Event>>>>,
    slots: Slots<'static>,
    skel: DnsMonitorSkel<'static>,
}

impl Loaded {
    fn new(ports: &[u16]) -> Self {
        // A few bytes for each test, so that the skeleton can be a field.
        let object = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = open(object).expect("the object opens");
        let config = Config {
            ports: ports.to_vec(),
            wake: Wake::Many,
            count_plain: false,
            lookups: false,
            all_hooks: true,
        };
        let reads = Signal {
            name: Reads,
            shows: "".into(),
            missing: None,
            attached: None,
        };
        let mut features = Features::of_this_kernel();
        if WITHOUT_SWAPS {
            features = Features {
                swaps: false,
                types: false,
                ..features
            };
        }
        configure(&mut open, &config, features, &[reads]);
        // No packet of a test reaches another hook than these two.
        for mut program in open.open_object_mut().progs_mut() {
            let name = program.name().to_string_lossy();
            program.set_autoload(
                hooks::Hook::of(&name)
                    .is_some_and(|hook| hook.is_core() && hook.is_of_use(features, &[])),
            );
        }
        let mut skel = open.load().expect("loading BPF programs needs root");
        let slots = Slots::take(&mut skel.maps).expect("the object has slots");
        let records = Arc::new(Mutex::new(Vec::new()));
        let ring = {
            let records = Arc::clone(&records);
            let mut builder = RingBufferBuilder::new();
            let added = builder.add(&skel.maps.dns_events, move |bytes| {
                let mut events = Vec::new();
                let mut records = records.lock().expect("nobody panics with it");
                match decode(bytes, &mut events) {
                    Some(()) => records.extend(events.into_iter().map(Some)),
                    None => records.push(None),
                }
                0
            });
            added.expect("the ring buffer can be added");
            builder.build().expect("the ring buffer can be mapped")
        };
        Self {
            ring,
            records,
            slots,
            skel,
        }
    }
}

pub(super) struct Programs {
    /// Always there, but for the moment when it goes back to the idle ones.
    loaded: Option<Loaded>,
    /// Whether other tests may have them next.
    reusable: bool,
}

impl Programs {
    /// Armed, with port 53, and as if just loaded.
    pub(super) fn load() -> Self {
        let idle = IDLE.lock().expect("nobody panics with it").pop();
        let mut programs = Self {
            loaded: Some(idle.unwrap_or_else(|| Loaded::new(&[53]))),
            reusable: true,
        };
        programs.clear();
        programs.arm(true);
        programs
    }

    pub(super) fn on_ports(ports: &[u16]) -> Self {
        let mut programs = Self {
            loaded: Some(Loaded::new(ports)),
            reusable: false,
        };
        programs.arm(true);
        programs
    }

    fn loaded(&self) -> &Loaded {
        self.loaded.as_ref().expect("it is loaded")
    }

    pub(super) fn maps(&self) -> &DnsMonitorMaps<'static> {
        &self.loaded().skel.maps
    }

    pub(super) fn slots(&self) -> &Slots<'static> {
        &self.loaded().slots
    }

    /// Their variables.
    pub(super) fn bss(&mut self) -> &mut bss {
        let loaded = self.loaded.as_mut().expect("it is loaded");
        loaded.skel.maps.bss_data.as_mut().expect("a .bss")
    }

    pub(super) fn arm(&mut self, armed: bool) {
        self.bss().armed = u32::from(armed);
    }

    /// Runs the packet, which must pass.
    #[track_caller]
    pub(super) fn run(&self, hook: Hook, packet: &[u8]) {
        self.repeat(hook, packet, 1);
    }

    /// Runs it `times` times with the same socket. Each call of this has a new
    /// socket.
    #[track_caller]
    pub(super) fn repeat(&self, hook: Hook, packet: &[u8], times: u32) {
        let returned = self.returned(hook, packet, times);
        assert_eq!(returned.expect("a test run"), PASS, "{hook:?} {packet:x?}");
    }

    /// For packets that the kernel may refuse to run, such as one shorter than
    /// its IP header. Returns whether it ran; what runs must pass.
    #[track_caller]
    pub(super) fn run_if_accepted(&self, hook: Hook, packet: &[u8]) -> bool {
        match self.returned(hook, packet, 1) {
            Ok(returned) => {
                assert_eq!(returned, PASS, "{hook:?} {packet:x?}");
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:#}");
                false
            }
        }
    }

    fn returned(&self, hook: Hook, packet: &[u8], times: u32) -> libbpf_rs::Result<u32> {
        let progs = &self.loaded().skel.progs;
        let program = match hook {
            Hook::Egress if WITHOUT_SWAPS => &progs.dns_egress_old,
            Hook::Ingress if WITHOUT_SWAPS => &progs.dns_ingress_old,
            Hook::Egress => &progs.dns_egress,
            Hook::Ingress => &progs.dns_ingress,
        };
        let input = ProgramInput {
            data_in: Some(packet),
            repeat: times,
            ..ProgramInput::default()
        };
        Ok(program.test_run(input)?.return_value)
    }

    /// Every query in flight.
    pub(super) fn in_flight(&self) -> Vec<Entry> {
        snapshot(&self.maps().dns_inflight, self.slots()).expect("dns_inflight can be read")
    }

    /// The only query in flight.
    #[track_caller]
    pub(super) fn the_query(&self) -> Entry {
        let all = self.in_flight();
        assert_eq!(all.len(), 1, "queries in flight");
        all[0]
    }

    /// The records since the last call; each must be one that is understood.
    #[track_caller]
    pub(super) fn events(&self) -> Vec<Event> {
        let Loaded { ring, records, .. } = self.loaded();
        ring.consume().expect("the ring buffer can be read");
        let records = std::mem::take(&mut *records.lock().expect("nobody panics with it"));
        let understood = records.into_iter().collect::<Option<_>>();
        understood.expect("each record is understood")
    }

    /// The attempts that ended since the last call; there must be nothing else.
    #[track_caller]
    pub(super) fn ended(&self) -> Vec<Attempt> {
        let events = self.events().into_iter();
        events
            .map(|event| match event {
                Event::Ended(attempt) => attempt,
                other => panic!("not the end of an attempt: {other:?}"),
            })
            .collect()
    }

    /// Lets every send of the queries in flight have been `ns` earlier.
    pub(super) fn age(&self, ns: u64) {
        self.date(|at_ns| at_ns.saturating_sub(ns));
    }

    /// Lets every send of the queries in flight have been just now, however long the
    /// test took.
    pub(super) fn refresh(&self) {
        self.date(|_| Clock::monotonic_ns());
    }

    fn date(&self, date: impl Fn(u64) -> u64) {
        self.slots().change(|slot| {
            slot.record.first_ns = date(slot.record.first_ns);
            slot.record.send.at_ns = date(slot.record.send.at_ns);
        });
        let map = &self.maps().dns_inflight;
        for key in map.keys().collect::<Vec<_>>() {
            let value = map.lookup(&key, MapFlags::ANY).expect("an entry");
            let mut value = value.expect("an entry");
            let query: &mut dns_query = plain::from_mut_bytes(&mut value).expect("its size");
            query.first_ns = date(query.first_ns);
            let sends = usize::from(query.nsends);
            for send in &mut query.sends[..sends] {
                send.at_ns = date(send.at_ns);
            }
            let dated = map.update(&key, &value, MapFlags::EXIST);
            dated.expect("an entry can be changed");
        }
    }

    pub(super) fn counters(&self) -> Counters {
        Counters::read(&self.maps().dns_counters).expect("the counters can be read")
    }

    /// Nothing in flight, nothing recorded, and nothing counted but `expected`.
    #[track_caller]
    pub(super) fn assert_only_counted(&self, expected: Counters) {
        assert_eq!(self.in_flight().len(), 0, "queries in flight");
        assert_eq!(self.events(), [], "records");
        assert_eq!(self.counters(), expected);
    }

    /// Forgets everything that was seen.
    pub(super) fn clear(&self) {
        let maps = self.maps();
        for map in [&maps.dns_inflight, &maps.dns_connections] {
            clear(map);
        }
        self.slots().clear();
        let zeros = vec![vec![0; 8]; libbpf_rs::num_possible_cpus().expect("CPUs")];
        for counter in 0..maps.dns_counters.max_entries() {
            let key = counter.to_ne_bytes();
            let zeroed = maps.dns_counters.update_percpu(&key, &zeros, MapFlags::ANY);
            zeroed.expect("a counter can be set");
        }
        self.events();
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        if self.reusable
            && !std::thread::panicking()
            && let Ok(mut idle) = IDLE.lock()
        {
            idle.extend(self.loaded.take());
        }
    }
}

fn clear(map: &MapMut<'_>) {
    // All keys first: deleting while iterating starts the iteration anew.
    for key in map.keys().collect::<Vec<_>>() {
        map.delete(&key).expect("an entry can be deleted");
    }
}
