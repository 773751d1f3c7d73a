//! The rules, in the order in which they are asked.

use serde::Serialize;
use serde::Serializer;

use super::causes;
use super::causes::Cause;

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

/// Each rule with its name in the contract and, if it is one, its cause.
#[rustfmt::skip] // a table, a line each
const RULES: [(Rule, &str, Option<&Cause>); 26] = [
    (Rule::SendDenied, "dns_send_denied", Some(&causes::send_denied::CAUSE)),
    (Rule::TcpBlocked, "dns_tcp_blocked", Some(&causes::tcp_blocked::CAUSE)),
    (Rule::ConntrackFull, "dns_conntrack_full", Some(&causes::conntrack_full::CAUSE)),
    (Rule::ConntrackRace, "dns_conntrack_race", Some(&causes::conntrack_race::CAUSE)),
    (Rule::ConntrackStale, "dns_conntrack_stale", Some(&causes::conntrack_stale::CAUSE)),
    (Rule::NoRoute, "dns_no_route", Some(&causes::no_route::CAUSE)),
    (Rule::AnswerTooBig, "dns_answer_too_big", Some(&causes::answer_too_big::CAUSE)),
    (Rule::PolicyDrop, "dns_policy_drop", Some(&causes::policy_drop::CAUSE)),
    (Rule::UpstreamSlow, "dns_upstream_slow", Some(&causes::upstream_slow::CAUSE)),
    (Rule::ServerThrottled, "dns_server_throttled", Some(&causes::server_throttled::CAUSE)),
    (Rule::Storm, "dns_storm", Some(&causes::storm::CAUSE)),
    (Rule::ServerSaturated, "dns_server_saturated", Some(&causes::server_saturated::CAUSE)),
    (Rule::ServerOverflow, "dns_server_overflow", Some(&causes::server_overflow::CAUSE)),
    (Rule::WrongSource, "dns_wrong_source", Some(&causes::wrong_source::CAUSE)),
    (Rule::ClientGaveUp, "dns_client_gave_up", Some(&causes::client_gave_up::CAUSE)),
    (Rule::NobodyListening, "dns_nobody_listening", Some(&causes::nobody_listening::CAUSE)),
    (Rule::KernelDrop, "dns_kernel_drop", Some(&causes::kernel_drop::CAUSE)),
    (Rule::AaaaBroken, "dns_aaaa_broken", Some(&causes::aaaa_broken::CAUSE)),
    (Rule::DeadServer, "dns_dead_server", Some(&causes::dead_server::CAUSE)),
    (Rule::Servfail, "dns_servfail", Some(&causes::servfail::CAUSE)),
    (Rule::RefusedRcode, "dns_refused_rcode", Some(&causes::refused_rcode::CAUSE)),
    (Rule::Unknown, "dns_unknown", Some(&causes::unknown::CAUSE)),
    (Rule::LateReader, "dns_late_reader", None),
    (Rule::SearchAmplification, "dns_search_amplification", None),
    (Rule::FailureRate, "dns_failure_rate", None),
    (Rule::HighLatency, "dns_high_latency", None),
];

impl Rule {
    /// All rules in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        RULES.iter().map(|(rule, ..)| *rule)
    }

    /// Those that explain failed queries, in the order in which they are asked.
    pub(super) fn causes() -> impl Iterator<Item = (Self, &'static Cause)> {
        let causes = RULES.iter();
        causes.filter_map(|(rule, _, cause)| Some((*rule, (*cause)?)))
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
        for (place, (rule, name, _)) in RULES.iter().enumerate() {
            assert_eq!((*rule as usize, rule.name()), (place, *name));
        }
    }
}
