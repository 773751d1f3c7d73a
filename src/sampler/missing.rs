//! What could not be read, said in sentences; `#` is how many.

use std::collections::BTreeMap;

use crate::units;

/// A sentence in the singular and in the plural.
pub(super) type Sentence = (&'static str, &'static str);

pub(super) const PROCESSES: Sentence = (
    "# process did not say which network namespace it is in (CAP_SYS_PTRACE): if no other process is \
     there, the counters of that namespace are missing",
    "# processes did not say which network namespace they are in (CAP_SYS_PTRACE): the counters of \
     namespaces with no other process are missing",
);
pub(super) const NAMESPACES: Sentence = (
    "# network namespace could not be looked into or was gone at the end: its connection tracking, UDP \
     and ICMP counters are missing",
    "# network namespaces could not be looked into or were gone at the end: their connection tracking, \
     UDP and ICMP counters are missing",
);
pub(super) const NAMESPACES_LEFT_OUT: Sentence = (
    "# network namespace was left out: kerno looks into 1024 at most",
    "# network namespaces were left out: kerno looks into 1024 at most",
);
/// Though connection tracking is in use.
pub(super) const CONNTRACK: Sentence = (
    "the connection tracking counters of # network namespace could not be read: whether a table was \
     full or insertions failed is not confirmed by them",
    "the connection tracking counters of # network namespaces could not be read: whether a table was \
     full or insertions failed is not confirmed by them",
);
pub(super) const TABLES: Sentence = (
    "the connection tracking table of # network namespace could not be read: which server stands behind \
     a translated address is not known from it",
    "the connection tracking tables of # network namespaces could not be read: which server stands \
     behind a translated address is not known from them",
);
pub(super) const TABLES_CUT: Sentence = (
    "# connection tracking table was too long, or changed too fast, to be read to its end",
    "# connection tracking tables were too long, or changed too fast, to be read to their end",
);
pub(super) const FLOWS: Sentence = (
    "# connection tracking entry to a DNS port was too much to keep",
    "# connection tracking entries to DNS ports were too many to keep",
);
pub(super) const UDP: Sentence = (
    "the UDP and ICMP counters of # network namespace could not be read: datagrams that a receive \
     buffer had no room for, and what a REJECT rule tells, are not counted there",
    "the UDP and ICMP counters of # network namespaces could not be read: datagrams that a receive \
     buffer had no room for, and what a REJECT rule tells, are not counted there",
);
/// Of what all namespaces share.
pub(super) const SHARED: Sentence = (
    "# of the tables that all network namespaces share (/proc/net/softnet_stat, \
     /proc/net/stat/arp_cache) could not be read: whether a backlog or the neighbour table was full is \
     not confirmed by it",
    "# of the tables that all network namespaces share (/proc/net/softnet_stat, \
     /proc/net/stat/arp_cache) could not be read: whether a backlog or the neighbour table was full is \
     not confirmed by them",
);
pub(super) const GROUPS: Sentence = (
    "the control group of # process could not be read: whether a CPU quota held it up is not known",
    "the control groups of # processes could not be read: whether a CPU quota held them up is not known",
);
pub(super) const KILLS: Sentence = (
    "# process that was killed because there was no memory was one too many to keep",
    "# processes that were killed because there was no memory were too many to keep",
);
pub(super) const STUCK: Sentence = (
    "a file of some process did not answer in time: the resolv.conf of some clients is not known",
    "files of some processes did not answer in time: the resolv.conf of some clients is not known",
);
pub(super) const SILENT: Sentence = (
    "the file system of # client did not answer in time: its resolv.conf is not known",
    "the file systems of # clients did not answer in time: their resolv.conf is not known",
);

/// Counts what could not be read, so that a thousand times is one sentence.
#[derive(Debug, Default)]
pub(super) struct Missing(BTreeMap<Sentence, usize>);

impl Missing {
    /// So many more of what a sentence here tells of.
    pub(super) fn add(&mut self, sentence: Sentence, times: usize) {
        *self.0.entry(sentence).or_default() += times;
    }

    pub(super) fn sentences(&self) -> Vec<String> {
        let missing = self.0.iter().filter(|(_, times)| **times > 0);
        missing
            .map(|((one, many), times)| {
                let sentence = if *times == 1 { one } else { many };
                sentence.replace('#', &units::count(*times as u64))
            })
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
        let told = |words: &str| sentences.iter().any(|it| it.contains(words));
        assert!(told("of 3 network namespaces") && told("a file of some process"));
    }

    #[test]
    fn one_is_told_in_the_singular() {
        let all = [
            PROCESSES,
            NAMESPACES,
            NAMESPACES_LEFT_OUT,
            CONNTRACK,
            TABLES,
            TABLES_CUT,
            FLOWS,
            UDP,
            SHARED,
            GROUPS,
            KILLS,
            STUCK,
            SILENT,
        ];
        for sentence in all {
            for (times, number) in [(1, "1 "), (2_000, "2,000 ")] {
                let mut missing = Missing::default();
                missing.add(sentence, times);
                let said = missing.sentences().join("");
                assert!(said.contains(number) || sentence == STUCK, "{said}");
                let many = [
                    " processes",
                    " namespaces could",
                    " were ",
                    " clients did",
                    " tables of",
                ];
                let is_many = many.iter().any(|it| said.contains(it));
                assert!(!is_many || times > 1, "{said}");
            }
        }
    }
}
