//! One socket over several test runs.
//!
//! Each test run has a socket of its own, so no query would meet its answer.
//! But the cookies of a CPU follow each other: what the last run left under its
//! cookie is moved to the next one before the next run. Whether the run really
//! had that cookie is seen by asking for one more afterwards; if some other
//! socket of the host came between, everything is put back and tried again.

use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;

use super::super::wire::dns_key;
use super::super::wire::dns_query;
use super::programs::Hook;
use super::programs::Programs;
use super::slots::InTests as _;
use super::slots::Waiting;
use super::slots::bucket;
use super::slots::waiting;
use crate::attempt::Attempt;
use crate::event::Event;

/// Other sockets of the host get cookies too, on this CPU a few per second.
const TRIES: usize = 100;

pub(super) struct Socket<'a> {
    programs: &'a Programs,
    pub(super) cookie: u64,
    /// What it has sent counts as sent just now at each run.
    pub(super) at_once: bool,
}

/// All that the programs remember, as bytes.
struct Memory {
    inflight: Vec<(Vec<u8>, Vec<u8>)>,
    slots: Waiting,
    connections: Vec<(Vec<u8>, Vec<u8>)>,
    counters: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl<'a> Socket<'a> {
    /// A socket that has not sent anything. Pins the thread to its CPU.
    pub(super) fn new(programs: &'a Programs) -> Self {
        stay_on_this_cpu();
        Self {
            programs,
            cookie: 0,
            at_once: false,
        }
    }

    /// The same for one that sends several packets at once.
    pub(super) fn at_once(programs: &'a Programs) -> Self {
        Self {
            at_once: true,
            ..Self::new(programs)
        }
    }

    /// Runs the packet at this socket; returns the records that it made.
    #[track_caller]
    pub(super) fn run(&mut self, hook: Hook, packet: &[u8]) -> Vec<Event> {
        assert_eq!(self.programs.events(), [], "records before the run");
        let (memory, before) = (Memory::of(self.programs), self.cookie);
        for _ in 0..TRIES {
            let cookie = next_cookie() + 1;
            self.move_to(cookie);
            if self.at_once {
                self.programs.refresh();
            }
            self.programs.run(hook, packet);
            let after = next_cookie();
            let events = self.programs.events();
            // The program may have had no need for the cookie.
            if after == cookie + 1 || after == cookie {
                let (slots, there) = (self.programs.slots(), self.programs.in_flight());
                assert_eq!(slots.counted(), waiting(&there), "what waits, by socket");
                return events;
            }
            memory.restore(self.programs);
            self.cookie = before;
        }
        panic!("no two cookies follow each other on this host");
    }

    /// The attempts that end with this packet; there must be nothing else.
    #[track_caller]
    pub(super) fn ended_by(&mut self, hook: Hook, packet: &[u8]) -> Vec<Attempt> {
        let events = self.run(hook, packet).into_iter();
        events
            .map(|event| match event {
                Event::Ended(attempt) => attempt,
                other => panic!("not the end of an attempt: {other:?}"),
            })
            .collect()
    }

    /// Runs a packet that ends nothing.
    #[track_caller]
    pub(super) fn quiet(&mut self, hook: Hook, packet: &[u8]) {
        assert_eq!(self.run(hook, packet), []);
    }

    fn move_to(&mut self, cookie: u64) {
        let (old, new) = (self.cookie.to_ne_bytes(), cookie.to_ne_bytes());
        let maps = self.programs.maps();
        // A key of either map begins with the cookie.
        for map in [&maps.dns_inflight, &maps.dns_connections] {
            for (key, value) in entries(map) {
                if !key.starts_with(&old) {
                    continue;
                }
                let moved = [&new[..], &key[8..]].concat();
                map.delete(&key).expect("an entry can be deleted");
                let mut value = value;
                if let Ok(query) = plain::from_mut_bytes::<dns_query>(&mut value)
                    && let Ok(key) = plain::from_bytes::<dns_key>(&moved)
                {
                    query.bucket = bucket(key);
                }
                let put = map.update(&moved, &value, MapFlags::NO_EXIST);
                put.expect("an entry can be moved");
            }
        }
        let slots = self.programs.slots();
        slots.move_to(self.cookie, cookie);
        slots.count(&self.programs.in_flight());
        self.cookie = cookie;
    }
}

impl Memory {
    fn of(programs: &Programs) -> Self {
        let maps = programs.maps();
        let counters = &maps.dns_counters;
        let values = |key: &Vec<u8>| {
            let value = counters.lookup_percpu(key, MapFlags::ANY);
            value.expect("a counter").expect("a counter")
        };
        Self {
            inflight: entries(&maps.dns_inflight),
            slots: programs.slots().waiting(),
            connections: entries(&maps.dns_connections),
            counters: counters
                .keys()
                .map(|key| (key.clone(), values(&key)))
                .collect(),
        }
    }

    fn restore(&self, programs: &Programs) {
        programs.clear();
        programs.slots().restore(&self.slots);
        let maps = programs.maps();
        let both = [
            (&maps.dns_inflight, &self.inflight),
            (&maps.dns_connections, &self.connections),
        ];
        for (map, entries) in both {
            for (key, value) in entries {
                let put = map.update(key, value, MapFlags::NO_EXIST);
                put.expect("an entry can be put back");
            }
        }
        programs.slots().count(&programs.in_flight());
        for (key, values) in &self.counters {
            let put = maps.dns_counters.update_percpu(key, values, MapFlags::ANY);
            put.expect("a counter can be put back");
        }
    }
}

/// Every entry of a hash map.
pub(super) fn entries(map: &impl MapCore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keys: Vec<Vec<u8>> = map.keys().collect();
    let value = |key: &[u8]| map.lookup(key, MapFlags::ANY).expect("the map can be read");
    keys.into_iter()
        .filter_map(|key| value(&key).map(|value| (key, value)))
        .collect()
}

/// The cookies of a CPU follow each other.
pub(super) fn stay_on_this_cpu() {
    let mut here = CpuSet::new();
    let cpu = nix::sched::sched_getcpu().expect("a CPU");
    here.set(cpu).expect("a CPU of this host");
    sched_setaffinity(Pid::from_raw(0), &here).expect("the thread can be pinned");
}

/// The cookie of a new socket: the next one of this CPU.
pub(super) fn next_cookie() -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback interface");
    let mut cookie = 0_u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the option has eight octets, which `cookie` takes.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            std::ptr::from_mut(&mut cookie).cast(),
            &mut len,
        )
    };
    assert_eq!(done, 0, "SO_COOKIE");
    cookie
}
