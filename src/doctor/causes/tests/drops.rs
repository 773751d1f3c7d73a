//! What this kernel discarded, by reason, function and conntrack state.

use super::*;
use crate::sampler::ConntrackCounters;
use crate::sampler::Fullness;

/// Five queries that netfilter discarded so.
pub(super) fn netfilter(
    location: &str,
    conntrack: Conntrack,
    counters: Option<ConntrackCounters>,
) -> Story {
    let mut incident = Story::default()
        .with(many(40, SERVER, Outcome::Answered))
        .with((100..105).map(|n| {
            let attempt = attempt(n, SERVER, Outcome::Dropped);
            let mut attempt = dropped(attempt, Packet::Query, "NETFILTER_DROP", location);
            if let Some(drop) = attempt.drop.as_mut() {
                drop.conntrack = Some(conntrack);
            }
            attempt
        }));
    incident
        .host
        .conntrack
        .extend(counters.map(|counters| (NODE, counters)));
    incident
}

pub(super) fn counters(drop: u64, insert_failed: u64) -> Option<ConntrackCounters> {
    Some(ConntrackCounters {
        drop,
        insert_failed,
        ..ConntrackCounters::default()
    })
}

/// Table 3.1 of the catalogue: a verdict of nft, the table full, a lost race and
/// a rule of iptables-legacy all say NETFILTER_DROP.
#[test]
fn netfilter_drops_are_told_apart() {
    let (absent, unconfirmed) = (Conntrack::Absent, Conntrack::Unconfirmed);
    for (location, conntrack, counters, rule) in [
        (
            "nft_do_chain",
            unconfirmed,
            counters(0, 0),
            "dns_policy_drop",
        ),
        // Others lost a race or found the table full at the same time.
        (
            "nft_do_chain",
            unconfirmed,
            counters(9, 9),
            "dns_policy_drop",
        ),
        ("nft_do_chain", absent, counters(9, 0), "dns_policy_drop"),
        ("nf_hook_slow", absent, counters(5, 0), "dns_conntrack_full"),
        ("nf_hook_slow", absent, counters(0, 0), "dns_policy_drop"),
        // All drops were lost races: the table had room.
        ("nf_hook_slow", absent, counters(5, 5), "dns_policy_drop"),
        (
            "nf_hook_slow",
            unconfirmed,
            counters(5, 5),
            "dns_conntrack_race",
        ),
        (
            "nf_hook_slow",
            unconfirmed,
            counters(0, 0),
            "dns_policy_drop",
        ),
        ("nf_hook_slow", unconfirmed, None, "dns_policy_drop"),
    ] {
        assert_eq!(
            netfilter(location, conntrack, counters).said(),
            [(rule, 5)],
            "{location} {conntrack:?} {counters:?}"
        );
    }
}

#[test]
fn how_full_the_table_was_is_told_with_the_limit_of_that_time() {
    let told = |fullest| {
        let counters = ConntrackCounters {
            drop: 5,
            entries: 7,
            fullest,
            ..ConntrackCounters::default()
        };
        let incident = netfilter("nf_hook_slow", Conntrack::Absent, Some(counters));
        let finding = incident.explain().findings.remove(0);
        assert_eq!(finding.rule.name(), "dns_conntrack_full");
        finding.evidence.join("\n") + &finding.fix.join("\n")
    };
    let full = told(Some(Fullness {
        entries: 524_288,
        max: 524_288,
    }));
    let seen = "seen with 524,288 entries of at most 524,288 (nf_conntrack_max), and 5 new ones";
    assert!(full.contains(seen), "{full}");
    assert!(full.contains("nf_conntrack_max=1048576"), "{full}");
    let unknown = told(None);
    assert!(unknown.contains("7 entries at the end"), "{unknown}");
    assert!(unknown.contains("nf_conntrack_max=262144"), "{unknown}");
}

#[test]
fn insertions_that_were_counted_from_later_on_are_told_as_such() {
    let told = |baseline_late| {
        let counters = ConntrackCounters {
            drop: 4,
            insert_failed: 4,
            baseline_late,
            ..ConntrackCounters::default()
        };
        let incident = netfilter("nf_hook_slow", Conntrack::Unconfirmed, Some(counters));
        let finding = incident.explain().findings.remove(0);
        assert_eq!(finding.rule.name(), "dns_conntrack_race");
        finding.evidence.join("\n")
    };
    let same = told(false);
    assert!(same.contains("In the same time 4 insertions"), "{same}");
    let later = told(true);
    assert!(
        later.contains("Since shortly after the first of them 4 insertions"),
        "{later}"
    );
}

