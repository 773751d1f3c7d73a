//! Whole reports of typical situations, and of any situation at all.

mod histories;
mod markdown;
mod width;

use std::time::Duration;
use std::time::UNIX_EPOCH;

use histories::BAD;
use histories::CURL;
use histories::GOOD;
use histories::NGINX;
use histories::answer_after;
pub(crate) use histories::crowded;
use histories::few_queries;
pub(crate) use histories::healthy;
pub(crate) use histories::hostile;
pub(crate) use histories::many_troubles;
use histories::node;
pub(crate) use histories::one_of_two_fails;
use histories::question;
use histories::slow_server;
pub(crate) use histories::typical;
use histories::with_rcode;

use super::*;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::attribution;
use crate::host::SignalName;
use crate::kernel::Counters;
use crate::monitor::Ending;
use crate::sample;
use crate::sample::Fed;
use crate::sample::MS;
use crate::sample::attempt;
use crate::sampler::HostSample;
use crate::shell;

fn signals() -> Vec<Signal> {
    vec![
        Signal {
            name: SignalName::Packets,
            shows: "queries and answers".into(),
            missing: None,
            attached: None,
        },
        Signal {
            name: SignalName::SocketErrors,
            shows: "refused queries".into(),
            missing: None,
            attached: None,
        },
    ]
}

pub(crate) fn report_with(
    fed: &Fed,
    kernel: Counters,
    in_flight: u64,
    signals: Vec<Signal>,
) -> Report {
    let mut report = Report::new(
        UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        Facts {
            name: "node-7".to_owned(),
            kernel: "6.18.5".to_owned(),
            arch: "x86_64".to_owned(),
        },
        fed.closed(
            Ending {
                counters: kernel,
                in_flight,
                ..Ending::default()
            },
            HostSample::default(),
            signals,
        ),
    );
    report.attribution = Some(attribution::Books::default());
    report
}

/// A report whose books add up.
pub(crate) fn report(fed: &Fed) -> Report {
    let kernel = Counters {
        queries: fed.totals.queries(),
        ..Counters::default()
    };
    report_with(fed, kernel, 0, signals())
}

fn pretty(report: &Report) -> String {
    pretty_in(report, COLUMNS)
}

fn pretty_in(report: &Report, columns: usize) -> String {
    let mut out = Vec::new();
    let form = Form::Pretty {
        columns,
        colours: false,
    };
    report
        .write(form, &mut out)
        .expect("a Vec takes everything");
    String::from_utf8(out).expect("UTF-8")
}

fn json(report: &Report) -> serde_json::Value {
    let mut out = Vec::new();
    let written = report.write(Form::Json, &mut out);
    written.expect("a Vec takes everything");
    assert_eq!(out.last(), Some(&b'\n'));
    serde_json::from_slice(&out).expect("JSON")
}

/// Lookups that failed before there was a query are in no figure.
#[test]
fn nobody_says_that_none_failed_where_some_could_not_ask() {
    let story = |is_full: bool| {
        let mut fed = Fed::default();
        let asked = Attempt {
            question: question(b"a"),
            ..answer_after(CURL, GOOD, 1)
        };
        fed.feed(40, &asked);
        let mut host = HostSample::default();
        if is_full {
            let full = crate::sampler::Full {
                comm: crate::attempt::Comm::new(CURL.0.as_bytes()),
                open: 64,
                limit: 64,
                times: 2,
            };
            host.descriptors.full.insert(CURL.1, full);
        }
        let ending = Ending {
            counters: Counters {
                queries: 40,
                ..Counters::default()
            },
            ..Ending::default()
        };
        let closed = fed.closed(ending, host, signals());
        pretty(&Report::new(UNIX_EPOCH, Facts::default(), closed))
    };
    let (well, full) = (story(false), story(true));
    assert!(well.contains("none failed"), "{well}");
    assert!(!full.contains("none failed"), "{full}");
    assert!(full.contains("dns_descriptors_full"), "{full}");
}

#[test]
fn node_with_pods() {
    let mut report = report(&node());
    report.attribution.get_or_insert_default().complaints =
        vec!["a container has no name".to_owned()];
    assert!(report.findings.iter().all(|finding| {
        let pod = finding.scope.workload.as_ref().map(ToString::to_string);
        pod.as_deref() == Some("pod batch/report-28391-q9k2m")
    }));
    insta::assert_snapshot!("node", pretty(&report));
    let json = json(&report);
    insta::assert_json_snapshot!("node_scope", json["findings"][0]["scope"]);
    insta::assert_json_snapshot!("node_workload", json["dns"]["by_workload"][1]);
}

