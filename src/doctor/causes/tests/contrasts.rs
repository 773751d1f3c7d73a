//! One attribute separates what failed from what did not, and names the cause.

use super::*;

const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
pub(super) const TYPE_PTR: u16 = 12;
pub(super) const TYPE_HTTPS: u16 = 65;

pub(super) fn silent(attempt: Attempt) -> Attempt {
    Attempt {
        outcome: Outcome::Unanswered,
        answer: None,
        end_ns: attempt.sent_ns + 1_000 * MS,
        ..attempt
    }
}

/// So many that go wrong, and so many others that are answered.
pub(super) fn split(
    bad: u64,
    good: u64,
    with: impl Fn(Attempt) -> Attempt + Copy,
    without: impl Fn(Attempt) -> Attempt + Copy,
) -> Story {
    Story::default()
        .with((0..bad).map(move |n| silent(with(attempt(n, SERVER, Outcome::Answered)))))
        .with((500..500 + good).map(move |n| without(attempt(n, SERVER, Outcome::Answered))))
}

pub(super) fn same(attempt: Attempt) -> Attempt {
    attempt
}

pub(super) fn with_edns(attempt: Attempt) -> Attempt {
    Attempt {
        question: RawQuestion::new(&[attempt.question.as_bytes(), &OPT].concat()),
        ..attempt
    }
}

pub(super) fn asking(name: &'static str, rtype: u16) -> impl Fn(Attempt) -> Attempt + Copy {
    move |attempt| Attempt {
        question: question(name, rtype),
        ..attempt
    }
}

pub(super) fn over_tcp(attempt: Attempt) -> Attempt {
    Attempt {
        transport: Transport::Tcp,
        ..attempt
    }
}

pub(super) fn after_answer(attempt: Attempt) -> Attempt {
    Attempt {
        is_after_answer: true,
        ..attempt
    }
}

pub(super) fn edns_dropped() -> Story {
    split(20, 60, with_edns, same)
}

pub(super) fn case_dropped() -> Story {
    let in_capitals = |it: Attempt| Attempt {
        question: question(&format!("N{}.examPle.com", it.cookie - 1_000), TYPE_A),
        ..it
    };
    split(20, 60, in_capitals, same)
}

pub(super) fn type_dropped() -> Story {
    split(14, 28, asking("www.example.com", TYPE_HTTPS), same)
}

pub(super) fn private_reverse() -> Story {
    split(10, 60, asking("1.33.30.172.in-addr.arpa", TYPE_PTR), same)
}

pub(super) fn tcp_unserved() -> Story {
    split(8, 30, over_tcp, same)
}

pub(super) fn udp_unserved() -> Story {
    split(8, 30, same, over_tcp)
}

pub(super) fn second_query() -> Story {
    split(17, 31, after_answer, same)
}

/// A server on this host; `of` tells the views apart that stay without an answer.
fn served(bad: u64, good: u64, of: impl Fn(bool, &mut Attempt)) -> Story {
    seen_here(split(bad, good, same, same), of)
}

/// The same of what was asked otherwise.
pub(super) fn seen_here(mut story: Story, of: impl Fn(bool, &mut Attempt)) -> Story {
    let queries = std::mem::take(&mut story.attempts);
    for query in queries {
        let is_silent = query.outcome == Outcome::Unanswered;
        let outcome = if is_silent {
            Outcome::Unanswered
        } else {
            Outcome::Answered
        };
        let mut view = at_server(&query, servers::RESOLVER, outcome, MS / 10);
        of(is_silent, &mut view);
        story.attempts.extend([view, query]);
    }
    story
}

pub(super) fn clients_ignored() -> Story {
    served(12, 40, |is_silent, view| {
        let ip = if is_silent { "10.81.1.2" } else { "10.81.2.1" };
        view.peer.set_ip(ip.parse().expect("an address"));
    })
}

pub(super) fn socket_unread() -> Story {
    served(34, 26, |is_silent, view| {
        view.cookie = if is_silent { 77 } else { 78 };
        view.queued_bytes = if is_silent { 768 } else { 0 };
    })
}

