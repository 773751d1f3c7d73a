//! What a client sent and what came of it, counted so that it adds up.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::base::iana::OptRcode;
use serde::Deserialize;
use serde::Serialize;

/// What came of one query message, or of one that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// An answer.
    Answered(Answer),
    /// Sent, and no answer until it was sent again or given up.
    Unanswered,
    /// Another server answered first (musl asks all at once).
    Superseded,
    /// Sent, and then the socket had this error.
    Refused(String),
    /// This error came instead of a packet.
    Unsent(String),
    /// A truncated answer's question could not be asked over TCP: no connection,
    /// or one that broke.
    TcpFailed(String),
}

/// An answer as the program got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) rcode: u16,
    pub(super) truncated: bool,
    /// From the query to the moment at which the program had it.
    pub(super) took: Duration,
}

impl Answer {
    /// NOERROR and NXDOMAIN: with anything else a stub asks the next server.
    pub(super) fn is_fine(self) -> bool {
        matches!(self.rcode, 0 | 3)
    }
}

/// What came of one lookup.
#[derive(Clone, Debug, Default)]
pub(super) struct Came {
    pub(super) fates: Vec<Fate>,
    /// Whether the program has an answer to all that it asked.
    pub(super) resolved: bool,
    /// Datagrams that answered nothing.
    pub(super) unexpected: u64,
}

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

impl Counts {
    /// An answer that takes longer than `slow` is slow.
    pub(super) fn add(&mut self, came: &Came, slow: Duration) {
        self.lookups += 1;
        self.resolved += u64::from(came.resolved);
        self.unexpected += came.unexpected;
        for fate in &came.fates {
            self.add_fate(fate, slow);
        }
    }

    fn add_fate(&mut self, fate: &Fate, slow: Duration) {
        let was_sent = !matches!(fate, Fate::Unsent(_) | Fate::TcpFailed(_));
        self.sent += u64::from(was_sent);
        let count = match fate {
            Fate::Answered(answer) => {
                let rcode = OptRcode::masked_from_int(answer.rcode).to_string();
                self.truncated += u64::from(answer.truncated);
                self.slow += u64::from(answer.took > slow && is_fine(&rcode));
                self.answered.entry(rcode).or_default()
            }
            Fate::Unanswered => &mut self.unanswered,
            Fate::Superseded => &mut self.superseded,
            Fate::Refused(errno) => self.refused.entry(errno.clone()).or_default(),
            Fate::Unsent(errno) => self.unsent.entry(errno.clone()).or_default(),
            Fate::TcpFailed(error) => self.tcp_failed.entry(error.clone()).or_default(),
        };
        *count += 1;
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
    fn every_fate_is_counted_once_and_the_sum_holds() {
        let answered = |rcode, truncated, took| {
            Fate::Answered(Answer {
                rcode,
                truncated,
                took: Duration::from_millis(took),
            })
        };
        let fates = vec![
            answered(0, true, 100),
            answered(3, false, 101),
            answered(2, false, 101),
            Fate::Unanswered,
            Fate::Superseded,
            Fate::Refused("ECONNREFUSED".to_owned()),
            Fate::Unsent("EPERM".to_owned()),
            Fate::TcpFailed("ETIMEDOUT".to_owned()),
        ];
        let mut counts = Counts::default();
        counts.add(
            &Came {
                fates,
                resolved: true,
                unexpected: 2,
            },
            Duration::from_millis(100),
        );
        assert_eq!((counts.lookups, counts.resolved), (1, 1));
        assert_eq!((counts.truncated, counts.unexpected), (1, 2));
        let ends = counts.answered.values().sum::<u64>()
            + counts.unanswered
            + counts.superseded
            + counts.refused.values().sum::<u64>();
        assert_eq!((counts.sent, ends), (6, 6));
        assert_eq!(counts.fine(), 2);
        // SERVFAIL, unanswered, refused, unsent, no TCP.
        assert_eq!(counts.failed(), 5);
        // The NXDOMAIN that took 101 ms.
        assert_eq!((counts.slow, counts.hurt()), (1, 6));
    }
}
