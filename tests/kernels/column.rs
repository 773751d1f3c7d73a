//! A kernel's column of the table: its cells, and why those that are not green
//! are not.

/// What the rows are about, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Programs,
    Signals,
    Counters,
    Job,
}

/// How a cell stands to what is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// As promised.
    Good,
    /// Not there, as documented.
    Absent,
    /// A promise that is not kept.
    Bad,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) section: Section,
    /// The row: a program, a signal, a part of the job.
    pub(crate) row: String,
    pub(crate) mark: Mark,
    /// What the table shows, in a few characters.
    pub(crate) text: String,
    /// What is said below the table; empty for nothing.
    pub(crate) why: String,
    /// What docs/kernels.md says of it: the outcome without its numbers; empty
    /// for nothing.
    pub(crate) documented: String,
}

/// One kernel.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The series, `running`, or the image's file name.
    pub(crate) name: String,
    /// `uname -r`.
    pub(crate) kernel: String,
    pub(crate) cells: Vec<Cell>,
}

impl Cell {
    pub(crate) fn good(section: Section, row: &str, text: impl Into<String>) -> Self {
        Self {
            section,
            row: row.to_owned(),
            mark: Mark::Good,
            text: text.into(),
            why: String::new(),
            documented: String::new(),
        }
    }

    pub(crate) fn absent(section: Section, row: &str, text: &str, why: &str) -> Self {
        Self {
            mark: Mark::Absent,
            why: why.to_owned(),
            ..Self::good(section, row, text)
        }
    }

    pub(crate) fn bad(
        section: Section,
        row: &str,
        text: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            mark: Mark::Bad,
            why: why.into(),
            ..Self::good(section, row, text)
        }
    }

    pub(crate) fn documented(mut self, words: &str) -> Self {
        self.documented = words.to_owned();
        self
    }
}

impl Column {
    /// A kernel of which nothing is known but why.
    pub(crate) fn failed(name: &str, why: &anyhow::Error) -> Self {
        let cell = Cell::bad(Section::Job, "dns-mix", "NOT RUN", format!("{why:#}"));
        Self {
            name: name.to_owned(),
            kernel: String::new(),
            cells: vec![cell],
        }
    }

    pub(crate) fn cell(&self, section: Section, row: &str) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| cell.section == section && cell.row == row)
    }

    /// Rows of cells that are not green.
    pub(crate) fn red(&self) -> Vec<&str> {
        let bad = self.cells.iter().filter(|cell| cell.mark == Mark::Bad);
        bad.map(|cell| cell.row.as_str()).collect()
    }
}
