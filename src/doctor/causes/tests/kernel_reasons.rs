//! The words for what the kernel discards, and its own counters beside them.

use super::*;
use crate::doctor::finding::Finding;
use crate::sampler::Shared;
use crate::sampler::Table;

fn finding(server: &'static str, reason: &str, host: HostSample) -> Finding {
    let told = Story {
        host,
        ..Story::default()
    };
    let told = told
        .with(many(40, server, Outcome::Answered))
        .with((100..104).map(|n| {
            let attempt = attempt(n, server, Outcome::Dropped);
            dropped(attempt, Packet::Query, reason, "some_function")
        }));
    let mut findings = told.explain().findings;
    assert_eq!(findings[0].rule.name(), "dns_kernel_drop", "{reason}");
    findings.remove(0)
}

fn has(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

#[test]
fn a_full_backlog_is_told_with_its_counter_and_its_limit() {
    let host = |full| HostSample {
        shared: Shared {
            backlog: Some(Table {
                full,
                entries: None,
                max: Some(1_000),
            }),
            ..Shared::default()
        },
        ..HostSample::default()
    };
    let told = finding(SERVER, "CPU_BACKLOG", host(1_200));
    assert_eq!(
        told.title,
        "A CPU's backlog has no room for DNS packets (CPU_BACKLOG)"
    );
    assert!(has(
        &told.evidence,
        "had no room for 1,200 packets, of any kind, in this time. It takes 1,000 \
         (net.core.netdev_max_backlog)."
    ));
    assert!(has(&told.fix, "`cat /proc/net/softnet_stat`"));
    assert!(has(&told.fix, "sysctl -w net.core.netdev_max_backlog="));
    assert!(!has(&told.fix, "nsenter"), "all namespaces share it");
    // What nobody has read is not told.
    let told = finding(SERVER, "CPU_BACKLOG", HostSample::default());
    assert!(!has(&told.evidence, "backlog"));
}

#[test]
fn a_full_neighbour_table_is_that_of_the_family() {
    let table = |full, entries| {
        Some(Table {
            full,
            entries: Some(entries),
            max: Some(1_024),
        })
    };
    let host = HostSample {
        shared: Shared {
            arp: table(7, 1_024),
            ndisc: table(9, 1_023),
            ..Shared::default()
        },
        ..HostSample::default()
    };
    let v4 = finding(SERVER, "NEIGH_CREATEFAIL", host.clone());
    assert!(v4.title.starts_with("The neighbour table is full"));
    assert!(has(
        &v4.evidence,
        "neighbour table (IPv4) had no room 7 times in this time; at the end 1,024 entries of 1,024 \
         were in it."
    ));
    assert!(has(&v4.fix, "net.ipv4.neigh.default.gc_thresh3="));
    let v6 = finding("[fd00::53]:53", "NEIGH_CREATEFAIL", host);
    assert!(has(&v6.evidence, "(IPv6) had no room 9 times"));
    assert!(has(&v6.fix, "net.ipv6.neigh.default.gc_thresh3="));
    assert!(!has(&v6.fix, "net.ipv4"));
}

#[test]
fn a_wrong_checksum_leads_to_offload() {
    let host = HostSample {
        checksums: [(NODE, 4)].into(),
        ..HostSample::default()
    };
    for reason in ["UDP_CSUM", "SKB_CSUM"] {
        let told = finding(SERVER, reason, host.clone());
        assert!(told.title.contains("wrong checksum"), "{}", told.title);
        assert!(has(&told.fix, "ethtool -K DEVICE tx off"));
    }
    let told = finding(SERVER, "IP_CSUM", host);
    assert!(told.title.contains("IP header"), "{}", told.title);
    assert!(!has(&told.evidence, "UDP in"));
}

/// Whatever the kernel says, there is a sentence, and one of its own for what is known.
#[test]
fn each_kind_has_its_own_title() {
    let reasons = [
        "IP_RPFILTER",
        "UDP_CSUM",
        "IP_CSUM",
        "QDISC_DROP",
        "CPU_BACKLOG",
        "NEIGH_CREATEFAIL",
        "NEIGH_QUEUEFULL",
        "NEIGH_HH_FILLFAIL",
        "FULL_RING",
        "NOMEM",
    ];
    let titles = reasons.map(|reason| finding(SERVER, reason, HostSample::default()).title);
    let distinct: std::collections::BTreeSet<_> = titles.iter().collect();
    assert_eq!(distinct.len(), reasons.len());
    let like = |one: &str, other: &str| {
        let title = |it| finding(SERVER, it, HostSample::default()).cause;
        title(one) == title(other)
    };
    assert!(like("QDISC_DROP", "QDISC_OVERLIMIT") && like("QDISC_DROP", "FQ_FLOW_LIMIT"));
    let new = finding(SERVER, "OF_TOMORROW", HostSample::default());
    assert_eq!(
        new.title,
        "This host's kernel discards DNS packets (OF_TOMORROW)"
    );
}
