//! What an operator looks at first: the verdict, what is open, and what to do about it.

use std::time::Duration;
use std::time::SystemTime;

use ratatui::text::Line;
use ratatui::text::Span;

use crate::top::look::Look;
use crate::top::picture::Picture;
use crate::top::picture::Times;
use crate::top::picture::moment;
use crate::top::state::Over;
use crate::top::state::State;
use crate::top::text::cut;
use crate::top::text::step_rows;
use crate::top::text::wrapped;
use crate::units;

/// From these heights on the fix of the worst finding stands below the findings, in so many rows.
const FIX_ROWS: [(u16, usize); 3] = [(36, 6), (30, 4), (20, 2)];
/// Nothing of a rule for so long, and nothing else fails: it may be over. An unanswered query is
/// told of when it has been waited for.
const OVER: Duration = Duration::from_secs(20);

/// The verdict in words: as many lines as it needs, but no more than a fifth of the screen, and
/// one where a page has the rest.
pub(super) fn headline(state: &State, look: Look, width: usize, height: u16) -> Vec<Line<'static>> {
    let Some(picture) = &state.picture else {
        return vec![Line::styled(
            cut(look, "kerno top: begins to watch ...", width),
            look.head(),
        )];
    };
    let style = look.of_verdict(&picture.verdict);
    let mut rows = wrapped(look, &picture.headline, width);
    let most = match state.over {
        Over::None => headline_rows(height),
        _ => 1,
    };
    if rows.len() > most {
        rows.truncate(most);
        if let Some(last) = rows.last_mut() {
            let more = if look.has_unicode { "…" } else { "~" };
            *last = format!("{}{more}", crate::report::page::beginning(last, width - 1));
        }
    }
    let mut lines: Vec<_> = rows
        .into_iter()
        .map(|row| Line::styled(row, style))
        .collect();
    if let Some(text) = standing(state, picture) {
        lines.push(Line::styled(cut(look, &text, width), look.of_sign('~')));
    }
    lines
}

fn headline_rows(height: u16) -> usize {
    (usize::from(height) / 5).clamp(1, 6)
}

/// What makes this picture another one than that of now, whole.
fn standing(state: &State, picture: &Picture) -> Option<String> {
    let mut parts = Vec::new();
    if state.is_paused {
        parts.push(format!("PAUSED at {} UTC", moment(&picture.time)));
    }
    if state.back_s > 0 {
        let until = moment(&picture.time);
        parts.push(format!(
            "PAST: until {until} UTC, {} min ago",
            state.back_s / 60
        ));
    }
    if !picture.picture.complete {
        let gaps = picture.picture.gaps.join(" ");
        parts.push(format!("INCOMPLETE: {gaps}"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The worst ones, a line each.
pub(super) fn findings(state: &State, look: Look, width: usize, height: u16) -> Vec<Line<'static>> {
    let Some(picture) = &state.picture else {
        return Vec::new();
    };
    let most = (usize::from(height) / 7).clamp(1, 8);
    let mut lines = Vec::new();
    for (number, it) in (1..).zip(picture.findings.iter().take(most)) {
        let (sign, word) = match &*it.severity {
            "critical" => ('!', "CRITICAL"),
            "warning" => ('~', "WARNING"),
            _ => (' ', "NOTE"),
        };
        let times = picture.timeline.rules.get(&it.rule);
        let times = times.map_or(String::new(), |it| told_times(picture, it));
        // Of a long title the end is cut off, never since when it is.
        let text = format!("{sign} {number}. {word} {}", it.title);
        let text = cut(look, &text, width.saturating_sub(times.len())) + &times;
        lines.push(Line::styled(cut(look, &text, width), look.of_sign(sign)));
    }
    let more = picture.findings.len().saturating_sub(most) as u64;
    if more > 0 {
        let text = format!(
            "  and {} (press 1)",
            units::counted(more, "more finding", "more findings")
        );
        lines.push(Line::from(cut(look, &text, width)));
    }
    let worst = picture.findings.first();
    // The headline says it last, if it has the room.
    let is_cut = wrapped(look, &picture.headline, width).len() > headline_rows(height);
    let whom = worst.and_then(|it| it.hit_hardest.as_ref());
    if let Some(whom) = whom.filter(|_| is_cut && lines.len() < most) {
        let text = format!("  hit hardest: {whom}");
        lines.push(Line::from(cut(look, &text, width)));
    }
    if let Some(worst) = worst {
        lines.extend(fix(look, &worst.fix, width, height));
    }
    lines
}

/// What to do, as many steps as there is room for; the first one is there in any case.
fn fix(look: Look, steps: &[String], width: usize, height: u16) -> Vec<Line<'static>> {
    let rows = FIX_ROWS.iter().find(|(from, _)| height >= *from);
    let most = rows.map_or(0, |(_, rows)| *rows);
    let mut lines = Vec::new();
    for (number, step) in (1..).zip(steps) {
        let head = format!("  fix {number}/{}: ", steps.len());
        let room = width.saturating_sub(head.len());
        let mut rows = step_rows(look, step, room);
        let left = most - lines.len();
        if rows.len() > left {
            if number > 1 || left == 0 {
                break;
            }
            rows.truncate(left);
            if let Some(last) = rows.last_mut() {
                let last_words = last.trim_end_matches(" \\");
                *last = cut(look, &format!("{last_words} ... (Enter)"), room);
            }
        }
        let rest = " ".repeat(head.len());
        let heads = std::iter::once(head).chain(std::iter::repeat(rest));
        lines.extend(heads.zip(rows).map(|(head, row)| {
            let row = Span::styled(row, look.command());
            Line::from(vec![Span::raw(head), row])
        }));
    }
    lines
}

/// Since when queries have gone wrong by a rule, or from when to when.
fn told_times(picture: &Picture, times: &Times) -> String {
    let parse = |time: &str| humantime::parse_rfc3339(time).ok();
    let is_before = |one: Option<SystemTime>, other: Option<SystemTime>| match (one, other) {
        (Some(one), Some(other)) => other.duration_since(one).is_ok_and(|it| it >= OVER),
        _ => false,
    };
    let last = parse(&times.last);
    let step = Duration::try_from_secs_f64(picture.timeline.step_seconds).unwrap_or_default();
    // Of very many not each one is kept: whatever fails later may be of this rule.
    let end = last.and_then(|it| it.checked_add(step));
    let fails_on = picture.timeline.slices.iter().any(|slice| {
        let begins_later = parse(&slice.from)
            .zip(end)
            .is_none_or(|(from, end)| from > end);
        slice.failed > 0 && begins_later
    });
    let (from, to) = (moment(&times.first), moment(&times.last));
    match is_before(last, parse(&picture.time)) && !fails_on {
        true if from == to => format!(", at {to} UTC"),
        true => format!(", {from} to {to} UTC"),
        false => format!(", since {from} UTC"),
    }
}
