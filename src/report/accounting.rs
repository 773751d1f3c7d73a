//! Whether the picture is complete, and what is missing from it.

use crate::collect::Accounting;
use crate::collect::Snapshot;
use crate::units;

/// One sentence for each thing that is missing; empty if nothing is.
pub(super) fn gaps(accounting: &Accounting) -> Vec<String> {
    let lost = |n: u64, why: &str| {
        let share = units::percent(n, accounting.queries_seen);
        let lost = units::counted(n, "query was lost", "queries were lost");
        (n > 0).then(|| format!("{lost} on the way to kerno ({share} of those seen): {why}."))
    };
    let (in_flight, ring) = (
        accounting.lost_by.inflight_full,
        accounting.lost_by.ring_full,
    );
    let mut gaps = Vec::new();
    gaps.extend(lost(in_flight, "too many queries were waiting at once"));
    gaps.extend(lost(ring, "they came faster than kerno could read them"));
    if accounting.notice_lost > 0 {
        gaps.push(format!(
            "{} lost on the way to kerno, so some queries that failed or were late count as \
             unanswered.",
            units::counted(
                accounting.notice_lost,
                "error or late answer was",
                "errors or late answers were"
            )
        ));
    }
    if accounting.drops_unseen > 0 {
        let queries = units::queries(accounting.drops_unseen);
        gaps.push(format!(
            "The kernel did not tell kerno that it discarded {queries}; counted with others that \
             were sent to the same place at the same time."
        ));
    }
    if accounting.missed_runs > 0 {
        gaps.push(format!(
            "The kernel left kerno's programs out {}, for packets of any kind, so some queries \
             that it discarded may count as unanswered.",
            units::counted(accounting.missed_runs, "time", "times")
        ));
    }
    if accounting.tcp_unseen() > 0 {
        gaps.push(format!(
            "DNS over TCP could not be read in {}, so some queries over TCP are missing.",
            units::counted(accounting.tcp_unseen(), "place", "places")
        ));
    }
    let balance = accounting.balance();
    let fault = match balance {
        0 => return gaps,
        1.. => "seen but not accounted for",
        _ => "counted more than once",
    };
    let queries = units::counted(balance.unsigned_abs(), "query was", "queries were");
    gaps.push(format!(
        "{queries} {fault}. That is a fault in kerno; please report it."
    ));
    gaps
}

/// What was seen on this host, all filters aside.
pub(super) fn seen(accounting: &Accounting, dns: &Snapshot) -> String {
    let queries = units::queries(accounting.queries_seen);
    let mut seen = format!("kerno saw {queries} on this host");
    if dns.client.queries() > 0 && dns.server_side.queries() > 0 {
        seen += " (one between two programs of this host counts on both sides)";
    }
    if accounting.in_flight > 0 {
        seen += &format!(
            "; {} still waiting at the end",
            units::count(accounting.in_flight)
        );
    }
    if accounting.unparsed > 0 {
        seen += &format!(
            "; {} on a DNS port that {} not DNS",
            units::counted(accounting.unparsed, "message", "messages"),
            if accounting.unparsed == 1 {
                "was"
            } else {
                "were"
            }
        );
    }
    seen + "."
}
