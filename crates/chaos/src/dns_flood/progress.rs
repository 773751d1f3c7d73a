//! The line on stderr while the flood runs; nothing where stderr is no terminal.

use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use crate::flood::Summary;

/// As often as a reader can follow figures.
const REFRESH: Duration = Duration::from_millis(200);

pub(super) struct Line {
    bar: ProgressBar,
    duration: Duration,
    shown: Option<Duration>,
}

impl Line {
    /// Shows nothing yet.
    pub(super) fn new(duration: Duration) -> Self {
        // This target hides itself where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let plain = ProgressStyle::with_template("{msg}");
        Self {
            bar: bar.with_style(plain.unwrap_or_else(|_| ProgressStyle::default_bar())),
            duration,
            shown: None,
        }
    }

    /// Brings the line up to date, but not too often.
    pub(super) fn show(&mut self, elapsed: Duration, figures: &Summary, in_flight: usize) {
        let fresh = self.shown.is_some_and(|at| elapsed < at + REFRESH);
        if fresh || self.bar.is_hidden() {
            return;
        }
        self.shown = Some(elapsed);
        let phase = if elapsed < self.duration {
            "flooding"
        } else {
            "waiting for the last answers"
        };
        let elapsed = Duration::from_secs(elapsed.min(self.duration).as_secs());
        self.bar.set_message(format!(
            "{phase}: {} of {}, {} sent, {} answered, {} failed, {in_flight} waiting",
            humantime::format_duration(elapsed),
            humantime::format_duration(self.duration),
            figures.sent,
            figures.answered,
            figures.failed(),
        ));
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
