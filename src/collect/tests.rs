//! What the figures promise, whatever is recorded.

use std::sync::Arc;

use domain::base::iana::OptRcode;

use proptest::prelude::*;

use super::*;
use crate::attempt::Answer;
use crate::attempt::HeaderBits;
use crate::attempt::Outcome;
use crate::kernel::Counters;
use crate::lookup::GrouperCounts;
use crate::monitor::Ending;
use crate::sample::Fed;
use crate::sample::MS;
use crate::sample::attempt;
use crate::sample::workload;

const SERVER: &str = "10.0.0.10:53";
const OUTCOMES: [Outcome; 6] = [
    Outcome::Answered,
    Outcome::Unanswered,
    Outcome::Late,
    Outcome::Refused,
    Outcome::Dropped,
    Outcome::Superseded,
];

#[test]
fn a_late_answer_moves_the_count_in_every_scope() {
    let mut fed = Fed::default();
    fed.feed(
        2,
        &attempt(("curl", 1), SERVER, Outcome::Unanswered, 5_000 * MS),
    );
    fed.feed(1, &attempt(("curl", 1), SERVER, Outcome::Late, 6_000 * MS));
    let snapshot = fed.collector.snapshot();
    for figures in [
        &snapshot.client,
        &snapshot.by_process.rows[0].figures,
        &snapshot.by_server.rows[0].figures,
    ] {
        assert_eq!((figures.outcomes.unanswered, figures.outcomes.late), (1, 1));
        assert_eq!(figures.queries(), 2);
        assert_eq!(figures.latest_ns, 6_000 * MS);
        assert_eq!(
            figures.latency, None,
            "a late answer is a failure, not a slow answer"
        );
    }
    assert_eq!((fed.totals.unanswered, fed.totals.late), (1, 1));
}

#[test]
fn a_late_answer_out_of_nowhere_is_new() {
    let mut fed = Fed::default();
    fed.feed(1, &attempt(("curl", 1), SERVER, Outcome::Late, 6_000 * MS));
    assert_eq!(
        fed.totals,
        OutcomeTotals {
            late: 1,
            owed: 1,
            ..OutcomeTotals::default()
        }
    );
    assert_eq!(fed.collector.snapshot().client.outcomes, fed.totals);
}

#[test]
fn roles_are_kept_apart() {
    let mut fed = Fed::default();
    let mut served = attempt(("unbound", 1), SERVER, Outcome::Answered, MS);
    served.role = Role::Server;
    fed.feed(3, &served);
    let snapshot = fed.collector.snapshot();
    assert_eq!(snapshot.server_side.queries(), 3);
    assert_eq!(snapshot.client.queries(), 0);
    assert!(snapshot.by_process.rows.is_empty() && snapshot.by_server.rows.is_empty());
}

#[test]
fn response_codes_have_names_and_are_bounded() {
    let mut fed = Fed::default();
    for rcode in [0, 3, 3, 2, 23, 24, 4_095, u16::MAX] {
        let mut answered = attempt(("curl", 1), SERVER, Outcome::Answered, MS);
        answered.answer = Some(Answer {
            rcode: OptRcode::masked_from_int(rcode),
            truncated: false,
            answers: 0,
            bytes: 12,
            bits: HeaderBits::default(),
            extended_error: None,
        });
        fed.feed(1, &answered);
    }
    let rcodes = fed.collector.snapshot().client.rcodes_by_name();
    let rcodes: Vec<_> = rcodes.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(
        rcodes,
        [
            ("BADCOOKIE", 1),
            ("NOERROR", 1),
            ("NXDOMAIN", 2),
            ("SERVFAIL", 1),
            ("other", 3)
        ]
    );
}

#[test]
fn the_wait_before_a_resend_is_kept() {
    let mut fed = Fed::default();
    let mut resent = attempt(("curl", 1), SERVER, Outcome::Answered, 2 * MS);
    resent.number = 2;
    resent.first_ns -= 5_000 * MS;
    fed.feed(1, &resent);
    let client = fed.collector.snapshot().client;
    assert_eq!(
        (client.answered_after_resend, client.longest_wait_ns),
        (1, 5_002 * MS)
    );
    assert_eq!(client.latency.map(|latency| latency.max_ns), Some(2 * MS));
}

