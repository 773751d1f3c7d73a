//! The confusion matrix: a line for each scenario, a column for each rule.

use crate::judge::is_cause;
use crate::run::Finding;
use crate::run::Outcome;

/// Prints it. A cell has the queries that the finding explains; `info` findings
/// are in parentheses. What no column is for comes at the end of the line.
pub(crate) fn print(outcomes: &[Outcome]) {
    let mut rules: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !rules.contains(&outcome.scenario.rule) {
            rules.push(outcome.scenario.rule);
        }
    }
    let name = outcomes.iter().map(|o| o.scenario.name.len()).max();
    let name = name.unwrap_or(0);
    let rule = rules.iter().map(|rule| rule.len()).max().unwrap_or(0);
    print!("\n{:name$}  {:rule$}  broken", "scenario", "must trip");
    for number in 1..=rules.len() {
        print!(" {number:>5}");
    }
    println!("  others");
    for outcome in outcomes {
        let scenario = outcome.scenario;
        let number = rules.iter().position(|rule| *rule == scenario.rule);
        let number = number.map_or(0, |number| number + 1);
        let broken = outcome.chaos["broken"].as_u64();
        let broken = broken.map_or("-".to_owned(), |broken| broken.to_string());
        let mark = if outcome.complaints.is_empty() {
            " "
        } else {
            "!"
        };
        print!(
            "{:name$}  {:rule$}  {broken:>6}",
            scenario.name, scenario.rule
        );
        for rule in &rules {
            let finding = outcome.findings.iter().find(|f| f.rule == *rule);
            print!(" {:>5}", finding.map_or(".".to_owned(), cell));
        }
        let others = outcome.findings.iter().filter(is_cause);
        let others: Vec<String> = others
            .filter(|finding| !rules.contains(&finding.rule.as_str()))
            .map(|finding| format!("{} {}", finding.rule, cell(finding)))
            .collect();
        println!("{mark} {}{}", others.join(", "), column(number));
    }
}

fn cell(finding: &Finding) -> String {
    let queries = finding.queries.unwrap_or(0);
    if finding.severity == "info" {
        format!("({queries})")
    } else {
        queries.to_string()
    }
}

/// Which column is the scenario's own.
fn column(number: usize) -> String {
    format!("  [{number}]")
}
