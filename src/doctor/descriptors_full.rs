//! Rule `dns_descriptors_full`: without a file descriptor there is no socket, and no query.

use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::rule::Rule;
use super::who;
use crate::collect::Snapshot;
use crate::incidents::Evidence;
use crate::sampler::Full;
use crate::shell::Command;
use crate::units;

/// One finding for each process that has none left, and one if all together have none. Who
/// asked nothing that the report is about has no part in it.
pub(super) fn check(evidence: &Evidence, snapshot: &Snapshot) -> Vec<Finding> {
    let found = &evidence.host.descriptors;
    let told = &snapshot.by_process;
    let is_told = |pid: u32| {
        let is_client = evidence.host.clients.contains_key(&pid);
        let is_server = evidence.host.servers.contains_key(&pid);
        let has_row = || told.rows.iter().any(|row| row.whom.pid == Some(pid));
        is_server || !is_client || told.others.is_some() || has_row()
    };
    let each = found.full.iter().filter(|(pid, _)| is_told(**pid));
    let each = each.map(|(pid, full)| of_process(*pid, full, evidence));
    each.chain(found.of_all.map(of_all)).collect()
}

const WHY: &str = "Each socket takes a file descriptor. With none left, socket() fails with EMFILE, so a lookup \
                   fails at once, before there is a query: none of these is in the figures.";

fn of_process(pid: u32, full: &Full, evidence: &Evidence) -> Finding {
    let name = who::process(Some(pid), full.comm);
    let (open, limit) = (units::count(full.open), units::count(full.limit));
    let has_asked = evidence.host.clients.contains_key(&pid);
    let has_answered = evidence.host.servers.contains_key(&pid);
    let (severity, seen) = match (has_asked, has_answered) {
        (_, true) => (
            Severity::Warning,
            "It answers DNS queries: it cannot take connections over TCP or ask others.",
        ),
        (true, _) => (
            Severity::Warning,
            "It asked DNS servers in this time; what it could not ask is not seen.",
        ),
        _ => (
            Severity::Info,
            "It was not seen to ask for a name in this time: it may have nothing to ask, or be unable to.",
        ),
    };
    let times = units::counted(full.times, "time", "times");
    let pid_word = pid.to_string();
    let host = &evidence.host;
    let known = [host.clients.get(&pid), host.servers.get(&pid)];
    let is_gone = known.into_iter().flatten().any(|it| it.ended);
    let count = Command::new("ls -l").word(format!("/proc/{pid}/fd"));
    let limits = Command::new("prlimit --pid")
        .word(&pid_word)
        .and("--nofile");
    let explanation = Explanation::of(
        format!("{name} has used up its file descriptors"),
        WHY,
        "Whatever the program looks up fails for it alone, with an error that looks like one of DNS \
         (EAI_SYSTEM, EAI_AGAIN, \"Too many open files\").",
    )
    .line(format!(
        "{name} had {open} descriptors open, and may have {limit} (RLIMIT_NOFILE). It was found so {times}.",
    ))
    .line(seen.to_owned())
    .with(|it| match is_gone {
        true => it,
        false => it
            .run(
                "See what it has open; what is there many times it does not close:",
                count,
            )
            .run("See its limit:", limits),
    })
    .say(
        "Repair what it leaves open. Until then raise the limit and start it again: `LimitNOFILE=` of its unit, \
         `docker run --ulimit nofile=`.",
    );
    Finding {
        hit_hardest: Some(name),
        scope: Subject::process(Some(pid), full.comm),
        ..explanation.finding(
            Rule::DescriptorsFull,
            severity,
            measured(full.open, full.limit),
        )
    }
}

fn of_all((open, most): (u64, u64)) -> Finding {
    let explanation = Explanation::of(
        "All processes together have used up the files that this host allows",
        "Each socket is a file of the kernel. With none left, socket() fails with ENFILE for every program \
         without CAP_SYS_ADMIN, so lookups fail at once, before there is a query: none of these is in the figures.",
        "Lookups of all programs fail, and much else does.",
    )
    .line(format!(
        "At the end {} files were open, and {} may be (fs.file-max).",
        units::count(open),
        units::count(most)
    ))
    .run("Raise the limit:", Command::new("sysctl -w").word(format!("fs.file-max={}", most.saturating_mul(2))))
    .say("See who has most of them: `lsof -n | cut -d' ' -f1 | sort | uniq -c | sort -n | tail`");
    explanation.finding(
        Rule::DescriptorsFull,
        Severity::Critical,
        measured(open, most),
    )
}

