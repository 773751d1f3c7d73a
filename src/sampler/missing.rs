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
    /// Servers whose sockets may not be told apart.
    pub(super) sockets: usize,
    /// Processes without a control group whose figures can be read.
    pub(super) cgroups: usize,
    /// The number of packets that found a backlog queue full.
    pub(super) softnet: bool,
    /// Tables of connection tracking entries that are not shown at all.
    pub(super) flows: usize,
    /// A file of some process did not answer in time.
    pub(super) stuck: bool,
}

impl Missing {
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let mut say = |count: usize, sentence: &dyn Fn(&str) -> String| {
            if count > 0 {
                sentences.push(sentence(&count.to_string()));
            }
        };
        say(self.processes, &|n| {
            format!(
                "{n} processes did not say which network namespace they are in (CAP_SYS_PTRACE): \
                 the counters of namespaces with no other process are missing"
            )
        });
        say(self.namespaces, &|n| {
            format!(
                "{n} network namespaces could not be looked into or were gone at the end: their \
                 connection tracking and UDP counters are missing"
            )
        });
        say(self.namespaces_left_out, &|n| {
            format!("{n} network namespaces were left out: kerno looks into 1024 at most")
        });
        say(self.conntrack, &|n| {
            format!(
                "the connection tracking counters of {n} network namespaces could not be read: \
                 whether a table was full or insertions failed is not confirmed by them"
            )
        });
        say(self.flows, &|n| {
            format!(
                "the connection tracking tables of {n} network namespaces could not be read: which \
                 server stands behind a translated address is not known from them"
            )
        });
        say(self.udp, &|n| {
            format!(
                "the UDP counters of {n} network namespaces could not be read: datagrams that a \
                 receive buffer had no room for are not counted there"
            )
        });
        say(self.sockets, &|n| {
            format!(
                "the sockets of {n} DNS servers could not be told apart: which of them had no room \
                 for queries is not known"
            )
        });
        say(self.cgroups, &|n| {
            format!(
                "the control groups of {n} processes could not be read: whether a CPU quota held \
                 them up is not known"
            )
        });
        say(usize::from(self.softnet), &|_| {
            "/proc/net/softnet_stat could not be read: packets lost before any protocol saw them \
             are not counted"
                .to_owned()
        });
        say(usize::from(self.stuck), &|_| {
            "a file of some process did not answer in time: the resolv.conf and the C library of \
             some clients are not known"
                .to_owned()
        });
        sentences
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
