//! What could not be read, said in sentences; `#` is how many.

use std::collections::BTreeMap;

pub(super) const PROCESSES: &str = "# processes did not say which network namespace they are in \
    (CAP_SYS_PTRACE): the counters of namespaces with no other process are missing";
pub(super) const NAMESPACES: &str = "# network namespaces could not be looked into or were gone at \
    the end: their connection tracking, UDP and ICMP counters are missing";
pub(super) const NAMESPACES_LEFT_OUT: &str =
    "# network namespaces were left out: kerno looks into 1024 at most";
/// Though connection tracking is in use.
pub(super) const CONNTRACK: &str = "the connection tracking counters of # network namespaces could \
    not be read: whether a table was full or insertions failed is not confirmed by them";
pub(super) const TABLES: &str = "the connection tracking tables of # network namespaces could not \
    be read: which server stands behind a translated address is not known from them";
pub(super) const TABLES_CUT: &str =
    "# connection tracking tables were too long, or changed too fast, to be read to their end";
pub(super) const FLOWS: &str = "# connection tracking entries to DNS ports were too many to keep";
pub(super) const UDP: &str = "the UDP and ICMP counters of # network namespaces could not be read: datagrams \
    that a receive buffer had no room for, and what a REJECT rule tells, are not counted there";
/// Of what all namespaces share.
pub(super) const SHARED: &str = "# of the tables that all network namespaces share (/proc/net/softnet_stat, \
    /proc/net/stat/arp_cache) could not be read: whether a backlog or the neighbour table was full is \
    not confirmed by them";
pub(super) const GROUPS: &str = "the control groups of # processes could not be read: whether a CPU \
    quota held them up is not known";
pub(super) const KILLS: &str =
    "# processes that were killed because there was no memory were too many to keep";
pub(super) const STUCK: &str =
    "a file of some process did not answer in time: the resolv.conf of some clients is not known";
pub(super) const SILENT: &str =
    "the file systems of # clients did not answer in time: their resolv.conf is not known";

/// Counts what could not be read, so that a thousand times is one sentence.
#[derive(Debug, Default)]
pub(super) struct Missing(BTreeMap<&'static str, usize>);

impl Missing {
    /// So many more of what a sentence here tells of.
    pub(super) fn add(&mut self, sentence: &'static str, times: usize) {
        *self.0.entry(sentence).or_default() += times;
    }

    pub(super) fn sentences(&self) -> Vec<String> {
        let missing = self.0.iter().filter(|(_, times)| **times > 0);
        missing
            .map(|(sentence, times)| sentence.replace('#', &times.to_string()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_one_sentence_and_what_is_there_is_not_missed() {
        let mut missing = Missing::default();
        missing.add(CONNTRACK, 1);
        missing.add(CONNTRACK, 2);
        missing.add(STUCK, 1);
        missing.add(UDP, 0);
        let sentences = missing.sentences();
        assert_eq!(sentences.len(), 2);
        assert!(sentences[1].contains("of 3 network namespaces"));
    }
}
