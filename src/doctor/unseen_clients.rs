//! Whose programs ask over something that is no DNS packet.

use super::who;
use crate::incidents::Evidence;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// The name of systemd-resolved's process, as the kernel cuts it.
const RESOLVED: &[u8] = b"systemd-resolve";

/// What is asked for by programs that are not seen, a sentence for each resolver.
pub(super) fn told(evidence: &Evidence) -> Vec<String> {
    let all = evidence.tallies.processes.iter();
    let resolved = all.filter(|(pid, process)| {
        process.comm.as_bytes() == RESOLVED
            && process.queries >= FAILURES_MIN
            && !evidence.resolvers.contains(pid)
    });
    let mut told: Vec<_> = resolved
        .map(|(pid, process)| {
            format!(
                "{} sent {}, and nobody was seen to ask it over 127.0.0.53. Programs ask it over D-Bus or \
                 varlink (nss-resolve), which kerno does not see: how long these wait, and whose they are, is not \
                 in this report; `resolvectl monitor` shows what they ask",
                who::process(Some(pid), process.comm),
                units::queries(process.queries)
            )
        })
        .collect();
    told.sort_unstable();
    told
}
