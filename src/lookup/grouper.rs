//! Takes attempts as they end, and says which lookups are over.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::briefs::Brief;
use super::briefs::Briefs;
use super::briefs::Plain;
use super::briefs::Taken;
use super::cost;
use super::counts::GrouperCounts;
use super::finished::Closed;
use super::finished::Lookup;
use super::joining;
use super::joining::PAUSE_NS;
use super::joining::has_both;
use super::joining::is_over;
use super::joining::is_part;
use super::joining::may_be_part;
use super::name::first_label;
use super::open::Open;
use super::open::Thread;
use super::silences::Silences;
use super::step::AttemptKey;
use super::step::Step;
use super::step::StepEnd;
use super::step::server_of_octets;
use super::store::Store;
use super::store::chain;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::PlainStep;
use crate::attempt::Role;

/// Failed calls that wait for the lookup that they belong to, some 500 octets each.
const NAMELESS_MAX: usize = 1_024;
/// Comparisons of those with open lookups, at one time.
const COMPARED_MAX: usize = 200_000;
/// Processes that answer others; one beyond is taken for a program like any other.
const SERVERS_MAX: usize = 4_096;

/// Puts attempts of the client role together. One for each monitor.
#[derive(Debug, Default)]
pub struct Grouper {
    briefs: Briefs,
    store: Store,
    nameless: Vec<(Step, Attempt)>,
    silences: Silences,
    /// Processes that answer others.
    servers: HashSet<u32, RandomState>,
    closed: Vec<Closed>,
    counts: GrouperCounts,
}

impl Grouper {
    /// Takes a plain answer, which is counted in this cell.
    pub fn plain(&mut self, it: &PlainStep<'_>, cell: u32) {
        let step = Step {
            key: AttemptKey {
                cookie: it.cookie,
                id: Some(it.id),
                sent_ns: it.sent_ns,
            },
            end_ns: it.end_ns,
            gave_up: false,
            question: Some(it.fingerprint),
            server: server_of_octets(it.server_ip, it.server_port),
            end: match (it.is_nxdomain, it.answers) {
                (true, _) => StepEnd::NoSuchName,
                (_, 0) => StepEnd::NoData,
                _ => StepEnd::Found,
            },
            is_waste: false,
            lost_ns: 0,
        };
        let thread = Thread {
            pid: it.pid,
            tid: it.tid,
        };
        let chain = chain(thread.pid, first_label(it.question));
        if !self.store.has(chain) {
            let plain = Plain {
                chain,
                thread,
                cell,
                question: it.question,
                asked: it.fingerprint,
                step: &step,
            };
            match self.briefs.take(plain, &mut self.closed) {
                Taken::Done => return,
                Taken::Instead(brief) => return self.adopt(&brief),
                Taken::TooMuch => {}
            }
        }
        let (at, is_new) = self.join(chain, thread, &step, it.question);
        if is_new {
            self.store.get(at).cell = cell;
        }
    }

    /// A short one may become a longer one.
    fn adopt(&mut self, brief: &Brief) {
        if let Some(first) = brief.steps().first() {
            let at = self.begin(brief.thread, brief.chain, first);
            let open = self.store.get(at);
            open.cell = brief.cell;
            let steps = brief.steps().iter();
            steps.for_each(|step| open.push(step, brief.question()));
        }
    }

    fn adopt_all(&mut self, chain: u64) {
        while let Some(brief) = self.briefs.pop(chain) {
            self.adopt(&brief);
        }
    }

    /// Takes an attempt that is told by itself.
    pub fn attempt(&mut self, attempt: &Attempt) {
        if attempt.role == Role::Server {
            if let Some(pid) = attempt.owner.pid
                && self.servers.len() < SERVERS_MAX
            {
                self.servers.insert(pid);
            }
            return;
        }
        // Its lookup has counted it as unanswered, and its program may not have waited.
        if attempt.outcome == Outcome::Late {
            return;
        }
        let step = Step::of(attempt);
        if step.question.is_none() && attempt.id.is_none() {
            if self.nameless.len() < NAMELESS_MAX {
                self.nameless.push((step, attempt.clone()));
            } else {
                self.counts.calls_apart += 1;
                self.alone(&step, attempt);
            }
            return;
        }
        if step.question.is_none() {
            return self.alone(&step, attempt);
        }
        // It had its place when its program gave up on it.
        if self.silences.take(&step.key).is_some() {
            return;
        }
        let at = self.place(attempt, &step);
        self.silences.has_ended(&step, attempt.outcome, at);
    }

