//! Answers that look well, and that nobody can use.

use super::*;
use crate::doctor::finding::Severity;

const RESOLVER: u32 = 53;

/// Answered so, to a query that wanted recursion.
fn said(n: u64, server: &str, name: &str, rtype: u16, rcode: u16, records: u16) -> Attempt {
    let mut it = answered_with(attempt(n, server, Outcome::Answered), rcode);
    it.question = question(name, rtype);
    let answer = it.answer.as_mut().expect("an answer");
    answer.answers = records;
    answer.bits.recursion_desired = true;
    answer.bits.recursion_available = true;
    it
}

fn pairs(names: u64, aaaa_rcode: u16, aaaa_records: u16) -> Story {
    Story::default().with((0..names).flat_map(move |n| {
        let name = format!("m{n}.field.test");
        [
            said(2 * n, SERVER, &name, TYPE_A, 0, 1),
            said(
                2 * n + 1,
                SERVER,
                &name,
                TYPE_AAAA,
                aaaa_rcode,
                aaaa_records,
            ),
        ]
    }))
}

pub(super) fn aaaa_denied() -> Story {
    pairs(40, 3, 0)
}

fn findings(story: Story) -> Vec<Finding> {
    programs::diagnosed(story, &[]).findings
}

fn rules(story: Story) -> Vec<(&'static str, u64, Severity)> {
    let told = |it: Finding| (it.rule.name(), it.queries, it.severity);
    findings(story).into_iter().map(told).collect()
}

#[test]
fn no_such_name_for_one_type_alone_is_wrong() {
    assert_eq!(
        rules(aaaa_denied()),
        [("dns_aaaa_broken", 40, Severity::Warning)]
    );
    // Which library the one has who asked.
    let mut story = aaaa_denied();
    let pids: Vec<_> = story
        .attempts
        .iter()
        .filter_map(|it| it.owner.pid)
        .collect();
    for pid in pids {
        let client = crate::sampler::Process {
            c_library: Some(crate::sampler::CLibrary::Musl),
            ..Default::default()
        };
        story.host.clients.insert(pid, client);
    }
    let told = findings(story).remove(0).evidence;
    assert!(told.iter().any(|it| it.ends_with("uses musl.")), "{told:?}");
    let told = findings(aaaa_denied()).remove(0).evidence.remove(0);
    assert_eq!(
        told,
        "40 answers of type AAAA said NXDOMAIN, for 40 names; for the same names 40 answers of type A \
         had records."
    );
    // Asked three times, and for the address once.
    let one = (1..4).map(|n| said(n, SERVER, "m.field.test", TYPE_AAAA, 3, 0));
    let one = Story::default().with(one);
    let one = one.with([said(0, SERVER, "m.field.test", TYPE_A, 0, 1)]);
    let told = findings(one).remove(0).evidence.remove(0);
    assert_eq!(
        told,
        "3 answers of type AAAA said NXDOMAIN, for 1 name; for the same names 1 answer of type A had records."
    );
    // As it should be: no records of that type; or no such name at all.
    assert_eq!(rules(pairs(40, 0, 0)), []);
    assert_eq!(rules(pairs(40, 0, 1)), []);
    let none = Story::default().with((0..40).flat_map(|n| {
        let name = format!("x{n}.field.test");
        [TYPE_A, TYPE_AAAA].map(|rtype| said(2 * n, SERVER, &name, rtype, 3, 0))
    }));
    assert_eq!(rules(none), []);
    // Two of them are no pattern.
    assert_eq!(rules(pairs(2, 3, 0)), []);
}

/// A forwarder on this host: what its upstream said, and what it handed on.
fn forwarded(rtype: u16, got: u16, handed_on: (u16, u16)) -> Story {
    Story::default().with((0..15).flat_map(move |n| {
        let name = format!("i{n}.corp.test");
        let (rcode, records) = handed_on;
        let mut own = said(n, OTHER, &name, rtype, 0, got);
        own.owner.pid = Some(RESOLVER);
        own.owner.netns = NODE;
        let query = said(100 + n, SERVER, &name, rtype, rcode, records);
        let mut view = at_server(&query, RESOLVER, Outcome::Answered, MS);
        view.answer = query.answer;
        [own, view, query]
    }))
}

