use proptest::prelude::*;

use super::*;
use crate::sample;
use crate::sample::MS;

fn ended(outcome: Outcome, at_s: u64, took_ns: u64) -> Attempt {
    let mut attempt = sample::attempt(("curl", 1), "10.0.0.1:53", outcome, took_ns);
    attempt.end_ns = at_s * SECOND_NS;
    attempt.sent_ns = attempt.end_ns - took_ns;
    attempt
}

fn failed(course: &Course) -> Vec<(u64, u64)> {
    let moments = course.moments.iter();
    moments
        .map(|it| (it.from_ns / SECOND_NS, it.outcomes.failed()))
        .collect()
}

#[test]
fn each_moment_has_what_ended_in_it() {
    let mut series = Series::default();
    for at_s in [100, 100, 102] {
        series.record(&ended(Outcome::Answered, at_s, MS));
    }
    series.record(&ended(Outcome::Refused, 102, 2 * MS));
    series.lose(102 * SECOND_NS, 7);
    let course = series.course();
    assert_eq!(course.step_ns, SECOND_NS);
    assert_eq!(failed(&course), [(100, 0), (102, 1)]);
    let [first, last] = &course.moments[..] else {
        panic!("two moments");
    };
    assert_eq!((first.outcomes.queries(), last.outcomes.queries()), (2, 2));
    assert_eq!(first.octaves, [(1 << 20, 2)]);
    assert_eq!((last.lost_ns, first.lost_ns), (7, 0));
    assert_eq!(first.p99_ns, Some(1 << 20));
}

/// A late answer takes back what its attempt counted as before, wherever that was.
#[test]
fn a_late_answer_is_counted_once() {
    let (mut one, mut next) = (Series::default(), Series::default());
    one.record(&ended(Outcome::Unanswered, 100, SECOND_NS));
    one.record(&ended(Outcome::Unanswered, 103, SECOND_NS));
    next.record(&ended(Outcome::Late, 107, 4 * SECOND_NS));
    one.follow(&next);
    assert_eq!(failed(&one.course()), [(100, 1), (103, 0), (107, 1)]);
}

#[test]
fn a_long_time_has_long_moments_and_no_more_of_them() {
    let mut series = Series::default();
    for at_s in 1_000..10_000 {
        series.record(&ended(Outcome::Answered, at_s, MS));
    }
    let course = series.course();
    assert!(course.moments.len() <= SLICES_MAX);
    assert_eq!(course.step_ns, 300 * SECOND_NS);
    let all: u64 = course.moments.iter().map(|it| it.outcomes.queries()).sum();
    assert_eq!(all, 9_000);
}

#[test]
fn what_is_kept_has_the_length_of_an_agents_windows() {
    let mut series = Series::default();
    for at_s in 1_000..1_020 {
        series.record(&ended(Outcome::Answered, at_s, MS));
    }
    series.shrink();
    let course = series.course();
    assert_eq!(course.step_ns, 10 * SECOND_NS);
    assert_eq!(course.moments.len(), 2);
}

/// Two groups of moments, far apart and in no order: there is room for no more than a chart has.
#[test]
fn moments_that_come_in_no_order_have_no_more_slices() {
    let mut series = Series::default();
    let moments = (0..200).flat_map(|n| [40_000 + n, 2_000_000 - 97 * n, 100 * (n + 1)]);
    for at_s in moments.clone() {
        series.record(&ended(Outcome::Answered, at_s, MS));
        assert!(series.course().moments.len() <= SLICES_MAX, "{at_s}");
    }
    let course = series.course();
    let all: u64 = course.moments.iter().map(|it| it.outcomes.queries()).sum();
    assert_eq!(all, moments.count() as u64);
    assert!(course.moments.is_sorted_by_key(|it| it.from_ns));
}

proptest! {
    #[test]
    fn a_bucket_is_an_eighth_wide(ns in any::<u64>()) {
        let bucket = bucket(ns);
        prop_assert!(end(bucket) >= ns);
        if ns > 2 << OCTAVE_MIN {
            prop_assert!(end(bucket) - ns <= ns / 8 + 1, "{} for {}", end(bucket), ns);
        }
        prop_assert!(octave_end(bucket) >= end(bucket));
    }

    /// However a time is cut, its windows put together are one.
    #[test]
    fn parts_put_together_are_the_whole(
        ends in proptest::collection::vec((0u64..20_000, 0u64..5_000_000_000), 1..300),
        cut in 0u64..20_000,
    ) {
        let (mut whole, mut first, mut second) =
            (Series::default(), Series::default(), Series::default());
        let mut ends = ends;
        ends.sort_unstable();
        for (at_s, took_ns) in ends {
            let attempt = ended(Outcome::Answered, at_s + 10, took_ns);
            whole.record(&attempt);
            if at_s < cut { &mut first } else { &mut second }.record(&attempt);
        }
        first.follow(&second);
        let (whole, parts) = (whole.course(), first.course());
        let sum = |course: &Course| -> u64 {
            course.moments.iter().map(|it| it.outcomes.queries()).sum()
        };
        prop_assert_eq!(sum(&whole), sum(&parts));
        prop_assert!(parts.moments.len() <= SLICES_MAX);
        prop_assert!(parts.moments.is_sorted_by_key(|it| it.from_ns));
        if whole.step_ns == parts.step_ns {
            prop_assert_eq!(whole, parts);
        }
    }
}