/// So many a second are asked, and no more than twenty of them answered.
pub(super) fn rate_limited(asked: impl Fn(u64) -> u64, answered: impl Fn(u64) -> u64) -> Story {
    let mut story = Story::default();
    for second in 0..10 {
        for n in 0..asked(second) {
            let mut it = attempt(second * 100 + n, SERVER, Outcome::Answered);
            let sent_ns = (1_000 + second) * 1_000 * MS + n * MS;
            it.end_ns = sent_ns + MS;
            it.sent_ns = sent_ns;
            it.first_ns = sent_ns;
            let is_over = n >= answered(second);
            story.attempts.push(if is_over { silent(it) } else { it });
        }
    }
    story
}

/// It takes ten at once, each 1,250 ms, and is asked each 100 ms.
pub(super) fn in_flight_limited() -> Story {
    let mut under_way: Vec<u64> = Vec::new();
    let asked = |n: u64| {
        let sent_ns = 1_000_000 * MS + n * 100 * MS;
        under_way.retain(|end_ns| *end_ns > sent_ns);
        let has_room = under_way.len() < 10;
        let it = attempt(n, SERVER, Outcome::Answered);
        let it = Attempt {
            sent_ns,
            first_ns: sent_ns,
            end_ns: sent_ns + 1_250 * MS,
            ..it
        };
        under_way.extend(has_room.then_some(it.end_ns));
        if has_room { it } else { silent(it) }
    };
    Story::default().with((0..90).map(asked))
}

#[test]
fn a_limit_in_flight_is_told_by_how_many_others_waited() {
    let said = in_flight_limited().said();
    assert_eq!(said, [("dns_slow_way", 70), ("dns_in_flight_limit", 20)]);
    let mut findings = in_flight_limited().explain().findings;
    findings.retain(|it| it.rule == Rule::InFlightLimit);
    let found = findings.remove(0);
    assert_eq!(
        found.evidence[..2],
        [
            "Of queries sent while 10 or more others waited for their answers there, 20 of 20 went \
             unanswered; of those sent while fewer did, 0 of 70.",
            "Half of those that were answered took 1.3 s or more; answers within 100 ms are left out \
             of this."
        ]
    );
    // Where what is asked tells the failures apart as well, it is that.
    let mut story = in_flight_limited();
    for it in &mut story.attempts {
        let is_silent = it.outcome == Outcome::Unanswered;
        it.question = question("www.example.com", if is_silent { TYPE_HTTPS } else { 1 });
    }
    assert_eq!(story.said()[0], ("dns_type_dropped", 20));
}

#[test]
fn a_rate_limit_answers_as_many_whatever_is_asked() {
    let varied = |second: u64| if second.is_multiple_of(2) { 30 } else { 60 };
    let limited = || rate_limited(varied, |_| 20);
    assert_eq!(limited().said(), [("dns_rate_limit", 250)]);
    let found = first(limited());
    assert_eq!(
        found.evidence[0],
        "In 8 seconds with unanswered queries, 30 to 60 were asked in a second, and about 20 of \
         them answered."
    );
    // A third is lost whatever is asked; and where always as much is asked, nobody can tell.
    let lossy = rate_limited(varied, |second| varied(second) * 2 / 3);
    assert_eq!(lossy.said(), [("dns_unknown", 150)]);
    let steady = rate_limited(|_| 30, |_| 20);
    assert_eq!(steady.said(), [("dns_unknown", 100)]);
}

/// Where the zone, or the type, tells the failures apart as well, it is that.
#[test]
fn capitals_are_the_cause_where_nothing_else_is() {
    let zone = split(20, 60, asking("MYHOST.corp.internal", 1), same);
    assert_eq!(zone.said(), [("dns_zone_unanswered", 20)]);
    let rtype = split(20, 60, asking("WWW.example.com", TYPE_HTTPS), same);
    assert_eq!(rtype.said(), [("dns_type_dropped", 20)]);
}

fn first(story: Story) -> Finding {
    story.explain().findings.remove(0)
}

