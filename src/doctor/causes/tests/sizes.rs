//! Answers that are lost for their size, and such as are cut short.

use super::contrasts::silent;
use super::*;

const TYPE_TXT: u16 = 16;

fn opt(octets: u16) -> Vec<u8> {
    let [high, low] = octets.to_be_bytes();
    vec![0, 0, 41, high, low, 0, 0, 0, 0, 0, 0]
}

/// Asks for a name with so much room over UDP.
fn asking(attempt: Attempt, name: &str, rtype: u16, room: u16) -> Attempt {
    let question = question(name, rtype);
    Attempt {
        question: RawQuestion::new(&[question.as_bytes(), &opt(room)].concat()),
        ..attempt
    }
}

fn answered(attempt: Attempt, bytes: u16, truncated: bool) -> Attempt {
    let mut attempt = answered_with(attempt, 0);
    let answer = attempt.answer.as_mut().expect("an answer");
    (answer.bytes, answer.truncated) = (bytes, truncated);
    answer.answers = u16::from(!truncated);
    attempt
}

fn over_tcp(attempt: Attempt) -> Attempt {
    Attempt {
        transport: Transport::Tcp,
        ..attempt
    }
}

fn at(n: u64) -> Attempt {
    attempt(n, SERVER, Outcome::Answered)
}

/// Small answers come, and those of `name` do not where there is room for them.
pub(super) fn small_ones_come(bad: u64, room: u16) -> Story {
    Story::default()
        .with((0..bad).map(|n| silent(asking(at(n), "big.example.com", TYPE_TXT, room))))
        .with((100..160).map(|n| {
            let name = format!("n{n}.example.com");
            answered(asking(at(n), &name, TYPE_TXT, 4_096), 120, false)
        }))
}

/// The same, and over TCP the large one does come.
pub(super) fn too_big() -> Story {
    small_ones_come(12, 4_096).with((200..204).map(|n| {
        let it = asking(at(n), "big.example.com", TYPE_TXT, 4_096);
        over_tcp(answered(it, 1_800, false))
    }))
}

fn first(story: Story) -> Finding {
    story.explain().findings.remove(0)
}

#[test]
fn large_answers_that_never_come_are_known_by_their_size() {
    let found = first(too_big());
    assert_eq!((found.rule, found.queries), (Rule::AnswerTooBig, 12));
    assert_eq!(
        found.title,
        format!("Large answers from {SERVER} never come, small ones do")
    );
    assert_eq!(
        found.evidence[..4],
        [
            "Of queries whose answer has 1,800 bytes or more, with room for that, 12 of 12 went \
             unanswered; of all others, 0 of 64.",
            "The largest answer that came whole over UDP from there had 120 bytes.",
            "They had room for 4,096 bytes.",
            "The same questions were answered there over TCP, or cut short (TC), 4 times.",
        ]
    );
    assert!(found.cause.contains("fragments"), "{}", found.cause);
    assert!(
        found.fix.join("\n").contains("edns-buffer-size: 1232"),
        "{:?}",
        found.fix
    );
}

/// glibc offers nothing, gets a truncated answer, and knows what to do.
#[test]
fn who_has_less_room_tells_how_large_it_is() {
    let short = |n| {
        let it = Attempt {
            question: question("big.example.com", TYPE_TXT),
            ..at(n)
        };
        answered(it, 45, true)
    };
    let found = first(small_ones_come(12, 1_232).with((200..208).map(short)));
    assert_eq!((found.rule, found.queries), (Rule::AnswerTooBig, 12));
    let told = "Of queries whose answer has 513 bytes or more, with room for that, 12 of 12 went \
                unanswered; of all others, 0 of 68.";
    assert_eq!(found.evidence[0], told);
    assert!(found.cause.contains("512 bytes"), "{}", found.cause);
    assert!(
        found.fix.join("\n").contains("edns-buffer-size: 512"),
        "{:?}",
        found.fix
    );
}

