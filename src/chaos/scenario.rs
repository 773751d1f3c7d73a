//! The table of scenarios: what each one makes, and the rule it must trip.

use std::fmt;
use std::io;

use super::lab;

/// What is done to the host. The commands match on it, so that a new row of the
/// table without its code does not compile.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// More lookups than the server can answer: [`super::dns_flood`].
    DnsFlood,
    /// So many queries for each way that one can end: [`super::dns_mix`].
    DnsMix,
    /// Something in network namespaces of its own: [`super::lab`].
    Lab(lab::Recipe),
}

/// The rule of a scenario without a fault: the doctor must have no finding that
/// is a warning or worse.
pub const NOTHING: &str = "nothing";

/// One row of the table.
#[derive(Debug)]
pub struct Scenario {
    /// What `--induce` takes.
    pub name: &'static str,
    /// The doctor's rule that must report it, or [`NOTHING`].
    pub rule: &'static str,
    /// What it makes, as one line that completes "it makes".
    pub makes: &'static str,
    /// The code behind it.
    pub fault: Fault,
}

/// All scenarios, in the order of the list.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "dns-flood",
        rule: "dns_high_latency",
        makes: "more lookups than a DNS server can answer, so that its queue grows",
        fault: Fault::DnsFlood,
    },
    Scenario {
        name: "dns-mix",
        rule: "dns_failure_rate",
        makes: "queries that are answered, unanswered, resent and refused, each an exact number",
        fault: Fault::DnsMix,
    },
    Scenario {
        name: "healthy",
        rule: NOTHING,
        makes: "no fault at all: lookups of every kind through a real resolver",
        fault: Fault::Lab(lab::HEALTHY),
    },
    Scenario {
        name: "closed-port",
        rule: "dns_nobody_listening",
        makes: "a program that asks an address where nobody listens on the DNS port",
        fault: Fault::Lab(lab::CLOSED_PORT),
    },
    Scenario {
        name: "reject",
        rule: "dns_nobody_listening",
        makes: "a rule of nftables that rejects one pod's queries as port unreachable",
        fault: Fault::Lab(lab::REJECT),
    },
    Scenario {
        name: "nft-drop",
        rule: "dns_policy_drop",
        makes: "a rule of nftables that drops one pod's queries on their way",
        fault: Fault::Lab(lab::NFT_DROP),
    },
    Scenario {
        name: "answer-drop",
        rule: "dns_policy_drop",
        makes: "a rule of nftables that drops the answers to one pod",
        fault: Fault::Lab(lab::ANSWER_DROP),
    },
    Scenario {
        name: "dead-server",
        rule: "dns_dead_server",
        makes: "a first nameserver that never answers, before one that does",
        fault: Fault::Lab(lab::DEAD_SERVER),
    },
    Scenario {
        name: "no-route",
        rule: "dns_no_route",
        makes: "a node that has no route to the nameserver",
        fault: Fault::Lab(lab::NO_ROUTE),
    },
    Scenario {
        name: "dead-neighbour",
        rule: "dns_no_route",
        makes: "a nameserver's address that no host of its network has",
        fault: Fault::Lab(lab::DEAD_NEIGHBOUR),
    },
    Scenario {
        name: "client-gives-up",
        rule: "dns_client_gave_up",
        makes: "answers that come after the client's patience",
        fault: Fault::Lab(lab::CLIENT_GIVES_UP),
    },
    Scenario {
        name: "servfail",
        rule: "dns_servfail",
        makes: "a server that answers some names with SERVFAIL",
        fault: Fault::Lab(lab::SERVFAIL),
    },
    Scenario {
        name: "refused",
        rule: "dns_refused_rcode",
        makes: "a server that answers some names with REFUSED",
        fault: Fault::Lab(lab::REFUSED),
    },
    Scenario {
        name: "aaaa-silent",
        rule: "dns_aaaa_broken",
        makes: "a server that ignores AAAA and answers A",
        fault: Fault::Lab(lab::AAAA_SILENT),
    },
    Scenario {
        name: "wrong-source",
        rule: "dns_wrong_source",
        makes: "answers from another address than was asked",
        fault: Fault::Lab(lab::WRONG_SOURCE),
    },
    Scenario {
        name: "tcp-blocked",
        rule: "dns_tcp_blocked",
        makes: "truncated answers where TCP to port 53 is dropped",
        fault: Fault::Lab(lab::TCP_BLOCKED),
    },
    Scenario {
        name: "big-answer",
        rule: "dns_answer_too_big",
        makes: "answers that the path has no room for",
        fault: Fault::Lab(lab::BIG_ANSWER),
    },
    Scenario {
        name: "upstream-slow",
        rule: "dns_upstream_slow",
        makes: "a resolver whose upstream takes 600 ms",
        fault: Fault::Lab(lab::UPSTREAM_SLOW),
    },
    Scenario {
        name: "upstream-lost",
        rule: "dns_upstream_slow",
        makes: "a resolver whose upstream never answers",
        fault: Fault::Lab(lab::UPSTREAM_LOST),
    },
    Scenario {
        name: "server-throttled",
        rule: "dns_server_throttled",
        makes: "a server that its CPU limit stops in each period",
        fault: Fault::Lab(lab::SERVER_THROTTLED),
    },
    Scenario {
        name: "server-saturated",
        rule: "dns_server_saturated",
        makes: "a server with more to do than one core can",
        fault: Fault::Lab(lab::SERVER_SATURATED),
    },
    Scenario {
        name: "server-overflow",
        rule: "dns_server_overflow",
        makes: "a server that stops reading, so that its receive buffer overflows",
        fault: Fault::Lab(lab::SERVER_OVERFLOW),
    },
    Scenario {
        name: "late-reader",
        rule: "dns_late_reader",
        makes: "a program that reads its answers long after they came",
        fault: Fault::Lab(lab::LATE_READER),
    },
    Scenario {
        name: "search-list",
        rule: "dns_search_amplification",
        makes: "a search list that turns each lookup into eight queries",
        fault: Fault::Lab(lab::SEARCH_LIST),
    },
    Scenario {
        name: "storm",
        rule: "dns_storm",
        makes: "a program that asks the same all the time, where the server limits itself",
        fault: Fault::Lab(lab::STORM_OF_QUERIES),
    },
    Scenario {
        name: "silent-server",
        rule: "dns_unknown",
        makes: "a server elsewhere that never answers, for no reason seen here",
        fault: Fault::Lab(lab::SILENT_SERVER),
    },
    Scenario {
        name: "legacy-drop",
        rule: "dns_policy_drop",
        makes: "a rule of iptables-legacy that drops one pod's queries on their way",
        fault: Fault::Lab(lab::LEGACY_DROP),
    },
    Scenario {
        name: "output-drop",
        rule: "dns_policy_drop",
        makes: "a rule in a pod that drops its queries as they are sent",
        fault: Fault::Lab(lab::OUTPUT_DROP),
    },
    Scenario {
        name: "rp-filter",
        rule: "dns_kernel_drop",
        makes: "a pod that asks by another way than its answers would take",
        fault: Fault::Lab(lab::RP_FILTER),
    },
    Scenario {
        name: "qdisc-limit",
        rule: "dns_kernel_drop",
        makes: "a rate limit on the way to a nameserver",
        fault: Fault::Lab(lab::QDISC_LIMIT),
    },
    Scenario {
        name: "two-at-once",
        rule: "dns_nobody_listening",
        makes: "a closed port for one pod and a dropping rule for another (dns_policy_drop)",
        fault: Fault::Lab(lab::TWO_AT_ONCE),
    },
    Scenario {
        name: "conntrack-race",
        rule: "dns_conntrack_race",
        makes: "two pods that are given the same translated port at the same moment",
        fault: Fault::Lab(lab::CONNTRACK_RACE),
    },
    Scenario {
        name: "conntrack-stale",
        rule: "dns_conntrack_stale",
        makes: "a service's address that leads one old socket to a server that is gone",
        fault: Fault::Lab(lab::CONNTRACK_STALE),
    },
    Scenario {
        name: "conntrack-full",
        rule: "dns_conntrack_full",
        makes: "a full connection tracking table",
        fault: Fault::Lab(lab::CONNTRACK_FULL),
    },
    Scenario {
        name: "send-denied",
        rule: "dns_send_denied",
        makes: "a BPF program that denies a pod's calls, so that no packet exists",
        fault: Fault::Lab(lab::SEND_DENIED),
    },
    Scenario {
        name: "egress-denied",
        rule: "dns_send_denied",
        makes: "a BPF program that discards a pod's packets as they leave",
        fault: Fault::Lab(lab::EGRESS_DENIED),
    },
    Scenario {
        name: "send-no-route",
        rule: "dns_send_denied",
        makes: "a pod without a route to its nameserver",
        fault: Fault::Lab(lab::SEND_NO_ROUTE),
    },
];

