//! Whole reports of typical situations, and of any situation at all.

mod markdown;
mod width;

use std::sync::Arc;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use domain::base::iana::OptRcode;

use super::*;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::HeaderBits;
use crate::attempt::Identity;
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

const CURL: (&str, u32) = ("curl", 4242);
const NGINX: (&str, u32) = ("nginx", 812);
const GOOD: &str = "10.0.0.10:53";
const BAD: &str = "10.0.0.11:53";
const STUB: &str = "127.0.0.53:53";

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
        &fed.closed(
            Ending {
                counters: kernel,
                in_flight,
                ..Ending::default()
            },
            HostSample::default(),
            signals,
        ),
    );
    report.attribution = Some(attribution::Ending::default());
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

fn answer_after(process: (&str, u32), server: &str, ms: u64) -> Attempt {
    attempt(process, server, Outcome::Answered, ms * MS)
}

fn with_rcode(mut attempt: Attempt, rcode: u16) -> Attempt {
    attempt.answer = Some(Answer {
        rcode: OptRcode::masked_from_int(rcode),
        truncated: false,
        answers: 0,
        bytes: 60,
        bits: HeaderBits::default(),
        extended_error: None,
    });
    attempt
}

pub(crate) fn healthy() -> Fed {
    let mut fed = Fed::default();
    for ms in [1, 1, 1, 2, 3, 8] {
        fed.feed(300, &answer_after(NGINX, GOOD, ms));
    }
    fed.feed(40, &with_rcode(answer_after(CURL, GOOD, 1), 3));
    fed.feed(1, &attempt(CURL, GOOD, Outcome::Unanswered, 5_000 * MS));
    fed
}