/// Nobody knows how large the answer is: it may be something else.
#[test]
fn a_size_that_nobody_has_seen_is_a_question() {
    let found = first(small_ones_come(12, 4_096));
    assert_eq!((found.rule, found.queries), (Rule::Unknown, 12));
    let asked = "They had room for answers of 4,096 bytes, and the largest that came from there over \
                 UDP had 120: if theirs are larger, these may get lost on the way.";
    assert!(
        found.evidence.iter().any(|line| line == asked),
        "{:?}",
        found.evidence
    );
    assert!(found.fix.join("\n").contains("+tcp"), "{:?}", found.fix);
    // With little room all of them are small.
    let little = first(small_ones_come(12, 1_232));
    assert!(!little.evidence.iter().any(|line| line.contains("had room")));
    // It came, now and then: it is no matter of size.
    let now_and_then = small_ones_come(12, 4_096).with((300..330).map(|n| {
        answered(
            asking(at(n), "big.example.com", TYPE_TXT, 4_096),
            120,
            false,
        )
    }));
    let found = first(now_and_then);
    assert!(!found.evidence.iter().any(|line| line.contains("had room")));
}

#[test]
fn size_is_not_blamed_where_larger_answers_come() {
    let larger = too_big().with(
        (400..404).map(|n| answered(asking(at(n), "dnskey.example.com", 48, 4_096), 2_000, false)),
    );
    assert_ne!(first(larger).rule, Rule::AnswerTooBig);
    // Everything fails, small ones as well.
    let all = too_big().with(
        (400..440).map(|n| silent(asking(at(n), &format!("s{n}.example.com"), TYPE_A, 4_096))),
    );
    assert_ne!(first(all).rule, Rule::AnswerTooBig);
    // Too few.
    let few = small_ones_come(2, 4_096).with([over_tcp(answered(
        asking(at(200), "big.example.com", TYPE_TXT, 4_096),
        1_800,
        false,
    ))]);
    assert_eq!(few.said(), []);
}

/// A client of a resolver on this host waits because of the resolver's upstream.
#[test]
fn a_server_of_this_host_has_not_lost_what_it_did_not_send() {
    let mut story = too_big();
    let queries = std::mem::take(&mut story.attempts);
    for query in queries {
        let view = at_server(&query, servers::RESOLVER, query.outcome, MS / 10);
        story.attempts.extend([view, query]);
    }
    assert!(
        story
            .explain()
            .findings
            .iter()
            .all(|it| it.rule != Rule::AnswerTooBig)
    );
}

/// Whole answers, then such as are cut short although they would fit, and silence.
pub(super) fn slipping(whole: u16, room: u16) -> Story {
    let ask = move |n| asking(at(n), "www.example.com", TYPE_A, room);
    Story::default()
        .with((0..20).map(move |n| answered(ask(n), whole, false)))
        .with((20..80).map(move |n| match n % 3 {
            0 => answered(ask(n), 33, true),
            1 => answered(ask(n), whole, false),
            _ => silent(ask(n)),
        }))
}

#[test]
fn answers_that_are_cut_short_though_they_fit_are_a_rate_limit() {
    let found = first(slipping(120, 1_232));
    assert_eq!((found.rule, found.queries), (Rule::RateLimit, 20));
    assert!(found.title.ends_with("(RRL)"), "{}", found.title);
    assert_eq!(
        found.evidence[..2],
        [
            "20 answers over UDP from there had the TC bit and no record, to questions whose whole \
             answer would have had room.",
            "20 queries went unanswered.",
        ]
    );
    // It may have been larger the other time.
    assert_eq!(first(slipping(1_100, 1_232)).rule, Rule::Unknown);
    // Others have less room: what is cut short is as it must be.
    let others = Story::default()
        .with(
            (0..20).map(|n| answered(asking(at(n), "www.example.com", TYPE_A, 1_232), 900, false)),
        )
        .with((20..40).map(|n| answered(asking(at(n), "www.example.com", TYPE_A, 512), 33, true)))
        .with((40..60).map(|n| silent(asking(at(n), "www.example.com", TYPE_A, 1_232))));
    assert_eq!(first(others).rule, Rule::Unknown);
    // All is answered: nobody is hurt.
    let mut fine = slipping(120, 1_232);
    fine.attempts.retain(|it| it.outcome == Outcome::Answered);
    assert!(fine.explain().findings.is_empty());
}

