//! Whether a message belongs to a lookup, a part to another, and whether anything more will come.

use super::open::Open;
use super::step::Step;
use super::step::StepEnd;
use super::step::go_together;

/// Two messages of one lookup follow each other at once; so much may lie between an
/// answer and the next question, in nanoseconds. Judgement: a program that waits for a CPU
/// takes some ten milliseconds.
pub(super) const PAUSE_NS: u64 = 50_000_000;
/// Who hears nothing asks again after this time at the latest: glibc after 5 s
/// (resolv.conf(5)), and kerno may have known before.
const PATIENCE_NS: u64 = 5_700_000_000;
/// What is asked twice within this time is asked by two; who asks again has waited longer.
/// Unbound's shortest is 50 ms, for a server that it knows well; judgement.
const AT_ONCE_NS: u64 = 40_000_000;

/// Whether it can be the next message of the lookup, or one that ended late.
pub(super) fn fits(open: &Open, step: &Step) -> bool {
    is_in_time(open, step) && open.steps.iter().all(|other| agrees(other, step))
}

/// Whether there is no pause between them.
pub(super) fn touches(open: &Open, step: &Step) -> bool {
    step.sent_ns() <= open.last_ns.saturating_add(PAUSE_NS)
        && step.end_ns.saturating_add(PAUSE_NS) >= open.first_ns
}

/// Whether it was asked from another socket when the answer before had come. A thread of a
/// library that spreads lookups over its threads may do so for another lookup.
pub(super) fn is_one_by_one(open: &Open, step: &Step) -> bool {
    let goes_after = |first: &Step, second: &Step| {
        first.end.is_settled()
            && first.end_ns <= second.sent_ns()
            && first.key.cookie != second.key.cookie
    };
    let pairs = |it: &Step| goes_after(it, step) || goes_after(step, it);
    open.steps.iter().any(pairs)
}

/// Whether other threads may have asked for more of it.
pub(super) fn is_part(open: &Open) -> bool {
    open.is_used && open.thread.tid != 0 && !has_both(open)
}

/// Whether this may be a part of that one.
pub(super) fn may_be_part(part: &Open, of: &Open) -> bool {
    is_part(part)
        && part.thread.pid == of.thread.pid
        && part.thread.tid != 0
        && part.steps.iter().all(|step| fits(of, step))
}

/// A library that asks for both on one socket has one thread for them.
pub(super) fn has_both(open: &Open) -> bool {
    open.steps.iter().any(|one| {
        open.steps.iter().any(|other| {
            one.key.cookie == other.key.cookie
                && one.name() == other.name()
                && one.question != other.question
        })
    })
}

/// Whether nothing more will come of it.
pub(super) fn is_over(open: &Open, now_ns: u64) -> bool {
    if now_ns == u64::MAX {
        return true;
    }
    if open.waiting_ns == now_ns {
        return false;
    }
    match open.is_settled() {
        true => now_ns.saturating_sub(open.last_ns) >= PAUSE_NS,
        false => now_ns.saturating_sub(open.newest_ns) >= PATIENCE_NS,
    }
}

fn is_in_time(open: &Open, step: &Step) -> bool {
    let again = |other: &Step| asks_again(other, step) || asks_again(step, other);
    touches(open, step) || open.steps.iter().any(again)
}

/// Whether `after` is what a program asks that has waited in vain.
fn asks_again(before: &Step, after: &Step) -> bool {
    // musl goes on waiting whatever error there is.
    let has_waited = before.end == StepEnd::Silence || after.is_resend_of(before);
    let pause = after.sent_ns().checked_sub(before.sent_ns());
    // Who has given up and asks again after a while begins anew.
    let has_begun_anew = before.gave_up && after.sent_ns() > before.end_ns.saturating_add(PAUSE_NS);
    has_waited
        && !has_begun_anew
        && !before.end.is_settled()
        && before.question == after.question
        && pause.is_some_and(|pause| pause <= PATIENCE_NS)
}

fn agrees(other: &Step, step: &Step) -> bool {
    let (Some(theirs), Some(own)) = (other.question, step.question) else {
        return true;
    };
    let (first, second) = match other.sent_ns() <= step.sent_ns() {
        true => (other, step),
        false => (step, other),
    };
    if !go_together(theirs.rtype, own.rtype) {
        return false;
    }
    match theirs.name == own.name {
        true if theirs.rtype == own.rtype => is_repeat(first, second),
        true => true,
        false => is_next_name(first, second),
    }
}

/// Whether one lookup asks the same twice.
fn is_repeat(first: &Step, second: &Step) -> bool {
    if second.sent_ns() >= first.end_ns {
        return match first.end {
            StepEnd::Found | StepEnd::NoSuchName => false,
            // glibc goes on to the next server if the first is not a resolver.
            StepEnd::NoData => first.server != second.server,
            _ => true,
        };
    }
    // Both wait: it has been sent again, or to several servers at once; else two
    // threads or tasks of the program want to know the same.
    second.is_resend_of(first)
        || first.server != second.server
        || second.sent_ns() - first.sent_ns() >= AT_ONCE_NS
}

/// Whether the second name is tried because the first one led to nothing.
fn is_next_name(first: &Step, second: &Step) -> bool {
    match first.end {
        StepEnd::Found => false,
        StepEnd::Silence | StepEnd::Superseded => true,
        _ => second.sent_ns() >= first.end_ns,
    }
}
