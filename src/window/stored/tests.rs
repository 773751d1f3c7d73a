//! What is read again is what was written, and nothing else is taken for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use proptest::prelude::*;

use super::super::End;
use super::super::Window;
use super::super::tests::end;
use super::super::tests::fate;
use super::super::tests::story;
use super::super::tests::take;
use super::*;
use crate::attempt::Comm;
use crate::attempt::Identity;
use crate::attempt::identity::IdentityTable;
use crate::attribution::Attributed;
use crate::attribution::Books;
use crate::attribution::Counts;
use crate::filter::Filter;
use crate::host::Clock;
use crate::host::Facts;
use crate::host::Signal;
use crate::host::SignalName;
use crate::monitor::Message;
use crate::report::Form;
use crate::report::Report;
use crate::sample;
use crate::sampler::HostSample;
use crate::sampler::OomKill;
use crate::sampler::Process;

/// An end with a bit of all that there is.
fn full_end(seconds: u64, queries: u64) -> End {
    let mut known = IdentityTable::default();
    let mut pod = Identity::of_cgroup(b"/kubepods/burstable/podu-1/abc");
    pod.name_pod("shop", "web-1", "u-1");
    assert!(known.insert(Arc::new(pod)));
    let kill = OomKill {
        pid: 812,
        comm: Comm::new(b"unbound"),
        at_ns: 1_000_000_000_000,
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        whose: Default::default(),
    };
    End {
        host: HostSample {
            own_netns: Some(1),
            udp: BTreeMap::from([(1, 3)]),
            clients: BTreeMap::from([(1, Process::default())]),
            readers: BTreeMap::from([(1, 0.5)]),
            oom_kills: BTreeMap::from([((1, 812), kill)]),
            waits_looked_at: Duration::from_millis(1_500),
            missing: vec!["a file cannot be read".to_owned()],
            ..HostSample::default()
        },
        signals: vec![Signal {
            name: SignalName::Reads,
            shows: "answers that lie unread".into(),
            missing: Some("this kernel has none: nothing is seen".to_owned()),
            attached: None,
        }],
        known,
        clock: Some(Clock::start()),
        ..end(seconds, queries)
    }
}

fn read_back(window: &ClosedWindow) -> ClosedWindow {
    let stored = window.clone().store(Names::All).expect("it is written");
    ClosedWindow::restore(&stored).expect("it is read")
}

/// As a person reads it, and as a program does.
fn told(window: &ClosedWindow) -> (String, String) {
    let facts = Facts {
        name: "node".to_owned(),
        ..Facts::default()
    };
    let report = Report::new(SystemTime::UNIX_EPOCH, facts, window.clone());
    let text = |form| {
        let mut out = Vec::new();
        report.write(form, &mut out).expect("it is told");
        String::from_utf8(out).expect("text")
    };
    let pretty = Form::Pretty {
        columns: 100,
        colours: true,
    };
    (text(pretty), text(Form::Json))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_window_read_back_tells_and_merges_the_same(
        fates in prop::collection::vec(fate(), 1..120),
        cut in 0.0..1.0f64,
        filtered in any::<bool>(),
    ) {
        let story = story(&fates);
        let cut = (cut * story.len() as f64) as usize;
        let filter = Filter { pid: filtered.then_some(1), ..Filter::default() };
        let mut window = Window::new(filter);
        take(&mut window, &story[..cut]);
        let turned_away = sample::turned_away("10.1.0.7:4000", "10.0.0.53:53", "NETFILTER_DROP");
        window.take(&Message::TurnedAway(vec![turned_away]));
        let first = window.roll(full_end(1, 10)).attributed(books(10));
        take(&mut window, &story[cut..]);
        let one = [sample::plain_attempt()];
        window.take(&Message::Plain(vec![sample::plain(&one)]));
        window.take(&Message::Questions(vec![sample::questions(&one)]));
        let second = window.roll(full_end(1, 10)).attributed(books(7));

        let (first_again, second_again) = (read_back(&first), read_back(&second));
        for (written, read) in [(&first, &first_again), (&second, &second_again)] {
            prop_assert_eq!(told(read), told(written));
            prop_assert_eq!(read.snapshot(), written.snapshot());
            let (evidence, expected) = (read.evidence(), written.evidence());
            prop_assert_eq!(read.accounting(&evidence), written.accounting(&expected));
            prop_assert!(evidence == expected);
        }
        let merged = |first: &ClosedWindow, second: &ClosedWindow| {
            let mut both = first.clone();
            both.merge(second);
            both
        };
        let expected = merged(&first, &second);
        let both = expected.attribution().map(|it| it.counts.attempts);
        prop_assert_eq!(both.map(|it| (it.attributed, it.unnamed)), Some((17, 6)));
        for both in [
            merged(&first_again, &second_again),
            merged(&first_again, &second),
            read_back(&expected),
        ] {
            prop_assert_eq!(told(&both), told(&expected));
            prop_assert!(both.evidence() == expected.evidence());
        }
    }
}

