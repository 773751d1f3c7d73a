//! What is shown and how; keys change it, and nothing else has to know of a terminal.

use std::collections::VecDeque;

use super::failure::Failure;
use super::picture::Picture;
use super::source::Failures;
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

/// What failed, one by one, of one kind.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The latest first.
    pub(super) latest: VecDeque<Failure>,
    /// So many came too fast to be shown.
    pub(super) lost: u64,
}

impl Kept {
    fn take(&mut self, failures: Failures) {
        for failure in failures.told {
            self.latest.push_front(failure);
        }
        // They are told when it is known what became of them, not in the order of their ends.
        let all = self.latest.make_contiguous();
        all.sort_by(|one, other| other.time.cmp(&one.time));
        self.latest.truncate(FAILURES_MAX);
        self.lost += failures.lost;
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) picture: Option<Picture>,
    pub(super) queries: Kept,
    pub(super) lookups: Kept,
    pub(super) notice: Option<String>,
    pub(super) tab: Tab,
    /// The column that is sorted by; by the first one, who is hurt most stands first.
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
    /// Whether options choose what is watched.
    pub(super) is_filtered: bool,
}

impl State {
    pub(super) fn new(has_history: bool, is_filtered: bool) -> Self {
        Self {
            has_history,
            is_filtered,
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
        self.queries.take(news.queries);
        self.lookups.take(news.lookups);
        self.select(self.selected);
    }

    /// The lines of the table that is shown.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = self.unfiltered();
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

    /// All lines that it has, in no order.
    pub(super) fn unfiltered(&self) -> Vec<Line> {
        table::lines(self.picture.as_ref(), &self.queries.latest, self.tab)
    }

    /// Selects the line at this place, or the last one.
    pub(super) fn select(&mut self, place: usize) {
        self.selected = place.min(self.lines().len().saturating_sub(1));
    }
}
