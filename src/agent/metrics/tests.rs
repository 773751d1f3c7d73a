//! Running totals say what all windows together say, and the text says what they hold.

mod counted;
mod findings;
mod standing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use proptest::prelude::*;

use super::super::open;
use super::super::open::OpenFindings;
use super::*;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Outcome;
use crate::attempt::Role;
use crate::attempt::identity::Identity;
use crate::filter::Filter;
use crate::host::Facts;
use crate::kernel::Counters;
use crate::monitor::Ending;
use crate::sample;
use crate::sample::MS;
use crate::window::ClosedWindow;
use crate::window::End;
use crate::window::Window;

const SERVERS: [&str; 3] = ["10.0.0.10:53", "10.0.0.11:53", "[fd00::a]:53"];

fn attempt(number: u64, server: &str, outcome: Outcome, took_ms: u64) -> Attempt {
    let mut attempt = sample::attempt(("curl", 7), server, outcome, took_ms * MS);
    attempt.cookie = 1_000 + number;
    attempt.id = Some(number as u16);
    attempt
}

fn closed(window: &mut Window, queries: u64, seconds: u64) -> ClosedWindow {
    window.roll(End {
        duration: Duration::from_secs(seconds),
        kernel: Ending {
            counters: Counters {
                queries,
                ..Counters::default()
            },
            ..Ending::default()
        },
        ..End::default()
    })
}

fn window_of(attempts: &[Attempt]) -> ClosedWindow {
    let mut window = Window::new(Filter::default());
    attempts.iter().for_each(|it| window.attempt(it));
    closed(&mut window, attempts.len() as u64, 10)
}

fn take(metrics: &Metrics, window: ClosedWindow) -> Report {
    let to = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let report = Report::new(to, Facts::default(), window);
    metrics.take(to, &report);
    let mut findings = OpenFindings::default();
    look(metrics, &mut findings, &report);
    report
}

/// As the herald does.
fn look(metrics: &Metrics, findings: &mut OpenFindings, report: &Report) {
    let _changes = findings.see(&report.findings, report.time);
    let open = findings.all();
    metrics.tell(open, open::verdict(open, report.verdict));
}

/// Every line of the text with its value, but for those of the process.
fn lines(metrics: &Arc<Metrics>, format: Format) -> BTreeMap<String, f64> {
    let text = metrics.write(format, Standing::default());
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let mut all = BTreeMap::new();
    for line in samples.filter(|line| !line.starts_with("process_")) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        // The formats write buckets in two ways: `le="1"` behind all, `le="1.0"` before all.
        let bucket = series.split_once("{le=\"").and_then(|(name, rest)| {
            let (le, labels) = rest.strip_suffix('}')?.split_once("\",")?;
            Some(format!("{name}{{{labels},le=\"{le}\"}}"))
        });
        let series = bucket.as_deref().unwrap_or(series).replace(".0\"}", "\"}");
        let twice = all.insert(series, value.parse().expect("a number"));
        assert_eq!(twice, None, "{line}");
    }
    all
}

fn sum(lines: &BTreeMap<String, f64>, metric: &str, labels: &[&str]) -> u64 {
    let of = lines.iter().filter(|(series, _)| {
        let name = series.split('{').next().expect("a name");
        name == metric && labels.iter().all(|label| series.contains(label))
    });
    of.map(|(_, value)| *value).sum::<f64>() as u64
}

const CLIENT: &str = "role=\"client\"";

#[derive(Clone, Debug)]
struct Fate {
    server: usize,
    outcome: Outcome,
    took_ms: u64,
    late_after: Option<usize>,
    is_asked: bool,
}

fn fate() -> impl Strategy<Value = Fate> {
    let outcome = prop::sample::select(vec![
        Outcome::Answered,
        Outcome::Answered,
        Outcome::Unanswered,
        Outcome::Refused,
        Outcome::Dropped,
        Outcome::Superseded,
    ]);
    let late = prop::option::weighted(0.5, 1..30_usize);
    (0..SERVERS.len(), outcome, 0..12_000u64, late, any::<bool>()).prop_map(
        |(server, outcome, took_ms, late_after, is_asked)| Fate {
            server,
            outcome,
            took_ms,
            late_after,
            is_asked,
        },
    )
}