/// Lookups that failed before there was a query are in no figure.
#[test]
fn nobody_says_that_none_failed_where_some_could_not_ask() {
    let story = |is_full: bool| {
        let mut fed = Fed::default();
        let name = crate::attempt::RawQuestion::new(b"\x01a\0\0\x01\0\x01");
        let asked = Attempt {
            question: name,
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
        pretty(&Report::new(UNIX_EPOCH, Facts::default(), &closed))
    };
    let (well, full) = (story(false), story(true));
    assert!(well.contains("none failed"), "{well}");
    assert!(!full.contains("none failed"), "{full}");
    assert!(full.contains("dns_descriptors_full"), "{full}");
}

/// A stub on this host that is flooded: both roles see it.
fn slow_server() -> Fed {
    let mut fed = Fed::default();
    for ms in (0..900).step_by(3) {
        let mut seen = answer_after(("kerno", 99), STUB, ms + 2);
        fed.feed(5, &seen);
        seen.role = Role::Server;
        seen.end_ns -= MS;
        fed.feed(5, &seen);
    }
    fed.feed(20, &answer_after(CURL, STUB, 640));
    fed
}

pub(crate) fn one_of_two_fails() -> Fed {
    let mut fed = Fed::default();
    fed.feed(800, &answer_after(NGINX, GOOD, 1));
    fed.feed(10, &answer_after(NGINX, BAD, 4));
    fed.feed(150, &attempt(NGINX, BAD, Outcome::Unanswered, 5_000 * MS));
    fed.feed(30, &attempt(CURL, BAD, Outcome::Unanswered, 5_000 * MS));
    fed.feed(10, &attempt(CURL, BAD, Outcome::Refused, MS));
    let mut resent = answer_after(CURL, BAD, 3);
    resent.number = 2;
    resent.first_ns = resent.sent_ns - 5_001 * MS;
    fed.feed(12, &resent);
    let mut late = attempt(CURL, BAD, Outcome::Late, 8_200 * MS);
    late.end_ns += MS;
    fed.feed(5, &late);
    fed.feed(20, &with_rcode(answer_after(NGINX, GOOD, 1), 2));
    fed
}

/// A node with pods, services and a plain process; one pod asks a dead server.
fn node() -> Fed {
    let mut fed = Fed::default();
    let mut of = |whose: Option<Arc<Identity>>, times, attempt: Attempt| {
        let workload = whose;
        fed.feed(
            times,
            &Attempt {
                workload,
                ..attempt
            },
        );
    };
    let web = sample::pod("shop", "web-7d4b9c6f5-x2x8p", "nginx");
    of(Some(Arc::clone(&web)), 900, answer_after(NGINX, GOOD, 2));
    of(Some(web), 12, answer_after(("sh", 815), GOOD, 3));
    let job = sample::pod("batch", "report-28391-q9k2m", "report");
    of(
        Some(Arc::clone(&job)),
        40,
        attempt(CURL, BAD, Outcome::Unanswered, 5_000 * MS),
    );
    of(
        Some(job),
        40,
        attempt(("curl", 4243), BAD, Outcome::Unanswered, 5_000 * MS),
    );
    let kubelet = sample::workload("/system.slice/kubelet.service");
    of(Some(kubelet), 30, answer_after(("kubelet", 633), GOOD, 1));
    let db = sample::workload(&format!("/system.slice/docker-{}.scope", "5".repeat(64)));
    of(Some(db), 7, answer_after(("postgres", 977), GOOD, 1));
    let plain = sample::workload("/");
    of(Some(plain), 3, answer_after(("dig", 5001), GOOD, 1));
    fed
}

fn few_queries() -> Fed {
    let mut fed = Fed::default();
    fed.feed(9, &answer_after(CURL, GOOD, 2));
    fed.feed(3, &attempt(CURL, GOOD, Outcome::Unanswered, 5_000 * MS));
    fed
}

/// Of every kind, with a name.
pub(crate) fn typical() -> Vec<(&'static str, Report)> {
    let of = |name, fed: &Fed| (name, report(fed));
    vec![
        of("healthy", &healthy()),
        of("no traffic", &Fed::default()),
        of("slow server", &slow_server()),
        of("one of two fails", &one_of_two_fails()),
        of("node", &node()),
        of("few", &few_queries()),
        of("ten findings", &many_troubles()),
        ("hostile", hostile("\u{1b}[2J\u{202e}<b>\u{7}\\")),
    ]
}

/// Each server fails in a way of its own.
pub(crate) fn many_troubles() -> Fed {
    let mut fed = Fed::default();
    fed.feed(900, &answer_after(NGINX, GOOD, 1));
    for at in 0..5 {
        let server = format!("10.0.1.{at}:53");
        let process = ("app", 100 + at);
        let lost = attempt(process, &server, Outcome::Unanswered, 5_000 * MS);
        fed.feed(
            30,
            &Attempt {
                end_ns: lost.end_ns + u64::from(at) * 1_000 * MS,
                ..lost
            },
        );
    }
    fed.feed(40, &with_rcode(answer_after(CURL, "10.0.2.1:53", 1), 2));
    fed.feed(40, &with_rcode(answer_after(CURL, "10.0.2.2:53", 1), 5));
    fed.feed(40, &attempt(CURL, "10.0.2.3:53", Outcome::Refused, MS));
    fed.feed(40, &answer_after(("java", 9), "10.0.2.4:53", 900));
    fed
}

/// Somebody whose every name is this, as far as it can be, asks in vain.
pub(crate) fn hostile(name: &str) -> Report {
    let mut fed = Fed::default();
    let lost = attempt((name, 7), BAD, Outcome::Unanswered, 5_000 * MS);
    let label = &name.as_bytes()[..name.len().min(60)];
    let mut question = vec![u8::try_from(label.len()).expect("a label")];
    question.extend(label);
    question.extend(b"\0\0\x01\0\x01");
    let lost = Attempt {
        question: crate::attempt::RawQuestion::new(&question),
        workload: Some(sample::pod(name, name, name)),
        ..lost
    };
    fed.feed(40, &lost);
    report(&fed)
}

/// As many of everything as are kept, with long names.
pub(crate) fn crowded() -> Report {
    let mut fed = Fed::default();
    for at in 0..700u32 {
        let server = format!("10.1.{}.{}:53", at / 256, at % 256);
        let name = format!("{}-{at}", "long-name-of-a-pod".repeat(8));
        let label = format!("{at}-{}", "x".repeat(50));
        let mut question = vec![u8::try_from(label.len()).expect("a label")];
        question.extend(label.as_bytes());
        question.extend(b"\0\0\x01\0\x01");
        let whose = Attempt {
            question: crate::attempt::RawQuestion::new(&question),
            workload: Some(sample::pod("namespace", &name, "container")),
            ..answer_after(("job", 1_000 + at), &server, 1 + u64::from(at % 400))
        };
        let end_ns = whose.end_ns + u64::from(at) * 1_000 * MS;
        fed.feed(
            1,
            &Attempt {
                end_ns,
                sent_ns: end_ns - 3 * MS,
                ..whose.clone()
            },
        );
        let outcome = Outcome::Unanswered;
        fed.feed(
            u64::from(at % 3),
            &Attempt {
                end_ns,
                outcome,
                answer: None,
                ..whose
            },
        );
    }
    report(&fed)
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
