//! The thread that turns ids and processes into control groups with a path.

use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::TryRecvError;
use crossbeam_channel::bounded;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::sys::eventfd::EfdFlags;
use nix::sys::eventfd::EventFd;

use super::process::Processes;
use super::questions::Answer;
use super::questions::Found;
use super::questions::Question;
use super::spawn::spawn;
use super::tree::Place;
use super::tree::Tree;
use super::tree::TreeCounts;
use crate::host::proc::Root;

/// Questions that may wait. Who finds no room asks with the next attempt.
pub(super) const QUESTIONS_MAX: usize = 1024;
/// Questions that are answered before the tree is looked after again.
const BATCH: usize = 64;

/// The asking end.
#[derive(Debug)]
pub(super) struct Resolver {
    // Dropped before the bell: when that rings, nobody asks any more.
    questions: Sender<Question>,
    bell: Bell,
    ended: Receiver<TreeCounts>,
    counts: Arc<Mutex<TreeCounts>>,
}

/// Wakes the thread; for the last time when it is dropped.
#[derive(Debug)]
struct Bell(Arc<EventFd>);

impl Bell {
    /// One that rings already needs no more.
    fn ring(&self) {
        let _rung = self.0.write(1);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.ring();
    }
}

impl Resolver {
    /// Starts the thread, which ends when this is dropped.
    pub(super) fn start(root: OwnedFd, answers: Sender<Answer>) -> Result<Self> {
        let (questions, asked) = bounded(QUESTIONS_MAX);
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let rung = Arc::new(EventFd::from_flags(flags).context("no eventfd")?);
        let bell = Bell(Arc::clone(&rung));
        let counts = Arc::<Mutex<TreeCounts>>::default();
        let shared = Arc::clone(&counts);
        let ended = spawn("kerno-cgroups", "looks up cgroups", move || {
            let mut thread = Thread {
                tree: Tree::new(root),
                processes: Processes::of(Root::default()),
                answers,
                counts: shared,
            };
            thread.run(&asked, &rung);
            thread.tree.counts
        })?;
        Ok(Self {
            questions,
            bell,
            ended,
            counts,
        })
    }

    /// What has been counted so far, now and later.
    pub(super) fn counts(&self) -> Arc<Mutex<TreeCounts>> {
        Arc::clone(&self.counts)
    }

    /// Whether there was room for the question. Never waits.
    pub(super) fn ask(&self, question: Question) -> bool {
        let asked = self.questions.try_send(question).is_ok();
        self.bell.ring();
        asked
    }

    /// Ends the thread.
    pub(super) fn finish(self, patience: std::time::Duration) -> Option<TreeCounts> {
        drop((self.questions, self.bell));
        self.ended.recv_timeout(patience).ok()
    }
}

struct Thread {
    tree: Tree,
    processes: Processes,
    answers: Sender<Answer>,
    counts: Arc<Mutex<TreeCounts>>,
}

impl Thread {
    fn run(&mut self, questions: &Receiver<Question>, bell: &EventFd) {
        loop {
            for _ in 0..BATCH {
                match questions.try_recv() {
                    Ok(question) => {
                        let answer = Answer::Found(question, self.find(question));
                        if self.answers.send(answer).is_err() {
                            return;
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let has_more = self.tree.update();
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.tree.counts;
            if !has_more && questions.is_empty() {
                self.wait(bell);
            }
        }
    }

    fn wait(&self, bell: &EventFd) {
        let mut fds = vec![PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        let events = self.tree.events();
        fds.extend(events.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        // A signal only makes another round.
        let _events = nix::poll::poll(&mut fds, PollTimeout::NONE);
        // It need not have rung.
        let _count = bell.read();
    }

    fn find(&mut self, question: Question) -> Option<Found> {
        match question {
            Question::Cgroup(id) => {
                let Place { path, delegated } = self.tree.place_of(id, Instant::now())?;
                Some(Found {
                    path: path.to_vec(),
                    delegated,
                    started_ns: 0,
                })
            }
            Question::Process(pid, _) => self.processes.look(pid).ok(),
        }
    }
}
