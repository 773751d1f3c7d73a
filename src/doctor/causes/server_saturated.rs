//! Rule `dns_server_saturated`: the server can't keep up, and no quota stops it.

use super::Cause;
use super::group::Group;
use super::place::Place;
use super::server_overflow::queue_told;
use super::server_overflow::waited_in_queue;
use super::severity;
use super::words::Words;
use crate::doctor::thresholds::SATURATED_PERCENT;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::evidence::surroundings::CpuUse;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_server_saturated",
    takes,
    judge: severity::pattern,
    tell,
};

fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let view = waited_in_queue(case, evidence)?;
    let pid = view.owner.pid?;
    saturated(evidence, pid)?;
    Some(Place::at(view.local).of(Some(pid)))
}

fn saturated(evidence: &Evidence, pid: u32) -> Option<&CpuUse> {
    let cpu = evidence
        .surroundings
        .servers
        .get(&pid)?
        .process
        .cpu
        .as_ref()?;
    (cpu.busiest() * 100.0 >= SATURATED_PERCENT as f64).then_some(cpu)
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let pid = group.place.pid.unwrap_or_default();
    let mut evidence = Vec::new();
    if let Some(cpu) = saturated(group.evidence, pid) {
        evidence.push(format!(
            "The server (pid {pid}) used {:.2} cores, its busiest thread {:.0} % of one in its busiest \
             second; no CPU quota stopped it notably.",
            cpu.process,
            cpu.busiest() * 100.0
        ));
    }
    evidence.extend(queue_told(group));
    evidence.push(format!("{}, of {}.", group.told(), group.askers()));
    Words {
        title: format!("The DNS server {server} can't keep up with its load"),
        cause: "A thread of the server is busy all the time, so queries wait in its socket before they \
                are read, and where the receive buffer is full the kernel discards them."
            .to_owned(),
        impact: "All clients of this server wait, the longer the more they ask, and their repeated \
                 queries add to the load."
            .to_owned(),
        evidence,
        fix: vec![
            format!("See which threads are busy: `top -H -p {pid}`"),
            "Give it more threads or sockets (unbound `num-threads`, CoreDNS `multisocket`), more \
             replicas, or a cache in front (NodeLocal DNSCache)."
                .to_owned(),
            "See who asks most: `kerno doctor` lists the processes, busiest first; a dns_storm or \
             dns_search_amplification finding names the waste."
                .to_owned(),
        ],
    }
}
