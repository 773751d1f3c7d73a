//! Two windows that follow each other are one long window.

mod exchanges;

use std::time::Duration;

use domain::base::iana::OptRcode;

use proptest::prelude::*;

use super::*;
use crate::attempt::Answer;
use crate::attempt::Conntrack;
use crate::attempt::HeaderBits;
use crate::attempt::Outcome;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::SlowRead;
use crate::doctor;
use crate::kernel::Counters;
use crate::sample;
use crate::sample::MS;

const SERVERS: [&str; 3] = ["10.0.0.10:53", "10.0.0.11:53", "10.96.0.10:53"];
const NAMES: [&[u8]; 3] = [
    b"\x01a\x07example\x03com\0",
    b"\x01b\x07example\x03com\0",
    b"\x04gone\x04test\0",
];
const NETNS: u32 = 4_026_532_001;
/// Of packets that are discarded.
const REASONS: [&str; 5] = [
    "NEIGH_FAILED",
    "NETFILTER_DROP",
    "IP_INNOROUTES",
    "NO_SOCKET",
    "SOCKET_RCVBUFF",
];

/// What becomes of a query, by a few numbers.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    process: u32,
    server: usize,
    name: usize,
    /// One port is used again and again, others once.
    keeps_its_port: bool,
    kind: u8,
    took_ms: u64,
    /// Answered late after so many others, if it is unanswered at first.
    late_after: Option<usize>,
    is_read_late: bool,
}

pub(super) fn fate() -> impl Strategy<Value = Fate> {
    let late_after = prop::option::weighted(0.3, 1..20usize);
    let numbers = (1..5u32, 0..SERVERS.len(), 0..NAMES.len(), any::<bool>());
    (numbers, 0..14u8, 1..800u64, late_after, any::<bool>()).prop_map(
        |((process, server, name, keeps_its_port), kind, took_ms, late_after, is_read_late)| Fate {
            process,
            server,
            name,
            keeps_its_port,
            kind,
            took_ms,
            late_after,
            is_read_late,
        },
    )
}

/// What a window is told, in its order.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Attempt(Box<Attempt>),
    Read(SlowRead),
}

fn attempt(number: usize, fate: &Fate) -> Attempt {
    let outcome = match fate.kind {
        0..=4 => Outcome::Answered,
        5 | 6 => Outcome::Unanswered,
        7 | 12 => Outcome::Refused,
        8 => Outcome::Superseded,
        _ => Outcome::Dropped,
    };
    let process = (
        ["curl", "java", "node", "unbound"][fate.process as usize - 1],
        fate.process,
    );
    let mut attempt = sample::attempt(process, SERVERS[fate.server], outcome, fate.took_ms * MS);
    let at = number as u64 * 300 * MS;
    attempt.sent_ns += at;
    attempt.first_ns += at;
    attempt.end_ns += at;
    attempt.cookie = 1_000 + number as u64;
    attempt.id = Some(number as u16);
    let port = match fate.keeps_its_port {
        true => 30_000 + fate.process as u16,
        false => 40_000 + number as u16,
    };
    attempt.local.set_port(port);
    attempt.question = RawQuestion::new(&[NAMES[fate.name], &[0, 1, 0, 1]].concat());
    match fate.kind {
        3 => {
            attempt.answer = attempt.answer.map(|answer| Answer {
                rcode: OptRcode::SERVFAIL,
                ..answer
            })
        }
        4 => {
            attempt.answer = attempt.answer.map(|answer| Answer {
                rcode: OptRcode::NXDOMAIN,
                ..answer
            })
        }
        9.. => {
            let reason = REASONS[usize::from(fate.kind - 9)];
            attempt.reason = Some(match reason {
                "NO_SOCKET" => Reason::Errno(libc::ECONNREFUSED),
                _ => Reason::Drop(reason.to_owned()),
            });
            attempt.drop = Some(Box::new(PacketDrop {
                at_ns: attempt.end_ns,
                reason: reason.into(),
                location: None,
                packet: Packet::Query,
                conntrack: Some(match fate.keeps_its_port {
                    true => Conntrack::Confirmed {
                        reply_source: "10.244.1.9".parse().expect("an address"),
                    },
                    false => Conntrack::Absent,
                }),
                netns: NETNS,
                source: attempt.local,
                destination: attempt.peer,
                when_sent: false,
            }));
        }
        _ => {}
    }
    attempt
}

