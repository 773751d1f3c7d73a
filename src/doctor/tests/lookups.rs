//! Time lost, and what is tried on the way to an answer that comes in time.

use std::time::Duration;

use domain::base::iana::OptRcode;

use super::*;
use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::Outcome;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::lookup::Closed;
use crate::lookup::Grouper;
use crate::report::Form;
use crate::report::Report;
use crate::sample;
use crate::sample::MS;
use crate::sampler::CLibrary;
use crate::sampler::HostSample;
use crate::sampler::Process;
use crate::window::ClosedWindow;
use crate::window::End;
use crate::window::Window;

const GOOD: &str = "10.0.0.10:53";
const BAD: &str = "10.0.0.9:53";

/// What programs ask.
struct Story {
    attempts: Vec<Attempt>,
    at_ns: u64,
    name: u64,
}

impl Story {
    fn new() -> Self {
        Self {
            attempts: Vec::new(),
            at_ns: 1_000_000 * MS,
            name: 0,
        }
    }

    /// One attempt now.
    fn ask(&mut self, whom: (&str, u32), server: &str, outcome: Outcome, ms: u64) -> &mut Attempt {
        let number = self.attempts.len() as u64;
        let name = format!("n{}", self.name);
        let mut question = vec![name.len() as u8];
        question.extend(name.bytes());
        question.extend(b"\x04test\0\0\x01\0\x01");
        self.attempts.push(Attempt {
            sent_ns: self.at_ns,
            first_ns: self.at_ns,
            end_ns: self.at_ns + ms * MS,
            cookie: 100 + number,
            question: RawQuestion::new(&question),
            ..sample::attempt(whom, server, outcome, ms * MS)
        });
        self.attempts.last_mut().expect("one")
    }

    fn wait(&mut self, ms: u64) {
        self.at_ns += ms * MS;
    }

    /// A second later, for another name.
    fn next(&mut self) {
        self.wait(1_000);
        self.name += 1;
    }

    /// The same as its server sees it, answered so soon.
    fn serve(&mut self, whom: (&str, u32), ms: u64) {
        let served = self.ask(whom, "10.0.0.5:53", Outcome::Answered, ms);
        served.role = Role::Server;
    }

    fn closed(&self) -> ClosedWindow {
        self.closed_on(HostSample::default())
    }

    fn closed_on(&self, host: HostSample) -> ClosedWindow {
        let mut window = Window::default();
        let mut grouper = Grouper::default();
        for attempt in &self.attempts {
            window.attempt(attempt);
            grouper.attempt(attempt);
        }
        grouper.close_all();
        for closed in grouper.take() {
            let Closed::Told(lookup) = closed else {
                panic!("none was plain");
            };
            window.lookup(&lookup);
        }
        window.close(End {
            duration: Duration::from_secs(30),
            host,
            ..End::default()
        })
    }

    fn diagnosis(&self) -> Diagnosis {
        let closed = self.closed();
        diagnose(&closed.snapshot(), &closed.evidence())
    }
}

fn severities(diagnosis: &Diagnosis) -> Vec<(Rule, Severity)> {
    let findings = diagnosis.findings.iter();
    findings.map(|it| (it.rule, it.severity)).collect()
}

const CURL: (&str, u32) = ("curl", 7);
const UNBOUND: (&str, u32) = ("unbound", 53);

#[test]
fn each_moment_is_lost_by_one_cause_and_the_sums_agree() {
    let mut story = Story::new();
    for _ in 0..10 {
        story.ask(CURL, BAD, Outcome::Unanswered, 5_000);
        story.wait(5_000);
        story.ask(CURL, GOOD, Outcome::Answered, 1);
        story.next();
    }
    story.ask(CURL, GOOD, Outcome::Answered, 400);
    let closed = story.closed();
    let figures = closed.snapshot().client.lookups;
    assert_eq!(
        (figures.count, figures.failed, figures.queries),
        (11, 0, 21)
    );
    let Diagnosis {
        findings, losses, ..
    } = diagnose(&closed.snapshot(), &closed.evidence());
    let expected = [
        (Rule::DeadServer, 50_000 * MS),
        (Rule::HighLatency, 400 * MS),
    ];
    assert_eq!(losses.by_cause, expected.into());
    assert_eq!(losses.by_cause.values().sum::<u64>(), figures.lost_ns);
    let own: Vec<_> = losses.by_workload.values().collect();
    assert_eq!(own, [&losses.by_cause]);
    let dead = &findings[0];
    assert_eq!((dead.rule, dead.lost_ns), (Rule::DeadServer, 50_000 * MS));
    assert_eq!(dead.severity, Severity::Critical, "each lookup waits");
}

