//! Which metrics there are: docs/metrics.md has each, and a test holds the two together.

use std::collections::BTreeSet;
use std::fmt::Error;
use std::time::Duration;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::Figures;
use super::Metrics;
use super::counted::Counted;
use super::families::Families;
use super::labels::Labels;
use super::own::Own;
use super::totals::Askers;
use super::totals::Totals;
use crate::doctor::Verdict;
use crate::host::proc::Root;

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let own = Own::read(&Root::default());
        let figures = self.lock();
        let mut families = Families(encoder);
        queries(&mut families, &figures.totals)?;
        failures(&mut families, &figures.totals)?;
        workloads(&mut families, &figures.totals)?;
        findings(&mut families, &figures)?;
        books(&mut families, &figures)?;
        bounds(&mut families, &figures)?;
        if let Some(counted) = &figures.counted {
            counted.write(&mut families)?;
        }
        figures.standing.write(&mut families)?;
        process(&mut families, &own)
    }
}

fn one(name: &'static str, value: impl Into<String>) -> Labels {
    vec![(name, value.into())]
}

fn role(role: &'static str) -> (&'static str, String) {
    ("role", role.to_owned())
}

fn nanoseconds(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}

fn queries(families: &mut Families<'_>, totals: &Totals) -> Result<(), Error> {
    let mut ended = Vec::new();
    let mut times = Vec::new();
    let mut late = Vec::new();
    let clients = totals.servers.iter();
    let clients = clients.map(|(server, it)| (vec![role("client"), server.label()], it));
    for (labels, asked) in clients.chain([(vec![role("server")], &totals.served)]) {
        for (outcome, number) in asked.ends.by_name() {
            let outcome = ("outcome", outcome.to_owned());
            ended.push(([labels.clone(), vec![outcome]].concat(), number));
        }
        late.push((labels.clone(), asked.ends.late_answers));
        times.push((labels, asked.times));
    }
    families.counter(
        "kerno_dns_queries",
        "Query attempts that have ended, by how",
        ended,
    )?;
    families.counter(
        "kerno_dns_late_answers",
        "Answers to attempts that had been given up on and are counted as unanswered",
        late,
    )?;
    let rcodes = [
        ("client", &totals.client_rcodes),
        ("server", &totals.server_rcodes),
    ];
    let rcodes = rcodes.iter().flat_map(|(whose, all)| {
        let labels = |rcode: &String| vec![role(whose), ("rcode", rcode.clone())];
        all.iter().map(move |(rcode, n)| (labels(rcode), *n))
    });
    families.counter(
        "kerno_dns_answers",
        "Answers by response code, late ones too",
        rcodes,
    )?;
    families.histogram(
        "kerno_dns_query_duration_seconds",
        "From a query to its answer, of attempts that were answered in time",
        times,
    )?;
    let lookups = &totals.lookups;
    let results = [("failed", lookups.failed), ("ok", lookups.ok)];
    families.counter(
        "kerno_dns_lookups",
        "Lookups of programs that are over: all attempts of one getaddrinfo() together",
        results.map(|(result, number)| (one("result", result), number)),
    )?;
    families.histogram(
        "kerno_dns_lookup_duration_seconds",
        "How long programs waited for a lookup that is over",
        [(vec![role("client")], lookups.times)],
    )
}

fn failures(families: &mut Families<'_>, totals: &Totals) -> Result<(), Error> {
    let by_cause = totals.servers.iter().flat_map(|(server, asked)| {
        let failures = asked.failures.iter();
        failures.map(|(rule, number)| {
            let cause = ("cause", rule.name().to_owned());
            (vec![cause, server.label()], *number)
        })
    });
    families.counter(
        "kerno_dns_failures",
        "Failed attempts of clients by their one cause; all together are all that failed",
        by_cause,
    )?;
    let lost = totals.lost_ns.iter();
    families.seconds(
        "kerno_dns_lost_seconds",
        "Time that lookups lost, by its cause",
        lost.map(|(rule, ns)| (one("cause", rule.name()), nanoseconds(*ns))),
    )
}

fn workloads(families: &mut Families<'_>, totals: &Totals) -> Result<(), Error> {
    // What goes wrong is there, as 0, as soon as its workload is.
    let results = |it: &Askers| [("failed", it.failed), ("ok", it.ok), ("slow", it.slow)];
    let queries = totals.workloads.iter().flat_map(|(whom, asker)| {
        results(asker).map(|(result, number)| {
            let mut labels = whom.labels();
            labels.push(("result", result.to_owned()));
            (labels, number)
        })
    });
    families.counter(
        "kerno_dns_workload_queries",
        "Attempts of a workload: answered within 100 ms, answered later, failed",
        queries,
    )?;
    let all = || totals.workloads.iter();
    families.seconds(
        "kerno_dns_workload_duration_seconds",
        "Time from query to answer, of all answers that a workload got in time",
        all().map(|(whom, it)| (whom.labels(), nanoseconds(it.took_ns))),
    )?;
    families.seconds(
        "kerno_dns_workload_lost_seconds",
        "Time that a workload's lookups lost",
        all().map(|(whom, it)| (whom.labels(), nanoseconds(it.lost_ns))),
    )?;
    let blames = totals.blames.iter();
    families.counter(
        "kerno_dns_workload_failures",
        "Failed attempts of a workload by their one cause",
        blames.map(|(blame, number)| (blame.labels(), *number)),
    )
}

