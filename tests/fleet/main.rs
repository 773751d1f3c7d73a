//! `kerno fleet` over a real Prometheus: fleets of 1,000 nodes with 40 workloads each, played
//! from what real agents told (tests/fleet/record), each scene two hours after the one before,
//! and what is said of each.

mod agents;
mod dashboard;
mod node;
mod prometheus;
mod recording;
mod rules;
mod scenes;

use std::panic::catch_unwind;
use std::time::Instant;
use std::time::SystemTime;

use serde_json::Value;

use crate::node::Node;
use crate::node::Player;
use crate::node::SCRAPE;
use crate::node::SCRAPES;
use crate::prometheus::Prometheus;
use crate::prometheus::label;
use crate::scenes::Expected;
use crate::scenes::Scene;
use crate::scenes::TROUBLE;

/// Between the ends of two scenes.
const APART: u64 = 2 * 3600;
/// When the first ends: a whole hour, some days ago.
pub(crate) const FIRST_END: u64 = 1_764_244_800;

pub(crate) const RECORDINGS: [&str; 10] = [
    "healthy",
    "nft-drop",
    "dead-server",
    "send-denied",
    "servfail",
    "silent-server",
    "server-throttled.servers",
    "two-at-once",
    "upstream-slow.clients",
    "upstream-slow.servers",
];

/// When a scrape was, in a scene that ends then.
pub(crate) fn at(end: u64, scrape: u64) -> u64 {
    end - (SCRAPES - 1 - scrape) * SCRAPE
}

/// Tells what a node does in a scene that ends then.
pub(crate) fn tell(prometheus: &mut Prometheus, player: &mut Player, node: &Node, end: u64) {
    for told in player.told(node, end) {
        let samples = told.samples.iter();
        prometheus.tell(
            &told.labels,
            samples.map(|(scrape, value)| (at(end, *scrape), *value)),
        );
    }
}

fn play(prometheus: &mut Prometheus, player: &mut Player, scene: &Scene, end: u64) {
    for node in &scene.nodes {
        tell(prometheus, player, node, end);
    }
    for (name, labels) in &scene.others {
        let labels = labels.iter().flat_map(|(name, value)| label(name, value));
        let labels: Vec<_> = label("__name__", name).into_iter().chain(labels).collect();
        let samples = (0..SCRAPES).map(|scrape| (at(end, scrape), 1.0));
        prometheus.tell(&labels, samples);
    }
    prometheus.flush();
}

fn check(scene: &Scene, report: &Value, page: &str, end: u64) {
    let name = scene.name;
    assert_eq!(report["verdict"], scene.verdict, "{name}: {page}");
    let findings = report["findings"].as_array().expect("findings");
    assert_eq!(findings.len(), scene.findings.len(), "{name}: {page}");
    for (finding, expected) in findings.iter().zip(&scene.findings) {
        check_finding(finding, expected, &format!("{name}: {page}"), end);
    }
    let missing = report["missing"].to_string();
    for words in &scene.missing {
        assert!(missing.contains(words), "{name}: {missing}");
    }
    assert!(
        !scene.missing.is_empty() || report["missing"] == serde_json::json!([]),
        "{name}: {missing}"
    );
}

fn check_finding(finding: &Value, expected: &Expected, what: &str, end: u64) {
    let place = &finding["place"];
    assert_eq!(finding["rule"], expected.rule, "{what}");
    assert_eq!(place["dimension"], expected.dimension, "{what}");
    if !expected.values.is_empty() {
        assert_eq!(
            place["values"],
            serde_json::json!(expected.values),
            "{what}"
        );
    }
    assert_eq!(
        (&place["affected"], &place["of"], &place["elsewhere"]),
        (&expected.affected.into(), &expected.of.into(), &0.into()),
        "{what}"
    );
    assert_eq!(finding["open"], expected.is_open, "{what}");
    let explained = finding["explains"].as_array().map_or(0, |all| {
        let nodes = all.iter().filter_map(|it| it["nodes"].as_array());
        let nodes = nodes.flatten().filter_map(Value::as_str);
        nodes.collect::<std::collections::BTreeSet<_>>().len() as u64
    });
    assert_eq!(explained, expected.explains, "{what}");
    let since = finding["since"].as_str().expect("a time");
    let began = humantime::parse_rfc3339(since).expect(since);
    let began = began
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("late enough")
        .as_secs();
    let truly = at(end, TROUBLE);
    assert!(began.abs_diff(truly) <= 2 * SCRAPE, "{what}: {since}");
}

