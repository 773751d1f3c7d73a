//! What must hold, and whether it does.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::HISTORY_MIB;
use crate::asked::Asked;
use crate::askers::Totals;
use crate::figures::Table;
use crate::figures::greatest;
use crate::figures::least;
use crate::figures::median;
use crate::figures::whole;
use crate::figures::with_digits;
use crate::looks::Look;

/// Memory may be so far from its median, of it.
const FLAT: f64 = 0.05;
/// SIGTERM ends it within this time.
const END: Duration = Duration::from_secs(1);

/// A table of what must hold.
#[derive(Debug, Default)]
pub(crate) struct Page {
    rows: Vec<[String; 3]>,
    fails: bool,
}

impl Page {
    fn holds(&mut self, what: &str, figure: String, holds: bool) {
        let word = if holds { "yes" } else { "NO" };
        self.rows.push([what.to_owned(), figure, word.to_owned()]);
        self.fails |= !holds;
    }

    /// The table, and the verdict in a line.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&["what must hold", "figures", "holds"]);
        self.rows.iter().for_each(|row| table.row(row));
        let verdict = match self.fails {
            true => "soak: FAILED",
            false => "soak: ok",
        };
        table.text() + verdict + "\n"
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.fails))
    }
}

pub(crate) fn of(
    looks: &[Look],
    asked: &Asked,
    told: &Totals,
    status: &Value,
    ended_in: Duration,
) -> Page {
    let mut page = Page::default();
    let (first, second) = looks.split_at(looks.len() / 2);
    memory(&mut page, second);
    constant(&mut page, "descriptors", first, second, |it| it.descriptors);
    constant(&mut page, "threads", first, second, |it| it.threads);
    history(&mut page, looks, &status["history"]);
    accounting(&mut page, asked, told);
    page.holds(
        "SIGTERM ends it within a second, in the midst of traffic",
        format!("{} ms", whole(ended_in.as_secs_f64() * 1e3)),
        ended_in <= END,
    );
    page
}

fn memory(page: &mut Page, second: &[Look]) {
    let resident: Vec<_> = second.iter().map(|it| it.resident).collect();
    let middle = median(&resident);
    let (low, high) = (least(resident.clone()), greatest(resident));
    let peak = greatest(second.iter().map(|it| it.highest));
    page.holds(
        "memory is flat in the second half (5 % around its median)",
        format!(
            "{} to {} MiB, median {}; up to {} while a minute is judged",
            with_digits(low, 1),
            with_digits(high, 1),
            with_digits(middle, 1),
            with_digits(peak, 1)
        ),
        low >= middle * (1.0 - FLAT) && high <= middle * (1.0 + FLAT),
    );
}

/// Who leaks never gets back to where it was.
fn constant(page: &mut Page, what: &str, first: &[Look], second: &[Look], of: fn(&Look) -> u64) {
    let floor = |looks: &[Look]| looks.iter().map(of).min().unwrap_or(0);
    let top = |looks: &[Look]| looks.iter().map(of).max().unwrap_or(0);
    page.holds(
        &format!("{what} come back to the same number"),
        format!(
            "{} to {} in the first half, {} to {} in the second",
            floor(first),
            top(first),
            floor(second),
            top(second)
        ),
        floor(second) <= floor(first) && top(second) <= top(first) + 2,
    );
}

fn history(page: &mut Page, looks: &[Look], told: &Value) {
    let high = greatest(looks.iter().map(|it| it.history));
    let number = |field: &str| told[field].as_u64();
    let shown = |field: &str| number(field).map_or(f64::NAN, |it| it as f64);
    page.holds(
        "the history stays within its bound, and is written",
        format!(
            "{} MiB at most of {HISTORY_MIB}; {} minutes written, {} made room, {} failures",
            with_digits(high, 2),
            whole(shown("written")),
            whole(shown("forgotten")),
            whole(shown("failures"))
        ),
        high <= HISTORY_MIB as f64 && number("written") > Some(0) && number("failures") == Some(0),
    );
}

fn accounting(page: &mut Page, asked: &Asked, told: &Totals) {
    let sum = |name: &str, label: &str| -> f64 {
        let all = told.iter();
        let of = all.filter(|(series, _)| series.starts_with(name) && series.contains(label));
        of.map(|(_, value)| value).sum()
    };
    let (seen, ended) = (
        sum("kerno_queries_seen_total", ""),
        sum("kerno_queries_ended_total", ""),
    );
    let (lost, waiting) = (
        sum("kerno_lost_total", ""),
        sum("kerno_queries_in_flight", ""),
    );
    let expected = asked.seen() as f64;
    page.holds(
        "every attempt is seen",
        format!("{} of {}", whole(seen), whole(expected)),
        seen == expected,
    );
    page.holds(
        "seen = ended + lost + in flight",
        format!(
            "{} = {} + {} + {}",
            whole(seen),
            whole(ended),
            whole(lost),
            whole(waiting)
        ),
        seen == ended + lost + waiting,
    );
    let client = "kerno_dns_queries_total{role=\"client\"";
    for (outcome, expected) in [
        ("answered", asked.answered()),
        ("unanswered", asked.silent()),
        ("refused", asked.refused()),
    ] {
        let told = sum(client, &format!("outcome=\"{outcome}\""));
        let apart = (told - expected as f64).abs();
        page.holds(
            &format!("each query that was {outcome} is told so, or lost"),
            format!("{} of {}", whole(told), whole(expected as f64)),
            apart <= lost,
        );
    }
}
