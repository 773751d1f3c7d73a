//! The thread that asks the doctor about the minute behind. What is open by that is the one
//! view of log, command, service manager, metrics and `/v1/status`; the history has what was
//! told.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use super::hook::Hook;
use super::kept;
use super::kept::Kept;
use super::marks::Mark;
use super::metrics::Metrics;
use super::open;
use super::open::Event;
use super::open::Open;
use super::open::OpenFindings;
use super::timed;
use super::timed::Timed;
use super::turn::in_turn;
use crate::doctor::Severity;
use crate::doctor::Verdict;
use crate::host::Facts;
use crate::host::give_back_heap;
use crate::host::give_back_pages;
use crate::journal;
use crate::journal::Level;
use crate::notify::Notify;
use crate::report::Report;

/// What is judged: long enough that a few queries of a quiet host are seen together.
const BEHIND: Duration = Duration::from_secs(60);

/// Findings that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<OpenFindings>>);

impl Shared {
    /// Those of now.
    pub(super) fn lock(&self) -> MutexGuard<'_, OpenFindings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Herald {
    windows: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Herald {
    pub(super) fn start(
        kept: Arc<Mutex<Kept>>,
        open: Shared,
        metrics: Arc<Metrics>,
        notify: Arc<Notify>,
        hook: Option<Arc<Hook>>,
    ) -> Result<Self> {
        let (tell, windows) = bounded(1);
        let judging = Judging {
            kept,
            open,
            metrics,
            notify,
            hook,
            host: Facts::gather(),
        };
        let thread = std::thread::Builder::new()
            .name("kerno-herald".to_owned())
            .spawn(move || judging.run(&windows))
            .context("cannot start the thread that tells of findings")?;
        Ok(Self {
            windows: Some(tell),
            thread: Some(thread),
        })
    }

    /// A window is over. Never waits: if it is still busy with the one before, it sees both
    /// the next time.
    pub(super) fn tell(&self) {
        if let Some(windows) = &self.windows {
            let _busy = windows.try_send(());
        }
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.windows = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that tells of findings died");
        }
    }
}

struct Judging {
    kept: Arc<Mutex<Kept>>,
    open: Shared,
    metrics: Arc<Metrics>,
    notify: Arc<Notify>,
    hook: Option<Arc<Hook>>,
    host: Facts,
}

impl Judging {
    fn run(&self, windows: &Receiver<()>) {
        while windows.recv().is_ok() {
            let look = in_turn(|| self.minute().map(|minute| self.judged(minute)));
            if let Some(look) = look {
                self.tell(&look);
            }
            in_turn(|| kept::tidy(&self.kept));
            // The minute is gone, and the next one comes in ten seconds: what judging and writing
            // took of the heap and of the program is let go until then.
            give_back_heap();
            give_back_pages();
        }
    }

    fn minute(&self) -> Option<Timed> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.last()?;
        let from = last.to.checked_sub(BEHIND)?;
        let all: Vec<_> = kept.overlapping(from, last.to).cloned().collect();
        drop(kept);
        timed::together(&all)
    }

    fn judged(&self, minute: Timed) -> Look {
        Look {
            to: minute.to,
            last: minute.place.last,
            report: Report::new(minute.to, self.host.clone(), minute.window),
        }
    }

    fn tell(&self, look: &Look) {
        let (report, to) = (&look.report, look.to);
        let changes = self.open.lock().see(&report.findings, to);
        for (event, open) in &changes {
            let told = Told::new(*event, open, to, &self.host);
            journal::tell(level(*event, open), line(*event, open, to), told.fields());
            if let Some(hook) = &self.hook {
                hook.tell(told.json());
            }
        }
        let open = self.open.lock().all().to_vec();
        self.metrics
            .tell(&open, open::verdict(&open, report.verdict));
        self.notify.status(&sentence(
            report.verdict,
            report.dns.client.outcomes.queries(),
            &open,
        ));
        let told = changes.iter().filter(|(event, _)| *event != Event::Closed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, open) in told {
            kept.mark(look.last, Mark::of(&open.finding, open.worst));
        }
    }
}

/// What the doctor says of the minute behind.
struct Look {
    to: SystemTime,
    /// The number of its last window.
    last: u64,
    report: Report,
}

/// What a program is told of a change.
#[derive(Serialize)]
struct Told<'a> {
    schema: &'static str,
    event: &'static str,
    time: String,
    since: String,
    host: &'a Facts,
    finding: &'a crate::doctor::Finding,
}

impl<'a> Told<'a> {
    fn new(event: Event, open: &'a Open, time: SystemTime, host: &'a Facts) -> Self {
        Self {
            schema: "kerno.finding.v1",
            event: name(event),
            time: humantime::format_rfc3339_millis(time).to_string(),
            since: humantime::format_rfc3339_millis(open.since).to_string(),
            host,
            finding: &open.finding,
        }
    }

    fn json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Those that a log is searched by.
    fn fields(&self) -> Map<String, Value> {
        let finding = serde_json::to_value(self.finding).unwrap_or_default();
        let mut fields = Map::new();
        fields.insert("event".to_owned(), format!("finding_{}", self.event).into());
        fields.insert("since".to_owned(), self.since.clone().into());
        for name in [
            "rule",
            "severity",
            "title",
            "scope",
            "queries",
            "seconds_lost",
        ] {
            if let Some(value) = finding.get(name) {
                fields.insert(name.to_owned(), value.clone());
            }
        }
        fields
    }
}