/// The same as a server on this host saw it, where it came: a server that is started anew now
/// and then, leaves some unanswered, and answers some that are lost on their way back.
fn at_server(number: usize, client: &Attempt) -> Option<Attempt> {
    if client.peer.ip().to_string() != "10.0.0.10" {
        return None;
    }
    let (outcome, took_ns) = match client.outcome {
        Outcome::Answered => (Outcome::Answered, client.end_ns - client.sent_ns),
        Outcome::Unanswered if number.is_multiple_of(2) => (Outcome::Answered, 3 * MS),
        Outcome::Unanswered => (Outcome::Unanswered, 5_000 * MS),
        Outcome::Dropped if has_overflowed(client) => (Outcome::Unanswered, 5_000 * MS),
        _ => return None,
    };
    Some(Attempt {
        outcome,
        answer: match outcome {
            Outcome::Answered => client.answer.or(sample::plain_attempt().answer),
            _ => None,
        },
        ..served(number, client, took_ns)
    })
}

fn has_overflowed(attempt: &Attempt) -> bool {
    let mut drop = attempt.drop.iter();
    drop.any(|drop| &*drop.reason == "SOCKET_RCVBUFF")
}

fn served(number: usize, client: &Attempt, took_ns: u64) -> Attempt {
    let mut owner = client.owner;
    owner.netns = NETNS;
    owner.pid = Some(50 + (number / 20) as u32);
    let sent_ns = client.sent_ns + MS / 10;
    Attempt {
        role: Role::Server,
        cookie: 7 + (number / 20) as u64,
        local: client.peer,
        peer: client.local,
        sent_ns,
        first_ns: sent_ns,
        end_ns: sent_ns + took_ns - MS / 5,
        reason: None,
        drop: None,
        owner,
        ..client.clone()
    }
}

/// What another host asked at the same moment, and got.
fn of_another_host(number: usize, client: &Attempt) -> Attempt {
    Attempt {
        outcome: Outcome::Answered,
        answer: sample::plain_attempt().answer,
        peer: "192.0.2.7:5353".parse().expect("an address"),
        local: SERVERS[0].parse().expect("an address"),
        id: client.id.map(|id| id ^ 0x8000),
        ..served(number, client, 2 * MS)
    }
}

pub(super) fn story(fates: &[Fate]) -> Vec<Told> {
    let mut told: Vec<(usize, Told)> = Vec::new();
    for (number, fate) in fates.iter().enumerate() {
        let attempt = attempt(number, fate);
        let views = at_server(number, &attempt).into_iter();
        let views = views.chain(fate.is_read_late.then(|| of_another_host(number, &attempt)));
        told.extend(views.map(|view| (number, Told::Attempt(Box::new(view)))));
        if attempt.outcome == Outcome::Answered && fate.is_read_late {
            let read = SlowRead {
                at_ns: attempt.end_ns + 80 * MS,
                lay_ns: 80 * MS,
                owner: attempt.owner,
                cookie: attempt.cookie,
                id: attempt.id.unwrap_or_default(),
            };
            told.push((number + 2, Told::Read(read)));
        }
        if let (Outcome::Unanswered, Some(after)) = (attempt.outcome, fate.late_after) {
            let mut late = attempt.clone();
            late.outcome = Outcome::Late;
            late.end_ns += after as u64 * 300 * MS;
            late.answer = Some(Answer {
                rcode: OptRcode::NOERROR,
                truncated: false,
                answers: 1,
                bytes: 80,
                bits: HeaderBits::default(),
                extended_error: None,
            });
            told.push((number + after, Told::Attempt(Box::new(late))));
        }
        told.push((number, Told::Attempt(Box::new(attempt))));
    }
    // Stable: what comes at the same time stays in its order, a late answer behind.
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, told)| told).collect()
}

