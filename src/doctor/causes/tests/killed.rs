//! Servers that the kernel killed because there was no memory.

use std::path::PathBuf;
use std::time::SystemTime;

use super::*;
use crate::attempt::Comm;
use crate::sampler::Flow;
use crate::sampler::Lack;
use crate::sampler::MemoryLimit;
use crate::sampler::OomKill;
use crate::sampler::Version;

const PID: u32 = 53;
/// It was killed after the fourth query.
const KILLED_NS: u64 = 1_000_000_000_000 + 350 * MS;

fn limit(cgroup: &str, version: Version) -> MemoryLimit {
    MemoryLimit {
        cgroup: PathBuf::from(cgroup).into(),
        version,
        limit: 64 << 20,
    }
}

fn kill(pid: u32, at_ns: u64, whose: Lack) -> ((u64, u32), OomKill) {
    let kill = OomKill {
        pid,
        comm: Comm::new(b"unbound"),
        at_ns,
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(11_112),
        whose,
    };
    ((at_ns, pid), kill)
}

/// Four queries that the server answered, and five after it was killed.
fn killed_by(whose: Lack, lost: impl Fn(Attempt) -> Attempt) -> Story {
    let answered: Vec<_> = many(4, SERVER, Outcome::Answered).collect();
    let views: Vec<_> = answered
        .iter()
        .map(|it| at_server(it, PID, Outcome::Answered, MS))
        .collect();
    let lost = (4..9).map(|n| lost(attempt(n, SERVER, Outcome::Unanswered)));
    let mut story = Story::default().with(answered).with(views).with(lost);
    story.host.oom_kills.extend([kill(PID, KILLED_NS, whose)]);
    story
}

pub(in super::super) fn killed(cgroup: &str, version: Version) -> Story {
    killed_by(Lack::Group(limit(cgroup, version)), |it| it)
}

fn no_socket(attempt: Attempt) -> Attempt {
    let drop = packet_drop(&attempt, Packet::Query, "NO_SOCKET", "__udp4_lib_rcv");
    Attempt {
        drop: Some(Box::new(drop)),
        ..refused(attempt, libc::ECONNREFUSED)
    }
}

#[test]
fn whatever_becomes_of_the_queries_it_is_the_kill() {
    for lost in [|it| it, no_socket, |it| refused(it, libc::ECONNREFUSED)] {
        let story = killed_by(Lack::Host, lost);
        assert_eq!(story.said(), [("dns_server_oom_killed", 5)]);
    }
}

#[test]
fn what_it_had_in_its_hands_is_lost_too() {
    let mut story = killed_by(Lack::Unknown, |it| it);
    let mut in_hand = attempt(3, SERVER, Outcome::Unanswered);
    in_hand.id = Some(77);
    in_hand.sent_ns = KILLED_NS - MS;
    in_hand.end_ns = KILLED_NS + 4_000 * MS;
    let view = at_server(&in_hand, PID, Outcome::Unanswered, 4_000 * MS);
    story = story.with([in_hand, view]);
    assert_eq!(story.said(), [("dns_server_oom_killed", 6)]);
}

#[test]
fn where_the_limit_was_reached_is_said_with_what_to_do() {
    let told = |cgroup: &str, version| {
        let findings = killed(cgroup, version).explain().findings;
        format!("{:#?}", findings[0])
    };
    let unit = told("/sys/fs/cgroup/system.slice/unbound.service", Version::V2);
    for part in [
        "killed the DNS server unbound (pid 53)",
        "killed at 03:05:12 UTC; nobody was seen to answer there until the end",
        "had used all the memory that it may have",
        "64 MiB",
        "systemctl set-property unbound.service MemoryMax=134217728",
    ] {
        assert!(unit.contains(part), "{part}: {unit}");
    }
    let pod = told("/sys/fs/cgroup/kubepods.slice/pod1/c", Version::V2);
    assert!(
        pod.contains("deployment coredns --limits memory=128Mi"),
        "{pod}"
    );
    let group = told("/sys/fs/cgroup/memory/dns", Version::V1);
    let write = "echo 134217728 > /sys/fs/cgroup/memory/dns/memory.limit_in_bytes";
    assert!(group.contains(write), "{group}");
    let group = told("/sys/fs/cgroup/dns", Version::V2);
    let write = "echo 134217728 > /sys/fs/cgroup/dns/memory.max";
    assert!(group.contains(write), "{group}");
}

