//! What an agent can be asked, as the query of a URL.

use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;
use anyhow::bail;

/// A time that is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Its begin; what is left out is as early as there is something.
    pub from: Option<SystemTime>,
    /// Its end; what is left out is now.
    pub to: Option<SystemTime>,
    /// For a person, in so many columns, or else for a program.
    pub columns: Option<usize>,
    /// With ANSI colours.
    pub colours: bool,
}

impl Question {
    /// As the query of a URL; RFC 3986 lets all of it stand there as it is.
    pub fn query(&self) -> String {
        let seconds = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap_or_default().as_millis().to_string()
        };
        let parts = [
            self.from.map(|from| format!("from_ms={}", seconds(from))),
            self.to.map(|to| format!("to_ms={}", seconds(to))),
            self.columns.map(|columns| format!("columns={columns}")),
            self.colours.then(|| "colours=1".to_owned()),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.join("&")
    }

    /// Of the query of a URL.
    pub(super) fn parse(query: &str) -> Result<Self> {
        let mut question = Self {
            from: None,
            to: None,
            columns: None,
            colours: false,
        };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let Ok(number) = value.parse::<u64>() else {
                bail!("{key:?} must be a number");
            };
            let time = || SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(number));
            match key {
                "from_ms" => question.from = time(),
                "to_ms" => question.to = time(),
                "last_ms" => {
                    question.from = SystemTime::now().checked_sub(Duration::from_millis(number));
                }
                "columns" => question.columns = usize::try_from(number).ok(),
                "colours" => question.colours = number != 0,
                _ => bail!("there is no parameter {key:?}"),
            }
        }
        Ok(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_comes_over_as_it_was() {
        let at = |ms| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        for (from, to, columns) in [
            (None, None, None),
            (at(1), at(1_800_000_000_123), Some(80)),
            (at(0), None, None),
        ] {
            let question = Question {
                from,
                to,
                columns,
                colours: columns.is_some(),
            };
            let query = question.query();
            assert_eq!(Question::parse(&query).expect("a question"), question);
        }
        assert_eq!(Question::parse("").expect("all").query(), "");
    }

    #[test]
    fn nonsense_is_told() {
        for query in ["x=1", "from_ms=soon", "from_ms", "=&=", "to_ms=-1"] {
            assert!(Question::parse(query).is_err(), "{query}");
        }
        // A time that the clock does not have is none.
        let far = Question::parse("to_ms=18446744073709551615").expect("a number");
        let _shown = far.query();
    }
}
