//! Every way of losing something has its count, and the counts add up.

use libbpf_rs::MapCore as _;
use libbpf_rs::MapFlags;

use super::super::wire::dns_connection;
use super::super::wire::dns_key;
use super::super::wire::dns_query;
use super::message::Dns;
use super::packet::Path;
use super::packet::Segment;
use super::programs::Hook;
use super::programs::Programs;
use crate::event::Event;

/// More records than the ring buffer has room for.
const FLOOD: u32 = 12_000;

#[test]
fn root_resends_that_the_ring_buffer_has_no_room_for_are_lost_and_counted() {
    let programs = Programs::load();
    let query = Path::v4().udp(&Dns::query(7, "flood.example").bytes());
    programs.repeat(Hook::Egress, &query, FLOOD);
    let ended = programs.ended().len() as u64;
    let counters = programs.counters();
    assert_eq!(counters.queries, u64::from(FLOOD));
    assert!(ended < u64::from(FLOOD) - 1, "the ring buffer was full");
    let in_flight = programs.the_query().servers_asked();
    assert_eq!(counters.queries, ended + in_flight + counters.lost());
    assert_eq!(counters.ring_full, counters.lost());
}

#[test]
fn root_strays_that_the_ring_buffer_has_no_room_for_are_counted() {
    let programs = Programs::load();
    let answer = Dns::query(7, "flood.example").answer(0).bytes();
    programs.repeat(Hook::Ingress, &Path::v4().back().udp(&answer), FLOOD);
    let events = programs.events();
    assert!(events.iter().all(|event| matches!(event, Event::Stray(_))));
    let lost = programs.counters().notice_lost;
    assert!(lost > 0, "the ring buffer was full");
    assert_eq!(events.len() as u64 + lost, u64::from(FLOOD));
    assert_eq!(programs.counters().queries, 0);
}

#[test]
fn root_queries_that_have_no_room_in_flight_are_lost_and_counted() {
    let programs = Programs::load();
    let map = &programs.maps().dns_inflight;
    let room = map.max_entries();
    for cookie in 1..=u64::from(room) {
        let key = dns_key {
            cookie: u64::MAX - cookie,
            ..dns_key::default()
        };
        // SAFETY: the fields of dns_key fill its 32 bytes.
        let key = unsafe { plain::as_bytes(&key) };
        let value = vec![0; size_of::<dns_query>()];
        map.update(key, &value, MapFlags::NO_EXIST)
            .expect("room for one more");
    }
    // A question that no slot has room for.
    let long = "long-label.".repeat(9);
    let query = Path::v4().udp(&Dns::query(7, &long).bytes());
    programs.repeat(Hook::Egress, &query, 3);
    assert_eq!(programs.events(), []);
    let counters = programs.counters();
    assert_eq!((counters.queries, counters.inflight_full), (3, 3));
    assert_eq!(
        programs.in_flight().len(),
        0,
        "unfilled entries are not shown"
    );
}

#[test]
fn root_connections_that_have_no_room_are_counted() {
    let programs = Programs::load();
    let map = &programs.maps().dns_connections;
    for cookie in 1..=u64::from(map.max_entries()) {
        let value = vec![0; size_of::<dns_connection>()];
        let key = (u64::MAX - cookie).to_ne_bytes();
        map.update(&key, &value, MapFlags::NO_EXIST)
            .expect("room for one more");
    }
    let segment = Segment {
        payload: &Dns::query(7, "full.example").prefixed(),
        ..Segment::default()
    };
    programs.run(Hook::Egress, &Path::v4().tcp(&segment));
    assert_eq!(programs.in_flight().len(), 0);
    let counters = programs.counters();
    assert_eq!((counters.queries, counters.tcp_untracked), (0, 1));
}
