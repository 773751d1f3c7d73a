//! Rule `dns_servfail`: the server tried, and could not.

use domain::base::iana::OptRcode;

use super::Cause;
use super::error_rcode;
use super::error_reason;
use super::group::Group;
use super::severity;
use crate::doctor::explanation::Explanation;
use crate::thresholds::SERVFAIL_MIN;
use crate::thresholds::SERVFAIL_PERMILLE;

pub(super) const CAUSE: Cause = Cause {
    matches: |incident, evidence| error_reason::place(incident, OptRcode::SERVFAIL, evidence),
    severity: |share| severity::answers(share, SERVFAIL_MIN, SERVFAIL_PERMILLE),
    describe,
};

const IMPACT: &str = "glibc asks its next server at once, and the same one again; musl asks again and again, \
                      which multiplies the load.";

fn describe(group: &Group<'_>) -> Option<Explanation> {
    if let Some(known) = error_reason::describe(group, OptRcode::SERVFAIL, IMPACT) {
        return Some(known);
    }
    let ask = group.ask_example(group.dig().and("+cd"));
    error_rcode::explanation(
        group,
        OptRcode::SERVFAIL,
        "The server tried and could not. The zone's own servers fail or contradict each other, \
         DNSSEC signatures do not verify (or this server's clock is wrong), or its upstream is \
         gone. If it is one zone, look at the zone; if it is all names, look at the server.",
        IMPACT,
    )
    .causes(error_reason::without_recursion(group))
    .run(
        "Ask with DNSSEC checks off. If that works, the signatures are wrong:",
        ask,
    )
    .say("Look into the server's log for that zone.")
    .say("See each one as it happens: `kerno watch --failed`")
    .into()
}