    /// Puts it into its lookup.
    fn place(&mut self, attempt: &Attempt, step: &Step) -> usize {
        let question = attempt.question.as_bytes();
        let thread = Thread::of(attempt);
        let chain = chain(thread.pid, first_label(question));
        let (at, _) = self.join(chain, thread, step, question);
        self.store.get(at).tell(attempt);
        if step.gave_up {
            self.bridge(chain, at);
        }
        at
    }

    /// What follows a message that was given up on may have been told before it.
    fn bridge(&mut self, chain: u64, at: usize) {
        let is_next = |other: &usize| {
            let (open, next) = (&self.store.all()[at], &self.store.all()[*other]);
            let is_for_it = |step: &Step| {
                joining::fits(open, step) && open.steps.iter().any(|it| it.name() == step.name())
            };
            *other != at && open.thread.may_be(next.thread) && next.steps.iter().all(is_for_it)
        };
        let next = self.store.of_chain(chain).find(is_next);
        if let Some(next) = next {
            self.put_together(at, next);
        }
    }

    /// A socket was closed: its program waits no longer for what has ended.
    pub fn closed(&mut self, cookie: u64, at_ns: u64) {
        let of_socket = |step: &&mut Step| step.key.cookie == cookie;
        let nameless = self.nameless.iter_mut().map(|(step, _)| step);
        nameless
            .filter(of_socket)
            .for_each(|step| step.gives_up(at_ns));
        if let Some(at) = self.silences.closed(cookie) {
            let open = self.store.get(at);
            let steps = open.steps.iter_mut().filter(of_socket);
            steps.for_each(|step| step.gives_up(at_ns));
            open.last_ns = open.last_ns.max(at_ns);
        }
    }

    /// A query of a client that waits for its answer: its lookup is not over. One that its
    /// program has given up on has its place at once, for what that does next.
    pub fn is_waiting(&mut self, attempt: &Attempt, now_ns: u64) {
        let mut step = Step {
            end: StepEnd::Silence,
            ..Step::of(attempt)
        };
        if step.question.is_none() {
            return;
        }
        let at = if let Some(place) = self.silences.of(&step.key) {
            place
        } else if step.gave_up {
            let at = self.place(attempt, &step);
            self.silences.goes_on(step.key, at);
            Some(at)
        } else {
            step.end_ns = now_ns;
            let question = attempt.question.as_bytes();
            let thread = Thread::of(attempt);
            let chain = chain(thread.pid, first_label(question));
            self.adopt_all(chain);
            self.find(chain, thread, &step, question).nearest
        };
        if let Some(at) = at {
            self.store.get(at).waiting_ns = now_ns;
        }
    }

    /// Closes the lookups that are over. All that ended before `now_ns` has been taken.
    pub fn close(&mut self, now_ns: u64) {
        self.close_briefs(now_ns);
        self.place_nameless(now_ns);
        for at in 0..self.store.all().len() {
            let open = &self.store.all()[at];
            if open.is_used && is_over(open, now_ns) {
                self.close_one(at, now_ns);
            }
        }
    }

    /// Closes all of them: there is nothing more to come.
    pub fn close_all(&mut self) {
        self.close_briefs(u64::MAX);
        self.place_nameless(u64::MAX);
        for at in 0..self.store.all().len() {
            if self.store.all()[at].is_used {
                self.close_one(at, u64::MAX);
            }
        }
    }

    fn close_briefs(&mut self, now_ns: u64) {
        let store = &self.store;
        // One may belong to a call that failed just before.
        let is_elsewhere = |chain| !self.nameless.is_empty() || store.has(chain);
        let parts = self.briefs.close(now_ns, &mut self.closed, is_elsewhere);
        for brief in &parts {
            self.adopt(brief);
            // A part that is not over goes where this one goes.
            self.adopt_all(brief.chain);
        }
    }

