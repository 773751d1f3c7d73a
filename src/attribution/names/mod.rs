//! What containers and pods are called: asked of this node only.

#[cfg(feature = "k8s")]
mod cri;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod logs;
mod runtimes;

use std::collections::HashMap;
use std::iter;
#[cfg(feature = "k8s")]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use serde::Serialize;

use super::questions::Answer;
use super::spawn::spawn;
use super::subject::Subject;
use crate::attempt::identity::IdentityTable;

/// Control groups that may wait to be named, and those that are tried again.
const WAITING_MAX: usize = 1024;
/// A source that was not ready yet is asked again after these times.
const RETRIES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
/// How often those are looked through.
const TICK: Duration = Duration::from_millis(500);

/// What to do about names that are missing without any failure.
const NOBODY_KNOWS: &str = "some containers or pods have ids instead of names: no CRI socket, Docker or \
                            Podman on this host told of them (--cri-endpoint names a socket at an \
                            unusual place)";

pub(super) trait Source: Send {
    /// Notes what may be gone by the time that it is asked for.
    fn look_around(&mut self, _failures: &mut Failures) {}

    /// Names those that it knows.
    fn name(&mut self, wanted: &[Arc<Subject>], failures: &mut Failures);

    /// Names those in a user's own groups. Users make these as they like, with the id of
    /// anybody's container or pod in their names: so only what the user's own runtime says
    /// counts.
    fn name_of_users(&mut self, _wanted: &[Arc<Subject>], _failures: &mut Failures) {}
}

/// When a source could not be asked although it is there.
#[derive(Debug, Default)]
pub(super) struct Failures {
    times: u64,
    /// Why the first time, in a sentence.
    complaint: Option<String>,
    /// Whether it has told names since it failed last.
    is_over: bool,
}

impl Failures {
    fn add(&mut self, complaint: impl FnOnce() -> String) {
        self.times += 1;
        self.is_over = false;
        self.complaint.get_or_insert_with(complaint);
    }
}

/// How the naming went.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize,
)]
pub struct NameCounts {
    /// Containers and pods that have names.
    pub named: u64,
    /// Those that have none: nobody knows them.
    pub nameless: u64,
    /// Attempts that went on without a name that came later.
    pub named_late: u64,
    /// Times that somebody who knows names could not be asked.
    pub source_failures: u64,
}

/// What is to be said at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) counts: NameCounts,
    pub(super) complaints: Vec<String>,
    /// Whether they were logged when they were due.
    pub(super) are_logged: bool,
}

/// For who meets control groups.
#[derive(Clone, Debug)]
pub(super) struct Asking(Sender<Arc<Subject>>);

impl Asking {
    /// Has names looked for if some are missing. Never waits.
    pub(super) fn ask(&self, subject: &Arc<Subject>) {
        if subject.lacks_names() {
            subject.set_awaited(true);
            if self.0.try_send(Arc::clone(subject)).is_err() {
                subject.set_awaited(false);
            }
        }
    }
}

/// The thread that asks for names.
#[derive(Debug)]
pub(super) struct Names {
    told: Receiver<Told>,
    /// A source may never let go of the thread.
    shared: Arc<Mutex<Shared>>,
}

/// What the thread has found out so far.
#[derive(Debug, Default)]
struct Shared {
    /// Those that have names.
    known: IdentityTable,
    told: Told,
}

impl Names {
    /// Starts the thread; it ends after a last try when every [`Asking`] is gone.
    pub(super) fn start(
        sources: Vec<Box<dyn Source>>,
        answers: Sender<Answer>,
    ) -> Result<(Self, Asking)> {
        let (asking, asked) = bounded(WAITING_MAX);
        let shared = Arc::<Mutex<Shared>>::default();
        let threads = Arc::clone(&shared);
        let told = spawn("kerno-names", "looks up names", move || {
            let sources = sources.into_iter();
            let mut thread = Thread {
                sources: sources.map(|it| (it, Failures::default())).collect(),
                answers,
                nameless: Vec::new(),
                told: Told::default(),
                shared: threads,
            };
            thread.run(&asked);
            thread.told()
        })?;
        Ok((Self { told, shared }, Asking(asking)))
    }

    /// Those that have names by now.
    pub(super) fn known(&self) -> IdentityTable {
        lock(&self.shared).known.clone()
    }

    /// What has been counted, and why names are missing now.
    pub(super) fn so_far(&self) -> Told {
        lock(&self.shared).told.clone()
    }