pub(super) fn take(window: &mut Window, told: &[Told]) {
    for told in told {
        match told {
            Told::Attempt(attempt) => window.attempt(attempt),
            Told::Read(read) => window.take(&Message::SlowReads(vec![*read])),
        }
    }
}

pub(super) fn end(seconds: u64, queries: u64) -> End {
    End {
        duration: Duration::from_secs(seconds),
        kernel: Ending {
            counters: Counters {
                queries,
                ring_full: seconds,
                ..Counters::default()
            },
            in_flight: seconds,
            ..Ending::default()
        },
        ..End::default()
    }
}

proptest! {
    #[test]
    fn windows_that_follow_each_other_are_one(
        fates in prop::collection::vec(fate(), 1..120),
        cuts in prop::collection::vec(0.0..1.0f64, 1..4),
        filtered in any::<bool>(),
    ) {
        let told = story(&fates);
        let filter = Filter { pid: filtered.then_some(1), ..Filter::default() };
        let mut long = Window::new(filter.clone());
        take(&mut long, &told);

        let mut cuts: Vec<_> = cuts.iter().map(|cut| (cut * told.len() as f64) as usize).collect();
        cuts.sort_unstable();
        let mut window = Window::new(filter);
        let mut begin = 0;
        let mut merged: Option<ClosedWindow> = None;
        let mut seconds = 0;
        for cut in cuts.into_iter().chain([told.len()]) {
            take(&mut window, &told[begin..cut]);
            begin = cut;
            seconds += 1;
            let closed = window.roll(end(1, 10));
            match &mut merged {
                Some(merged) => merged.merge(&closed),
                None => merged = Some(closed),
            }
        }
        let merged = merged.expect("one at least");
        let mut whole = end(seconds, 10 * seconds);
        whole.kernel.in_flight = 1;
        let long = long.close(whole);

        prop_assert_eq!(merged.duration(), long.duration());
        prop_assert_eq!(merged.snapshot(), long.snapshot());
        let (evidence, expected) = (merged.evidence(), long.evidence());
        prop_assert_eq!(merged.accounting(&evidence), long.accounting(&expected));
        prop_assert_eq!(
            doctor::diagnose(&merged.snapshot(), &evidence),
            doctor::diagnose(&long.snapshot(), &expected)
        );
        prop_assert_eq!(&evidence.incidents, &expected.incidents);
        prop_assert_eq!(&evidence.tallies, &expected.tallies);
        prop_assert!(evidence == expected);
    }
}

proptest! {
    /// Counted together or one by one, it is the same.
    #[test]
    fn plain_answers_count_as_one_by_one(
        fates in prop::collection::vec((0..3_u8, 0..3_u8, prop::bool::ANY, 0..100_000_000_u64), 1..400),
        is_server in prop::bool::ANY,
    ) {
        let attempt = |(name, rtype, is_nxdomain, took): &(u8, u8, bool, u64)| {
            let plain = crate::sample::plain_attempt();
            let rcode = if *is_nxdomain { OptRcode::NXDOMAIN } else { OptRcode::NOERROR };
            Attempt {
                role: if is_server { Role::Server } else { Role::Client },
                question: RawQuestion::new(&[1, b'a' + name, 0, 0, [1, 28, 12][usize::from(*rtype)], 0, 1]),
                answer: plain.answer.map(|answer| Answer { rcode, ..answer }),
                end_ns: plain.sent_ns + took,
                ..plain
            }
        };
        let attempts: Vec<_> = fates.iter().map(attempt).collect();
        let mut one_by_one = Window::new(Filter::default());
        attempts.iter().for_each(|attempt| one_by_one.attempt(attempt));
        let mut together = Window::new(Filter::default());
        together.take(&Message::Plain(vec![crate::sample::plain(&attempts)]));
        together.take(&Message::Questions(vec![crate::sample::questions(&attempts)]));
        prop_assert_eq!(one_by_one.queries(), together.queries());
        let (one_by_one, together) = (one_by_one.close(end(1, 1)), together.close(end(1, 1)));
        prop_assert_eq!(one_by_one.snapshot(), together.snapshot());
        let (evidence, expected) = (together.evidence(), one_by_one.evidence());
        prop_assert_eq!(&evidence.tallies, &expected.tallies);
        prop_assert_eq!(&evidence.server_views, &expected.server_views);
        prop_assert!(evidence == expected);
    }
}

