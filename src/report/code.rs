//! What of a sentence is code: what stands between backticks, as kerno's own sentences have it.

/// Where code begins or ends in a sentence of kerno's own.
const BEFORE: [char; 2] = [' ', '('];
const BEHIND: [char; 6] = [' ', ')', ',', '.', ';', ':'];

/// The parts of a sentence, and whether each is code. If a single backtick is none of kerno's
/// own, as in the name of a stranger, all is text, and each backtick stands in it.
pub(super) fn parts(sentence: &str) -> Vec<(bool, &str)> {
    let parts: Vec<_> = sentence.split('`').collect();
    let is_code = |at: usize| {
        let (before, code) = (parts[at - 1], parts[at]);
        let begins = before.is_empty() && at == 1 || before.ends_with(BEFORE);
        let behind = parts.get(at + 1);
        let ends = behind.is_some_and(|behind| match behind.is_empty() {
            true => at + 2 == parts.len(),
            false => behind.starts_with(BEHIND),
        });
        begins && ends && !code.is_empty() && code.trim() == code
    };
    match (1..parts.len()).step_by(2).all(is_code) {
        true => {
            let parts = parts.into_iter().enumerate();
            parts.map(|(at, part)| (at % 2 == 1, part)).collect()
        }
        false => vec![(false, sentence)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_stands_between_backticks() {
        assert_eq!(parts("no code"), [(false, "no code")]);
        assert_eq!(
            parts("Raise it (`a b`), or `c`."),
            [
                (false, "Raise it ("),
                (true, "a b"),
                (false, "), or "),
                (true, "c"),
                (false, "."),
            ]
        );
        assert_eq!(parts("`a`"), [(false, ""), (true, "a"), (false, "")]);
    }

    #[test]
    fn what_may_be_a_name_stays_as_it_is() {
        for text in [
            "a`b",
            "x`y`z",
            "``",
            "`",
            "a ` b ` c",
            "`a` of b`c",
            "`a``b`",
            "q`d e`",
        ] {
            assert_eq!(parts(text), [(false, text)], "{text}");
        }
    }
}
