//! The thread that turns ids and processes into control groups with a path.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Weak;
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

use super::names::Asking;
use super::process;
use super::process::Process;
use super::questions::Answer;
use super::questions::Found;
use super::questions::Question;
use super::spawn::spawn;
use super::subject::Subject;
use super::tree::Tree;
use super::tree::TreeCounts;
use crate::host::proc::Root;

/// Questions that may wait. Who finds no room asks with the next attempt.
pub(super) const QUESTIONS_MAX: usize = 1024;
/// Questions that are answered before the tree is looked after again.
const BATCH: usize = 64;

/// A question, with the process if somebody has looked at it already.
type Asked = (Question, Option<Process>);

/// The asking end.
#[derive(Debug)]
pub(super) struct Resolver {
    questions: Sender<Asked>,
    bell: Arc<EventFd>,
    ended: Receiver<TreeCounts>,
}

impl Resolver {
    /// Starts the thread, which ends when this is dropped. Those without
    /// names are handed to `names`.
    pub(super) fn start(root: OwnedFd, names: Asking, answers: Sender<Answer>) -> Result<Self> {
        let (questions, asked) = bounded(QUESTIONS_MAX);
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let bell = Arc::new(EventFd::from_flags(flags).context("no eventfd")?);
        let rung = Arc::clone(&bell);
        let ended = spawn("kerno-cgroups", "looks up cgroups", move || {
            let mut thread = Thread {
                root: Root::default(),
                tree: Tree::new(root),
                known: HashMap::new(),
                names,
                answers,
            };
            thread.run(&asked, &rung);
            thread.tree.counts
        })?;
        Ok(Self {
            questions,
            bell,
            ended,
        })
    }

    /// Whether there was room for the question. Never waits.
    pub(super) fn ask(&self, question: Question, looked: Option<Process>) -> bool {
        let asked = self.questions.try_send((question, looked)).is_ok();
        // A bell that rings already needs no more.
        let _rung = self.bell.write(1);
        asked
    }

    /// Ends the thread.
    pub(super) fn finish(self, patience: std::time::Duration) -> Option<TreeCounts> {
        drop(self.questions);
        let _rung = self.bell.write(1);
        self.ended.recv_timeout(patience).ok()
    }
}

struct Thread {
    root: Root,
    tree: Tree,
    /// By path, as long as anybody has one: all processes of a group share it.
    known: HashMap<Vec<u8>, Weak<Subject>>,
    names: Asking,
    answers: Sender<Answer>,
}

impl Thread {
    fn run(&mut self, questions: &Receiver<Asked>, bell: &EventFd) {
        loop {
            let mut more = true;
            for _ in 0..BATCH {
                match questions.try_recv() {
                    Ok((question, looked)) => {
                        let answer = self.answer(question, looked);
                        if self.answers.send(answer).is_err() {
                            return;
                        }
                    }
                    Err(TryRecvError::Empty) => {
                        more = false;
                        break;
                    }
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            more |= self.tree.update();
            if !more {
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

    fn answer(&mut self, question: Question, looked: Option<Process>) -> Answer {
        let found = match question {
            Question::Cgroup(id) => self.tree.path_of(id, Instant::now()).map(|path| (path, 0)),
            Question::Process(pid, _) => looked
                .or_else(|| process::look(&self.root, pid).ok())
                .map(|process| (process.cgroup, process.started_ns)),
        };
        let found = found.map(|(path, started_ns)| Found {
            subject: self.subject(path),
            started_ns,
        });
        Answer::Found(question, found)
    }

    fn subject(&mut self, path: Vec<u8>) -> Arc<Subject> {
        if let Some(known) = self.known.get(&path).and_then(Weak::upgrade) {
            return known;
        }
        // Doubling keeps the cost of cleaning up in proportion.
        if self.known.len() == self.known.capacity() {
            self.known.retain(|_, known| known.strong_count() > 0);
        }
        let subject = Arc::new(Subject::of_cgroup(&path));
        self.known.insert(path, Arc::downgrade(&subject));
        self.names.ask(&subject);
        subject
    }
}
