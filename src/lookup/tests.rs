mod given_up;
mod plain;
mod waits;

use std::net::SocketAddr;

use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use super::*;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::Outcome;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Transport;
use crate::sample;
use crate::sample::MS;

const A: Rtype = Rtype::A;
const AAAA: Rtype = Rtype::AAAA;
const START: u64 = 1_000_000 * MS;

/// A message of one program: what, from which thread, when, and what it came to.
#[derive(Clone)]
struct Asked(Attempt);

/// Asked for this by thread 1 through socket 1, at so many milliseconds, answered 1 ms later.
fn asked(name: &str, rtype: Rtype, at_ms: u64) -> Asked {
    let mut question = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        question.push(label.len() as u8);
        question.extend(label.bytes());
    }
    question.push(0);
    question.extend(rtype.to_int().to_be_bytes());
    question.extend([0, 1]);
    let sent_ns = START + at_ms * MS;
    let attempt = sample::attempt(("curl", 7), "10.0.0.10:53", Outcome::Answered, MS);
    Asked(Attempt {
        sent_ns,
        first_ns: sent_ns,
        end_ns: sent_ns + MS,
        // One id for each message, unless it is said to be sent again.
        id: Some((at_ms * 16 + u64::from(rtype.to_int()) % 16) as u16),
        question: RawQuestion::new(&question),
        ..attempt
    })
}

impl Asked {
    fn rcode(mut self, rcode: OptRcode) -> Self {
        let answer = self.0.answer.expect("an answer");
        self.0.answer = Some(Answer {
            rcode,
            answers: 0,
            ..answer
        });
        self
    }

    fn nothing(self) -> Self {
        self.rcode(OptRcode::NXDOMAIN)
    }

    fn no_data(self) -> Self {
        self.rcode(OptRcode::NOERROR)
    }

    fn takes(mut self, ms: u64) -> Self {
        self.0.end_ns = self.0.sent_ns + ms * MS;
        self
    }

    /// Without an answer until then.
    fn silent(mut self, ms: u64) -> Self {
        self.0.outcome = Outcome::Unanswered;
        self.0.answer = None;
        self.takes(ms)
    }

    /// Its program closed the socket by then.
    fn given_up(mut self, ms: u64) -> Self {
        self.0.gave_up_ns = Some(self.0.sent_ns + ms * MS);
        self
    }

    fn refused(mut self) -> Self {
        self.0.outcome = Outcome::Refused;
        self.0.answer = None;
        self.0.reason = Some(Reason::Errno(libc::ECONNREFUSED));
        self
    }

    fn thread(mut self, tid: u32, socket: u64) -> Self {
        self.0.owner.tid = Some(tid);
        self.0.cookie = socket;
        self
    }

    fn process(mut self, pid: u32) -> Self {
        self.0.owner.pid = Some(pid);
        self.0.owner.tid = Some(pid);
        self
    }

    fn of(mut self, server: &str) -> Self {
        self.0.peer = server.parse::<SocketAddr>().expect("an address");
        self
    }

    fn id(mut self, id: u16, number: u16) -> Self {
        self.0.id = Some(id);
        self.0.number = number;
        self
    }

    fn tcp(mut self) -> Self {
        self.0.transport = Transport::Tcp;
        self.0.cookie += 100;
        self
    }

    fn truncated(mut self) -> Self {
        let answer = self.0.answer.expect("an answer");
        self.0.answer = Some(Answer {
            truncated: true,
            answers: 0,
            ..answer
        });
        self
    }
}

/// A call that failed, so that nothing was sent.
fn failed_call(at_ms: u64, tid: u32) -> Asked {
    let mut it = asked("x", A, at_ms).refused().thread(tid, 50 + at_ms);
    it.0.end_ns = it.0.sent_ns;
    it.0.id = None;
    it.0.question = RawQuestion::default();
    it.0.failed_call = Some(FailedCall::Connect);
    it
}