/// How many are used, in percent.
fn measured(open: u64, limit: u64) -> Measured {
    Measured::percent(units::ratio(open, limit), 100)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::attempt::Comm;
    use crate::collect::Figures;
    use crate::collect::ProcessKey;
    use crate::collect::Row;
    use crate::incidents::Incidents;
    use crate::sampler::HostSample;
    use crate::sampler::Process;

    /// Asks what the report is not about.
    const OTHERS: u32 = 99;

    fn found(change: impl Fn(&mut HostSample)) -> Vec<Finding> {
        let mut host = HostSample::default();
        change(&mut host);
        let evidence = Incidents::default().close(host, Duration::from_secs(30), Vec::new());
        let mut snapshot = Snapshot::default();
        for &pid in evidence.host.clients.keys().filter(|pid| **pid != OTHERS) {
            snapshot.by_process.rows.push(Row {
                whom: ProcessKey {
                    pid: Some(pid),
                    comm: Comm::default(),
                },
                figures: Figures::default(),
            });
        }
        check(&evidence, &snapshot)
    }

    fn full(host: &mut HostSample, pid: u32, comm: &str, limit: u64) {
        let full = Full {
            comm: Comm::new(comm.as_bytes()),
            open: limit,
            limit,
            times: 3,
        };
        host.descriptors.full.insert(pid, full);
    }

    #[test]
    fn who_has_none_left_is_named_with_the_limit() {
        for (comm, limit, told) in [
            ("curl", 64, "64"),
            ("java", 1_024, "1,024"),
            ("node", 65_536, "65,536"),
        ] {
            let mut findings = found(|host| {
                full(host, 4_242, comm, limit);
                host.clients.insert(4_242, Process::default());
            });
            assert_eq!(findings.len(), 1);
            let it = findings.remove(0);
            assert_eq!(
                (it.rule, it.severity, it.queries),
                (Rule::DescriptorsFull, Severity::Warning, 0)
            );
            assert_eq!(
                it.title,
                format!("{comm} (pid 4242) has used up its file descriptors")
            );
            let line = format!(
                "{comm} (pid 4242) had {told} descriptors open, and may have {told} (RLIMIT_NOFILE). It was found so 3 times."
            );
            assert!(it.evidence.contains(&line), "{it:#?}");
            assert!(
                it.fix
                    .iter()
                    .any(|step| step.contains("`ls -l /proc/4242/fd`")),
                "{it:#?}"
            );
        }
    }

    #[test]
    fn no_command_has_the_number_of_one_that_is_gone() {
        let of = |ended| {
            found(|host| {
                full(host, 4_242, "curl", 64);
                let process = Process {
                    ended,
                    ..Process::default()
                };
                host.clients.insert(4_242, process);
            })
        };
        let names_it = |ended| of(ended)[0].fix.iter().any(|it| it.contains("4242"));
        assert!(names_it(false) && !names_it(true));
    }

    #[test]
    fn who_asks_nobody_is_a_note_and_a_server_is_not() {
        let note = found(|host| full(host, 7, "cron", 64));
        assert_eq!(note[0].severity, Severity::Info);
        assert!(
            note[0]
                .evidence
                .iter()
                .any(|it| it.contains("was not seen to ask"))
        );
        let server = found(|host| {
            full(host, 7, "unbound", 64);
            host.servers.insert(7, Process::default());
        });
        assert_eq!(server[0].severity, Severity::Warning);
        assert!(
            server[0]
                .evidence
                .iter()
                .any(|it| it.contains("It answers DNS queries"))
        );
    }

    #[test]
    fn the_host_itself_may_have_none_left() {
        let findings = found(|host| host.descriptors.of_all = Some((1_999, 2_000)));
        assert_eq!(
            (findings[0].severity, findings[0].scope.pid),
            (Severity::Critical, None)
        );
        assert!(findings[0].evidence[0].contains("1,999 files were open, and 2,000 may be"));
        assert!(findings[0].fix[0].contains("`sysctl -w fs.file-max=4000`"));
        assert_eq!(found(|_| ()), []);
    }

    #[test]
    fn who_asks_what_the_report_is_not_about_is_not_told() {
        let told = |pid| {
            found(|host| {
                full(host, pid, "leaky", 64);
                host.clients.insert(pid, Process::default());
            })
        };
        assert_eq!(told(7).len(), 1);
        assert_eq!(told(OTHERS).len(), 0);
    }
}
