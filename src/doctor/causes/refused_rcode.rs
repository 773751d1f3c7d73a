//! Rule `dns_refused_rcode`: the server does not want to answer.

use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use super::Cause;
use super::error_rcode;
use super::error_reason;
use super::group::Group;
use super::severity;
use crate::attempt::identity::WorkloadId;
use crate::doctor::explanation::Explanation;
use crate::doctor::finding::Severity;
use crate::incidents::Incident;
use crate::thresholds::BLOCKED_PERCENT;
use crate::thresholds::FILTERED_PERCENT;
use crate::thresholds::REFUSED_MIN;
use crate::thresholds::REFUSED_PERMILLE;
use crate::thresholds::SAMPLE_MIN;

pub(super) const CAUSE: Cause = Cause {
    matches: |incident, evidence| error_reason::place(incident, OptRcode::REFUSED, evidence),
    severity: |share| severity::answers(share, REFUSED_MIN, REFUSED_PERMILLE),
    describe,
};

/// A server that answers nearly all else of the same clients refuses these names on
/// purpose, as a filter does: nobody is to be woken for it. But somebody all of whose
/// queries are refused is not served at all.
pub(super) fn limit(group: &Group<'_>) -> Option<Severity> {
    if group.place.fault == error_reason::FULL {
        return None;
    }
    let unserved = group.parties.judged(|party| {
        let whoms: Vec<_> = party.whoms().collect();
        let refused = group.count(|it| whoms.contains(&&WorkloadId::made(&it.attempt)));
        let is_named = !matches!(whoms[..], [WorkloadId::Process(..), ..]);
        let all = party.figures.queries();
        (is_named && refused >= SAMPLE_MIN && refused >= all).then_some(())
    });
    match unserved.is_empty() {
        true if refuses_up_to(group, BLOCKED_PERCENT) => Some(Severity::Info),
        // A strict filter, or a zone that somebody misses.
        true if refuses_up_to(group, FILTERED_PERCENT) => Some(Severity::Warning),
        _ => None,
    }
}

fn refuses_up_to(group: &Group<'_>, percent: u64) -> bool {
    let asked = group.asked().all;
    group.queries() * 100 <= asked.answered * percent && asked.noerror > group.queries()
}

/// Whether it was asked for zones as a whole.
fn is_transfer(group: &Group<'_>) -> bool {
    let is_one = |it: &Incident| {
        let asked = it.attempt.question.parse();
        asked.is_some_and(|it| matches!(it.rtype, Rtype::AXFR | Rtype::IXFR))
    };
    group.incidents().all(is_one)
}

const IMPACT: &str =
    "glibc tries its next server and fails when all refuse; musl waits for another answer.";

fn describe(group: &Group<'_>) -> Option<Explanation> {
    if let Some(known) = error_reason::describe(group, OptRcode::REFUSED, IMPACT) {
        return Some(known);
    }
    let is_filter = refuses_up_to(group, FILTERED_PERCENT);
    let cause = match is_filter {
        true => {
            "The server answers most else that these clients ask, so it refuses these names on \
             purpose: this is what a filter or a blocklist looks like, or a zone that it does not serve."
        }
        false => {
            "The server does not want to answer this client or this zone: an access list, recursion \
             that is off, or a zone that it does not serve. Or it takes no more at the moment: \
             it limits how many it answers a second, or has as many under way as it allows (dnsmasq \
             --dns-forward-max, CoreDNS max_concurrent)."
        }
    };
    error_rcode::explanation(group, OptRcode::REFUSED, cause, IMPACT)
        .causes(error_reason::without_recursion(group))
        .with(|it| match error_rcode::are_no_queries(group) {
            true => it,
            false => it.run(
                "Ask from where the client is:",
                group.ask_example(group.dig()),
            ),
        })
        .say(match is_filter {
            _ if error_rcode::are_no_queries(group) => error_rcode::NO_QUERIES_FIX,
            _ if is_transfer(group) => {
                "Allow the client's addresses to have the zone: BIND, Knot and NSD `allow-transfer`, \
                 `acl` or `provide-xfr:` of that zone. If it is no secondary, nothing is to be done."
            }
            true => {
                "If nobody misses these names, nothing is to be done. Else let them pass in the filter, \
                 or ask another server for that zone."
            }
            false => {
                "Allow the client's addresses in the server: unbound `access-control:`, BIND \
                 `allow-recursion`. Or ask another server for that zone."
            }
        })
        .into()
}
