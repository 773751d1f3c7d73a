//! Rule `dns_server_saturated`: the server can't keep up, and no quota stops it.

use super::Cause;
use super::at_server::held_up;
use super::at_server::queue_told;
use super::at_server::spans;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::ServerView;
use crate::sampler::Span;
use crate::shell::Command;
use crate::thresholds::SATURATED_PERCENT;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_server_saturated",
    takes,
    judge: severity::pattern,
    tell,
};

fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let view = held_up(case, evidence)?;
    busiest(view, evidence)?;
    Some(Place::at(view.local).of(view.owner.pid))
}

/// The second in which the server had most to do while it had the query, if it
/// had too much. Who waits for a CPU is busy, too.
fn busiest<'a>(view: &ServerView, evidence: &'a Evidence) -> Option<&'a Span> {
    spans(view, evidence)
        .max_by(|a, b| a.busy().total_cmp(&b.busy()))
        .filter(|span| span.busy() * 100.0 >= SATURATED_PERCENT as f64)
}

/// What the busiest thread did meanwhile, on the average of the queries.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    ran: f64,
    waited: f64,
}

impl Load {
    fn of(group: &Group<'_>) -> Self {
        let spans: Vec<_> = group
            .views()
            .filter_map(|view| busiest(view, group.evidence))
            .collect();
        let mean = |of: fn(&Span) -> f64| {
            spans.iter().map(|span| of(span)).sum::<f64>() / spans.len().max(1) as f64
        };
        Self {
            ran: mean(|span| span.ran),
            waited: mean(|span| span.waited),
        }
    }

    /// Others have the CPU that it needs.
    fn is_starved(self) -> bool {
        self.waited > self.ran
    }
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let pid = group.place.pid.unwrap_or_default();
    let load = Load::of(group);
    let mut evidence = vec![format!(
        "Meanwhile the busiest thread of the server (pid {pid}) ran {:.0} % of the time and waited \
         for a CPU {:.0} %; no CPU quota stopped it notably.",
        load.ran * 100.0,
        load.waited * 100.0
    )];
    evidence.extend(queue_told(group));
    evidence.push(format!("{}, of {}.", group.told(), group.askers()));
    let (title, cause, fix) = match load.is_starved() {
        true => starved(&server, pid),
        false => busy(&server, pid),
    };
    Words {
        title,
        cause,
        impact:
            "All clients of this server wait, the longer the more they ask, and their repeated \
             queries add to the load."
                .to_owned(),
        evidence,
        fix,
    }
}

fn busy(server: &str, pid: u32) -> (String, String, Fix) {
    (
        format!("The DNS server {server} can't keep up with its load"),
        "A thread of the server is busy all the time, so queries wait in its socket before they \
         are read, and where the receive buffer is full the kernel discards them."
            .to_owned(),
        Fix::default()
            .run(
                "See which threads are busy:",
                Command::new("top -H -p").word(pid.to_string()),
            )
            .say(
                "Give it more threads or sockets (unbound `num-threads`, CoreDNS `multisocket`), \
                 more replicas, or a cache in front (NodeLocal DNSCache).",
            )
            .say(
                "See who asks most: `kerno doctor` lists the processes, busiest first; a dns_storm \
                 or dns_search_amplification finding names the waste.",
            ),
    )
}

fn starved(server: &str, pid: u32) -> (String, String, Fix) {
    (
        format!("The DNS server {server} gets too little CPU: others on this host have it"),
        "The server has something to do all the time, and most of this time it waits for a CPU \
         that other programs use; queries wait in its socket meanwhile, and where the receive \
         buffer is full the kernel discards them."
            .to_owned(),
        Fix::default()
            .say("See who has the CPUs: `top`")
            .run(
                "Give the server its share: a CPU request in Kubernetes, `CPUWeight=` in systemd, \
                 or for the moment",
                Command::new("renice -n -10 -p").word(pid.to_string()),
            )
            .say("Move other work away from this host."),
    )
}