#[test]
fn what_is_got_round_at_once_is_a_note() {
    // A connection that the server had closed is used again, one time in three.
    let story = |asks_again| {
        let mut story = Story::new();
        for number in 0..30 {
            let is_closed = number % 3 == 0;
            if is_closed {
                let closed = story.ask(CURL, GOOD, Outcome::Refused, 0);
                closed.reason = Some(Reason::Errno(libc::ECONNRESET));
                closed.transport = Transport::Tcp;
            }
            if asks_again || !is_closed {
                story.ask(CURL, GOOD, Outcome::Answered, 1);
            }
            story.next();
        }
        story
    };
    let (got_round, failed) = (story(true), story(false));
    let story = got_round;
    let diagnosis = story.diagnosis();
    assert_eq!(diagnosis.failures_by_cause.values().sum::<u64>(), 10);
    let worst = diagnosis.findings.iter().map(|it| it.severity).max();
    assert_eq!(worst, Some(Severity::Info), "{diagnosis:#?}");
    let note = &diagnosis.findings[0];
    assert!(note.impact.starts_with("Nobody was hurt"), "{note:#?}");
    assert!(note.title.ends_with("had to be made anew"), "{note:#?}");
    assert!(
        note.evidence.iter().any(|it| it.contains("got round")),
        "{note:#?}"
    );
    assert_eq!(
        Verdict::of(&story.closed().snapshot(), &diagnosis.findings),
        Verdict::Healthy
    );
    // Where one in three is not tried again, it is as bad as it was.
    let findings = failed.diagnosis().findings;
    let worst = findings.iter().map(|it| it.severity).max();
    assert_eq!(worst, Some(Severity::Critical));
}

/// A server that closes each connection after one answer: of A and AAAA on one connection the
/// second has none, and that is not got round by the answer to the first.
#[test]
fn what_is_reset_and_not_asked_again_is_no_note() {
    let mut story = Story::new();
    for _ in 0..20 {
        story.ask(CURL, GOOD, Outcome::Answered, 1).transport = Transport::Tcp;
        let reset = story.ask(CURL, GOOD, Outcome::Refused, 0);
        reset.transport = Transport::Tcp;
        reset.reason = Some(Reason::Errno(libc::ECONNRESET));
        let mut octets = reset.question.as_bytes().to_vec();
        let rtype = octets.len() - 3;
        octets[rtype] = 28;
        reset.question = RawQuestion::new(&octets);
        story.next();
    }
    let found = story.diagnosis().findings.remove(0);
    assert_eq!(
        (found.rule, found.severity),
        (Rule::Unknown, Severity::Critical)
    );
    assert!(
        found.title.contains("are reset before the answer comes"),
        "{found:#?}"
    );
    assert!(!found.impact.contains("Nobody was hurt"), "{found:#?}");
}

/// glibc is content with the answer to A, musl is not.
#[test]
fn an_error_to_aaaa_is_got_round_by_the_library_that_does_so() {
    let mut story = Story::new();
    for _ in 0..20 {
        story.ask(CURL, GOOD, Outcome::Answered, 1);
        let aaaa = story.ask(CURL, GOOD, Outcome::Answered, 1);
        let mut octets = aaaa.question.as_bytes().to_vec();
        let rtype = octets.len() - 3;
        octets[rtype] = 28;
        aaaa.question = RawQuestion::new(&octets);
        aaaa.answer.as_mut().expect("an answer").rcode = OptRcode::SERVFAIL;
        story.next();
    }
    let worst = |c_library| {
        let client = Process {
            c_library: Some(c_library),
            ..Process::default()
        };
        let clients = [(CURL.1, client)].into();
        let host = HostSample {
            clients,
            ..HostSample::default()
        };
        let closed = story.closed_on(host);
        let findings = diagnose(&closed.snapshot(), &closed.evidence()).findings;
        let aaaa = findings.iter().find(|it| it.rule == Rule::AaaaBroken);
        aaaa.expect("it is told").severity
    };
    assert_eq!(worst(CLibrary::Glibc), Severity::Info);
    assert!(worst(CLibrary::Musl) > Severity::Info);
}

