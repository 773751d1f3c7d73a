//! What reports of the tests are about.

use std::sync::Arc;

use domain::base::iana::OptRcode;

use super::report;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::HeaderBits;
use crate::attempt::Identity;
use crate::attempt::Outcome;
use crate::attempt::RawQuestion;
use crate::attempt::Role;
use crate::report::Report;
use crate::sample;
use crate::sample::Fed;
use crate::sample::MS;
use crate::sample::attempt;

pub(super) const CURL: (&str, u32) = ("curl", 4242);
pub(super) const NGINX: (&str, u32) = ("nginx", 812);
pub(super) const GOOD: &str = "10.0.0.10:53";
pub(super) const BAD: &str = "10.0.0.11:53";
pub(super) const STUB: &str = "127.0.0.53:53";

pub(super) fn answer_after(process: (&str, u32), server: &str, ms: u64) -> Attempt {
    attempt(process, server, Outcome::Answered, ms * MS)
}

pub(super) fn with_rcode(mut attempt: Attempt, rcode: u16) -> Attempt {
    attempt.answer = Some(Answer {
        rcode: OptRcode::masked_from_int(rcode),
        truncated: false,
        answers: 0,
        bytes: 60,
        bits: HeaderBits::default(),
        extended_error: None,
    });
    attempt
}

/// For the address of a name of one label.
pub(super) fn question(label: &[u8]) -> RawQuestion {
    let mut octets = vec![u8::try_from(label.len()).expect("a label")];
    octets.extend(label);
    octets.extend(b"\0\0\x01\0\x01");
    RawQuestion::new(&octets)
}

pub(crate) fn healthy() -> Fed {
    let mut fed = Fed::default();
    for ms in [1, 1, 1, 2, 3, 8] {
        fed.feed(300, &answer_after(NGINX, GOOD, ms));
    }
    fed.feed(40, &with_rcode(answer_after(CURL, GOOD, 1), 3));
    fed.feed(1, &attempt(CURL, GOOD, Outcome::Unanswered, 5_000 * MS));
    fed
}

/// A stub on this host that is flooded: both roles see it.
pub(super) fn slow_server() -> Fed {
    let mut fed = Fed::default();
    for ms in (0..900).step_by(3) {
        let mut seen = answer_after(("kerno", 99), STUB, ms + 2);
        fed.feed(5, &seen);
        seen.role = Role::Server;
        seen.end_ns -= MS;
        fed.feed(5, &seen);
    }
    fed.feed(20, &answer_after(CURL, STUB, 640));
    fed
}

pub(crate) fn one_of_two_fails() -> Fed {
    let mut fed = Fed::default();
    fed.feed(800, &answer_after(NGINX, GOOD, 1));
    fed.feed(10, &answer_after(NGINX, BAD, 4));
    fed.feed(150, &attempt(NGINX, BAD, Outcome::Unanswered, 5_000 * MS));
    fed.feed(30, &attempt(CURL, BAD, Outcome::Unanswered, 5_000 * MS));
    fed.feed(10, &attempt(CURL, BAD, Outcome::Refused, MS));
    let mut resent = answer_after(CURL, BAD, 3);
    resent.number = 2;
    resent.first_ns = resent.sent_ns - 5_001 * MS;
    fed.feed(12, &resent);
    let mut late = attempt(CURL, BAD, Outcome::Late, 8_200 * MS);
    late.end_ns += MS;
    fed.feed(5, &late);
    fed.feed(20, &with_rcode(answer_after(NGINX, GOOD, 1), 2));
    fed
}

