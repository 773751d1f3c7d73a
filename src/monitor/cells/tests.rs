//! What is counted is what was told, and what may concern a failure is told by itself.

use std::collections::BTreeMap;

use domain::base::iana::OptRcode;
use proptest::prelude::*;

use super::*;
use crate::attempt::Answer;
use crate::attempt::Comm;
use crate::attempt::Fingerprint;
use crate::attempt::Owner;
use crate::attempt::RawQuestion;
use crate::kernel::bytes;
use crate::kernel::encoded;
use crate::monitor::questions::QUESTIONS_MAX;
use crate::sample;

fn take(cells: &mut Cells, attempt: &Attempt) -> bool {
    cells.take(
        bytes(&encoded(attempt)),
        &mut Sockets::new(),
        &mut Grouper::default(),
    )
}

fn failed(outcome: Outcome) -> Attempt {
    Attempt {
        outcome,
        answer: None,
        ..sample::plain_attempt()
    }
}

#[test]
fn the_first_of_its_kind_is_told_and_those_like_it_are_counted() {
    let now = Instant::now();
    let mut cells = Cells::new(now);
    let attempt = sample::plain_attempt();
    assert!(!take(&mut cells, &attempt));
    for _ in 0..5 {
        assert!(take(&mut cells, &attempt));
    }
    let other = Attempt {
        owner: Owner {
            comm: Comm::new(b"other"),
            ..attempt.owner
        },
        ..attempt.clone()
    };
    assert!(!take(&mut cells, &other), "somebody else");
    assert!(!cells.is_due(now) && cells.is_due(now + KEPT));
    assert_eq!(cells.take_counted(), 5);
    assert_eq!(cells.take_counted(), 0);
    let counted = cells.hand_on(now);
    assert_eq!(counted, [sample::plain(&vec![attempt.clone(); 5])]);
    assert!(cells.hand_on(now).is_empty());
    assert!(take(&mut cells, &attempt), "it is known still");
}

/// A server may answer names in small letters alone: what separates them must not be mixed.
#[test]
fn a_question_in_capitals_is_counted_apart() {
    let mut cells = Cells::new(Instant::now());
    let small = sample::plain_attempt();
    let capitals = Attempt {
        question: RawQuestion::new(b"\x03WWW\x04test\0\0\x01\0\x01"),
        ..small.clone()
    };
    assert!(!take(&mut cells, &small));
    for attempt in [&small, &capitals, &capitals] {
        assert!(take(&mut cells, attempt));
    }
    let counted = cells.hand_on_questions();
    let questions = counted.iter().flat_map(|plain| &plain.questions);
    let mut asked: Vec<_> = questions
        .map(|it| {
            (
                it.question.shape().is_some_and(|shape| shape.has_capitals),
                it.asked,
            )
        })
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, [(false, 1), (true, 2)]);
}

#[test]
fn who_has_been_quiet_for_long_is_new_again() {
    let now = Instant::now();
    let mut cells = Cells::new(now);
    take(&mut cells, &sample::plain_attempt());
    for _ in 0..=IDLE_MAX {
        cells.hand_on(now);
    }
    assert!(!take(&mut cells, &sample::plain_attempt()));
}

#[test]
fn what_follows_a_failure_at_its_port_is_told_for_a_while() {
    let begin = Instant::now();
    let mut cells = Cells::new(begin);
    let attempt = sample::plain_attempt();
    take(&mut cells, &attempt);
    assert!(!cells.see(std::slice::from_ref(&attempt)));
    assert!(cells.see(&[failed(Outcome::Unanswered)]));
    let elsewhere = Attempt {
        local: "10.0.0.5:50000".parse().expect("an address"),
        ..attempt.clone()
    };
    for (seconds, is_counted) in [(0, false), (119, false), (121, false), (242, true)] {
        cells.hand_on(begin + Duration::from_secs(seconds));
        // It would be new by then.
        take(&mut cells, &elsewhere);
        assert_eq!(take(&mut cells, &attempt), is_counted, "{seconds}");
        assert!(take(&mut cells, &elsewhere));
    }
}

#[test]
fn what_follows_a_discarded_packet_to_its_server_is_told() {
    let now = Instant::now();
    let mut cells = Cells::new(now);
    let attempt = Attempt {
        local: "10.0.0.5:50000".parse().expect("an address"),
        ..sample::plain_attempt()
    };
    take(&mut cells, &attempt);
    cells.see(&[failed(Outcome::Dropped)]);
    assert!(!take(&mut cells, &attempt));
    let other_server = Attempt {
        peer: "10.0.0.99:53".parse().expect("an address"),
        ..attempt
    };
    take(&mut cells, &other_server);
    assert!(take(&mut cells, &other_server));
}

#[test]
fn a_crowd_is_bounded_and_told_by_itself() {
    let now = Instant::now();
    let mut cells = Cells::new(now);
    let of = |pid| Attempt {
        owner: Owner {
            pid: Some(pid),
            ..sample::plain_attempt().owner
        },
        ..sample::plain_attempt()
    };
    let pids = 1..=2 * CELLS_MAX as u32;
    pids.clone()
        .for_each(|pid| assert!(!take(&mut cells, &of(pid))));
    let counted = pids.filter(|pid| take(&mut cells, &of(*pid))).count();
    assert_eq!(counted, CELLS_MAX);
    while take(&mut cells, &of(1)) {}
    assert_eq!(cells.answers, ANSWERS_MAX);
    assert!(cells.is_due(now));
    cells.hand_on(now);
    // Questions are bounded as well.
    let question = |number: usize| {
        let name = format!("\u{6}{number:06}\0\0\u{1}\0\u{1}");
        Attempt {
            question: RawQuestion::new(name.as_bytes()),
            ..of(1)
        }
    };
    assert!(!cells.has_many_questions());
    cells.hand_on_questions();
    let counted = (0..2 * QUESTIONS_MAX).filter(|number| take(&mut cells, &question(*number)));
    assert_eq!(counted.count(), QUESTIONS_MAX);
    assert!(cells.has_many_questions());
}

