//! The screen, from what is shown and how: a pure function onto a frame.

mod detail;
mod graphs;
mod head;
mod lines;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Paragraph;

use super::keys::HELP;
use super::look::Look;
use super::state::Over;
use super::state::State;
use super::text::cut;

/// Below this there are no graphs.
const GRAPHS_FROM: (u16, u16) = (50, 14);

/// Below this not all keys have room.
const KEYS_FROM: usize = 65;
/// Where there is a past, and room to say so.
const PAST: &str = " left:past";

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, look: Look) {
    let whole = frame.area();
    if whole.width < 4 || whole.height < 3 {
        return;
    }
    let width = usize::from(whole.width);
    let mut top = head::headline(state, look, width, whole.height);
    if state.over == Over::None {
        top.extend(head::findings(state, look, width, whole.height));
        if whole.width >= GRAPHS_FROM.0 && whole.height >= GRAPHS_FROM.1 {
            top.extend(graphs::graphs(state, look, width, whole.height));
        }
    }
    let rows = whole.height.saturating_sub(1);
    let above = u16::try_from(top.len()).unwrap_or(rows).min(rows);
    let [head, body, foot] = parts(whole, above);
    frame.render_widget(Paragraph::new(top), head);
    let height = usize::from(body.height);
    let page = match &state.over {
        Over::None => None,
        Over::Help => Some(help(look)),
        Over::Detail(tab, key) => Some(detail::lines(state, look, (*tab, key), width)),
    };
    let mut place = String::new();
    let lines = match page {
        None => lines::table(state, look, width, height),
        Some(page) => {
            let above = state.scrolled.min(page.len().saturating_sub(height));
            if page.len() > height {
                place = format!("{}-{} of {} ", above + 1, above + height, page.len());
            }
            page.into_iter().skip(above).take(height).collect()
        }
    };
    frame.render_widget(Paragraph::new(lines), body);
    frame.render_widget(Paragraph::new(keys(state, look, width, &place)), foot);
}

/// So many lines above, one below, and what is between.
fn parts(whole: Rect, above: u16) -> [Rect; 3] {
    let between = whole.height - above - 1;
    [
        Rect {
            height: above,
            ..whole
        },
        Rect {
            y: whole.y + above,
            height: between,
            ..whole
        },
        Rect {
            y: whole.y + whole.height - 1,
            height: 1,
            ..whole
        },
    ]
}

fn help(look: Look) -> Vec<Line<'static>> {
    let key = |(key, deed): &(&str, &str)| {
        Line::from(vec![
            Span::styled(format!("  {key:<10} "), look.head()),
            Span::raw((*deed).to_owned()),
        ])
    };
    let legend = [
        "",
        "  ! critical, or hurt    ~ warning",
        "  Figures are of the last two minutes, or as long as it watches. Times are UTC.",
        "  P99: 99 % of the answers came within. A column of a graph is a second or more.",
        "  Time lost: what lookups waited in vain, added up: 10 s in one second can be.",
    ];
    let legend = legend.iter().map(|text| Line::from((*text).to_owned()));
    HELP.iter().map(key).chain(legend).collect()
}

/// What can be pressed, or what is being written, or what is to be told; and which lines of a
/// longer page are shown.
fn keys(state: &State, look: Look, width: usize, place: &str) -> Line<'static> {
    if state.is_writing {
        return Line::from(cut(
            look,
            &format!("/{}_   Enter ends, Esc clears", state.filter),
            width,
        ));
    }
    if let Some(notice) = &state.notice {
        return Line::styled(cut(look, notice, width), look.of_sign('~'));
    }
    let mut text = match state.over {
        Over::None if width < KEYS_FROM => {
            "?:help /:filter p:pause s:save Enter:more Tab:next q:quit".to_owned()
        }
        Over::None => "?:help /:filter p:pause s:save o:sort Enter:more Tab:next q:quit".to_owned(),
        _ => format!("{place}Esc:back up/down PgDn p:pause s:save ?:help q:quit"),
    };
    if state.has_history && text.len() + PAST.len() <= width {
        text += PAST;
    }
    Line::styled(cut(look, &text, width), look.head())
}

#[cfg(test)]
mod tests;
