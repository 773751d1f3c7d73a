//! `timeline`: how it went.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use crate::report::Report;
use crate::report::Slice;
use crate::units;

#[derive(Serialize)]
pub(super) struct TimelineJson {
    step_seconds: f64,
    slices: Vec<SliceJson>,
    rules: BTreeMap<&'static str, TimesJson>,
}

#[derive(Serialize)]
struct SliceJson {
    from: String,
    queries: u64,
    failed: u64,
    errors: u64,
    seconds_lost: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ns: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    answers_by_latency: BTreeMap<u64, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failures_by_cause: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct TimesJson {
    first: String,
    last: String,
}

pub(super) fn told(report: &Report) -> TimelineJson {
    let timeline = &report.timeline;
    let times = |(first, last): &(SystemTime, SystemTime)| TimesJson {
        first: time(*first),
        last: time(*last),
    };
    TimelineJson {
        step_seconds: timeline.step.as_secs_f64(),
        slices: timeline.slices.iter().map(slice).collect(),
        rules: (timeline.rules.iter())
            .map(|(rule, it)| (rule.name(), times(it)))
            .collect(),
    }
}

fn slice(slice: &Slice) -> SliceJson {
    let moment = &slice.moment;
    SliceJson {
        from: time(slice.from),
        queries: moment.outcomes.queries(),
        failed: moment.outcomes.failed(),
        errors: moment.errors,
        seconds_lost: units::seconds(moment.lost_ns),
        p50_ns: moment.p50_ns,
        p99_ns: moment.p99_ns,
        answers_by_latency: moment.octaves.iter().copied().collect(),
        failures_by_cause: (slice.causes.iter())
            .map(|(rule, number)| (rule.name(), *number))
            .collect(),
    }
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