/// What comes until the next turn of the poller is counted as well.
#[test]
fn what_was_counted_is_handed_on_before_there_is_no_room() {
    let now = Instant::now();
    let mut cells = Cells::new(now);
    let question = |number: usize| Attempt {
        question: RawQuestion::new(format!("\u{6}{number:06}\0\0\u{1}\0\u{1}").as_bytes()),
        ..sample::plain_attempt()
    };
    take(&mut cells, &question(0));
    let mut numbers = 0..;
    let mut ask = |cells: &mut Cells| take(cells, &question(numbers.next().expect("one")));
    while !cells.has_many_questions() {
        assert!(ask(&mut cells));
    }
    for _ in 0..BETWEEN - 1 {
        assert!(ask(&mut cells));
    }
    assert!(cells.hand_on_questions()[0].questions.len() > QUESTIONS_MAX / 2);
    assert!(!cells.has_many_questions() && ask(&mut cells));
}

/// Who has gone has asked nevertheless, and who goes on is counted anew.
#[test]
fn questions_are_handed_on_once_with_who_asked() {
    let now = Instant::now();
    let mut cells = Cells::new(now);
    let attempt = sample::plain_attempt();
    take(&mut cells, &attempt);
    (0..3).for_each(|_| assert!(take(&mut cells, &attempt)));
    let expected = [sample::questions(&vec![attempt.clone(); 3])];
    // Long quiet by then.
    for _ in 0..=IDLE_MAX {
        cells.hand_on(now);
    }
    assert_eq!(cells.hand_on_questions(), expected);
    assert!(cells.hand_on_questions().is_empty());
    take(&mut cells, &attempt);
    assert!(take(&mut cells, &attempt));
    let again = cells.hand_on_questions();
    assert_eq!(again, [sample::questions(std::slice::from_ref(&attempt))]);
    assert!(take(&mut cells, &attempt));
    assert_eq!(cells.hand_on_questions(), again);
}

prop_compose! {
    fn exchange()(
        process in 0..3_u32,
        role in prop::bool::ANY,
        name in 0..4_u8,
        rtype in prop::sample::select(vec![1_u8, 28, 12]),
        is_nxdomain in prop::bool::ANY,
        took in 0..100 * sample::MS,
        after in 0..300 * sample::MS,
    ) -> Attempt {
        let plain = sample::plain_attempt();
        let answer = Answer {
            rcode: match is_nxdomain {
                true => OptRcode::NXDOMAIN,
                false => OptRcode::NOERROR,
            },
            ..plain.answer.expect("an answer")
        };
        let sent_ns = plain.sent_ns + after;
        Attempt {
            role: if role { Role::Server } else { Role::Client },
            owner: Owner { pid: Some(process + 1), ..plain.owner },
            question: RawQuestion::new(&[1, b'a' + name, 0, 0, rtype, 0, 1]),
            answer: Some(answer),
            sent_ns,
            first_ns: sent_ns,
            end_ns: sent_ns + took,
            ..plain
        }
    }
}

/// At which end, by which process, or all of them, and which question.
type Asking = (Role, Option<u32>, u64, u16);

/// How often each question was asked and answered NXDOMAIN.
fn by_question(all: &[PlainQuestions]) -> BTreeMap<Asking, (u64, u64)> {
    let mut sums: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    let mut add = |role, pid, it: Fingerprint, (asked, nxdomain)| {
        let sum = sums.entry((role, pid, it.name, it.rtype.to_int()));
        let sum = sum.or_default();
        *sum = (sum.0 + asked, sum.1 + nxdomain);
    };
    for all in all {
        for it in &all.questions {
            add(all.role, None, it.fingerprint, (it.asked, it.nxdomain));
        }
        for asker in &all.askers {
            for &(place, asked, nxdomain) in &asker.names {
                let question = all.questions[place as usize].fingerprint;
                add(
                    all.role,
                    asker.pid,
                    question,
                    (asked.into(), nxdomain.into()),
                );
            }
        }
    }
    sums
}

proptest! {
    /// Each is told or counted, in one cell with those that are alike.
    #[test]
    fn nothing_is_lost_and_nothing_is_made_up(
        attempts in prop::collection::vec(exchange(), 1..200)
    ) {
        let mut cells = Cells::new(Instant::now());
        let mut expected: HashMap<_, Vec<Attempt>> = HashMap::new();
        let mut told = 0;
        for attempt in &attempts {
            match take(&mut cells, attempt) {
                true => {
                    let key = (attempt.role, attempt.owner.pid);
                    expected.entry(key).or_default().push(attempt.clone());
                }
                false => told += 1,
            }
        }
        prop_assert_eq!(told + cells.take_counted(), attempts.len() as u64);
        let asked = cells.hand_on_questions();
        let told = expected.values().map(|it| sample::questions(it));
        prop_assert_eq!(by_question(&asked), by_question(&told.collect::<Vec<_>>()));
        let mut counted = cells.hand_on(Instant::now());
        let mut expected: Vec<_> = expected.values().map(|it| sample::plain(it)).collect();
        for plain in counted.iter_mut().chain(&mut expected) {
            plain.example = sample::plain_attempt();
            plain.example.owner.pid = None;
        }
        let by = |it: &Plain| (it.latencies.clone(), it.moments.clone(), it.exchanges.len());
        counted.sort_by_key(by);
        expected.sort_by_key(by);
        prop_assert_eq!(counted, expected);
    }
}
