//! What a client sent and what came of it, counted so that it adds up.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use domain::base::iana::OptRcode;
use serde::Deserialize;
use serde::Serialize;

use crate::testbed::client::Answer;
use crate::testbed::client::errno_name;

/// The figures of a client.
///
/// `sent = answered (all codes) + unanswered + superseded + refused (all errors)`
/// holds exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    /// Lookups made: names resolved, or tried to.
    pub(crate) lookups: u64,
    /// Lookups of which each type was answered with NOERROR or NXDOMAIN.
    pub(crate) resolved: u64,
    /// Query messages that the kernel took, over UDP and TCP.
    pub(crate) sent: u64,
    /// Answers by response code (IANA names).
    pub(crate) answered: BTreeMap<String, u64>,
    /// Answers with the TC bit, which are among `answered`.
    pub(crate) truncated: u64,
    /// Answers with NOERROR or NXDOMAIN that the program had later after the
    /// query than the doctor calls slow (100 ms); they are among `answered`.
    pub(crate) slow: u64,
    /// Messages without an answer until sent again or given up.
    pub(crate) unanswered: u64,
    /// Messages that did not matter any more: another server had answered.
    pub(crate) superseded: u64,
    /// Messages that ended with an error of their socket, by errno name.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Failed connect and send calls before any packet, by errno name.
    pub(crate) unsent: BTreeMap<String, u64>,
    /// Truncated answers whose question could not be asked over TCP, by error.
    pub(crate) tcp_failed: BTreeMap<String, u64>,
    /// Datagrams that answered no question of ours.
    pub(crate) unexpected: u64,
}

/// The counting itself, by lookups at once.
#[derive(Debug)]
pub(super) struct Tally {
    counts: Mutex<Counts>,
    pub(super) slow: Duration,
}

impl Tally {
    pub(super) fn new(slow: Duration) -> Self {
        let counts = Mutex::default();
        Self { counts, slow }
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn count(errors: &mut BTreeMap<String, u64>, error: &io::Error, messages: u64) {
    if messages > 0 {
        *errors.entry(errno_name(error)).or_default() += messages;
    }
}

impl Counts {
    pub(super) fn answer(&mut self, answer: Answer, is_slow: bool) {
        let rcode = OptRcode::masked_from_int(answer.rcode).to_string();
        *self.answered.entry(rcode).or_default() += 1;
        self.truncated += u64::from(answer.truncated);
        self.slow += u64::from(is_slow && answer.is_fine());
    }

    /// Attempts that did not end with NOERROR or NXDOMAIN: what the doctor's
    /// cause must explain, each once.
    pub(crate) fn failed(&self) -> u64 {
        let errors = self.answered.iter().filter(|(rcode, _)| !is_fine(rcode));
        let maps = [&self.refused, &self.unsent, &self.tcp_failed];
        self.unanswered
            + errors.map(|(_, count)| count).sum::<u64>()
            + maps.into_iter().flat_map(BTreeMap::values).sum::<u64>()
    }

    /// Attempts that failed, and those that were answered well but slowly.
    pub(crate) fn hurt(&self) -> u64 {
        self.failed() + self.slow
    }

    /// Attempts that ended with NOERROR or NXDOMAIN.
    pub(crate) fn fine(&self) -> u64 {
        let fine = self.answered.iter().filter(|(rcode, _)| is_fine(rcode));
        fine.map(|(_, count)| count).sum()
    }
}

/// That a name does not exist is an answer.
fn is_fine(rcode: &str) -> bool {
    matches!(rcode, "NOERROR" | "NXDOMAIN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_that_failed_is_counted_once() {
        let mut counts = Counts::default();
        let answer = |rcode, truncated| Answer { rcode, truncated };
        counts.answer(answer(0, true), false);
        counts.answer(answer(3, false), true);
        counts.answer(answer(2, false), true);
        counts.unanswered = 1;
        counts.superseded = 1;
        for errors in [
            &mut counts.refused,
            &mut counts.unsent,
            &mut counts.tcp_failed,
        ] {
            errors.insert("EPERM".to_owned(), 1);
        }
        assert_eq!((counts.truncated, counts.fine()), (1, 2));
        // SERVFAIL, unanswered, refused, unsent, no TCP.
        assert_eq!(counts.failed(), 5);
        // The NXDOMAIN that was slow.
        assert_eq!((counts.slow, counts.hurt()), (1, 6));
    }
}
