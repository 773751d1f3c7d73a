//! Each rule has its section in docs/causes.md, at its place in the order, and a
//! scenario that makes it speak.

use std::collections::BTreeSet;
use std::process::Command;

use kerno::doctor::Rule;

/// What a heading of a rule's section begins with.
const SECTION: &str = "### ";

fn document(name: &str) -> String {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).expect(&path)
}

/// The rules that `kerno chaos --list` names.
fn rules_of_scenarios() -> BTreeSet<String> {
    let done = Command::new(env!("CARGO_BIN_EXE_kerno"))
        .args(["chaos", "--list"])
        .output()
        .expect("kerno starts");
    assert!(done.status.success(), "{done:?}");
    let list = String::from_utf8(done.stdout).expect("UTF-8");
    let rules = list
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    rules.map(str::to_owned).collect()
}

#[test]
fn each_rule_has_its_section_in_the_order_in_which_it_is_asked() {
    let causes = document("causes.md");
    let headings = causes.lines().filter_map(|line| line.strip_prefix(SECTION));
    let documented: Vec<_> = headings
        .flat_map(|heading| heading.split('`').filter(|name| name.starts_with("dns_")))
        .collect();
    let explaining = Rule::all().filter(|rule| !rule.is_summary());
    let asked: Vec<_> = explaining.map(Rule::name).collect();
    assert_eq!(documented, asked);
    // The two that explain nothing are told with the report.
    let report = document("report.md");
    for rule in Rule::all().filter(|rule| rule.is_summary()) {
        assert!(report.contains(&format!("| `{}` |", rule.name())));
    }
}

#[test]
fn each_rule_has_a_scenario() {
    let made = rules_of_scenarios();
    for rule in Rule::all() {
        assert!(made.contains(rule.name()), "nothing makes {}", rule.name());
    }
}

/// docs/architecture.md says where a cause is found.
#[test]
fn each_rule_has_a_file_of_its_name() {
    for rule in Rule::all() {
        let file = format!("{}.rs", rule.name().trim_start_matches("dns_"));
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctor");
        let paths = [format!("{root}/causes/{file}"), format!("{root}/{file}")];
        let is_there = paths
            .iter()
            .any(|path| std::fs::exists(path).is_ok_and(|is| is));
        assert!(is_there, "{file} of {}", rule.name());
    }
}