#[test]
fn each_row_takes_its_own_and_says_both_sides() {
    let rows: [(Story, Rule, u64, &str); 9] = [
        (
            edns_dropped(),
            Rule::EdnsDropped,
            20,
            "Of queries with EDNS (an OPT record), 20 of 20 went unanswered; of all others, 0 of 60.",
        ),
        (
            case_dropped(),
            Rule::CaseDropped,
            20,
            "Of queries with capital letters in the name, 20 of 20 went unanswered; of all others, 0 of 60.",
        ),
        (
            type_dropped(),
            Rule::TypeDropped,
            14,
            "Of queries of type HTTPS, 14 of 14 went unanswered; of all others, 0 of 28.",
        ),
        (
            private_reverse(),
            Rule::PrivateReverse,
            10,
            "Of reverse lookups of private addresses, 10 of 10 went unanswered; of all others, 0 of 60.",
        ),
        (
            tcp_unserved(),
            Rule::OneTransport,
            8,
            "Of queries over TCP, 8 of 8 went unanswered; of all others, 0 of 30.",
        ),
        (
            udp_unserved(),
            Rule::OneTransport,
            8,
            "Of queries over UDP, 8 of 8 went unanswered; of all others, 0 of 30.",
        ),
        (
            second_query(),
            Rule::SecondQuery,
            17,
            "Of source ports that had an answer before, 17 of 17 went unanswered; of all others, 0 of 31.",
        ),
        (
            clients_ignored(),
            Rule::ClientsIgnored,
            12,
            "Of queries from 10.81.1.0/24, 12 of 12 went unanswered; of all others, 0 of 40.",
        ),
        (
            socket_unread(),
            Rule::SocketUnread,
            34,
            "Of queries that came to that socket, 34 of 34 went unanswered; of all others, 0 of 26.",
        ),
    ];
    for (story, rule, queries, told) in rows {
        let found = first(story);
        assert_eq!((found.rule, found.queries), (rule, queries));
        assert!(
            found.evidence.iter().any(|line| line == told),
            "{:?}",
            found.evidence
        );
    }
}

/// Whether connections are made is seen, and said as it was; why nobody reads them is not.
#[test]
fn connections_over_tcp_are_told_as_they_were() {
    let made = first(tcp_unserved());
    let told = |finding: &Finding| finding.evidence.join("\n");
    assert!(made.cause.starts_with("Connections are made"), "{made:#?}");
    assert!(told(&made).contains("For 8 of 8 queries the connection was made"));
    let none = first(split(
        8,
        30,
        |it| Attempt {
            id: None,
            ..over_tcp(it)
        },
        same,
    ));
    assert!(none.cause.starts_with("No connection is made"), "{none:#?}");
    assert!(told(&none).contains("For 0 of 8 queries"), "{none:#?}");
    for cause in [made.cause, none.cause] {
        assert!(!cause.contains("idle ones hold all of them"), "{cause}");
    }
}

#[test]
fn what_falls_on_both_sides_is_no_contrast() {
    // Losses of a bad link: as many with EDNS as without.
    let lossy = split(10, 30, with_edns, same)
        .with((900..930).map(|n| with_edns(attempt(n, SERVER, Outcome::Answered))));
    assert_eq!(lossy.said(), [("dns_unknown", 10)]);
    // Everything fails: there is nothing to compare with.
    let all = split(20, 0, with_edns, same)
        .with((500..560).map(|n| silent(attempt(n, SERVER, Outcome::Answered))));
    assert_eq!(all.said(), [("dns_unknown", 80)]);
    // Too few for more than chance.
    assert_eq!(split(3, 4, with_edns, same).said(), [("dns_unknown", 3)]);
    // Another server, which answers queries without EDNS, says nothing about this one.
    let elsewhere = split(20, 0, with_edns, same)
        .with((500..560).map(|n| attempt(n, OTHER, Outcome::Answered)));
    assert_eq!(elsewhere.said(), [("dns_dead_server", 20)]);
}