#[test]
fn the_busiest_come_first() {
    let mut fed = Fed::default();
    fed.feed(1, &attempt(("a", 1), "10.0.0.1:53", Outcome::Answered, MS));
    fed.feed(3, &attempt(("b", 2), "10.0.0.2:53", Outcome::Answered, MS));
    fed.feed(1, &attempt(("c", 3), "10.0.0.3:53", Outcome::Answered, MS));
    let snapshot = fed.collector.snapshot();
    let pids: Vec<_> = snapshot
        .by_process
        .rows
        .iter()
        .filter_map(|row| row.whom.pid)
        .collect();
    assert_eq!(pids, [2, 1, 3]);
    let ports: Vec<_> = snapshot
        .by_server
        .rows
        .iter()
        .map(|row| row.whom.to_string())
        .collect();
    assert_eq!(ports, ["10.0.0.2:53", "10.0.0.1:53", "10.0.0.3:53"]);
}

#[test]
fn a_crowd_stays_within_the_bound_and_hides_no_busy_one() {
    let mut fed = Fed::default();
    let crowd = |fed: &mut Fed, pids: std::ops::Range<u32>| {
        for i in pids {
            let server = format!("10.0.{}.{}:53", i / 256, i % 256);
            fed.feed(2, &attempt(("job", i), &server, Outcome::Unanswered, MS));
            fed.feed(1, &attempt(("job", i), &server, Outcome::Late, MS));
        }
    };
    crowd(&mut fed, 0..1_000);
    fed.feed(
        50,
        &attempt(("late", 9_999), SERVER, Outcome::Answered, 3 * MS),
    );
    crowd(&mut fed, 1_000..2_000);
    let snapshot = fed.collector.snapshot();
    assert_eq!(snapshot.by_process.rows[0].whom.pid, Some(9_999));
    assert_eq!(snapshot.by_process.rows[0].figures.queries(), 50);
    assert_eq!(snapshot.by_server.rows[0].whom.to_string(), SERVER);
    assert!(snapshot.by_process.rows.len() <= PROCESSES_MAX);
    assert!(snapshot.by_server.rows.len() <= SERVERS_MAX);
    let others = snapshot.by_process.others.expect("there are more than fit");
    let rest = 2_000 - (snapshot.by_process.rows.len() as u64 - 1);
    assert_eq!(
        (others.outcomes.unanswered, others.outcomes.late),
        (rest, rest)
    );
}

#[test]
fn figures_survive_being_put_together() {
    let mut fed = Fed::default();
    for i in 0..u32::try_from(PROCESSES_MAX).expect("small") + 1 {
        let mut answered = attempt(("job", i), SERVER, Outcome::Answered, 700 * MS);
        answered.number = 2;
        fed.feed(1, &answered);
    }
    let others = fed
        .collector
        .snapshot()
        .by_process
        .others
        .expect("one too many");
    assert_eq!(others.queries(), PROCESSES_MAX.div_ceil(4) as u64);
    assert_eq!(others.answered_after_resend, others.queries());
    assert_eq!(others.rcodes[&Some(OptRcode::NOERROR)], others.queries());
    assert_eq!(others.slower_than(500 * MS), others.queries());
    let latency = others.latency.expect("answers");
    assert_eq!((latency.p50_ns, latency.max_ns), (700 * MS, 700 * MS));
}

/// Figures are kept by control group; what they are called shows at the end.
#[test]
fn containers_of_a_pod_are_one_workload_also_when_they_are_named_late() {
    let id = |digit: &str| digit.repeat(64);
    let containers =
        [id("a"), id("b")].map(|id| workload(&format!("/kubepods/burstable/podu-1/{id}")));
    let mut fed = Fed::default();
    for (container, pid) in containers.iter().zip([1, 2]) {
        let mut answered = attempt(("curl", pid), SERVER, Outcome::Answered, MS);
        answered.workload = Some(Arc::clone(container));
        fed.feed(3, &answered);
    }
    let mut unit = attempt(("nginx", 3), SERVER, Outcome::Answered, MS);
    unit.workload = Some(workload("/system.slice/nginx.service"));
    fed.feed(2, &unit);
    let mut root = attempt(("dig", 4), SERVER, Outcome::Answered, MS);
    root.workload = Some(workload("/"));
    fed.feed(1, &root);
    let mut known = IdentityTable::default();
    for container in containers {
        let mut named = (*container).clone();
        named.name_pod("shop", "web-1", "u-1");
        let named = Arc::new(named);
        assert!(known.insert(Arc::clone(&named)));
        // Those that come when the name is known are counted with those before.
        let mut answered = attempt(("curl", 1), SERVER, Outcome::Answered, MS);
        answered.workload = Some(named);
        fed.feed(1, &answered);
    }
    fed.collector.learn(&known);

    let snapshot = fed.collector.snapshot();
    let rows: Vec<_> = snapshot
        .by_workload
        .rows
        .iter()
        .map(|row| (row.whom.to_string(), row.figures.queries()))
        .collect();
    let expected = [
        ("pod shop/web-1", 8),
        ("nginx.service", 2),
        ("dig (pid 4)", 1),
    ];
    assert_eq!(rows, expected.map(|(name, n)| (name.to_owned(), n)));
    assert_eq!(snapshot.by_process.rows.len(), 4);
}