/// The lookups that these are, in the order of their begin; attempts come as they end.
fn lookups(mut all: Vec<Asked>) -> Vec<Lookup> {
    all.sort_by_key(|it| it.0.end_ns);
    let mut grouper = Grouper::default();
    let mut closed = Vec::new();
    for (place, it) in all.iter().enumerate() {
        let now_ns = it.0.end_ns;
        // As the sweep does: what still waits, then what is over.
        for waiting in all[place..].iter().filter(|it| it.0.sent_ns <= now_ns) {
            let mut waiting = waiting.0.clone();
            // Else it is not known yet.
            waiting.gave_up_ns = waiting.gave_up_ns.filter(|it| *it <= now_ns);
            grouper.is_waiting(&waiting, now_ns);
        }
        grouper.close(now_ns);
        grouper.attempt(&it.0);
        closed.extend(grouper.take());
    }
    grouper.close_all();
    closed.extend(grouper.take());
    let told = closed.into_iter().map(|it| match it {
        Closed::Told(lookup) => *lookup,
        Closed::Plain(..) => panic!("none was plain"),
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|it| it.steps[0].sent_ns());
    told
}

/// The only one.
fn one(all: Vec<Asked>) -> Lookup {
    let mut told = lookups(all);
    assert_eq!(told.len(), 1, "{told:#?}");
    told.pop().expect("one")
}

fn both(name: &str, at_ms: u64) -> [Asked; 2] {
    [asked(name, A, at_ms), asked(name, AAAA, at_ms)]
}

fn name(lookup: &Lookup) -> &str {
    lookup.name.as_deref().expect("a name")
}

#[test]
fn an_address_is_one_lookup_with_both_types() {
    let lookup = one(both("www.test", 0).to_vec());
    assert_eq!(name(&lookup), "www.test");
    assert_eq!(lookup.types, [A, AAAA]);
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    assert_eq!(lookup.outline.queries, 2);
    assert_eq!(lookup.outline.duration_ns, MS);
    assert_eq!(lookup.outline.lost_ns, 0);
    assert!(lookup.is_exact);
    // One after the other, as with single-request.
    let lookup = one(vec![asked("www.test", A, 0), asked("www.test", AAAA, 2)]);
    assert_eq!(lookup.outline.duration_ns, 3 * MS);
}

#[test]
fn a_search_list_is_one_lookup_for_the_name_that_was_meant() {
    let tried = |name, at| both(name, at).map(Asked::nothing);
    let suffixes = ["api.gh.ns.svc.local", "api.gh.svc.local", "api.gh.local"];
    let walked = suffixes.into_iter().zip([0, 2, 4]);
    let mut all: Vec<_> = walked.flat_map(|(name, at)| tried(name, at)).collect();
    all.extend(both("api.gh", 6));
    let lookup = one(all);
    assert_eq!(name(&lookup), "api.gh");
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    assert_eq!(
        (lookup.outline.queries, lookup.outline.duration_ns),
        (8, 7 * MS)
    );
    assert_eq!(
        lookup.outline.lost_ns,
        3 * MS,
        "three suffixes, one at a time"
    );
    // None of them is there.
    let lookup = one([tried("db.a", 0), tried("db.b", 2)].concat());
    assert_eq!(name(&lookup), "db");
    assert_eq!(lookup.outline.result, LookupResult::NoSuchName);
    // The first name is there, but has no address.
    let no_data = both("db.a", 0).map(Asked::no_data);
    let lookup = one([no_data, tried("db.b", 2)].concat());
    assert_eq!(lookup.outline.result, LookupResult::NoData);
}

#[test]
fn who_asks_again_after_an_answer_looks_up_anew() {
    for end in [|it: Asked| it, Asked::nothing, Asked::no_data] {
        let all = (0..5)
            .flat_map(|n| both("www.test", 2 * n).map(end))
            .collect();
        let told = lookups(all);
        assert_eq!(told.len(), 5, "{told:#?}");
        assert!(told.iter().all(|it| it.outline.queries == 2));
    }
    // Another name is another lookup, once something was found.
    let told = lookups([both("www.a", 0), both("www.b", 2)].concat());
    assert_eq!(
        told.iter().map(name).collect::<Vec<_>>(),
        ["www.a", "www.b"]
    );
    // So are those that go on at the same time, …
    let nothing = |name: &str, at| asked(name, A, at).nothing().takes(10);
    assert_eq!(
        lookups(vec![nothing("www.a", 0), nothing("www.b", 5)]).len(),
        2
    );
    // … or after a pause, …
    assert_eq!(
        lookups(vec![nothing("www.a", 0), nothing("www.b", 200)]).len(),
        2
    );
    // … or want another type.
    let other = asked("www.test", Rtype::MX, 2);
    assert_eq!(lookups(vec![asked("www.test", A, 0), other]).len(), 2);
}

#[test]
fn two_threads_that_want_the_same_are_two() {
    let of = |tid: u32, at| both("www.test", at).map(|it| it.thread(tid, tid.into()));
    let told = lookups([of(1, 0), of(2, 0), of(1, 3), of(2, 3)].concat());
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|it| it.outline.queries == 2 && it.is_exact));
    // And so are two processes, and two tasks of one thread.
    let told = lookups([both("a", 0), both("a", 0).map(|it| it.process(8))].concat());
    assert_eq!(told.len(), 2);
    let twice = [
        asked("a", A, 0).takes(9).id(1, 1),
        asked("a", A, 1).takes(9).id(2, 1),
    ];
    assert_eq!(lookups(twice.to_vec()).len(), 2);
}

