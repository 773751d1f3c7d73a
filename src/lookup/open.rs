//! A lookup that may still go on.

use super::name::Meant;
use super::step::Step;
use super::step::StepEnd;
use crate::attempt::Attempt;

/// Messages of one lookup that are kept; further ones are counted. glibc makes 36 of a name
/// with six search domains on three servers that fail.
pub(super) const STEPS_MAX: usize = 64;

/// Whose messages belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Thread {
    /// Thread-group id; 0 if it is not known.
    pub(super) pid: u32,
    /// The thread; 0 if it is not known.
    pub(super) tid: u32,
}

impl Thread {
    pub(super) fn of(attempt: &Attempt) -> Self {
        Self {
            pid: attempt.owner.pid.unwrap_or(0),
            tid: attempt.owner.tid.unwrap_or(0),
        }
    }

    /// Whether both may be one.
    pub(super) fn may_be(self, other: Self) -> bool {
        self.pid == other.pid && (self.tid == other.tid || self.tid == 0 || other.tid == 0)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    /// Whether it is one; else its place is free.
    pub(super) is_used: bool,
    pub(super) thread: Thread,
    /// By which it is found: process and first label.
    pub(super) chain: u64,
    /// The older and the newer one of its chain, plus one; 0 for none.
    pub(super) next: u32,
    pub(super) newer: u32,
    /// How many have been begun before it, and it.
    pub(super) number: u64,
    /// Others of its thread were passed over for it, because other threads had some too.
    pub(super) is_apart: bool,
    pub(super) steps: Vec<Step>,
    pub(super) left_out: u64,
    pub(super) meant: Meant,
    pub(super) first_ns: u64,
    /// The latest end, and the latest send.
    pub(super) last_ns: u64,
    pub(super) newest_ns: u64,
    /// When something of it was last seen to wait for an answer.
    pub(super) waiting_ns: u64,
    /// Where it is counted if all of it is plain: that of its first message.
    pub(super) cell: u32,
    /// One of its attempts, if it is told by itself.
    pub(super) example: Option<Box<Attempt>>,
    pub(super) is_estimate: bool,
    /// Several threads have asked for it.
    pub(super) is_spread: bool,
}

impl Open {
    /// Begins one in this place, whose room is used again.
    pub(super) fn begin(&mut self, thread: Thread, chain: u64, step: &Step) {
        self.is_used = true;
        self.thread = thread;
        self.chain = chain;
        self.steps.clear();
        self.left_out = 0;
        self.meant.clear();
        self.first_ns = step.sent_ns();
        self.last_ns = step.end_ns;
        self.newest_ns = step.sent_ns();
        self.waiting_ns = 0;
        self.cell = 0;
        self.example = None;
        self.is_estimate = thread.tid == 0;
        self.is_spread = false;
        self.is_apart = false;
    }

    pub(super) fn push(&mut self, step: &Step, question: &[u8]) {
        let is_new = self
            .steps
            .last()
            .is_none_or(|last| last.name() != step.name());
        if is_new && step.question.is_some() {
            self.meant.add(question);
        }
        self.push_step(step);
    }

    fn push_step(&mut self, step: &Step) {
        self.first_ns = self.first_ns.min(step.sent_ns());
        self.last_ns = self.last_ns.max(step.end_ns);
        self.newest_ns = self.newest_ns.max(step.sent_ns());
        match self.steps.len() < STEPS_MAX {
            true => {
                // Most have one or two.
                if self.steps.len() < 2 {
                    self.steps.reserve_exact(1);
                }
                self.steps.push(*step);
            }
            false => {
                self.left_out += 1;
                self.is_estimate = true;
            }
        }
    }

    /// Takes over what another thread did for the same lookup.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        self.meant.absorb(&other.meant);
        other.steps.iter().for_each(|step| self.push_step(step));
        self.left_out += other.left_out;
        self.is_estimate |= other.is_estimate;
        self.is_spread |= other.is_spread || other.thread != self.thread;
        self.waiting_ns = self.waiting_ns.max(other.waiting_ns);
        if self.example.is_none() {
            self.example = other.example.take();
        }
    }

    /// Adds what failed before it had a question.
    pub(super) fn add_nameless(&mut self, step: &Step, attempt: &Attempt) {
        self.push_step(step);
        self.tell(attempt);
    }

    /// It is told by itself, and is this one's.
    pub(super) fn tell(&mut self, attempt: &Attempt) {
        self.example
            .get_or_insert_with(|| Box::new(attempt.clone()));
    }

    /// Whether all of it was over when the step was sent, and so were those before it: its
    /// thread has asked the same in it, or found what it looked for.
    pub(super) fn is_before(&self, step: &Step) -> bool {
        self.steps.iter().any(|it| {
            it.end_ns <= step.sent_ns()
                && (it.end == StepEnd::Found || it.question == step.question)
                && it.end.is_settled()
        })
    }

    /// Whether its program has all that it asked for, or has given up on it.
    pub(super) fn is_settled(&self) -> bool {
        self.steps.iter().all(|step| {
            step.end.is_settled()
                || step.gave_up
                || self.steps.iter().any(|other| other.settles(step))
        })
    }
}

impl Step {
    /// Whether it answers what the other one asked in vain.
    fn settles(&self, other: &Self) -> bool {
        self.end.is_settled() && (other.question.is_none() || self.question == other.question)
    }
}