/// In their order, those that come late behind.
fn told(fates: &[Fate]) -> Vec<Attempt> {
    let mut told = Vec::new();
    for (number, fate) in fates.iter().enumerate() {
        let server = SERVERS[fate.server];
        let mut first = attempt(number as u64, server, fate.outcome, fate.took_ms);
        if fate.is_asked {
            first.role = Role::Server;
        } else if let (Outcome::Unanswered, Some(after)) = (fate.outcome, fate.late_after) {
            let late = attempt(number as u64, server, Outcome::Late, fate.took_ms + 9);
            told.push((number + after, late));
        }
        told.push((number, first));
    }
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, attempt)| attempt).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn totals_are_all_windows_together(
        fates in prop::collection::vec(fate(), 1..150),
        cuts in prop::collection::vec(0.0..1.0f64, 0..5),
    ) {
        let told = told(&fates);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| (cut * told.len() as f64) as usize).collect();
        cuts.sort_unstable();
        cuts.push(told.len());
        let metrics = Arc::new(Metrics::default());
        let (mut window, mut whole): (_, Option<ClosedWindow>) = (Window::new(Filter::default()), None);
        let (mut begin, mut causes) = (0, 0);
        let mut before = lines(&metrics, Format::Text);
        for cut in cuts {
            let new = told[begin..cut].iter();
            let ended = new.clone().filter(|it| it.outcome != Outcome::Late).count() as u64;
            new.for_each(|it| window.attempt(it));
            begin = cut;
            let step = closed(&mut window, ended, 10);
            match &mut whole {
                Some(whole) => whole.merge(&step),
                None => whole = Some(step.clone()),
            }
            causes += take(&metrics, step).failures_by_cause.values().sum::<u64>();
            let now = lines(&metrics, Format::Text);
            for (series, value) in before.iter().filter(|(series, _)| {
                let name = series.split('{').next().expect("a name");
                ["_total", "_bucket", "_sum", "_count"].iter().any(|it| name.ends_with(it))
            }) {
                prop_assert!(now.get(series).is_some_and(|it| it >= value), "{series} went back");
            }
            before = now;
        }
        let now = before;
        let open = lines(&metrics, Format::OpenMetrics);
        let differs = now.iter().find(|(series, value)| open.get(*series) != Some(value));
        prop_assert_eq!(differs, None);
        prop_assert_eq!(now.len(), open.len());
        let whole = whole.expect("a window");
        let report = Report::new(SystemTime::now(), Facts::default(), whole);
        let (client, served) = (&report.dns.client, &report.dns.server_side);
        let queries = |labels: &[&str]| sum(&now, "kerno_dns_queries_total", labels);
        prop_assert_eq!(queries(&[CLIENT]), client.queries());
        prop_assert_eq!(queries(&["role=\"server\""]), served.queries());
        let outcomes = client.outcomes;
        for (outcome, number) in [
            ("answered", outcomes.answered),
            ("unanswered", outcomes.unanswered + outcomes.late),
            ("refused", outcomes.refused),
            ("dropped", outcomes.dropped),
            ("superseded", outcomes.superseded),
        ] {
            let label = format!("outcome=\"{outcome}\"");
            prop_assert_eq!(queries(&[CLIENT, &label]), number, "{}", outcome);
        }
        // Each failed attempt has one cause, wherever it is looked at.
        let failed = outcomes.failed();
        prop_assert_eq!(sum(&now, "kerno_dns_failures_total", &[]), failed);
        prop_assert_eq!(causes, failed);
        prop_assert_eq!(sum(&now, "kerno_dns_workload_failures_total", &[]), failed);
        let results = |result: &str| sum(&now, "kerno_dns_workload_queries_total", &[result]);
        prop_assert_eq!(results("failed"), failed);
        prop_assert_eq!(results("slow"), client.slower_than(100 * MS));
        prop_assert_eq!(results("ok") + results("slow"), outcomes.answered);
        prop_assert_eq!(sum(&now, "kerno_dns_late_answers_total", &[CLIENT]), outcomes.late);
        for row in &report.dns.by_server.rows {
            let server = format!("server=\"{}\"", row.whom);
            prop_assert_eq!(queries(&[CLIENT, &server]), row.figures.queries());
            let failed = sum(&now, "kerno_dns_failures_total", &[&server]);
            prop_assert_eq!(failed, row.figures.outcomes.failed());
        }
        let answered = sum(&now, "kerno_dns_query_duration_seconds_count", &[CLIENT]);
        prop_assert_eq!(answered, outcomes.answered);
        let within = sum(&now, "kerno_dns_query_duration_seconds_bucket", &[CLIENT, "le=\"0.1\""]);
        prop_assert_eq!(within, outcomes.answered - client.slower_than(100 * MS));
        prop_assert_eq!(sum(&now, "kerno_queries_seen_total", &[]), fates.len() as u64);
        prop_assert_eq!(sum(&now, "kerno_queries_ended_total", &[]), fates.len() as u64);
    }
}

