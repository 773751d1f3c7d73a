//! The options of `kerno history`, and times that are over.

use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use clap::Args;
use jiff::Zoned;
use jiff::civil::Time;

use super::Output;
use super::SocketArg;
use super::duration;
use crate::agent::HISTORY;
use crate::agent::Question;
use crate::report::Form;

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo kerno history                         all that is remembered
  sudo kerno history --last 2h --output json
  sudo kerno history --since \"yesterday 22:00\" --until 06:00

A line is a time from and to, the worst verdict, the rules and whom it hurt. Where no agent
runs, it comes from the files of the last one.";

/// `kerno history`.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    /// Which time.
    #[command(flatten)]
    pub past: PastArgs,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Pretty)]
    pub output: Output,
    /// Where the agent is asked.
    #[command(flatten)]
    pub socket: SocketArg,
    /// The agent's folder, for when none runs.
    #[arg(long, value_name = "DIR", default_value = HISTORY, env = "KERNO_HISTORY")]
    pub history: PathBuf,
}

/// A time that is over.
#[derive(Args, Debug)]
pub struct PastArgs {
    /// The time up to now, as 10m or 2h.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["since", "until"])]
    pub last: Option<Duration>,
    /// From when on: 03:05 (the latest one, of this host's time zone), "yesterday 03:05", or
    /// RFC 3339.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<SystemTime>,
    /// Until when, written like --since [default: now]
    #[arg(long, value_name = "WHEN", value_parser = moment, requires = "since")]
    pub until: Option<SystemTime>,
}

impl PastArgs {
    /// Whether a time is named.
    pub fn is_named(&self) -> bool {
        self.last.is_some() || self.since.is_some()
    }

    /// What to ask an agent; an error says what is wrong with the times.
    pub fn question(&self) -> Result<Question, clap::Error> {
        let now = SystemTime::now();
        let last = self.last.and_then(|last| now.checked_sub(last));
        let from = last.or(self.since);
        let to = self.until.unwrap_or(now);
        if from.is_some_and(|from| from >= to || from > now) {
            return Err(clap::Error::raw(
                clap::error::ErrorKind::ValueValidation,
                "--since must be in the past, and before --until\n",
            ));
        }
        Ok(Question {
            from,
            to: self.until,
            form: Form::Json,
        })
    }
}

/// A moment by the clock of this host's time zone, or RFC 3339.
pub(super) fn moment(text: &str) -> Result<SystemTime, String> {
    moment_at(text, &Zoned::now())
}

fn moment_at(text: &str, now: &Zoned) -> Result<SystemTime, String> {
    let how = || "write a time as 03:05, \"yesterday 03:05\" or 2026-11-26T03:05:00Z".to_owned();
    if let Ok(moment) = humantime::parse_rfc3339(text) {
        return Ok(moment);
    }
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment.into());
    }
    let (is_yesterday, clock) = match text.strip_prefix("yesterday") {
        Some(clock) => (true, clock.trim_start()),
        None => (false, text),
    };
    let clock: Time = clock.parse().map_err(|_| how())?;
    let on = |days: i64| {
        let day = now.date().checked_sub(jiff::Span::new().days(days)).ok()?;
        day.to_datetime(clock)
            .to_zoned(now.time_zone().clone())
            .ok()
    };
    let moment = match is_yesterday {
        true => on(1),
        // What is still to come today was yesterday.
        false => on(0).filter(|moment| moment <= now).or_else(|| on(1)),
    };
    Ok(moment.ok_or_else(how)?.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Zoned = "2026-11-26T04:00:00+01:00[Europe/Berlin]"
            .parse()
            .expect("now");
        let at = |text: &str| {
            let moment = moment_at(text, &now).expect(text);
            humantime::format_rfc3339_seconds(moment).to_string()
        };
        assert_eq!(at("03:05"), "2026-11-26T02:05:00Z");
        // Not yet today.
        assert_eq!(at("04:01"), "2026-11-25T03:01:00Z");
        assert_eq!(at("yesterday 03:05"), "2026-11-25T02:05:00Z");
        assert_eq!(at("03:05:07"), "2026-11-26T02:05:07Z");
        assert_eq!(at("2026-11-26T03:05:00Z"), "2026-11-26T03:05:00Z");
        assert_eq!(at("2026-11-26T03:05:00+01:00"), "2026-11-26T02:05:00Z");
        for nonsense in ["", "soon", "25:00", "yesterday", "3", "tomorrow 03:05"] {
            assert!(moment_at(nonsense, &now).is_err(), "{nonsense}");
        }
    }
}