#[test]
fn healthy_host() {
    let report = report(&healthy());
    assert_eq!(report.verdict, Verdict::Healthy);
    insta::assert_snapshot!("healthy", pretty(&report));
    insta::assert_json_snapshot!("healthy_json", json(&report));
}

#[test]
fn overloaded_stub_on_this_host() {
    let report = report(&slow_server());
    assert_eq!(report.verdict, Verdict::Critical);
    insta::assert_snapshot!("slow_server", pretty(&report));
    insta::assert_json_snapshot!("slow_server_json", json(&report));
}

#[test]
fn one_of_two_servers_fails() {
    let report = report(&one_of_two_fails());
    assert_eq!(report.verdict, Verdict::Critical);
    insta::assert_snapshot!("one_of_two_fails", pretty(&report));
    insta::assert_json_snapshot!("one_of_two_fails_json", json(&report));
}

#[test]
fn a_small_sample_is_a_warning_at_most() {
    let report = report(&few_queries());
    assert_eq!(report.verdict, Verdict::Warning);
    insta::assert_snapshot!("small_sample", pretty(&report));
}

#[test]
fn nothing_seen() {
    let report = report(&Fed::default());
    assert_eq!(report.verdict, Verdict::NoTraffic);
    insta::assert_snapshot!("no_traffic", pretty(&report));
    insta::assert_json_snapshot!("no_traffic_json", json(&report));
}

#[test]
fn nothing_came_to_an_end() {
    let kernel = Counters {
        queries: 7,
        ..Counters::default()
    };
    let report = report_with(&Fed::default(), kernel, 7, signals());
    insta::assert_snapshot!("all_in_flight", pretty(&report));
}

#[test]
fn what_was_looked_at_for_a_part_of_the_time_is_said() {
    let mut signals = signals();
    let attached = |name, seconds| Signal {
        name,
        shows: "much".into(),
        missing: None,
        attached: Some(Duration::from_secs(seconds)),
    };
    signals.push(attached(SignalName::Reads, 2));
    signals.push(attached(SignalName::FailedSends, 0));
    let report = report_with(&Fed::default(), Counters::default(), 0, signals);
    let text = pretty(&report);
    let line = text.split("Looked at while").nth(1).expect("a line");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "there was a reason: answers that lie unread for 2.0 s, sends that fail not at all, of \
         30 s; --all-hooks looks all the time."
    );
    let json = json(&report);
    assert_eq!(json["signals"][2]["attached"], "on demand");
    assert_eq!(json["signals"][2]["attached_seconds"], 2.0);
    assert_eq!(json["signals"][0].get("attached"), None);
}

#[test]
fn losses_and_missing_signals_are_said() {
    let fed = healthy();
    let kernel = Counters {
        queries: fed.totals.queries() + 5 + 120 + 30 + 1,
        inflight_full: 120,
        ring_full: 30,
        notice_lost: 2,
        unparsed: 17,
        tcp_gap: 3,
        tcp_split: 1,
        missed_runs: 4,
        ..Counters::default()
    };
    let mut signals = signals();
    signals[1].missing =
        Some("this kernel is older than 5.14, so refused queries count as unanswered.".to_owned());
    let report = report_with(&fed, kernel, 5, signals);
    insta::assert_snapshot!("losses", pretty(&report));
    insta::assert_json_snapshot!("losses_accounting", json(&report)["accounting"]);
    assert_eq!(json(&report)["signals"][1]["active"], false);
}

#[test]
fn only_a_server_here() {
    let mut fed = Fed::default();
    let mut asked = answer_after(("unbound", 53), GOOD, 2);
    asked.role = Role::Server;
    fed.feed(500, &asked);
    insta::assert_snapshot!("server_only", pretty(&report(&fed)));
}

#[test]
fn hostile_names_do_no_harm() {
    let mut fed = Fed::default();
    let evil = ("\u{1b}[2J\u{202e}\u{7}\\", 7);
    let server = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
    fed.feed(40, &attempt(evil, server, Outcome::Refused, MS));
    let report = report(&fed);
    let page = pretty(&report);
    insta::assert_snapshot!("hostile", page);
    assert_eq!(
        json(&report)["dns"]["by_process"][0]["comm"],
        "\\x1b[2J\\xe2\\x80\\xae\\x07\\\\"
    );
}