/// There is no scenario of that name. The message lists those that exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScenario(String);

impl fmt::Display for UnknownScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug escapes what a terminal would obey.
        write!(f, "there is no scenario {:?}; choose one of: ", self.0)?;
        for (i, scenario) in SCENARIOS.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}", scenario.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownScenario {}

impl Scenario {
    /// The scenario of that name.
    pub fn named(name: &str) -> Result<&'static Self, UnknownScenario> {
        SCENARIOS
            .iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| UnknownScenario(name.to_owned()))
    }
}

/// Writes the table for `--list`, one line per scenario under a heading.
pub fn list(out: &mut dyn io::Write) -> io::Result<()> {
    const NAME: &str = "SCENARIO";
    const RULE: &str = "MUST TRIP";
    let width = |heading: &str, of: fn(&Scenario) -> &'static str| {
        let longest = SCENARIOS.iter().map(|scenario| of(scenario).len()).max();
        heading.len().max(longest.unwrap_or(0))
    };
    let name = width(NAME, |scenario| scenario.name);
    let rule = width(RULE, |scenario| scenario.rule);
    writeln!(out, "{NAME:name$}  {RULE:rule$}  MAKES")?;
    for scenario in SCENARIOS {
        let (n, r) = (scenario.name, scenario.rule);
        writeln!(out, "{n:name$}  {r:rule$}  {}", scenario.makes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_found_by_its_own_name() {
        for scenario in SCENARIOS {
            let found = Scenario::named(scenario.name).unwrap();
            assert_eq!(found.name, scenario.name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_list() {
        let message = Scenario::named("dns\x1bflod").unwrap_err().to_string();
        assert!(message.contains(r"dns\u{1b}flod"), "{message}");
        for scenario in SCENARIOS {
            assert!(message.contains(scenario.name), "{message}");
        }
    }

    #[test]
    fn the_list_has_a_line_for_each_with_its_rule() {
        let mut out = Vec::new();
        list(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), SCENARIOS.len() + 1);
        for (line, scenario) in text.lines().skip(1).zip(SCENARIOS) {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[..2], [scenario.name, scenario.rule]);
            assert!(line.ends_with(scenario.makes));
        }
    }
}
