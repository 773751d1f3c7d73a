//! How long answers took and what they said, as bars.

use std::cmp::Reverse;
use std::io;

use super::page::BOLD;
use super::page::DIM;
use super::page::PLAIN;
use super::page::Page;
use super::page::RED;
use super::page::YELLOW;
use super::page::columns;
use crate::collect::Figures;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::units;

/// Columns of the longest bar, where there is room.
const BAR: usize = 50;

/// Queries that ended in one way, for a bar.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) weight: Weight,
    pub(super) name: String,
    pub(super) count: u64,
}

/// How bad that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Answered soon enough.
    Good,
    /// Answered, but later than the warning threshold.
    Slow,
    /// Not answered in time.
    Failed,
}

/// How long answers took, and the queries that have none.
pub(super) fn parts(client: &Figures) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(latency) = &client.latency {
        let buckets: Vec<_> = latency.spread.buckets().collect();
        let used = |bucket: &(u64, u64, u64)| bucket.2 > 0;
        let first = buckets.iter().position(used).unwrap_or(0);
        let last = buckets.iter().rposition(used).unwrap_or(0);
        for &(above, up_to, count) in &buckets[first..=last] {
            let name = match up_to {
                u64::MAX => format!("over {}", edge(above)),
                _ => format!("up to {}", edge(up_to)),
            };
            let weight = match above >= LATENCY_WARNING_NS {
                true => Weight::Slow,
                false => Weight::Good,
            };
            parts.push(Part {
                weight,
                name,
                count,
            });
        }
    }
    let outcomes = &client.outcomes;
    let failed = [
        ("answered too late", outcomes.late),
        ("no answer", outcomes.unanswered),
        ("refused", outcomes.refused),
        ("dropped here", outcomes.dropped),
    ];
    let failed = failed.into_iter().filter(|(_, count)| *count > 0);
    parts.extend(failed.map(|(name, count)| Part {
        weight: Weight::Failed,
        name: name.to_owned(),
        count,
    }));
    parts
}

/// Queries that are in none of the parts, in a sentence.
pub(super) fn not_shown(client: &Figures) -> Option<String> {
    let superseded = client.outcomes.superseded;
    (superseded > 0).then(|| {
        format!(
            "Not shown: {} asked of several servers at once, where another one answered first.",
            units::queries(superseded)
        )
    })
}

/// How long answers took, and the queries that have none, as bars.
pub(super) fn bars(page: &mut Page<'_>, client: &Figures) -> io::Result<()> {
    let parts = parts(client);
    page.line(&[(BOLD, "How long answers took")])?;
    let longest = parts.iter().map(|part| part.count).max().unwrap_or(0);
    let width = units::count(longest).len();
    for Part {
        weight,
        name,
        count,
    } in parts
    {
        let style = match weight {
            Weight::Good => PLAIN,
            Weight::Slow => YELLOW,
            Weight::Failed => RED,
        };
        let figure = format!("  {name:>17}  {:>width$}", units::count(count));
        let room = BAR.min(page.width().saturating_sub(columns(&figure) + 2));
        page.line(&[(PLAIN, &figure), (style, &bar(count, longest, room))])?;
    }
    if let Some(text) = not_shown(client) {
        page.paragraph((DIM, "  "), (DIM, &text))?;
    }
    rcodes(page, client)
}

/// An edge is exact: `100 ms`, `1 s`.
fn edge(ns: u64) -> String {
    units::duration(ns).replace(".0 ", " ")
}

fn rcodes(page: &mut Page<'_>, figures: &Figures) -> io::Result<()> {
    match said(figures) {
        Some(told) => {
            page.blank()?;
            page.flowing((BOLD, "What they said: "), &told)
        }
        None => Ok(()),
    }
}

/// What the answers said, most frequent first; `None` without an answer.
pub(super) fn said(figures: &Figures) -> Option<String> {
    let answers: u64 = figures.rcodes.values().sum();
    let mut rcodes: Vec<_> = figures.rcodes_by_name().into_iter().collect();
    rcodes.sort_by_key(|(_, n)| Reverse(*n));
    let told: Vec<_> = rcodes
        .into_iter()
        .map(|(name, n)| {
            format!(
                "{name} {} ({})",
                units::count(n),
                units::percent(n, answers)
            )
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// In proportion, but never nothing for something.
fn bar(count: u64, longest: u64, room: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let columns = u128::from(count) * room as u128 / u128::from(longest.max(1));
    format!(
        "  {}",
        "█".repeat(usize::try_from(columns).unwrap_or(0).max(1))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_show_the_smallest() {
        assert_eq!(bar(0, 100, BAR), "");
        assert_eq!(bar(1, 1_000_000, BAR), "  █");
        assert_eq!(bar(50, 100, BAR).chars().count(), 2 + 25);
        assert_eq!(bar(u64::MAX, u64::MAX, BAR).chars().count(), 2 + 50);
    }
}