#[test]
fn a_resolver_that_cannot_reach_some_of_its_servers_is_judged_by_its_clients() {
    let story = |took_ms, clients| {
        let mut story = Story::new();
        for _ in 0..clients {
            story.serve(UNBOUND, took_ms);
            for _ in 0..4 {
                let call = story.ask(UNBOUND, "[2001:db8::4]:53", Outcome::Refused, 0);
                call.reason = Some(Reason::Errno(libc::ENETUNREACH));
                call.failed_call = Some(FailedCall::Connect);
                call.id = None;
                call.question = RawQuestion::default();
            }
            story.ask(UNBOUND, GOOD, Outcome::Answered, 1);
            story.next();
        }
        story.diagnosis()
    };
    let fine = story(2, 40);
    assert_eq!(severities(&fine), [(Rule::SendDenied, Severity::Info)]);
    assert_eq!(fine.findings[0].queries, 160);
    // Its health checks of a dead server hurt nobody, and cost nobody's time but its own.
    let mut checks = Story::new();
    for _ in 0..40 {
        checks.serve(UNBOUND, 2);
        checks.ask(UNBOUND, GOOD, Outcome::Answered, 1);
        checks.next();
        checks.ask(UNBOUND, BAD, Outcome::Unanswered, 900);
        checks.next();
    }
    assert_eq!(
        severities(&checks.diagnosis()),
        [(Rule::DeadServer, Severity::Info)]
    );
}

#[test]
fn the_report_begins_with_lookups_and_the_time_that_they_lost() {
    let mut story = Story::new();
    for _ in 0..8 {
        story.ask(CURL, BAD, Outcome::Unanswered, 5_000);
        story.wait(5_000);
        story.ask(CURL, GOOD, Outcome::Answered, 1);
        story.next();
    }
    let report = Report::new(
        std::time::SystemTime::UNIX_EPOCH,
        crate::host::Facts::default(),
        story.closed(),
    );
    let told = |form| {
        let mut out = Vec::new();
        report
            .write(form, &mut out)
            .expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    };
    let text = told(Form::Pretty {
        columns: 100,
        colours: false,
    });
    let figures = text
        .lines()
        .find(|line| line.contains(char::is_numeric) && line.starts_with("Lookups"));
    assert!(
        figures.is_some_and(|it| it.contains("8 lookups, none failed.")),
        "{text}"
    );
    assert!(
        text.contains("Time lost  40 s: dns_dead_server 40 s."),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&told(Form::Json)).expect("JSON");
    let lookups = &json["lookups"];
    assert_eq!(lookups["count"], 8);
    assert_eq!(lookups["queries_per_lookup"], 2.0);
    assert_eq!(lookups["seconds_lost"], 40.0);
    assert_eq!(lookups["lost_by_cause"]["dns_dead_server"], 40.0);
    assert_eq!(json["dns"]["by_workload"][0]["lookups"], *lookups);
    assert_eq!(json["findings"][0]["seconds_lost"], 40.0);
}

#[test]
fn what_is_sent_again_for_no_known_reason_loses_its_wait() {
    let mut story = Story::new();
    for number in 0..40 {
        if number % 13 == 5 {
            story.ask(CURL, GOOD, Outcome::Unanswered, 5_000);
            story.wait(5_000);
        }
        story.ask(CURL, GOOD, Outcome::Answered, 1);
        story.next();
    }
    let diagnosis = story.diagnosis();
    assert_eq!(
        diagnosis.losses.by_cause,
        [(Rule::Unknown, 15_000 * MS)].into()
    );
    assert_eq!(diagnosis.failures_by_cause, [(Rule::Unknown, 3)].into());
}

