//! Random octets, and packets that were good before something happened to them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;

use super::message::Dns;
use super::packet::IPV4;
use super::packet::IPV6;
use super::packet::Path;
use super::packet::Segment;
use super::packet::ethernet;
use super::programs::BOTH;
use super::programs::Programs;

/// Each runs through both programs.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

/// The packet passes, and what it leaves behind is well-formed and adds up.
fn survives(programs: &Programs, packet: &[u8]) {
    for hook in BOTH {
        programs.clear();
        programs.run_if_accepted(hook, packet);
        // Each record is one that is understood, or this would panic.
        let events = programs.events();
        let in_flight = programs.in_flight();
        for query in &in_flight {
            assert_eq!(query.servers_asked(), 1);
            assert_eq!(
                query.question().len(),
                usize::from(query.query.question_len)
            );
            assert_eq!(query.query.ready, 1);
            for attempt in query.give_up(u64::MAX) {
                attempt.question.parse();
                assert!(attempt.query_bytes >= 12);
                assert_eq!(attempt.number, 1);
            }
        }
        // Two TCP messages in one segment may have the same id.
        let ended = events.len() as u64;
        let counters = programs.counters();
        assert!(counters.queries <= in_flight.len() as u64 + ended + counters.lost());
        assert!(counters.queries >= in_flight.len() as u64 + counters.lost());
    }
}

#[test]
fn root_random_octets_pass() {
    let programs = Programs::load();
    let ethertype = prop_oneof![Just(IPV4), Just(IPV6), any::<u16>()];
    let packet = (ethertype, vec(any::<u8>(), 1..200));
    runner(1000)
        .run(&packet, |(ethertype, octets)| {
            survives(&programs, &[ethernet(ethertype), octets].concat());
            Ok(())
        })
        .expect("every packet passes");
}

#[test]
fn root_random_octets_behind_good_ports_pass() {
    let programs = Programs::load();
    let payload = vec(any::<u8>(), 0..400);
    runner(1000)
        .run(
            &(any::<bool>(), any::<bool>(), payload),
            |(v6, tcp, payload)| {
                let path = if v6 { Path::v6() } else { Path::v4() };
                let segment = Segment {
                    payload: &payload,
                    ..Segment::default()
                };
                survives(
                    &programs,
                    &if tcp {
                        path.tcp(&segment)
                    } else {
                        path.udp(&payload)
                    },
                );
                Ok(())
            },
        )
        .expect("every packet passes");
}

#[test]
fn root_good_packets_that_were_damaged_pass() {
    let programs = Programs::load();
    let query = Dns::query(7, "damaged.example");
    let several: Vec<u8> = [&query, &query.answer(0), &query.edns_error(16, &[])]
        .iter()
        .flat_map(|message| message.prefixed())
        .collect();
    let segment = Segment {
        payload: &several,
        ..Segment::default()
    };
    let good: Vec<Vec<u8>> = [Path::v4(), Path::v6()]
        .iter()
        .flat_map(|path| {
            let answer = path.back().udp(&query.answer(0).bytes());
            [path.udp(&query.bytes()), answer, path.tcp(&segment)]
        })
        .collect();
    let damage = vec((any::<Index>(), any::<u8>()), 1..6);
    let cut = prop_oneof![3 => Just(None), 1 => any::<Index>().prop_map(Some)];
    runner(1000)
        .run(&(any::<Index>(), damage, cut), |(which, damage, cut)| {
            let mut packet = which.get(&good).clone();
            for (place, octet) in damage {
                let place = 14 + place.index(packet.len() - 14);
                packet[place] = octet;
            }
            if let Some(cut) = cut {
                packet.truncate(15 + cut.index(packet.len() - 15));
            }
            survives(&programs, &packet);
            Ok(())
        })
        .expect("every packet passes");
}
