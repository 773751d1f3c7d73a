//! How figures are written for people: durations, counts and shares.

use std::time::SystemTime;

/// Nanoseconds as `850 µs`, `1.2 ms`, `612 ms`, `5.0 s`: two or three digits,
/// as much as a histogram with two significant digits can vouch for.
pub fn duration(ns: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000, "µs"), (1_000_000, "ms"), (1_000_000_000, "s")];
    for (unit, name) in UNITS {
        // Rounded first, so that 999.6 ms becomes 1.0 s and not 1000 ms.
        let tenths = ns.saturating_add(unit / 20) / (unit / 10);
        let whole = ns.saturating_add(unit / 2) / unit;
        if tenths < 100 {
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        if whole < 1000 || name == "s" {
            return format!("{} {name}", count(whole));
        }
    }
    unreachable!("the last unit takes every value")
}

/// `09:49:31 UTC`
pub fn time_of_day(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let time = text.split_once('T').map_or(&*text, |(_, time)| time);
    format!("{} UTC", time.trim_end_matches('Z'))
}

/// `1234567` as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 query`, `2,000 queries`.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `1 query`, `2,000 queries`
pub fn queries(n: u64) -> String {
    counted(n, "query", "queries")
}

/// `part` of `whole` as `19 %`, `0.4 %`, `<0.01 %`. Says `0 %` and `100 %` only
/// where it is exactly so.
pub fn percent(part: u64, whole: u64) -> String {
    let share = ratio(part, whole) * 100.0;
    if part == 0 || whole == 0 {
        "0 %".to_owned()
    } else if part >= whole {
        "100 %".to_owned()
    } else if share < 0.01 {
        "<0.01 %".to_owned()
    } else if share < 0.1 {
        format!("{share:.2} %")
    } else if !(9.95..99.5).contains(&share) {
        format!("{:.1} %", share.min(99.9))
    } else {
        format!("{share:.0} %")
    }
}

/// Seconds, to a millisecond.
pub fn seconds(ns: u64) -> f64 {
    (ns as f64 / 1e6).round() / 1e3
}

/// `part / whole`; 0 of 0 is 0.
pub fn ratio(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => part as f64 / whole as f64,
    }
}

/// At most `max` characters, the last one `…` if something was cut off.
pub fn shorten(text: &str, max: usize) -> String {
    match text.chars().count() > max {
        true => text.chars().take(max.saturating_sub(1)).collect::<String>() + "…",
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_two_or_three_digits() {
        for (ns, text) in [
            (0, "0.0 µs"),
            (850, "0.9 µs"),
            (12_400, "12 µs"),
            (999_400, "999 µs"),
            (999_600, "1.0 ms"),
            (1_240_000, "1.2 ms"),
            (9_960_000, "10 ms"),
            (612_000_000, "612 ms"),
            (999_600_000, "1.0 s"),
            (5_004_000_000, "5.0 s"),
            (75_000_000_000, "75 s"),
            (u64::MAX, "18,446,744,073 s"),
        ] {
            assert_eq!(duration(ns), text, "{ns}");
        }
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "query", "queries"), "1 query");
        assert_eq!(counted(0, "query", "queries"), "0 queries");
    }

    #[test]
    fn shares_claim_nothing_and_everything_only_when_exact() {
        for (part, whole, text) in [
            (0, 10, "0 %"),
            (3, 0, "0 %"),
            (1, 1_000_000, "<0.01 %"),
            (1, 2_000, "0.05 %"),
            (1, 100, "1.0 %"),
            (99, 1_000, "9.9 %"),
            (19, 100, "19 %"),
            (9_999, 10_000, "99.9 %"),
            (10, 10, "100 %"),
        ] {
            assert_eq!(percent(part, whole), text, "{part} of {whole}");
        }
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("żółw", 4), "żółw");
        assert_eq!(shorten("żółwie", 4), "żół…");
        assert_eq!(shorten("", 0), "");
    }
}
