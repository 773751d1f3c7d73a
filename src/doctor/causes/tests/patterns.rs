//! What only the pattern over servers, types, ports and answers shows.

use super::*;
use crate::attempt::Ignored;
use crate::sampler::Flow;

#[test]
fn a_dead_server_needs_a_living_one_beside_it() {
    let dead = |other: Outcome| {
        Story::default()
            .with(many(8, SERVER, Outcome::Unanswered))
            .with(more(8, OTHER, other))
    };
    assert_eq!(dead(Outcome::Answered).said(), [("dns_dead_server", 8)]);
    assert_eq!(
        finding(dead(Outcome::Answered)).evidence[0],
        "Of queries to 10.0.0.10:53, 8 of 8 failed; of those to all other servers from the same network \
         namespaces, 0 of 8."
    );
    assert_eq!(
        dead(Outcome::Unanswered).said(),
        [("dns_unknown", 8), ("dns_unknown", 8)]
    );
    // The living one belongs to another namespace's list.
    let elsewhere = Story::default()
        .with(many(8, SERVER, Outcome::Unanswered))
        .with(more(8, OTHER, Outcome::Answered).map(|mut attempt| {
            attempt.owner.netns = NODE;
            attempt
        }));
    assert_eq!(elsewhere.said(), [("dns_unknown", 8)]);
    // It does answer a third of the time.
    let lossy = Story::default()
        .with(many(8, SERVER, Outcome::Unanswered))
        .with((200..204).map(|n| attempt(n, SERVER, Outcome::Answered)))
        .with(more(8, OTHER, Outcome::Answered));
    assert_eq!(lossy.said(), [("dns_unknown", 8)]);
}

/// Each is compared with those that answer, not with each other.
#[test]
fn two_dead_servers_are_two() {
    const THIRD: &str = "10.0.0.12:53";
    let story = || {
        Story::default()
            .with(many(8, SERVER, Outcome::Unanswered))
            .with(more(8, OTHER, Outcome::Unanswered))
            .with((800..820).map(|n| attempt(n, THIRD, Outcome::Answered)))
    };
    assert_eq!(
        story().said(),
        [("dns_dead_server", 8), ("dns_dead_server", 8)]
    );
    assert_eq!(
        finding(story()).evidence[0],
        "Of queries to 10.0.0.10:53, 8 of 8 failed; of those to all servers but the dead ones from the same \
         network namespaces, 0 of 20."
    );
}

/// A server that loses much itself is nothing to compare with.
#[test]
fn a_dead_server_beside_one_that_fails_is_not_told_apart() {
    let beside = |failed: u64| {
        Story::default()
            .with(many(8, SERVER, Outcome::Unanswered))
            .with(more(40, OTHER, Outcome::Answered))
            .with((800..800 + failed).map(|n| attempt(n, OTHER, Outcome::Unanswered)))
            .said()
    };
    assert!(beside(2).contains(&("dns_dead_server", 8)));
    assert!(!beside(10).contains(&("dns_dead_server", 8)));
}

/// Each pod asks a few times; all of them together tell.
#[test]
fn a_dead_server_of_many_namespaces_is_told_from_all_of_them() {
    let pods = |number: u32| {
        let from = |pod: u32, n: u64, server, outcome| {
            let mut attempt = attempt(n + u64::from(pod) * 10, server, outcome);
            attempt.owner.netns = POD + pod;
            attempt
        };
        let pods = (0..number).flat_map(move |pod| {
            let dead = (0..3).map(move |n| from(pod, n, SERVER, Outcome::Unanswered));
            dead.chain((3..6).map(move |n| from(pod, n, OTHER, Outcome::Answered)))
        });
        Story::default().with(pods).said()
    };
    assert_eq!(pods(1), [("dns_unknown", 3)]);
    assert_eq!(pods(4), [("dns_dead_server", 12)]);
}

