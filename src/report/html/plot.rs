//! What all plots share: their size, their axes, and the way to a point.

use std::time::Duration;
use std::time::SystemTime;

use super::page::Html;
use crate::units;

/// Every plot is as wide, so that text has one size; and so wide are its margins.
pub(super) const WIDTH: f64 = 1080.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;
/// Labels of a time axis, at most: `03:05:00 UTC` has the width of a tenth of it, and the last may
/// stand left of its mark.
const TIMES: u32 = 6;
/// What may lie between two of them, in seconds: what people count time by, up to the week that a
/// history keeps.
const STEPS: [u64; 19] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800,
];
/// How long a mark at an axis is.
const MARK: f64 = 5.0;

/// The area that is drawn in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    height: f64,
}

impl Area {
    /// One of this height, axes included.
    pub(super) fn new(height: f64) -> Self {
        Self { height }
    }

    /// From a share of the width, 0 to 1.
    pub(super) fn x(&self, share: f64) -> f64 {
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// From a share of the height, 0 at the bottom.
    pub(super) fn y(&self, share: f64) -> f64 {
        self.height - BOTTOM - share.clamp(0.0, 1.0) * (self.height - TOP - BOTTOM)
    }

    /// Opens the figure and its picture; `title` is read aloud in its place.
    pub(super) fn begin(&self, html: &mut Html, title: &str) {
        html.raw("<figure><div class=\"scroll\" tabindex=\"0\" role=\"region\"");
        html.attribute("aria-label", title)
            .raw("><svg role=\"img\" viewBox=\"0 0 1080 ");
        html.figure(self.height)
            .raw("\"")
            .attribute("aria-label", title)
            .raw(">");
    }

    /// Closes the picture; its words come next.
    pub(super) fn end(html: &mut Html) {
        html.raw("</svg></div>");
    }

    /// A line across, with its label at the left.
    pub(super) fn level(&self, html: &mut Html, share: f64, class: &'static str, label: &str) {
        let y = self.y(share);
        html.raw("<line").attribute("class", class);
        html.number("x1", self.x(0.0))
            .number("x2", self.x(1.0))
            .number("y1", y)
            .number("y2", y);
        html.raw("/>");
        if !label.is_empty() {
            self.word(html, (LEFT - 8.0, y + 5.0), "end", label);
        }
    }

    /// A line from top to bottom.
    pub(super) fn upright(&self, html: &mut Html, share: f64, class: &'static str) {
        let x = self.x(share);
        html.raw("<line").attribute("class", class);
        html.number("x1", x)
            .number("x2", x)
            .number("y1", self.y(0.0))
            .number("y2", self.y(1.0));
        html.raw("/>");
    }

    /// A mark below the axis.
    pub(super) fn mark(&self, html: &mut Html, share: f64) {
        let x = self.x(share);
        html.raw("<line class=\"axis\"");
        html.number("x1", x)
            .number("x2", x)
            .number("y1", self.y(0.0))
            .number("y2", self.y(0.0) + MARK);
        html.raw("/>");
    }

    /// A label below.
    pub(super) fn below(&self, html: &mut Html, share: f64, label: &str) {
        let anchor = match share {
            share if share < 0.04 => "start",
            share if share > 0.96 => "end",
            _ => "middle",
        };
        self.word(html, (self.x(share), self.height - 9.0), anchor, label);
    }

    /// A word; `anchor` says which part of it is at the point.
    pub(super) fn word(&self, html: &mut Html, at: (f64, f64), anchor: &'static str, word: &str) {
        html.raw("<text class=\"muted\"")
            .number("x", at.0)
            .number("y", at.1);
        html.attribute("text-anchor", anchor)
            .raw(">")
            .text(word)
            .raw("</text>");
    }
}

/// A span of time as the width of a plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: SystemTime,
    pub(super) to: SystemTime,
}

impl Span {
    /// Where a moment is, 0 to 1.
    pub(super) fn share(&self, at: SystemTime) -> f64 {
        let all = self.to.duration_since(self.from).unwrap_or_default();
        let since = at.duration_since(self.from).unwrap_or_default();
        match all.is_zero() {
            true => 0.0,
            false => since.div_duration_f64(all).min(1.0),
        }
    }

    /// Times below the plot: round ones, each with its mark.
    pub(super) fn axis(&self, html: &mut Html, area: Area) {
        for time in self.round_times() {
            let share = self.share(time);
            area.mark(html, share);
            area.below(html, share, &units::time_of_day(time));
        }
        area.level(html, 0.0, "axis", "");
    }