#[test]
fn a_crowd_of_workloads_is_bounded() {
    let mut fed = Fed::default();
    let mut busy = attempt(("curl", 1), SERVER, Outcome::Answered, MS);
    busy.workload = Some(workload("/busy.service"));
    fed.feed(10, &busy);
    for n in 0..3 * WORKLOADS_MAX {
        let mut once = attempt(("curl", 1), SERVER, Outcome::Answered, MS);
        once.workload = Some(workload(&format!("/run-{n}.scope")));
        fed.feed(1, &once);
    }
    let snapshot = fed.collector.snapshot();
    assert!(snapshot.by_workload.rows.len() <= WORKLOADS_MAX);
    assert_eq!(
        snapshot.by_workload.rows[0].whom.to_string(),
        "busy.service"
    );
    let rows = snapshot.by_workload.rows.iter().map(|row| &row.figures);
    let sum: u64 = rows
        .chain(&snapshot.by_workload.others)
        .map(Figures::queries)
        .sum();
    assert_eq!(sum, snapshot.client.queries());
}

#[test]
fn the_books_add_up() {
    let counters = Counters {
        queries: 30,
        inflight_full: 4,
        ring_full: 3,
        ..Counters::default()
    };
    let totals = OutcomeTotals {
        answered: 6,
        unanswered: 5,
        late: 4,
        refused: 3,
        dropped: 2,
        superseded: 1,
        owed: 0,
    };
    let books = |in_flight| {
        let ending = Ending {
            carried: 0,
            counters,
            in_flight,
            stray_answers: 9,
            strays_early: 0,
            drops_unjoined: 8,
            grouped: GrouperCounts::default(),
            on_demand: None,
        };
        Accounting::new(&ending, totals, 0)
    };
    assert_eq!(books(2).lost, 7);
    assert_eq!(books(2).balance(), 0);
    assert_eq!(books(1).balance(), 1);
    assert_eq!(books(3).balance(), -1);
    // Those that waited when the window began are seen in it, and end in it.
    let later = Ending {
        carried: 9,
        in_flight: 2,
        counters: Counters {
            queries: 21,
            ..counters
        },
        ..Ending::default()
    };
    let later = Accounting::new(&later, totals, 0);
    assert_eq!((later.queries_seen, later.balance()), (30, 0));
    // Seven were lost in two ways, and eight answers are nobody's: another server's
    // explain one of the nine.
    let gaps = books(2).gaps();
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    assert!(gaps[2].starts_with("8 answers belonged to no query"));
}

