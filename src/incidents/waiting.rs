//! What resolvers on this host asked in vain, and when.

use std::collections::HashMap;

use super::incident::Incident;

/// By process of a resolver: when its queries were sent that failed, in nanoseconds of
/// `CLOCK_MONOTONIC`, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting(HashMap<u32, Vec<u64>>);

impl Waiting {
    pub(super) fn of(incidents: &[Incident]) -> Self {
        let mut sent: HashMap<u32, Vec<u64>> = HashMap::new();
        let own = incidents.iter().filter(|it| it.is_upstream);
        for incident in own.filter(|incident| incident.has_failed()) {
            if let Some(pid) = incident.attempt.owner.pid {
                sent.entry(pid).or_default().push(incident.attempt.sent_ns);
            }
        }
        sent.values_mut().for_each(|sent| sent.sort_unstable());
        Self(sent)
    }

    /// How many of those of a resolver were sent in this time.
    pub fn sent(&self, resolver: u32, (from_ns, to_ns): (u64, u64)) -> usize {
        let sent = self.0.get(&resolver).map_or(&[][..], Vec::as_slice);
        let before = |ns| sent.partition_point(|&sent| sent < ns);
        before(to_ns).saturating_sub(before(from_ns))
    }
}
