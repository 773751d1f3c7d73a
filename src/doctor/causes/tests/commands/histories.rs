//! Histories that together make every rule speak, and name its commands.

use std::path::Path;
use std::path::PathBuf;

use super::super::alike;
use super::super::answers;
use super::super::apart;
use super::super::contrasts;
use super::super::drops;
use super::super::forwarders;
use super::super::killed;
use super::super::lossy;
use super::super::negative;
use super::super::patterns;
use super::super::programs;
use super::super::reasons;
use super::super::replicas;
use super::super::servers;
use super::super::sizes;
use super::super::slow;
use super::super::unexplained;
use super::super::*;
use super::Names;
use crate::attempt::Comm;
use crate::attempt::FailedCall;
use crate::attempt::Identity;
use crate::attempt::SlowRead;
use crate::sampler::Full;
use crate::sampler::Version;

const OWN: &str = "127.0.0.1:5353";

/// What happened, and what was read late of it.
pub(super) struct History {
    incident: Story,
    reads: Vec<SlowRead>,
}

impl From<Story> for History {
    fn from(incident: Story) -> Self {
        let reads = Vec::new();
        Self { incident, reads }
    }
}

impl History {
    /// The same, with names that strangers chose.
    pub(super) fn renamed(mut self, names: &Names) -> Self {
        let Names { folder, label } = names;
        let path = [&b"/pods/"[..], folder].concat();
        let workload = std::sync::Arc::new(Identity::of_cgroup(&path));
        let has_capitals =
            |it: &Attempt| it.question.shape().is_some_and(|shape| shape.has_capitals);
        let is_by_case = self.incident.attempts.iter().any(has_capitals);
        for attempt in &mut self.incident.attempts {
            // Where capitals set some apart, the others must not get any.
            if !is_by_case || has_capitals(attempt) {
                let length = [label.len() as u8];
                let name = [&length[..], label, attempt.question.as_bytes()].concat();
                attempt.question = RawQuestion::new(&name);
            }
            attempt.owner.comm = Comm::new(folder);
            attempt.workload = Some(workload.clone());
        }
        for read in &mut self.reads {
            read.owner.comm = Comm::new(folder);
        }
        self
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        programs::diagnosed(self.incident, &self.reads).findings
    }
}

/// What all of them together say.
pub(in super::super) fn findings(folder: &Path) -> Vec<Finding> {
    all(folder)
        .into_iter()
        .flat_map(History::findings)
        .collect()
}

/// All of them; control groups and a resolv.conf are in the folder.
pub(super) fn all(folder: &Path) -> Vec<History> {
    let mut all: Vec<History> = Vec::new();
    all.extend(before_the_packet().map(History::from));
    all.extend(discarded().map(History::from));
    all.extend(refusals().map(History::from));
    all.extend(at_a_server_of_this_host(folder).map(History::from));
    all.extend(killed(folder).map(History::from));
    all.push(lossy::lossy().into());
    all.extend(slow::all().map(History::from));
    all.extend(reasons::all().map(History::from));
    let caches: [&[u8]; 3] = [b"unbound", b"dnsmasq", b"systemd-resolve"];
    all.extend(caches.map(|comm| negative::denying(comm, &[(SERVER, 10)]).into()));
    all.push(negative::denying(b"unbound", &[]).into());
    all.extend(by_pattern(folder).map(History::from));
    all.extend(separated().map(History::from));
    all.extend(unusable().map(History::from));
    all.push(read_late());
    all
}

/// The kernel kills a server: of both versions of control groups, and where none is known.
fn killed(folder: &Path) -> impl Iterator<Item = Story> {
    let group = folder.join("dns").to_string_lossy().into_owned();
    [Version::V1, Version::V2]
        .into_iter()
        .map(move |version| killed::killed(&group, version))
}

fn five(made: impl Fn(Attempt) -> Attempt) -> Story {
    Story::default().with((0..5).map(|n| made(attempt(n, SERVER, Outcome::Unanswered))))
}

fn before_the_packet() -> impl Iterator<Item = Story> {
    let failed = |errno| {
        five(move |attempt| Attempt {
            id: None,
            failed_call: Some(FailedCall::Send),
            ..refused(attempt, errno)
        })
    };
    [libc::EPERM, libc::ENETUNREACH, libc::EAGAIN, libc::EIO]
        .into_iter()
        .map(failed)
}

