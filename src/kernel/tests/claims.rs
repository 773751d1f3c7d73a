//! The claim that makes a query in flight user space's, against the real maps.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libbpf_rs::MapCore as _;
use libbpf_rs::MapFlags;
use libbpf_rs::MapHandle;

use super::super::entry::Claim;
use super::super::entry::Entry;
use super::super::inflight::claim;
use super::super::inflight::snapshot;
use super::super::inflight::sweep_connections;
use super::super::inflight::take_claim;
use super::super::wire::dns_connection;
use super::message::Dns;
use super::packet::Path;
use super::programs::Hook;
use super::programs::Programs;
use super::slots::InTests as _;
use super::socket::Socket;
use super::socket::entries;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::event::Event;
use crate::host::Clock;

const TIMEOUT: Duration = Duration::from_secs(5);

fn claimed(programs: &Programs, entry: &Entry) -> Claim {
    claim(&programs.maps().dns_inflight, programs.slots(), entry, 99).expect("the map can be used")
}

#[track_caller]
fn ours(claim: Claim) -> Vec<Attempt> {
    match claim {
        Claim::Ours(attempts) => attempts,
        other => panic!("{other:?}"),
    }
}

/// Changes a query in flight as the kernel could have.
pub(super) fn change(programs: &Programs, change: impl Fn(&mut Entry)) {
    let mut entry = programs.the_query();
    change(&mut entry);
    if entry.place.is_some() {
        programs
            .slots()
            .use_again(|slot| slot.record.send = entry.query.sends[0]);
        return;
    }
    // SAFETY: the fields of both fill them; there is no padding.
    let (key, query) = unsafe { (plain::as_bytes(&entry.key), plain::as_bytes(&entry.query)) };
    let map = &programs.maps().dns_inflight;
    map.update(key, query, MapFlags::EXIST)
        .expect("an entry can be changed");
}

#[test]
fn root_a_query_is_claimed_once() {
    let programs = Programs::load();
    let query = Dns::query(7, "claimed.example");
    programs.run(Hook::Egress, &Path::v4().udp(&query.bytes()));
    let entry = programs.the_query();
    let attempts = ours(claimed(&programs, &entry));
    let [attempt] = &attempts[..] else {
        panic!("{attempts:?}");
    };
    assert_eq!(attempt.outcome, Outcome::Unanswered);
    assert_eq!(
        (attempt.end_ns, attempt.id, attempt.number),
        (99, Some(7), 1)
    );
    assert_eq!(
        (attempt.local, attempt.peer),
        (Path::v4().from, Path::v4().to)
    );
    assert_eq!(attempt.question.as_bytes(), query.body);
    assert_eq!(claimed(&programs, &entry), Claim::Kernels);
    assert_eq!(programs.in_flight().len(), 0);
}

#[test]
fn root_an_answered_query_can_not_be_claimed() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let query = Dns::query(7, "answered.example");
    socket.quiet(Hook::Egress, &Path::v4().udp(&query.bytes()));
    let entry = programs.the_query();
    let answer = Path::v4().back().udp(&query.answer(0).bytes());
    // The run has moved the entry to another cookie; its own is gone too.
    assert_eq!(socket.ended_by(Hook::Ingress, &answer).len(), 1);
    assert_eq!(claimed(&programs, &entry), Claim::Kernels);
}

#[test]
fn root_a_claimed_query_has_no_answer_any_more() {
    let programs = Programs::load();
    let mut socket = Socket::new(&programs);
    let query = Dns::query(7, "too.late.example");
    socket.quiet(Hook::Egress, &Path::v4().udp(&query.bytes()));
    ours(claimed(&programs, &programs.the_query()));
    let answer = Path::v4().back().udp(&query.answer(0).bytes());
    let events = socket.run(Hook::Ingress, &answer);
    assert!(matches!(&events[..], [Event::Stray(_)]), "{events:?}");
}

