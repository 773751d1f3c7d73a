//! Programs that make their own trouble: late readers, search lists, storms.

use super::*;
use crate::attempt::SlowRead;
use crate::doctor::Diagnosis;
use crate::doctor::diagnose;
use crate::doctor::overheard::texts;
use crate::monitor::OnDemand;
use crate::sampler::Process;
use crate::sampler::ResolvConf;

const NXDOMAIN: u16 = 3;
/// The program of [`attempt`].
const CURL: u32 = 4242;

/// All rules together: these are no causes of failed queries.
pub(super) fn diagnosed(incident: Story, reads: &[SlowRead]) -> Diagnosis {
    let (evidence, snapshot) = closed(incident, reads);
    diagnose(&snapshot, &evidence)
}

fn closed(incident: Story, reads: &[SlowRead]) -> (Evidence, Snapshot) {
    let mut incidents = Incidents::default();
    let mut collector = Collector::default();
    for attempt in &incident.attempts {
        incidents.record(attempt, true);
        collector.record(attempt);
    }
    for read in reads {
        incidents.record_slow_read(read, false);
    }
    let window = Duration::from_secs(30);
    let evidence = incidents.close(incident.host, window, Vec::new());
    (evidence, collector.snapshot())
}

pub(super) fn read_late(attempt: &Attempt, lay_ns: u64) -> SlowRead {
    SlowRead {
        at_ns: attempt.end_ns + lay_ns,
        lay_ns,
        owner: attempt.owner,
        cookie: attempt.cookie,
        id: attempt.id.unwrap_or_default(),
    }
}

/// So many answers that lay unread for so long, of twenty that took so long.
fn late_reads(number: usize, lay_ns: u64, took_ns: u64) -> Vec<Finding> {
    late_reads_of(Story::default(), number, lay_ns, took_ns)
}

fn late_reads_of(incident: Story, number: usize, lay_ns: u64, took_ns: u64) -> Vec<Finding> {
    let attempts: Vec<_> = many(20, SERVER, Outcome::Answered)
        .map(|it| Attempt {
            end_ns: it.sent_ns + took_ns,
            ..it
        })
        .collect();
    let reads: Vec<_> = attempts
        .iter()
        .take(number)
        .map(|it| read_late(it, lay_ns))
        .collect();
    let found = diagnosed(incident.with(attempts), &reads).findings;
    let of_rule = |finding: &Finding| finding.rule.name() == "dns_late_reader";
    found.into_iter().filter(of_rule).collect()
}

#[test]
fn dns_is_innocent_if_its_answers_lay_unread() {
    let found = late_reads(10, 300 * MS, MS);
    assert_eq!((found.len(), found[0].queries), (1, 10));
    assert!(found[0].title.ends_with("they came in time"), "{found:?}");
    // Too few, and not long enough.
    assert_eq!(late_reads(9, 300 * MS, MS), []);
    assert_eq!(late_reads(10, 49 * MS, MS), []);
}

#[test]
fn what_lay_in_one_socket_at_once_was_waited_for_once() {
    let one = attempt(1, SERVER, Outcome::Answered);
    let mut pair = read_late(&one, 300 * MS);
    let late = read_late(&one, 400 * MS);
    pair.at_ns = late.at_ns;
    let other = read_late(&attempt(2, SERVER, Outcome::Answered), 100 * MS);
    let lost_ns = crate::incidents::late_reads::lost_ns;
    assert_eq!(lost_ns(&[&pair, &late]), 400 * MS);
    assert_eq!(lost_ns(&[&late, &other, &pair]), 500 * MS);
    // The finding has it, and so have the sums.
    let attempts: Vec<_> = many(20, SERVER, Outcome::Answered).collect();
    let reads: Vec<_> = attempts.iter().map(|it| read_late(it, 300 * MS)).collect();
    let diagnosis = diagnosed(Story::default().with(attempts), &reads);
    assert_eq!(diagnosis.findings[0].lost_ns, 6_000 * MS);
    assert_eq!(diagnosis.losses.by_cause[&Rule::LateReader], 6_000 * MS);
    let whose: Vec<_> = diagnosis.losses.by_workload.values().collect();
    assert_eq!(whose, [&diagnosis.losses.by_cause]);
}

#[test]
fn a_reader_without_a_cpu_is_as_innocent_as_dns() {
    for (share, severity) in [(0.5, Severity::Info), (0.49, Severity::Warning)] {
        let mut incident = Story::default();
        incident.host.readers.insert(CURL, share);
        let found = late_reads_of(incident, 20, 300 * MS, MS);
        assert_eq!((found.len(), found[0].severity), (1, severity), "{share}");
    }
}

