//! What notes answers leave for the moment when they are read.

use libbpf_rs::MapCore as _;
use libbpf_rs::MapFlags;

use super::super::wire::dns_unread_answer;
use super::message::Dns;
use super::packet::Path;
use super::programs::Hook;
use super::programs::Programs;
use super::socket::next_cookie;
use super::socket::stay_on_this_cpu;
use crate::event::Event;
use crate::host::Clock;

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

/// While nobody looks at reads, an old note is a hint when its socket is used again.
#[test]
fn root_a_note_that_is_old_is_a_hint_while_nobody_looks() {
    const OLD_NS: u64 = 50_000_000;
    let mut programs = Programs::load();
    let answer = Dns::query(40_003, "old.example").answer(0);
    let packet = Path::v4().back().udp(&answer.bytes());
    stay_on_this_cpu();
    let mut hints = |age_ns: u64, looked_at: bool| {
        // Another socket of this host may come between.
        for _ in 0..100 {
            let cookie = next_cookie() + 1;
            let note = dns_unread_answer {
                cookie,
                at_ns: Clock::monotonic_ns() - age_ns,
                ..dns_unread_answer::default()
            };
            let map = &programs.maps().dns_unread;
            let slot = (cookie % u64::from(map.max_entries())) as u32;
            // SAFETY: padded by hand.
            let bytes = unsafe { plain::as_bytes(&note) };
            map.update(&slot.to_ne_bytes(), bytes, MapFlags::ANY)
                .expect("a note can be left");
            programs.bss().old_notes = 0;
            programs.bss().reads_since = u64::from(looked_at);
            programs.run(Hook::Ingress, &packet);
            programs.events();
            if next_cookie() == cookie + 1 {
                return programs.bss().old_notes;
            }
        }
        panic!("no two cookies follow each other on this host");
    };
    assert_eq!(hints(2 * OLD_NS, false), 1);
    assert_eq!(hints(0, false), 0);
    assert_eq!(hints(2 * OLD_NS, true), 0);
    programs.bss().reads_since = 0;
}

/// Cookies of two CPUs count up side by side: who meets another's note takes another place.
#[test]
fn root_a_note_gives_way_to_no_other_while_there_is_room() {
    const NOW: u64 = 0;
    let programs = Programs::load();
    let answer = Dns::query(40_004, "beside.example").answer(0);
    let packet = Path::v4().back().udp(&answer.bytes());
    stay_on_this_cpu();
    let map = &programs.maps().dns_unread;
    let leave = |slot: u64, cookie: u64, age_ns: u64| {
        let note = dns_unread_answer {
            cookie,
            id: 40_005,
            at_ns: Clock::monotonic_ns() - age_ns,
            ..dns_unread_answer::default()
        };
        let slot = (slot % u64::from(map.max_entries())) as u32;
        // SAFETY: padded by hand.
        let bytes = unsafe { plain::as_bytes(&note) };
        map.update(&slot.to_ne_bytes(), bytes, MapFlags::ANY)
            .expect("a note can be left");
    };
    let half = u64::from(map.max_entries()) / 2;
    let left = |taken: &[(u64, u64)]| {
        for _ in 0..100 {
            (0..2 * half).for_each(|slot| leave(slot, 0, NOW));
            let cookie = next_cookie() + 1;
            for &(slot, age_ns) in taken {
                leave(cookie + slot * half, u64::MAX - slot, age_ns);
            }
            programs.run(Hook::Ingress, &packet);
            programs.events();
            if next_cookie() == cookie + 1 {
                let others = notes(&programs, 40_005);
                let mut others: Vec<_> = others.iter().map(|it| u64::MAX - it.cookie).collect();
                others.sort_unstable();
                assert_eq!(notes(&programs, 40_004).len(), 1);
                return others;
            }
        }
        panic!("no two cookies follow each other on this host");
    };
    assert_eq!(left(&[]), [0_u64; 0]);
    assert_eq!(left(&[(0, NOW)]), [0]);
    assert_eq!(left(&[(1, NOW)]), [1]);
    // Where both places are taken the eldest goes.
    assert_eq!(left(&[(0, 2_000_000), (1, 1_000_000)]), [1]);
    assert_eq!(left(&[(0, 1_000_000), (1, 2_000_000)]), [0]);
}
