//! What notes answers leave for the moment when they are read.

use libbpf_rs::MapCore as _;
use libbpf_rs::MapFlags;

use super::super::wire::dns_unread_answer;
use super::message::Dns;
use super::packet::Path;
use super::programs::Hook;
use super::programs::Programs;
use crate::event::Event;

/// The notes of answers with this id; each test has one of its own.
fn notes(programs: &Programs, id: u16) -> Vec<dns_unread_answer> {
    let map = &programs.maps().dns_unread;
    let slots = map.lookup_batch(map.max_entries(), MapFlags::ANY, MapFlags::ANY);
    let notes = slots.expect("the map can be read").map(|(_, bytes)| {
        let note: &dns_unread_answer = plain::from_bytes(&bytes).expect("its size");
        *note
    });
    notes
        .filter(|note| note.id == id && note.cookie != 0)
        .collect()
}

#[test]
fn root_only_a_clients_answer_is_noted() {
    let programs = Programs::load();
    let query = Dns::query(40_001, "unread.example");
    let answer = query.answer(0);
    for path in [Path::v4(), Path::v6()] {
        programs.run(Hook::Egress, &path.udp(&query.bytes()));
        programs.run(Hook::Ingress, &path.udp(&query.bytes()));
        programs.run(Hook::Egress, &path.back().udp(&answer.bytes()));
    }
    assert_eq!(notes(&programs, 40_001).len(), 0);
    programs.run(Hook::Ingress, &Path::v4().back().udp(&answer.bytes()));
    assert_eq!(notes(&programs, 40_001).len(), 1);
}

/// The queue of a test run's socket is empty: what was noted before has been
/// discarded, and nobody will read it.
#[test]
fn root_an_answer_that_is_gone_is_waited_for_no_more() {
    let programs = Programs::load();
    let answer = Dns::query(40_002, "gone.example").answer(0);
    let packet = Path::v4().back().udp(&answer.bytes());
    programs.repeat(Hook::Ingress, &packet, 2);
    let events = programs.events();
    let [Event::Stray(first), Event::Stray(second)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(first.at_ns < second.at_ns);
    let noted: Vec<_> = notes(&programs, 40_002)
        .iter()
        .map(|note| note.at_ns)
        .collect();
    assert_eq!(noted, [second.at_ns]);
}