fn dropped(attempt: &mut Attempt) {
    attempt.reason = Some(Reason::Drop("NETFILTER_DROP".to_owned()));
    attempt.drop = Some(Box::new(crate::attempt::PacketDrop {
        at_ns: attempt.sent_ns,
        reason: "NETFILTER_DROP".into(),
        location: Some("nft_do_chain".into()),
        packet: crate::attempt::Packet::Query,
        conntrack: None,
        netns: 4_026_531_840,
        source: attempt.local,
        destination: attempt.peer,
        when_sent: false,
    }));
}

/// What became of it is known at once, but its program waits: that is no try that was got round.
#[test]
fn what_is_discarded_here_costs_the_wait_until_it_is_asked_again() {
    let mut story = Story::new();
    for _ in 0..10 {
        dropped(story.ask(CURL, GOOD, Outcome::Dropped, 0));
        story.wait(5_000);
        story.ask(CURL, GOOD, Outcome::Answered, 1);
        story.next();
    }
    let found = story.diagnosis().findings.remove(0);
    assert_eq!(
        (found.rule, found.severity),
        (Rule::PolicyDrop, Severity::Critical)
    );
    assert_eq!(found.lost_ns, 50_000 * MS);
    let told = "Half of these queries were without a usable answer for 5.0 s or more, the worst one for \
                5.0 s. Each lookup of these led to an answer in the end.";
    assert_eq!(found.impact, told);
    // Of ten that were asked again, and of one.
    let told = |again: u64, lost: u64| {
        let mut story = Story::new();
        for number in 0..lost {
            dropped(story.ask(CURL, GOOD, Outcome::Dropped, 0));
            if number < again {
                story.wait(5_000);
                story.ask(CURL, GOOD, Outcome::Answered, 1);
            }
            story.next();
        }
        let found = story.diagnosis().findings.into_iter();
        let mut policy = found.filter(|it| it.rule == Rule::PolicyDrop);
        policy.next().expect("a finding").impact
    };
    assert_eq!(
        told(2, 10),
        "Of 2 queries it is known how long they were without a usable answer: half of them for 5.0 s or more, \
         the worst one for 5.0 s. 8 of 10 were for lookups that failed."
    );
    assert_eq!(
        told(1, 1),
        "There was no usable answer for 5.0 s. Its lookup led to an answer in the end."
    );
    // Where it is not asked again nobody knows how long it was waited for.
    let mut story = Story::new();
    for _ in 0..10 {
        dropped(story.ask(CURL, GOOD, Outcome::Dropped, 0));
        story.next();
    }
    let found = story.diagnosis().findings.remove(0);
    assert_eq!(found.impact, "All were for lookups that failed.");
}

/// Whoever asks a resolver waits for what that waits for: both are counted, and it is told.
#[test]
fn what_a_resolver_asks_for_others_is_told_apart() {
    let mut story = Story::new();
    for _ in 0..20 {
        story.ask(UNBOUND, BAD, Outcome::Unanswered, 2_000);
        let client = story.ask(CURL, "10.0.0.5:53", Outcome::Unanswered, 1_000);
        client.cookie += 1_000;
        story.serve(UNBOUND, 1);
        story.next();
    }
    let diagnosis = story.diagnosis();
    let lost_ns: u64 = diagnosis.losses.by_cause.values().sum();
    assert_eq!(lost_ns, 60_000 * MS);
    let for_others = ForOthers {
        lookups: 20,
        failed: 20,
        lost_ns: 40_000 * MS,
    };
    assert_eq!(diagnosis.for_others, for_others);
    let told = |form| {
        let host = crate::host::Facts::gather();
        let report = Report::new(std::time::SystemTime::UNIX_EPOCH, host, story.closed());
        let mut text = Vec::new();
        report.write(form, &mut text).expect("room");
        String::from_utf8(text).expect("UTF-8")
    };
    let text = told(Form::Markdown);
    for sentence in [
        "20 of these, of which 20 failed, were made by programs that answer others here.",
        "40 s of it by programs that answer others here, whose clients waited meanwhile.",
    ] {
        assert!(text.contains(sentence), "{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&told(Form::Json)).expect("JSON");
    let own = &json["lookups"]["for_others"];
    assert_eq!((&own["count"], &own["failed"]), (&20.into(), &20.into()));
    assert_eq!(own["seconds_lost"], 40.0);
}
