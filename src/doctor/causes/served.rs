//! What other hosts feel of a DNS server of this one: their queries are seen only here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::SocketAddr;

use super::server_throttled;
use crate::attempt::Comm;
use crate::attempt::Role;
use crate::doctor::explanation::Measured;
use crate::doctor::finding::Finding;
use crate::doctor::finding::Severity;
use crate::doctor::finding::Subject;
use crate::doctor::ranking;
use crate::doctor::rule::Rule;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::ServerView;
use crate::thresholds::FAILURE_CRITICAL_PERCENT;
use crate::thresholds::FAILURE_WARNING_PERCENT;
use crate::thresholds::FAILURES_MIN;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::SAMPLE_MIN;
use crate::units;

/// Clients that are named.
const CLIENTS_SHOWN: usize = 3;

/// The queries of other hosts to one server here.
#[derive(Debug, Default)]
struct Served {
    all: u64,
    slow: u64,
    unanswered: u64,
    /// Of the slow and the unanswered ones.
    clients: BTreeMap<IpAddr, u64>,
    at: BTreeMap<SocketAddr, u64>,
    comm: Comm,
}

impl Served {
    fn add(&mut self, view: &ServerView) {
        self.all += 1;
        self.comm = view.owner.comm;
        let is_slow = view.is_answered() && view.took_ns() > LATENCY_WARNING_NS;
        if view.is_answered() && !is_slow {
            return;
        }
        self.slow += u64::from(is_slow);
        self.unanswered += u64::from(!is_slow);
        *self.clients.entry(view.peer.ip()).or_default() += 1;
        *self.at.entry(view.local).or_default() += 1;
    }

    fn hurt(&self) -> u64 {
        self.slow + self.unanswered
    }

    fn is_more_than(&self, percent: u64) -> bool {
        self.hurt() * 100 > self.all * percent
    }
}

/// A finding for each server that is stopped by its CPU limit while others wait for it, if its
/// clients on this host have not told of it.
pub(in crate::doctor) fn check(evidence: &Evidence, told: &[Finding]) -> Vec<Finding> {
    let is_told = |pid: u32| {
        let mut told = told.iter().filter(|it| it.rule == Rule::ServerThrottled);
        told.any(|it| it.scope.pid.is_none_or(|of| of == pid))
    };
    let served = by_server(evidence).into_iter();
    let hurt = served.filter(|(pid, it)| {
        it.hurt() >= FAILURES_MIN && it.is_more_than(FAILURE_WARNING_PERCENT) && !is_told(*pid)
    });
    hurt.filter_map(|(pid, it)| finding(evidence, pid, &it))
        .collect()
}

/// One exchange: when its query came to which socket, and from where. An answer that comes when it
/// was given up on makes a second view of it.
fn exchange(view: &ServerView) -> (u64, u64, SocketAddr) {
    (view.arrived_ns, view.cookie, view.peer)
}

/// By pid. What a client of this host asked has an incident of its own if it went wrong.
fn by_server(evidence: &Evidence) -> BTreeMap<u32, Served> {
    let views = &evidence.server_views;
    let joined = evidence.incidents.iter().filter_map(|it| it.server_view);
    let joined: BTreeMap<_, _> = joined
        .filter_map(|place| views.get(place))
        .map(|view| (exchange(view), view))
        .collect();
    // The last one says how it ended.
    let others = views
        .iter()
        .filter(|view| !view.is_fine() && !joined.contains_key(&exchange(view)));
    let others: BTreeMap<_, _> = others.map(|view| (exchange(view), view)).collect();
    let well = evidence.arrivals.processes().map(|(pid, it)| {
        let own = joined.values();
        let own = own.filter(|view| view.is_fine() && view.owner.pid == Some(pid));
        let served = Served {
            all: it.well - own.count() as u64,
            comm: it.comm,
            ..Served::default()
        };
        (pid, served)
    });
    let mut served: BTreeMap<u32, Served> = well.collect();
    for view in others.into_values() {
        if let Some(pid) = view.owner.pid {
            served.entry(pid).or_default().add(view);
        }
    }
    served
}

fn finding(evidence: &Evidence, pid: u32, served: &Served) -> Option<Finding> {
    let quota = server_throttled::throttled(evidence, pid)?;
    let at = served.at.iter().max_by_key(|(_, number)| **number);
    let at = at.map(|(address, _)| *address)?;
    let name = who::process(Some(pid), served.comm);
    let clients = ranking::ranked(served.clients.iter().map(|(ip, number)| (*ip, *number)));
    let clients = ranking::first_of(&clients, CLIENTS_SHOWN, |(ip, number)| {
        format!("{ip} ({})", units::count(*number))
    });
    let explanation = server_throttled::explanation(&format!("{at}, {name},"), quota, Some(pid))
        .line(format!(
            "Of {} that other addresses asked, {} were answered later than {}, and {} not at all.",
            units::queries(served.all),
            units::count(served.slow),
            units::duration(LATENCY_WARNING_NS),
            units::count(served.unanswered)
        ))
        .lines(clients.map(|them| format!("These came from {them}.")))
        .with(|it| server_throttled::remedy(it, quota, Some(pid)));
    let is_critical = served.is_more_than(FAILURE_CRITICAL_PERCENT) && served.all >= SAMPLE_MIN;
    Some(Finding {
        scope: Subject {
            role: Role::Server,
            ..Subject::process(Some(pid), served.comm).of_server(Some(at))
        },
        queries: served.hurt(),
        ..explanation.finding(
            Rule::ServerThrottled,
            Severity::critical_if(is_critical),
            Measured::percent(
                units::ratio(served.hurt(), served.all),
                FAILURE_WARNING_PERCENT,
            ),
        )
    })
}
