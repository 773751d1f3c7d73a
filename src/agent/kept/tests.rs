//! What is put together, what makes room, and what stays.

use super::*;
use crate::window::ClosedWindow;
use crate::window::End;
use crate::window::Window;

const BEGIN: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN + seconds)
}

fn place(number: u64) -> Place {
    Place {
        run: 1,
        first: number,
        last: number,
    }
}

/// As it is handed in.
fn empty() -> ClosedWindow {
    let mut window = ClosedWindow::default();
    window.shrink();
    window
}

fn filled(number: u64, octets_max: usize) -> Kept {
    let mut kept = Kept::within(octets_max);
    for n in 0..number {
        kept.add(Timed {
            place: place(n),
            from: at(n * 10),
            to: at(n * 10 + 10),
            window: empty(),
        });
    }
    kept
}

/// As it is when there was time for it.
fn tidied(kept: Kept) -> Kept {
    let kept = Mutex::new(kept);
    tidy(&kept);
    kept.into_inner().expect("no panic")
}

#[test]
fn old_ones_become_minutes_and_nothing_lies_between() {
    let kept = tidied(filled(360, usize::MAX));
    // An hour: the last 11 minutes in tens of seconds at least, the rest in minutes.
    assert!(
        (49 + 60..49 + 80).contains(&kept.number()),
        "{}",
        kept.number()
    );
    let all: Vec<_> = kept.overlapping(at(0), at(3600)).collect();
    assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from));
    assert_eq!((all[0].from, all[0].to), (at(0), at(60)));
    let last = all.last().expect("a window");
    assert_eq!((last.from, last.to), (at(3590), at(3600)));
    assert_eq!(kept.since(), Some(at(0)));
}

#[test]
fn what_is_asked_for_is_what_has_a_part_in_it() {
    let kept = filled(60, usize::MAX);
    let some: Vec<_> = kept.overlapping(at(95), at(121)).collect();
    let (first, last) = (some[0], some[some.len() - 1]);
    assert_eq!((first.from, last.to), (at(90), at(130)));
    assert_eq!(kept.overlapping(at(600), at(700)).count(), 0);
    let instant = kept.overlapping(at(100), at(100));
    assert_eq!(instant.count(), 0, "no time at all");
}

#[test]
fn who_asks_often_makes_no_more_windows() {
    let mut kept = Kept::within(usize::MAX);
    let ms = |ms| at(0) + Duration::from_millis(ms);
    for n in 0..2_000 {
        kept.add(Timed {
            place: place(n),
            from: ms(n * 10),
            to: ms(n * 10 + 10),
            window: empty(),
        });
    }
    assert_eq!(kept.number(), 2);
    let all: Vec<_> = kept.overlapping(at(0), at(20)).collect();
    assert_eq!((all[0].from, all[1].to), (at(0), at(20)));
    assert_eq!((all[0].place.first, all[1].place.last), (0, 1_999));
    let counted: usize = kept.overlapping(at(0), at(20)).map(Held::octets).sum();
    assert_eq!(kept.octets(), counted);
}

#[test]
fn minutes_that_are_over_are_told_and_none_is_torn() {
    let kept = filled(20, usize::MAX);
    let places = |first, with_open| -> Vec<_> {
        let minutes = kept.minutes(first, with_open);
        let ends = minutes
            .iter()
            .map(|it| (it[0].place.first, it[it.len() - 1].place.last));
        ends.collect()
    };
    assert_eq!(places(0, false), [(0, 5), (6, 11), (12, 17)]);
    assert_eq!(places(6, true), [(6, 11), (12, 17), (18, 19)]);
    assert_eq!(places(18, false), []);
}

#[test]
fn a_clock_that_is_set_back_tears_a_minute_and_loses_nothing() {
    let mut kept = Kept::within(usize::MAX);
    // At 20 s it is set back to 0.
    for (n, from) in [(0, 0), (1, 10), (2, 0), (3, 10), (4, 20)] {
        kept.add(Timed {
            place: place(n),
            from: at(from),
            to: at(from + 10),
            window: empty(),
        });
    }
    assert_eq!(kept.number(), 5);
    assert_eq!(kept.overlapping(at(0), at(20)).count(), 4);
    let minutes = kept.minutes(0, true);
    let sizes: Vec<_> = minutes.iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 3]);
}