#[test]
fn a_library_may_spread_a_lookup_over_threads() {
    let go = |name: &str, at, tids: [u32; 2]| {
        let [a, aaaa] = both(name, at);
        [
            a.thread(tids[0], at * 2 + 1),
            aaaa.thread(tids[1], at * 2 + 2),
        ]
    };
    let lookup = one(go("www.test", 0, [1, 2]).to_vec());
    assert_eq!(lookup.types, [A, AAAA]);
    assert!(lookup.is_exact);
    let nothing = go("www.test.a", 0, [1, 2]).map(Asked::nothing);
    let lookup = one([nothing, go("www.test", 2, [2, 3])].concat());
    assert_eq!((name(&lookup), lookup.outline.queries), ("www.test", 4));
    let told = lookups([go("www.test", 0, [1, 2]), go("www.test", 3, [2, 1])].concat());
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|it| it.outline.queries == 2));
}

/// Go asks for both types at once, from threads that it takes as they come.
#[test]
fn a_name_asked_again_at_once_by_other_threads_is_another_lookup() {
    let all = lookups(vec![
        asked("db.corp.test", A, 0).thread(1, 10),
        asked("db.corp.test", AAAA, 0).thread(2, 11),
        asked("db.corp.test", AAAA, 3).thread(1, 12),
        asked("db.corp.test", A, 3).thread(2, 13),
        asked("db.corp.test", A, 6).thread(2, 14),
        asked("db.corp.test", AAAA, 6).thread(3, 15),
    ]);
    assert_eq!(all.len(), 3);
    for (lookup, at_ms) in all.iter().zip([0, 3, 6]) {
        assert_eq!(lookup.outline.queries, 2, "{lookup:#?}");
        assert_eq!(lookup.outline.duration_ns, MS, "{lookup:#?}");
        assert_eq!(lookup.end_ns, START + (at_ms + 1) * MS, "{lookup:#?}");
        assert!(lookup.is_exact, "{lookup:#?}");
    }
}

