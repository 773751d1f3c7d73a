//! A table: its tabs, its heads, and the lines that fit.

use ratatui::text::Line;
use ratatui::text::Span;

use crate::report::page::columns;
use crate::top::look::Look;
use crate::top::state::State;
use crate::top::tab::Tab;
use crate::top::table;
use crate::top::text::cut;
use crate::top::text::filled;
use crate::top::text::wrapped;
use crate::units;

/// The first column is not cut below this before others are left out.
const FIRST_MIN: usize = 18;
/// Columns between two.
const GAP: usize = 2;
/// At the head of the first column, as long as no other one is chosen.
const WORST_FIRST: &str = "worst first";
/// No column but the first is wider.
const CELL_MAX: usize = 40;

pub(super) fn table(state: &State, look: Look, width: usize, height: usize) -> Vec<Line<'static>> {
    let all = state.lines();
    let mut shown = vec![tabs(state, look, width)];
    let heads = table::columns(state.tab);
    let widths = widths(state.tab, &all, heads, width);
    shown.push(head(state, look, heads, &widths));
    let room = height.saturating_sub(shown.len());
    // The selected line is always on the screen.
    let above = state.selected.saturating_sub(room.saturating_sub(1));
    for (at, line) in all.iter().enumerate().skip(above).take(room) {
        let mut text = format!("{} ", line.sign);
        for (at, cell) in line.cells.iter().enumerate().take(widths.len()) {
            text += &cell_text(look, state.tab, at, cell, &widths);
        }
        let style = match at == state.selected {
            true => look.of_sign(line.sign).patch(look.selected()),
            false => look.of_sign(line.sign),
        };
        shown.push(Line::styled(filled(look, &text, width), style));
    }
    if all.is_empty() && room > 0 {
        let rows = wrapped(look, &nothing(state), width.saturating_sub(2));
        shown.extend(rows.into_iter().map(|row| Line::from(format!("  {row}"))));
    }
    shown.truncate(height);
    shown
}

/// Why there is no line.
fn nothing(state: &State) -> String {
    let hidden = state.unfiltered().len() as u64;
    if hidden > 0 {
        let lines = units::counted(hidden, "line", "lines");
        return format!("the filter /{} hides {lines}: Esc shows all", state.filter);
    }
    let ended = match &state.picture {
        // Nothing is known yet.
        None => return String::new(),
        Some(it) if it.verdict == "no_traffic" => {
            (it.accounting.queries_seen).saturating_sub(it.accounting.in_flight)
        }
        _ => 0,
    };
    let text = match state.tab {
        Tab::Findings => "no findings",
        Tab::Failures => "nothing failed since this screen is open",
        Tab::Names | Tab::Causes => "nothing failed or was slow",
        _ if state.is_filtered && ended > 0 => {
            return format!(
                "the options with which this screen was started hide all: {} ended, and none is what \
                 they choose; q ends it, and without options it shows every query",
                units::queries(ended)
            );
        }
        _ if state.is_filtered => "no program that the options choose asked anything",
        _ => "nobody asked anything",
    };
    text.to_owned()
}

fn tabs(state: &State, look: Look, width: usize) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    for (number, tab) in (1..).zip(Tab::ALL) {
        // Where there is little room, the others are their number and a beginning.
        let name = match width < 80 && tab != state.tab {
            true => &tab.name()[..3],
            false => tab.name(),
        };
        let text = format!("{number}:{name}");
        used += text.len() + 1;
        if used > width {
            break;
        }
        let style = match tab == state.tab {
            true => look.selected(),
            false => look.head(),
        };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(" "));
    }
    let mut rest = String::new();
    if !state.filter.is_empty() {
        rest += &format!("/{} ", state.filter);
    }
    if state.queries.lost > 0 {
        rest += &format!("{} failures not shown", state.queries.lost);
    }
    spans.push(Span::raw(cut(look, &rest, width.saturating_sub(used))));
    Line::from(spans)
}

/// As wide as their cells; what has no room is left out, the last first, and the first column
/// has the rest.
fn widths(tab: Tab, all: &[table::Line], heads: &[&str], width: usize) -> Vec<usize> {
    let widest = |at: usize, head: &str| {
        let cells = all.iter().filter_map(|line| line.cells.get(at));
        let widest = cells.map(|cell| columns(cell)).max().unwrap_or(0);
        // An arrow stands behind the head that is sorted by.
        widest.max(head.len() + 1).min(CELL_MAX)
    };
    let mut widths: Vec<usize> = (1..)
        .zip(heads)
        .map(|(at, head)| widest(at, head))
        .collect();
    // A time is short, and what failed and how is what is looked for: the server goes first.
    if tab == Tab::Failures {
        let first = 8;
        let is_too_wide =
            |widths: &[usize]| 2 + first + widths.iter().map(|it| it + GAP).sum::<usize>() > width;
        if is_too_wide(&widths) {
            widths.pop();
        }
        while widths.len() > 1 && is_too_wide(&widths) {
            let longest = widths.iter().copied().enumerate().max_by_key(|it| it.1);
            match longest {
                Some((at, longest)) if longest > 12 => widths[at] -= 1,
                _ => {
                    widths.pop();
                }
            }
        }
        widths.insert(0, first);
        return widths;
    }
    let room = |widths: &[usize]| {
        width.saturating_sub(2 + widths.iter().map(|it| it + GAP).sum::<usize>())
    };
    while widths.len() > 1 && room(&widths) < FIRST_MIN {
        widths.pop();
    }
    let first = room(&widths);
    widths.insert(0, first);
    widths
}

fn head(state: &State, look: Look, heads: &[&'static str], widths: &[usize]) -> Line<'static> {
    let mut text = "  ".to_owned();
    let is_sorted = !matches!(state.tab, Tab::Findings | Tab::Failures);
    let all = std::iter::once(table::subject(state.tab)).chain(heads.iter().copied());
    for (at, name) in all.enumerate().take(widths.len()) {
        let head = match (is_sorted && at == state.sort, at) {
            // Not by its names.
            (true, 0) if name.len() + WORST_FIRST.len() + 2 > widths[0] => WORST_FIRST.to_owned(),
            (true, 0) => format!("{name}, {WORST_FIRST}"),
            (true, _) => format!("{name}{}", look.down()),
            (false, _) => name.to_owned(),
        };
        text += &cell_text(look, state.tab, at, &head, widths);
    }
    Line::styled(text, look.head())
}

/// Names to the left, figures to the right.
fn cell_text(look: Look, tab: Tab, at: usize, text: &str, widths: &[usize]) -> String {
    let width = widths[at];
    if at == 0 {
        return filled(look, text, width);
    }
    match tab {
        Tab::Failures => format!("{:GAP$}{}", "", filled(look, text, width)),
        _ => {
            let text = cut(look, text, width);
            let space = GAP + width.saturating_sub(columns(&text));
            format!("{:space$}{text}", "")
        }
    }
}
