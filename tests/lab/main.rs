//! The fault lab: every scenario of `kerno chaos` with a `kerno doctor` that
//! sees its zone alone, and the confusion matrix of scenarios and findings.
//!
//! It is a program of its own, not a test of libtest, because its output is the
//! matrix. Arguments choose scenarios by a part of their names, as with tests.

#![allow(
    dead_code,
    reason = "the harness of tests/e2e has more than is used here"
)]
#![allow(clippy::print_stdout, reason = "the matrix is the result")]

#[path = "../e2e/cgroup.rs"]
mod cgroup;
#[path = "../e2e/doctor.rs"]
mod doctor;
#[path = "../e2e/place.rs"]
mod place;
#[path = "../e2e/process.rs"]
mod process;
#[path = "../e2e/unbound.rs"]
mod unbound;

mod judge;
mod kept;
mod matrix;
mod run;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use kerno_chaos::scenario::Fault;
use kerno_chaos::scenario::Scenario;
use kerno_chaos::scenarios::SCENARIOS;

fn main() -> ExitCode {
    let begin = Instant::now();
    let wanted: Vec<String> = env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let labs = SCENARIOS
        .iter()
        .filter(|scenario| matches!(scenario.fault, Fault::Lab(_)));
    let (chosen, left_out): (Vec<&Scenario>, Vec<&Scenario>) =
        labs.partition(|scenario| is_wanted(scenario.name));
    let results = run::all(&chosen);
    matrix::print(&results);
    let failed: Vec<_> = results
        .iter()
        .filter(|r| !r.complaints.is_empty())
        .collect();
    for result in &failed {
        println!("\n{}:", result.scenario.name);
        for complaint in &result.complaints {
            println!("  {complaint}");
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        results.len() - failed.len(),
        failed.len(),
        left_out.len(),
        begin.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}
