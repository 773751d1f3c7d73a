//! Counters beside DNS: units, classes, bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerno_counters::Figure;
use kerno_counters::Figures;

use super::super::Format;
use super::super::Metrics;
use super::super::Standing;
use crate::attempt::Comm;
use crate::attempt::identity::Identity;
use crate::attempt::identity::WorkloadId;
use crate::counters::Workload;

/// A workload by its control group, with a counter of each kind.
pub(super) fn row(path: &str) -> Workload {
    let mut identity = Identity::of_cgroup(path.as_bytes());
    if identity.pod().is_some() {
        identity.name_pod("shop", "web-1", "");
    }
    let process = || WorkloadId::Process(Some(7), Comm::new(b"curl"));
    let whom = WorkloadId::of(&identity).unwrap_or_else(process);
    let mut slots = vec![0; 40];
    // Below 2^20 ns, exactly 2^20, and hours.
    (slots[19], slots[20], slots[39]) = (5, 6, 7);
    let net = [
        ("tcp_connects", Figure::Count(3)),
        ("tcp_sent_bytes", Figure::Count(1_000)),
        ("run_queue_sum_ns", Figure::Count(2_500_000_000)),
        ("tcp_round_trip", Figure::Log2Ns(slots)),
    ];
    let net = net.map(|(name, figure)| (name.to_owned(), figure));
    of(whom, Figures::from(net))
}

fn of(whom: WorkloadId, net: Figures) -> Workload {
    Workload {
        whom,
        cgroup_id: None,
        processes: 1,
        has_ended: false,
        figures: BTreeMap::from([("net", net)]),
    }
}

fn text(metrics: &Arc<Metrics>) -> String {
    metrics.write(Format::Text, Standing::default())
}

fn counting() -> Arc<Metrics> {
    let metrics = Arc::new(Metrics::default());
    metrics.begin_to_count(vec![("net", true)]);
    metrics
}

#[test]
fn figures_have_base_units_and_each_time_is_in_one_class() {
    let metrics = counting();
    for _ in 0..2 {
        metrics.count(&[row("/system.slice/a.service")], BTreeMap::new());
    }
    let text = text(&metrics);
    let whom = "unit=\"a.service\",program=\"net\"";
    for line in [
        format!("kerno_kernel_events_total{{{whom},counter=\"tcp_connects\"}} 6"),
        format!("kerno_kernel_bytes_total{{{whom},counter=\"tcp_sent\"}} 2000"),
        format!("kerno_kernel_seconds_total{{{whom},counter=\"run_queue\"}} 5.0"),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    let took = |class: &str| {
        let line = format!(
            "kerno_kernel_durations_total{{{whom},counter=\"tcp_round_trip\",took=\"{class}\"}} "
        );
        let found = text.lines().find_map(|it| it.strip_prefix(&line));
        found.map(|number| number.parse::<u64>().expect("a number"))
    };
    assert_eq!(took("below_1.05ms"), Some(10));
    assert_eq!(took("below_16.8ms"), Some(12));
    assert_eq!(took("below_134ms"), None);
    assert_eq!(took("longer"), Some(14));
}

#[test]
fn nothing_is_told_of_counters_that_nobody_asked_for() {
    let metrics = Arc::new(Metrics::default());
    metrics.count(&[row("/")], BTreeMap::new());
    assert!(!text(&metrics).contains("kerno_kernel_"));
}

#[test]
fn what_there_is_no_room_for_is_counted_together_and_said() {
    let metrics = counting();
    let drops: Figures = (0..60)
        .map(|n| (format!("drops.{n}"), Figure::Count(1)))
        .collect();
    let pods: Vec<_> = (0..300)
        .map(|n| {
            let path = format!("/kubepods/burstable/podu-{n}/x");
            let mut identity = Identity::of_cgroup(path.as_bytes());
            identity.name_pod("shop", &format!("web-{n}"), "");
            of(WorkloadId::of(&identity).expect("a pod"), drops.clone())
        })
        .collect();
    metrics.count(&pods, BTreeMap::new());
    let text = text(&metrics);
    let series = text
        .lines()
        .filter(|line| line.starts_with("kerno_kernel_events_total{"));
    let mut sum = 0;
    let mut number = 0;
    for line in series {
        let (_, value) = line.rsplit_once(' ').expect("a value");
        sum += value.parse::<u64>().expect("a number");
        number += 1;
    }
    assert_eq!(sum, 300 * 60);
    // 48 counters and the others.
    assert!(number <= 257 * 49, "{number}");
    assert!(text.len() < 2 << 20, "{}", text.len());
    let said = "kerno_label_overflow_total{metric=\"kerno_kernel_events_total\"} ";
    let said = text.lines().find_map(|line| line.strip_prefix(said));
    // 44 pods with all they have, and of 257 what is beyond 48 counters.
    let wanted = 44 * 60 + 256 * 12 + 44 * 12;
    assert_eq!(said, Some(wanted.to_string().as_str()));
    // After ten minutes without anything all are gone.
    for _ in 0..=60 {
        metrics.count(&[], BTreeMap::new());
    }
    assert!(!self::text(&metrics).contains("kerno_kernel_events_total{"));
}
