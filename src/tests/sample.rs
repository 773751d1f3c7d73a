//! Attempts to test with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Conntrack;
use crate::attempt::HeaderBits;
use crate::attempt::Identity;
use crate::attempt::MOMENT_NS;
use crate::attempt::Outcome;
use crate::attempt::Owner;
use crate::attempt::Packet;
use crate::attempt::PacketDrop;
use crate::attempt::Plain;
use crate::attempt::PlainAsker;
use crate::attempt::PlainExchange;
use crate::attempt::PlainLookups;
use crate::attempt::PlainQuestion;
use crate::attempt::PlainQuestions;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::collect::Collector;
use crate::collect::OutcomeTotals;
use crate::host::Signal;
use crate::incidents::Evidence;
use crate::lookup::Lookup;
use crate::lookup::LookupResult;
use crate::lookup::Outline;
use crate::monitor::Ending;
use crate::sampler::HostSample;
use crate::window::ClosedWindow;
use crate::window::End;
use crate::window::Window;

/// A millisecond in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;

/// A client attempt of this process at this server that ended so after so long.
pub(crate) fn attempt(process: (&str, u32), server: &str, outcome: Outcome, ns: u64) -> Attempt {
    let answered = matches!(outcome, Outcome::Answered | Outcome::Late);
    let sent_ns = 1_000_000_000_000;
    let local = SocketAddr::from(([10, 0, 0, 5], 49_962));
    let peer = server.parse().expect("an address in a test");
    Attempt {
        outcome,
        end_ns: sent_ns + ns,
        sent_ns,
        first_ns: sent_ns,
        cookie: 1,
        owner: Owner {
            pid: Some(process.1),
            tid: Some(process.1),
            comm: Comm::new(process.0.as_bytes()),
            cgroup_id: 1,
            netns: 4_026_531_840,
        },
        id: Some(4_711),
        query_bytes: 40,
        answer: answered.then_some(Answer {
            rcode: OptRcode::NOERROR,
            truncated: false,
            answers: 1,
            bytes: 80,
            bits: HeaderBits::default(),
            extended_error: None,
        }),
        reason: (outcome == Outcome::Refused).then_some(Reason::Errno(libc::ECONNREFUSED)),
        ..Attempt::between(Role::Client, Transport::Udp, local, peer)
    }
}

/// The network namespace of the host's own servers.
pub(crate) const NODE: u32 = 4_026_532_001;

/// A query of another host that was discarded there before the server could see it.
pub(crate) fn turned_away(client: &str, server: &str, reason: &str) -> Attempt {
    let (client, server) = (client.parse(), server.parse());
    let (client, server): (SocketAddr, SocketAddr) =
        (client.expect("a client"), server.expect("a server"));
    let drop = PacketDrop {
        at_ns: 1_000_000_000_000,
        reason: reason.into(),
        location: Some("nft_do_chain".into()),
        packet: Packet::Query,
        conntrack: Some(Conntrack::Absent),
        netns: NODE,
        source: client,
        destination: server,
        when_sent: false,
    };
    Attempt {
        outcome: Outcome::Dropped,
        owner: Owner {
            netns: NODE,
            ..Owner::default()
        },
        question: RawQuestion::new(b"\x03www\x04test\0\0\x01\0\x01"),
        reason: Some(Reason::Drop(reason.to_owned())),
        drop: Some(Box::new(drop)),
        ..Attempt::between(Role::Server, Transport::Udp, server, client)
    }
}

/// One that was answered at once, as nearly all are.
pub(crate) fn plain_attempt() -> Attempt {
    Attempt {
        question: RawQuestion::new(b"\x03www\x04test\0\0\x01\0\x01"),
        ..attempt(("curl", 4_242), "10.0.0.10:53", Outcome::Answered, 2 * MS)
    }
}

/// These, which are alike, as they are counted together.
pub(crate) fn plain(attempts: &[Attempt]) -> Plain {
    let example = attempts.first().expect("one at least").clone();
    let is_nxdomain = |it: &Attempt| it.answer.map(|it| it.rcode) == Some(OptRcode::NXDOMAIN);
    let mut plain = Plain {
        nxdomain: attempts.iter().filter(|it| is_nxdomain(it)).count() as u64,
        after_answer: attempts.iter().filter(|it| it.is_after_answer).count() as u64,
        latencies: Vec::new(),
        moments: Vec::new(),
        exchanges: Vec::new(),
        lookups: PlainLookups::default(),
        example,
    };
    for attempt in attempts {
        let fingerprint = attempt.question.fingerprint().expect("a question");
        let elapsed_ns = attempt.elapsed().as_nanos();
        plain
            .latencies
            .push(elapsed_ns.try_into().expect("it is quick"));
        let slot = attempt.sent_ns / MOMENT_NS;
        if plain
            .moments
            .last()
            .is_none_or(|last| last / MOMENT_NS != slot)
        {
            plain.moments.push(attempt.sent_ns);
        }
        let answer = attempt.answer.expect("an answer");
        if attempt.role == Role::Server {
            plain.exchanges.push(PlainExchange {
                arrived_ns: attempt.sent_ns,
                ended_ns: attempt.end_ns,
                cookie: attempt.cookie,
                peer: attempt.peer,
                id: attempt.id.expect("a message"),
                answer_bytes: answer.bytes,
                is_nxdomain: is_nxdomain(attempt),
                is_no_data: answer.is_no_data(),
                wants_recursion: answer.bits.recursion_desired,
                queued_bytes: attempt.queued_bytes,
                question: fingerprint,
            });
        }
    }
    plain
}