#[test]
fn what_went_on_unseen_may_be_the_contrary_of_what_was_seen() {
    let books = |seen, lost, stray_answers, superseded, drops_unjoined| {
        let ending = Ending {
            carried: 0,
            counters: Counters {
                queries: seen,
                ring_full: lost,
                ..Counters::default()
            },
            stray_answers,
            drops_unjoined,
            ..Ending::default()
        };
        let totals = OutcomeTotals {
            answered: seen - lost - superseded,
            superseded,
            ..OutcomeTotals::default()
        };
        let books = Accounting::new(&ending, totals, 0);
        (books.may_hide_failures(), books.has_traces())
    };
    // Packets of others on their way through, where queries were seen: also none that a filter lets
    // through.
    assert_eq!(books(300, 0, 0, 0, 50), (false, false));
    // One percent, and not fewer than the failures that a rule speaks of.
    assert_eq!(books(300, 3, 0, 0, 0), (false, false));
    assert_eq!(books(299, 3, 0, 0, 0), (true, true));
    assert_eq!(books(20, 2, 0, 0, 0), (false, false));
    // Answers of servers that were slower than another are nothing unseen.
    assert_eq!(books(90, 0, 60, 60, 0), (false, false));
    assert_eq!(books(90, 0, 63, 60, 0), (true, true));
    // Nor are those to queries that were sent before.
    let ending = Ending {
        stray_answers: 9,
        strays_early: 7,
        ..Ending::default()
    };
    let early = Accounting::new(&ending, OutcomeTotals::default(), 0);
    assert!(!early.has_traces() && early.gaps().is_empty());
    // Nothing was seen at all.
    assert_eq!(books(0, 0, 2, 0, 2), (false, false));
    assert_eq!(books(0, 0, 3, 0, 0), (true, true));
    assert_eq!(books(0, 0, 0, 0, 3), (false, true));
}

#[test]
fn any_loss_makes_the_picture_incomplete() {
    let complete = Counters {
        unparsed: 5,
        contradictory: 5,
        ..Counters::default()
    };
    let gaps = |counters: Counters| {
        let ending = Ending {
            carried: 0,
            counters,
            ..Ending::default()
        };
        Accounting::new(&ending, OutcomeTotals::default(), 0).gaps()
    };
    assert!(gaps(complete).is_empty());
    for loss in [
        Counters {
            queries: 1,
            ring_full: 1,
            ..complete
        },
        Counters {
            queries: 1,
            inflight_full: 1,
            ..complete
        },
        Counters {
            queries: 1,
            ..complete
        },
        Counters {
            notice_lost: 1,
            ..complete
        },
        Counters {
            closings_unseen: 1,
            ..complete
        },
        Counters {
            tcp_untracked: 1,
            ..complete
        },
        Counters {
            tcp_gap: 1,
            ..complete
        },
        Counters {
            tcp_split: 1,
            ..complete
        },
        Counters {
            ipv6_chained: 1,
            ..complete
        },
        Counters {
            tcp_crowded: 1,
            ..complete
        },
        Counters {
            missed_runs: 1,
            ..complete
        },
    ] {
        assert!(!gaps(loss).is_empty(), "{loss:?}");
    }
}

proptest! {
    #[test]
    fn every_scope_adds_up_to_the_total(
        attempts in proptest::collection::vec((0..6usize, 0..400u32, 0..300u16, 0..10_000u64), 0..2_000)
    ) {
        let mut fed = Fed::default();
        let mut seen = 0;
        let mut pending = std::collections::HashMap::new();
        for (outcome, pid, port, ms) in attempts {
            let outcome = OUTCOMES[outcome];
            // A late one is a second record if it has a first one.
            let first = pending.entry((pid, port)).or_insert(0u32);
            match outcome {
                Outcome::Late if *first > 0 => *first -= 1,
                // The tracker hands no late one on without its first record.
                Outcome::Late => continue,
                Outcome::Unanswered => {
                    *first += 1;
                    seen += 1;
                }
                _ => seen += 1,
            }
            fed.feed(1, &attempt(("p", pid), &format!("10.0.0.1:{port}"), outcome, ms * MS));
        }
        let snapshot = fed.collector.snapshot();
        prop_assert_eq!(snapshot.client.queries(), seen);
        prop_assert_eq!(snapshot.client.outcomes, fed.totals);
        let processes = snapshot.by_process.rows.iter().map(|row| &row.figures);
        let servers = snapshot.by_server.rows.iter().map(|row| &row.figures);
        let processes: Vec<_> = processes.chain(&snapshot.by_process.others).collect();
        let servers: Vec<_> = servers.chain(&snapshot.by_server.others).collect();
        for scopes in [processes, servers] {
            for pick in [
                |figures: &Figures| figures.queries(),
                |figures: &Figures| figures.outcomes.unanswered,
                |figures: &Figures| figures.outcomes.late,
                |figures: &Figures| figures.slower_than(100 * MS),
                |figures: &Figures| figures.rcodes.values().sum(),
            ] {
                prop_assert_eq!(scopes.iter().map(|f| pick(f)).sum::<u64>(), pick(&snapshot.client));
            }
        }
    }
}
