//! All that is known of one line: its findings with evidence and fix, how long its answers took,
//! its last failures.

use std::time::Duration;

use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::text::Span;

use crate::top::failure::Failure;
use crate::top::look::Look;
use crate::top::picture::Finding;
use crate::top::picture::Picture;
use crate::top::picture::Row;
use crate::top::picture::moment;
use crate::top::state::Kept;
use crate::top::state::State;
use crate::top::tab::Tab;
use crate::top::table;
use crate::top::text::filled;
use crate::top::text::step_rows;
use crate::top::text::wrapped;
use crate::units;

/// Failures of each kind that are listed.
const FAILURES: usize = 20;
/// Columns of the longest bar.
const BAR: usize = 40;

pub(super) fn lines(
    state: &State,
    look: Look,
    (tab, key): (Tab, &str),
    width: usize,
) -> Vec<Line<'static>> {
    let empty = Picture::default();
    let picture = state.picture.as_ref().unwrap_or(&empty);
    let mut page = Page {
        look,
        width,
        lines: Vec::new(),
    };
    match tab {
        // Its title follows, and says the same.
        Tab::Findings => {}
        Tab::Failures => page.text("", &format!("failures at {key} UTC"), true),
        _ => page.text("", &format!("{}: {key}", table::subject(tab)), true),
    }
    let findings: Vec<_> = picture
        .findings
        .iter()
        .filter(|it| concerns(it, tab, key))
        .collect();
    for it in &findings {
        page.finding(picture, it);
    }
    if findings.is_empty() && tab != Tab::Failures {
        page.text("", "No finding is about this one alone.", false);
    }
    if let Some(row) = row(picture, tab, key) {
        page.figures(row);
    }
    // A lookup may have asked other names than the one that its program meant.
    if matches!(tab, Tab::Workloads | Tab::Servers | Tab::Processes) {
        page.failures(
            &state.lookups,
            ("failed lookup", "failed lookups"),
            (tab, key),
        );
    }
    if !matches!(tab, Tab::Findings | Tab::Causes) {
        page.failures(
            &state.queries,
            ("failed query", "failed queries"),
            (tab, key),
        );
    }
    page.lines
}

/// The number of a finding stands before its title.
fn concerns(finding: &Finding, tab: Tab, key: &str) -> bool {
    match tab {
        Tab::Findings => key
            .split_once(". ")
            .is_some_and(|(_, title)| title == finding.title),
        Tab::Causes => finding.rule == key,
        Tab::Failures => false,
        Tab::Names => finding.names(key.split(' ').next().unwrap_or(key)),
        Tab::Workloads | Tab::Servers | Tab::Processes => finding.names(key),
    }
}

fn row<'a>(picture: &'a Picture, tab: Tab, key: &str) -> Option<&'a Row> {
    let rows = match tab {
        Tab::Workloads => &picture.dns.by_workload,
        Tab::Servers => &picture.dns.by_server,
        Tab::Processes => &picture.dns.by_process,
        _ => return None,
    };
    rows.iter().find(|row| row.whom() == key)
}

fn is_of(failure: &Failure, tab: Tab, key: &str) -> bool {
    match tab {
        Tab::Workloads => failure.workload() == key,
        Tab::Servers => failure.server() == key,
        Tab::Processes => failure.process() == key,
        Tab::Names => failure.question() == key,
        Tab::Failures => failure.moment() == key,
        Tab::Findings | Tab::Causes => false,
    }
}

