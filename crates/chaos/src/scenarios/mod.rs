//! The table of scenarios, and those of the lab, a file for each kind of fault.

mod backlog_full;
mod bad_answers;
mod clients;
mod conntrack;
mod conntrack_full;
mod contrasts;
mod elsewhere;
mod firewall;
mod forwarders;
mod killed;
mod neighbours_full;
mod nowhere;
mod overload;
mod path;
mod resolver;
mod send_denied;

use std::io;

use anyhow::Context as _;
use anyhow::Result;

use crate::dns_flood;
use crate::dns_mix;
use crate::scenario::Scenario;

/// All scenarios, in the order of the list.
pub const SCENARIOS: &[&Scenario] = &[
    &dns_flood::SCENARIO,
    &dns_mix::SCENARIO,
    &resolver::HEALTHY,
    &nowhere::CLOSED_PORT,
    &firewall::REJECT,
    &firewall::REJECT_PROHIBITED,
    &firewall::REJECT_OUTPUT,
    &firewall::NFT_DROP,
    &firewall::ANSWER_DROP,
    &nowhere::RESTART_OF_SERVER,
    &nowhere::STUB_ADDRESS,
    &nowhere::DEAD_SERVER,
    &nowhere::OLD_SERVER,
    &nowhere::NEVER_FIRST,
    &nowhere::NO_ROUTE,
    &nowhere::DEAD_NEIGHBOUR,
    &bad_answers::CLIENT_GIVES_UP,
    &bad_answers::SERVFAIL,
    &bad_answers::DNSSEC_BOGUS,
    &bad_answers::ZONE_NOT_LOADED,
    &bad_answers::REFUSED,
    &bad_answers::FORMERR,
    &bad_answers::NO_RECURSION,
    &bad_answers::AAAA_SILENT,
    &contrasts::EDNS_DROPPED,
    &contrasts::CASE_DROPPED,
    &contrasts::TYPE_DROPPED,
    &contrasts::ZONE_UNANSWERED,
    &contrasts::TCP_UNSERVED,
    &contrasts::PRIVATE_REVERSE,
    &contrasts::SECOND_QUERY,
    &contrasts::CLIENTS_IGNORED,
    &contrasts::SOCKET_UNREAD,
    &contrasts::IN_FLIGHT_LIMIT,
    &contrasts::REFUSED_WHEN_FULL,
    &contrasts::RATE_LIMIT,
    &contrasts::CUT_SHORT,
    &elsewhere::BAD_REPLICA,
    &elsewhere::CLIENT_CUT_OFF,
    &elsewhere::SERVER_AWAY,
    &elsewhere::BIG_ANSWER_OUTSIDE,
    &bad_answers::AAAA_DENIED,
    &bad_answers::CONTRADICTION,
    &resolver::ANSWER_EMPTIED,
    &bad_answers::WRONG_SOURCE,
    &bad_answers::OTHER_NAME,
    &firewall::TCP_BLOCKED,
    &bad_answers::BIG_ANSWER,
    &resolver::UPSTREAM_SLOW,
    &resolver::UPSTREAM_LOST,
    &resolver::IPV6_UNREACHABLE,
    &forwarders::DEAD_UPSTREAM,
    &forwarders::FORWARDER_FULL,
    &forwarders::NO_UPSTREAM,
    &forwarders::UPSTREAM_REFUSES,
    &resolver::FORWARDING_LOOP,
    &overload::SERVER_THROTTLED,
    &overload::SERVER_SATURATED,
    &overload::SERVER_STARVED,
    &overload::SERVER_OVERFLOW,
    &bad_answers::SERVER_SLOW,
    &contrasts::TYPE_SLOW,
    &path::SLOW_WAY,
    &killed::SERVER_OOM_KILLED,
    &clients::LATE_READER,
    &clients::CLIENT_OVERFLOW,
    &clients::DESCRIPTORS_FULL,
    &clients::SEARCH_LIST,
    &clients::STORM,
    &nowhere::SILENT_SERVER,
    &firewall::LEGACY_DROP,
    &firewall::SERVER_SHIELDED,
    &firewall::OUTPUT_DROP,
    &path::RP_FILTER,
    &path::QDISC_LIMIT,
    &path::BAD_CHECKSUM,
    &path::TCP_LOSSY,
    &backlog_full::SCENARIO,
    &neighbours_full::SCENARIO,
    &firewall::TWO_AT_ONCE,
    &conntrack::RACE,
    &conntrack::STALE,
    &conntrack_full::SCENARIO,
    &send_denied::SEND_DENIED,
    &send_denied::EGRESS_DENIED,
    &send_denied::INGRESS_DENIED,
    &send_denied::ANSWERS_DENIED,
    &send_denied::SEND_NO_ROUTE,
];

impl Scenario {
    /// The scenario of that name; an error lists those that exist.
    pub fn named(name: &str) -> Result<&'static Self> {
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.copied().with_context(|| {
            let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            // Debug escapes what a terminal would obey.
            format!(
                "there is no scenario {name:?}; choose one of: {}",
                names.join(", ")
            )
        })
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
