//! Names that come at once, late, or never.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::*;
use crate::attempt::identity::WorkloadId;

const PATIENCE: Duration = Duration::from_secs(10);

/// Knows everything or nothing.
#[derive(Clone, Default)]
struct Knows {
    all: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl Source for Knows {
    fn name(&mut self, wanted: &[Arc<Subject>], failures: &mut Failures) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if !self.all.load(Ordering::Relaxed) {
            return failures.add(String::new);
        }
        for subject in wanted {
            subject.learn(|it| it.name_pod("ns", "pod", ""));
        }
    }
}

fn start(knows_all: bool) -> (Names, Asking, Receiver<Answer>, Knows) {
    let (tell, answers) = bounded(1024);
    let source = Knows::default();
    source.all.store(knows_all, Ordering::Relaxed);
    let sources: Vec<Box<dyn Source>> = vec![Box::new(source.clone())];
    let (names, asking) = Names::start(sources, tell).expect("a thread");
    (names, asking, answers, source)
}

/// Asks a source for these.
pub(super) fn ask(source: &mut impl Source, wanted: &[&Arc<Subject>]) -> Failures {
    let wanted: Vec<_> = wanted.iter().map(|it| Arc::clone(it)).collect();
    let mut failures = Failures::default();
    name(source, wanted, &mut failures);
    failures
}

fn pod(uid: &str) -> Arc<Subject> {
    Arc::new(Subject::of_cgroup(
        format!("/kubepods/pod{uid}").as_bytes(),
        None,
    ))
}

#[test]
fn a_name_comes_and_says_so() {
    let (names, asking, answers, source) = start(true);
    let (subject, unit) = (pod("a"), Arc::new(Subject::of_cgroup(b"/a.service", None)));
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
    let told = names.finish(PATIENCE).0;
    assert_eq!((told.counts.named, told.counts.nameless), (1, 0));
    assert_eq!(source.asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_name_that_comes_late_counts_the_attempts_without_it() {
    let (names, asking, answers, source) = start(false);
    let subject = pod("a");
    asking.ask(&subject);
    answers.recv_timeout(PATIENCE).expect("an answer");
    assert!(subject.lacks_names() && !subject.is_awaited());
    subject.went_unnamed(1);
    subject.went_unnamed(1);
    source.all.store(true, Ordering::Relaxed);
    // The last try is at the end, whenever that is.
    drop(asking);
    let before = subject.identity();
    let (told, known) = names.finish(PATIENCE);
    assert!(!subject.lacks_names());
    assert!(before.lacks_names() && !known.latest(&before).lacks_names());
    assert_eq!((told.counts.named, told.counts.named_late), (1, 2));
    assert!(told.counts.source_failures >= 1);
}

#[test]
fn what_nobody_knows_is_counted() {
    let (names, asking, answers, _) = start(false);
    let subject = pod("a");
    asking.ask(&subject);
    answers.recv_timeout(PATIENCE).expect("an answer");
    drop(asking);
    let told = names.finish(PATIENCE).0;
    assert_eq!((told.counts.named, told.counts.nameless), (0, 1));
}

#[test]
fn what_is_missing_is_said_while_it_is_and_no_longer() {
    let (names, asking, answers, source) = start(false);
    let crowd: Vec<_> = (0..3).map(|n| pod(&n.to_string())).collect();
    asking.ask(&crowd[0]);
    answers.recv_timeout(PATIENCE).expect("an answer");
    let told = names.so_far();
    assert!(told.counts.named == 0 && told.counts.source_failures >= 1);
    assert_eq!(told.complaints, [""], "as the source says it");
    source.all.store(true, Ordering::Relaxed);
    asking.ask(&crowd[1]);
    answers.recv_timeout(PATIENCE).expect("an answer");
    let told = names.so_far();
    assert!(told.counts.named >= 1 && told.complaints.is_empty());
    source.all.store(false, Ordering::Relaxed);
    asking.ask(&crowd[2]);
    answers.recv_timeout(PATIENCE).expect("an answer");
    assert_eq!(names.so_far().complaints, [""]);
}

/// A source that does not let go.
#[test]
fn what_was_counted_before_a_source_hangs_is_told() {
    struct Hangs(Receiver<()>);
    impl Source for Hangs {
        fn name(&mut self, wanted: &[Arc<Subject>], _failures: &mut Failures) {
            if wanted[0].of_path().pod_uid() == Some("b") {
                let _never = self.0.recv();
            }
            wanted[0].learn(|it| it.name_pod("ns", "pod", ""));
        }
    }
    let (tell, answers) = bounded(1024);
    let (_until_the_end, hangs) = bounded(0);
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Hangs(hangs))];
    let (names, asking) = Names::start(sources, tell).expect("a thread");
    asking.ask(&pod("a"));
    answers.recv_timeout(PATIENCE).expect("an answer");
    asking.ask(&pod("b"));
    drop(asking);
    let (told, known) = names.finish(Duration::from_millis(1));
    assert_eq!(told.counts.named, 1);
    assert!(!known.latest(&pod("a").identity()).lacks_names());
}

#[test]
fn a_crowd_is_bounded() {
    let (names, asking, answers, _) = start(false);
    let crowd: Vec<_> = (0..5 * WAITING_MAX).map(|n| pod(&n.to_string())).collect();
    for subject in &crowd {
        asking.ask(subject);
        while answers.try_recv().is_ok() {}
    }
    drop((asking, answers));
    let told = names.finish(PATIENCE).0;
    // Those that found no room were never asked for, and nobody waits for them.
    assert!(told.counts.nameless <= crowd.len() as u64);
    assert!(crowd.iter().all(|subject| !subject.is_awaited()));
}