#[test]
fn what_is_not_known_is_not_said() {
    let told = |whose| format!("{:#?}", killed_by(whose, |it| it).explain().findings[0]);
    let host = told(Lack::Host);
    assert!(host.contains("This host had no memory left"), "{host}");
    assert!(!host.contains("memory.max"), "{host}");
    let unknown = told(Lack::Unknown);
    assert!(unknown.contains("kerno could not see"), "{unknown}");
    let gone = told(Lack::GroupGone(limit("/sys/fs/cgroup/x", Version::V2)));
    assert!(gone.contains("cannot tell for sure"), "{gone}");
    assert!(gone.contains("64 MiB"), "{gone}");
}

#[test]
fn it_is_over_when_another_process_answers_there() {
    let mut story = killed_by(Lack::Host, |it| it);
    let back = attempt(6, SERVER, Outcome::Answered);
    let view = at_server(&back, 54, Outcome::Answered, MS);
    story = story.with([view]);
    // Those sent after it have another cause: of five, two came before.
    let findings = story.explain().findings;
    let kill = &findings.iter().find(|it| it.rule == Rule::ServerOomKilled);
    let kill = kill.expect("it is told");
    assert_eq!(kill.queries, 2);
    let told = format!("{kill:?}");
    assert!(
        told.contains("another process answered there 251 ms later"),
        "{told}"
    );
}

#[test]
fn one_that_is_started_and_killed_again_is_one_finding() {
    let mut story = killed_by(Lack::Host, |it| it);
    let back = attempt(6, SERVER, Outcome::Answered);
    let view = at_server(&back, 54, Outcome::Answered, MS);
    let again = back.end_ns + 2 * MS;
    story = story.with([view]);
    story.host.oom_kills.extend([kill(54, again, Lack::Host)]);
    let findings = story.explain().findings;
    assert_eq!(findings[0].rule, Rule::ServerOomKilled);
    assert!(findings[0].title.contains("2 times"), "{findings:?}");
    assert_eq!(findings[0].queries, 4);
}

#[test]
fn another_process_is_none_of_it() {
    let other = |change: fn(&mut Story)| {
        let mut story = killed_by(Lack::Host, no_socket);
        change(&mut story);
        story.said()
    };
    let client = other(|story| {
        story.host.oom_kills = [kill(4242, KILLED_NS, Lack::Host)].into();
    });
    assert_eq!(client, [("dns_nobody_listening", 5)]);
    // It was killed after all of them.
    let later = other(|story| {
        story.host.oom_kills = [kill(PID, u64::MAX, Lack::Host)].into();
    });
    assert_eq!(later, [("dns_nobody_listening", 5)]);
    // They were discarded where it never was.
    let elsewhere = other(|story| {
        for drop in story.attempts.iter_mut().filter_map(|it| it.drop.as_mut()) {
            drop.netns = POD;
        }
    });
    assert_eq!(elsewhere, [("dns_nobody_listening", 5)]);
}

#[test]
fn a_loopback_address_is_one_of_its_own_namespace() {
    let own = "127.0.0.1:53";
    let story = |netns| {
        let answered = attempt(0, own, Outcome::Answered);
        let view = at_server(&answered, PID, Outcome::Answered, MS);
        let lost = (4..9).map(move |n| {
            let mut lost = attempt(n, own, Outcome::Unanswered);
            lost.owner.netns = netns;
            lost
        });
        let mut story = Story::default().with([answered, view]).with(lost);
        story.host.oom_kills = [kill(PID, KILLED_NS, Lack::Host)].into();
        story.said()
    };
    assert_eq!(story(NODE), [("dns_server_oom_killed", 5)]);
    assert_eq!(story(POD), [("dns_unknown", 5)]);
}

#[test]
fn the_address_of_a_service_leads_to_it() {
    const SERVICE: &str = "10.96.0.10:53";
    let mut story = killed_by(Lack::Host, |mut it| {
        it.peer = address(SERVICE);
        it
    });
    let outages = story.evidence().outages;
    assert_eq!(outages.at(NODE, address(SERVER)).count(), 1);
    let flows = story.attempts.iter().map(|it| Flow {
        netns: NODE,
        source: it.local,
        destination: address(SERVICE),
        reply_source: address(SERVER),
        is_replied: true,
    });
    story.host.flows = flows.collect();
    assert_eq!(story.said(), [("dns_server_oom_killed", 5)]);
}

#[test]
fn one_that_never_answered_is_known_by_its_socket() {
    let lost = (4..9).map(|n| attempt(n, SERVER, Outcome::Unanswered));
    let mut story = Story::default().with(lost);
    story.host.oom_kills = [kill(PID, KILLED_NS, Lack::Host)].into();
    story.host.listeners.insert((NODE, address(SERVER)), PID);
    assert_eq!(story.said(), [("dns_server_oom_killed", 5)]);
}
