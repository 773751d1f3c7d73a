//! What an agent can be asked, as the query of a URL.

use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;
use anyhow::bail;

use crate::report;
use crate::report::Form;

/// A time that is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Its begin; what is left out is as early as there is something.
    pub from: Option<SystemTime>,
    /// Its end; what is left out is now.
    pub to: Option<SystemTime>,
    /// How a report is told.
    pub form: Form,
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
            match self.form {
                Form::Json => None,
                Form::Pretty { columns, colours } => {
                    Some(format!("columns={columns}&colours={}", u8::from(colours)))
                }
                Form::Markdown => Some("format=markdown".to_owned()),
                Form::Html => Some("format=html".to_owned()),
            },
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.join("&")
    }

    /// Of the query of a URL.
    pub(super) fn parse(query: &str) -> Result<Self> {
        let mut question = Self::default();
        let (mut columns, mut has_colours) = (None, false);
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if key == "format" {
                question.form = form(value)?;
                continue;
            }
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
                "columns" => columns = usize::try_from(number).ok(),
                "colours" => has_colours = number != 0,
                _ => bail!("there is no parameter {key:?}"),
            }
        }
        if let Some(columns) = columns {
            question.form = Form::Pretty {
                columns: report::columns_in(Some(columns)),
                colours: has_colours,
            };
        }
        Ok(question)
    }
}

fn form(name: &str) -> Result<Form> {
    match name {
        "json" => Ok(Form::Json),
        "markdown" => Ok(Form::Markdown),
        "html" => Ok(Form::Html),
        _ => bail!("\"format\" must be json, markdown or html; for a terminal give \"columns\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_comes_over_as_it_was() {
        let at = |ms| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        let pretty = |colours| Form::Pretty {
            columns: 80,
            colours,
        };
        for (from, to, form) in [
            (None, None, Form::Json),
            (at(1), at(1_800_000_000_123), pretty(true)),
            (at(0), None, pretty(false)),
            (at(0), None, Form::Markdown),
            (at(0), None, Form::Html),
        ] {
            let question = Question { from, to, form };
            let query = question.query();
            assert_eq!(Question::parse(&query).expect("a question"), question);
        }
        assert_eq!(Question::parse("").expect("all").query(), "");
    }

    #[test]
    fn nonsense_is_told() {
        for query in [
            "x=1",
            "from_ms=soon",
            "from_ms",
            "=&=",
            "to_ms=-1",
            "format=pdf",
        ] {
            assert!(Question::parse(query).is_err(), "{query}");
        }
        // A time that the clock does not have is none.
        let far = Question::parse("to_ms=18446744073709551615").expect("a number");
        let _shown = far.query();
    }
}
