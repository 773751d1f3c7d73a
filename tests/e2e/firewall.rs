//! Rules of nftables in a namespace of the test's own.

use kerno_chaos::testbed::Namespace;
use kerno_chaos::testbed::tool::NFT;

/// What the rules of a namespace count: packets, as `nft` has them.
#[derive(Debug)]
pub(crate) struct Firewall<'a> {
    namespace: &'a Namespace,
}

impl<'a> Firewall<'a> {
    /// One rule in one of netfilter's hooks, as `udp dport 53 drop`; its packets
    /// are counted. What a place tells itself (the fence does) is left alone.
    pub(crate) fn new(namespace: &'a Namespace, hook: &str, matches: &str, verdict: &str) -> Self {
        let cable = match hook {
            "input" => "iifname != lo",
            "output" => "oifname != lo",
            _ => "",
        };
        let rules = format!(
            "add table inet wall; \
             add chain inet wall {hook} {{ type filter hook {hook} priority 0; }}; \
             add rule inet wall {hook} {cable} {matches} counter {verdict}"
        );
        nft(namespace, &rules);
        Self { namespace }
    }

    /// Packets that met the rule.
    pub(crate) fn packets(&self) -> usize {
        let rules = self.namespace.run(NFT, "list table inet wall", "");
        let rules = rules.expect("nft");
        let counted = rules.split_once("counter packets ").expect("a counter").1;
        let number = counted.split(' ').next().expect("a number");
        number.parse().expect("a number")
    }

    /// Takes the rule away.
    pub(crate) fn lift(self) {
        nft(self.namespace, "delete table inet wall");
    }
}

/// Makes rules.
pub(crate) fn nft(namespace: &Namespace, rules: &str) {
    namespace.run(NFT, "-f -", rules).expect("nft");
}
