//! Runs scenarios, side by side where they allow it.

use std::env;
use std::iter;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use kerno_chaos::scenario::Fault;
use kerno_chaos::scenario::Scenario;
use serde_json::Value;

use crate::doctor::Doctor;
use crate::doctor::checked;
use crate::judge;
use crate::kept::Kept;
use crate::kept::counters;
use crate::place::Place;
use crate::process::finish;
use crate::unbound;

/// How many at once: two cores are idle with that, and each has its own doctor.
const SIDE_BY_SIDE: usize = 6;

/// How long each lasts. Long enough for 20 queries and more of each kind, and
/// for a client to see the fault several times.
const DURATION: &str = "8s";

/// The doctor's patience: longer than that of the lab's clients.
const TIMEOUT: &str = "2s";

/// By then the doctor has given up on the last query, too. It does not wait for
/// those in flight when it is told to end.
const UNTIL_GIVEN_UP: Duration = Duration::from_millis(2_500);

/// What a finding says that counts here.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) rule: String,
    pub(crate) severity: String,
    pub(crate) queries: Option<u64>,
    /// What it says: title, cause, impact, evidence.
    pub(crate) text: String,
}

/// A scenario and what the doctor said of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) scenario: &'static Scenario,
    /// What chaos says of itself; null if it failed.
    pub(crate) chaos: Value,
    pub(crate) findings: Vec<Finding>,
    /// Why this is not as it must be, a sentence each.
    pub(crate) complaints: Vec<String>,
}

/// Runs all, and returns their outcomes in the order given.
pub(crate) fn all(scenarios: &[&'static Scenario]) -> Vec<Outcome> {
    let is_alone = |scenario: &&&Scenario| match &scenario.fault {
        Fault::Lab(recipe) => recipe.is_alone(),
        Fault::DnsFlood | Fault::DnsMix => true,
    };
    let (alone, together): (Vec<_>, Vec<_>) = scenarios.iter().partition(is_alone);
    let mut outcomes = side_by_side(together, SIDE_BY_SIDE);
    outcomes.extend(side_by_side(alone, 1));
    let place = |outcome: &Outcome| {
        let name = outcome.scenario.name;
        scenarios.iter().position(|scenario| scenario.name == name)
    };
    outcomes.sort_by_key(place);
    outcomes
}

fn side_by_side(scenarios: Vec<&&'static Scenario>, width: usize) -> Vec<Outcome> {
    let waiting = Mutex::new(scenarios.into_iter());
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic with it").next();
                    let Some(&scenario) = next else { break };
                    let outcome = one(scenario);
                    outcomes.lock().expect("no panic with it").push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no panic with it")
}

fn one(scenario: &'static Scenario) -> Outcome {
    let run = Kept::begin(scenario);
    let seen = catch_unwind(AssertUnwindSafe(|| watch(scenario, &run)));
    run.keep("counters-after.txt", &counters());
    let mut outcome = match seen {
        Ok((chaos, findings)) => Outcome {
            scenario,
            complaints: judge::complaints(scenario, &chaos, &findings),
            chaos,
            findings,
        },
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map_or("", String::as_str);
            Outcome {
                scenario,
                chaos: Value::Null,
                findings: Vec::new(),
                complaints: vec![format!("it could not be run: {why}")],
            }
        }
    };
    if !outcome.complaints.is_empty() {
        let kept = run.failed();
        outcome
            .complaints
            .push(format!("what it said is kept in {}", kept.display()));
    }
    outcome
}

/// The scenario, and a doctor that watches from before it until after it.
fn watch(scenario: &Scenario, run: &Kept) -> (Value, Vec<Finding>) {
    let zone = format!("{}.lab{}.test", scenario.name, std::process::id());
    let Fault::Lab(recipe) = &scenario.fault else {
        panic!("{} is no scenario of the lab", scenario.name)
    };
    let (filter, value) = recipe.filter(&zone);
    // Each of the lab's failures is to be told, the first one too.
    let mut options = vec!["--output", "json", "--all-hooks"];
    options.extend(["--timeout", TIMEOUT, filter, &value]);
    let doctor = Doctor::start(&options);
    let mut chaos = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    chaos.args(["chaos", "--induce", scenario.name, "--duration", DURATION]);
    chaos.args(["--zone", &zone, "--yes", "--output", "json"]);
    with_unbound(&mut chaos);
    let chaos = finish(&mut chaos);
    run.keep("chaos.json", &chaos.output);
    thread::sleep(UNTIL_GIVEN_UP);
    let (_, report) = doctor.text();
    run.keep("doctor.json", &report);
    assert!(chaos.succeeded, "{}", chaos.output);
    let chaos = serde_json::from_str(&chaos.output).expect("JSON and nothing else");
    (chaos, findings(&checked(&report)))
}

/// Scenarios with a resolver find the unpacked one.
fn with_unbound(chaos: &mut Command) {
    let program = unbound::unpacked(&["usr/sbin/unbound"]);
    let folder = program.parent().expect("a folder").to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = iter::once(folder).chain(env::split_paths(&path));
    chaos.env("PATH", env::join_paths(folders).expect("a PATH"));
    chaos.env("LD_LIBRARY_PATH", unbound::library_path());
}

fn findings(report: &Value) -> Vec<Finding> {
    let findings = report["findings"].as_array().expect("findings");
    let text = |finding: &Value, field: &str| finding[field].as_str().expect(field).to_owned();
    findings
        .iter()
        .map(|finding| Finding {
            rule: text(finding, "rule"),
            severity: text(finding, "severity"),
            queries: finding["queries"].as_u64(),
            text: said(finding),
        })
        .collect()
}

fn said(finding: &Value) -> String {
    let evidence = finding["evidence"].as_array().into_iter().flatten();
    let lines = [&finding["title"], &finding["cause"], &finding["impact"]];
    let lines = lines.into_iter().chain(evidence).filter_map(Value::as_str);
    lines.collect::<Vec<_>>().join("\n")
}
