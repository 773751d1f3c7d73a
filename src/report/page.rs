//! A page of 100 columns: the one place where text meets the terminal.

use std::io;

use anstyle::AnsiColor;
use anstyle::Style;

use crate::shell;

/// No line is wider, whatever a name or an address looks like; but for a word of
/// a command that is longer by itself.
pub(super) const WIDTH: usize = 100;

/// As the terminal has it.
pub(super) const PLAIN: Style = Style::new();
/// What the eye should find first.
pub(super) const BOLD: Style = Style::new().bold();
/// What may be skipped.
pub(super) const DIM: Style = Style::new().dimmed();
/// Critical.
pub(super) const RED: Style = AnsiColor::Red.on_default().bold();
/// Warning.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
/// Healthy.
pub(super) const GREEN: Style = AnsiColor::Green.on_default().bold();
/// Something to type.
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();

/// Writes lines, none wider than [`WIDTH`] and none with a control character.
pub(super) struct Page<'a> {
    out: &'a mut dyn io::Write,
}

impl<'a> Page<'a> {
    pub(super) fn new(out: &'a mut dyn io::Write) -> Self {
        Self { out }
    }

    pub(super) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// One line of pieces; what does not fit is cut off with `…`.
    pub(super) fn line(&mut self, pieces: &[(Style, &str)]) -> io::Result<()> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|(style, text)| (*style, printable(text)))
            .collect();
        let width: usize = pieces.iter().map(|(_, text)| text.chars().count()).sum();
        let mut room = if width > WIDTH { WIDTH - 1 } else { WIDTH };
        for (style, text) in pieces {
            let part: String = text.chars().take(room).collect();
            room -= part.chars().count();
            if !part.is_empty() {
                write!(self.out, "{style}{part}{style:#}")?;
            }
        }
        writeln!(self.out, "{}", if width > WIDTH { "…" } else { "" })
    }

    /// Text that is wrapped at spaces and flows on below its head.
    pub(super) fn flowing(&mut self, head: (Style, &str), text: &str) -> io::Result<()> {
        let text = printable(text);
        // Placeholders that cannot be broken keep the room for the head.
        let room = "x".repeat(head.1.trim_end().chars().count());
        let mut rows = wrap(&format!("{room} {text}"), WIDTH).into_iter();
        let first = rows.next().unwrap_or_default();
        let rest = first.strip_prefix(&format!("{room} ")).unwrap_or_default();
        self.line(&[head, (PLAIN, rest)])?;
        for row in rows {
            self.line(&[(PLAIN, &row)])?;
        }
        Ok(())
    }

    /// Text that is wrapped at spaces. The first line begins with `head`, the
    /// others are indented as far as it reaches.
    pub(super) fn paragraph(&mut self, head: (Style, &str), body: (Style, &str)) -> io::Result<()> {
        let (head_style, head) = head;
        let (style, text) = body;
        let text = printable(text);
        let indent = " ".repeat(head.chars().count());
        let mut start = (head_style, head);
        for row in wrap(&text, WIDTH - indent.len()) {
            self.line(&[start, (style, &row)])?;
            start = (PLAIN, &indent);
        }
        Ok(())
    }

    /// A command, whose lines paste as one: it is continued as a shell has it, and
    /// no word of it is torn, as that would make two.
    pub(super) fn command(&mut self, indent: usize, style: Style, text: &str) -> io::Result<()> {
        const CONTINUED: &str = " \\";
        let room = match text.chars().count() <= WIDTH - indent {
            true => WIDTH - indent,
            false => WIDTH - indent - CONTINUED.len(),
        };
        let mut rows: Vec<String> = Vec::new();
        for word in shell::words(text) {
            match rows.last_mut() {
                Some(row) if row.chars().count() + 1 + word.chars().count() <= room => {
                    row.push(' ');
                    row.push_str(word);
                }
                _ => rows.push(word.to_owned()),
            }
        }
        let last = rows.len().saturating_sub(1);
        for (number, row) in rows.iter().enumerate() {
            let end = if number < last { CONTINUED } else { "" };
            let row = printable(row);
            writeln!(self.out, "{:indent$}{style}{row}{end}{style:#}", "")?;
        }
        Ok(())
    }
}

/// Control characters as `\xNN` or `\u{NN}`: names come from strangers.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let (as_is, escaped) = if c.is_control() {
                (None, Some(c.escape_default()))
            } else {
                (Some(c), None)
            };
            as_is.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// What must not be torn apart: words, and figures with their unit.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let unit = word.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '%');
        match words.last_mut() {
            Some(last)
                if last.ends_with(|c: char| c.is_ascii_digit())
                    && ["%", "s", "ms", "µs"].contains(&unit) =>
            {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Rows of whole words; a word that is longer than a row is cut into pieces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for word in words(text) {
        let letters: Vec<char> = word.chars().collect();
        for (i, piece) in letters.chunks(width).enumerate() {
            let gap = usize::from(used > 0 && i == 0);
            if used + gap + piece.len() > width {
                rows.push(String::new());
                used = 0;
            }
            let row = rows.last_mut().expect("there is a row at any time");
            if used > 0 && i == 0 {
                row.push(' ');
                used += 1;
            }
            row.extend(piece);
            used += piece.len();
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Page::new(&mut out)).expect("a Vec takes everything");
        anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
    }

    #[test]
    fn a_line_is_cut_at_the_edge() {
        let fits = "x".repeat(WIDTH);
        assert_eq!(
            written(|page| page.line(&[(RED, &fits)])),
            format!("{fits}\n")
        );
        let cut = written(|page| page.line(&[(PLAIN, "y"), (RED, &fits)]));
        assert_eq!(cut, format!("y{}…\n", "x".repeat(WIDTH - 2)));
    }

    #[test]
    fn a_terminal_is_not_obeyed() {
        let text = "a\u{1b}[2J\u{9b}1m\nb";
        assert_eq!(
            written(|page| page.line(&[(PLAIN, text)])),
            "a\\u{1b}[2J\\u{9b}1m\\nb\n"
        );
    }

    #[test]
    fn a_command_is_continued_and_its_words_stay_whole() {
        let long = format!("'{}  b'", "x".repeat(WIDTH));
        let page = written(|page| page.command(4, CYAN, &format!("echo -1 > {long} | head")));
        assert_eq!(
            page,
            format!("    echo -1 > \\\n    {long} \\\n    | head\n")
        );
        let page = written(|page| page.command(4, CYAN, "dig @10.0.0.1 . SOA"));
        assert_eq!(page, "    dig @10.0.0.1 . SOA\n");
    }

    #[test]
    fn words_stay_whole_unless_a_row_is_too_narrow() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn a_figure_keeps_its_unit() {
        assert_eq!(wrap("took 15 s, or", 8), ["took", "15 s, or"]);
        assert_eq!(wrap("took (8 %) or", 8), ["took", "(8 %) or"]);
        assert_eq!(wrap("in 15 servers", 8), ["in 15", "servers"]);
    }

    #[test]
    fn a_paragraph_hangs_from_its_head() {
        let text = "word ".repeat(30);
        let page = written(|page| page.paragraph((BOLD, "  Cause  "), (PLAIN, &text)));
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  Cause  word"), "{page}");
        assert!(lines[1].starts_with("         word"), "{page}");
    }
}