#[test]
fn names_of_strangers_break_no_line() {
    let metrics = Arc::new(Metrics::default());
    let hostile = [
        "\"} 1\nkerno_verdict 7\n#",
        "a\\",
        "\\n\"",
        "{}=,le=\"",
        "\u{0}\u{1b}[2J",
    ];
    let mut all = Vec::new();
    for (n, name) in (0..).zip(hostile) {
        let mut one = attempt(n, SERVERS[0], Outcome::Unanswered, 5_000);
        one.owner.comm = Comm::new(name.as_bytes());
        all.push(one);
        let mut pod = attempt(n + 100, SERVERS[0], Outcome::Answered, 1);
        let mut identity = Identity::of_cgroup(b"/kubepods/burstable/podu-1/x");
        identity.name_pod(name, name, "");
        pod.workload = Some(Arc::new(identity));
        all.push(pod);
        let mut unit = attempt(n + 200, SERVERS[0], Outcome::Answered, 1);
        let path = format!("/system.slice/{}.service", name.replace('\0', ""));
        unit.workload = Some(sample::workload(&path));
        all.push(unit);
    }
    let clean = lines(&Arc::new(Metrics::default()), Format::Text);
    take(&metrics, window_of(&all));
    for format in [Format::Text, Format::OpenMetrics] {
        let now = lines(&metrics, format);
        assert_eq!(sum(&now, "kerno_dns_workload_queries_total", &[]), 15);
        assert_eq!(
            sum(&now, "kerno_verdict", &[]),
            1,
            "nobody adds a line: {now:?}"
        );
        let names = |all: &BTreeMap<String, f64>| -> std::collections::BTreeSet<String> {
            let name = |series: &String| series.split(['{', ' ']).next().expect("one").to_owned();
            all.keys().map(name).collect()
        };
        let new: Vec<_> = names(&now).difference(&names(&clean)).cloned().collect();
        assert!(new.iter().all(|it| it.starts_with("kerno_")), "{new:?}");
        for series in now.keys() {
            assert!(series.chars().all(|c| !c.is_control()), "{series:?}");
        }
    }
}

/// 300 workloads, 20 servers, and all that can fail with them.
#[test]
fn many_workloads_make_a_bounded_text() {
    let metrics = Arc::new(Metrics::default());
    let mut all = Vec::new();
    for n in 0..300u64 {
        for server in 0..20 {
            let address = SocketAddr::from(([10, 0, 1, server], 53)).to_string();
            let outcome = match (n + u64::from(server)) % 3 {
                0 => Outcome::Unanswered,
                1 => Outcome::Refused,
                _ => Outcome::Answered,
            };
            let number = n * 20 + u64::from(server);
            let mut one = attempt(number, &address, outcome, 7);
            let mut identity =
                Identity::of_cgroup(format!("/kubepods/burstable/podu-{n}/x").as_bytes());
            let pod = format!("{}-{n}", "p".repeat(240));
            identity.name_pod(&format!("namespace-{}", n % 90), &pod, "");
            one.workload = Some(Arc::new(identity));
            all.push(one);
        }
    }
    take(&metrics, window_of(&all));
    let text = metrics.write(Format::Text, Standing::default());
    assert!(text.len() < 2 << 20, "{}", text.len());
    let now = lines(&metrics, Format::Text);
    let number = |name: &str| now.keys().filter(|it| it.starts_with(name)).count();
    let whom = number("kerno_dns_workload_duration_seconds_total");
    assert!((257..=256 + 91).contains(&whom), "{whom}");
    assert_eq!(sum(&now, "kerno_dns_workload_queries_total", &[]), 6_000);
    let failed = sum(&now, "kerno_dns_workload_queries_total", &["failed"]);
    assert_eq!(sum(&now, "kerno_dns_failures_total", &[]), failed);
    assert_eq!(sum(&now, "kerno_dns_workload_failures_total", &[]), failed);
    assert!(number("kerno_dns_workload_failures_total") <= 64 + 65 * 2);
    assert_eq!(number("kerno_dns_query_duration_seconds_count"), 16 + 1 + 1);
    let overflow = |metric: &str| sum(&now, "kerno_label_overflow_total", &[metric]);
    assert_eq!(overflow("kerno_dns_queries_total"), 4 * 300);
    assert_eq!(overflow("kerno_dns_workload_queries_total"), 44 * 20);
    assert!(overflow("kerno_dns_workload_failures_total") > 0);
    // After ten minutes in which nobody asks, all of them are gone.
    let healthy: Vec<_> = (0..20)
        .map(|n| attempt(n, SERVERS[0], Outcome::Answered, 1))
        .collect();
    for _ in 0..60 {
        take(&metrics, window_of(&healthy));
    }
    assert!(number("kerno_dns_workload_duration_seconds_total") > 256);
    take(&metrics, window_of(&healthy));
    let now = lines(&metrics, Format::Text);
    assert_eq!(sum(&now, "kerno_dns_workload_failures_total", &[]), 0);
    let left = |name: &str| now.keys().filter(|it| it.starts_with(name)).count();
    // Who found no room when it came was counted with the others, for a while.
    assert_eq!(left("kerno_dns_workload_duration_seconds_total"), 2);
    assert_eq!(left("kerno_dns_query_duration_seconds_count"), 3);
    let overflown = sum(&now, "kerno_label_overflow_total", &[]);
    assert!(
        overflown >= overflow("kerno_dns"),
        "what overflowed stays told"
    );
}

