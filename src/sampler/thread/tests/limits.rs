//! Crowds and what they cost.

use super::*;

#[test]
fn live_a_crowd_of_short_lived_processes_is_not_run_after() {
    let mut sampler = start();
    let begin = Instant::now();
    // Beyond the largest pid that Linux gives (2^22).
    for pid in 0..2000 {
        sampler.meet(&attempt(
            ("crowd", 5_000_000 + pid),
            "127.0.0.1:53",
            Outcome::Answered,
            1,
        ));
    }
    // One that began before, and one that has begun.
    let seconds = begin.elapsed().as_secs() + 2;
    let sample = sampler.finish();
    let looked_at = 2000 - sample.not_looked_at;
    assert!(
        looked_at <= seconds * u64::from(NEWCOMERS_PER_SECOND),
        "{looked_at} in {seconds} s"
    );
    assert!(sample.clients.is_empty());
}

/// Processes that there are not: pids go up to 2^22.
fn meet_crowd(sampler: &mut Sampler, pids: std::ops::Range<u32>, outcome: Outcome) {
    for pid in pids {
        sampler.meet(&attempt(("crowd", pid), "127.0.0.1:53", outcome, 1));
        // Else the thread may be slower than this one.
        await_that("the thread", || sampler.requests.is_empty());
    }
}

/// One that lets as many newcomers pass as come, and does not tidy up.
fn without_pace() -> Sampler {
    let mut sampler = start();
    sampler.pace = Pace::new(u32::MAX, Instant::now());
    sampler.tidying = Pace::new(0, Instant::now());
    sampler
}

#[test]
fn live_those_who_fail_find_room_when_the_others_have_taken_theirs() {
    let mut sampler = without_pace();
    meet_crowd(&mut sampler, 5_000_000..5_000_600, Outcome::Answered);
    assert_eq!(sampler.clients.len(), UNHARMED_CLIENTS_MAX);
    assert_eq!(sampler.not_looked_at, 600 - UNHARMED_CLIENTS_MAX as u64);
    meet_crowd(&mut sampler, 6_000_000..6_000_600, Outcome::Unanswered);
    assert_eq!(sampler.clients.len(), CLIENTS_MAX);
}

#[test]
fn live_who_has_ended_without_harm_makes_room() {
    let mut sampler = without_pace();
    sampler.meet_now(&attempt_of(std::process::id(), Role::Client));
    meet_crowd(&mut sampler, 5_000_000..5_000_009, Outcome::Unanswered);
    meet_crowd(&mut sampler, 6_000_000..6_000_600, Outcome::Answered);
    assert_eq!(sampler.clients.len(), UNHARMED_CLIENTS_MAX);
    sampler.tidying = Pace::new(1, Instant::now());
    meet_crowd(&mut sampler, 7_000_000..7_000_002, Outcome::Answered);
    // This process, the nine and the last: the one before it found no room.
    assert_eq!(sampler.clients.len(), 11);
    let sample = sampler.finish();
    assert!(sample.clients.contains_key(&std::process::id()));
}

#[test]
fn live_another_name_is_looked_at_again() {
    let mut sampler = start();
    let meet = |sampler: &mut Sampler, comm: &str| {
        let attempt = attempt((comm, 5_000_000), "127.0.0.1:53", Outcome::Answered, 1);
        sampler.meet(&attempt);
        sampler.clients[&5_000_000].comm
    };
    assert_eq!(meet(&mut sampler, "sh"), Comm::new(b"sh"));
    assert_eq!(meet(&mut sampler, "dig"), Comm::new(b"dig"));
}

#[test]
fn live_what_a_look_costs() {
    let pid = std::process::id();
    let mut sampler = start();
    let known = attempt_of(pid, Role::Client);
    sampler.meet_now(&known);
    let meetings = 100_000;
    let start = Instant::now();
    for _ in 0..meetings {
        sampler.meet(&known);
    }
    let meeting = start.elapsed() / meetings;
    let root = Root::default();
    let baseline = Mutex::new(Baseline::open(root.clone(), Kills::default()));
    let look = |role| {
        let looks = 100;
        let start = Instant::now();
        for _ in 0..looks {
            look_at(&root, &baseline, ProbeRequest::Process { role, pid });
        }
        start.elapsed() / looks
    };
    let (client, server) = (look(Role::Client), look(Role::Server));
    eprintln!("meeting {meeting:?}, client {client:?}, server {server:?}");
    // Ten times what was measured without optimisation, with all tests at once.
    assert!(meeting < Duration::from_micros(10), "{meeting:?}");
    assert!(client < Duration::from_millis(20), "{client:?}");
}
