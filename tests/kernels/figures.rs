//! The job's figures: what the doctor counted against what the mix did.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::column::Cell;
use crate::column::Section;
use crate::promise::Given;
use crate::reported::Counted;
use crate::reported::Diagnosis;
use crate::reported::Mix;
use crate::reported::Outcomes;
use crate::reported::Part;
use crate::reported::Reported;

/// The rule that the mix must trip.
const RULE: &str = "dns_failure_rate";

/// The cells of the job.
pub(crate) fn judge(reported: &Reported, given: Given) -> Vec<Cell> {
    let mut cells = match (&reported.mix, &reported.diagnosis) {
        (Ok(mix), Ok(diagnosis)) => counted(mix, diagnosis, given, reported.is_alone()),
        // Both end in the same way if kerno cannot start; the doctor's reason
        // is the one that tells.
        (_, Err(why)) => vec![Cell::bad(Section::Job, "dns-mix", "NOT RUN", why)],
        (Err(why), _) => vec![Cell::bad(Section::Job, "dns-mix", "NOT RUN", why)],
    };
    if let Some(programs) = reported.programs_in_kernel {
        cells.push(nothing_left(programs, reported.diagnosis.is_ok()));
    }
    cells
}

fn counted(mix: &Mix, diagnosis: &Diagnosis, given: Given, alone: bool) -> Vec<Cell> {
    let mut cells = vec![whole_mix(mix)];
    cells.extend(by_server(mix, diagnosis, given));
    cells.push(server_side(mix, diagnosis, alone));
    cells.push(latency(mix, diagnosis));
    cells.push(finding(diagnosis));
    if alone {
        cells.push(books(diagnosis));
    }
    cells
}

/// A guest has IPv4 and IPv6; what was not asked cannot be judged.
fn whole_mix(mix: &Mix) -> Cell {
    let text = format!("{} queries", mix.total.queries);
    let v6 = |part: &Part| part.server.ip.is_ipv6();
    if mix.rounds == 0 || !mix.parts.iter().any(v6) || mix.parts.iter().all(v6) {
        let why = format!(
            "{} rounds of the mix, not over both IPv4 and IPv6",
            mix.rounds
        );
        return Cell::bad(Section::Job, "dns-mix", text, why);
    }
    Cell::good(Section::Job, "dns-mix", text)
}

/// How the doctor must count a part, as docs/kernels.md has it.
fn expected(part: &Part, given: Given) -> Outcomes {
    let Counted {
        queries,
        answered,
        unanswered,
        refused,
        unheard,
    } = part.counted;
    // A reset of TCP passes the socket as a packet; an ICMP error is only told
    // to a connected socket.
    let seen = part.transport == "tcp" || given.socket_errors;
    let seen_refused = if seen { refused } else { 0 };
    let seen_unheard = if given.no_socket { unheard } else { 0 };
    Outcomes {
        queries,
        answered,
        unanswered: unanswered + (refused - seen_refused) + (unheard - seen_unheard),
        refused: seen_refused + seen_unheard,
        // Only the second message of a resent query is answered.
        answered_after_resend: answered.min(unanswered),
        ..Outcomes::default()
    }
}

/// One row for each address that was asked: a part over IPv4 has its own, those
/// over IPv6 share the one that there is.
fn by_server(mix: &Mix, diagnosis: &Diagnosis, given: Given) -> Vec<Cell> {
    let mut rows: Vec<(String, IpAddr, Outcomes)> = Vec::new();
    let mut shared: BTreeMap<IpAddr, Outcomes> = BTreeMap::new();
    for part in &mix.parts {
        let ip = part.server.ip;
        let expected = expected(part, given);
        match ip {
            IpAddr::V4(_) => rows.push((part.part.clone(), ip, expected)),
            IpAddr::V6(_) => add(shared.entry(ip).or_default(), expected),
        }
    }
    rows.extend(
        shared
            .into_iter()
            .map(|(ip, sum)| ("all over IPv6".to_owned(), ip, sum)),
    );
    rows.iter()
        .map(|(row, ip, expected)| {
            let servers = diagnosis.dns.by_server.iter();
            let found = servers.filter(|one| one.server.ip == *ip);
            let found = found.fold(Outcomes::default(), |mut sum, one| {
                add(&mut sum, one.outcomes);
                sum
            });
            let documented = match ip {
                IpAddr::V4(_) => kinds(found),
                IpAddr::V6(_) => String::new(),
            };
            compare(row, *expected, found).documented(&documented)
        })
        .collect()
}

