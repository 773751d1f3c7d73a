//! Rule `dns_refused_rcode`: the server does not want to answer.

use domain::base::iana::OptRcode;

use super::Cause;
use super::error_rcode;
use super::group::Group;
use super::severity;
use crate::doctor::explanation::Explanation;
use crate::thresholds::REFUSED_MIN;
use crate::thresholds::REFUSED_PERMILLE;

pub(super) const CAUSE: Cause = Cause {
    matches: |incident, _| error_rcode::place(incident, OptRcode::REFUSED),
    severity: |share| severity::answers(share, REFUSED_MIN, REFUSED_PERMILLE),
    describe,
};

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let ask = group.ask_example(group.dig());
    error_rcode::explanation(
        group,
        OptRcode::REFUSED,
        "The server does not want to answer this client or this zone: an access list, recursion \
         that is off, or a zone that it does not serve. Or it is a forwarder with more queries \
         under way than it allows (dnsmasq --dns-forward-max, CoreDNS max_concurrent).",
        "glibc tries its next server and fails when all refuse. musl waits and fails after 5 s.",
    )
    .run("Ask from where the client is:", ask)
    .say(
        "Allow the client's addresses in the server: unbound `access-control:`, BIND \
         `allow-recursion`. Or ask another server for that zone.",
    )
    .into()
}