#[test]
fn cause_and_place_are_right_in_every_scene() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut player = Player::new(&RECORDINGS, false);
    let mut prometheus = Prometheus::start(folder.path());
    let scenes = scenes::all();
    assert!(scenes.len() >= 24, "{}", scenes.len());
    let only = std::env::var("SCENE").unwrap_or_default();
    let mut wrong = Vec::new();
    for (number, scene) in scenes.iter().enumerate() {
        if !scene.name.contains(&only) {
            continue;
        }
        let end = FIRST_END + number as u64 * APART;
        let begin = Instant::now();
        play(&mut prometheus, &mut player, scene, end);
        let played = begin.elapsed();
        let (code, told, said) = prometheus.fleet(end, &["--output", "json"]);
        eprintln!(
            "{}: played in {played:.1?}, asked in {:.1?}",
            scene.name,
            begin.elapsed() - played
        );
        assert_eq!(said, "", "{}", scene.name);
        let report: Value = serde_json::from_str(&told).expect("JSON");
        let codes = [("critical", 2), ("unknown", 1), ("healthy", 0)];
        let is_right = codes.contains(&(scene.verdict, code));
        let checked = catch_unwind(|| check(scene, &report, &told, end));
        if checked.is_err() || !is_right {
            wrong.push(format!("{} (exit code {code})", scene.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    eprintln!("{} samples", prometheus.samples);
    // Whom nobody scrapes nothing is said of.
    let end = FIRST_END + scenes.len() as u64 * APART;
    let others = [label("__name__", "up"), label("job", "node")].concat();
    prometheus.tell(&others, (0..SCRAPES).map(|scrape| (at(end, scrape), 1.0)));
    prometheus.flush();
    let (code, told, said) = prometheus.fleet(end, &[]);
    assert_eq!((code, &*told), (3, ""), "{said}");
    assert!(said.contains("no agent of kerno is known"), "{said}");
}

/// The same from what rules have recorded as from the counters themselves.
#[test]
fn rules_and_counters_tell_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut player = Player::new(&RECORDINGS, false);
    let mut prometheus = Prometheus::start(folder.path());
    let names = [
        "one zone",
        "two dead servers",
        "one namespace",
        "a node that was renamed",
    ];
    let scenes = scenes::all();
    let scenes: Vec<_> = scenes
        .iter()
        .filter(|it| names.contains(&it.name))
        .collect();
    assert_eq!(scenes.len(), names.len());
    for (number, scene) in scenes.into_iter().enumerate() {
        let end = FIRST_END + number as u64 * APART;
        play(&mut prometheus, &mut player, scene, end);
        let told = |prometheus: &Prometheus| {
            let (_, told, said) = prometheus.fleet(end, &["--output", "json", "-v"]);
            let report: Value = serde_json::from_str(&told).expect("JSON");
            check(scene, &report, &told, end);
            (report, said)
        };
        let (from_counters, said) = told(&prometheus);
        assert!(said.contains("recording rules are not there"), "{said}");
        rules::record(&mut prometheus, &[end]);
        let (from_rules, said) = told(&prometheus);
        assert!(said.contains("recording rules are used"), "{said}");
        assert_eq!(from_counters, from_rules, "{}", scene.name);
    }
}
