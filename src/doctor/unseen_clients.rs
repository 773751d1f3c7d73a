//! Whose programs ask over something that is no DNS packet.

use std::net::Ipv4Addr;

use super::who;
use crate::incidents::Evidence;
use crate::thresholds::FAILURES_MIN;
use crate::units;

/// The name of systemd-resolved's process, as the kernel cuts it.
const RESOLVED: &[u8] = b"systemd-resolve";

/// Where it listens (systemd-resolved.service(8)).
const STUBS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 53), Ipv4Addr::new(127, 0, 0, 54)];
/// So many times as often it asks its own servers, if not only for those that are seen: a name
/// takes one query for each address family, and a few are sent again.
const MANY: u64 = 2;
const UNSEEN: &str = "over D-Bus or varlink (nss-resolve), which kerno does not see: how long these wait, and \
                      whose they are, is not in this report; `resolvectl monitor` shows what they ask";

/// What is asked for by programs that are not seen, a sentence for each resolver.
pub(super) fn told(evidence: &Evidence) -> Vec<String> {
    let all = evidence.tallies.processes.iter();
    let resolved = all.filter(|(_, process)| {
        process.comm.as_bytes() == RESOLVED && process.queries >= FAILURES_MIN
    });
    let served: u64 = STUBS
        .map(|ip| evidence.tallies.served_at(ip.into()))
        .iter()
        .sum();
    let mut told: Vec<_> = resolved
        .filter_map(|(pid, process)| {
            let sent = format!(
                "{} sent {}",
                who::process(Some(pid), process.comm),
                units::queries(process.queries)
            );
            if !evidence.resolvers.contains(&pid) {
                return Some(format!(
                    "{sent}, and nobody was seen to ask it over 127.0.0.53. Programs ask it {UNSEEN}"
                ));
            }
            (served > 0 && process.queries >= served.saturating_mul(MANY) + FAILURES_MIN).then(|| {
                format!(
                    "{sent}, and was asked {} over 127.0.0.53. Either it sends several for one, or programs \
                     also ask it {UNSEEN}",
                    units::counted(served, "time", "times")
                )
            })
        })
        .collect();
    told.sort_unstable();
    told
}