/// docs/metrics.md has each metric with its type and labels, and no other.
#[test]
fn each_metric_is_documented() {
    const WORKLOAD: [&str; 6] = ["namespace", "pod", "container", "unit", "user", "comm"];
    let metrics = Arc::new(Metrics::default());
    let mut all = Vec::new();
    let paths = [
        "/",
        "/system.slice/unbound.service",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app.service",
        "/docker/3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4",
        "/kubepods/burstable/podu-1/3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4",
    ];
    for n in 0..50 {
        let mut one = attempt(n, SERVERS[0], Outcome::Unanswered, 5_000);
        let mut identity = Identity::of_cgroup(paths[n as usize % paths.len()].as_bytes());
        if identity.pod().is_some() {
            identity.name_pod("shop", "web-1", "");
        }
        one.workload = Some(Arc::new(identity));
        all.push(one);
    }
    let mut window = window_of(&all);
    let lookup = window_of(&[attempt(900, SERVERS[1], Outcome::Answered, 1)]);
    window.merge(&lookup);
    // Labels of time lost are those of failures; no lookup is made here.
    let mut report = take(&metrics, window.clone());
    report.losses.by_cause.insert(Rule::Unknown, 1);
    report.signals.push(Signal {
        name: crate::host::SignalName::Packets,
        shows: "".into(),
        missing: None,
        attached: None,
    });
    let to = SystemTime::now();
    metrics.take(to, &report);
    let rows: Vec<_> = paths.iter().map(|path| counted::row(path)).collect();
    metrics.begin_to_count(vec![("net", true), ("mem", false)]);
    metrics.count(&rows, BTreeMap::from([(("net", "net"), 3)]));

    let text = metrics.write(Format::Text, standing::full());
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let told: BTreeMap<_, _> = types.filter_map(|line| line.split_once(' ')).collect();
    let mut labels: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|it| name.strip_suffix(it))
            .find(|it| told.contains_key(it));
        let family = labels.entry(family.unwrap_or(name)).or_default();
        let inside = line
            .split_once('{')
            .and_then(|(_, rest)| rest.rsplit_once('}'));
        let pairs = inside.map_or("", |(inside, _)| inside).split("\",");
        family.extend(pairs.filter_map(|pair| Some(pair.split_once("=\"")?.0)));
        family.remove("le");
    }

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(path).expect("docs/metrics.md");
    let table = page.split("<!-- metrics -->").nth(1).expect("the table");
    let mut documented = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        documented.insert(name, cells[2]);
        let mut named: std::collections::BTreeSet<&str> =
            cells[3].split('`').skip(1).step_by(2).collect();
        if named.remove("WORKLOAD") {
            named.extend(WORKLOAD);
        }
        assert_eq!(labels.get(name), Some(&named), "{name}");
    }
    assert_eq!(documented, told);
}
