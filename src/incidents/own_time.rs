//! How long servers on this host take with slow answers that found nothing before them in
//! their socket: what took no longer with a queue did not wait in that.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::server_view::ServerView;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::QUEUED_BYTES;
use crate::thresholds::SLOW_MIN;

/// So much longer than without a queue is a wait in it, in per cent.
const LONGER_PERCENT: u64 = 125;

/// What half of them took or more, in nanoseconds, by network namespace and address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTime(HashMap<(u32, SocketAddr), u64>);

impl OwnTime {
    pub(super) fn of(views: &[ServerView]) -> Self {
        let mut all: HashMap<_, Vec<u64>> = HashMap::new();
        let is_one = |view: &&ServerView| {
            view.is_answered()
                && view.took_ns() > LATENCY_WARNING_NS
                && view.queued_bytes < QUEUED_BYTES
        };
        for view in views.iter().filter(is_one) {
            let server = (view.owner.netns, view.local);
            all.entry(server).or_default().push(view.took_ns());
        }
        all.retain(|_, took| took.len() as u64 >= SLOW_MIN);
        let median = |mut took: Vec<u64>| {
            took.sort_unstable();
            took[took.len() / 2]
        };
        Self(
            all.into_iter()
                .map(|(server, took)| (server, median(took)))
                .collect(),
        )
    }

    /// Whether this one took longer than those that found nothing before them.
    pub fn waited_in_queue(&self, view: &ServerView) -> bool {
        let own_ns = self.0.get(&(view.owner.netns, view.local));
        view.queued_bytes >= QUEUED_BYTES
            && own_ns.is_none_or(|own_ns| view.took_ns() > own_ns / 100 * LONGER_PERCENT)
    }
}