/// Go, of a server that answers before the second question is asked.
#[test]
fn lookups_that_follow_each_other_are_told_apart_by_their_order() {
    let all = lookups(vec![
        asked("db.corp.test", A, 0).thread(1, 10),
        asked("db.corp.test", AAAA, 1).thread(2, 11),
        asked("db.corp.test", A, 2).thread(2, 12),
        asked("db.corp.test", AAAA, 3).thread(1, 13),
    ]);
    assert_eq!(all.len(), 2);
    for (lookup, at_ms) in all.iter().zip([0, 2]) {
        assert_eq!(lookup.outline.queries, 2, "{lookup:#?}");
        assert_eq!(lookup.end_ns, START + (at_ms + 2) * MS, "{lookup:#?}");
        assert!(lookup.is_exact, "{lookup:#?}");
    }
}

/// Two threads, each of which asks for one type after the other from another socket.
#[test]
fn what_a_thread_asks_alone_is_its_own() {
    let all = lookups(vec![
        asked("db.corp.test", A, 0).thread(1, 10),
        asked("db.corp.test", A, 0).thread(2, 11),
        asked("db.corp.test", AAAA, 3).thread(2, 12),
        asked("db.corp.test", AAAA, 9).thread(1, 13),
    ]);
    let mut ends: Vec<u64> = all.iter().map(|it| it.end_ns).collect();
    ends.sort_unstable();
    assert_eq!(ends, [START + 4 * MS, START + 10 * MS]);
    assert!(
        all.iter().all(|it| it.outline.queries == 2 && it.is_exact),
        "{all:#?}"
    );
}

/// Two want the same, and a third and a fourth thread ask for the other type.
#[test]
fn what_may_belong_to_either_is_an_estimate() {
    let all = lookups(vec![
        asked("db.corp.test", A, 0).thread(1, 10),
        asked("db.corp.test", A, 0).thread(2, 11),
        asked("db.corp.test", AAAA, 3).thread(3, 12),
        asked("db.corp.test", AAAA, 9).thread(4, 13),
    ]);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all.iter().all(|it| it.outline.queries == 2), "{all:#?}");
    assert!(all.iter().any(|it| !it.is_exact), "{all:#?}");
}

#[test]
fn what_fails_in_the_end_has_failed() {
    let fails = |rcode| both("www.test", 0).map(|it| it.rcode(rcode));
    for rcode in [OptRcode::SERVFAIL, OptRcode::REFUSED, OptRcode::FORMERR] {
        let lookup = one(fails(rcode).to_vec());
        assert_eq!(lookup.outline.result, LookupResult::Failed, "{rcode}");
    }
    // One family is enough.
    let [a, aaaa] = both("www.test", 0);
    let lookup = one(vec![a, aaaa.rcode(OptRcode::SERVFAIL)]);
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    // … if it has an address.
    let [a, aaaa] = both("www.test", 0);
    let lookup = one(vec![a.no_data(), aaaa.rcode(OptRcode::SERVFAIL)]);
    assert_eq!(lookup.outline.result, LookupResult::Failed);
}

#[test]
fn a_truncated_answer_is_fetched_over_tcp() {
    let udp = asked("big.test", Rtype::TXT, 0).truncated();
    let lookup = one(vec![udp.clone(), asked("big.test", Rtype::TXT, 2).tcp()]);
    assert_eq!((lookup.outline.queries, lookup.outline.lost_ns), (2, 0));
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    let lost = asked("big.test", Rtype::TXT, 2).tcp().silent(5_000);
    let lookup = one(vec![udp, lost]);
    assert_eq!(lookup.outline.result, LookupResult::Failed);
}

#[test]
fn a_failed_call_belongs_to_what_its_thread_asks_next() {
    let lookup = one([vec![failed_call(0, 7)], both("www.test", 1).to_vec()].concat());
    // The sample's thread has the number of its process.
    assert_eq!((name(&lookup), lookup.outline.queries), ("www.test", 3));
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    // Not to that of another one.
    let told = lookups([vec![failed_call(0, 8)], both("www.test", 1).to_vec()].concat());
    assert_eq!(told.len(), 2);
    // Where nothing else comes, those that follow each other are one that failed.
    let lookup = one((0..4).map(|n| failed_call(n, 7)).collect());
    assert_eq!((lookup.name.as_deref(), lookup.outline.queries), (None, 4));
    assert_eq!(lookup.outline.result, LookupResult::Failed);
}