/// One of each kind of fate.
pub(super) fn sample_window() -> ClosedWindow {
    let mut window = Window::new(Filter::default());
    let mut attempt = sample::plain_attempt();
    window.attempt(&attempt);
    attempt.end_ns += 900_000_000;
    attempt.cookie = 2;
    window.attempt(&attempt);
    let turned_away = sample::turned_away("10.1.0.7:4000", "10.0.0.53:53", "NETFILTER_DROP");
    window.take(&Message::TurnedAway(vec![turned_away.clone()]));
    for outcome in [
        crate::attempt::Outcome::Unanswered,
        crate::attempt::Outcome::Refused,
    ] {
        let mut failed = sample::attempt(("curl", 7), "10.0.0.11:53", outcome, 5_000_000_000);
        failed.question = crate::attempt::RawQuestion::new(b"\x06failed\x04test\0\0\x01\0\x01");
        window.attempt(&failed);
    }
    let mut dropped = turned_away;
    dropped.role = crate::attempt::Role::Client;
    window.attempt(&dropped);
    let many: Vec<_> = (0..200).map(|_| sample::plain_attempt()).collect();
    window.take(&Message::Plain(vec![sample::plain(&many)]));
    window.take(&Message::Questions(vec![sample::questions(&many)]));
    let end = End {
        clock: None,
        ..full_end(10, 206)
    };
    window.close(end).attributed(books(206))
}

fn books(attributed: u64) -> Books {
    let attempts = Attributed {
        attributed,
        unnamed: 3,
        ..Attributed::default()
    };
    Books {
        counts: Counts {
            attempts,
            ..Counts::default()
        },
        complaints: vec!["nobody knows the names".to_owned()],
    }
}

/// Where this fails, something is written otherwise than before: raise [`FORMAT`] (once for
/// each release), and put
/// the new figure here.
#[test]
fn what_is_written_changes_only_with_its_number() {
    let octets = borsh::to_vec(&sample_window()).expect("it is written");
    assert_eq!((FORMAT, hash(&octets)), (5, 6_960_124_430_169_427_298));
}

/// FNV-1a.
fn hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3)
    })
}

/// A row that a kerno wrote which counted no attribution.
#[test]
fn a_window_of_the_number_before_is_read_and_says_nothing_of_attribution() {
    let mut expected = sample_window();
    expected.attribution = None;
    let mut plain = borsh::to_vec(&expected).expect("it is written");
    assert_eq!(plain.pop(), Some(0), "what that number was without");
    let as_it_was = (FORMAT_BEFORE, hash(&plain));
    assert_eq!(as_it_was, (4, 11_083_014_553_954_776_013));
    let stored = |plain: &[u8]| {
        let head = [
            &FORMAT_BEFORE.to_le_bytes()[..],
            &hashing::mark().to_le_bytes(),
        ];
        let packed = zstd::stream::encode_all(plain, LEVEL).expect("it is compressed");
        [&head.concat()[..], &packed].concat()
    };
    let read = ClosedWindow::restore(&stored(&plain)).expect("it is read");
    assert_eq!(told(&read), told(&expected));
    assert!(read.evidence() == expected.evidence());
    assert!(!told(&read).1.contains("\"attributed\""));
    // What is put together of both cannot say it of the whole.
    for (mut first, second) in [
        (sample_window(), read.clone()),
        (read.clone(), sample_window()),
    ] {
        first.merge_apart(&second);
        assert_eq!(first.attribution(), None);
        assert_eq!(first.queries(), 2 * expected.queries());
    }
    let whole = borsh::to_vec(&Some(books(1))).expect("it is written");
    for more in [vec![0], vec![1], whole] {
        let longer = [&plain[..], &more].concat();
        let read = ClosedWindow::restore(&stored(&longer));
        assert_eq!(read.err(), Some(Unreadable::Corrupt), "{more:?}");
    }
}