/// Who asks a server that is on no list has read the file before it was changed.
#[test]
fn a_dead_server_that_is_on_no_list_is_told_as_such() {
    let told = |nameservers: &[&str], is_resolver: bool| {
        let mut story = Story::default()
            .with(many(8, SERVER, Outcome::Unanswered))
            .with(more(8, OTHER, Outcome::Answered));
        if is_resolver {
            let served = attempt(700, SERVER, Outcome::Answered);
            story = story.with([at_server(&served, 4242, Outcome::Answered, MS)]);
        }
        let conf = crate::sampler::ResolvConf {
            path: std::path::PathBuf::from("/etc/resolv.conf"),
            nameservers: nameservers
                .iter()
                .filter_map(|ip| ip.parse().ok())
                .collect(),
            search: Vec::new(),
            ndots: 1,
        };
        let client = crate::sampler::Process {
            resolv_conf: Some(conf),
            ..Default::default()
        };
        story.host.clients.insert(4242, client);
        let finding = finding(story);
        assert_eq!((finding.rule, finding.queries), (Rule::DeadServer, 8));
        finding.title + &finding.evidence.join("\n") + &finding.fix.join("\n")
    };
    let unlisted = told(&["10.0.0.11"], false);
    assert!(
        unlisted.contains("not in resolv.conf (any more)"),
        "{unlisted}"
    );
    assert!(unlisted.contains("names 10.0.0.11."), "{unlisted}");
    assert!(unlisted.contains("Restart the program"), "{unlisted}");
    assert!(!unlisted.contains("options timeout"), "{unlisted}");
    let listed = told(&["10.0.0.11", "10.0.0.10"], false);
    assert!(listed.contains("number 2 of 2 nameservers"), "{listed}");
    assert!(!listed.contains("any more"), "{listed}");
    let fourth = told(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.10"], false);
    assert!(fourth.contains("use the first three only"), "{fourth}");
    // A resolver has its upstreams elsewhere.
    let resolver = told(&["10.0.0.11"], true);
    assert!(!resolver.contains("any more"), "{resolver}");
}

/// A and AAAA of one name, asked so many times.
pub(super) fn both(
    times: u64,
    aaaa: impl Fn(Attempt) -> Attempt + Copy,
) -> impl Iterator<Item = Attempt> {
    (0..times).flat_map(move |n| {
        let mut a = attempt(2 * n, SERVER, Outcome::Answered);
        a.question = question("api.example.com", TYPE_A);
        let mut six = attempt(2 * n + 1, SERVER, Outcome::Answered);
        six.question = question("API.example.com", TYPE_AAAA);
        [a, aaaa(six)]
    })
}

#[test]
fn aaaa_alone_must_fail_every_time() {
    let unanswered = |attempt| Attempt {
        outcome: Outcome::Unanswered,
        answer: None,
        ..attempt
    };
    let silent = Story::default().with(both(8, unanswered));
    assert_eq!(silent.said(), [("dns_aaaa_broken", 8)]);
    let told = finding(Story::default().with(both(8, unanswered))).evidence;
    let line = "Of queries of type AAAA to 10.0.0.10:53, 8 of 8 were not answered NOERROR; of those of type \
                A, 0 of 8.";
    assert!(told.iter().any(|it| it == line), "{told:?}");
    let servfail = Story::default().with(both(8, |attempt| answered_with(attempt, 2)));
    assert_eq!(servfail.said(), [("dns_aaaa_broken", 8)]);
    // Five of five against none of five: chance makes that once in 252 times.
    let few = Story::default().with(both(5, unanswered));
    assert_eq!(few.said(), [("dns_unknown", 5)]);
    // Losses that hit AAAA now and then: another name each, and mostly fine.
    let random = Story::default()
        .with((0..6).map(|n| Attempt {
            question: question(&format!("n{n}.example.com"), TYPE_AAAA),
            ..attempt(n, SERVER, Outcome::Unanswered)
        }))
        .with((100..200).map(|n| Attempt {
            question: question(&format!("n{n}.example.com"), TYPE_AAAA),
            ..attempt(n, SERVER, Outcome::Answered)
        }));
    assert_eq!(random.said(), [("dns_unknown", 6)]);
}

/// One source port that fails for three seconds, with others that work.
pub(super) fn stale(entry_to: Option<&str>, others: Outcome) -> Story {
    let mut incident = Story::default()
        .with((0..30).map(|n| {
            let mut attempt = attempt(n, SERVER, Outcome::Unanswered);
            attempt.local.set_port(4000);
            attempt.cookie = 4000;
            attempt
        }))
        .with(more(40, SERVER, others));
    incident.host.flows = entry_to
        .map(|reply_source| Flow {
            netns: NODE,
            source: address("10.0.0.5:4000"),
            destination: address(SERVER),
            reply_source: address(reply_source),
            is_replied: true,
        })
        .into_iter()
        .collect();
    incident
}

#[test]
fn a_stale_entry_leads_elsewhere_and_only_its_port_fails() {
    let gone = Some("10.244.1.9:53");
    assert_eq!(
        stale(gone, Outcome::Answered).said(),
        [("dns_conntrack_stale", 30)]
    );
    // No translation: the server itself ignores that port.
    assert_eq!(stale(None, Outcome::Answered).said(), [("dns_unknown", 30)]);
    assert_eq!(
        stale(Some(SERVER), Outcome::Answered).said(),
        [("dns_unknown", 30)]
    );
    // New ports fail too.
    assert_eq!(
        stale(gone, Outcome::Unanswered).said(),
        [("dns_unknown", 70)]
    );
}

/// What the same port was answered before says nothing about others.
#[test]
fn answers_from_before_are_no_fresh_ports() {
    let own_past = || {
        many(40, SERVER, Outcome::Answered).map(|mut attempt| {
            attempt.local.set_port(4000);
            attempt
        })
    };
    let with_past = || {
        let mut incident = stale(Some("10.244.1.9:53"), Outcome::Answered);
        let later = std::mem::take(&mut incident.attempts).into_iter();
        incident.attempts = own_past()
            .chain(later.map(|mut attempt| {
                shift(&mut attempt, 5_000 * MS);
                attempt
            }))
            .collect();
        incident
    };
    let told = |incident: Story| {
        let finding = incident.explain().findings.remove(0);
        (finding.rule.name(), finding.evidence.join("\n"))
    };
    let (rule, evidence) = told(with_past());
    assert_eq!(rule, "dns_conntrack_stale");
    assert!(
        evidence.contains("From other source ports 40 queries"),
        "{evidence}"
    );
    // Nobody else asks.
    let mut alone = with_past();
    alone.attempts.truncate(70);
    assert_eq!(told(alone).0, "dns_unknown");
    // Only others, in namespaces of their own.
    let mut elsewhere = with_past();
    for attempt in &mut elsewhere.attempts[70..] {
        attempt.owner.netns = NODE;
    }
    assert_eq!(told(elsewhere).0, "dns_conntrack_stale");
}

#[test]
fn the_packets_own_entry_is_proof_within_two_seconds() {
    let said = |reply_source: &str, entry_to| {
        let mut incident = stale(entry_to, Outcome::Answered);
        let reply_source = reply_source.parse().expect("an address");
        // 30 failures of that port, 100 ms apart: three are left.
        incident.attempts.drain(3..30);
        for attempt in &mut incident.attempts[..3] {
            let sent = attempt.clone();
            *attempt = dropped(sent, Packet::Query, "IP_INNOROUTES", "ip_error");
            if let Some(drop) = attempt.drop.as_mut() {
                drop.conntrack = Some(Conntrack::Confirmed { reply_source });
            }
        }
        incident.said()
    };
    let server = address(SERVER).ip().to_string();
    // One without a drop of its own, of the same port: the server had it when its link
    // went.
    let mut incident = stale(None, Outcome::Answered);
    incident.attempts.drain(4..30);
    for attempt in &mut incident.attempts[1..4] {
        let sent = attempt.clone();
        *attempt = dropped(sent, Packet::Query, "IP_INNOROUTES", "ip_error");
        if let Some(drop) = attempt.drop.as_mut() {
            let reply_source = "10.244.1.9".parse().expect("an address");
            drop.conntrack = Some(Conntrack::Confirmed { reply_source });
        }
    }
    assert_eq!(incident.said(), [("dns_conntrack_stale", 4)]);
    assert_eq!(said("10.244.1.9", None), [("dns_conntrack_stale", 3)]);
    assert_eq!(said(&server, None), [("dns_no_route", 3)]);
    // An entry that was there at the end proves nothing so soon.
    let later = Some("10.244.1.9:53");
    assert_eq!(said(&server, later), [("dns_no_route", 3)]);
}

#[test]
fn tcp_is_blocked_if_it_was_asked_for_and_never_worked() {
    let truncated = (0..3).map(|n| {
        let mut attempt = attempt(n, SERVER, Outcome::Answered);
        if let Some(answer) = attempt.answer.as_mut() {
            answer.truncated = true;
        }
        attempt
    });
    let over_tcp = |n, outcome| Attempt {
        transport: Transport::Tcp,
        id: None,
        answer: None,
        ..attempt(n, SERVER, outcome)
    };
    let silent = (100..103).map(|n| over_tcp(n, Outcome::Unanswered));
    let reset = (200..202).map(|n| refused(over_tcp(n, Outcome::Refused), libc::ECONNREFUSED));
    let incident = Story::default()
        .with(truncated.clone())
        .with(silent.clone())
        .with(reset);
    assert_eq!(incident.said(), [("dns_tcp_blocked", 5)]);
    // Nobody was told to use TCP.
    let unasked = Story::default().with(silent.clone());
    assert_eq!(unasked.said(), [("dns_unknown", 3)]);
    // One got through: the server is slow at accepting, TCP is not blocked.
    let works = Story::default()
        .with(truncated)
        .with(silent)
        .with([Attempt {
            transport: Transport::Tcp,
            ..attempt(300, SERVER, Outcome::Answered)
        }]);
    assert_eq!(works.said(), [("dns_unknown", 3)]);
}

#[test]
fn error_answers_need_a_share() {
    let errors = |rcode, bad: u64, good: u64| {
        Story::default()
            .with(many(good, SERVER, Outcome::Answered))
            .with(
                (500..500 + bad)
                    .map(|n| answered_with(attempt(n, SERVER, Outcome::Answered), rcode)),
            )
            .said()
    };
    assert_eq!(errors(2, 5, 100), [("dns_servfail", 5)]);
    assert_eq!(errors(2, 4, 100), []);
    assert_eq!(errors(2, 5, 495), []);
    assert_eq!(errors(5, 12, 100), [("dns_refused_rcode", 12)]);
    // A filter refuses single names, and is a note.
    assert_eq!(errors(5, 3, 100), []);
    assert_eq!(errors(5, 80, 900), []);
    assert_eq!(errors(3, 90, 10), []);
    for rcode in [1, 4, 6, 9, 11, 16, 23, 4_095] {
        assert_eq!(errors(rcode, 3, 100), [("dns_other_rcode", 3)], "{rcode}");
        assert_eq!(errors(rcode, 2, 100), [], "{rcode}");
    }
}

fn finding(story: Story) -> Finding {
    story.explain().findings.remove(0)
}

#[test]
fn each_response_code_has_its_words() {
    let words = [
        (1, "FORMERR", "EDNS"),
        (4, "NOTIMP", "does not know this kind of query"),
        (9, "NOTAUTH", "TSIG"),
        (16, "BADVERS", "version of EDNS"),
        (23, "BADCOOKIE", "DNS cookie"),
        (11, "answers 11", "error"),
    ];
    for (rcode, name, cause) in words {
        let story = Story::default()
            .with(many(40, SERVER, Outcome::Answered))
            .with((500..520).map(|n| answered_with(attempt(n, SERVER, Outcome::Answered), rcode)));
        let told = finding(story);
        assert_eq!((told.rule, told.queries), (Rule::OtherRcode, 20));
        assert!(told.title.contains(name), "{}", told.title);
        assert!(told.cause.contains(cause), "{}", told.cause);
    }
    // Two codes are two faults.
    let both = Story::default().with((0..40).map(|n| {
        let rcode = if n % 2 == 0 { 1 } else { 4 };
        answered_with(attempt(n, SERVER, Outcome::Answered), rcode)
    }));
    assert_eq!(
        both.said(),
        [("dns_other_rcode", 20), ("dns_other_rcode", 20)]
    );
}

#[test]
fn the_servers_own_reason_is_told() {
    let story = Story::default().with((0..40).map(|n| {
        let mut it = answered_with(attempt(n, SERVER, Outcome::Answered), 2);
        let answer = it.answer.as_mut().expect("an answer");
        answer.extended_error = Some(if n < 30 { 6 } else { 7 });
        it
    }));
    let told = "The server's own reason (Extended DNS Error, RFC 8914): DNSSEC Bogus (6) 30 times, \
                Signature Expired (7) 10 times.";
    let evidence = finding(story).evidence;
    assert!(evidence.iter().any(|it| it == told), "{evidence:?}");
}

/// As an authoritative server answers a stub for what is not its own.
pub(super) fn referral(attempt: Attempt) -> Attempt {
    let mut attempt = answered_with(attempt, 0);
    let answer = attempt.answer.as_mut().expect("an answer");
    answer.bits.recursion_desired = true;
    attempt
}

#[test]
fn a_server_that_does_not_ask_further_answers_nothing() {
    let referred = |change: fn(&mut Answer)| {
        Story::default()
            .with(many(40, SERVER, Outcome::Answered))
            .with((500..530).map(move |n| {
                let mut it = referral(attempt(n, SERVER, Outcome::Answered));
                change(it.answer.as_mut().expect("an answer"));
                it
            }))
            .said()
    };
    assert_eq!(referred(|_| {}), [("dns_no_recursion", 30)]);
    // It has none of this type, and knows so, or has asked.
    assert_eq!(referred(|it| it.bits.authoritative = true), []);
    assert_eq!(referred(|it| it.bits.recursion_available = true), []);
    // A resolver that asks the zones' own servers.
    assert_eq!(referred(|it| it.bits.recursion_desired = false), []);
}

#[test]
fn an_answer_to_another_question_is_none() {
    let ignored = |n, other_question, other_source| Attempt {
        ignored: Ignored {
            other_question,
            other_source,
        },
        ..attempt(n, SERVER, Outcome::Unanswered)
    };
    let renamed = (0..4).map(|n| ignored(n, 2, 1));
    let forged = (10..13).map(|n| ignored(n, 0, 7));
    let story = Story::default().with(renamed).with(forged);
    let diagnosis = story.explain();
    let said: Vec<_> = diagnosis
        .findings
        .iter()
        .map(|finding| (finding.rule, finding.queries, finding.title.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                Rule::AnswerIgnored,
                4,
                "Answers from 10.0.0.10:53 are to another question"
            ),
            (
                Rule::AnswerIgnored,
                3,
                "What answers for 10.0.0.10:53 is not 10.0.0.10:53"
            ),
        ]
    );
    assert!(diagnosis.findings[1].evidence[0].contains("21 answers"));
    // One that was answered in the end has lost nothing.
    let answered = (0..4).map(|n| Attempt {
        ignored: ignored(n, 5, 5).ignored,
        ..attempt(n, SERVER, Outcome::Answered)
    });
    assert_eq!(Story::default().with(answered).said(), []);
}
