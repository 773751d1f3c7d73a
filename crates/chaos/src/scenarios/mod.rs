//! The table of scenarios, and those of the lab, a file each.

mod aaaa_silent;
mod answer_drop;
mod big_answer;
mod client_gives_up;
mod closed_port;
mod conntrack_full;
mod conntrack_race;
mod conntrack_stale;
mod dead_neighbour;
mod dead_server;
mod error_answers;
mod healthy;
mod late_reader;
mod legacy_drop;
mod nft_drop;
mod no_route;
mod output_drop;
mod overload;
mod qdisc_limit;
mod reject;
mod rp_filter;
mod search_list;
mod send_denied;
mod silent_server;
mod storm;
mod tcp_blocked;
mod two_at_once;
mod upstream;
mod wrong_source;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

use crate::dns_flood;
use crate::dns_mix;
use crate::scenario::Scenario;

/// All scenarios, in the order of the list.
pub const SCENARIOS: &[&Scenario] = &[
    &dns_flood::SCENARIO,
    &dns_mix::SCENARIO,
    &healthy::SCENARIO,
    &closed_port::SCENARIO,
    &reject::SCENARIO,
    &nft_drop::SCENARIO,
    &answer_drop::SCENARIO,
    &dead_server::SCENARIO,
    &no_route::SCENARIO,
    &dead_neighbour::SCENARIO,
    &client_gives_up::SCENARIO,
    &error_answers::SERVFAIL,
    &error_answers::REFUSED,
    &aaaa_silent::SCENARIO,
    &wrong_source::SCENARIO,
    &tcp_blocked::SCENARIO,
    &big_answer::SCENARIO,
    &upstream::UPSTREAM_SLOW,
    &upstream::UPSTREAM_LOST,
    &overload::SERVER_THROTTLED,
    &overload::SERVER_SATURATED,
    &overload::SERVER_OVERFLOW,
    &late_reader::SCENARIO,
    &search_list::SCENARIO,
    &storm::SCENARIO,
    &silent_server::SCENARIO,
    &legacy_drop::SCENARIO,
    &output_drop::SCENARIO,
    &rp_filter::SCENARIO,
    &qdisc_limit::SCENARIO,
    &two_at_once::SCENARIO,
    &conntrack_race::SCENARIO,
    &conntrack_stale::SCENARIO,
    &conntrack_full::SCENARIO,
    &send_denied::SEND_DENIED,
    &send_denied::EGRESS_DENIED,
    &send_denied::SEND_NO_ROUTE,
];

/// A server outside (TEST-NET-3, RFC 5737), where no host has it.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);

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
            .copied()
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
