//! The pages in a browser: what only it can say.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::situations;
use crate::doctor::Rule;
use crate::doctor::findings_of_every_rule;
use crate::report::Report;
use crate::report::html::OCTETS_MAX;

/// Of a page, without one being left out.
const FINDINGS: usize = 30;

/// Pages that together have a finding of each rule, about somebody whose every name would be
/// markup.
fn of_every_rule() -> Vec<(&'static str, Report)> {
    let mut known = BTreeSet::new();
    let mut findings = findings_of_every_rule(b"<b>`x`</b>&'\"", &[0xff; 63]);
    findings.retain(|it| known.insert(it.rule));
    assert_eq!(known.len(), Rule::all().count());
    let parts = findings.chunks(FINDINGS).map(|part| {
        let mut report = situations::report(&situations::one_of_two_fails());
        report.findings = part.to_vec();
        ("every rule", report)
    });
    parts.collect()
}

/// No error, no request, nothing wider than a phone, nothing that keeps people out (axe), and
/// tables that sort: the policy lets the script run, and it works.
#[test]
fn live_a_browser_opens_every_page_and_finds_nothing_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut pages = situations::typical();
    pages.push(("crowd", situations::crowded()));
    pages.extend(of_every_rule());
    let mut paths = Vec::new();
    for (number, (name, report)) in pages.iter().enumerate() {
        let page = super::page_of(report);
        assert!(page.len() < OCTETS_MAX, "{name}");
        for finding in &report.findings {
            assert!(
                page.contains(finding.rule.name()),
                "{name}: {}",
                finding.rule.name()
            );
        }
        let path = folder.path().join(format!("{number}.html"));
        std::fs::write(&path, page).expect("a page");
        paths.push(path);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser.py");
    let done = Command::new("python3").arg(script).args(&paths).output();
    let done = done.expect("python3 runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let told: Vec<Value> = serde_json::from_slice(&done.stdout).expect("JSON");
    // Each page as wide as a phone, and as a screen.
    assert_eq!(told.len(), 2 * pages.len());
    for (look, (name, report)) in told.iter().zip(pages.iter().flat_map(|page| [page, page])) {
        assert_eq!(look["wrong"], Value::Array(Vec::new()), "{name}");
        assert_eq!(look["requests"], Value::Array(Vec::new()), "{name}");
        assert_eq!(look["keeps_out"], Value::Array(Vec::new()), "{name}");
        assert!(
            look["content_width"].as_u64() <= look["width"].as_u64(),
            "{name}: {look}"
        );
        let has_tables = report.dns.client.queries() > 0;
        assert_eq!(
            look["sorts"].as_bool(),
            has_tables.then_some(true),
            "{name}"
        );
    }
}
