//! Servers beyond this host whose large answers never come, while small ones do; and such
//! as cut answers short though there was room.

use std::collections::HashMap;
use std::collections::HashSet;

use super::sizes::OfQuestion;
use super::sizes::Sizes;
use super::sizes::Way;
use super::traits::Traits;
use crate::attempt::Attempt;
use crate::attempt::Fingerprint;
use crate::attempt::Outcome;
use crate::attempt::Transport;
use crate::contrast::Contrast;
use crate::contrast::Failed;
use crate::thresholds::FAILURES_MIN;

/// Answers of one server over UDP that are lost for their size.
#[derive(Clone, Debug, PartialEq)]
pub struct Oversized {
    /// Of queries that had room for an answer that is known to be larger than any that
    /// came, against all others.
    pub contrast: Contrast,
    /// The smallest of the answers that did not come, in octets, at the least.
    pub least: u16,
    /// The largest that did come whole over UDP.
    pub largest: u16,
    /// How often the same questions were answered over TCP, or with the TC bit.
    pub otherwise: u64,
    sizes: HashMap<Fingerprint, u16>,
}

/// Of all servers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OversizedAnswers {
    lost: HashMap<Way, Oversized>,
    largest: HashMap<Way, u16>,
    slips: HashMap<Way, u64>,
    /// Questions that came to no whole answer over UDP, and to none at all at times.
    never_whole: HashSet<(Way, Fingerprint)>,
}

impl OversizedAnswers {
    pub(super) fn of(sizes: &Sizes, traits: &Traits) -> Self {
        let mut it = Self::default();
        let mut known: HashMap<Fingerprint, u16> = HashMap::new();
        let mut silent: HashMap<Way, Vec<(Fingerprint, &OfQuestion)>> = HashMap::new();
        for ((way, question), seen) in &sizes.of {
            let largest = it.largest.entry(*way).or_default();
            *largest = seen.whole.max(*largest);
            let size = known.entry(*question).or_default();
            *size = seen.at_least().max(*size);
            if seen.slips() > 0 {
                *it.slips.entry(*way).or_default() += seen.slips();
            }
            if seen.rooms().any(|room| room.silent > 0) {
                if seen.whole == 0 {
                    it.never_whole.insert((*way, *question));
                }
                silent.entry(*way).or_default().push((*question, seen));
            }
        }
        it.slips.retain(|_, slips| *slips >= FAILURES_MIN);
        for (way, questions) in silent {
            let largest = it.largest.get(&way).copied().unwrap_or_default();
            let all = traits.unanswered_at(way);
            it.lost
                .extend(at_one(&questions, &known, largest, all).map(|found| (way, found)));
        }
        it
    }

    /// What is known of the size of the answer that this unanswered query did not get.
    pub fn of_attempt(&self, attempt: &Attempt) -> Option<&Oversized> {
        let found = self.lost.get(&(attempt.owner.netns, attempt.peer))?;
        let asked = &attempt.question;
        let size = found.sizes.get(&asked.fingerprint()?)?;
        let is_one = attempt.outcome == Outcome::Unanswered
            && attempt.transport == Transport::Udp
            && asked.shape()?.room >= *size;
        is_one.then_some(found)
    }

    /// The largest answer that came whole over UDP to who asked that, in octets, if the
    /// answer to this question never did.
    pub fn largest_but_its_own(&self, attempt: &Attempt) -> Option<u16> {
        let way = (attempt.owner.netns, attempt.peer);
        let question = attempt.question.fingerprint()?;
        let largest = self.largest.get(&way).filter(|octets| **octets > 0);
        let is_one = self.never_whole.contains(&(way, question));
        largest.copied().filter(|_| is_one)
    }

    /// The largest answer that came whole over UDP from there, in octets; 0 if none did.
    pub fn largest(&self, attempt: &Attempt) -> u16 {
        let way = (attempt.owner.netns, attempt.peer);
        self.largest.get(&way).copied().unwrap_or_default()
    }

    /// How often that server cut answers short that would have had room.
    pub fn slips(&self, attempt: &Attempt) -> Option<u64> {
        let slips = self.slips.get(&(attempt.owner.netns, attempt.peer));
        slips.copied()
    }
}

/// What one server's questions without an answer have in common. The other answers to the
/// same question may be another server's.
fn at_one(
    questions: &[(Fingerprint, &OfQuestion)],
    known: &HashMap<Fingerprint, u16>,
    largest: u16,
    (all, looked_at): (Failed, usize),
) -> Option<Oversized> {
    let (mut with, mut otherwise) = (Failed::default(), 0);
    let mut sizes = HashMap::new();
    for (question, seen) in questions {
        let Some(size) = known.get(question).copied().filter(|it| *it > largest) else {
            continue;
        };
        for room in seen.rooms().filter(|room| room.octets >= size) {
            with.add(room.silent.into(), true);
            with.add(room.emptied.into(), false);
            sizes.insert(*question, size);
        }
        otherwise += u64::from(seen.otherwise);
    }
    Some(Oversized {
        contrast: Contrast::of(with, all, looked_at + 1)?,
        least: sizes.values().copied().min()?,
        largest,
        otherwise,
        sizes,
    })
}
