//! Queries over TCP whose segments, or those of others to the same server at the same time,
//! were sent again: something on the way loses packets.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::incident::FailureKind;
use super::incident::Incident;
use super::server_view::ServerView;
use super::tallies::Tallies;
use crate::counters::Resent;
use crate::counters::TcpClient;
use crate::sampler::HostSample;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::RESENT_NEAR_NS;

/// The port that the kernel counts them for.
const DNS_PORT: u16 = 53;

/// By network namespace of the client, and server.
type Way = (u32, SocketAddr);

/// Of the queries to a server over TCP that were slow or unanswered, one in so many has to
/// have segments of its own that were sent again; then the answers of the others were lost,
/// which their server sends again, unseen from here.
const OWN_ONE_IN: u64 = 3;

/// What was sent again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resends {
    ways: HashMap<Way, Vec<(u16, Resent)>>,
    /// Ways on which enough was sent again.
    lossy: HashSet<Way>,
    /// This host itself discarded something there.
    dropped_here: HashSet<Way>,
}

fn way(incident: &Incident) -> Way {
    (incident.attempt.owner.netns, incident.server())
}

/// Whether it was slow or unanswered over TCP. An error is somebody's answer.
fn is_silent(incident: &Incident) -> bool {
    let is_over = match incident.kind {
        FailureKind::Slow => true,
        FailureKind::Failed => incident.errno().is_none(),
        FailureKind::ErrorAnswer | FailureKind::Referral => false,
    };
    is_over && incident.is_tcp() && incident.attempt.failed_call.is_none()
}

fn meanwhile(incident: &Incident, resent: &Resent) -> bool {
    let attempt = &incident.attempt;
    resent.first_ns <= attempt.end_ns.saturating_add(RESENT_NEAR_NS)
        && resent.last_ns >= attempt.first_ns.saturating_sub(RESENT_NEAR_NS)
}

impl Resends {
    pub(super) fn of(incidents: &[Incident], host: &HostSample) -> Self {
        let mut resends = Self::default();
        for (client, resent) in &host.resent {
            let TcpClient {
                netns,
                server,
                port,
            } = *client;
            let way = (netns, SocketAddr::new(server, DNS_PORT));
            resends.ways.entry(way).or_default().push((port, *resent));
        }
        if resends.ways.is_empty() {
            return resends;
        }
        let mut counts: HashMap<Way, (u64, u64)> = HashMap::new();
        for incident in incidents {
            if incident.drop().is_some() {
                resends.dropped_here.insert(way(incident));
            }
            if is_silent(incident) {
                let (own, all) = counts.entry(way(incident)).or_default();
                *own += u64::from(resends.has_own(incident));
                *all += 1;
            }
        }
        let enough = counts.into_iter().filter(|(_, (own, all))| {
            let own = *own * OWN_ONE_IN;
            own > 0 && own >= *all
        });
        resends.lossy = enough.map(|(way, _)| way).collect();
        resends
    }

    fn on_way(&self, incident: &Incident) -> impl Iterator<Item = &(u16, Resent)> {
        self.ways.get(&way(incident)).into_iter().flatten()
    }

    fn has_own(&self, incident: &Incident) -> bool {
        let port = incident.attempt.local.port();
        self.on_way(incident)
            .any(|(own, resent)| *own == port && meanwhile(incident, resent))
    }

    /// All segments that one namespace sent again to a server, and those of them that were to
    /// open a connection.
    pub fn segments(&self, netns: u32, server: SocketAddr) -> (u64, u64) {
        let all = self.ways.get(&(netns, server)).into_iter().flatten();
        all.fold((0, 0), |(segments, openings), (_, it)| {
            (segments + it.segments, openings + it.openings)
        })
    }

    /// Whether packets that were lost on the way explain the query: it was slow or unanswered
    /// over TCP, segments were sent again meanwhile, others got through, and neither this host
    /// nor the server explains it. `view` is how a server on this host saw it.
    pub fn explain(
        &self,
        incident: &Incident,
        view: Option<&ServerView>,
        tallies: &Tallies,
    ) -> bool {
        if !is_silent(incident) {
            return false;
        }
        let way = way(incident);
        let served_well =
            view.is_none_or(|view| view.is_answered() && view.took_ns() <= LATENCY_WARNING_NS);
        let is_resent = self.has_own(incident)
            || (self.lossy.contains(&way)
                && self.on_way(incident).any(|(_, it)| meanwhile(incident, it)));
        is_resent
            && served_well
            && !self.dropped_here.contains(&way)
            && tallies.asked(way.0, way.1).tcp.answered > 0
    }
}