#[test]
fn names_are_written_as_far_as_they_are_to_be() {
    let has = |names, name: &[u8]| {
        let stored = sample_window().store(names).expect("it is written");
        let plain = zstd::stream::decode_all(&stored[HEAD..]).expect("it is compressed");
        plain
            .windows(name.len())
            .any(|it| it.eq_ignore_ascii_case(name))
    };
    // As they are sent, and as they are shown.
    for name in [
        b"\x03www\x04test".as_slice(),
        b"www.test",
        b"\x06failed\x04test",
        b"failed.test",
    ] {
        assert!(!has(Names::None, name), "{name:?}");
    }
    assert!(has(Names::All, b"www.test"));
    assert!(has(Names::All, b"\x06failed\x04test"));
    assert!(has(Names::Failed, b"\x06failed\x04test"));
    assert!(
        !has(Names::Failed, b"failed.test"),
        "a list of what was asked"
    );
}

#[test]
fn without_names_the_figures_and_causes_stay() {
    let window = sample_window();
    for names in [Names::None, Names::Failed] {
        let stored = window.clone().store(names).expect("it is written");
        let read = ClosedWindow::restore(&stored).expect("it is read");
        assert_eq!(read.snapshot(), window.snapshot());
        let rules = |window: &ClosedWindow| {
            let evidence = window.evidence();
            let diagnosis = crate::doctor::diagnose(&window.snapshot(), &evidence);
            let findings = diagnosis.findings.iter();
            let findings: Vec<_> = findings.map(|it| (it.rule, it.queries)).collect();
            (findings, diagnosis.failures_by_cause)
        };
        assert_eq!(rules(&read), rules(&window));
        assert!(told(&read).0.contains("--history-names"));
        let mut both = window.clone();
        both.merge_apart(&read);
        assert!(both.names_missing().is_some());
        let balance = |it: &ClosedWindow| it.accounting(&it.evidence()).balance();
        assert_eq!(balance(&both), 2 * balance(&window));
    }
    assert_eq!(window.names_missing(), None);
}

/// A storm asks the same again, in whatever minutes.
#[test]
fn how_many_questions_there_were_is_known_without_their_names() {
    let minute = |names: Names| {
        let mut window = Window::new(Filter::default());
        for number in 0..30 {
            let mut attempt = sample::plain_attempt();
            attempt.question =
                crate::attempt::RawQuestion::new(&[1, b'a' + number % 3, 0, 0, 1, 0, 1]);
            window.attempt(&attempt);
        }
        let stored = window
            .close(end(60, 30))
            .store(names)
            .expect("it is written");
        ClosedWindow::restore(&stored).expect("it is read")
    };
    for names in [Names::None, Names::Failed, Names::All] {
        let mut both = minute(names);
        both.merge(&minute(names));
        let evidence = both.evidence();
        let (_, process) = evidence.tallies.processes.iter().next().expect("one");
        assert_eq!((process.different(), process.queries), (3, 60), "{names:?}");
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    let window = sample_window();
    let expected = borsh::to_vec(&window).expect("it is written");
    let stored = window.store(Names::All).expect("it is written");
    for at in 0..stored.len() {
        let cut = ClosedWindow::restore(&stored[..at]);
        assert!(cut.is_err(), "cut at {at}");
        let mut bent = stored.clone();
        bent[at] ^= 0x11;
        match ClosedWindow::restore(&bent) {
            // There are bits in the head of a frame that mean nothing.
            Ok(read) => assert_eq!(borsh::to_vec(&read).expect("it is written"), expected),
            Err(why) if at < 2 => assert_eq!(why, Unreadable::Format),
            Err(why) if at < HEAD => assert_eq!(why, Unreadable::Key),
            Err(why) => assert_eq!(why, Unreadable::Corrupt),
        }
    }
}

#[test]
fn hostile_octets_take_no_room() {
    let head = [&FORMAT.to_le_bytes()[..], &hashing::mark().to_le_bytes()].concat();
    let packed = |plain: &[u8]| {
        let packed = zstd::stream::encode_all(plain, 19).expect("it is compressed");
        [&head[..], &packed].concat()
    };
    let bomb = vec![0; OCTETS_MAX as usize + 1];
    let mut long = borsh::to_vec(&sample_window()).expect("it is written");
    long.push(0);
    for octets in [
        packed(&bomb),
        packed(&[0xff; 4096]),
        packed(&long),
        head.clone(),
    ] {
        let read = ClosedWindow::restore(&octets);
        assert_eq!(read.err(), Some(Unreadable::Corrupt));
    }
}

proptest! {
    #[test]
    fn any_octets_are_taken(plain in prop::collection::vec(any::<u8>(), 0..2000)) {
        let head = [&FORMAT.to_le_bytes()[..], &hashing::mark().to_le_bytes()].concat();
        let packed = zstd::stream::encode_all(&plain[..], 1).expect("it is compressed");
        let _read = ClosedWindow::restore(&[&head[..], &packed].concat());
        let _read = ClosedWindow::restore(&plain);
    }
}
