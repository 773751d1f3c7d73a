//! The rules, in the order in which they are asked.

use serde::Serialize;

/// Makes the enum of a list of rules, each with its name in the contract.
macro_rules! rules {
    ($($rule:ident = $name:literal,)+) => {
        /// A rule. The causes stand in the order in which they are asked; the first that fits
        /// takes a query.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[allow(missing_docs)] // docs/causes.md has each, and so has its file.
        pub enum Rule {
            $(#[serde(rename = $name)] $rule,)+
        }

        impl Rule {
            /// All rules in their order.
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::$rule),+].into_iter()
            }

            /// Its name in the contract, as `dns_high_latency`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }
        }
    };
}

rules! {
    SendDenied = "dns_send_denied",
    TcpBlocked = "dns_tcp_blocked",
    ConntrackFull = "dns_conntrack_full",
    ConntrackRace = "dns_conntrack_race",
    ConntrackStale = "dns_conntrack_stale",
    NoRoute = "dns_no_route",
    AnswerTooBig = "dns_answer_too_big",
    PolicyDrop = "dns_policy_drop",
    ServerOomKilled = "dns_server_oom_killed",
    ClientOverflow = "dns_client_overflow",
    TcpLossy = "dns_tcp_lossy",
    ForwardingLoop = "dns_forwarding_loop",
    EdnsDropped = "dns_edns_dropped",
    CaseDropped = "dns_case_dropped",
    PrivateReverse = "dns_private_reverse",
    TypeDropped = "dns_type_dropped",
    OneTransport = "dns_one_transport",
    SecondQuery = "dns_second_query",
    ZoneUnanswered = "dns_zone_unanswered",
    UpstreamSlow = "dns_upstream_slow",
    ServerThrottled = "dns_server_throttled",
    Storm = "dns_storm",
    ServerSaturated = "dns_server_saturated",
    ServerOverflow = "dns_server_overflow",
    ServerSlow = "dns_server_slow",
    SlowWay = "dns_slow_way",
    WrongSource = "dns_wrong_source",
    AnswerIgnored = "dns_answer_ignored",
    ClientGaveUp = "dns_client_gave_up",
    NobodyListening = "dns_nobody_listening",
    KernelDrop = "dns_kernel_drop",
    AaaaBroken = "dns_aaaa_broken",
    ClientsIgnored = "dns_clients_ignored",
    SocketUnread = "dns_socket_unread",
    BadReplica = "dns_bad_replica",
    InFlightLimit = "dns_in_flight_limit",
    RateLimit = "dns_rate_limit",
    ClientCutOff = "dns_client_cut_off",
    ServerAway = "dns_server_away",
    DeadServer = "dns_dead_server",
    Servfail = "dns_servfail",
    RefusedRcode = "dns_refused_rcode",
    OtherRcode = "dns_other_rcode",
    NoRecursion = "dns_no_recursion",
    Unknown = "dns_unknown",
    AnswerEmptied = "dns_answer_emptied",
    Contradiction = "dns_contradiction",
    LateReader = "dns_late_reader",
    SearchAmplification = "dns_search_amplification",
    DescriptorsFull = "dns_descriptors_full",
    FailureRate = "dns_failure_rate",
    HighLatency = "dns_high_latency",
}

impl Rule {
    /// Whether it says how much went wrong, and not why: one of the base rules.
    pub fn is_summary(self) -> bool {
        matches!(self, Self::FailureRate | Self::HighLatency)
    }
}
