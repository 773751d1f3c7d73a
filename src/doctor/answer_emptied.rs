//! Rule `dns_answer_emptied`: a forwarder on this host gets records, and hands on none.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use domain::base::iana::Rtype;

use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::rule::Rule;
use super::said;
use super::said::Questions;
use super::who;
use crate::attempt::Comm;
use crate::attempt::Fingerprint;
use crate::attempt::Role;
use crate::incidents::Asking;
use crate::incidents::Evidence;
use crate::incidents::Said;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// A forwarder: its namespace, where it is asked, and its process.
type Forwarder = (u32, SocketAddr, u32);

#[derive(Debug, Default)]
struct Emptied {
    questions: Questions,
    comm: Comm,
    /// What its upstreams had answered, records all of it.
    records: u64,
    upstreams: Vec<SocketAddr>,
    /// It is IPv6 addresses alone: some filter these on purpose.
    is_aaaa_only: bool,
}

/// One finding for each forwarder.
pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let is_empty = |asking: &Asking, said: &Said| asking.role == Role::Server && said.records == 0;
    let empty = evidence.answers.iter();
    let empty = empty.filter(|(asking, said)| is_empty(asking, said));
    let servers: HashSet<u32> = empty.filter_map(|(_, said)| said.pid).collect();
    let is_server = |said: &Said| said.pid.is_some_and(|pid| servers.contains(&pid));
    // What each of these processes was told by others.
    let asked = |asking: &Asking, said: &Said| asking.role == Role::Client && is_server(said);
    let asked = said::sorted(evidence, asked);
    if asked.is_empty() {
        return Vec::new();
    }
    let mut told: HashMap<(u32, Fingerprint), Vec<(SocketAddr, &Said)>> = HashMap::new();
    for (asking, said) in asked {
        if let Some(pid) = said.pid {
            let told = told.entry((pid, asking.question)).or_default();
            told.push((asking.server, said));
        }
    }
    let mut forwarders: BTreeMap<Forwarder, Emptied> = BTreeMap::new();
    for (asking, handed_on) in said::sorted(evidence, is_empty) {
        let Some(pid) = handed_on.pid else { continue };
        let Some(got) = told.get(&(pid, asking.question)) else {
            continue;
        };
        let is_full = |said: &Said| said.records > 0 && said.records == said.answers();
        if !got.iter().all(|(_, said)| is_full(said)) {
            continue;
        }
        let key = (asking.netns, asking.server, pid);
        let is_aaaa = asking.question.rtype == Rtype::AAAA;
        let emptied = forwarders.entry(key).or_insert_with(|| Emptied {
            comm: handed_on.comm,
            is_aaaa_only: true,
            ..Emptied::default()
        });
        emptied.is_aaaa_only &= is_aaaa;
        for (server, said) in got {
            emptied.records += said.records;
            if !emptied.upstreams.contains(server) {
                emptied.upstreams.push(*server);
            }
        }
        // The server's own view has no octets of the question.
        if let Some((_, named)) = got.first() {
            emptied.questions.add(named, handed_on.answers());
        }
    }
    let told = forwarders.into_iter();
    let told = told.filter(|(_, it)| it.questions.answers >= FAILURES_MIN);
    told.map(|(forwarder, emptied)| finding(evidence, forwarder, &emptied))
        .collect()
}

fn finding(evidence: &Evidence, (netns, server, pid): Forwarder, emptied: &Emptied) -> Finding {
    let Emptied {
        questions, comm, ..
    } = emptied;
    let name = who::process(Some(pid), *comm);
    let upstreams: Vec<_> = emptied.upstreams.iter().map(ToString::to_string).collect();
    let upstreams = match &upstreams[..] {
        [one] => one.clone(),
        many => format!("{} servers", many.len()),
    };
    let which = match emptied.is_aaaa_only {
        true => " to AAAA (IPv6)",
        false => "",
    };
    let explanation = Explanation::of(
        format!("{name} takes the records out of answers{which}"),
        "The forwarder on this host was given records, and hands the same answers on without any. It \
         does so on purpose: protection against DNS rebinding takes private addresses out (dnsmasq \
         `stop-dns-rebind`, unbound `private-address`, OpenWrt and Fritz!Box by default), filters \
         take IPv6 out (`filter-AAAA`).",
        "These names have no address for its clients, though they have one in truth: internal names \
         are the usual victims.",
    )
    .line(format!(
        "{upstreams} answered it with records {}; of the same questions {} handed on, and none had \
         a record.",
        units::counted(emptied.records, "time", "times"),
        units::counted(questions.answers, "answer was", "answers were"),
    ))
    .lines(questions.examples())
    .run(
        "Ask the forwarder:",
        questions.dig(evidence, netns, server),
    )
    .with(|it| match emptied.upstreams.first() {
        Some(upstream) => it.run(
            "… and its upstream:",
            questions.dig(evidence, netns, *upstream),
        ),
        None => it,
    })
    .say(
        "Let these zones through: dnsmasq `rebind-domain-ok=/corp.example/`, unbound \
         `private-domain:`, in a router the exception of its rebind protection.",
    );
    let severity = match emptied.is_aaaa_only {
        true => Severity::Info,
        false => Severity::Warning,
    };
    Finding {
        scope: Subject {
            netns: (netns != 0).then_some(netns),
            ..Subject::process(Some(pid), *comm).of_server(Some(server))
        },
        queries: questions.answers,
        ..explanation.finding(
            Rule::AnswerEmptied,
            severity,
            Measured::queries(questions.answers),
        )
    }
}
