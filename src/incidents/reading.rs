//! How far servers of this host have read what came to their sockets.

use std::collections::HashMap;

use super::server_view::ServerView;
use crate::attempt::Transport;

/// For each UDP socket, by its cookie, when the latest query came that was answered. A socket
/// is read in the order in which queries come to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading(HashMap<u64, u64>);

impl Reading {
    pub(super) fn of(views: &[ServerView]) -> Self {
        let mut latest: HashMap<u64, u64> = HashMap::new();
        let is_one = |view: &&ServerView| view.is_answered() && Self::is_known_by(view);
        for view in views.iter().filter(is_one) {
            let latest = latest.entry(view.cookie).or_default();
            *latest = view.arrived_ns.max(*latest);
        }
        Self(latest)
    }

    /// Whether the server must have read this query: it answered one that came later.
    pub fn is_past(&self, view: &ServerView) -> bool {
        let latest = self.0.get(&view.cookie);
        Self::is_known_by(view) && latest.is_some_and(|latest| view.arrived_ns < *latest)
    }

    /// A connection has a socket of its own, and one without a cookie is not known.
    fn is_known_by(view: &ServerView) -> bool {
        view.transport == Transport::Udp && view.cookie != 0
    }
}
