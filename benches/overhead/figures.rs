//! Figures and the tables that they stand in.

use std::fmt::Write as _;

/// The middle one; of an even number the mean of both. NaN if there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The smallest; infinite if there is none.
pub(crate) fn least(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

/// The greatest; minus infinite if there is none.
pub(crate) fn greatest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// Each value divided by that of the same round.
pub(crate) fn ratios(values: &[f64], to: &[f64]) -> Vec<f64> {
    values.iter().zip(to).map(|(a, b)| a / b).collect()
}

/// A whole number with commas, or a dash where there is no figure.
pub(crate) fn whole(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" {
        text.insert(0, '−');
    }
    text
}

/// A number with so many digits after the point, or a dash.
pub(crate) fn with_digits(value: f64, digits: usize) -> String {
    match value.is_finite() {
        true => format!("{value:.digits$}"),
        false => "–".to_owned(),
    }
}

/// A table in Markdown.
#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    /// One with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let rules = vec!["---"; columns.len()].join(" | ");
        Self(format!("| {} |\n| {rules} |\n", columns.join(" | ")))
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: &[String]) {
        // Writing to a string cannot fail.
        let _always = writeln!(self.0, "| {} |", cells.join(" | "));
    }

    /// The table as text, with an empty line behind it.
    pub(crate) fn text(self) -> String {
        self.0 + "\n"
    }
}