#[test]
fn a_known_reason_comes_with_its_remedy() {
    let fix = |reason, location| {
        let incident = Story::default().with((0..4).map(|n| {
            let attempt = attempt(n, SERVER, Outcome::Dropped);
            dropped(attempt, Packet::Query, reason, location)
        }));
        let finding = incident.explain().findings.remove(0);
        assert_eq!(finding.rule.name(), "dns_kernel_drop");
        assert!(finding.title.contains(reason));
        finding.fix.join("\n")
    };
    let filtered = fix("IP_RPFILTER", "ip_rcv_finish_core");
    assert!(
        filtered.contains("rp_filter of that interface to 2"),
        "{filtered}"
    );
    let queue = fix("QDISC_DROP", "__dev_queue_xmit");
    assert!(
        queue.contains("tc -s qdisc show") && queue.contains("limit of the queue"),
        "{queue}"
    );
    let unheard = fix("SOMETHING_NEW", "some_function");
    assert!(unheard.contains("nstat -az"), "{unheard}");
}

#[test]
fn the_direction_of_a_policy_is_told() {
    let title = |packet, when_sent| {
        let explanation = Story::default()
            .with((0..5).map(|n| {
                let attempt = attempt(n, SERVER, Outcome::Dropped);
                let mut attempt = dropped(attempt, packet, "NETFILTER_DROP", "nft_do_chain");
                if let Some(drop) = attempt.drop.as_mut() {
                    drop.when_sent = when_sent;
                }
                attempt
            }))
            .explain();
        assert_eq!(explanation.findings.len(), 1);
        let finding = &explanation.findings[0];
        assert_eq!(finding.rule.name(), "dns_policy_drop");
        assert_eq!(finding.severity, Severity::Critical, "all of a namespace");
        finding.title.clone() + " / " + &finding.cause
    };
    assert!(title(Packet::Answer, false).contains("discards DNS answers"));
    assert!(title(Packet::Query, true).contains("EPERM"));
    assert!(title(Packet::Query, false).contains("FORWARD or INPUT"));
}

#[test]
fn reasons_have_their_rules() {
    for (packet, reason, location, rule) in [
        (Packet::Query, "IP_INNOROUTES", "ip_error", "dns_no_route"),
        (
            Packet::Query,
            "NEIGH_FAILED",
            "neigh_invalidate",
            "dns_no_route",
        ),
        (Packet::Query, "NOT_SPECIFIED", "ip_error", "dns_no_route"),
        (
            Packet::Query,
            "QUEUE_PURGE",
            "neigh_invalidate",
            "dns_no_route",
        ),
        (
            Packet::Query,
            "NOT_SPECIFIED",
            "neigh_flush_dev",
            "dns_no_route",
        ),
        (
            Packet::Answer,
            "PKT_TOO_BIG",
            "ip_forward",
            "dns_answer_too_big",
        ),
        (
            Packet::Query,
            "BPF_CGROUP_EGRESS",
            "ip_finish_output",
            "dns_send_denied",
        ),
        (
            Packet::Answer,
            "SOCKET_FILTER",
            "udp_queue_rcv_one_skb",
            "dns_policy_drop",
        ),
        (
            Packet::Query,
            "SOCKET_RCVBUFF",
            "udp_queue_rcv_one_skb",
            "dns_server_overflow",
        ),
        (
            Packet::Answer,
            "NO_SOCKET",
            "__udp4_lib_rcv",
            "dns_client_gave_up",
        ),
        (
            Packet::Query,
            "IP_RPFILTER",
            "ip_rcv_finish_core",
            "dns_kernel_drop",
        ),
        (
            Packet::Answer,
            "UDP_CSUM",
            "__udp4_lib_rcv",
            "dns_kernel_drop",
        ),
        (
            Packet::Query,
            "SOMETHING_NEW",
            "some_function",
            "dns_kernel_drop",
        ),
    ] {
        let said = Story::default()
            .with(many(40, SERVER, Outcome::Answered))
            .with((100..104).map(|n| {
                dropped(
                    attempt(n, SERVER, Outcome::Dropped),
                    packet,
                    reason,
                    location,
                )
            }))
            .said();
        assert_eq!(said, [(rule, 4)], "{reason}");
    }
}