pub(super) fn emptied() -> Story {
    forwarded(TYPE_A, 1, (0, 0))
}

#[test]
fn a_forwarder_that_takes_records_out_is_told() {
    let warning = [("dns_answer_emptied", 15, Severity::Warning)];
    assert_eq!(rules(emptied()), warning);
    assert_eq!(rules(forwarded(TYPE_A, 1, (3, 0))), warning);
    // Filtering IPv6 is often meant so.
    assert_eq!(
        rules(forwarded(TYPE_AAAA, 1, (0, 0))),
        [("dns_answer_emptied", 15, Severity::Info)]
    );
    // It hands on what it got, records or none.
    assert_eq!(rules(forwarded(TYPE_A, 1, (0, 1))), []);
    assert_eq!(rules(forwarded(TYPE_A, 0, (0, 0))), []);
    let told = findings(emptied()).remove(0).evidence.remove(0);
    assert_eq!(
        told,
        "10.0.0.11:53 answered it with records 15 times; of the same questions 15 answers were \
         handed on, and none had a record."
    );
}

fn two_servers(rcode: u16, records: u16, comm: &'static str) -> Story {
    Story::default().with((0..30).flat_map(move |n| {
        let name = format!("c{}.corp.test", n % 10);
        let mut both = [
            said(n, SERVER, &name, TYPE_A, 0, 1),
            said(500 + n, OTHER, &name, TYPE_A, rcode, records),
        ];
        for it in &mut both {
            it.owner.comm = crate::attempt::Comm::new(comm.as_bytes());
        }
        both
    }))
}

pub(super) fn contradicting() -> Story {
    two_servers(3, 0, "curl")
}

#[test]
fn two_servers_that_disagree_about_a_name_are_told() {
    assert_eq!(
        rules(contradicting()),
        [("dns_contradiction", 30, Severity::Warning)]
    );
    let told = findings(contradicting()).remove(0);
    assert_eq!(
        told.title,
        "10.0.0.10:53 and 10.0.0.11:53 contradict each other"
    );
    assert_eq!(
        told.evidence[0],
        "10.0.0.11:53 said NXDOMAIN 30 times about 10 names of which 10.0.0.10:53 had records 30 \
         times."
    );
    assert_eq!(rules(two_servers(0, 1, "curl")), []);
    // It asks the servers of every link, and knows what to make of it.
    assert_eq!(rules(two_servers(3, 0, "systemd-resolve")), []);
    // A resolver that follows a delegation asks without RD.
    let mut iterative = contradicting();
    for it in &mut iterative.attempts {
        it.answer
            .as_mut()
            .expect("an answer")
            .bits
            .recursion_desired = false;
    }
    assert_eq!(rules(iterative), []);
    // Two namespaces have two lists.
    let mut elsewhere = contradicting();
    for it in elsewhere
        .attempts
        .iter_mut()
        .filter(|it| it.peer == address(OTHER))
    {
        it.owner.netns = NODE;
    }
    assert_eq!(rules(elsewhere), []);
}

/// Counted together or told one by one: the same comes out.
#[test]
fn plain_answers_count_as_well() {
    let story = aaaa_denied();
    let together = |attempts: &[Attempt]| {
        let mut incidents = Incidents::default();
        incidents.count(&sample::plain(attempts));
        incidents.ask(&sample::questions(attempts));
        incidents.close(HostSample::default(), Duration::from_secs(30), Vec::new())
    };
    let counted = together(&story.attempts);
    assert_eq!(counted.answers, story.evidence().answers);
    let view = |it: &Attempt| at_server(it, RESOLVER, Outcome::Answered, MS);
    let views: Vec<_> = story
        .attempts
        .iter()
        .map(|it| {
            let mut view = view(it);
            view.answer = it.answer;
            view
        })
        .collect();
    let handed_on = together(&views).answers;
    assert_eq!(handed_on.iter().count(), 80);
    assert_eq!(
        handed_on.iter().map(|(_, it)| it.no_such_name).sum::<u64>(),
        40
    );
}