/// A CPU limit looks the same, and the group of one that has ended is gone.
#[test]
fn whether_others_had_the_cpu_is_said_only_where_no_limit_is_known_to() {
    let cause = |is_quota_known| {
        let mut incident = Story::default();
        incident.host.readers.insert(CURL, 0.9);
        let client = Process {
            is_quota_known,
            ..Process::default()
        };
        incident.host.clients.insert(CURL, client);
        late_reads_of(incident, 20, 300 * MS, MS)[0].cause.clone()
    };
    assert!(cause(true).contains("too little CPU for all that run on it"));
    let unknown = cause(false);
    assert!(unknown.contains("is not known"), "{unknown}");
    assert!(!unknown.contains("too little CPU"), "{unknown}");
}

#[test]
fn a_cpu_limit_that_stopped_the_reader_is_told() {
    let told = |periods| {
        let mut incident = Story::default();
        let client = Process {
            quota: Some(servers::quota(periods)),
            is_quota_known: true,
            ..Process::default()
        };
        incident.host.clients.insert(CURL, client);
        let found = late_reads_of(incident, 20, 300 * MS, MS).remove(0);
        let lines: Vec<_> = texts(&found).cloned().collect();
        lines.join("\n")
    };
    let (stopped, free) = (told(90), told(0));
    for sentence in [
        "because its CPU limit had stopped it.",
        "Its cgroup /sys/fs/cgroup/cpu/dns was stopped by its CPU limit in 90 of 100 quota periods.",
        "Raise its CPU limit, or let it do less at once.",
    ] {
        assert!(stopped.contains(sentence), "{stopped}");
        assert!(!free.contains(sentence), "{free}");
    }
}

#[test]
fn reads_that_were_looked_at_for_a_part_of_the_time_are_told_as_such() {
    let attempts: Vec<_> = many(20, SERVER, Outcome::Answered).collect();
    let reads: Vec<_> = attempts.iter().map(|it| read_late(it, 300 * MS)).collect();
    let (mut evidence, snapshot) = closed(Story::default().with(attempts), &reads);
    let mut told = |seconds| {
        evidence.on_demand = Some(OnDemand {
            reads: Duration::from_secs(seconds),
            ..OnDemand::default()
        });
        diagnose(&snapshot, &evidence).findings[0]
            .evidence
            .join("\n")
    };
    let part = "Reads were looked at for 50 % of the time, so that there may have been more.";
    assert!(told(15).contains(part));
    assert!(!told(30).contains("were looked at"));
}

#[test]
fn nobody_is_called_innocent_who_is_slow_himself() {
    let found = late_reads(20, 300 * MS, 200 * MS);
    assert_eq!((found.len(), found[0].queries), (1, 20));
    assert!(!found[0].title.contains("in time"), "{found:?}");
}

/// Lookups of these names with a search list, as glibc makes them.
pub(super) fn searching(names: u64, times: u64, search: &[&str]) -> Story {
    let mut attempts = Vec::new();
    for n in 0..names * times {
        let name = format!("api{}.example.com", n % names);
        let ask = |place: u64, name: &str, rcode| {
            let it = attempt(n * 10 + place, SERVER, Outcome::Answered);
            let question = question(name, TYPE_A);
            Attempt {
                question,
                ..answered_with(it, rcode)
            }
        };
        for (place, suffix) in (0..).zip(search) {
            attempts.push(ask(place, &format!("{name}.{suffix}"), NXDOMAIN));
        }
        attempts.push(ask(9, &name, 0));
    }
    let mut incident = Story::default().with(attempts);
    let resolv_conf = ResolvConf {
        path: std::path::PathBuf::from("/etc/resolv.conf"),
        nameservers: Vec::new(),
        search: search.iter().map(|&suffix| suffix.to_owned()).collect(),
        ndots: 5,
    };
    let client = Process {
        resolv_conf: Some(resolv_conf),
        ..Process::default()
    };
    incident.host.clients.insert(CURL, client);
    incident
}

fn searched(names: u64, times: u64, search: &[&str]) -> Vec<Finding> {
    let found = diagnosed(searching(names, times, search), &[]).findings;
    let of_rule = |finding: &Finding| finding.rule.name() == "dns_search_amplification";
    found.into_iter().filter(of_rule).collect()
}

#[test]
fn tries_of_search_domains_are_counted() {
    let three = ["default.svc.lab", "svc.lab", "lab"];
    let found = searched(4, 20, &three);
    assert_eq!((found.len(), found[0].queries), (1, 240));
    assert_eq!(found[0].severity, Severity::Warning);
    // Under 50 in all.
    assert_eq!(searched(4, 4, &three), []);
    assert_eq!(searched(4, 20, &[]), []);
}