/// What is counted in cells knows the same.
#[test]
fn plain_answers_tell_their_size_as_well() {
    let mut story = slipping(120, 1_232);
    let whole: Vec<_> = story.attempts.drain(..20).collect();
    let mut incidents = Incidents::default();
    incidents.count(&sample::plain(&whole));
    incidents.ask(&sample::questions(&whole));
    for attempt in &story.attempts {
        incidents.record(attempt, true);
    }
    let evidence = incidents.close(HostSample::default(), Duration::from_secs(30), Vec::new());
    let silent = evidence.incidents.iter().find(|it| it.has_failed());
    let slips = evidence.oversized.slips(&silent.expect("one").attempt);
    assert_eq!(slips, Some(20));
}

/// A firewall here takes the large answers of a server here, and lets the small ones pass.
pub(super) fn large_ones_discarded(small: u16) -> Story {
    let one = |n| {
        let mut query = attempt(n, SERVER, Outcome::Answered);
        query.answer.as_mut().expect("an answer").bytes = small;
        let mut view = at_server(&query, servers::RESOLVER, Outcome::Answered, MS / 10);
        let is_large = n < 14;
        view.answer.as_mut().expect("an answer").bytes = if is_large { 2_800 } else { small };
        let seen = match is_large {
            true => dropped(query, Packet::Answer, "NETFILTER_DROP", "nft_do_chain"),
            false => query,
        };
        [view, seen]
    };
    Story::default().with((0..54).flat_map(one))
}

#[test]
fn a_rule_that_takes_large_answers_alone_is_told_so() {
    let found = first(large_ones_discarded(60));
    assert_eq!((found.rule, found.queries), (Rule::PolicyDrop, 14));
    let told = found.evidence.join("\n") + &found.fix.join("\n");
    for words in [
        "40 queries to the same server from the same network namespaces got an answer",
        "have 2,800 bytes or more; the largest that came had 60.",
        "Let large packets and fragments pass",
    ] {
        assert!(told.contains(words), "{told}");
    }
    // Of the same size: it is something else.
    let told = first(large_ones_discarded(2_800));
    let told = told.evidence.join("\n") + &told.fix.join("\n");
    assert!(!told.contains("bytes or more"), "{told}");
    assert!(told.contains("Allow UDP and TCP port 53"), "{told}");
}

#[test]
fn that_no_answer_came_whole_is_told() {
    let told = |truncated| {
        let story = Story::default()
            .with((0..12).map(|n| silent(asking(at(n), "big.example.com", TYPE_TXT, 4_096))))
            .with((100..160).map(|n| {
                let name = format!("n{n}.example.com");
                answered(asking(at(n), &name, TYPE_TXT, 512), 120, truncated)
            }))
            .with((200..204).map(|n| {
                let it = asking(at(n), "big.example.com", TYPE_TXT, 4_096);
                over_tcp(answered(it, 1_800, false))
            }));
        let found = first(story);
        assert_eq!(found.rule, Rule::AnswerTooBig, "{found:#?}");
        found.evidence.join("\n")
    };
    let none = "No answer came whole over UDP from there.";
    assert!(told(true).contains(none));
    let some = told(false);
    assert!(!some.contains(none), "{some}");
    assert!(
        some.contains("The largest answer that came whole over UDP from there had 120 bytes."),
        "{some}"
    );
}
