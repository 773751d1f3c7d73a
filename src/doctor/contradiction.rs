//! Rule `dns_contradiction`: of two servers on one list, one knows a name and the other
//! says that it does not exist.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::SocketAddr;

use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::negative_cache::Cache;
use super::negative_cache::Caches;
use super::rule::Rule;
use super::said;
use super::said::Questions;
use crate::attempt::Comm;
use crate::attempt::Fingerprint;
use crate::attempt::Role;
use crate::incidents::Asking;
use crate::incidents::Evidence;
use crate::incidents::Said;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// Asks the servers of every link and takes the answer that says more: for it two lists
/// are what it is made for.
const ASKS_ALL: &[u8] = b"systemd-resolve";

/// Who knows, and who denies; both asked from one network namespace.
type Pair = (u32, SocketAddr, SocketAddr);

/// One finding for each pair of servers.
pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let is_asked = |asking: &Asking, said: &Said| {
        asking.role == Role::Client && said.comm.as_bytes() != ASKS_ALL
    };
    // Nearly everybody asks one server alone.
    let mut one: HashMap<u32, SocketAddr> = HashMap::new();
    let all = evidence.answers.iter();
    let mut all = all.filter(|(asking, said)| is_asked(asking, said));
    if all.all(|(it, _)| *one.entry(it.netns).or_insert(it.server) == it.server) {
        return Vec::new();
    }
    let mut asked: HashMap<(u32, Fingerprint), Vec<(SocketAddr, &Said)>> = HashMap::new();
    let all = said::sorted(evidence, |_, _| true);
    let caches = Caches::of(&all);
    for (asking, said) in all {
        if is_asked(asking, said) {
            let key = (asking.netns, asking.question);
            asked.entry(key).or_default().push((asking.server, said));
        }
    }
    let mut pairs: BTreeMap<Pair, (Questions, u64, Vec<Option<Cache>>)> = BTreeMap::new();
    for ((netns, question), servers) in &asked {
        let knows = |it: &&(SocketAddr, &Said)| it.1.records > 0 && it.1.records == it.1.answers();
        let denies = |it: &&(SocketAddr, &Said)| {
            it.1.no_such_name > 0 && it.1.no_such_name == it.1.answers()
        };
        let Some((knowing, known)) = servers.iter().find(knows) else {
            continue;
        };
        for (denying, denied) in servers.iter().filter(denies) {
            let pair = (*netns, *knowing, *denying);
            let (questions, records, stale) = pairs.entry(pair).or_default();
            stale.push(caches.stale(*denying, *knowing, *question));
            questions.add(denied, denied.no_such_name);
            *records += known.records;
        }
    }
    let told = pairs.into_iter();
    let told = told.filter(|(_, (denied, records, _))| {
        denied.answers >= FAILURES_MIN && *records >= FAILURES_MIN
    });
    told.map(|(pair, (denied, records, stale))| {
        // One cache for all of them, or none.
        let is_stale = stale.iter().all(Option::is_some);
        let cache = stale.first().copied().flatten().filter(|_| is_stale);
        finding(evidence, pair, (&denied, records), cache)
    })
    .collect()
}

fn finding(
    evidence: &Evidence,
    (netns, knowing, denying): Pair,
    (denied, records): (&Questions, u64),
    cache: Option<Cache>,
) -> Finding {
    let idle = cache.filter(|cache| !cache.asks);
    let cache = cache.filter(|cache| cache.asks);
    let explanation = match cache {
        Some(cache) => Explanation::of(
            cache.title(denying),
            cache.cause(knowing),
            "Programs that ask this cache do not find the names, until the answer expires or the cache is \
             emptied.",
        ),
        None => Explanation::of(
            format!("{knowing} and {denying} contradict each other"),
            "Both are asked from the same network namespace, and one has names that the other says do not exist. A list of \
         nameservers is for servers that all know the same: programs take the first answer that \
         comes, and NXDOMAIN is one. Usually one is inside (VPN, company, cluster) and one outside.",
            "Whether such a name resolves depends on which server answers first: with musl by chance, with \
         glibc whenever the first on the list is slow or down, or `rotate` is set.",
        )
        .causes(idle.map(|cache| cache.may_be(knowing)).as_deref()),
    };
    let explanation = explanation.line(format!(
        "{denying} said NXDOMAIN {} about {} of which {knowing} had records {}.",
        units::counted(denied.answers, "time", "times"),
        units::counted(denied.number(), "name", "names"),
        units::counted(records, "time", "times"),
    ))
    .lines(cache.map(|cache| cache.told(denied)))
    .lines(denied.examples())
    .run("Ask the one:", denied.dig(evidence, netns, knowing))
    .run("… and the other:", denied.dig(evidence, netns, denying))
    .with(|it| match cache {
        Some(cache) => empty(it, cache).say(
            "If it happens often, keep such answers for a shorter time: unbound `cache-max-negative-ttl:`, \
             dnsmasq `no-negcache`, BIND `max-ncache-ttl`, CoreDNS `cache { denial }`, or a smaller minimum \
             in the zone's SOA record; and ask for names after they are made.",
        ),
        None => it.say(
                "Have only servers on the list that know all names. Let the inside one forward to the outside \
                 one, or a local resolver choose by zone: systemd-resolved `Domains=~corp.example` on that \
                 link, dnsmasq `server=/corp.example/ADDRESS`.",
            )
            .with(|it| match idle {
                Some(cache) => it.run("If it is a cache, empty it:", cache.flush()),
                None => it,
            }),
    });
    Finding {
        scope: Subject {
            netns: (netns != 0).then_some(netns),
            ..Subject::process(None, Comm::default()).of_server(Some(denying))
        },
        queries: denied.answers,
        ..explanation.finding(
            Rule::Contradiction,
            Severity::Warning,
            Measured::queries(denied.answers),
        )
    }
}

/// By its own command, where one is known.
fn empty(explanation: Explanation, cache: Cache) -> Explanation {
    let flush = cache.flush();
    match flush.text() {
        Some(_) => explanation.run("Empty the cache:", flush),
        None => explanation.say("Empty the cache by its own tool, or restart it."),
    }
}