    /// Waits for the last try; if a source does not let go, what was known before it.
    pub(super) fn finish(self, patience: Duration) -> (Told, IdentityTable) {
        let told = self.told.recv_timeout(patience);
        let mut shared = lock(&self.shared);
        let told = told.unwrap_or_else(|_| std::mem::take(&mut shared.told));
        (told, std::mem::take(&mut shared.known))
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // An entry is there or not, whoever panics.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Thread {
    sources: Vec<(Box<dyn Source>, Failures)>,
    answers: Sender<Answer>,
    nameless: Vec<Nameless>,
    told: Told,
    shared: Arc<Mutex<Shared>>,
}

/// A control group that is asked for, or that nobody knew when it was.
struct Nameless {
    subject: Arc<Subject>,
    next: Instant,
    tries: usize,
}

impl Thread {
    fn run(&mut self, asked: &Receiver<Arc<Subject>>) {
        for (source, failures) in &mut self.sources {
            source.look_around(failures);
        }
        loop {
            match asked.recv_timeout(TICK) {
                Ok(first) => {
                    let others = asked.try_iter().take(WAITING_MAX);
                    let next = Instant::now();
                    let new = |subject| Nameless {
                        subject,
                        next,
                        tries: 0,
                    };
                    self.name(iter::once(first).chain(others).map(new).collect());
                    self.share();
                    let _gone = self.answers.send(Answer::Named);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            let due = self.nameless.extract_if(.., |it| it.next <= now).collect();
            self.name(due);
            self.share();
        }
        let all = std::mem::take(&mut self.nameless);
        self.name(all);
    }

    fn name(&mut self, wanted: Vec<Nameless>) {
        let subjects: Vec<_> = wanted.iter().map(|it| Arc::clone(&it.subject)).collect();
        for (source, failures) in &mut self.sources {
            let lacking = lacking(&subjects);
            if lacking.is_empty() {
                break;
            }
            let (before, failed) = (lacking.len(), failures.times);
            name(source.as_mut(), lacking, failures);
            let has_told = self::lacking(&subjects).len() < before;
            failures.is_over |= has_told && failures.times == failed;
        }
        for nameless in wanted {
            self.settle(nameless);
        }
    }

    fn settle(&mut self, nameless: Nameless) {
        let Nameless { subject, tries, .. } = nameless;
        subject.set_awaited(false);
        if !subject.lacks_names() {
            self.told.counts.named += 1;
            if lock(&self.shared).known.insert(subject.identity()) {
                self.told.counts.named_late += subject.take_unnamed();
            }
            return;
        }
        self.log_complaints(tries);
        match RETRIES.get(tries) {
            Some(&pause) if self.nameless.len() < WAITING_MAX => self.nameless.push(Nameless {
                subject,
                next: Instant::now() + pause,
                tries: tries + 1,
            }),
            _ => self.told.counts.nameless += 1,
        }
    }

    /// Once, as soon as somebody goes without a name because of them.
    fn log_complaints(&mut self, tries: usize) {
        if self.told.are_logged {
            return;
        }
        // Without a failure a name may only be late.
        let complaints = self.complaints(tries == RETRIES.len(), |_| true);
        self.told.are_logged = !complaints.is_empty();
        for complaint in complaints {
            log::warn!("{complaint}");
        }
    }

    fn complaints(&self, nobody_knows: bool, counts: impl Fn(&Failures) -> bool) -> Vec<String> {
        let failures = self.sources.iter().map(|(_, failures)| failures);
        let failures = failures.filter(|it| counts(it));
        let mut complaints: Vec<_> = failures.filter_map(|it| it.complaint.clone()).collect();
        if complaints.is_empty() && nobody_knows {
            complaints.push(NOBODY_KNOWS.to_owned());
        }
        complaints
    }

    fn share(&mut self) {
        self.told.counts.source_failures = self.source_failures();
        let has_nameless = self.told.counts.nameless > 0;
        let told = Told {
            // Of long ago is what has been made good since.
            complaints: self.complaints(has_nameless, |it| !it.is_over),
            ..self.told.clone()
        };
        lock(&self.shared).told = told;
    }

    fn source_failures(&self) -> u64 {
        self.sources.iter().map(|(_, it)| it.times).sum()
    }

    fn told(mut self) -> Told {
        self.told.counts.source_failures = self.source_failures();
        let counts = &mut self.told.counts;
        counts.nameless += self.nameless.len() as u64;
        let has_nameless = counts.nameless > 0;
        // A source that nobody missed is no trouble.
        if has_nameless || counts.named_late > 0 {
            self.told.complaints = self.complaints(has_nameless, |_| true);
        }
        self.told
    }
}

fn lacking(wanted: &[Arc<Subject>]) -> Vec<Arc<Subject>> {
    let lacking = wanted.iter().filter(|subject| subject.lacks_names());
    lacking.cloned().collect()
}

fn by_container(wanted: &[Arc<Subject>]) -> HashMap<&str, &Subject> {
    let with_id = |it| Some((Subject::of_path(it).container()?, it));
    wanted.iter().map(|it| &**it).filter_map(with_id).collect()
}

/// Asks one source, of users' own groups apart.
fn name(source: &mut dyn Source, wanted: Vec<Arc<Subject>>, failures: &mut Failures) {
    let is_users = |it: &Arc<Subject>| it.of_path().user().is_some();
    let (of_users, of_host): (Vec<_>, Vec<_>) = wanted.into_iter().partition(is_users);
    source.name(&of_host, failures);
    source.name_of_users(&of_users, failures);
}

/// What a user says about it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The CRI socket, if it is not at one of the usual places.
    #[cfg(feature = "k8s")]
    pub cri_endpoint: Option<PathBuf>,
}

/// Everybody on this host who may know names; those that users can write to come last.
#[cfg_attr(not(feature = "k8s"), expect(unused_variables))]
pub(super) fn sources(options: &Options) -> Vec<Box<dyn Source>> {
    vec![
        Box::new(logs::Logs {
            folder: "/var/log".into(),
        }),
        #[cfg(feature = "k8s")]
        Box::new(cri::Cri::new(options.cri_endpoint.clone())),
        Box::new(runtimes::StateFolders::of_host()),
    ]
}

#[cfg(test)]
mod tests;