#[test]
fn a_storm_is_the_load_of_its_server_not_of_the_host() {
    let mut attempts = Vec::new();
    for n in 0..1_000 {
        let outcome = match n % 4 {
            0 => Outcome::Unanswered,
            _ => Outcome::Answered,
        };
        let mut query = attempt(n, SERVER, outcome);
        query.question = question("db.example.com", TYPE_A);
        attempts.push(query);
    }
    // Others ask another server more than that.
    let others = |server| {
        (2_000..5_000).map(move |n| {
            let mut query = attempt(n, server, Outcome::Answered);
            query.owner.pid = Some(100 + (n % 20) as u32);
            query.owner.netns = NODE;
            query
        })
    };
    let elsewhere = Story::default().with(attempts.clone()).with(others(OTHER));
    assert_eq!(elsewhere.said(), [("dns_storm", 250)]);
    // Or another one that has the same address, in a namespace of its own.
    let views: Vec<_> = attempts
        .iter()
        .map(|query| at_server(query, 53, query.outcome, MS))
        .chain(others(SERVER).map(|query| {
            let mut view = at_server(&query, 54, query.outcome, MS);
            view.owner.netns = POD + 1;
            view
        }))
        .collect();
    let apart = Story::default()
        .with(attempts.clone())
        .with(others(SERVER))
        .with(views);
    assert_eq!(apart.said(), [("dns_storm", 250)]);
    // At the same server it is not the load.
    let same = Story::default().with(attempts).with(others(SERVER));
    assert_eq!(same.said(), [("dns_unknown", 250)]);
}

/// A script that starts a program for each lookup: no number of a process leads
/// anywhere when the report is read.
#[test]
fn a_crowd_of_short_lived_processes_has_one_name_and_no_numbers() {
    let explain = |processes: u32| {
        let asked = (0..30).map(|n| {
            let mut attempt = attempt(n, SERVER, Outcome::Unanswered);
            attempt.owner.pid = Some(n as u32 % processes);
            attempt.owner.netns = NODE;
            attempt
        });
        let explanation = Story::default().with(asked).explain();
        let finding = &explanation.findings[0];
        (finding.evidence.join("\n"), finding.fix.join("\n"))
    };
    let (evidence, fix) = explain(30);
    assert!(
        evidence.contains("Asked by 30 processes named "),
        "{evidence}"
    );
    let command = format!("nsenter -t \"$(lsns -t net -no PID {NODE} | head -1)\" -n dig");
    assert!(fix.contains(&command), "{fix}");
    // One that nobody could look at may be gone, too.
    let (evidence, fix) = explain(1);
    assert!(evidence.contains("(pid 0)"), "{evidence}");
    assert!(fix.contains(&command), "{fix}");
}

/// Into a namespace leads who lives there, not who has a socket in it: dockerd asks from
/// within the namespaces of its containers.
#[test]
fn a_namespace_is_entered_by_a_living_process_of_its_own() {
    let fix = |netns, ended| {
        let asked = many(30, SERVER, Outcome::Unanswered).map(|mut attempt| {
            attempt.owner.netns = NODE;
            attempt
        });
        let mut story = Story::default().with(asked);
        let process = Process {
            netns: Some(netns),
            ended,
            ..Process::default()
        };
        story.host.clients.insert(CURL, process);
        story.explain().findings[0].fix.join("\n")
    };
    let by_number = format!("lsns -t net -no PID {NODE}");
    let by_process = format!("nsenter -t {CURL} -n");
    assert!(fix(NODE, false).contains(&by_process));
    for other in [fix(POD, false), fix(NODE, true)] {
        assert!(other.contains(&by_number), "{other}");
        assert!(!other.contains(&by_process), "{other}");
    }
}

/// A lookup by the C library: each suffix is tried for both types, then the name itself.
#[test]
fn a_search_list_tells_how_many_queries_a_lookup_takes() {
    let mut story = searching(10, 10, &["svc.lab", "lab"]);
    for it in &mut story.attempts {
        it.owner.tid = it.owner.pid;
        // One after the other.
        let n = it.id.unwrap_or_default();
        it.sent_ns = u64::from(n / 10) * 1_000 * MS + u64::from(n % 10) * 2 * MS;
        it.first_ns = it.sent_ns;
        it.end_ns = it.sent_ns + MS;
    }
    let closed = windows::closed(&story.attempts, 0);
    let mut evidence = closed.evidence();
    evidence.host = story.host.clone();
    let findings = diagnose(&closed.snapshot(), &evidence).findings;
    let rule = Rule::SearchAmplification;
    let found = findings
        .iter()
        .find(|it| it.rule == rule)
        .expect("a finding");
    let told = "100 lookups of curl (pid 4242) took 3.0 queries each.";
    assert!(found.evidence.iter().any(|it| it == told), "{found:#?}");
    // The time for the suffixes is the finding's.
    assert!(found.lost_ns > 0, "{found:#?}");
}
