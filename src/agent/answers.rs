//! What is answered to each question: views of the windows that are kept.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Result;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use http::StatusCode;
use serde::Serialize;

use super::herald::Shared;
use super::history;
use super::hook::Hook;
use super::hook::HookCounts;
use super::kept::Kept;
use super::live::Live;
use super::live::Progress;
use super::open::Open;
use super::past::Past;
use super::past::TooMuch;
use super::past::Whole;
use super::request::Question;
use super::stream::Stream;
use super::stream::Wanted;
use super::timed::Timed;
use super::writer::Told;
use crate::doctor::Severity;
use crate::filter::Filter;
use crate::host::Facts;
use crate::report::Report;

/// How long the window that is open takes to be closed, at most: names are waited for.
const CLOSING: Duration = Duration::from_secs(5);

/// A body, and what it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) kind: &'static str,
    pub(super) exit_code: Option<u8>,
    pub(super) body: Vec<u8>,
}

/// Why there is none.
type Refusal = (StatusCode, String);

/// Answers from what is kept.
#[derive(Debug)]
pub struct Answers {
    pub(super) past: Past,
    /// What is told of the history on disk.
    pub(super) history: Option<Arc<Mutex<Told>>>,
    /// Has the open window closed, and tells when it is.
    pub(super) closes: Sender<Sender<()>>,
    /// What windows are about.
    pub(super) filter: Arc<Filter>,
    pub(super) open: Shared,
    pub(super) live: Live,
    pub(super) hook: Option<Arc<Hook>>,
}

impl Answers {
    /// The answer to a path and its query.
    pub(super) fn to(&self, path: &str, query: &str) -> Result<Answer, Refusal> {
        let question =
            Question::parse(query).map_err(|why| (StatusCode::BAD_REQUEST, why.to_string()))?;
        match path {
            "/v1/doctor" => self.doctor(&question),
            "/v1/history" => self.history(&question),
            "/v1/windows" => self.windows(&question),
            "/v1/status" => self.status(),
            _ => Err((
                StatusCode::NOT_FOUND,
                "there are /v1/doctor, /v1/history, /v1/windows, /v1/watch and /v1/status"
                    .to_owned(),
            )),
        }
    }

    /// Lines for who looks on from now, and how far he is.
    pub(super) fn watch(&self, query: &str) -> Result<(Stream, Progress), Refusal> {
        let wanted =
            Wanted::parse(query).map_err(|why| (StatusCode::BAD_REQUEST, format!("{why:#}")))?;
        let reader = self.live.join().ok_or_else(|| {
            let why = "as many look on as there is room for";
            (StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
        })?;
        let progress = reader.progress();
        Ok((
            Stream::new(reader, wanted, Arc::clone(&self.filter)),
            progress,
        ))
    }

    fn doctor(&self, question: &Question) -> Result<Answer, Refusal> {
        let time = self.time_of(question);
        let whole = self.past.between(time).map_err(|TooMuch| {
            let why = "a report is about a day at most: ask for less, or for the history";
            (StatusCode::PAYLOAD_TOO_LARGE, why.to_owned())
        })?;
        let Some(Whole { timed, notes }) = whole else {
            return Err(self.nothing());
        };
        let Timed {
            from, to, window, ..
        } = timed;
        let mut report = Report {
            since: Some(from),
            ..Report::new(to, Facts::gather(), window)
        };
        report.notes.extend(notes);
        let mut body = Vec::new();
        let written = report.write(question.form, &mut body);
        written.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        Ok(Answer {
            kind: question.form.content_type(),
            exit_code: Some(report.verdict.exit_code()),
            body,
        })
    }

    fn history(&self, question: &Question) -> Result<Answer, Refusal> {
        let lines = self.past.lines(self.time_of(question));
        if lines.is_empty() {
            return Err(self.nothing());
        }
        json(&history::of(lines))
    }

    fn windows(&self, question: &Question) -> Result<Answer, Refusal> {
        let extents = self.past.extents(self.time_of(question)).into_iter();
        let of = |(from, to, queries)| WindowLine {
            from: told(from),
            to: told(to),
            queries,
        };
        json(&extents.map(of).collect::<Vec<_>>())
    }

    fn status(&self) -> Result<Answer, Refusal> {
        let open = self.open.lock();
        let findings_open: Vec<_> = open.all().iter().map(OpenLine::of).collect();
        let findings_passed_over = open.passed_over();
        drop(open);
        json(&self.with(|kept| Status {
            schema: "kerno.status.v1",
            version: env!("CARGO_PKG_VERSION"),
            since: kept.since().map(told),
            windows: kept.number(),
            memory_octets: kept.octets(),
            windows_forgotten: kept.forgotten(),
            history: self.history.as_ref().map(|told| {
                let told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.clone()
            }),
            findings_open,
            findings_passed_over,
            watching: self.live.readers(),
            on_finding: self.hook.as_deref().map(Hook::counts),
        }))
    }

    /// From when to when is asked for. Up to now means up to this moment.
    fn time_of(&self, question: &Question) -> (SystemTime, SystemTime) {
        let now = SystemTime::now();
        let to = question.to.unwrap_or(now);
        if to >= now {
            let (done, closed) = bounded(1);
            if self.closes.send_timeout(done, CLOSING).is_ok() {
                // Too late is the window that was closed last.
                let _late = closed.recv_timeout(CLOSING);
            }
        }
        (question.from.unwrap_or(SystemTime::UNIX_EPOCH), to)
    }

    fn nothing(&self) -> Refusal {
        let since = match self.with(|kept| kept.since()) {
            Some(since) => format!("it knows of the time since {}", told(since)),
            None => "it has just begun to watch".to_owned(),
        };
        let why = format!("nothing is kept of that time; {since}");
        (StatusCode::NOT_FOUND, why)
    }

    fn with<T>(&self, look: impl FnOnce(&Kept) -> T) -> T {
        look(
            &self
                .past
                .kept
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

#[derive(Serialize)]
struct WindowLine {
    from: String,
    to: String,
    queries: u64,
}

#[derive(Serialize)]
struct Status {
    schema: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    windows: usize,
    memory_octets: usize,
    windows_forgotten: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Told>,
    findings_open: Vec<OpenLine>,
    findings_passed_over: u64,
    watching: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_finding: Option<HookCounts>,
}

#[derive(Serialize)]
struct OpenLine {
    rule: &'static str,
    severity: Severity,
    since: String,
    title: String,
}

impl OpenLine {
    fn of(open: &Open) -> Self {
        Self {
            rule: open.finding.rule.name(),
            severity: open.worst,
            since: told(open.since),
            title: open.finding.title.clone(),
        }
    }
}

fn told(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

fn json(of: &impl Serialize) -> Result<Answer, Refusal> {
    let mut body = serde_json::to_vec_pretty(of)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    body.push(b'\n');
    Ok(Answer {
        kind: "application/json",
        exit_code: None,
        body,
    })
}
