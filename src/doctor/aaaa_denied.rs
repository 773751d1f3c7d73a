//! Rule `dns_aaaa_broken` once more: AAAA is answered NXDOMAIN, that is, "there is no such
//! name", where A of the same name has an address. No query failed, but musl does.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use domain::base::iana::Rtype;

use super::c_libraries;
use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::rule::Rule;
use super::said;
use super::said::Questions;
use crate::attempt::Comm;
use crate::attempt::Fingerprint;
use crate::attempt::Role;
use crate::incidents::Asking;
use crate::incidents::Evidence;
use crate::incidents::Said;
use crate::thresholds::DEAD_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// One finding for each server and namespace.
pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut servers: BTreeMap<(u32, SocketAddr), Denied> = BTreeMap::new();
    let is_one = |asking: &Asking, said: &Said| {
        asking.role == Role::Client && asking.question.rtype == Rtype::AAAA && is_denied(said)
    };
    for (asking, said) in said::sorted(evidence, is_one) {
        let a = Asking {
            question: Fingerprint {
                rtype: Rtype::A,
                ..asking.question
            },
            ..*asking
        };
        let Some(a) = evidence.answers.of(&a).filter(|a| has_address(a)) else {
            continue;
        };
        let denied = servers.entry((asking.netns, asking.server)).or_default();
        denied.questions.add(said, said.no_such_name);
        denied.addresses += a.records;
        denied.askers.insert((said.pid, said.comm));
    }
    let servers = servers.into_iter();
    let told = servers.filter(|(_, denied)| denied.questions.answers >= FAILURES_MIN);
    told.map(|((netns, server), denied)| finding(evidence, netns, server, denied))
        .collect()
}

/// At one server.
#[derive(Default)]
struct Denied {
    questions: Questions,
    /// Answers to type A that had records.
    addresses: u64,
    /// The latest of each question.
    askers: BTreeSet<(Option<u32>, Comm)>,
}

fn is_denied(aaaa: &Said) -> bool {
    aaaa.no_such_name > 0 && aaaa.no_such_name * 100 >= aaaa.answers() * DEAD_PERCENT
}

fn has_address(a: &Said) -> bool {
    a.records > 0 && a.records * 100 >= a.answers() * DEAD_PERCENT
}

fn finding(evidence: &Evidence, netns: u32, server: SocketAddr, denied: Denied) -> Finding {
    let Denied {
        questions,
        addresses,
        askers,
    } = denied;
    let dig = questions.dig_name(evidence, netns, server);
    let explanation = Explanation::of(
        format!("{server} says NXDOMAIN to AAAA of names that have an A"),
        "NXDOMAIN says that the name does not exist, whatever the type (RFC 8020). Where the name has \
         no IPv6 address but exists, right is NOERROR without records. A template, a filter or a \
         load balancer that only knows A answers so.",
        "musl (Alpine) believes it: \"Name does not resolve\". glibc takes the A and is well. \
         Resolvers that cache NXDOMAIN deny the A as well for a while.",
    )
    .line(format!(
        "{} of type AAAA said NXDOMAIN, for {}; for the same names {} had records.",
        units::counted(questions.answers, "answer", "answers"),
        units::counted(questions.number(), "name", "names"),
        units::counted(addresses, "answer of type A", "answers of type A"),
    ))
    .lines(questions.examples())
    .lines(c_libraries::told(evidence, askers))
    .run("Ask for both, and compare the status:", dig.clone().and("A"))
    .run("…", dig.and("AAAA"))
    .say(
        "Let the server answer AAAA with NOERROR and no records: CoreDNS `template IN AAAA { rcode \
         NOERROR }`, or repair the zone's servers.",
    )
    .say("Until then, ask for A only: IPv4-only lookups in the program, an image with glibc.");
    Finding {
        scope: Subject {
            netns: (netns != 0).then_some(netns),
            ..Subject::process(None, Comm::default()).of_server(Some(server))
        },
        queries: questions.answers,
        ..explanation.finding(
            Rule::AaaaBroken,
            Severity::Warning,
            Measured::queries(questions.answers),
        )
    }
}