fn name(event: Event) -> &'static str {
    match event {
        Event::Opened => "opened",
        Event::Worsened => "worsened",
        Event::Closed => "closed",
    }
}

fn level(event: Event, open: &Open) -> Level {
    match (event, open.worst) {
        (Event::Closed, _) => Level::Info,
        (_, Severity::Critical) => Level::Error,
        _ => Level::Warning,
    }
}

fn line(event: Event, open: &Open, now: SystemTime) -> String {
    let (rule, title) = (open.finding.rule.name(), &open.finding.title);
    match event {
        Event::Opened => {
            let severity = match open.worst {
                Severity::Critical => "critical",
                _ => "warning",
            };
            format!("{severity}: {title} ({rule})")
        }
        Event::Worsened => format!("now critical: {title} ({rule})"),
        Event::Closed => {
            let lasted = now.duration_since(open.since).unwrap_or_default();
            let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs()));
            format!("over after {lasted}: {title} ({rule})")
        }
    }
}

fn sentence(verdict: Verdict, queries: u64, open: &[Open]) -> String {
    let mut rules: Vec<_> = open.iter().map(|it| it.finding.rule.name()).collect();
    rules.dedup();
    match (rules.len(), open.iter().map(|it| it.worst).max()) {
        (1.., Some(worst)) => {
            let severity = match worst {
                Severity::Critical => "critical",
                _ => "warning",
            };
            format!("DNS: {severity}: {}", rules.join(", "))
        }
        _ => match verdict {
            Verdict::NoTraffic => "DNS: no traffic in the last minute".to_owned(),
            Verdict::Unknown => {
                "DNS: too much went unseen, or too little was asked, in the last minute to say"
                    .to_owned()
            }
            _ if queries == 0 => "DNS: no queries of this host in the last minute".to_owned(),
            _ => "DNS: nothing was wrong in the last minute".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::open::tests::finding;
    use crate::doctor::Rule;
    use crate::doctor::Subject;

    fn open(severity: Severity) -> Open {
        let mut open = OpenFindings::default();
        let finding = finding(Rule::Servfail, severity, Subject::default());
        let mut all = open.see(&[finding], SystemTime::UNIX_EPOCH);
        all.pop().expect("it opens").1
    }

    #[test]
    fn a_line_says_what_is_wrong_and_for_how_long_it_was() {
        let (warning, critical) = (open(Severity::Warning), open(Severity::Critical));
        let later = SystemTime::UNIX_EPOCH + Duration::from_millis(130_900);
        let told = |event, open| (level(event, open), line(event, open, later));
        assert_eq!(
            told(Event::Opened, &warning),
            (
                Level::Warning,
                "warning: something is wrong (dns_servfail)".to_owned()
            )
        );
        assert_eq!(
            told(Event::Worsened, &critical),
            (
                Level::Error,
                "now critical: something is wrong (dns_servfail)".to_owned()
            )
        );
        assert_eq!(
            told(Event::Closed, &critical),
            (
                Level::Info,
                "over after 2m 10s: something is wrong (dns_servfail)".to_owned()
            )
        );
        // Set back meanwhile: no time, and no panic.
        let before = line(Event::Closed, &open_later(), SystemTime::UNIX_EPOCH);
        assert!(before.starts_with("over after 0s"), "{before}");
    }

    fn open_later() -> Open {
        let mut open = open(Severity::Warning);
        open.since += Duration::from_secs(9);
        open
    }

    #[test]
    fn a_program_gets_the_finding_as_the_report_has_it() {
        let (open, host) = (open(Severity::Warning), Facts::default());
        let told = Told::new(Event::Opened, &open, SystemTime::UNIX_EPOCH, &host);
        let json: Value = serde_json::from_slice(&told.json()).expect("JSON");
        assert_eq!(json["schema"], "kerno.finding.v1");
        assert_eq!(json["event"], "opened");
        assert_eq!(json["time"], "1970-01-01T00:00:00.000Z");
        let finding = serde_json::to_value(&open.finding).expect("JSON");
        assert_eq!(json["finding"], finding);
        let fields = told.fields();
        assert_eq!(fields["event"], "finding_opened");
        assert_eq!(fields["rule"], "dns_servfail");
        assert_eq!(fields["severity"], "warning");
    }

    #[test]
    fn a_sentence_says_only_what_was_seen() {
        let say = |verdict, queries, open: &[Open]| sentence(verdict, queries, open);
        let bad = open(Severity::Critical);
        assert_eq!(
            say(Verdict::Critical, 9, std::slice::from_ref(&bad)),
            "DNS: critical: dns_servfail"
        );
        // Still open, though not in this minute.
        assert_eq!(
            say(Verdict::Healthy, 9, &[bad]),
            "DNS: critical: dns_servfail"
        );
        for (verdict, queries, part) in [
            (Verdict::Healthy, 9, "nothing was wrong"),
            (Verdict::Healthy, 0, "no queries of this host"),
            (Verdict::NoTraffic, 0, "no traffic"),
            (Verdict::Unknown, 9, "unseen"),
        ] {
            let told = say(verdict, queries, &[]);
            assert!(told.contains(part), "{told}");
        }
    }
}
