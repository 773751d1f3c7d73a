//! The page: well-formed, small, its own policy kept, names as text, the same figures as JSON.

mod browser;
mod contrast;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use roxmltree::Document;
use roxmltree::Node;
use serde_json::Value;

use super::*;
use crate::report::Form;
use crate::report::tests as situations;
use crate::units;

const EVIL: &str = "<img src=x onerror=alert(1)>\"'`&amp;]]></script><!--";

/// The same without what ends code.
const CODE: &str = "<img src=x onerror=alert(1)>";

fn page_of(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).expect("a Vec takes everything");
    String::from_utf8(out).expect("UTF-8")
}

/// As XML: the script and the style are not looked at as such.
fn parsed(page: &str) -> String {
    let page = page.strip_prefix("<!DOCTYPE html>\n").expect("HTML");
    page.replace(SCRIPT, "").replace(STYLE, "")
}

fn text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(|it| it.is_text());
    texts.filter_map(|it| it.text()).collect()
}

fn embedded(document: &Document<'_>) -> Value {
    let mut nodes = document.descendants();
    let data = nodes.find(|it| it.attribute("id") == Some("kerno-report"));
    serde_json::from_str(&text(data.expect("the data"))).expect("JSON")
}

#[test]
fn the_policy_has_the_hashes_of_what_is_there() {
    for (content, hash) in [(STYLE, STYLE_HASH), (SCRIPT, SCRIPT_HASH)] {
        let digest = digest::digest(&digest::SHA256, content.as_bytes());
        assert_eq!(STANDARD.encode(digest), hash, "write this one into mod.rs");
    }
    let page = page_of(&situations::report(&situations::healthy()));
    assert_eq!(page.matches("<style>").count(), 1);
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains(" style="), "a policy does not allow these");
}

#[test]
fn every_page_is_well_formed_and_small() {
    for (name, report) in situations::typical() {
        let page = page_of(&report);
        assert!(page.len() < OCTETS_MAX, "{name}: {}", page.len());
        let xml = parsed(&page);
        let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut ids: Vec<_> = document
            .descendants()
            .filter_map(|it| it.attribute("id"))
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: an id is there twice");
        for svg in document.descendants().filter(|it| it.has_tag_name("svg")) {
            let is_told =
                svg.attribute("aria-label").is_some() || svg.attribute("aria-hidden").is_some();
            assert!(is_told, "{name}: a picture without words");
        }
    }
}

#[test]
fn the_figures_are_those_of_the_json() {
    for (name, report) in situations::typical() {
        let page = parsed(&page_of(&report));
        let document = Document::parse(&page).expect("XML");
        let mut out = Vec::new();
        report.write(Form::Json, &mut out).expect("a Vec");
        let json: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(embedded(&document), json, "{name}");
        if json["dns"]["queries"] == 0 {
            continue;
        }
        // What is shown in a table of all servers.
        let region = document
            .descendants()
            .find(|it| it.attribute("aria-label") == Some("Servers that are asked"))
            .expect("a table");
        let rows = region
            .descendants()
            .filter(|it| it.has_tag_name("tr"))
            .skip(1);
        let servers = json["dns"]["by_server"].as_array().expect("servers");
        let mut number = 0;
        for (row, server) in rows.zip(servers) {
            let cells: Vec<_> = row.children().collect();
            let ip = server["ip"].as_str().expect("an address");
            assert!(text(cells[0]).contains(ip), "{name}");
            let figure = |at: usize| {
                cells[at]
                    .attribute("data-n")
                    .and_then(|n| n.parse::<u64>().ok())
            };
            assert_eq!(figure(1), server["queries"].as_u64(), "{name}");
            assert_eq!(
                figure(5).filter(|n| *n > 0),
                server["latency_ns"]["p99"].as_u64(),
                "{name}"
            );
            number += 1;
        }
        assert_eq!(number, servers.len(), "{name}");
        let whole = text(document.root());
        let queries = json["dns"]["queries"].as_u64().expect("a count");
        assert!(whole.contains(&units::count(queries)), "{name}");
        for finding in json["findings"].as_array().expect("findings") {
            assert!(
                whole.contains(finding["title"].as_str().expect("a title")),
                "{name}"
            );
        }
        // How it went adds up.
        let slices = json["timeline"]["slices"].as_array().expect("slices");
        for field in ["queries", "failed"] {
            let sum: u64 = slices.iter().filter_map(|it| it[field].as_u64()).sum();
            let whole = match field {
                "failed" => report.dns.client.outcomes.failed(),
                _ => queries,
            };
            assert_eq!(sum, whole, "{name}: {field}");
        }
    }
}

/// In every field that a name can come to.
#[test]
fn names_are_text() {
    let mut report = situations::hostile(EVIL);
    report.host.name = EVIL.to_owned();
    report.host.kernel = EVIL.to_owned();
    report.notes = vec![EVIL.to_owned()];
    report.not_read = vec![EVIL.to_owned()];
    report.signals[1].missing = Some(EVIL.to_owned());
    report.attribution.get_or_insert_default().complaints = vec![EVIL.to_owned()];
    for finding in &mut report.findings {
        let texts = [&mut finding.title, &mut finding.cause, &mut finding.impact];
        texts.into_iter().for_each(|it| *it = EVIL.to_owned());
        finding.evidence = vec![EVIL.to_owned(), format!("of (`{CODE}`)")];
        finding.fix = vec![EVIL.to_owned(), format!("run `{EVIL}`")];
        finding.hit_hardest = Some(EVIL.to_owned());
    }
    for name in &mut report.troubled_names {
        name.name = EVIL.to_owned();
        name.rtype = EVIL.to_owned();
    }
    let page = page_of(&report);
    let xml = parsed(&page);
    let document = Document::parse(&xml).expect("XML");
    assert!(document.descendants().all(|it| !it.has_tag_name("img")));
    let scripts = document
        .descendants()
        .filter(|it| it.has_tag_name("script"));
    assert_eq!(scripts.count(), 2);
    let events = document.descendants().flat_map(|it| it.attributes());
    assert!(events.into_iter().all(|it| !it.name().starts_with("on")));
    assert!(text(document.root()).matches("onerror=alert(1)").count() > 10);
    // Between backticks it is shown as code, and still text.
    let mut codes = document.descendants().filter(|it| it.has_tag_name("code"));
    assert!(codes.any(|it| it.text() == Some(CODE)));
    assert!(codes.all(|it| it.text() != Some(EVIL)));
    let mut out = Vec::new();
    report.write(Form::Json, &mut out).expect("a Vec");
    let json: Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(embedded(&document), json);
}

/// More of everything than there is room for.
#[test]
fn a_crowd_is_cut_and_that_is_said() {
    let report = situations::crowded();
    let page = page_of(&report);
    assert!(page.len() < OCTETS_MAX, "{}", page.len());
    let xml = parsed(&page);
    let document = Document::parse(&xml).expect("XML");
    assert!(text(document.root()).contains("for which there was no room"));
    // Nobody is lost: the others stand together.
    let json = embedded(&document);
    let rows = json["dns"]["by_server"].as_array().expect("servers").iter();
    let shown: u64 = rows.filter_map(|it| it["queries"].as_u64()).sum();
    let others = json["dns"]["other_servers"]["queries"]
        .as_u64()
        .unwrap_or(0);
    assert_eq!(shown + others, report.dns.client.queries());
}
