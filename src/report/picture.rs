//! How far the figures can be trusted: what was seen, what was lost, what is not visible here.

use std::time::Duration;

use super::Report;
use super::accounting;
use super::headline;
use crate::doctor::Verdict;
use crate::host::Signal;
use crate::host::SignalName;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

/// One thing to know of it.
#[derive(Debug)]
pub(super) struct Remark {
    /// Whether something may be missing in the figures because of it.
    pub(super) is_warning: bool,
    /// What it is about, in a few words.
    pub(super) head: &'static str,
    /// The sentence.
    pub(super) text: String,
    /// What belongs to it, one by one.
    pub(super) items: Vec<String>,
}

impl Remark {
    fn new(is_warning: bool, head: &'static str, text: String) -> Self {
        Self {
            is_warning,
            head,
            text,
            items: Vec::new(),
        }
    }
}

/// Whether it is complete, first; then all else.
pub(super) fn of(report: &Report) -> Vec<Remark> {
    let accounting = &report.accounting;
    let seen = accounting::seen(accounting, &report.dns);
    let gaps = accounting.gaps();
    let complete = match gaps.is_empty() {
        true => Remark::new(
            false,
            "The picture is complete",
            format!("{seen} None was lost."),
        ),
        false => Remark {
            items: gaps,
            ..Remark::new(true, "The picture is incomplete", seen)
        },
    };
    let mut remarks = vec![complete];
    for signal in &report.signals {
        if let Some(why) = &signal.missing {
            let text = format!("{} ({}): {why}", signal.name.hook(), signal.shows);
            remarks.push(Remark::new(true, "Not visible here", text));
        }
    }
    let on_demand: Vec<String> = report.signals.iter().filter_map(looked_at).collect();
    if !on_demand.is_empty() {
        let window = seconds(report.window);
        let text = format!(
            "{}, of {window}; --all-hooks looks all the time.",
            on_demand.join(", ")
        );
        let head = "Looked at while there was a reason";
        remarks.push(Remark::new(false, head, text));
    }
    for sentence in &report.not_read {
        remarks.push(Remark::new(false, "Not read", format!("{sentence}.")));
    }
    for note in &report.notes {
        remarks.push(Remark::new(true, "Not seen", format!("{note}.")));
    }
    for complaint in report.attribution.iter().flat_map(|it| &it.complaints) {
        remarks.push(Remark::new(true, "Not known here", complaint.clone()));
    }
    let queries = report.dns.client.queries();
    if report.verdict == Verdict::Healthy && queries > 0 && queries < SAMPLE_MIN {
        let text = format!(
            "Only {} came to an end, which is little to judge by; watch longer with --duration 5m.",
            units::queries(queries)
        );
        remarks.push(Remark::new(true, "Small sample", text));
    }
    remarks
}

/// What to do where there was nothing to judge by; a command at the end stands between
/// backticks.
pub(super) fn next_steps(report: &Report) -> Vec<&'static str> {
    let accounting = &report.accounting;
    let waits = "Queries are waiting; watch for longer than --timeout to see their end.";
    let loosen = "Loosen the filters (--pid, --comm, --name, --role, --pod, --container, --unit).";
    let mut steps = Vec::new();
    steps.extend((accounting.in_flight > 0).then_some(waits));
    steps.extend((accounting.queries_seen > accounting.in_flight).then_some(loosen));
    steps.extend([
        "Ask something while kerno watches, to see that it works: `dig example.com`",
        "Watch longer, or while the program that has trouble runs: `kerno doctor --duration 5m`",
        "DNS on other ports than 53 is seen only if you name them: \
         `kerno doctor --port 53 --port 1053`",
        "kerno cannot see encrypted DNS (DoH in browsers, DoT, DoQ), lookups that are answered \
         from a cache inside the program, or the way from glibc to systemd-resolved over D-Bus \
         (nss-resolve); it sees what systemd-resolved then asks its servers.",
    ]);
    steps
}

/// Where, with which kernel, for how long and until when was watched, and what.
pub(super) fn origin(report: &Report) -> String {
    let host = &report.host;
    let only = report.filter.as_ref();
    let only = only.map(|options| format!(", only {options}"));
    format!(
        "{} (Linux {}, {}), watched for {} until {}{}",
        host.name,
        host.kernel,
        host.arch,
        headline::window(report),
        humantime::format_rfc3339_seconds(report.time),
        only.unwrap_or_default()
    )
}

fn seconds(duration: Duration) -> String {
    units::duration(duration.as_nanos().try_into().unwrap_or(u64::MAX))
}

/// What was looked at for a part of the time, and for how long.
fn looked_at(signal: &Signal) -> Option<String> {
    let attached = signal.attached?;
    let what = match signal.name {
        SignalName::Reads => "answers that lie unread",
        SignalName::FailedSends => "sends that fail",
        // Connects are looked at all the time.
        SignalName::Denials => "sends that a control group denies",
        SignalName::RunQueue => "waits for a CPU",
        _ => &signal.shows,
    };
    let how_long = match attached.is_zero() {
        true => "not at all".to_owned(),
        false => format!("for {}", seconds(attached)),
    };
    Some(format!("{what} {how_long}"))
}