    /// Those within it that are whole steps since midnight (UTC), so that they are as far from
    /// each other.
    fn round_times(&self) -> Vec<SystemTime> {
        let since = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap_or_default()
        };
        let (from, to) = (since(self.from), since(self.to));
        let fits = |step: &&u64| to.saturating_sub(from).as_secs() / **step < u64::from(TIMES);
        let step = STEPS.iter().find(fits).copied().unwrap_or(172_800);
        let first = from.as_nanos().div_ceil(u128::from(step) * 1_000_000_000) as u64;
        let all = (first..).map(|n| Duration::from_secs(n.saturating_mul(step)));
        let times = all.take_while(|it| *it <= to).take(TIMES as usize);
        times.map(|it| SystemTime::UNIX_EPOCH + it).collect()
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is no less.
pub(super) fn round_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let fits = steps
        .iter()
        .map(|step| step * power)
        .find(|it| *it >= value * 0.999_999);
    fits.unwrap_or(value)
}

/// Where a latency is on a logarithmic axis between these two, 0 to 1.
pub(super) fn log_share(ns: u64, (from, to): (u64, u64)) -> f64 {
    let log = |ns: u64| (ns.max(1) as f64).ln();
    let all = log(to) - log(from);
    match all > 0.0 {
        true => ((log(ns) - log(from)) / all).clamp(0.0, 1.0),
        false => 0.0,
    }
}

/// Powers of ten between these two.
pub(super) fn decades((from, to): (u64, u64)) -> impl Iterator<Item = u64> {
    let all = (3..=11).map(|power| 10u64.pow(power));
    all.filter(move |ns| (from..=to).contains(ns))
}

/// An edge is exact: `100 ms`, `1 s`.
pub(super) fn edge(ns: u64) -> String {
    units::duration(ns).replace(".0 ", " ")
}

/// A rate or a count on an axis.
pub(super) fn figure(value: f64) -> String {
    match value {
        value if value >= 10.0 || value.fract() == 0.0 => units::count(value.round() as u64),
        value => format!("{value:.2}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    }
}

/// `1 s`, `5 min`: how long a slice is.
pub(super) fn length(step: Duration) -> String {
    match step.as_secs() {
        0 => "as long as there was something".to_owned(),
        s if s < 60 => format!("{s} s"),
        s if s < 3_600 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (value, end) in [
            (0.0, 1.0),
            (0.3, 0.5),
            (1.0, 1.0),
            (7.0, 10.0),
            (1_200.0, 2_000.0),
        ] {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}");
        }
        assert!((round_up(f64::NAN) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn latencies_are_placed_by_their_logarithm() {
        let axis = (1_000, 1_000_000_000);
        assert!((log_share(1_000_000, axis) - 0.5).abs() < 1e-9);
        assert!(log_share(0, axis).abs() < 1e-9);
        assert!((log_share(u64::MAX, axis) - 1.0).abs() < 1e-9);
        assert_eq!(
            decades((2_000_000, 1_000_000_000)).collect::<Vec<_>>(),
            [10_000_000, 100_000_000, 1_000_000_000]
        );
        assert!(log_share(5, (7, 7)).abs() < 1e-9);
    }

    #[test]
    fn times_below_a_plot_are_round_and_as_far_from_each_other() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let told = |from, to| {
            let span = Span {
                from: at(from),
                to: at(to),
            };
            let times = span.round_times().into_iter();
            times.map(units::time_of_day).collect::<Vec<_>>()
        };
        assert_eq!(
            told(11_103_400, 11_132_400),
            [
                "03:05:05 UTC",
                "03:05:10 UTC",
                "03:05:15 UTC",
                "03:05:20 UTC",
                "03:05:25 UTC",
                "03:05:30 UTC"
            ]
        );
        assert_eq!(told(3_600_000, 3_600_000), ["01:00:00 UTC"]);
        assert_eq!(told(500, 900), [""; 0]);
        for seconds in (1..700_000).step_by(331) {
            let times = told(0, seconds * 1_000);
            assert!(
                (2..=TIMES as usize).contains(&times.len()),
                "{seconds}: {times:?}"
            );
        }
    }

    #[test]
    fn a_moment_is_in_its_span() {
        let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        let span = Span {
            from: at(100),
            to: at(200),
        };
        assert!((span.share(at(150)) - 0.5).abs() < 1e-9);
        assert!(span.share(at(50)).abs() < 1e-9);
        assert!((span.share(at(900)) - 1.0).abs() < 1e-9);
    }
}