/// What was asked in these, which are of one process.
pub(crate) fn questions(attempts: &[Attempt]) -> PlainQuestions {
    let example = attempts.first().expect("one at least");
    let Owner { pid, comm, .. } = example.owner;
    let is_client = example.role == Role::Client;
    let mut questions: Vec<PlainQuestion> = Vec::new();
    let mut names: Vec<(u32, u32, u32)> = Vec::new();
    for attempt in attempts {
        let fingerprint = attempt.question.fingerprint().expect("a question");
        let answer = attempt.answer.expect("an answer");
        let bits = (answer.bits.recursion_desired, answer.bits.checking_disabled);
        let known = questions.iter().position(|it| {
            it.fingerprint == fingerprint && (it.wants_recursion, it.is_unchecked) == bits
        });
        let place = known.unwrap_or(questions.len());
        if known.is_none() {
            questions.push(PlainQuestion {
                fingerprint,
                question: match is_client {
                    true => attempt.question.clone(),
                    false => RawQuestion::default(),
                },
                pid,
                comm,
                asked: 0,
                nxdomain: 0,
                no_data: 0,
                answer_bytes: 0,
                wants_recursion: bits.0,
                is_unchecked: bits.1,
            });
            names.push((place as u32, 0, 0));
        }
        let is_nxdomain = answer.rcode == OptRcode::NXDOMAIN;
        let question = &mut questions[place];
        question.asked += 1;
        question.nxdomain += u64::from(is_nxdomain);
        question.no_data += u64::from(answer.is_no_data());
        question.answer_bytes = question.answer_bytes.max(answer.bytes);
        names[place].1 += 1;
        names[place].2 += u32::from(is_nxdomain);
    }
    PlainQuestions {
        role: example.role,
        netns: example.owner.netns,
        server: example.server(),
        questions,
        askers: match is_client {
            true => vec![PlainAsker { pid, comm, names }],
            false => Vec::new(),
        },
    }
}

/// A control group that somebody is in.
pub(crate) fn workload(path: &str) -> Arc<Identity> {
    Arc::new(Identity::of_cgroup(path.as_bytes()))
}

/// A container in a pod, both with names.
pub(crate) fn pod(namespace: &str, name: &str, container: &str) -> Arc<Identity> {
    // An id that is the container's own, whatever it is called.
    let id: String = format!("{name}/{container}")
        .bytes()
        .map(|b| format!("{b:02x}"))
        .collect();
    let path = format!("/kubepods/burstable/pod{name}/{id:0<64.64}");
    let mut pod = Identity::of_cgroup(path.as_bytes());
    pod.name_container(container);
    pod.name_pod(namespace, name, "");
    Arc::new(pod)
}

/// What was fed, as figures and as a window.
#[derive(Default)]
pub(crate) struct Fed {
    pub(crate) collector: Collector,
    pub(crate) totals: OutcomeTotals,
    window: Window,
}

impl Fed {
    /// Feeds the same attempt so many times.
    pub(crate) fn feed(&mut self, times: u64, attempt: &Attempt) -> &mut Self {
        for _ in 0..times {
            self.collector.record(attempt);
            self.totals.record(attempt);
            self.window.attempt(attempt);
        }
        self
    }

    /// Feeds a lookup that failed with this attempt, which took all of its time.
    pub(crate) fn failed_lookup(&mut self, attempt: &Attempt) -> &mut Self {
        let duration_ns = attempt.end_ns - attempt.sent_ns;
        let lookup = Lookup {
            example: attempt.clone(),
            name: Some("www.example.com".to_owned()),
            types: vec![Rtype::A],
            outline: Outline {
                result: LookupResult::Failed,
                duration_ns,
                queries: 1,
                lost_ns: duration_ns,
            },
            end_ns: attempt.end_ns,
            steps: Vec::new(),
            is_exact: true,
        };
        self.collector.record_lookup(&lookup);
        self.window.lookup(&lookup);
        self
    }

    /// The window of 30 s, with what is known at its end.
    pub(crate) fn closed(
        &self,
        kernel: Ending,
        host: HostSample,
        signals: Vec<Signal>,
    ) -> ClosedWindow {
        self.window.clone().close(End {
            duration: Duration::from_secs(30),
            kernel,
            host,
            signals,
            ..End::default()
        })
    }

    /// What is known of those that went wrong, with these host.
    pub(crate) fn evidence(&self, host: HostSample) -> Evidence {
        self.closed(Ending::default(), host, Vec::new()).evidence()
    }
}
