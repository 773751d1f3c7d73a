//! Rule `dns_server_oom_killed`: the kernel ended the server, because there was no memory.

use super::Cause;
use super::group::Group;
use super::limits::Raise;
use super::place::Place;
use crate::doctor::explanation::Explanation;
use crate::doctor::who;
use crate::incidents::Evidence;
use crate::incidents::Incident;
use crate::incidents::Outage;
use crate::sampler::Lack;
use crate::sampler::MemoryLimit;
use crate::sampler::OomKill;
use crate::sampler::Version;
use crate::shell::Command;
use crate::units;

pub(super) const CAUSE: Cause = Cause::exact(matches, describe);

/// Kills that are told one by one.
const KILLS_TOLD: usize = 3;

fn matches(incident: &Incident, evidence: &Evidence) -> Option<Place> {
    let view = evidence.view_of(incident);
    let outage = evidence.outages.hit(incident, view, &evidence.host)?;
    Some(Place::at(outage.server).in_netns(outage.netns))
}

fn describe(group: &Group<'_>) -> Option<Explanation> {
    let server = group.place.server?;
    let netns = group.place.netns.unwrap_or_default();
    let outages: Vec<&Outage> = group.evidence.outages.at(netns, server).collect();
    let last = outages.last()?;
    let kill = &last.kill;
    let killed = who::process(Some(kill.pid), kill.comm);
    let title = match outages.len() {
        1 => format!("The kernel killed the DNS server {killed}, because there was no memory"),
        times => format!(
            "The kernel killed the DNS server at {server} {times} times, because there was no \
             memory"
        ),
    };
    Explanation::of(
        title,
        format!(
            "{} Such an end gives the server no time: what it had read and not answered is lost, \
             and until it is started again nobody answers at {server}.",
            why(kill)
        ),
        group.impact(),
    )
    .lines(told(&outages))
    .lines(limit(&kill.whose).map(|limit| {
        format!(
            "The memory limit of {} is {}.",
            limit.cgroup,
            octets(limit.limit)
        )
    }))
    .line(format!("{}, of {}.", group.told(), group.askers()))
    .lines(group.examples())
    .with(|it| remedy(it, kill))
    .into()
}

fn why(kill: &OomKill) -> String {
    match &kill.whose {
        Lack::Group(limit) => format!(
            "The control group {} had used all the memory that it may have, and the server was \
             in it. The kernel ended the server to get memory back (OOM kill).",
            limit.cgroup
        ),
        Lack::GroupGone(limit) => format!(
            "The kernel ended the server to get memory back (OOM kill). Its control group {} had \
             a memory limit, but is gone now, or was made anew, so kerno cannot tell for sure that it was reached.",
            limit.cgroup
        ),
        Lack::Host => "This host had no memory left, and the kernel ended the server to get some \
                       back (OOM kill). No control group of the server had reached a limit."
            .to_owned(),
        Lack::Unknown => "The kernel ended the server to get memory back (OOM kill). Whether its \
                          control group had reached its limit, or the host had no memory, kerno \
                          could not see."
            .to_owned(),
    }
}

fn limit(whose: &Lack) -> Option<&MemoryLimit> {
    match whose {
        Lack::Group(limit) | Lack::GroupGone(limit) => Some(limit),
        Lack::Host | Lack::Unknown => None,
    }
}

/// Each kill, the last ones, and how long nobody served after it.
fn told(outages: &[&Outage]) -> Vec<String> {
    let before = outages.len().saturating_sub(KILLS_TOLD);
    let one = |outage: &&Outage| {
        let after = match outage.until_ns {
            Some(until_ns) => format!(
                "another process answered there {} later",
                units::duration(until_ns.saturating_sub(outage.kill.at_ns))
            ),
            None => "nobody was seen to answer there until the end".to_owned(),
        };
        format!(
            "{} was killed at {}; {after}.",
            who::process(Some(outage.kill.pid), outage.kill.comm),
            time(&outage.kill),
        )
    };
    outages[before..].iter().map(one).collect()
}

/// `03:05:12 UTC`
fn time(kill: &OomKill) -> String {
    let time = humantime::format_rfc3339_seconds(kill.time).to_string();
    let time = time.split(['T', 'Z']).nth(1).unwrap_or_default();
    format!("{time} UTC")
}

/// `64 MiB`
fn octets(octets: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.into_iter().find(|(unit, _)| octets >= *unit);
    match unit {
        Some((unit, name)) if octets.is_multiple_of(unit) => format!("{} {name}", octets / unit),
        Some((unit, name)) => format!("{:.1} {name}", octets as f64 / unit as f64),
        None => units::counted(octets, "byte", "bytes"),
    }
}

fn remedy(explanation: Explanation, kill: &OomKill) -> Explanation {
    let explanation = match limit(&kill.whose) {
        Some(limit) => raise(explanation, limit),
        None => explanation.run(
            "See what needs the memory of this host:",
            Command::new("ps -eo pid,comm,rss --sort=-rss | head"),
        ),
    };
    explanation
        .run(
            "See what the kernel wrote about it:",
            Command::new("dmesg -T | grep -i -A2 'killed process'"),
        )
        .say(
            "Let the server need less: a smaller cache (unbound `msg-cache-size` and \
             `rrset-cache-size`, CoreDNS `cache`), fewer threads; and have it started again at \
             once (`Restart=always` in systemd).",
        )
}

/// To twice as much: it was too little, and nobody knows by how much.
fn raise(explanation: Explanation, limit: &MemoryLimit) -> Explanation {
    let folder = limit.cgroup.as_path();
    let more = limit.limit.saturating_mul(2);
    let write = match limit.version {
        Version::V1 => Command::new("echo")
            .word(more.to_string())
            .and(">")
            .word(folder.join("memory.limit_in_bytes")),
        Version::V2 => Command::new("echo")
            .word(more.to_string())
            .and(">")
            .word(folder.join("memory.max")),
    };
    let command = Raise {
        kubectl: Command::new("kubectl -n kube-system set resources deployment coredns --limits")
            .word(format!("memory={}Mi", more.div_ceil(1 << 20))),
        property: format!("MemoryMax={more}"),
        write,
    }
    .command(folder);
    match command.text() {
        Some(_) => explanation.run(
            "Raise the server's memory limit, as to twice as much:",
            command,
        ),
        // The path has octets that no command can have.
        None => explanation.say(
            "Raise the server's memory limit: it is in the file memory.max or \
             memory.limit_in_bytes of that cgroup.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_told_in_the_unit_that_fits() {
        assert_eq!(octets(64 << 20), "64 MiB");
        assert_eq!(octets(170 << 20), "170 MiB");
        assert_eq!(octets(3 << 29), "1.5 GiB");
        assert_eq!(octets(4_096), "4 KiB");
        assert_eq!(octets(1), "1 byte");
    }
}
