//! The table of scenarios: what each one makes, and the rule it must trip.

use std::fmt;
use std::io;

/// What is done to the host. The commands match on it, so that a new row of the
/// table without its code does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// More lookups than the server can answer: [`super::dns_flood`].
    DnsFlood,
    /// So many queries for each way that one can end: [`super::dns_mix`].
    DnsMix,
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What `--induce` takes.
    pub name: &'static str,
    /// The doctor's rule that must report it.
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
            assert_eq!(Scenario::named(scenario.name), Ok(scenario));
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
