//! The figures as JSON and for a person.

use std::time::Duration;
use std::time::UNIX_EPOCH;

use kerno_counters::Figure;
use kerno_counters::Figures;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::attempt::Comm;
use crate::attempt::identity::Pod;
use crate::attempt::identity::WorkloadId;

fn figures(counts: &[(&str, u64)]) -> Figures {
    let counts = counts.iter();
    counts
        .map(|(name, n)| ((*name).to_owned(), Figure::Count(*n)))
        .collect()
}

fn workload(whom: WorkloadId, figures: &[(&'static str, Figures)]) -> Workload {
    Workload {
        whom,
        cgroup_id: None,
        processes: 1,
        has_ended: false,
        figures: figures.iter().cloned().collect(),
    }
}

fn process(pid: u32, comm: &str) -> WorkloadId {
    WorkloadId::Process(Some(pid), Comm::new(comm.as_bytes()))
}

fn pod() -> WorkloadId {
    WorkloadId::Pod(Pod {
        namespace: Some("shop".to_owned()),
        name: Some("web-1".to_owned()),
        ..Pod::default()
    })
}

fn report(workloads: Vec<Workload>) -> CountersReport {
    CountersReport {
        time: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        host: Facts {
            name: "node-7".to_owned(),
            kernel: "6.18.5".to_owned(),
            arch: "x86_64".to_owned(),
        },
        window: Duration::from_millis(10_004),
        programs: vec![
            ProgramState {
                name: "net",
                missing: vec![("drops", "this kernel does not say why".to_owned())],
                ..ProgramState::default()
            },
            ProgramState {
                name: "syscall",
                reason: Some("tracefs is not there".to_owned()),
                ..ProgramState::default()
            },
        ],
        workloads,
        placed: Placed {
            owners: 3,
            in_workloads: 1,
            processes: 1,
            unknown: 1,
        },
        lost: BTreeMap::from([("net", BTreeMap::from([("net", 0), ("drops", 0)]))]),
        not_known: Vec::new(),
    }
}

fn json(report: &CountersReport) -> Value {
    let mut out = Vec::new();
    report.write_json(&mut out).expect("a Vec takes everything");
    assert!(out.ends_with(b"}\n"));
    serde_json::from_slice(&out).expect("JSON")
}

fn pretty(report: &CountersReport, columns: usize) -> String {
    let mut out = Vec::new();
    report
        .write_pretty(&mut out, columns)
        .expect("a Vec takes everything");
    let text = String::from_utf8(out).expect("UTF-8");
    anstream::adapter::strip_str(&text).to_string()
}

#[test]
fn json_has_figures_by_program_and_counter_and_whose_they_are() {
    let mut slow = vec![0; 40];
    slow[10] = 3;
    let mut net = figures(&[("tcp_connects", 7)]);
    net.insert("tcp_round_trip".to_owned(), Figure::Log2Ns(slow.clone()));
    let crowd = Workload {
        cgroup_id: Some(4711),
        processes: 37,
        has_ended: true,
        ..workload(
            WorkloadId::Process(None, Comm::new(b"curl")),
            &[("net", figures(&[("tcp_connects", 37)]))],
        )
    };
    let found = json(&report(vec![
        workload(
            pod(),
            &[("net", net), ("mem", figures(&[("oom_kills", 1)]))],
        ),
        workload(
            process(42, "cron"),
            &[("net", figures(&[("drops.NO_SOCKET", 2)]))],
        ),
        crowd,
    ]));
    assert_eq!(found["schema"], "kerno.counters.v1");
    assert_eq!(found["window_seconds"], 10.004);
    assert_eq!(
        found["programs"],
        json!([
            { "name": "net", "active": true,
              "missing": [{ "counter": "drops", "reason": "this kernel does not say why" }] },
            { "name": "syscall", "active": false, "reason": "tracefs is not there" },
        ])
    );
    assert_eq!(
        found["workloads"],
        json!([
            { "kind": "pod", "name": "shop/web-1", "processes": 1,
              "pod": { "namespace": "shop", "name": "web-1" },
              "net": { "tcp_connects": 7, "tcp_round_trip": { "log2_ns": slow } },
              "mem": { "oom_kills": 1 } },
            { "kind": "process", "name": "cron", "pid": 42, "processes": 1,
              "net": { "drops.NO_SOCKET": 2 } },
            { "kind": "process", "name": "curl", "cgroup_id": 4711, "processes": 37,
              "ended": true, "net": { "tcp_connects": 37 } },
        ])
    );
    assert_eq!(
        found["accounting"],
        json!({ "owners": 3, "in_workloads": 1, "processes": 1, "unknown": 1,
                "lost": { "net": { "net": 0, "drops": 0 } } })
    );
    assert_eq!(found["picture"], json!({ "complete": true, "gaps": [] }));
}

#[test]
fn what_found_no_room_makes_the_figures_too_low() {
    let mut report = report(Vec::new());
    report.lost = BTreeMap::from([("net", BTreeMap::from([("drops", 12), ("net", 0)]))]);
    let sentence = "The map drops of net had no room 12 times: that much was not counted.";
    assert_eq!(json(&report)["picture"]["gaps"], json!([sentence]));
    assert_eq!(json(&report)["picture"]["complete"], false);
    let text = pretty(&report, 100);
    assert!(
        text.contains("The figures are too low: 3 processes"),
        "{text}"
    );
    assert!(text.contains(sentence), "{text}");
}

#[test]
fn a_person_reads_bounds_and_why_something_is_missing() {
    let mut slow = vec![0; 40];
    (slow[10], slow[20]) = (98, 2);
    let mut net = figures(&[("tcp_connects", 1_234), ("wait_sum_ns", 1_500_000)]);
    net.insert("tcp_round_trip".to_owned(), Figure::Log2Ns(slow));
    let text = pretty(&report(vec![workload(pod(), &[("net", net)])]), 100);
    for line in [
        "on node-7 (Linux 6.18.5, x86_64) in 10 s until 2027-01-15T08:00:00Z",
        "net\n  pod shop/web-1\n      tcp_connects 1,234; tcp_round_trip half below 2.0 µs, 99 % below 2.1 ms",
        "wait_sum_ns 1.5 ms",
        "Not counted here, drops: this kernel does not say why",
        "syscall did not run: tracefs is not there",
        "Nothing was lost: 3 processes and control groups had figures: 1 in pods",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn whoever_has_most_of_a_counter_is_shown_however_quiet() {
    let busy = (1..=30).map(|pid| {
        let busy = figures(&[("tcp_connects", u64::from(1000 - pid))]);
        workload(process(pid, "busy"), &[("net", busy)])
    });
    let quiet = workload(
        process(99, "quiet"),
        &[("net", figures(&[("oom_kills", 1)]))],
    );
    let text = pretty(&report(busy.chain([quiet]).collect()), 100);
    assert!(text.contains("quiet (pid 99)\n      oom_kills 1"), "{text}");
    assert!(
        text.contains("busy (pid 7)") && !text.contains("busy (pid 8)"),
        "{text}"
    );
    assert!(text.contains("… and 23 more"), "{text}");
}

#[test]
fn names_of_strangers_neither_break_lines_nor_reach_the_terminal() {
    let name = "\x1b[31mevil\nnet";
    let whom = [process(7, name), WorkloadId::Unit("名".repeat(300), None)];
    let figures = figures(&[(&"x".repeat(300), 1)]);
    let rows = whom.map(|whom| workload(whom, &[("net", figures.clone())]));
    for columns in [60, 100] {
        let text = pretty(&report(rows.to_vec()), columns);
        assert!(
            !text.contains('\x1b') && !text.contains("\nnet ("),
            "{text}"
        );
        let widest = text.lines().map(textwrap::core::display_width).max();
        assert!(widest.expect("lines") <= columns, "{text}");
    }
}