#[test]
fn all_but_the_newest_are_packed_and_say_the_same() {
    let window = |number: u64| {
        let mut window = Window::default();
        let mut attempt = crate::sample::plain_attempt();
        for n in 0..=number {
            attempt.cookie = n;
            window.attempt(&attempt);
        }
        let mut closed = window.close(End::default());
        closed.shrink();
        closed
    };
    let mut kept = Kept::within(usize::MAX);
    for n in 0..3 {
        kept.add(Timed {
            place: place(n),
            from: at(n * 10),
            to: at(n * 10 + 10),
            window: window(n),
        });
    }
    let before = kept.octets();
    let kept = tidied(kept);
    assert!(kept.octets() * 2 < before, "{} {before}", kept.octets());
    let all: Vec<_> = kept.overlapping(at(0), at(30)).collect();
    let form: Vec<_> = all.iter().map(|it| (it.is_whole(), it.queries())).collect();
    assert_eq!(form, [(false, 1), (false, 2), (true, 3)]);
    for (number, held) in all.iter().enumerate() {
        let (whole, was) = (held.whole().expect("a window"), window(number as u64));
        assert_eq!((whole.place, whole.from), (held.place, held.from));
        assert_eq!(whole.window.pack().ok(), was.pack().ok());
    }
    let counted: usize = all.iter().map(|held| held.octets()).sum();
    assert_eq!(kept.octets(), counted);
}

/// They may be gone when they are packed, or have become others.
#[test]
fn what_is_packed_takes_the_place_of_what_it_was_made_of_only() {
    let mut kept = filled(4, usize::MAX);
    let chore = kept.chore(|_| true).expect("three are whole");
    assert!(kept.replace(&chore, chore.done()));
    assert!(!kept.replace(&Chore(Vec::new()), chore.done()));
    assert_eq!((kept.number(), kept.chore(|_| true).is_some()), (4, true));
    let later = kept.chore(|_| true).expect("two are whole");
    kept.forget_first();
    kept.forget_first();
    assert!(!kept.replace(&later, later.done()), "it is gone");
    assert!(!kept.replace(&Chore(vec![later.0[0].clone()]), None));
    assert_eq!((kept.number(), kept.since()), (2, Some(at(20))));
}

#[test]
fn the_oldest_make_room_and_are_counted() {
    let one = empty().octets();
    let packed = tidied(filled(2, usize::MAX)).octets() - one;
    // Five minutes have room as minutes, with the newest, and three have not.
    let kept = filled(30, one + packed * 11);
    assert_eq!((kept.forgotten(), kept.since()), (0, Some(at(0))));
    assert!(kept.octets() <= one + packed * 11);
    let kept = filled(30, one + packed * 5 / 2);
    assert_eq!(kept.number(), 3);
    assert!(kept.octets() <= one + packed * 5 / 2);
    assert!(kept.forgotten() > 0, "{}", kept.forgotten());
    let all: Vec<_> = kept.overlapping(at(0), at(300)).collect();
    assert_eq!(kept.since(), Some(all[0].from));
    assert_eq!(all[2].to, at(300));
    assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from));
    // The last one is not put together with others: it is what is asked for most.
    assert_eq!(all[2].from, at(290));
}

/// A bound that is too small for a minute, or for any window.
#[test]
fn the_minute_that_is_open_is_not_torn() {
    let least = filled(9, 0);
    assert_eq!((least.number(), least.forgotten()), (1, 1));
    let all: Vec<_> = least.overlapping(at(0), at(300)).collect();
    assert_eq!((all[0].from, all[0].to), (at(60), at(90)));
}

#[test]
fn what_makes_room_stays_until_it_is_written() {
    let mut kept = filled(3, 0);
    kept.written(0);
    let add = |kept: &mut Kept, n: u64| {
        kept.add(Timed {
            place: place(n),
            from: at(n * 10),
            to: at(n * 10 + 10),
            window: empty(),
        });
    };
    for n in 3..7 {
        add(&mut kept, n);
    }
    assert_eq!((kept.number(), kept.forgotten()), (1, 1));
    let newest = empty().octets();
    assert!(kept.octets() > newest, "the minute, and its successor");
    assert_eq!(kept.since(), Some(at(0)));
    let minutes = kept.minutes(0, false);
    assert_eq!(minutes.len(), 1);
    assert_eq!(
        (minutes[0][0].place.first, minutes[0][0].place.last),
        (0, 5)
    );
    kept.written(6);
    assert_eq!((kept.octets(), kept.since()), (newest, Some(at(60))));
    // There is one at a time; where nobody writes, none.
    for n in 7..19 {
        add(&mut kept, n);
    }
    assert_eq!((kept.since(), kept.forgotten()), (Some(at(120)), 3));
    assert_eq!(filled(19, 0).since(), Some(at(180)));
}
