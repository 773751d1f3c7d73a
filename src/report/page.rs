//! A page as wide as the terminal: the one place where text meets it.

use std::io;

use anstyle::AnsiColor;
use anstyle::Style;
use textwrap::Options;
use textwrap::WordSeparator;
use textwrap::WordSplitter;
use unicode_width::UnicodeWidthChar as _;

use crate::attempt::names;
use crate::shell;

/// As the terminal has it.
pub(crate) const PLAIN: Style = Style::new();
/// What the eye should find first.
pub(crate) const BOLD: Style = Style::new().bold();
/// What may be skipped.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Critical.
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
/// Warning.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
/// Healthy.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default().bold();
/// Something to type.
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();

/// Writes lines, none with a control character and none wider than the page, whatever a
/// name or an address looks like; but for a word of a command that is longer by itself.
pub(crate) struct Page<'a> {
    out: &'a mut dyn io::Write,
    width: usize,
}

impl<'a> Page<'a> {
    pub(crate) fn new(out: &'a mut dyn io::Write, width: usize) -> Self {
        Self { out, width }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// One line of pieces; what does not fit is cut off with `…`.
    pub(crate) fn line(&mut self, pieces: &[(Style, &str)]) -> io::Result<()> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|(style, text)| (*style, printable(text)))
            .collect();
        let width: usize = pieces.iter().map(|(_, text)| columns(text)).sum();
        let is_cut = width > self.width;
        let mut room = self.width - usize::from(is_cut);
        for (style, text) in pieces {
            let part = beginning(&text, room);
            // Behind what was cut off there is no room for more.
            room = match part.len() < text.len() {
                true => 0,
                false => room - columns(part),
            };
            if !part.is_empty() {
                write!(self.out, "{style}{part}{style:#}")?;
            }
        }
        writeln!(self.out, "{}", if is_cut { "…" } else { "" })
    }

    /// Text that is wrapped at spaces and flows on below its head.
    pub(crate) fn flowing(&mut self, head: (Style, &str), text: &str) -> io::Result<()> {
        // A placeholder that cannot be broken keeps the room for the head.
        let room = "x".repeat(columns(head.1).saturating_sub(1));
        let mut rows = wrap(&format!("{room} {}", printable(text)), self.width).into_iter();
        let first = rows.next().unwrap_or_default();
        self.line(&[head, (PLAIN, first[room.len()..].trim_start())])?;
        rows.try_for_each(|row| self.line(&[(PLAIN, &row)]))
    }

    /// Text that is wrapped at spaces. The first line begins with `head`, the
    /// others are indented as far as it reaches.
    pub(crate) fn paragraph(&mut self, head: (Style, &str), body: (Style, &str)) -> io::Result<()> {
        let (style, text) = body;
        let indent = " ".repeat(columns(head.1));
        let mut start = head;
        for row in wrap(&printable(text), self.width - indent.len()) {
            self.line(&[start, (style, &row)])?;
            start = (PLAIN, &indent);
        }
        Ok(())
    }

    /// A command, ready to be copied.
    pub(crate) fn command(&mut self, indent: usize, style: Style, text: &str) -> io::Result<()> {
        let room = self.width - indent;
        let mut rows = Vec::new();
        match columns(text) <= room {
            true => rows.push(text.to_owned()),
            false => add_command(&mut rows, text, room),
        }
        for row in rows {
            let row = printable(&row);
            writeln!(self.out, "{:indent$}{style}{row}{style:#}", "")?;
        }
        Ok(())
    }
}

/// Goes on with a command, whose rows paste as one: it is continued as a shell has it, and no word of
/// it is torn, as that would make two.
pub(crate) fn add_command(rows: &mut Vec<String>, text: &str, width: usize) {
    const CONTINUED: &str = " \\";
    let room = width.saturating_sub(CONTINUED.len());
    for (at, word) in shell::words(text).into_iter().enumerate() {
        match rows.last_mut() {
            Some(row) if columns(row) + 1 + columns(word) <= room => {
                row.push(' ');
                row.push_str(word);
            }
            last => {
                if let Some(row) = last.filter(|_| at > 0) {
                    row.push_str(CONTINUED);
                }
                rows.push(word.to_owned());
            }
        }
    }
}

/// Columns that a text takes on a terminal.
pub(crate) fn columns(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// The beginning of a text that fits into so many columns.
pub(crate) fn beginning(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// What a terminal obeys as `\n` or `\u{NN}`: names come from strangers. Without
/// variation selectors, on whose width terminals do not agree.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{fe00}'..='\u{fe0f}' => {}
            c if names::is_obeyed(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// No place to break a line.
const TIED: char = '\u{a0}';

/// Rows of whole words; a word that is longer than a row is cut into pieces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = Options::new(width)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    let text = tied(text);
    let rows = textwrap::wrap(&text, options).into_iter();
    rows.map(|row| row.replace(TIED, " ")).collect()
}

/// With what must not be torn apart tied together: figures and their unit.
fn tied(text: &str) -> String {
    let mut tied = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let unit = word.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '%');
        let is_unit = ["%", "s", "ms", "µs"].contains(&unit);
        let gap = match is_unit && tied.ends_with(|c: char| c.is_ascii_digit()) {
            _ if tied.is_empty() => "",
            true => "\u{a0}",
            false => " ",
        };
        tied.push_str(gap);
        tied.push_str(word);
    }
    tied
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 100;

    fn written(write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Page::new(&mut out, WIDTH)).expect("a Vec takes everything");
        anstream::adapter::strip_str(std::str::from_utf8(&out).expect("UTF-8")).to_string()
    }

    #[test]
    fn a_terminal_obeys_no_name() {
        let hostile = "a\u{1b}[2J\u{202e}b\u{2066}\u{200d}";
        let shown = written(|page| page.line(&[(PLAIN, hostile)]));
        assert_eq!(shown, "a\\u{1b}[2J\\u{202e}b\\u{2066}\u{200d}\n");
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

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(columns("名前 e\u{301} 🦀"), 9);
        assert_eq!(beginning("名前", 3), "名");
        assert_eq!(wrap("名前名前名 x", 5), ["名前", "名前", "名 x"]);
        let cut =
            written(|page| page.line(&[(PLAIN, "x"), (RED, &"名".repeat(WIDTH)), (RED, "y")]));
        assert_eq!(cut, format!("x{}…\n", "名".repeat(49)));
    }
}
