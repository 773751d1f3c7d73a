//! Rule `dns_server_throttled`: the server's cgroup has used up its CPU quota.

use super::Cause;
use super::at_server;
use super::group::Group;
use super::limits::Raise;
use super::place::Place;
use crate::doctor::commands;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::sampler::Quota;
use crate::sampler::Version;
use crate::shell::Command;
use crate::thresholds::THROTTLED_PERCENT;
use crate::units;

pub(super) const CAUSE: Cause = Cause::pattern(matches, describe);

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let view = at_server::held_up(incident, evidence)?;
    let pid = view.owner.pid?;
    throttled(evidence, pid)?;
    Some(Place::at(view.local).of(Some(pid)))
}

/// The server's quota, if it was stopped notably often.
pub(super) fn throttled(evidence: &Evidence, pid: u32) -> Option<&Quota> {
    let server = evidence.host.servers.get(&pid)?;
    let quota = server.quota.as_ref()?;
    (quota.throttled_share() * 100.0 >= THROTTLED_PERCENT as f64).then_some(quota)
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let quota = throttled(group.evidence, group.place.pid?)?;
    explanation(&group.server(), quota, group.place.pid)
        .lines(at_server::queue_told(group))
        .line(at_server::ended_told(group))
        .with(|it| remedy(it, quota, group.place.pid))
        .into()
}

/// What is known of the limit, without fixes.
pub(super) fn explanation(server: &str, quota: &Quota, pid: Option<u32>) -> Explanation {
    let cores = quota.cores().map_or(String::new(), |cores| {
        format!(" It may use {cores:.2} of a core.")
    });
    let stopped = u64::try_from(quota.throttled.as_nanos()).unwrap_or(u64::MAX);
    Explanation::of(
        format!("The DNS server {server} is stopped by its CPU limit"),
        format!(
            "The server's cgroup {} uses up its CPU quota before a period is over, and the kernel \
             stops it until the next one. Meanwhile queries wait in its socket, and get lost where \
             its receive buffer is full.",
            quota.cgroup
        ),
        "Who asks it then waits, while the CPU of the node may look idle.",
    )
    .line(format!(
        "The cgroup of {} was stopped in {} of {}, for {} in all.{cores}",
        who::with_pid("the server", pid),
        units::count(quota.throttled_periods),
        units::counted(quota.periods, "quota period", "quota periods"),
        units::duration(stopped),
    ))
}

/// How the limit is raised, by who set it, and how to see it at work.
pub(super) fn remedy(explanation: Explanation, quota: &Quota, pid: Option<u32>) -> Explanation {
    let folder = quota.cgroup.as_path();
    let write = match quota.version {
        Version::V1 => Command::new("echo -1 >").word(folder.join("cpu.cfs_quota_us")),
        Version::V2 => Command::new("echo max >").word(folder.join("cpu.max")),
    };
    let command = Raise {
        kubectl: Command::new(
            "kubectl -n kube-system set resources deployment coredns --limits=cpu=0",
        ),
        property: "CPUQuota=".to_owned(),
        write,
    }
    .command(folder);
    let (text, command) = match command.text() {
        Some(_) => ("Raise or remove the server's CPU limit:", command),
        // The path has octets that no command can have.
        None => (
            "Raise or remove the server's CPU limit: it is in the file cpu.max or cpu.cfs_quota_us \
             of the server's cgroup, or of one above it. See which cgroup that is:",
            commands::cgroup_of(pid),
        ),
    };
    let look = Command::new("cat").word(folder.join("cpu.stat"));
    explanation
        .run(text, command)
        .run("See it happen:", look)
        .say("Or spread the load: more replicas, NodeLocal DNSCache, fewer search domains.")
}
