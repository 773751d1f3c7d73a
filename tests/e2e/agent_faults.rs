//! Faults of the lab, real ones: what an agent says of the time behind is what a doctor says
//! that watched meanwhile.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::agent::Agent;
use crate::doctor::Doctor;
use crate::place::Place;
use crate::process::Finished;
use crate::process::finish;
use crate::process::poll;

/// One of each kind: discarded, refused, silent with a second server behind, answered with an
/// error, slow.
const SCENARIOS: [&str; 5] = [
    "nft-drop",
    "closed-port",
    "dead-server",
    "servfail",
    "server-slow",
];

/// Long enough for 20 queries and more of each kind.
const DURATION: &str = "6s";

/// Longer than the clients of the lab wait.
const TIMEOUT: &str = "2s";

/// For the doctor to give up on what the agent has given up on: it looks a few times a second,
/// and does not wait for the rest when it is told to end.
const LOOKED: Duration = Duration::from_secs(1);

/// So often somebody asks the agent, which ends the window that is open each time.
const ASKED_EVERY: Duration = Duration::from_millis(300);

#[test]
fn root_an_agent_says_of_a_fault_what_a_doctor_said_that_watched_it() {
    thread::scope(|threads| {
        for scenario in SCENARIOS {
            threads.spawn(move || both_say_the_same(scenario));
        }
    });
}

fn both_say_the_same(scenario: &str) {
    let zone = format!("{scenario}.past{}.test", std::process::id());
    let name = format!("*.{zone}");
    let options = ["--timeout", TIMEOUT, "--all-hooks", "--name", &name];
    let agent = Agent::start(&options);
    let doctor = Doctor::start(&[&options[..], &["--output", "json"]].concat());
    let chaos = thread::scope(|threads| {
        let chaos = threads.spawn(|| induce(scenario, &zone));
        // The report is put together of as many windows as there are moments to part them.
        while !chaos.is_finished() {
            ask(&agent);
            thread::sleep(ASKED_EVERY);
        }
        chaos.join().expect("no panic")
    });
    assert!(chaos.succeeded, "{}", chaos.output);
    let chaos: Value = serde_json::from_str(&chaos.output).expect("JSON and nothing else");
    let (sent, lookups) = (asked(&chaos, "sent"), asked(&chaos, "lookups"));
    poll("the end of all that was asked", || {
        let report = agent.report(&["--last", "2m"]);
        let there = |path: &str, all: u64| report.pointer(path)?.as_u64().filter(|it| *it >= all);
        there("/dns/queries", sent).and_then(|_| there("/lookups/count", lookups))
    });
    thread::sleep(LOOKED);
    let (_, live) = doctor.json();
    let past = agent.report(&["--last", "2m"]);

    for path in [
        "/verdict",
        "/dns/queries",
        "/dns/answered",
        "/dns/unanswered",
        "/dns/late",
        "/dns/refused",
        "/dns/dropped",
        "/dns/superseded",
        "/dns/rcodes",
        "/dns/server_side/queries",
        "/dns/server_side/answered",
        "/lookups/count",
        "/lookups/failed",
        "/accounting/failures_by_cause",
        "/accounting/slow_by_cause",
    ] {
        assert!(live.pointer(path).is_some(), "{path} in {live:#}");
        assert_eq!(past.pointer(path), live.pointer(path), "{scenario}: {path}");
    }
    assert_eq!(past["lookups"]["count"], lookups, "{scenario}");
    for table in ["by_process", "by_workload", "by_server"] {
        assert_eq!(rows(&past, table), rows(&live, table), "{scenario}");
    }
    assert_eq!(findings(&past), findings(&live), "{scenario}");
    let rule = chaos["rule"].as_str().expect("a rule");
    let its_own = findings(&live).into_iter().find(|it| it.rule == rule);
    let its_own = its_own.unwrap_or_else(|| panic!("no {rule} in {live:#}"));
    assert_eq!(Some(its_own.queries), chaos["broken"].as_u64());
    // Each has its own clock, of the same kernel.
    let apart = (lost(&past) - lost(&live)).abs();
    assert!(apart < 0.1, "{} and {}", lost(&past), lost(&live));
}

fn induce(scenario: &str, zone: &str) -> Finished {
    let mut chaos = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    chaos.args(["chaos", "--induce", scenario, "--duration", DURATION]);
    finish(chaos.args(["--zone", zone, "--yes", "--output", "json"]))
}

fn ask(agent: &Agent) {
    let mut stream = agent.connect();
    let request = b"GET /v1/windows HTTP/1.1\r\nhost: kerno\r\n\r\n";
    stream.write_all(request).expect("it listens");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
}

/// What a finding says that does not hang on whose clock it was.
#[derive(Debug, PartialEq)]
struct Finding {
    rule: String,
    severity: String,
    queries: u64,
    scope: Value,
}

fn findings(report: &Value) -> Vec<Finding> {
    let all = report["findings"].as_array().expect("findings").iter();
    let text = |it: &Value, field: &str| it[field].as_str().expect(field).to_owned();
    let mut all: Vec<_> = all
        .map(|it| Finding {
            rule: text(it, "rule"),
            severity: text(it, "severity"),
            queries: it["queries"].as_u64().expect("a number"),
            scope: it["scope"].clone(),
        })
        .collect();
    // They are ranked by time lost, which two may have nearly the same of.
    all.sort_by(|one, other| (&one.rule, one.queries).cmp(&(&other.rule, other.queries)));
    all
}

/// How many each row of a table has asked, by whose it is.
fn rows(report: &Value, table: &str) -> BTreeMap<String, Value> {
    let rows = report["dns"][table].as_array().expect(table).iter();
    let whose = |row: &Value| {
        let fields = row.as_object().expect("a row").iter();
        let named = fields.filter(|(_, it)| it.is_string() || *it == &row["pid"]);
        let named: Vec<_> = named.map(|(field, it)| format!("{field}={it}")).collect();
        (
            named.join(" ") + &row["port"].to_string(),
            row["queries"].clone(),
        )
    };
    rows.map(whose).collect()
}

/// What all clients of the lab say that they did.
fn asked(chaos: &Value, what: &str) -> u64 {
    let clients = chaos["clients"].as_array().expect("clients").iter();
    let counts = clients.map(|it| it["counts"][what].as_u64().expect(what));
    counts.sum()
}

fn lost(report: &Value) -> f64 {
    report["lookups"]["seconds_lost"]
        .as_f64()
        .expect("a number")
}
