//! Text in Markdown that stays text, whatever a name in it looks like.

use crate::report::page::printable;

/// What begins or ends something in GFM, wherever it stands.
const ACTIVE: &str = "\\`*_[]<>|~&";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Line,
    Cell,
}

/// Words on one line.
pub(super) fn prose(text: &str) -> String {
    inline(text, Place::Line)
}

/// The same in a cell of a table, where a bar ends the cell even in code.
pub(super) fn cell(text: &str) -> String {
    inline(text, Place::Cell)
}

fn inline(text: &str, place: Place) -> String {
    let text = printable(text);
    let mut written = String::with_capacity(text.len() + 16);
    for (at, (is_code, part)) in crate::report::code::parts(&text).into_iter().enumerate() {
        match is_code {
            true => written += &code(part, place),
            false => push_words(part, place, at == 0, &mut written),
        }
    }
    written.trim().to_owned()
}

/// `is_first`: nothing stands before it.
fn push_words(text: &str, place: Place, is_first: bool, to: &mut String) {
    let space = |is_there: bool| if is_there { " " } else { "" };
    *to += space(text.starts_with(char::is_whitespace));
    for (at, word) in text.split_whitespace().enumerate() {
        *to += space(at > 0);
        match becomes_link(word) {
            true => *to += &code(word, place),
            false => escape(word, place == Place::Line && is_first && at == 0, to),
        }
    }
    *to += space(text.ends_with(char::is_whitespace));
}

/// Lines as they are, in a fence that nothing in them ends.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let lines: Vec<_> = text.lines().map(printable).collect();
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

/// Addresses are made links, `@name` calls somebody and `#1` is an issue, escaped or not.
fn becomes_link(word: &str) -> bool {
    let is_issue = |at: usize| word[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let word_in_small = word.to_ascii_lowercase();
    let links = ["@", "://", "www.", "mailto:", "xmpp:"];
    links.iter().any(|it| word_in_small.contains(it))
        || word.match_indices('#').any(|(at, _)| is_issue(at))
}

/// Text as code.
fn code(text: &str, place: Place) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    // A space is taken off at both ends, and keeps backticks of the text from the fence.
    let space = if text.contains('`') { " " } else { "" };
    let quoted = format!("{fence}{space}{text}{space}{fence}");
    match place {
        Place::Line => quoted,
        Place::Cell => quoted.replace('|', "\\|"),
    }
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`');
    runs.map(str::len).max().unwrap_or(0)
}

/// `begins_line`: what would be a heading, a list or a ruler there is none.
fn escape(word: &str, begins_line: bool, to: &mut String) {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    for (at, c) in word.char_indices() {
        let is_marker = match c {
            '#' | '+' | '-' | '=' | ':' => at == 0,
            '.' | ')' => digits > 0 && at == digits && at + 1 == word.len(),
            _ => false,
        };
        if ACTIVE.contains(c) && !is_in_word(word, at, c) || begins_line && is_marker {
            to.push('\\');
        }
        to.push(c);
    }
}

/// An underscore within a word is none of emphasis (GFM 6.4).
fn is_in_word(word: &str, at: usize, c: char) -> bool {
    let before = word[..at].chars().next_back();
    let after = word[at + c.len_utf8()..].chars().next();
    let both = before.zip(after);
    c == '_' && both.is_some_and(|(a, b)| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        for text in [
            "10.0.0.10:53 answers, 4.2 % failed (5.0 s)",
            "rule dns_dead_server of web-7d4b9c6f5-x2x8p",
            "curl (pid 4242) asked shop/web-1",
        ] {
            assert_eq!(prose(text), text);
            assert_eq!(cell(text), text);
        }
    }

    #[test]
    fn what_markdown_would_read_is_escaped() {
        for (text, written) in [
            (
                "**x** <b> [a](b) ~~c~~ &amp;",
                "\\*\\*x\\*\\* \\<b\\> \\[a\\](b) \\~\\~c\\~\\~ \\&amp;",
            ),
            ("_x_ a_b __init", "\\_x\\_ a_b \\_\\_init"),
            ("a`b c|d", "a\\`b c\\|d"),
            ("# x", "\\# x"),
            ("- x", "\\- x"),
            ("1. x 2. y", "1\\. x 2. y"),
            ("a\nb\u{1b}c", "a\\\\nb\\\\u{1b}c"),
        ] {
            assert_eq!(prose(text), written);
        }
    }

    #[test]
    fn nobody_is_called_and_nothing_is_linked() {
        assert_eq!(prose("to @all now"), "to `@all` now");
        assert_eq!(prose("(http://evil/|x)"), "`(http://evil/|x)`");
        assert_eq!(cell("http://evil/|x"), "`http://evil/\\|x`");
        assert_eq!(prose("WWW.evil a#12"), "`WWW.evil` `a#12`");
        assert_eq!(prose("a`@b"), "`` a`@b ``");
        assert_eq!(prose("set `a|b  c`, then"), "set `a|b  c`, then");
        assert_eq!(cell("set `a|b`"), "set `a\\|b`");
        assert_eq!(prose("``` x"), "\\`\\`\\` x");
        assert_eq!(prose("`` x"), "\\`\\` x");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fenced("sh", "a"), "```sh\na\n```\n");
        assert_eq!(fenced("", "a```\n````"), "`````\na```\n````\n`````\n");
    }
}
