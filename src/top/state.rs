//! What is shown and how; keys change it, and nothing else has to know of a terminal.

use std::collections::VecDeque;

use super::failure::Failure;
use super::picture::Picture;
use super::source::News;
use super::tab::Tab;
use super::table;
use super::table::Line;

/// Failures that are remembered.
const FAILURES_MAX: usize = 1_000;

/// What stands over the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing.
    #[default]
    None,
    /// All keys.
    Help,
    /// What is known of a line of this table.
    Detail(Tab, String),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) picture: Option<Picture>,
    /// The latest first.
    pub(super) failures: VecDeque<Failure>,
    pub(super) lost: u64,
    pub(super) notice: Option<String>,
    pub(super) tab: Tab,
    /// The column that is sorted by.
    pub(super) sort: usize,
    pub(super) selected: usize,
    pub(super) over: Over,
    /// Lines of what stands over the tables that are above the screen.
    pub(super) scrolled: usize,
    pub(super) filter: String,
    /// The filter is being written.
    pub(super) is_writing: bool,
    pub(super) is_paused: bool,
    /// How long ago what is shown ended, in seconds.
    pub(super) back_s: u64,
    pub(super) has_history: bool,
}

impl State {
    pub(super) fn new(has_history: bool) -> Self {
        Self {
            has_history,
            sort: 1,
            ..Self::default()
        }
    }

    /// Takes what is new. While it is paused, only what was to be told.
    pub(super) fn take(&mut self, news: News) {
        if news.notice.is_some() {
            self.notice = news.notice;
        }
        if self.is_paused {
            return;
        }
        if let Some(picture) = news.picture {
            self.picture = Some(picture);
        }
        for failure in news.failures {
            self.failures.push_front(failure);
        }
        self.failures.truncate(FAILURES_MAX);
        self.lost += news.lost;
        self.select(self.selected);
    }

    /// The lines of the table that is shown.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = table::lines(self.picture.as_ref(), &self.failures, self.tab);
        if !self.filter.is_empty() {
            let wanted = self.filter.to_lowercase();
            lines.retain(|line| line.text().to_lowercase().contains(&wanted));
        }
        // Findings and failures come in an order of their own.
        if !matches!(self.tab, Tab::Findings | Tab::Failures) {
            lines.sort_by(|a, b| a.order(b, self.sort));
        }
        lines
    }

    /// Selects the line at this place, or the last one.
    pub(super) fn select(&mut self, place: usize) {
        self.selected = place.min(self.lines().len().saturating_sub(1));
    }
}