/// The fates above must do what windows can get wrong, or they prove nothing.
#[test]
fn a_late_answer_in_the_next_window_moves_the_one_before() {
    let fate = |kind, late_after| Fate {
        process: 1,
        server: 1,
        name: 0,
        keeps_its_port: false,
        kind,
        took_ms: 5,
        late_after,
        is_read_late: false,
    };
    let told = story(&[fate(5, Some(1)), fate(0, None)]);
    let mut window = Window::new(Filter::default());
    take(&mut window, &told[..1]);
    let mut first = window.roll(end(1, 1));
    assert_eq!(first.snapshot().client.outcomes.unanswered, 1);
    take(&mut window, &told[1..]);
    let mut alone = end(1, 1);
    alone.kernel.counters.ring_full = 0;
    alone.kernel.in_flight = 0;
    let second = window.roll(alone);
    assert_eq!(second.snapshot().client.outcomes.late, 1);
    let accounting = second.accounting(&second.evidence());
    assert_eq!((accounting.queries_seen, accounting.balance()), (2, 0));
    first.merge(&second);
    let outcomes = first.snapshot().client.outcomes;
    assert_eq!(
        (outcomes.unanswered, outcomes.late, outcomes.answered),
        (0, 1, 1)
    );
    assert_eq!(first.evidence().incidents[0].attempt.outcome, Outcome::Late);
}

/// What failed long ago is no burden of the windows from then on, and is known in its own.
#[test]
fn what_is_over_is_not_carried_for_ever() {
    let mut window = Window::new(Filter::default());
    for number in 0..2_000_u64 {
        let mut failed = sample::attempt(("curl", 7), SERVERS[0], Outcome::Dropped, MS);
        failed.local.set_port(10_000 + number as u16);
        failed.cookie = number;
        failed.id = Some(number as u16);
        failed.owner.netns = number as u32;
        failed.drop = sample::turned_away("10.0.0.5:1", SERVERS[0], "NEIGH_FAILED").drop;
        window.attempt(&failed);
        let mut served = sample::plain_attempt();
        served.role = Role::Server;
        served.local = ([10, 1, (number >> 8) as u8, number as u8], 53).into();
        window.attempt(&served);
    }
    let mut whole = window.roll(end(10, 4_000));
    let mut sizes = Vec::new();
    let mut all = vec![whole.clone()];
    for _ in 0..70 {
        let next = window.roll(end(10, 0));
        sizes.push(borsh::to_vec(&next).expect("it is written").len());
        all.push(next);
    }
    assert!(sizes[0] > 100_000, "{sizes:?}");
    assert!(sizes.last() < Some(&3_000), "{sizes:?}");
    let first = all.remove(0).evidence();
    all.iter().for_each(|next| whole.merge(next));
    let merged = whole.evidence();
    assert_eq!(merged.incidents, first.incidents);
    let flow = |evidence: &crate::incidents::Evidence| {
        let incident = &evidence.incidents[0].attempt;
        evidence.tallies.flow(incident).map(|flow| flow.failed)
    };
    assert_eq!((flow(&merged), flow(&first)), (Some(1), Some(1)));
}
