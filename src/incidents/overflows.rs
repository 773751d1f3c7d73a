//! Sockets of servers on this host that had no room for queries, and what else
//! lay in them meanwhile.

use std::collections::HashMap;

use super::incident::Incident;
use super::server_view::ServerView;

/// Times of one socket in nanoseconds of `CLOCK_MONOTONIC`, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Socket {
    overflows: Vec<u64>,
    answers: Vec<u64>,
}

/// By the socket's cookie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overflows {
    sockets: HashMap<u64, Socket>,
}

impl Overflows {
    pub(super) fn of(incidents: &[Incident], views: &[ServerView]) -> Self {
        let mut sockets: HashMap<u64, Socket> = HashMap::new();
        for incident in incidents
            .iter()
            .filter(|incident| incident.has_overflowed())
        {
            if let Some(view) = incident.server_view.and_then(|view| views.get(view)) {
                let socket = sockets.entry(view.cookie).or_default();
                socket.overflows.push(view.arrived_ns);
            }
        }
        for view in views.iter().filter(|view| view.is_answered()) {
            if let Some(socket) = sockets.get_mut(&view.cookie) {
                socket.answers.push(view.ended_ns);
            }
        }
        for socket in sockets.values_mut() {
            socket.overflows.sort_unstable();
            socket.answers.sort_unstable();
        }
        Self { sockets }
    }

    /// Whether the query's socket overflowed at any time.
    pub fn concern(&self, view: &ServerView) -> bool {
        self.sockets.contains_key(&view.cookie)
    }

    /// Whether its socket overflowed after this query had come and before the
    /// server answered anybody: it had stopped to serve.
    pub fn stalled(&self, view: &ServerView) -> bool {
        let Some(socket) = self.sockets.get(&view.cookie) else {
            return false;
        };
        let next = |times: &[u64]| {
            let place = times.partition_point(|&at| at <= view.arrived_ns);
            times.get(place).copied().unwrap_or(u64::MAX)
        };
        next(&socket.overflows) < next(&socket.answers)
    }
}