    /// Whether some will be over within a moment.
    pub fn is_busy(&self, now_ns: u64) -> bool {
        !self.nameless.is_empty()
            || self.briefs.any()
            || (self.store.len() > 0
                && self.store.all().iter().any(|open| {
                    open.is_used && now_ns.saturating_sub(open.last_ns) <= 2 * PAUSE_NS
                }))
    }

    /// Whether any lookup may still go on.
    pub fn any_open(&self) -> bool {
        self.store.len() > 0 || self.briefs.any()
    }

    /// Takes out the lookups that are over.
    pub fn take(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.closed)
    }

    /// One that was taken out could not be counted.
    pub fn has_no_place(&mut self) {
        self.counts.lookups_lost += 1;
    }

    /// What there was no room for.
    pub fn counts(&self) -> GrouperCounts {
        self.counts
    }

    /// The lookup that it belongs to, or a new one.
    fn join(&mut self, chain: u64, thread: Thread, step: &Step, question: &[u8]) -> (usize, bool) {
        self.adopt_all(chain);
        let found = self.find(chain, thread, step, question);
        let nearest = found.nearest;
        let at = nearest.unwrap_or_else(|| self.begin(thread, chain, step));
        if nearest.is_none() && found.passed_over {
            self.store.set_apart(at);
        }
        self.store.get(at).push(step, question);
        (at, nearest.is_none())
    }

    fn begin(&mut self, thread: Thread, chain: u64, step: &Step) -> usize {
        if self.store.is_full() {
            let victim = self.store.victim();
            self.store.get(victim).is_estimate = true;
            self.counts.lookups_cut_short += 1;
            self.finish(victim);
        }
        self.store.begin(thread, chain, step)
    }

    /// Of several the one that was asked for last before it, or next after it.
    fn find(&self, chain: u64, thread: Thread, step: &Step, question: &[u8]) -> Found {
        let is_mixed = self.store.is_mixed(chain);
        let mut passed_over = false;
        let mut nearest = None;
        for at in self.store.of_chain(chain) {
            let open = &self.store.all()[at];
            if !open.thread.may_be(thread) {
                continue;
            }
            if joining::fits(open, step) && open.meant.is_like(question) {
                // Parts are put together when they are over.
                if is_mixed && !has_both(open) && joining::is_one_by_one(open, step) {
                    passed_over = true;
                    continue;
                }
                let far = open.newest_ns.abs_diff(step.sent_ns());
                if nearest.is_none_or(|(nearest, _)| far < nearest) {
                    nearest = Some((far, at));
                }
            } else if open.is_before(step) {
                break;
            }
        }
        Found {
            nearest: nearest.map(|(_, at)| at),
            passed_over,
        }
    }

    /// What cannot belong to any other.
    fn alone(&mut self, step: &Step, attempt: &Attempt) {
        let mut open = Open::default();
        open.begin(Thread::of(attempt), 0, step);
        open.push(step, attempt.question.as_bytes());
        open.tell(attempt);
        self.conclude(&mut open);
    }

    /// A call that failed belongs to what its thread asked next, or had asked just before.
    fn place_nameless(&mut self, now_ns: u64) {
        let ready = |step: &Step| now_ns.saturating_sub(step.end_ns) >= PAUSE_NS;
        let waiting = std::mem::take(&mut self.nameless);
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(it, _)| ready(it));
        self.nameless = rest;
        let mut compared = 0;
        for (step, attempt) in ready {
            compared += self.store.all().len();
            if compared > COMPARED_MAX {
                self.counts.calls_apart += 1;
                self.alone(&step, &attempt);
                continue;
            }
            let thread = Thread::of(&attempt);
            let opens = self.store.all().iter().enumerate();
            let nearest = opens
                .filter(|(_, open)| {
                    open.is_used && open.thread.may_be(thread) && joining::touches(open, &step)
                })
                .min_by_key(|(_, open)| open.nearest_ns(step.sent_ns()));
            let at = nearest.map(|(at, _)| at);
            // Others that fail like it may follow.
            let at = at.unwrap_or_else(|| self.begin(thread, chain(thread.pid, 0), &step));
            self.store.get(at).add_nameless(&step, &attempt);
            self.silences.has_ended(&step, attempt.outcome, at);
        }
    }

    /// Closes it with what other threads did for it, unless they are still at it.
    fn close_one(&mut self, at: usize, now_ns: u64) {
        let open = &self.store.all()[at];
        if is_part(open) && self.store.has_parts(open.chain) {
            self.join_parts(open.chain, now_ns);
        }
        if self.store.all()[at].is_used && !self.is_awaited(at, now_ns) {
            self.finish(at);
        }
    }

    /// Puts together what several threads asked for, in the order in which it was asked: a
    /// part belongs to what its own thread alone asked before, else to the first lookup that
    /// it can be the next of.
    fn join_parts(&mut self, chain: u64, now_ns: u64) {
        let all = self.store.all();
        let is_ready = |at: &usize| is_part(&all[*at]) && is_over(&all[*at], now_ns);
        let mut parts: Vec<usize> = self.store.of_chain(chain).filter(is_ready).collect();
        // Of those that began at the same time the one that was there first.
        parts.reverse();
        parts.sort_by_key(|&at| all[at].first_ns);
        let mut whole: Vec<usize> = Vec::new();
        for part in parts {
            let all = self.store.all();
            let may_take = |at: &&usize| may_be_part(&all[part], &all[**at]);
            let places: Vec<usize> = whole.iter().filter(may_take).copied().collect();
            let is_own = |at: &usize| all[*at].thread == all[part].thread && !all[*at].is_spread;
            let own = places.iter().copied().find(is_own);
            let Some(at) = own.or(places.first().copied()) else {
                whole.push(part);
                continue;
            };
            let open = self.put_together(at, part);
            // Whose it is cannot be known.
            open.is_estimate |= own.is_none() && places.len() > 1;
        }
    }

    fn put_together(&mut self, at: usize, part: usize) -> &mut Open {
        self.store.unlink(part);
        let (open, mut part_of_it) = self.store.take_two(at, part);
        self.silences.moved(&part_of_it.steps, Some(at));
        open.absorb(&mut part_of_it);
        self.store.free(part);
        self.store.get(at)
    }

    /// Whether another thread is still at a part of it.
    fn is_awaited(&self, at: usize, now_ns: u64) -> bool {
        let open = &self.store.all()[at];
        is_part(open)
            && self.store.has_parts(open.chain)
            && self.store.of_chain(open.chain).any(|other| {
                let part = &self.store.all()[other];
                other != at && !is_over(part, now_ns) && may_be_part(part, open)
            })
    }

    fn finish(&mut self, at: usize) {
        self.store.unlink(at);
        let mut open = std::mem::take(self.store.get(at));
        self.silences.moved(&open.steps, None);
        self.conclude(&mut open);
        // Its lists are room for the next one.
        *self.store.get(at) = open;
        self.store.free(at);
    }

    fn conclude(&mut self, open: &mut Open) {
        let outline = cost::outline(open);
        let Some(example) = open.example.take() else {
            self.closed.push(Closed::Plain(open.cell, outline));
            return;
        };
        let asks_for_others = self.servers.contains(&open.thread.pid);
        let is_one_name = open
            .steps
            .iter()
            .all(|it| it.name() == open.steps[0].name());
        self.closed.push(Closed::Told(Box::new(Lookup {
            example: *example,
            name: open.meant.told(),
            types: cost::types(&open.steps),
            outline,
            end_ns: open.first_ns + outline.duration_ns,
            steps: std::mem::take(&mut open.steps),
            is_exact: !open.is_estimate && (!asks_for_others || is_one_name),
        })));
    }
}

/// Where a message belongs.
struct Found {
    nearest: Option<usize>,
    /// It may also be the next of others, which are put together with it when they are over.
    passed_over: bool,
}

impl Open {
    /// How far the nearest of its messages is.
    fn nearest_ns(&self, sent_ns: u64) -> u64 {
        let far = self.steps.iter().map(|it| it.sent_ns().abs_diff(sent_ns));
        far.min().unwrap_or(u64::MAX)
    }
}
