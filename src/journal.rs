//! Lines on stderr: for a person, for systemd's journal, or for a program.

use std::fmt::Display;
use std::io;
use std::io::Write;
use std::os::linux::fs::MetadataExt as _;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Map;
use serde_json::Value;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `kerno: …`
    Plain,
    /// With the priority in front, which systemd takes off: sd-daemon(3).
    Journal,
    /// One object a line.
    Json,
}

/// How much a line matters; the number is syslog's, RFC 5424 section 6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error = 3,
    /// Somebody should look.
    Warning = 4,
    /// Worth knowing.
    Info = 6,
    /// For who looks for a fault of kerno's.
    Debug = 7,
}

static STYLE: OnceLock<Style> = OnceLock::new();

/// Chooses how lines are written from now on; only the first choice counts.
pub fn start(as_json: bool) {
    let style = match as_json {
        true => Style::Json,
        false if is_journal() => Style::Journal,
        false => Style::Plain,
    };
    let _chosen_before = STYLE.set(style);
}

/// How lines are written.
pub fn style() -> Style {
    STYLE.get().copied().unwrap_or(Style::Plain)
}

/// Whether stderr leads to systemd's journal, which says so by the numbers of the socket.
fn is_journal() -> bool {
    let Ok(told) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|it| told == format!("{}:{}", it.st_dev(), it.st_ino()))
}

/// One line, with what a program may want of it. If nobody can read it, there is nobody to
/// tell.
pub fn tell(level: Level, message: impl Display, fields: Map<String, Value>) {
    let line = line(
        style(),
        level,
        &message.to_string(),
        SystemTime::now(),
        fields,
    );
    // In one piece: other threads write too.
    let _unread = io::stderr().write_all(line.as_bytes());
}

/// The line with its end.
pub fn line(
    style: Style,
    level: Level,
    message: &str,
    time: SystemTime,
    fields: Map<String, Value>,
) -> String {
    // A line is a line, whatever an error of the system has in it.
    let message = message.trim_end().replace('\n', "; ");
    match style {
        Style::Plain => format!("kerno: {message}\n"),
        Style::Journal => format!("<{}>{message}\n", level as u8),
        Style::Json => {
            let mut object = Map::new();
            let time = humantime::format_rfc3339_millis(time).to_string();
            object.insert("time".to_owned(), time.into());
            object.insert("level".to_owned(), level.name().into());
            object.insert("message".to_owned(), message.into());
            object.extend(fields);
            format!("{}\n", Value::Object(object))
        }
    }
}

impl Level {
    /// As it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Error => Self::Error,
            log::Level::Warn => Self::Warning,
            log::Level::Info => Self::Info,
            log::Level::Debug | log::Level::Trace => Self::Debug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_for_each_reader() {
        let fields = || {
            let mut fields = Map::new();
            fields.insert("rule".to_owned(), "dns_servfail".into());
            fields
        };
        let of = |style| {
            let message = "two\nlines \"quoted\"\n";
            line(
                style,
                Level::Warning,
                message,
                SystemTime::UNIX_EPOCH,
                fields(),
            )
        };
        assert_eq!(of(Style::Plain), "kerno: two; lines \"quoted\"\n");
        assert_eq!(of(Style::Journal), "<4>two; lines \"quoted\"\n");
        let json = of(Style::Json);
        assert_eq!(json.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(object["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(object["level"], "warning");
        assert_eq!(object["message"], "two; lines \"quoted\"");
        assert_eq!(object["rule"], "dns_servfail");
    }
}