#[test]
fn an_answer_from_elsewhere_is_not_a_late_one() {
    let said = Story::default()
        .with((0..4).map(|n| {
            let attempt = attempt(n, SERVER, Outcome::Dropped);
            let mut attempt = dropped(attempt, Packet::Answer, "NO_SOCKET", "__udp4_lib_rcv");
            if let Some(drop) = attempt.drop.as_mut() {
                drop.source = address(OTHER);
            }
            attempt
        }))
        .said();
    assert_eq!(said, [("dns_wrong_source", 4)]);
}

#[test]
fn a_reject_rule_is_told_from_a_closed_port() {
    let cause = |drop: Option<(&str, &str)>| {
        let explanation = Story::default()
            .with((0..4).map(|n| {
                let attempt = refused(attempt(n, SERVER, Outcome::Refused), libc::ECONNREFUSED);
                let drop = drop.map(|(reason, location)| {
                    Box::new(packet_drop(&attempt, Packet::Query, reason, location))
                });
                Attempt { drop, ..attempt }
            }))
            .explain();
        assert_eq!(explanation.findings[0].rule.name(), "dns_nobody_listening");
        explanation.findings[0].title.clone()
    };
    assert!(cause(Some(("NETFILTER_DROP", "nft_do_chain"))).contains("firewall rule rejects"));
    assert!(cause(Some(("NO_SOCKET", "__udp4_lib_rcv"))).contains("Nobody listens"));
    assert!(cause(None).contains("Nobody listens"));
}

/// As a redirect to a proxy that does not run.
#[test]
fn where_queries_were_led_is_told_where_nobody_listens_there() {
    let cause = |led: &str| {
        let attempts = (0..4).map(|n| {
            let mut attempt = refused(attempt(n, SERVER, Outcome::Refused), libc::ECONNREFUSED);
            let mut drop = packet_drop(&attempt, Packet::Query, "NO_SOCKET", "__udp4_lib_rcv");
            drop.destination = address(led);
            attempt.drop = Some(Box::new(drop));
            attempt
        });
        let explanation = Story::default().with(attempts).explain();
        let finding = &explanation.findings[0];
        assert_eq!(finding.rule.name(), "dns_nobody_listening");
        format!("{} {}", finding.evidence.join(" "), finding.fix.join(" "))
    };
    let led = cause("10.0.0.2:15053");
    for part in [
        "They were led to 10.0.0.2:15053",
        "sport = :15053",
        "nft list ruleset",
    ] {
        assert!(led.contains(part), "{led}");
    }
    let plain = cause(SERVER);
    assert!(plain.contains("sport = :53"), "{plain}");
    assert!(!plain.contains("were led to"), "{plain}");
}

/// Whoever refuses does so only so many times a second.
#[test]
fn what_goes_unanswered_beside_refusals_is_of_the_closed_port() {
    let history = |answered: u64| {
        let refusals =
            (0..8).map(|n| refused(attempt(n, SERVER, Outcome::Refused), libc::ECONNREFUSED));
        let silent = (20..27).map(|n| attempt(n, SERVER, Outcome::Unanswered));
        let fine = (40..40 + answered).map(|n| attempt(n, SERVER, Outcome::Answered));
        let other = (90..120).map(|n| attempt(n, OTHER, Outcome::Answered));
        Story::default()
            .with(refusals)
            .with(silent)
            .with(fine)
            .with(other)
    };
    assert_eq!(history(0).said(), [("dns_nobody_listening", 15)]);
    let evidence = history(0).explain().findings[0].evidence.join(" ");
    assert!(
        evidence.contains("7 more queries went unanswered"),
        "{evidence}"
    );
    // It was there for a while: what went unanswered may be another matter.
    let mixed = history(5).said();
    assert!(mixed.contains(&("dns_nobody_listening", 8)), "{mixed:?}");
}

