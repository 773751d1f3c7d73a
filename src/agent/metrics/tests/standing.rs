//! How the agent stands: what is not there is not 0.

use std::sync::Arc;
use std::time::Duration;

use super::super::Format;
use super::super::Metrics;
use super::super::Standing;
use crate::agent::writer::Told;
use crate::kernel::Runs;
use crate::monitor::KernelState;

/// With all that may be told.
pub(super) fn full() -> Standing {
    let runs = Runs {
        number: 4,
        took: Duration::from_micros(1),
        missed: 0,
    };
    let idle = ("dns_read".to_owned(), Runs::default());
    Standing {
        history: Some(Told::default()),
        kernel: KernelState {
            fill: vec![("dns_events", 0.25)],
            runs: vec![("dns_egress".to_owned(), runs), idle],
        },
        ..Standing::default()
    }
}

fn text(standing: Standing) -> String {
    Arc::new(Metrics::default()).write(Format::Text, standing)
}

#[test]
fn what_is_not_there_has_no_series_and_is_not_0() {
    let series = |text: &str, name: &str| {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.count()
    };
    let none = text(Standing::default());
    for name in ["kerno_history_", "kerno_bpf_"] {
        assert_eq!(series(&none, name), 0, "{none}");
    }
    let some = text(full());
    assert_eq!(series(&some, "kerno_history_"), 9);
    // Of a program whose runs nobody counts nothing is said.
    assert_eq!(series(&some, "kerno_bpf_runs_total"), 1);
    assert!(some.contains("kerno_bpf_run_seconds_total{program=\"dns_egress\"} 0.000001\n"));
    assert!(some.contains("kerno_bpf_fill_ratio{map=\"dns_events\"} 0.25\n"));
}

#[test]
fn a_history_that_cannot_be_written_says_so() {
    let mut standing = full();
    assert!(text(standing.clone()).contains("kerno_history_writable 1.0\n"));
    if let Some(history) = &mut standing.history {
        history.fault = Some("the disk is full".to_owned());
        history.failures = 3;
    }
    let told = text(standing);
    assert!(told.contains("kerno_history_writable 0.0\n"), "{told}");
    assert!(told.contains("kerno_history_failures_total 3\n"), "{told}");
    assert!(!told.contains("disk is full"), "it may have a path");
}
