//! Queries of other hosts that no server here saw.

use super::*;
use crate::doctor::finding::Finding;

/// What is said of so many queries from this client, if a socket is bound or not.
fn said_of(client: &str, number: u64, reason: &str, is_bound: bool) -> Vec<Finding> {
    let queries = (0..number).map(|_| sample::turned_away(client, SERVER, reason));
    said_of_all(queries, is_bound)
}

fn said_of_all(queries: impl Iterator<Item = Attempt>, is_bound: bool) -> Vec<Finding> {
    let mut incidents = Incidents::default();
    queries.for_each(|query| incidents.record_turned_away(&query));
    let mut host = HostSample {
        own_netns: Some(sample::NODE),
        ..HostSample::default()
    };
    if is_bound {
        host.bound.insert((sample::NODE, address(SERVER)), Some(53));
    }
    let evidence = incidents.close(host, Duration::from_secs(30), Vec::new());
    let snapshot = Collector::default().snapshot();
    turned_away(&evidence, &Parties::of(&snapshot, &evidence))
}

#[test]
fn a_firewall_before_the_hosts_own_server_is_a_finding_without_a_query() {
    let found = said_of("10.1.0.7:4000", 12, "NETFILTER_DROP", true);
    let [finding] = &found[..] else {
        panic!("{found:#?}")
    };
    assert_eq!(finding.rule.name(), "dns_policy_drop");
    assert_eq!((finding.severity, finding.queries), (Severity::Warning, 12));
    assert_eq!(finding.scope.role, Role::Server);
    assert_eq!(finding.scope.pid, Some(53));
    assert_eq!(
        finding.title,
        "A firewall of this host discards queries to its own DNS server 10.0.0.10:53"
    );
    let all = finding.evidence.join("\n");
    for part in [
        "12 queries of other hosts discarded: NETFILTER_DROP at nft_do_chain, in the host's network \
         namespace.",
        "The process with pid 53 listens at 10.0.0.10:53, and in the same time no other query \
         reached it.",
        "They came from 10.1.0.7 (12).",
        "Asked for, among others: www.test A.",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    assert!(
        finding
            .fix
            .iter()
            .any(|it| it.contains("`nft list ruleset`"))
    );
}

/// Scanners knock at every port of the internet.
#[test]
fn strangers_that_are_kept_out_are_a_note() {
    let found = said_of("198.51.100.7:4000", 500, "NETFILTER_DROP", true);
    assert_eq!(found[0].severity, Severity::Info);
    assert!(found[0].cause.contains("addresses of the internet"));
    let ours = said_of("10.1.0.7:4000", 3, "NETFILTER_DROP", true);
    assert!(!ours[0].cause.contains("addresses of the internet"));
}

#[test]
fn what_is_for_nobody_here_and_single_losses_are_none() {
    assert_eq!(said_of("10.1.0.7:1", 100, "NETFILTER_DROP", false), []);
    assert_eq!(said_of("10.1.0.7:1", 2, "NETFILTER_DROP", true), []);
    assert_eq!(said_of("10.1.0.7:1", 0, "NETFILTER_DROP", true), []);
}

#[test]
fn what_the_kernel_itself_discards_has_its_own_words() {
    let found = said_of("10.1.0.7:4000", 4, "IP_RPFILTER", true);
    assert_eq!(found[0].rule.name(), "dns_kernel_drop");
    assert!(found[0].title.ends_with("10.0.0.10:53 (IP_RPFILTER)"));
    assert!(found[0].cause.starts_with("Strict reverse-path filtering"));
    let unknown = said_of("10.1.0.7:4000", 4, "A_NEW_ONE", true);
    assert!(unknown[0].cause.contains("calls the reason A_NEW_ONE"));
    let other = said_of("10.1.0.7:4000", 4, "XDP", true);
    assert_eq!(other[0].rule.name(), "dns_policy_drop");
    assert!(other[0].cause.contains("A BPF program"));
    assert!(!other[0].cause.contains("INPUT"));
}

#[test]
fn connections_and_further_addresses_are_counted() {
    let told = |number: u64, transport| {
        let queries = (0..number).map(move |n| Attempt {
            transport,
            ..sample::turned_away(&format!("10.1.{n}.7:4000"), SERVER, "NETFILTER_DROP")
        });
        said_of_all(queries, true).remove(0).evidence.join("\n")
    };
    let many = told(70, Transport::Tcp);
    for part in [
        "70 queries of other hosts discarded (70 of them over TCP, whose connection was not opened):",
        "; 6 queries of further addresses.",
    ] {
        assert!(many.contains(part), "{many}");
    }
    let few = told(64, Transport::Udp);
    for part in ["over TCP", "further addresses"] {
        assert!(!few.contains(part), "{few}");
    }
}
