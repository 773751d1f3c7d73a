//! What a log2 histogram says for sure: not a percentile, but what it is below.

use crate::units;

/// The end of a slot in nanoseconds: slot n has what is below 2 to the power of n + 1, and
/// the last slot all that is above. `None` for that one.
fn end(slot: usize, slots: &[u64]) -> Option<u64> {
    (slot + 1 < slots.len()).then(|| 1_u64.checked_shl(slot as u32 + 1).unwrap_or(u64::MAX))
}

/// What so many percent of all are below, as `below 2.1 ms`; `None` if there are none.
pub(super) fn below(slots: &[u64], percent: u64) -> Option<String> {
    let all: u128 = slots.iter().map(|slot| u128::from(*slot)).sum();
    if all == 0 {
        return None;
    }
    let wanted = (all * u128::from(percent)).div_ceil(100);
    let mut seen = 0;
    let slot = slots.iter().position(|slot| {
        seen += u128::from(*slot);
        seen >= wanted
    })?;
    Some(match end(slot, slots) {
        Some(end) => format!("below {}", duration(end)),
        // It begins where the one before ends.
        None => {
            let begin = slot.checked_sub(1).and_then(|before| end(before, slots));
            format!("{} or more", duration(begin.unwrap_or(0)))
        }
    })
}

/// The first slots end after some nanoseconds.
fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        _ => units::duration(ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(filled: &[(usize, u64)]) -> Vec<u64> {
        let mut slots = vec![0; 40];
        filled.iter().for_each(|(slot, n)| slots[*slot] = *n);
        slots
    }

    #[test]
    fn a_bound_is_the_end_of_the_slot_that_has_the_last_of_the_share() {
        let mixed = slots(&[(10, 98), (20, 1), (30, 1)]);
        for (percent, text) in [
            (50, "below 2.0 µs"),
            (98, "below 2.0 µs"),
            (99, "below 2.1 ms"),
            (100, "below 2.1 s"),
        ] {
            assert_eq!(below(&mixed, percent).as_deref(), Some(text), "{percent}");
        }
    }

    #[test]
    fn the_last_slot_has_no_end_and_an_empty_histogram_no_bound() {
        let last = slots(&[(39, 1)]);
        assert_eq!(below(&last, 50).as_deref(), Some("550 s or more"));
        assert_eq!(below(&slots(&[]), 50), None);
        assert_eq!(below(&[], 50), None);
        assert_eq!(below(&[7], 50).as_deref(), Some("0 ns or more"));
    }

    #[test]
    fn more_percent_are_never_below_less_and_huge_counts_do_not_overflow() {
        let huge = slots(&[(3, u64::MAX), (12, u64::MAX), (38, 1)]);
        assert_eq!(below(&huge, 49).as_deref(), Some("below 16 ns"));
        assert_eq!(below(&huge, 51).as_deref(), Some("below 8.2 µs"));
        assert_eq!(below(&huge, 99).as_deref(), Some("below 8.2 µs"));
        assert_eq!(below(&huge, 100).as_deref(), Some("below 550 s"));
    }
}
