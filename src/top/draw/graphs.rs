//! How it goes: a row of bars or more for each figure.

use std::time::Duration;

use ratatui::text::Line;
use ratatui::text::Span;

use crate::report::page::columns;
use crate::top::look::Look;
use crate::top::picture::Picture;
use crate::top::picture::Slice;
use crate::top::picture::moment;
use crate::top::source::SPAN;
use crate::top::state::State;
use crate::top::text::cut;
use crate::top::text::filled;
use crate::units;

/// Columns before and behind a graph.
const LABEL: usize = 14;
const VALUE: usize = 12;
/// From this height on there is a line for the time axis.
const AXIS_FROM: u16 = 20;

/// Queries, failures, P99 and time lost, each a row or more.
pub(super) fn graphs(state: &State, look: Look, width: usize, height: u16) -> Vec<Line<'static>> {
    let empty = Picture::default();
    let picture = state.picture.as_ref().unwrap_or(&empty);
    let room = width.saturating_sub(LABEL + VALUE + 2);
    let rows = match height {
        ..30 => 1,
        30..45 => 2,
        _ => 3,
    };
    let slots = slots(picture);
    let step = picture.timeline.step_seconds.max(1e-3);
    let sum = |all: &[&Slice], of: fn(&Slice) -> f64| all.iter().map(|it| of(it)).sum::<f64>();
    let grouped = |of: &dyn Fn(&[&Slice]) -> f64| -> (Vec<f64>, usize) {
        let group = slots.len().div_ceil(room.max(1)).max(1);
        // The latest stands at the right end, whole.
        let first = slots.len() % group;
        let (head, rest) = slots.split_at(first);
        let groups = std::iter::once(head)
            .filter(|it| !it.is_empty())
            .chain(rest.chunks(group));
        (
            groups
                .map(|it| of(&it.iter().flatten().copied().collect::<Vec<_>>()))
                .collect(),
            group,
        )
    };
    let queries = grouped(&|all| sum(all, |it| it.queries as f64));
    let failed = grouped(&|all| sum(all, |it| it.failed as f64));
    let lost = grouped(&|all| sum(all, |it| it.seconds_lost));
    let p99 = grouped(&|all| all.iter().filter_map(|it| it.p99_ns).max().unwrap_or(0) as f64);
    let seconds = step * queries.1 as f64;
    // One unit for all: a column may be several seconds.
    let rate = |value: f64| match value / seconds {
        rate if rate > 0.0 && rate < 9.95 => format!("{rate:.1}"),
        rate => units::count(rate.round() as u64),
    };
    let ns = |value: f64| match value as u64 {
        0 => "-".to_owned(),
        ns => units::duration(ns),
    };
    let lost_rate = |value: f64| match ns(value / seconds * 1e9) {
        lost if lost == "-" => "0".to_owned(),
        lost => lost,
    };
    // From what a healthy answer takes to what glibc waits.
    let log = |value: f64| match value > 0.0 {
        true => ((value / 1e5).max(1.0).ln() / 5e4f64.ln()).max(0.02),
        false => 0.0,
    };
    let mut lines = Vec::new();
    let mut graph =
        |name: &str, values: &[f64], told: &dyn Fn(f64) -> String, is_bad: bool, is_log: bool| {
            let most = values.iter().copied().fold(0.0, f64::max);
            let shares: Vec<_> = values
                .iter()
                .map(|value| {
                    if is_log {
                        log(*value)
                    } else {
                        value / most.max(1e-9)
                    }
                })
                .collect();
            let style = look.of_sign(if is_bad && most > 0.0 { '!' } else { ' ' });
            for row in (0..rows).rev() {
                let bars: String = shares
                    .iter()
                    .map(|share| look.bar(share * f64::from(rows) - f64::from(row)))
                    .collect();
                let bars = format!("{bars:>room$}");
                let (label, value) = match row {
                    0 => (name, format!("max {}", told(most))),
                    _ => ("", String::new()),
                };
                lines.push(Line::from(vec![
                    Span::raw(filled(look, label, LABEL)),
                    Span::styled(bars, style),
                    Span::raw(format!("  {}", fit(look, &value))),
                ]));
            }
        };
    graph("queries/s", &queries.0, &rate, false, false);
    graph("failed/s", &failed.0, &rate, true, false);
    graph("P99", &p99.0, &ns, false, true);
    graph("time lost/s", &lost.0, &lost_rate, true, false);
    if height >= AXIS_FROM {
        lines.extend(axis(picture, look, room, queries.0.len(), seconds));
    }
    lines
}

/// When the first of so many columns begins, each of so many seconds, and when the last ends.
fn axis(
    picture: &Picture,
    look: Look,
    room: usize,
    columns: usize,
    seconds: f64,
) -> Option<Line<'static>> {
    let end = humantime::parse_rfc3339(&picture.time).ok()?;
    let span = Duration::try_from_secs_f64(seconds * columns as f64).ok()?;
    let begin = humantime::format_rfc3339_seconds(end.checked_sub(span)?).to_string();
    let end = format!("{} UTC", moment(&picture.time));
    let before = LABEL + room.checked_sub(columns)?;
    let between = columns
        .checked_sub(end.len())
        .filter(|it| *it > begin.len() / 2)?;
    let text = format!("{:before$}{:between$}{end}", "", moment(&begin));
    Some(Line::raw(look.text(&text)))
}

fn fit(look: Look, value: &str) -> String {
    let text = cut(look, value, VALUE);
    debug_assert!(columns(&text) <= VALUE);
    text
}

/// Each slot of the time that is shown, with its slice if something ended in it.
fn slots(picture: &Picture) -> Vec<Option<&Slice>> {
    let parse = |time: &str| humantime::parse_rfc3339(time).ok();
    let slices = &picture.timeline.slices;
    let step = picture.timeline.step_seconds;
    let last = slices.last().and_then(|it| parse(&it.from));
    let (Some(last), true) = (last, step > 0.0) else {
        return Vec::new();
    };
    let end = parse(&picture.time).unwrap_or(last).max(last);
    let idle = end.duration_since(last).unwrap_or_default().as_secs_f64() / step;
    let number = (SPAN.as_secs_f64() / step).ceil().clamp(1.0, 600.0) as usize;
    let mut slots = vec![None; number];
    for slice in slices {
        let Some(from) = parse(&slice.from) else {
            continue;
        };
        let before = last.duration_since(from).unwrap_or_default().as_secs_f64() / step;
        let back = (before.round() + idle.floor()) as usize;
        if back < number {
            slots[number - 1 - back] = Some(slice);
        }
    }
    slots
}
