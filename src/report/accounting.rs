//! What kerno saw of all the DNS on this host.

use crate::collect::Accounting;
use crate::collect::Snapshot;
use crate::units;

/// What was seen on this host, all filters aside.
pub(super) fn seen(accounting: &Accounting, dns: &Snapshot) -> String {
    let queries = units::queries(accounting.queries_seen);
    let mut seen = format!("kerno saw {queries} on this host");
    if dns.client.queries() > 0 && dns.server_side.queries() > 0 {
        seen += " (one between two programs of this host counts on both sides)";
    }
    if accounting.in_flight > 0 {
        seen += &format!(
            "; {} still waiting at the end",
            units::count(accounting.in_flight)
        );
    }
    if accounting.kernel.unparsed > 0 {
        seen += &format!(
            "; {} not DNS",
            units::counted(
                accounting.kernel.unparsed,
                "message on a DNS port that was",
                "messages on a DNS port that were"
            )
        );
    }
    seen + "."
}
