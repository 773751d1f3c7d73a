//! The line on stderr while somebody waits; where that is no terminal, nothing.

use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressStyle;

/// A bar that is full after the duration.
pub(super) fn bar(what: &str, duration: Duration) -> ProgressBar {
    let bar = ProgressBar::new(duration.as_millis().try_into().unwrap_or(u64::MAX));
    // The template is a constant: it either always parses or never.
    match ProgressStyle::with_template(&format!("{what} {{bar:30}} {{msg}}")) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// How far it is.
pub(super) fn show(bar: &ProgressBar, elapsed: Duration, so_far: &str) {
    bar.set_position(elapsed.as_millis().try_into().unwrap_or(u64::MAX));
    bar.set_message(format!(
        "{} s, {so_far} (Ctrl-C: report now)",
        elapsed.as_secs()
    ));
}
