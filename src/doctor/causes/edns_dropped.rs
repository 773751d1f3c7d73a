//! Rule `dns_edns_dropped`: queries with an OPT record get no answer, others do.

use super::Cause;
use super::contrasts;
use super::group::Group;
use crate::doctor::explanation::Explanation;
use crate::incidents::Trait;

pub(super) const CAUSE: Cause = Cause::pattern(
    |incident, evidence| contrasts::place(incident, evidence, |it| it == Trait::Edns),
    describe,
);

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.server();
    let dig = |option| group.ask_example(group.dig().and(option));
    let is_here = group.is_left_here();
    Explanation::of(
        format!("Queries with EDNS to {server} get no answer, all others do"),
        match is_here {
            true => {
                "The server leaves queries with an OPT record (EDNS, RFC 6891) unanswered: old \
                 servers do not know it, and some then stay silent."
            }
            false => {
                "Something between here and the server, or the server itself, discards queries \
                 with an OPT record (EDNS, RFC 6891): an old firewall, a gateway that inspects DNS, \
                 a home router."
            }
        },
        group.impact(),
    )
    .causes([
        "Go, c-ares, dig and most resolvers send one, glibc and musl do not by default: so some \
              programs fail and others on the same host are well.",
    ])
    .lines(group.contrast_told("queries with EDNS (an OPT record)"))
    .lines(group.asked_by_and_for())
    .run("See it fail:", dig("+edns=0 +nocookie"))
    .run("… and work without EDNS:", dig("+noedns"))
    .say(match is_here {
        true => "Update that server: one that does not know EDNS is to answer all the same (RFC 6891 section 7).",
        false => {
            "Let the gateway pass EDNS: look for DNS inspection in it (Cisco `inspect dns`, a limit of \
             512 bytes), or update it."
        }
    })
    .say(
        "Until then leave EDNS out: Go `GODEBUG=netdns=cgo`, BIND by `edns no` for that \
         server; or ask another server.",
    )
    .into()
}