struct Page {
    look: Look,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Page {
    fn text(&mut self, head: &str, text: &str, is_bold: bool) {
        let style = match is_bold {
            true => self.look.head(),
            false => Style::new(),
        };
        self.styled(head, text, style);
    }

    /// Behind its head, in rows that hang from it.
    fn styled(&mut self, head: &str, text: &str, style: Style) {
        let rows = wrapped(self.look, text, self.width.saturating_sub(head.len()));
        self.rows(head, rows, style);
    }

    fn rows(&mut self, head: &str, rows: Vec<String>, style: Style) {
        let rest = " ".repeat(head.len());
        let heads = std::iter::once(head.to_owned()).chain(std::iter::repeat(rest));
        self.lines.extend(heads.zip(rows).map(|(head, row)| {
            let row = Span::styled(row, style);
            Line::from(vec![Span::raw(head), row])
        }));
    }

    fn finding(&mut self, picture: &Picture, it: &Finding) {
        let (sign, word) = match &*it.severity {
            "critical" => ('!', "CRITICAL"),
            "warning" => ('~', "WARNING"),
            _ => (' ', "NOTE"),
        };
        let style = self.look.of_sign(sign);
        for row in wrapped(
            self.look,
            &format!("{sign} {word} {}", it.title),
            self.width,
        ) {
            self.lines.push(Line::styled(row, style));
        }
        if let Some(times) = picture.timeline.rules.get(&it.rule) {
            let (first, last) = (moment(&times.first), moment(&times.last));
            let several = picture
                .findings
                .iter()
                .filter(|other| other.rule == it.rule);
            let of_all = match several.count() {
                ..=1 => String::new(),
                _ => format!(" (of all findings of {})", it.rule),
            };
            let text = match first == last {
                true => format!("{first} UTC{of_all}"),
                false => format!("{first} to {last} UTC{of_all}"),
            };
            self.text("  seen         ", &text, false);
        }
        // What it is and what to do come first: a small screen has no room for all.
        if it.causes_above {
            let text = "These are overall figures; the findings before it say why (key 1).";
            self.text("  cause        ", text, false);
        } else {
            if let Some(whom) = &it.hit_hardest {
                self.text("  hit hardest  ", whom, false);
            }
            self.text("  cause        ", &it.cause, false);
            for (number, step) in (1..).zip(&it.fix) {
                let head = format!("  fix {number:<8} ");
                let rows = step_rows(self.look, step, self.width.saturating_sub(head.len()));
                self.rows(&head, rows, self.look.command());
            }
            self.text("  impact       ", &it.impact, false);
        }
        for line in &it.evidence {
            self.text("  evidence     ", line, false);
        }
        self.lines.push(Line::default());
    }

    fn figures(&mut self, row: &Row) {
        let failed = units::percent(row.failed(), row.queries);
        let text = format!(
            "{}, {} failed ({failed}), {} errors",
            units::queries(row.queries),
            units::count(row.failed()),
            units::count(row.errors())
        );
        self.text("", &text, true);
        let lookups = &row.lookups;
        if lookups.count > 0 {
            let failed = units::percent(lookups.failed, lookups.count);
            let lost = Duration::try_from_secs_f64(lookups.seconds_lost).unwrap_or_default();
            let text = format!(
                "{}, {} failed ({failed}), {} lost",
                units::counted(lookups.count, "lookup", "lookups"),
                units::count(lookups.failed),
                units::duration(lost.as_nanos().try_into().unwrap_or(u64::MAX)),
            );
            self.text("", &text, true);
        }
        let Some(latency) = row.latency_ns else {
            self.text("  ", "There was no answer in time.", false);
            return;
        };
        let text = format!(
            "half of the answers within {}, 99 % within {}, the slowest took {}",
            units::duration(latency.p50),
            units::duration(latency.p99),
            units::duration(latency.max)
        );
        self.text("  ", &text, false);
        let mut buckets: Vec<(u64, u64)> = (row.answers_by_latency.iter())
            .filter_map(|(up_to, answers)| Some((up_to.parse().ok()?, *answers)))
            .collect();
        buckets.sort_unstable();
        let most = buckets.iter().map(|it| it.1).max().unwrap_or(1).max(1);
        for (up_to, answers) in buckets {
            let name = match up_to {
                u64::MAX => "longer".to_owned(),
                up_to => format!("up to {}", units::duration(up_to).replace(".0 ", " ")),
            };
            let room = BAR.min(self.width.saturating_sub(32));
            let length = (answers as f64 / most as f64 * room as f64).ceil() as usize;
            let bar = self.look.bar(1.0).to_string().repeat(length.min(room));
            let text = format!("  {name:<14} {:>12}  ", units::count(answers));
            self.lines.push(Line::from(vec![
                Span::raw(self.look.text(&text)),
                Span::raw(bar),
            ]));
        }
        self.lines.push(Line::default());
    }

    fn failures(&mut self, kept: &Kept, (one, many): (&str, &str), (tab, key): (Tab, &str)) {
        let all: Vec<_> = kept
            .latest
            .iter()
            .filter(|it| is_of(it, tab, key))
            .collect();
        let text = match all.len() {
            0 => format!("No {one} since this screen is open."),
            number if number > FAILURES => format!("Its last {many}, of {number} that are kept:"),
            _ => format!("Its last {many}:"),
        };
        self.text("", &text, true);
        if kept.lost > 0 {
            let text = format!(
                "  {} of all came too fast to be shown.",
                units::counted(kept.lost, one, many)
            );
            self.text("", &text, false);
        }
        for it in all.iter().take(FAILURES) {
            let text = format!(
                "  {}  {}  {}  {}  {}",
                it.moment(),
                it.question(),
                it.process(),
                it.server(),
                it.end()
            );
            self.lines
                .push(Line::from(filled(self.look, &text, self.width)));
        }
    }
}