#[test]
fn root_a_query_resent_since_the_look_stays_the_kernels() {
    let programs = Programs::load();
    let query = Dns::query(7, "resent.example");
    programs.run(Hook::Egress, &Path::v4().udp(&query.bytes()));
    let before = programs.the_query();
    change(&programs, |entry| {
        entry.query.sends[0].at_ns += 1;
        entry.query.sends[0].attempt = 2;
    });
    assert_eq!(claimed(&programs, &before), Claim::Kernels);
    assert_eq!(programs.the_query().give_up(0)[0].number, 2);
    // The same when the resend comes between the look and the claim itself.
    let map = &programs.maps().dns_inflight;
    assert_eq!(
        take_claim(map, programs.slots(), &before, 99).expect("the map can be used"),
        Claim::Kernels
    );
    assert_eq!(programs.the_query().give_up(0)[0].number, 2);
    let now = programs.the_query();
    assert_eq!(ours(claimed(&programs, &now))[0].number, 2);
}

#[test]
fn root_a_query_that_is_being_filled_is_left_alone() {
    let programs = Programs::load();
    programs.run(
        Hook::Egress,
        &Path::v4().udp(&Dns::query(7, "filled").bytes()),
    );
    let before = programs.the_query();
    if before.place.is_some() {
        programs.slots().fill_anew();
    } else {
        change(&programs, |entry| entry.query.ready = 0);
    }
    assert_eq!(programs.in_flight().len(), 0, "it is not swept");
    assert_eq!(claimed(&programs, &before), Claim::Kernels);
    if before.place.is_none() {
        let entries = entries(&programs.maps().dns_inflight);
        assert_eq!(entries.len(), 1, "it is still there");
    }
}

#[test]
fn root_every_attempt_has_one_end_while_resends_and_claims_race() {
    const SENDS: u32 = 300_000;
    let programs = Programs::load();
    let packet = Path::v4().udp(&Dns::query(7, "race.example").bytes());
    let map = MapHandle::try_from(&programs.maps().dns_inflight).expect("a second handle");
    let slots = programs.slots();
    let done = AtomicBool::new(false);
    let claims = std::thread::scope(|scope| {
        let done = &done;
        let claims = scope.spawn(move || {
            let mut claims = 0;
            while !done.load(Ordering::Relaxed) {
                for entry in snapshot(&map, slots).expect("the map can be read") {
                    let claim = claim(&map, slots, &entry, 0);
                    claims += match claim.expect("the map can be used") {
                        Claim::Kernels => 0,
                        Claim::Ours(attempts) => attempts.len() as u64,
                        Claim::Lost => 1,
                    };
                }
            }
            claims
        });
        programs.repeat(Hook::Egress, &packet, SENDS);
        done.store(true, Ordering::Relaxed);
        claims.join().expect("the claims end")
    });
    let counters = programs.counters();
    let ended = programs.ended().len() as u64;
    let in_flight: u64 = programs.in_flight().iter().map(Entry::servers_asked).sum();
    assert_eq!(counters.queries, u64::from(SENDS));
    assert_eq!(
        counters.queries,
        ended + claims + in_flight + counters.lost(),
        "{claims} {counters:?}"
    );
}

/// A connection with the times as given, under this cookie.
fn put_connection(programs: &Programs, cookie: u64, connect_ns: u64, last_ns: u64) {
    let connection = dns_connection {
        connect_ns,
        last_ns,
        peer_port: 53,
        ..dns_connection::default()
    };
    // SAFETY: dns_connection is padded by hand.
    let value = unsafe { plain::as_bytes(&connection) };
    let map = &programs.maps().dns_connections;
    let put = map.update(&cookie.to_ne_bytes(), value, MapFlags::NO_EXIST);
    put.expect("room for a connection");
}