/// What the servers' sockets saw. Those that answered nothing have no process,
/// so that a filter for this job's process leaves them out.
fn server_side(mix: &Mix, diagnosis: &Diagnosis, alone: bool) -> Cell {
    let Counted {
        answered,
        unanswered,
        ..
    } = mix.total;
    let unanswered = if alone { unanswered } else { 0 };
    let resent: u64 = mix
        .parts
        .iter()
        .map(|p| p.counted.answered.min(p.counted.unanswered))
        .sum();
    let expected = Outcomes {
        queries: answered + unanswered,
        answered,
        unanswered,
        answered_after_resend: resent,
        ..Outcomes::default()
    };
    compare("at the servers", expected, diagnosis.dns.server_side)
}

fn compare(row: &str, expected: Outcomes, found: Outcomes) -> Cell {
    if found == expected {
        return Cell::good(Section::Job, row, short(found));
    }
    let why = format!("the doctor counted {found:?}, but what happened is {expected:?}");
    Cell::bad(Section::Job, row, short(found), why)
}

/// kerno measures in the kernel, so never longer than the program itself did.
fn latency(mix: &Mix, diagnosis: &Diagnosis) -> Cell {
    let row = "half within";
    let Some(latency) = diagnosis.dns.latency_ns else {
        return Cell::bad(Section::Job, row, "NONE", "the doctor has no latency");
    };
    let text = format!("{:.2} ms", latency.p50 as f64 / 1e6);
    if latency.p50 == 0 || latency.max > mix.slowest_answer_ns {
        let why = format!(
            "the doctor measured {latency:?} ns, the program {} ns at most",
            mix.slowest_answer_ns
        );
        return Cell::bad(Section::Job, row, text, why);
    }
    Cell::good(Section::Job, row, text)
}

fn finding(diagnosis: &Diagnosis) -> Cell {
    let rules: Vec<&str> = diagnosis.findings.iter().map(|f| f.rule.as_str()).collect();
    match rules.contains(&RULE) {
        true => Cell::good(Section::Job, RULE, "found"),
        false => {
            let why = format!("the doctor's findings: {rules:?}");
            Cell::bad(Section::Job, RULE, "NOT FOUND", why)
        }
    }
}

fn books(diagnosis: &Diagnosis) -> Cell {
    let (lost, waiting) = (diagnosis.accounting.lost, diagnosis.accounting.in_flight);
    match (lost, waiting) {
        (0, 0) => Cell::good(Section::Job, "lost or waiting", "0"),
        _ => {
            let why = format!("{lost} lost, {waiting} still waiting at the end");
            Cell::bad(
                Section::Job,
                "lost or waiting",
                (lost + waiting).to_string(),
                why,
            )
        }
    }
}

/// Programs have symbols, unless the kernel is told to hide them; then none is
/// seen while the doctor watches either, and the count tells nothing.
fn nothing_left([after_verify, watching, at_the_end]: [u64; 3], watched: bool) -> Cell {
    let row = "left in the kernel";
    if (after_verify, at_the_end) != (0, 0) {
        let why = format!(
            "{after_verify} BPF programs are in the kernel after kerno verify, {at_the_end} at the \
             end"
        );
        return Cell::bad(
            Section::Job,
            row,
            format!("{after_verify}, {at_the_end}"),
            why,
        );
    }
    if watched && watching == 0 {
        let why = "this kernel does not show BPF programs in /proc/kallsyms";
        return Cell::absent(Section::Job, row, "not told", why);
    }
    Cell::good(Section::Job, row, "nothing")
}

fn add(sum: &mut Outcomes, more: Outcomes) {
    sum.queries += more.queries;
    sum.answered += more.answered;
    sum.unanswered += more.unanswered;
    sum.refused += more.refused;
    sum.late += more.late;
    sum.dropped += more.dropped;
    sum.superseded += more.superseded;
    sum.answered_after_resend += more.answered_after_resend;
}

fn each(outcomes: Outcomes) -> [(u64, &'static str); 3] {
    [
        (outcomes.answered, "answered"),
        (outcomes.unanswered, "unanswered"),
        (outcomes.refused, "refused"),
    ]
}

/// `39 answered`; more than one kind as `a48 u14 r18`.
fn short(outcomes: Outcomes) -> String {
    let mut there = each(outcomes).into_iter().filter(|&(count, _)| count > 0);
    match (there.next(), there.next()) {
        (None, _) => "none seen".to_owned(),
        (Some((count, kind)), None) => format!("{count} {kind}"),
        _ => {
            let all = each(outcomes);
            let parts = all.map(|(count, kind)| format!("{}{count}", &kind[..1]));
            parts.join(" ")
        }
    }
}

/// The same without numbers, for the documentation.
fn kinds(outcomes: Outcomes) -> String {
    let there = each(outcomes).into_iter().filter(|&(count, _)| count > 0);
    let mut kinds: Vec<&str> = there.map(|(_, kind)| kind).collect();
    if outcomes.answered_after_resend > 0 {
        kinds = vec!["unanswered, then answered"];
    }
    kinds.join(", ")
}
