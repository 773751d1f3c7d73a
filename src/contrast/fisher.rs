//! Fisher's exact test, one-sided (R. A. Fisher, "Statistical Methods for Research
//! Workers", 5th edition, 1934, section 21.02): the chance that at least so many of the
//! failures fall on those with the attribute, if they were dealt out blindly.

use super::Failed;

/// What adds less than this share of the sum is left out.
const NEGLIGIBLE: f64 = 1e-9;

/// Of `all`, so many failed; `with` are those that have the attribute. 0 to 1.
pub(super) fn chance(with: Failed, all: Failed) -> f64 {
    if with.of > all.of || with.failed > all.failed || with.failed > with.of {
        return 1.0; // no part of it
    }
    let (drawn, bad) = (with.of, all.failed);
    let good = all.of - bad;
    let ways = ln_choose(all.of, drawn);
    let mut sum = 0.0;
    for hits in with.failed..=bad.min(drawn) {
        if drawn - hits > good {
            continue;
        }
        let ln = ln_choose(bad, hits) + ln_choose(good, drawn - hits) - ways;
        let term = ln.exp();
        sum += term;
        let is_past_the_top = hits as f64 * all.of as f64 > drawn as f64 * bad as f64;
        if is_past_the_top && term <= sum * NEGLIGIBLE {
            break;
        }
    }
    sum.min(1.0)
}

/// The natural logarithm of the number of ways to choose k of n.
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Exact for small numbers, above them by Stirling's series, which is then good to twelve
/// digits (NIST Digital Library of Mathematical Functions, 5.11.1).
fn ln_factorial(n: u64) -> f64 {
    const SMALL: u64 = 20;
    if n <= SMALL {
        return (2..=n).map(|it| (it as f64).ln()).sum();
    }
    let n = n as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    (n + 0.5) * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(with: (u64, u64), all: (u64, u64)) -> f64 {
        let failed = |(failed, of)| Failed { failed, of };
        chance(failed(with), failed(all))
    }

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected * 1e-6
    }

    #[test]
    fn it_is_what_can_be_counted_by_hand() {
        // The lady tasting tea: 4 of 4, of 8; then 3 or more.
        assert!(is_near(of((4, 4), (4, 8)), 1.0 / 70.0));
        assert!(is_near(of((3, 4), (4, 8)), 17.0 / 70.0));
        // One way of 10 over 3.
        assert!(is_near(of((3, 3), (3, 10)), 1.0 / 120.0));
        assert!(is_near(of((0, 3), (3, 10)), 1.0));
        // All failed: there is nothing to tell apart.
        assert!(is_near(of((5, 5), (10, 10)), 1.0));
    }

    #[test]
    fn large_numbers_are_no_trouble() {
        let half = of((500_000, 1_000_000), (1_000_000, 2_000_000));
        assert!((0.45..=0.55).contains(&half), "{half}");
        assert_eq!(of((1_000_000, 1_000_000), (1_000_000, 2_000_000)), 0.0);
    }

    #[test]
    fn what_is_no_part_of_it_is_chance() {
        assert_eq!(of((3, 2), (3, 10)), 1.0);
        assert_eq!(of((3, 20), (3, 10)), 1.0);
    }
}
