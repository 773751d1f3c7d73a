//! How things look: with or without colours, with or without more than ASCII.

use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;

/// Bars of eight heights, the lowest first.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same for a terminal that has nothing but ASCII.
const ASCII: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '@'];

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) has_colours: bool,
    pub(super) has_unicode: bool,
}

impl Look {
    /// By the environment: `NO_COLOR` (<https://no-color.org>), `TERM` and the locale.
    pub(super) fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        // As setlocale(3) looks for it.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
        let locale = locale.iter().find(|it| !it.is_empty());
        let locale = locale.map_or(String::new(), |it| it.to_ascii_lowercase());
        let term = variable("TERM");
        Self {
            has_colours: variable("NO_COLOR").is_empty() && term != "dumb" && !term.ends_with("-m"),
            has_unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    fn coloured(self, colour: Color) -> Style {
        match self.has_colours {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    /// By the sign of a line, or a severity.
    pub(super) fn of_sign(self, sign: char) -> Style {
        match sign {
            '!' => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
            '~' => self.coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            _ => Style::new(),
        }
    }

    pub(super) fn of_verdict(self, verdict: &str) -> Style {
        let colour = match verdict {
            "critical" => Color::Red,
            "warning" | "unknown" => Color::Yellow,
            "healthy" => Color::Green,
            _ => return Style::new().add_modifier(Modifier::BOLD),
        };
        self.coloured(colour).add_modifier(Modifier::BOLD)
    }

    pub(super) fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Stands behind the head of the column that is sorted by, the most first.
    pub(super) fn down(self) -> &'static str {
        if self.has_unicode { "▼" } else { "*" }
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn command(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// A bar of this share, 0 to 1; what is something is never nothing.
    pub(super) fn bar(self, share: f64) -> char {
        let glyphs = if self.has_unicode { BLOCKS } else { ASCII };
        let height = (share.clamp(0.0, 1.0) * 8.0).round() as usize;
        match share > 0.0 {
            true => glyphs[height.clamp(1, 8)],
            false => glyphs[0],
        }
    }

    /// A text as it may come to the terminal: no control characters, and in ASCII where there
    /// is no more.
    pub(super) fn text(self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                // Terminals do not agree on their width.
                '\u{fe00}'..='\u{fe0f}' => {}
                c if c.is_control() => shown.extend(c.escape_default()),
                c if self.has_unicode || c.is_ascii() => shown.push(c),
                'µ' => shown.push('u'),
                '–' => shown.push('-'),
                '…' => shown.push('~'),
                c => shown.extend(c.escape_unicode()),
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_only_what_it_can_show() {
        let plain = Look {
            has_colours: false,
            has_unicode: false,
        };
        assert_eq!(
            plain.text("5 µs – é\u{1b}[2J…"),
            "5 us - \\u{e9}\\u{1b}[2J~"
        );
        assert_eq!(plain.of_sign('!').fg, None);
        let full = Look {
            has_colours: true,
            has_unicode: true,
        };
        assert_eq!(full.text("µ–é\u{9b}"), "µ–é\\u{9b}");
        assert!(plain.bar(0.5).is_ascii() && !full.bar(0.5).is_ascii());
        assert_eq!(
            (full.bar(0.0), full.bar(1e-9), full.bar(9.0)),
            (' ', '▁', '█')
        );
    }
}
