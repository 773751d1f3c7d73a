//! What is said of the programs that manage a host, where they are in use.

use super::group::Group;
use crate::doctor::explanation::Explanation;
use crate::shell::Command;

impl Group<'_> {
    /// Whether this host is a node of Kubernetes, by its files or by who asked.
    pub(super) fn is_on_a_node(&self) -> bool {
        let asked = self
            .incidents()
            .filter_map(|it| it.attempt.workload.as_deref());
        let served = self.views().filter_map(|view| view.workload.as_deref());
        let mut pods = asked.chain(served).filter(|it| it.labels().pod.is_some());
        self.evidence.host.tools.kubelet || pods.next().is_some()
    }

    /// A step for a node of Kubernetes only.
    pub(super) fn on_a_node(&self, explanation: Explanation, text: &str) -> Explanation {
        match self.is_on_a_node() {
            true => explanation.say(text),
            false => explanation,
        }
    }

    /// Where the rules of this namespace come from, if a firewall manages the host's own.
    pub(super) fn look_at_firewall(&self, explanation: Explanation, netns: u32) -> Explanation {
        let host = &self.evidence.host;
        let is_own = host.own_netns == Some(netns);
        let in_use = [
            (host.tools.firewalld, "firewall-cmd --list-all-zones"),
            (host.tools.ufw, "ufw status verbose"),
        ];
        let looks = in_use.into_iter().filter(|(is_used, _)| *is_used && is_own);
        looks.fold(explanation, |explanation, (_, command)| {
            explanation.run(
                "The rules are managed by a program here:",
                Command::new(command),
            )
        })
    }
}
