//! The programs, loaded as the monitor loads them but attached to nothing, and
//! what they leave behind.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::sync::Mutex;

use libbpf_rs::ErrorKind;
use libbpf_rs::MapCore as _;
use libbpf_rs::MapFlags;
use libbpf_rs::MapMut;
use libbpf_rs::ProgramInput;
use libbpf_rs::RingBufferBuilder;
use libbpf_rs::skel::OpenSkel as _;

use super::super::bpf::DnsMonitorMaps;
use super::super::bpf::DnsMonitorSkel;
use super::super::counters::Counters;
use super::super::decode::Event;
use super::super::decode::decode;
use super::super::inflight::InFlight;
use super::super::inflight::snapshot;
use super::super::load::Config;
use super::super::load::configure;
use super::super::load::open;
use super::super::wire::dns_query;
use crate::attempt::Attempt;

/// Both programs let every packet pass.
const PASS: u32 = 1;

/// The hook that a packet goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Egress,
    Ingress,
}

pub(super) const BOTH: [Hook; 2] = [Hook::Egress, Hook::Ingress];

/// Programs for port 53 that no test uses just now. The verifier takes most of a
/// second; so each thread of the tests pays for it once, not each test.
static IDLE: Mutex<Vec<DnsMonitorSkel<'static>>> = Mutex::new(Vec::new());

pub(super) struct Programs {
    /// Always there, but for the moment when it goes back to the idle ones.
    skel: Option<DnsMonitorSkel<'static>>,
    /// Whether other tests may have them next.
    reusable: bool,
}

impl Programs {
    /// Armed, with port 53, and as if just loaded.
    pub(super) fn load() -> Self {
        let idle = IDLE
            .lock()
            .expect("no test panics while it holds this")
            .pop();
        let mut programs = match idle {
            Some(skel) => Self {
                skel: Some(skel),
                reusable: false,
            },
            None => Self::on_ports(&[53]),
        };
        programs.reusable = true;
        programs.clear();
        programs.arm(true);
        programs
    }

    pub(super) fn on_ports(ports: &[u16]) -> Self {
        // A few bytes for each test, so that the skeleton can be a field.
        let object = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = open(object).expect("the object opens");
        let config = Config {
            ports: ports.to_vec(),
            live: false,
        };
        configure(&mut open, &config);
        // No packet of a test reaches these two hooks.
        open.progs.dns_socket_error.set_autoload(false);
        open.progs.dns_no_socket.set_autoload(false);
        let skel = open.load().expect("loading BPF programs needs root");
        let mut programs = Self {
            skel: Some(skel),
            reusable: false,
        };
        programs.arm(true);
        programs
    }

    pub(super) fn maps(&self) -> &DnsMonitorMaps<'static> {
        &self.skel.as_ref().expect("it is loaded").maps
    }

    pub(super) fn arm(&mut self, armed: bool) {
        let skel = self.skel.as_mut().expect("it is loaded");
        let bss = skel.maps.bss_data.as_mut().expect("a .bss");
        bss.armed = u32::from(armed);
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
        let progs = &self.skel.as_ref().expect("it is loaded").progs;
        let program = match hook {
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
    pub(super) fn in_flight(&self) -> Vec<InFlight> {
        snapshot(&self.maps().dns_inflight).expect("dns_inflight can be read")
    }

    /// The only query in flight.
    #[track_caller]
    pub(super) fn the_query(&self) -> InFlight {
        let all = self.in_flight();
        assert_eq!(all.len(), 1, "queries in flight");
        all[0]
    }

    /// The records since the last call; each must be one that is understood.
    #[track_caller]
    pub(super) fn events(&self) -> Vec<Event> {
        let events = RefCell::new(Vec::new());
        let mut builder = RingBufferBuilder::new();
        builder
            .add(&self.maps().dns_events, |bytes| {
                decode(bytes, &mut events.borrow_mut()).expect("a record is understood");
                0
            })
            .expect("the ring buffer can be added");
        let ring = builder.build().expect("the ring buffer can be mapped");
        ring.consume().expect("the ring buffer can be read");
        drop(ring);
        events.into_inner()
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
        let map = &self.maps().dns_inflight;
        for key in map.keys().collect::<Vec<_>>() {
            let value = map.lookup(&key, MapFlags::ANY).expect("an entry");
            let mut value = value.expect("an entry");
            let query: &mut dns_query = plain::from_mut_bytes(&mut value).expect("its size");
            query.first_ns -= ns;
            query.sends.iter_mut().for_each(|send| send.at_ns -= ns);
            let aged = map.update(&key, &value, MapFlags::EXIST);
            aged.expect("an entry can be changed");
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
        let counters = &maps.dns_counters;
        for key in counters.keys() {
            let per_cpu = counters.lookup_percpu(&key, MapFlags::ANY);
            let mut zeros = per_cpu.expect("a counter").expect("a counter");
            zeros.iter_mut().for_each(|count| count.fill(0));
            let zeroed = counters.update_percpu(&key, &zeros, MapFlags::ANY);
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
            idle.extend(self.skel.take());
        }
    }
}

fn clear(map: &MapMut<'_>) {
    // All keys first: deleting while iterating starts the iteration anew.
    for key in map.keys().collect::<Vec<_>>() {
        map.delete(&key).expect("an entry can be deleted");
    }
}
