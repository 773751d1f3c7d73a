//! What is said of tries that were got round in time.

use super::group::Group;
use crate::doctor::explanation::Explanation;
use crate::units;

/// In place of what such failures do elsewhere.
pub(super) const IMPACT: &str = "Nobody was hurt: each was tried on the way to an answer that \
                                 came in time.";

/// How many of them there are, if any.
pub(super) fn told(group: &Group<'_>) -> Option<String> {
    let harmless = group.count(|incident| incident.is_side_try);
    let of = group.queries();
    let how = "got round: the lookup that it was for, or the clients of the resolver that \
               asked, had their answer in time";
    match harmless {
        0 => None,
        1 if of == 1 => Some(format!("It was {how}.")),
        _ if harmless == of => Some(format!("All {} were {how}.", units::count(of))),
        _ => Some(format!(
            "{} of {} were {how}.",
            units::count(harmless),
            units::queries(of)
        )),
    }
}

/// Connections that were reset when they were used once more, each of them got round.
pub(super) fn used_again(group: &Group<'_>) -> Option<Explanation> {
    let is_reset = |errno| matches!(errno, Some(libc::ECONNRESET | libc::EPIPE));
    let was_used_again = group
        .incidents()
        .all(|it| it.is_side_try && it.is_tcp() && is_reset(it.errno()));
    let server = group.server();
    was_used_again.then(|| {
        Explanation::of(
            format!("TCP connections to {server} that were reset had to be made anew"),
            "The server closes connections that are idle, as it may (RFC 7766 section 6.2.3). A \
             question that is sent on one at that moment is answered with a reset, and asked again.",
            IMPACT,
        )
        .line(format!(
            "{} on such a connection.",
            units::counted(group.queries(), "query was sent", "queries were sent")
        ))
        .say("Nothing need be done. A longer idle timeout at the server makes it rarer.")
    })
}
