//! Text as it fits: every text that comes to the screen goes through one of these.

use textwrap::Options;
use textwrap::WordSeparator;
use textwrap::WordSplitter;

use super::look::Look;
use crate::report::page::add_command;
use crate::report::page::beginning;
use crate::report::page::columns;
use crate::report::step;

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

/// A step of a fix in rows; those of its command paste as one.
pub(super) fn step_rows(look: Look, text: &str, width: usize) -> Vec<String> {
    let whole = look.text(&text.replace('`', ""));
    let (words, Some(command)) = step::parts(text) else {
        return wrapped(look, &whole, width);
    };
    if columns(&whole) <= width {
        return vec![whole];
    }
    let mut rows = wrapped(look, &words.replace('`', ""), width);
    add_command(&mut rows, &look.text(command), width);
    rows
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_command_paste_as_one() {
        let look = Look {
            has_unicode: true,
            has_colours: false,
        };
        let step =
            "Ask it, as the client does: `nsenter -t \"$(lsns -no PID 7)\" dig @10.0.0.1 . SOA`";
        let rows = step_rows(look, step, 40);
        let expected = [
            "Ask it, as the client does: nsenter -t \\",
            "\"$(lsns -no PID 7)\" dig @10.0.0.1 . \\",
            "SOA",
        ];
        assert_eq!(rows, expected);
        assert!(rows.iter().all(|row| columns(row) <= 40));
        assert_eq!(step_rows(look, "See: `a b`", 40), ["See: a b"]);
        assert_eq!(
            step_rows(look, "words that wrap", 10),
            ["words that", "wrap"]
        );
    }
}