fn findings(families: &mut Families<'_>, figures: &Figures) -> Result<(), Error> {
    let open = figures.findings.iter().map(|(labels, server)| {
        let server = server.map(|it| figures.totals.shown(it).label());
        labels.iter().cloned().chain(server).collect::<Labels>()
    });
    // Several servers may be told as the others.
    let open: BTreeSet<_> = open.collect();
    families.gauge(
        "kerno_finding",
        "1 for each finding that is open, as the log tells it: the last minute had it, or did up to 30 s ago",
        open.into_iter().map(|labels| (labels, 1.0)),
    )?;
    let queries = figures.finding_queries.iter();
    families.gauge(
        "kerno_finding_queries",
        "Queries that the open findings of a rule explain, in the last minute that had them",
        queries.map(|(rule, number)| (one("rule", rule.name()), *number as f64)),
    )?;
    let verdicts = [
        ("critical", Verdict::Critical),
        ("healthy", Verdict::Healthy),
        ("no_traffic", Verdict::NoTraffic),
        ("unknown", Verdict::Unknown),
        ("warning", Verdict::Warning),
    ];
    let is_it = |verdict| f64::from(u8::from(figures.verdict == Some(verdict)));
    families.gauge(
        "kerno_verdict",
        "1 for the verdict: the worst that is open, else that on the last minute",
        verdicts.map(|(name, verdict)| (one("verdict", name), is_it(verdict))),
    )?;
    let signals = figures.signals.iter();
    let is_there = |missing: bool| f64::from(u8::from(!missing));
    families.gauge(
        "kerno_signal_available",
        "1 if this kernel gives the signal; what is missing, `kerno verify` says",
        signals.map(|it| {
            (
                one("signal", it.name.hook()),
                is_there(it.missing.is_some()),
            )
        }),
    )
}

fn books(families: &mut Families<'_>, figures: &Figures) -> Result<(), Error> {
    let books = &figures.books;
    let named = |name, all: &[(&'static str, u64)]| {
        let all = all.iter().map(|(what, number)| (one(name, *what), *number));
        all.collect::<Vec<_>>()
    };
    families.counter(
        "kerno_queries_seen",
        "Attempts that the kernel side saw, of both roles",
        [(Labels::new(), books.seen)],
    )?;
    families.counter(
        "kerno_queries_ended",
        "Attempts whose end is known; with those lost and in flight they are all that were seen",
        [(Labels::new(), books.ended)],
    )?;
    families.gauge(
        "kerno_queries_in_flight",
        "Attempts that waited when the last ten seconds were over",
        [(Labels::new(), books.in_flight as f64)],
    )?;
    families.counter(
        "kerno_lost",
        "Attempts that were seen and whose end is not known, by where it was lost",
        named("place", &books.lost),
    )?;
    families.counter(
        "kerno_unseen",
        "What else was lost, left out or could not be joined; not all of it is queries",
        named("what", &books.unseen),
    )?;
    families.counter(
        "kerno_windows_judged",
        "Windows of ten seconds that these metrics are made of",
        [(Labels::new(), books.windows)],
    )?;
    let end = books
        .end
        .and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
    families.gauge(
        "kerno_window_end_timestamp_seconds",
        "When the last of them ended",
        end.map(|end| (Labels::new(), end.as_secs_f64())),
    )
}

fn bounds(families: &mut Families<'_>, figures: &Figures) -> Result<(), Error> {
    let totals = &figures.totals;
    let mut tables = vec![
        ("kerno_dns_queries_total", totals.servers.bounds()),
        ("kerno_dns_workload_failures_total", totals.blames.bounds()),
        (
            "kerno_dns_workload_queries_total",
            totals.workloads.bounds(),
        ),
    ];
    let counted = figures.counted.as_ref().map(Counted::bounds);
    tables.extend(counted.map(|bounds| ("kerno_kernel_events_total", bounds)));
    let of = |metric: &'static str| one("metric", metric);
    let all = || tables.iter();
    families.gauge(
        "kerno_label_sets",
        "How many servers, workloads, or workloads with a cause have series of their own",
        all().map(|(metric, it)| (of(metric), it.number as f64)),
    )?;
    families.gauge(
        "kerno_label_sets_max",
        "How many may have; the rest is counted as `other`",
        all().map(|(metric, it)| (of(metric), it.max as f64)),
    )?;
    families.counter(
        "kerno_label_overflow",
        "What was counted as `other` because there was no room: attempts, or events of counters",
        all().map(|(metric, it)| (of(metric), it.overflown)),
    )
}

fn process(families: &mut Families<'_>, own: &Own) -> Result<(), Error> {
    let nobody = Labels::new;
    families.seconds(
        "process_cpu_seconds",
        "CPU time that kerno has used, in user space and in system calls",
        own.cpu.map(|cpu| (nobody(), cpu)),
    )?;
    families.gauge(
        "process_resident_memory_bytes",
        "Memory of kerno that is resident",
        own.resident_octets.map(|it| (nobody(), it as f64)),
    )?;
    families.gauge(
        "process_threads",
        "Threads of kerno",
        own.threads.map(|it| (nobody(), it as f64)),
    )?;
    families.gauge(
        "process_open_fds",
        "File descriptors that kerno has open, up to 4096",
        own.descriptors.map(|it| (nobody(), it as f64)),
    )?;
    families.gauge(
        "process_start_time_seconds",
        "When kerno was started, in seconds since 1970",
        own.started.map(|it| (nobody(), it.as_secs_f64())),
    )
}