/// A node with pods, services and a plain process; one pod asks a dead server.
pub(super) fn node() -> Fed {
    let mut fed = Fed::default();
    let mut of = |whose: Option<Arc<Identity>>, times, attempt: Attempt| {
        let workload = whose;
        fed.feed(
            times,
            &Attempt {
                workload,
                ..attempt
            },
        );
    };
    let web = sample::pod("shop", "web-7d4b9c6f5-x2x8p", "nginx");
    of(Some(Arc::clone(&web)), 900, answer_after(NGINX, GOOD, 2));
    of(Some(web), 12, answer_after(("sh", 815), GOOD, 3));
    let job = sample::pod("batch", "report-28391-q9k2m", "report");
    of(
        Some(Arc::clone(&job)),
        40,
        attempt(CURL, BAD, Outcome::Unanswered, 5_000 * MS),
    );
    of(
        Some(job),
        40,
        attempt(("curl", 4243), BAD, Outcome::Unanswered, 5_000 * MS),
    );
    let kubelet = sample::workload("/system.slice/kubelet.service");
    of(Some(kubelet), 30, answer_after(("kubelet", 633), GOOD, 1));
    let db = sample::workload(&format!("/system.slice/docker-{}.scope", "5".repeat(64)));
    of(Some(db), 7, answer_after(("postgres", 977), GOOD, 1));
    let plain = sample::workload("/");
    of(Some(plain), 3, answer_after(("dig", 5001), GOOD, 1));
    fed
}

pub(super) fn few_queries() -> Fed {
    let mut fed = Fed::default();
    fed.feed(9, &answer_after(CURL, GOOD, 2));
    fed.feed(3, &attempt(CURL, GOOD, Outcome::Unanswered, 5_000 * MS));
    fed
}

/// Of every kind, with a name.
pub(crate) fn typical() -> Vec<(&'static str, Report)> {
    let of = |name, fed: &Fed| (name, report(fed));
    vec![
        of("healthy", &healthy()),
        of("no traffic", &Fed::default()),
        of("slow server", &slow_server()),
        of("one of two fails", &one_of_two_fails()),
        of("node", &node()),
        of("few", &few_queries()),
        of("ten findings", &many_troubles()),
        ("hostile", hostile("\u{1b}[2J\u{202e}<b>\u{7}\\")),
    ]
}

/// Each server fails in a way of its own.
pub(crate) fn many_troubles() -> Fed {
    let mut fed = Fed::default();
    fed.feed(900, &answer_after(NGINX, GOOD, 1));
    for at in 0..5 {
        let server = format!("10.0.1.{at}:53");
        let process = ("app", 100 + at);
        let lost = attempt(process, &server, Outcome::Unanswered, 5_000 * MS);
        fed.feed(
            30,
            &Attempt {
                end_ns: lost.end_ns + u64::from(at) * 1_000 * MS,
                ..lost
            },
        );
    }
    fed.feed(40, &with_rcode(answer_after(CURL, "10.0.2.1:53", 1), 2));
    fed.feed(40, &with_rcode(answer_after(CURL, "10.0.2.2:53", 1), 5));
    fed.feed(40, &attempt(CURL, "10.0.2.3:53", Outcome::Refused, MS));
    fed.feed(40, &answer_after(("java", 9), "10.0.2.4:53", 900));
    fed
}

/// Somebody whose every name is this, as far as it can be, asks in vain.
pub(crate) fn hostile(name: &str) -> Report {
    let mut fed = Fed::default();
    let lost = attempt((name, 7), BAD, Outcome::Unanswered, 5_000 * MS);
    let label = &name.as_bytes()[..name.len().min(60)];
    let lost = Attempt {
        question: question(label),
        workload: Some(sample::pod(name, name, name)),
        ..lost
    };
    fed.feed(40, &lost);
    report(&fed)
}

/// As many of everything as are kept, with long names.
pub(crate) fn crowded() -> Report {
    let mut fed = Fed::default();
    for at in 0..700u32 {
        let server = format!("10.1.{}.{}:53", at / 256, at % 256);
        let name = format!("{}-{at}", "long-name-of-a-pod".repeat(8));
        let label = format!("{at}-{}", "x".repeat(50));
        let whose = Attempt {
            question: question(label.as_bytes()),
            workload: Some(sample::pod("namespace", &name, "container")),
            ..answer_after(("job", 1_000 + at), &server, 1 + u64::from(at % 400))
        };
        let end_ns = whose.end_ns + u64::from(at) * 1_000 * MS;
        fed.feed(
            1,
            &Attempt {
                end_ns,
                sent_ns: end_ns - 3 * MS,
                ..whose.clone()
            },
        );
        let outcome = Outcome::Unanswered;
        fed.feed(
            u64::from(at % 3),
            &Attempt {
                end_ns,
                outcome,
                answer: None,
                ..whose
            },
        );
    }
    report(&fed)
}
