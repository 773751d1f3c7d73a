//! Rule `dns_server_throttled`: the server's cgroup has used up its CPU quota.

use std::ffi::OsStr;
use std::path::Path;

use super::Cause;
use super::at_server::held_up;
use super::at_server::queue_told;
use super::group::Group;
use super::place::Place;
use super::severity;
use super::words::Words;
use crate::doctor::fix::Fix;
use crate::evidence::Case;
use crate::evidence::Evidence;
use crate::sampler::Quota;
use crate::sampler::Version;
use crate::shell::Command;
use crate::thresholds::THROTTLED_PERCENT;
use crate::units;

pub(super) const CAUSE: Cause = Cause {
    rule: "dns_server_throttled",
    takes,
    judge: severity::pattern,
    tell,
};

fn takes(case: &Case, evidence: &Evidence) -> Option<Place> {
    let view = held_up(case, evidence)?;
    let pid = view.owner.pid?;
    throttled(evidence, pid)?;
    Some(Place::at(view.local).of(Some(pid)))
}

/// The server's quota, if it was stopped notably often.
fn throttled(evidence: &Evidence, pid: u32) -> Option<&Quota> {
    let quota = evidence
        .surroundings
        .servers
        .get(&pid)?
        .process
        .quota
        .as_ref()?;
    (quota.throttled_share() * 100.0 >= THROTTLED_PERCENT as f64).then_some(quota)
}

fn tell(group: &Group<'_>) -> Words {
    let server = group.server();
    let pid = group.place.pid.unwrap_or_default();
    let quota = throttled(group.evidence, pid);
    let mut evidence = Vec::new();
    if let Some(quota) = quota {
        let cores = quota.cores().map_or(String::new(), |cores| {
            format!(" (it may use {cores:.2} of a core)")
        });
        evidence.push(format!(
            "The cgroup of the server (pid {pid}) was stopped in {} of {}, {} in all{cores}.",
            units::count(quota.throttled_periods),
            units::counted(quota.periods, "quota period", "quota periods"),
            units::duration(u64::try_from(quota.throttled.as_nanos()).unwrap_or(u64::MAX)),
        ));
    }
    evidence.extend(queue_told(group));
    evidence.push(format!("{}, of {}.", group.told(), group.askers()));
    let cgroup = quota.map_or("its cgroup".to_owned(), |quota| quota.cgroup.to_string());
    Words {
        title: format!("The DNS server {server} is stopped by its CPU limit"),
        cause: format!(
            "The server's cgroup {cgroup} uses up its CPU quota early in each period, and the \
             kernel stops it until the next one. Queries pile up in its socket meanwhile: the \
             waiting, and any overflow of the receive buffer, is a symptom of the limit, not of \
             the load or the network."
        ),
        impact:
            "Answers take tens to hundreds of milliseconds, in steps of the quota period, and at \
             peaks queries are lost, while the CPU of the node looks idle."
                .to_owned(),
        evidence,
        fix: quota
            .map_or_else(Fix::default, |quota| remedy(quota, pid))
            .say("Or spread the load: more replicas, NodeLocal DNSCache, fewer search domains."),
    }
}

/// How the limit is raised, by who set it, and how to see it at work.
fn remedy(quota: &Quota, pid: u32) -> Fix {
    let folder = quota.cgroup.as_path();
    let write = match quota.version {
        Version::V1 => Command::new("echo -1 >").word(folder.join("cpu.cfs_quota_us")),
        Version::V2 => Command::new("echo max >").word(folder.join("cpu.max")),
    };
    let unit = folder
        .ancestors()
        .find(|group| group.extension() == Some(OsStr::new("service")))
        .and_then(Path::file_name);
    let command = match unit {
        _ if folder.to_string_lossy().contains("kubepods") => {
            Command::new("kubectl -n kube-system set resources deployment coredns --limits=cpu=0")
        }
        Some(unit) => Command::new("systemctl set-property")
            .word(unit)
            .and("CPUQuota=")
            .or(write),
        None => write,
    };
    let raise = Fix::default();
    let raise = match command.text() {
        Some(_) => raise.run("Raise or remove the server's CPU limit:", command),
        // The path has octets that no command can have.
        None => raise.run(
            "Raise or remove the server's CPU limit: it is in the file cpu.max or cpu.cfs_quota_us \
             of the server's cgroup, or of one above it. See which cgroup that is:",
            Command::new("cat").word(format!("/proc/{pid}/cgroup")),
        ),
    };
    raise.run(
        "See it happen:",
        Command::new("cat").word(folder.join("cpu.stat")),
    )
}