/// A and AAAA from one port, and AAAA is what is silent: it is the second one, too.
#[test]
fn a_type_that_fails_alone_is_not_the_second_question() {
    let pairs = (0..12).flat_map(|n| {
        let a = attempt(2 * n, SERVER, Outcome::Answered);
        let six = silent(asking("api.example.com", TYPE_AAAA)(attempt(
            2 * n + 1,
            SERVER,
            Outcome::Answered,
        )));
        [asking("api.example.com", TYPE_A)(a), after_answer(six)]
    });
    assert_eq!(
        Story::default().with(pairs).said(),
        [("dns_aaaa_broken", 12)]
    );
}

/// A port that fails again and again is one port.
#[test]
fn a_single_port_is_no_pattern_of_ports() {
    let stuck = (0..30).map(|n| {
        let mut it = after_answer(silent(attempt(n, SERVER, Outcome::Answered)));
        it.local.set_port(4_000);
        it
    });
    let story = Story::default()
        .with((500..540).map(|n| attempt(n, SERVER, Outcome::Answered)))
        .with(stuck);
    assert_eq!(story.said(), [("dns_unknown", 30)]);
}

#[test]
fn what_the_kernel_has_told_needs_no_contrast() {
    let told = split(20, 60, with_edns, same);
    let told = Story {
        attempts: told
            .attempts
            .into_iter()
            .map(|it| match it.outcome {
                Outcome::Unanswered => dropped(it, Packet::Query, "NETFILTER_DROP", "nft_do_chain"),
                _ => it,
            })
            .collect(),
        ..told
    };
    assert_eq!(told.said(), [("dns_policy_drop", 20)]);
}

#[test]
fn what_no_rule_knows_is_told_all_the_same() {
    let zone = split(12, 60, asking("db.corp.test", TYPE_A), same);
    // They found others in a socket of which it is not known how far it was read: that may be
    // why.
    let queued = |is_silent, view: &mut Attempt| {
        view.queued_bytes = 4_000 * u32::from(is_silent);
        view.cookie = 0;
    };
    let found = first(seen_here(zone, queued));
    assert_eq!(found.rule, Rule::Unknown);
    let told = "Of names of corp.test, 12 of 12 went unanswered; of all others, 0 of 60.";
    assert!(
        found.evidence.iter().any(|it| it == told),
        "{:?}",
        found.evidence
    );
}

#[test]
fn error_answers_are_compared_too() {
    let story = Story::default()
        .with((0..60).map(|n| {
            let asked = with_edns(attempt(n, SERVER, Outcome::Answered));
            answered_with(asked, 1)
        }))
        .with((500..560).map(|n| attempt(n, SERVER, Outcome::Answered)));
    let found = first(story);
    let told = "Of queries with EDNS (an OPT record), 60 of 60 were answered with an error; of all \
                others, 0 of 60.";
    assert_eq!(found.rule, Rule::OtherRcode);
    assert!(
        found.evidence.iter().any(|it| it == told),
        "{:?}",
        found.evidence
    );
}

/// Client and forwarder on this host: one trouble, told at the server that is silent.
#[test]
fn the_forwarders_own_contrast_is_the_cause() {
    let reverse = asking("1.33.30.172.in-addr.arpa", TYPE_PTR);
    let mut story = Story::default();
    for n in 0..10 {
        let query = silent(reverse(attempt(n, SERVER, Outcome::Answered)));
        let view = at_server(&query, servers::RESOLVER, Outcome::Unanswered, 900 * MS);
        let mut own = query.clone();
        own.owner.pid = Some(servers::RESOLVER);
        own.owner.netns = NODE;
        own.peer = address(OTHER);
        own.cookie += 5_000;
        own.sent_ns += MS;
        story.attempts.extend([view, own, query]);
    }
    for n in 500..560 {
        let query = attempt(n, SERVER, Outcome::Answered);
        let mut own = attempt(n, OTHER, Outcome::Answered);
        own.owner.pid = Some(servers::RESOLVER);
        own.owner.netns = NODE;
        story.attempts.extend([own, query]);
    }
    let diagnosis = story.explain();
    let found: Vec<_> = diagnosis
        .findings
        .iter()
        .map(|it| (it.rule.name(), it.queries))
        .collect();
    assert_eq!(found, [("dns_private_reverse", 20)]);
    assert!(
        diagnosis.findings[0].title.starts_with(OTHER),
        "{}",
        diagnosis.findings[0].title
    );
}
