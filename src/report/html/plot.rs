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
/// Labels of a time axis.
const TIMES: u32 = 5;

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

    /// Times below the plot.
    pub(super) fn axis(&self, html: &mut Html, area: Area) {
        let all = self.to.duration_since(self.from).unwrap_or_default();
        for tick in 0..TIMES {
            let after = all.mul_f64(f64::from(tick) / f64::from(TIMES - 1));
            let share = f64::from(tick) / f64::from(TIMES - 1);
            area.below(html, share, &units::time_of_day(self.from + after));
        }
        area.level(html, 0.0, "axis", "");
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
