//! What could not be read, said in sentences.

/// Counts what could not be read, so that a thousand times is one sentence.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Namespaces without connection tracking counters, though it is in use.
    pub(super) conntrack: usize,
    /// Namespaces without UDP counters.
    pub(super) udp: usize,
    /// Namespaces that could not be entered, or were gone at the end.
    pub(super) namespaces: usize,
    /// Namespaces beyond the number that is looked at.
    pub(super) namespaces_left_out: usize,
    /// Processes that may not be asked for their namespace.
    pub(super) processes: usize,
    /// Processes without a control group whose figures can be read.
    pub(super) cgroups: usize,
    /// Tables of connection tracking entries that are not shown at all.
    pub(super) flows: usize,
    /// A file of some process did not answer in time.
    pub(super) stuck: bool,
}

impl Missing {
    pub(super) fn sentences(&self) -> Vec<String> {
        let all: [(usize, &str); 8] = [
            (
                self.processes,
                "# processes did not say which network namespace they are in (CAP_SYS_PTRACE): \
                 the counters of namespaces with no other process are missing",
            ),
            (
                self.namespaces,
                "# network namespaces could not be looked into or were gone at the end: their \
                 connection tracking and UDP counters are missing",
            ),
            (
                self.namespaces_left_out,
                "# network namespaces were left out: kerno looks into 1024 at most",
            ),
            (
                self.conntrack,
                "the connection tracking counters of # network namespaces could not be read: \
                 whether a table was full or insertions failed is not confirmed by them",
            ),
            (
                self.flows,
                "the connection tracking tables of # network namespaces could not be read: which \
                 server stands behind a translated address is not known from them",
            ),
            (
                self.udp,
                "the UDP counters of # network namespaces could not be read: datagrams that a \
                 receive buffer had no room for are not counted there",
            ),
            (
                self.cgroups,
                "the control groups of # processes could not be read: whether a CPU quota held \
                 them up is not known",
            ),
            (
                usize::from(self.stuck),
                "a file of some process did not answer in time: the resolv.conf of some \
                 clients is not known",
            ),
        ];
        let missing = all.into_iter().filter(|(count, _)| *count > 0);
        let sentences = missing.map(|(count, text)| text.replace('#', &count.to_string()));
        sentences.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missed() {
        assert!(Missing::default().sentences().is_empty());
    }

    #[test]
    fn each_loss_is_one_sentence() {
        let missing = Missing {
            conntrack: 3,
            stuck: true,
            ..Missing::default()
        };
        let sentences = missing.sentences();
        assert_eq!(sentences.len(), 2);
        assert!(sentences[0].contains("of 3 network namespaces"));
    }
}