/// By default the kernel sends one such error a second: the other queries of the
/// same way are the same rule's.
#[test]
fn what_a_reject_rule_discards_without_a_word_is_its_own() {
    let history = |packet, client_netns: u32| {
        let told = (0..3).map(|n| {
            let attempt = refused(attempt(n, SERVER, Outcome::Refused), libc::ECONNREFUSED);
            let drop = packet_drop(&attempt, Packet::Query, "NETFILTER_DROP", "nft_do_chain");
            Attempt {
                drop: Some(Box::new(drop)),
                ..attempt
            }
        });
        let silent = (100..140).map(move |n| {
            let mut attempt = attempt(n, SERVER, Outcome::Dropped);
            attempt.owner.netns = client_netns;
            dropped(attempt, packet, "NETFILTER_DROP", "nft_do_chain")
        });
        Story::default().with(told).with(silent)
    };
    let netns = attempt(0, SERVER, Outcome::Dropped).owner.netns;
    let explanation = history(Packet::Query, netns).explain();
    assert_eq!(explanation.findings.len(), 1);
    let finding = &explanation.findings[0];
    assert_eq!(
        (finding.rule.name(), finding.queries),
        ("dns_nobody_listening", 43)
    );
    let evidence = finding.evidence.join("\n");
    assert!(evidence.contains("3 queries were refused"), "{evidence}");
    assert!(
        evidence.contains("40 queries were discarded in the same way"),
        "{evidence}"
    );
    // Another client's packets, and answers, are another rule's.
    for other in [
        history(Packet::Query, netns + 1),
        history(Packet::Answer, netns),
    ] {
        let said = other.said();
        let expected = [("dns_policy_drop", 40), ("dns_nobody_listening", 3)];
        assert_eq!(said, expected);
    }
}

/// systemd's IPAddressDeny= on the server's unit, or on the client's.
#[test]
fn a_filter_on_the_receivers_own_control_group_names_its_unit() {
    use std::sync::Arc;

    use crate::attempt::Identity;
    let unit = |name: &str| {
        let path = format!("/system.slice/{name}.service");
        Some(Arc::new(Identity::of_cgroup(path.as_bytes())))
    };
    let finding = |packet, named: bool| {
        let mut story = Story::default();
        for n in 0..5 {
            let mut lost = attempt(n, SERVER, Outcome::Dropped);
            lost.workload = unit("shop").filter(|_| named);
            let lost = dropped(lost, packet, "SOCKET_FILTER", "udp_queue_rcv_one_skb");
            let mut view = at_server(&lost, 53, Outcome::Dropped, MS);
            view.workload = unit("unbound").filter(|_| named);
            story = story.with([view, lost]);
        }
        let mut findings = story.explain().findings;
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].rule, Rule::PolicyDrop);
        findings.remove(0)
    };
    for (packet, name, others) in [
        (Packet::Query, "unbound.service", "clients' networks"),
        (Packet::Answer, "shop.service", "server's address"),
    ] {
        let finding = finding(packet, true);
        assert!(finding.title.contains(name), "{}", finding.title);
        let fix = finding.fix.join("\n");
        assert!(finding.cause.contains("IPAddressDeny="));
        assert!(
            fix.contains(&format!("-p IPIngressFilterPath {name}")),
            "{fix}"
        );
        assert!(fix.contains(others) && !fix.contains("nft"), "{fix}");
        assert!(!finding.title.contains("firewall"), "{}", finding.title);
    }
    let unnamed = finding(Packet::Query, false);
    assert!(unnamed.title.contains("of the server's program"));
    let evidence = unnamed.evidence.join("\n");
    assert!(evidence.contains("could not see whose"), "{evidence}");
}

#[test]
fn answers_without_room_at_their_own_client_are_told_so() {
    let full = |reason: &'static str| {
        let story = Story::default()
            .with(many(40, SERVER, Outcome::Answered))
            .with((500..986).map(|n| {
                let mut it = attempt(n, SERVER, Outcome::Answered);
                it.queued_bytes = 8_000;
                dropped(it, Packet::Answer, reason, "udp_queue_rcv_one_skb")
            }));
        story.explain().findings.remove(0)
    };
    let found = full("SOCKET_RCVBUFF");
    assert_eq!((found.rule, found.queries), (Rule::ClientOverflow, 486));
    assert_eq!(found.severity, Severity::Critical);
    assert_eq!(
        found.title,
        "The receive buffer of curl (pid 4242) overflows: answers to it are lost"
    );
    let told = "486 answers came and found no room in 486 sockets (at least 8,000 bytes lay there \
                unread).";
    assert!(
        found.evidence.iter().any(|it| it == told),
        "{:?}",
        found.evidence
    );
    let found = full("PROTO_MEM");
    assert_eq!(found.rule, Rule::ClientOverflow);
    assert!(found.cause.contains("udp_mem"), "{}", found.cause);
    // A query that finds none is its server's trouble.
    let of_server = Story::default().with(
        many(20, SERVER, Outcome::Unanswered)
            .map(|it| dropped(it, Packet::Query, "SOCKET_RCVBUFF", "udp_queue_rcv_one_skb")),
    );
    assert_eq!(of_server.said(), [("dns_server_overflow", 20)]);
}