#[test]
fn root_only_connections_that_nobody_accepted_in_time_are_attempts() {
    let programs = Programs::load();
    let second = 1_000_000_000;
    let now = Clock::monotonic_ns().max(10_000 * second);
    let ago = |seconds: u64| now - seconds * second;
    put_connection(&programs, 1, ago(5), ago(1)); // pending, SYN sent again
    put_connection(&programs, 2, ago(4), ago(4)); // pending, in time
    put_connection(&programs, 3, 0, ago(599)); // accepted and quiet
    put_connection(&programs, 4, 0, ago(600)); // its end was not seen
    put_connection(&programs, 5, ago(601), ago(601)); // pending since long
    let map = &programs.maps().dns_connections;
    let mut ended = sweep_connections(map, programs.slots(), now, TIMEOUT, u64::MAX)
        .expect("the map can be swept");
    ended.sort_by_key(|attempt| attempt.cookie);
    let summary: Vec<_> = ended
        .iter()
        .map(|attempt| (attempt.cookie, attempt.outcome, attempt.sent_ns, attempt.id))
        .collect();
    let unanswered = |cookie, seconds| (cookie, Outcome::Unanswered, ago(seconds), None);
    assert_eq!(summary, [unanswered(1, 5), unanswered(5, 601)]);
    let mut left: Vec<u64> = entries(map)
        .iter()
        .filter_map(|(key, _)| key.first_chunk::<8>())
        .map(|key| u64::from_ne_bytes(*key))
        .collect();
    left.sort_unstable();
    // The kernel sends the SYN of 1 and 5 again: those are not new ones.
    assert_eq!(left, [1, 2, 3, 5]);
    let again = sweep_connections(map, programs.slots(), now, TIMEOUT, u64::MAX)
        .expect("the map can be swept");
    assert_eq!(again, []);
}

/// The peer's FIN may go where no hook sees it.
#[test]
fn root_a_connection_that_one_end_has_closed_is_soon_forgotten() {
    let programs = Programs::load();
    let second = 1_000_000_000;
    let now = Clock::monotonic_ns().max(10_000 * second);
    let map = &programs.maps().dns_connections;
    for (cookie, fins, gave_up, seconds) in [
        (1, 1, 0, 1),
        (2, 1, 0, 2),
        (3, 2, 0, 2),
        (4, 0, 1, 129),
        (5, 0, 1, 130),
    ] {
        let connection = dns_connection {
            last_ns: now - seconds * second,
            fins,
            gave_up,
            ..dns_connection::default()
        };
        // SAFETY: dns_connection is padded by hand.
        let value = unsafe { plain::as_bytes(&connection) };
        let cookie: u64 = cookie;
        let put = map.update(&cookie.to_ne_bytes(), value, MapFlags::NO_EXIST);
        put.expect("room for a connection");
    }
    assert_eq!(
        sweep_connections(map, programs.slots(), now, TIMEOUT, u64::MAX)
            .expect("the map can be swept"),
        []
    );
    let mut left: Vec<u64> = entries(map)
        .iter()
        .filter_map(|(key, _)| key.first_chunk::<8>())
        .map(|key| u64::from_ne_bytes(*key))
        .collect();
    left.sort_unstable();
    assert_eq!(left, [1, 4]);
}

#[test]
fn root_quiet_connections_give_way_when_there_are_many() {
    let programs = Programs::load();
    let second = 1_000_000_000;
    let now = Clock::monotonic_ns().max(10_000 * second);
    let ago = |seconds: u64| now - seconds * second;
    let map = &programs.maps().dns_connections;
    let half = u64::from(map.max_entries()) / 2;
    let sweep = || sweep_connections(map, programs.slots(), now, Duration::MAX, u64::MAX);
    put_connection(&programs, 1, 0, ago(9)); // said something lately
    put_connection(&programs, 2, ago(11), ago(11)); // is being made
    for cookie in 3..=half {
        put_connection(&programs, cookie, 0, ago(10));
    }
    sweep().expect("the map can be swept");
    assert_eq!(
        entries(map).len() as u64,
        half,
        "the others have their half"
    );
    put_connection(&programs, half + 1, 0, ago(10));
    sweep().expect("the map can be swept");
    assert_eq!(entries(map).len(), 2);
}
