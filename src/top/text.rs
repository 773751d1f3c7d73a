//! Text as it fits: every text that comes to the screen goes through one of these.

use textwrap::Options;
use textwrap::WordSeparator;
use textwrap::WordSplitter;

use super::look::Look;
use crate::report::page::beginning;
use crate::report::page::columns;

/// A text that fits; what is cut off shows.
pub(super) fn cut(look: Look, text: &str, width: usize) -> String {
    let text = look.text(text);
    if columns(&text) <= width {
        return text;
    }
    let mark = if look.has_unicode { "…" } else { "~" };
    format!("{}{mark}", beginning(&text, width.saturating_sub(1)))
}

/// The same, filled up with spaces.
pub(super) fn filled(look: Look, text: &str, width: usize) -> String {
    let text = cut(look, text, width);
    let space = width.saturating_sub(columns(&text));
    format!("{text}{:space$}", "")
}

/// Words in rows, none broken at a hyphen: a name or an option is one word.
pub(super) fn wrapped(look: Look, text: &str, width: usize) -> Vec<String> {
    let text = look.text(text);
    let options = Options::new(width.max(1))
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    let rows = textwrap::wrap(&text, options).into_iter();
    rows.map(|row| row.into_owned()).collect()
}
