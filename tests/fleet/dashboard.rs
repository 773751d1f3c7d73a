//! Every query of the fleet's dashboard has an answer, where there is something to show.

use std::fs;

use serde_json::Value;

use crate::FIRST_END;
use crate::RECORDINGS;
use crate::at;
use crate::node::Player;
use crate::node::SCRAPES;
use crate::prometheus::Prometheus;
use crate::rules;
use crate::scenes;
use crate::tell;

#[test]
fn every_panel_of_the_fleets_dashboard_has_an_answer() {
    let text = fs::read_to_string("deploy/grafana/kerno-fleet.json").expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let mut prometheus = Prometheus::start(folder.path());
    let mut player = Player::new(&RECORDINGS, true);
    for node in scenes::some_with_everything() {
        tell(&mut prometheus, &mut player, &node, FIRST_END);
    }
    prometheus.flush();
    let times: Vec<_> = (0..SCRAPES).map(|scrape| at(FIRST_END, scrape)).collect();
    rules::record(&mut prometheus, &times);

    let mut panels = 0;
    for panel in dashboard["panels"].as_array().expect("panels") {
        let targets = panel["targets"].as_array().into_iter().flatten();
        for target in targets {
            let asked = target["expr"].as_str().expect("an expression");
            let asked = asked.replace("$cluster", ".*").replace("$by", "zone");
            assert!(!asked.contains('$'), "{asked}");
            let told = prometheus.instant(&asked, FIRST_END);
            assert!(!told.is_empty(), "{}: {asked}", panel["title"]);
            panels += 1;
        }
    }
    assert!(panels > 20, "{panels}");
}
