//! What is said of tries that were got round in time.

use super::group::Group;
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