fn discarded() -> impl Iterator<Item = Story> {
    let (absent, unconfirmed) = (Conntrack::Absent, Conntrack::Unconfirmed);
    let full = drops::netfilter("nf_hook_slow", absent, drops::counters(5, 0));
    let race = drops::netfilter("nf_hook_slow", unconfirmed, drops::counters(5, 5));
    let reasons = [
        (Packet::Query, "IP_INNOROUTES", "ip_error"),
        (Packet::Query, "NEIGH_FAILED", "neigh_invalidate"),
        (Packet::Answer, "PKT_TOO_BIG", "ip_forward"),
        (Packet::Query, "BPF_CGROUP_EGRESS", "ip_finish_output"),
        (Packet::Query, "NETFILTER_DROP", "nft_do_chain"),
        (Packet::Query, "SOCKET_RCVBUFF", "udp_queue_rcv_one_skb"),
        (Packet::Answer, "NO_SOCKET", "__udp4_lib_rcv"),
        (Packet::Answer, "SOCKET_RCVBUFF", "udp_queue_rcv_one_skb"),
        (Packet::Answer, "PROTO_MEM", "udp_queue_rcv_one_skb"),
        (Packet::Query, "IP_RPFILTER", "ip_rcv_finish_core"),
        (Packet::Query, "SOMETHING_NEW", "some_function"),
    ];
    let by_reason = reasons.map(|(packet, reason, location)| {
        five(|attempt| dropped(attempt, packet, reason, location))
    });
    let wrong = five(|attempt| {
        let mut attempt = dropped(attempt, Packet::Answer, "NO_SOCKET", "__udp4_lib_rcv");
        attempt.drop.as_mut().expect("a drop").source = address(OTHER);
        attempt
    });
    let ignored = five(|mut attempt| {
        attempt.ignored.other_question = 3;
        attempt
    });
    by_reason.into_iter().chain([full, race, wrong, ignored])
}

fn refusals() -> impl Iterator<Item = Story> {
    let drops = [
        Some(("NETFILTER_DROP", "nft_do_chain")),
        Some(("NO_SOCKET", "__udp4_lib_rcv")),
        None,
    ];
    let elsewhere = [libc::EACCES, libc::EHOSTUNREACH]
        .map(|errno| five(move |attempt| refused(attempt, errno)));
    let refusals = drops.into_iter().map(|drop| {
        five(|attempt| {
            let attempt = refused(attempt, libc::ECONNREFUSED);
            let drop = drop.map(|(reason, location)| {
                Box::new(packet_drop(&attempt, Packet::Query, reason, location))
            });
            Attempt { drop, ..attempt }
        })
    });
    refusals.chain(elsewhere)
}

fn at_a_server_of_this_host(folder: &Path) -> impl Iterator<Item = Story> {
    let throttled = |cgroup: &Path, version| {
        let quota = crate::sampler::Quota {
            cgroup: cgroup.to_owned().into(),
            version,
            ..servers::quota(90)
        };
        servers::overloaded(servers::server(Some(quota), 0.2, 0.0))
    };
    let name = folder.file_name().expect("of a group");
    let mut unit = folder
        .with_file_name("system.slice")
        .join(name)
        .into_os_string();
    unit.push(".service");
    let mut stopped = servers::server(None, 0.0, 0.0);
    stopped.spans[0].stopped = true;
    let mut hung = five(|attempt| attempt);
    for query in hung.attempts.clone() {
        let view = at_server(&query, servers::RESOLVER, Outcome::Unanswered, MS);
        hung.attempts.insert(0, view);
    }
    [
        throttled(folder, Version::V1),
        throttled(folder, Version::V2),
        throttled(&PathBuf::from(unit), Version::V2),
        throttled(Path::new("/sys/fs/cgroup/kubepods/pod1"), Version::V2),
        servers::overloaded(servers::server(None, 0.99, 0.0)),
        servers::overloaded(servers::server(None, 0.3, 0.65)),
        servers::overloaded(servers::server(None, 0.1, 0.0)),
        servers::overloaded(stopped),
        servers::forwarded(|own| own),
        forwarders::looped(),
        hung,
    ]
    .into_iter()
}

