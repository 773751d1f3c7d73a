//! Names that come at once, late, or never.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use super::*;
use crate::attempt::identity::WorkloadId;

const PATIENCE: Duration = Duration::from_secs(10);

/// Knows everything from the given question on.
struct Knows {
    from: u32,
    asked: Arc<AtomicU32>,
}

impl Source for Knows {
    fn name(&mut self, wanted: &[Arc<Subject>]) {
        if self.asked.fetch_add(1, Ordering::Relaxed) + 1 >= self.from {
            wanted
                .iter()
                .for_each(|it| it.learn(|it| it.name_pod("ns", "pod", "")));
        }
    }

    fn failures(&self) -> u64 {
        u64::from(self.asked.load(Ordering::Relaxed).min(self.from - 1))
    }

    fn complaint(&self) -> Option<String> {
        None
    }
}

fn start(from: u32) -> (Names, Asking, Receiver<Answer>, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let (tell, answers) = bounded(1024);
    let source = Knows {
        from,
        asked: Arc::clone(&asked),
    };
    let (names, asking) = Names::start(vec![Box::new(source)], tell).expect("a thread");
    (names, asking, answers, asked)
}

fn pod(uid: &str) -> Arc<Subject> {
    Arc::new(Subject::of_cgroup(format!("/kubepods/pod{uid}").as_bytes()))
}

#[test]
fn a_name_comes_and_says_so() {
    let (names, asking, answers, asked) = start(1);
    let (subject, unit) = (pod("a"), Arc::new(Subject::of_cgroup(b"/a.service")));
    asking.ask(&unit);
    assert!(!unit.is_awaited(), "a unit is its own name");
    asking.ask(&subject);
    answers.recv_timeout(PATIENCE).expect("an answer");
    assert_eq!(
        WorkloadId::of(&subject.identity())
            .expect("it is somebody")
            .to_string(),
        "pod ns/pod"
    );
    assert!(!subject.is_awaited());
    drop(asking);
    let told = names.finish(PATIENCE).0.expect("the end");
    assert_eq!((told.counts.named, told.counts.nameless), (1, 0));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_name_that_comes_late_counts_the_attempts_without_it() {
    let (names, asking, answers, _) = start(2);
    let subject = pod("a");
    asking.ask(&subject);
    answers.recv_timeout(PATIENCE).expect("an answer");
    assert!(subject.lacks_names() && !subject.is_awaited());
    subject.went_unnamed();
    subject.went_unnamed();
    // The last try is at the end, whenever that is.
    drop(asking);
    let before = subject.identity();
    let (told, known) = names.finish(PATIENCE);
    let told = told.expect("the end");
    assert!(!subject.lacks_names());
    assert!(before.lacks_names() && !known.latest(&before).lacks_names());
    assert_eq!((told.counts.named, told.counts.named_late), (1, 2));
    assert_eq!(told.counts.source_failures, 1);
}

#[test]
fn what_nobody_knows_is_counted() {
    let (names, asking, answers, _) = start(1_000_000);
    let subject = pod("a");
    asking.ask(&subject);
    answers.recv_timeout(PATIENCE).expect("an answer");
    drop(asking);
    let told = names.finish(PATIENCE).0.expect("the end");
    assert_eq!((told.counts.named, told.counts.nameless), (0, 1));
}

#[test]
fn a_crowd_is_bounded() {
    let (names, asking, answers, _) = start(1_000_000);
    let crowd: Vec<_> = (0..5 * WAITING_MAX).map(|n| pod(&n.to_string())).collect();
    for subject in &crowd {
        asking.ask(subject);
        while answers.try_recv().is_ok() {}
    }
    drop((asking, answers));
    let told = names.finish(PATIENCE).0.expect("the end");
    // Those that found no room were never asked for, and nobody waits for them.
    assert!(told.counts.nameless <= crowd.len() as u64);
    assert!(crowd.iter().all(|subject| !subject.is_awaited()));
}