#[test]
fn answers_without_help_hurt_too() {
    let mut fed = healthy();
    fed.feed(200, &with_rcode(answer_after(CURL, GOOD, 1), 2));
    let report = report(&fed);
    assert_eq!(report.verdict, Verdict::Critical);
    let page = pretty(&report);
    assert!(
        page.starts_with("DNS IS HURTING THIS HOST. 10.0.0.10:53 answers SERVFAIL"),
        "{page}"
    );
}

#[test]
fn the_cause_of_another_ones_trouble_is_not_that_of_a_slow_one() {
    let mut fed = Fed::default();
    fed.feed(5_000, &answer_after(NGINX, GOOD, 1));
    fed.feed(60, &with_rcode(answer_after(CURL, BAD, 1), 2));
    fed.feed(30, &answer_after(("java", 7), BAD, 2_000));
    let page = pretty(&report(&fed));
    let slow = page
        .split_once("30 of 30 answers to java (pid 7) were slow (100 %), the slowest took 2.0 s\n")
        .and_then(|(_, rest)| rest.split_once("Rule      dns_high_latency"))
        .expect("a finding about java");
    assert!(slow.0.contains("   Cause     "), "{page}");
    assert!(!slow.1.starts_with(':'), "{page}");
}

/// The finding about its trouble names those whom it serves: they are hit harder.
#[test]
fn a_resolvers_own_failures_are_told_with_those_of_its_clients() {
    let mut fed = Fed::default();
    fed.feed(5_000, &answer_after(NGINX, GOOD, 1));
    let lost = attempt(("dnsmasq", 53), BAD, Outcome::Unanswered, 5_000 * MS);
    fed.feed(60, &lost);
    let mut report = report(&fed);
    for cause in report
        .findings
        .iter_mut()
        .filter(|it| !it.rule.is_summary())
    {
        cause.scope.pid = Some(99_999);
        cause.scope.comm = Some("python3".to_owned());
        assert_ne!(cause.rule, Rule::Unknown);
    }
    let own = "   Rule      dns_failure_rate: overall figures; the causes are above";
    assert!(pretty(&report).contains(own), "{}", pretty(&report));
    let failures = std::mem::take(&mut report.failures).into_iter();
    report.failures = failures
        .map(|(mut failures, number)| {
            failures.rule = Rule::ClientGaveUp;
            (failures, number)
        })
        .collect();
    assert!(!pretty(&report).contains(own), "{}", pretty(&report));
}

#[test]
fn the_first_sentence_has_an_end() {
    let mut fed = Fed::default();
    fed.feed(50_000, &answer_after(NGINX, GOOD, 1));
    for pid in 1..=9 {
        let lost = attempt(("app", pid), BAD, Outcome::Unanswered, 5_000 * MS);
        fed.feed(20, &lost);
    }
    let page = pretty(&report(&fed));
    let first = page.split("node-7").next().expect("a headline");
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(first.matches(" queries of app").count(), 2, "{first}");
    assert!(first.contains("1 more finding below."), "{first}");
}

#[test]
fn little_to_judge_by_is_said() {
    for (queries, small) in [(19, true), (20, false)] {
        let mut fed = Fed::default();
        fed.feed(queries, &answer_after(CURL, GOOD, 1));
        let page = pretty(&report(&fed));
        assert!(page.starts_with("DNS IS HEALTHY."), "{page}");
        assert_eq!(page.contains("Small sample: "), small, "{page}");
    }
}

#[test]
fn a_crowd_is_cut_short() {
    let mut fed = Fed::default();
    for i in 0..400u32 {
        let server = format!("10.1.{}.{}:53", i / 256, i % 256);
        fed.feed(1, &answer_after(("job", 1_000 + i), &server, 300));
    }
    fed.feed(1_000, &attempt(NGINX, GOOD, Outcome::Superseded, MS));
    let mut report = report(&fed);
    report.window = Duration::from_secs(312);
    insta::assert_snapshot!("crowd", pretty(&report));
    assert_eq!(json(&report)["dns"]["other_processes"]["queries"], 160);
}
