//! Rule `dns_other_rcode`: an error answer that is neither SERVFAIL nor REFUSED.

use domain::base::iana::OptRcode;

use super::Cause;
use super::error_rcode;
use super::group::Group;
use super::place::Place;
use super::severity;
use crate::attempt::names;
use crate::doctor::explanation::Explanation;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::thresholds::REFUSED_MIN;
use crate::thresholds::REFUSED_PERMILLE;

pub(super) const CAUSE: Cause = Cause {
    matches,
    severity: |share| severity::answers(share, REFUSED_MIN, REFUSED_PERMILLE),
    describe,
};

/// What a response code means (RFC 1035 section 4.1.1, RFC 6895 section 2.3), and what
/// is to be done about it.
struct Words {
    cause: &'static str,
    fix: &'static str,
}

/// Each code is a fault of its own.
fn matches(incident: &Incident, _: &Evidence) -> Option<Place> {
    let rcode = incident.rcode()?;
    let place = Place::at(incident.server()).fault(usize::from(rcode.to_int()));
    (incident.kind == FailureKind::ErrorAnswer).then_some(place)
}

fn words(rcode: OptRcode) -> Words {
    match rcode {
        OptRcode::FORMERR => Words {
            cause: "The server, or a box in front of it, cannot read the query. Old servers and \
                    some filters say so to every query with EDNS (an OPT record), which Go, \
                    c-ares, dig and most resolvers send, and glibc does not by default.",
            fix: "Update the server, or the box in front of it. Until then leave EDNS out for it: \
                  `+noedns` for dig, `edns no` in BIND's block of that server, the C library \
                  instead of Go's own resolver (`GODEBUG=netdns=cgo`).",
        },
        OptRcode::NOTIMP => Words {
            cause: "The server does not know this kind of query: its type, or its operation.",
            fix: "Ask a server that does. If it is one type only (HTTPS, SVCB, ANY), update the \
                  server: right would be NOERROR without records.",
        },
        OptRcode::BADVERS => Words {
            cause: "The server does not know the version of EDNS that was asked with (RFC 6891).",
            fix: "Use version 0, the only one there is; look for what sends another.",
        },
        OptRcode::BADCOOKIE => Words {
            cause: "The server wants a valid DNS cookie first (RFC 7873). Clients ask again with \
                    the one that it sent. Here they keep being told so: something changes the \
                    client's address from query to query, or several servers behind one address \
                    have no common secret.",
            fix: "Give all servers of one address the same secret (BIND `cookie-secret`), or let \
                  one client's queries leave from one address.",
        },
        OptRcode::NOTAUTH => Words {
            cause: "The server is not responsible for that zone, or does not know the key that \
                    the message was signed with (TSIG).",
            fix: "Ask the zone's own server. With TSIG compare key, algorithm and clock.",
        },
        _ => Words {
            cause: "The server answers, but with an error that is neither a failure of its own \
                    nor a refusal. Programs take it as a failed lookup.",
            fix: "Look into the server's log for these queries.",
        },
    }
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let rcode = OptRcode::masked_from_int(u16::try_from(group.place.fault).ok()?);
    let Words { cause, fix } = words(rcode);
    error_rcode::explanation(
        group,
        rcode,
        cause,
        "Programs that ask so get nothing from this server that they can use.",
    )
    .with(|it| match error_rcode::are_no_queries(group) {
        true => it.say(error_rcode::NO_QUERIES_FIX),
        false => it
            .run("Ask as such a client does:", group.ask_example(group.dig()))
            .say(fix),
    })
    .say(format!(
        "See each one as it happens: `kerno watch --failed` (rcode {})",
        names::rcode(rcode)
    ))
    .into()
}
