//! The rules, in the order in which they are asked.

use serde::Serialize;
use serde::Serializer;

/// A rule. The causes stand in the order in which they are asked; the first that fits
/// takes a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // docs/causes.md has each, and so has its file.
pub enum Rule {
    SendDenied,
    TcpBlocked,
    ConntrackFull,
    ConntrackRace,
    ConntrackStale,
    NoRoute,
    AnswerTooBig,
    PolicyDrop,
    UpstreamSlow,
    ServerThrottled,
    Storm,
    ServerSaturated,
    ServerOverflow,
    WrongSource,
    ClientGaveUp,
    NobodyListening,
    KernelDrop,
    AaaaBroken,
    DeadServer,
    Servfail,
    RefusedRcode,
    Unknown,
    LateReader,
    SearchAmplification,
    FailureRate,
    HighLatency,
}

/// Each rule with its name in the contract.
const RULES: [(Rule, &str); 26] = [
    (Rule::SendDenied, "dns_send_denied"),
    (Rule::TcpBlocked, "dns_tcp_blocked"),
    (Rule::ConntrackFull, "dns_conntrack_full"),
    (Rule::ConntrackRace, "dns_conntrack_race"),
    (Rule::ConntrackStale, "dns_conntrack_stale"),
    (Rule::NoRoute, "dns_no_route"),
    (Rule::AnswerTooBig, "dns_answer_too_big"),
    (Rule::PolicyDrop, "dns_policy_drop"),
    (Rule::UpstreamSlow, "dns_upstream_slow"),
    (Rule::ServerThrottled, "dns_server_throttled"),
    (Rule::Storm, "dns_storm"),
    (Rule::ServerSaturated, "dns_server_saturated"),
    (Rule::ServerOverflow, "dns_server_overflow"),
    (Rule::WrongSource, "dns_wrong_source"),
    (Rule::ClientGaveUp, "dns_client_gave_up"),
    (Rule::NobodyListening, "dns_nobody_listening"),
    (Rule::KernelDrop, "dns_kernel_drop"),
    (Rule::AaaaBroken, "dns_aaaa_broken"),
    (Rule::DeadServer, "dns_dead_server"),
    (Rule::Servfail, "dns_servfail"),
    (Rule::RefusedRcode, "dns_refused_rcode"),
    (Rule::Unknown, "dns_unknown"),
    (Rule::LateReader, "dns_late_reader"),
    (Rule::SearchAmplification, "dns_search_amplification"),
    (Rule::FailureRate, "dns_failure_rate"),
    (Rule::HighLatency, "dns_high_latency"),
];

impl Rule {
    /// All rules in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        RULES.iter().map(|(rule, _)| *rule)
    }

    /// Its name in the contract, as `dns_high_latency`.
    pub fn name(self) -> &'static str {
        RULES[self as usize].1
    }

    /// Whether it says how much went wrong, and not why: one of the base rules.
    pub fn is_summary(self) -> bool {
        matches!(self, Self::FailureRate | Self::HighLatency)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_the_place_of_its_variant() {
        for (place, (rule, name)) in RULES.iter().enumerate() {
            assert_eq!((*rule as usize, rule.name()), (place, *name));
        }
    }
}