#[test]
fn servers_asked_at_once_are_one_lookup() {
    let of = |server: &str| asked("a", A, 0).of(server).id(9, 1);
    let mut slower = of("10.0.0.11:53");
    slower.0.outcome = Outcome::Superseded;
    slower.0.answer = None;
    let lookup = one(vec![of("10.0.0.10:53"), slower]);
    assert_eq!(lookup.outline.result, LookupResult::Ok);
    assert_eq!((lookup.outline.queries, lookup.outline.lost_ns), (2, 0));
}

#[test]
fn what_is_given_up_on_is_not_given_up_twice() {
    let mut late = asked("a", A, 0).takes(7_000);
    late.0.outcome = Outcome::Late;
    let lookup = one(vec![asked("a", A, 0).silent(5_000), late]);
    assert_eq!(lookup.outline.result, LookupResult::Failed);
    assert_eq!(lookup.outline.queries, 1);
}

#[test]
fn a_crowd_is_bounded_and_nothing_is_forgotten() {
    let mut grouper = Grouper::default();
    let number = store::OPEN_MAX + 1_000;
    for n in 0..number {
        let it = asked(&format!("n{n}.test"), A, 0);
        grouper.attempt(&it.0);
    }
    assert_eq!(grouper.counts().lookups_cut_short, 1_000);
    let early = grouper.take();
    let is_estimate = |it: &Closed| matches!(it, Closed::Told(it) if !it.is_exact);
    assert!(early.len() == 1_000 && early.iter().all(is_estimate));
    grouper.close_all();
    assert_eq!(grouper.take().len(), number - 1_000);
    // One lookup without an end is bounded, too.
    let mut grouper = Grouper::default();
    for n in 0..1_000 {
        grouper.attempt(&asked("a.test", A, n).refused().0);
    }
    grouper.close_all();
    let told = grouper.take();
    let [Closed::Told(lookup)] = &told[..] else {
        panic!("{} lookups", told.len());
    };
    assert_eq!(lookup.outline.queries, 1_000);
    assert!(lookup.steps.len() == open::STEPS_MAX && !lookup.is_exact);
}

proptest::proptest! {
    /// Whatever is asked: each message is in one lookup, and what was lost is no more than
    /// what it took.
    #[test]
    fn the_books_add_up(
        all in proptest::collection::vec((0..4u8, 0..3u8, 0..400u64, 0..9u8, 1..4u32), 1..60)
    ) {
        let all: Vec<_> = all
            .into_iter()
            .map(|(name, rtype, at_ms, end, tid)| {
                let name = ["www.a", "www.b", "www", "db.a"][usize::from(name)];
                let rtype = [A, AAAA, Rtype::MX][usize::from(rtype)];
                let it = asked(name, rtype, at_ms).thread(tid, tid.into());
                match end {
                    0 => it,
                    1 => it.nothing(),
                    2 => it.no_data(),
                    3 => it.silent(300),
                    4 => it.refused(),
                    5 => it.rcode(OptRcode::SERVFAIL),
                    7 => it.silent(300).given_up(100),
                    8 => it.silent(300).given_up(299),
                    _ => it.takes(250),
                }
            })
            .collect();
        let number = all.len() as u64;
        let told = lookups(all);
        proptest::prop_assert_eq!(told.iter().map(|it| it.outline.queries).sum::<u64>(), number);
        for lookup in &told {
            let lost: u64 = lookup.steps.iter().map(|it| it.lost_ns).sum();
            proptest::prop_assert_eq!(lost, lookup.outline.lost_ns);
            proptest::prop_assert!(lost <= lookup.outline.duration_ns, "{lookup:#?}");
        }
    }
}