fn by_pattern(folder: &Path) -> impl Iterator<Item = Story> {
    let mut dead = Story::default()
        .with(many(8, SERVER, Outcome::Unanswered))
        .with(more(8, OTHER, Outcome::Answered));
    let search = ["default.svc.lab", "svc.lab", "lab"];
    let searching = programs::searching(4, 20, &search);
    for (pid, client) in &searching.host.clients {
        let mut client = client.clone();
        let conf = client.resolv_conf.as_mut().expect("a resolv.conf");
        conf.path = folder.join("resolv.conf");
        dead.host.clients.insert(*pid, client);
    }
    let errors = |rcode| {
        let errors = (500..510).map(move |n| attempt(n, SERVER, Outcome::Answered));
        Story::default()
            .with(many(40, SERVER, Outcome::Answered))
            .with(errors.map(move |attempt| answered_with(attempt, rcode)))
    };
    let mut truncated = attempt(99, SERVER, Outcome::Answered);
    truncated.answer.as_mut().expect("an answer").truncated = true;
    let blocked = five(|attempt| Attempt {
        transport: Transport::Tcp,
        id: None,
        ..attempt
    });
    let storm = (0..2_000).map(|n| Attempt {
        question: question("db.example.com", TYPE_A),
        ..attempt(n, SERVER, Outcome::Answered)
    });
    let slow = many(100, OWN, Outcome::Answered).map(|mut attempt| {
        attempt.end_ns = attempt.sent_ns + 900 * MS;
        attempt
    });
    [
        dead,
        searching,
        errors(2),
        errors(5),
        errors(1),
        errors(4),
        Story::default().with(many(30, SERVER, Outcome::Answered).map(patterns::referral)),
        blocked.with([truncated]),
        Story::default().with(storm),
        Story::default().with(slow),
        Story::default().with(many(30, OWN, Outcome::Unanswered)),
        patterns::stale(Some("10.244.1.9:53"), Outcome::Answered),
        Story::default().with(patterns::both(6, |attempt| answered_with(attempt, 2))),
    ]
    .into_iter()
}

/// One that has used up its descriptors, and the host its files.
fn without_descriptors() -> Story {
    let mut story = Story::default();
    let full = Full {
        comm: Comm::new(b"curl"),
        open: 64,
        limit: 64,
        times: 2,
    };
    story.host.descriptors.full.insert(4_242, full);
    story.host.descriptors.of_all = Some((2_000, 2_000));
    story
}

fn unusable() -> impl Iterator<Item = Story> {
    [
        answers::aaaa_denied(),
        answers::emptied(),
        answers::contradicting(),
        without_descriptors(),
    ]
    .into_iter()
}

fn separated() -> impl Iterator<Item = Story> {
    [
        contrasts::edns_dropped(),
        contrasts::case_dropped(),
        contrasts::type_dropped(),
        contrasts::private_reverse(),
        contrasts::tcp_unserved(),
        contrasts::udp_unserved(),
        contrasts::second_query(),
        alike::second_of_connection(),
        alike::zone_unanswered(),
        alike::zone_unanswered_here(),
        contrasts::clients_ignored(),
        contrasts::socket_unread(),
        contrasts::in_flight_limited(),
        contrasts::rate_limited(|second| 30 + 10 * (second % 4), |_| 20),
        replicas::bad_replica(),
        apart::cut_off(),
        apart::group_cut_off(),
        apart::silent_while(300, |n| (100..200).contains(&n)),
        sizes::slipping(120, 1_232),
        sizes::too_big(),
        sizes::large_ones_discarded(60),
        reasons::full(5),
        unexplained::ended_after_an_answer(0),
        unexplained::ended_after_an_answer(1),
        sizes::small_ones_come(12, 4_096),
    ]
    .into_iter()
}

fn read_late() -> History {
    let incident = Story::default().with(many(20, SERVER, Outcome::Answered));
    let reads = incident.attempts.iter();
    let reads = reads.map(|it| programs::read_late(it, 300 * MS)).collect();
    History { incident, reads }
}
