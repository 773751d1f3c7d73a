//! A run from kernels to verdict.

use std::io;
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

use anyhow::Result;

use crate::budget::Budget;
use crate::column::Column;
use crate::document;
use crate::image;
use crate::judge::judge;
use crate::machine::Machine;
use crate::matrix;
use crate::matrix::Job;
use crate::promise::PROMISED;
use crate::promise::Promise;
use crate::reported::Reported;
use crate::root::Roots;
use crate::say;
use crate::selftest;
use crate::table;

/// The column of the kernel that runs this.
const RUNNING: &str = "running";

/// A kernel of somebody's: it must do what it says of itself that it can.
pub(crate) fn one_kernel(image: &Path, roots: &Roots, scratch: &Path) -> Result<bool> {
    let name = image
        .file_name()
        .unwrap_or(image.as_os_str())
        .to_string_lossy();
    let jobs = [Job::guest(Machine::Amd64, &name, image, &roots.whole)];
    let reported = matrix::run(&jobs, scratch, &say);
    show(&[column(&name, None, &reported[0], &Budget::default())])
}

/// Every promised kernel, the running one, and the tests of the harness.
pub(crate) fn every_kernel(roots: &Roots, scratch: &Path, record: bool) -> Result<bool> {
    let images = image::fetch(Machine::Amd64)?;
    // The running one first: it may ask for a password.
    let mut jobs = vec![Job::here(RUNNING, &roots.kerno)];
    jobs.extend(promised_jobs(Machine::Amd64, &images, roots));
    let promised = 1..jobs.len();
    jobs.extend(selftest::jobs(&images, roots));
    say(&format!(
        "{} jobs, most of them in a kernel that is booted in software; what they say is kept in {}",
        jobs.len(),
        scratch.display()
    ));
    let hanging = selftest::hanging_job(&images[0], roots);
    let (reported, hung) = thread::scope(|scope| {
        // It sleeps nearly all the time, so it takes no other's place.
        let hung = scope.spawn(|| matrix::run(&[hanging], scratch, &|_| ()));
        let reported = matrix::run(&jobs, scratch, &say);
        (
            reported,
            hung.join().expect("it reports instead of panicking"),
        )
    });

    let on_promised = &reported[promised];
    let budget = match record {
        true => measured_budget(on_promised),
        false => Budget::read()?,
    };
    let mut columns = promised_columns(on_promised, &budget);
    let complaint = match record {
        true => write_records(&columns, &budget)?,
        false => document::complaint(&columns)?,
    };
    columns.push(column(RUNNING, None, &reported[0], &budget));
    let mut holds = show(&columns)?;
    if let Some(complaint) = complaint {
        say(&complaint);
        holds = false;
    }
    let broken: Vec<Column> = selftest::BROKEN_ON
        .into_iter()
        .zip(&reported[columns.len()..])
        .map(|(name, reported)| {
            let promise = PROMISED.iter().find(|promise| promise.series == name);
            column(name, promise, reported, &budget)
        })
        .collect();
    holds &= selftest::check(&columns, &broken, &hung[0]);
    Ok(holds)
}

/// Every promised kernel of another machine, held to the same promises and budgets. What is
/// recorded, and the tests of the harness, are the first machine's.
pub(crate) fn another_machine(machine: Machine, roots: &Roots, scratch: &Path) -> Result<bool> {
    let images = image::fetch(machine)?;
    let jobs: Vec<Job> = promised_jobs(machine, &images, roots).collect();
    let reported = matrix::run(&jobs, scratch, &say);
    show(&promised_columns(&reported, &Budget::read()?))
}

fn promised_jobs(machine: Machine, images: &[PathBuf], roots: &Roots) -> impl Iterator<Item = Job> {
    let promised = PROMISED.iter().zip(images);
    promised.map(move |(promise, image)| Job::guest(machine, promise.series, image, &roots.whole))
}

fn promised_columns(reported: &[Result<Reported>], budget: &Budget) -> Vec<Column> {
    let promised = PROMISED.iter().zip(reported);
    promised
        .map(|(promise, reported)| column(promise.series, Some(promise), reported, budget))
        .collect()
}

fn column(
    name: &str,
    promise: Option<&Promise>,
    reported: &Result<Reported>,
    budget: &Budget,
) -> Column {
    match reported {
        Ok(reported) => judge(name, promise, reported, budget),
        Err(why) => Column::failed(name, why),
    }
}

/// What was measured, as a record.
fn measured_budget(reported: &[Result<Reported>]) -> Budget {
    let mut budget = Budget::default();
    for (promise, reported) in PROMISED.iter().zip(reported) {
        let verified = reported
            .as_ref()
            .ok()
            .and_then(|reported| reported.verification.as_ref().ok());
        for program in verified.iter().flat_map(|verified| &verified.programs) {
            if let Some(insns) = program.verified_insns.filter(|_| program.expected) {
                budget.set(promise.series, &program.name, insns.into());
            }
        }
    }
    budget
}

/// Writes the records in the repository, or says why not.
fn write_records(promised: &[Column], budget: &Budget) -> Result<Option<String>> {
    if table::count(promised).1 > 0 {
        let why = "nothing was recorded, because a promised kernel does not do what it must";
        return Ok(Some(why.to_owned()));
    }
    let series: Vec<&str> = PROMISED.iter().map(|promise| promise.series).collect();
    budget.write(&series)?;
    document::record(promised)?;
    Ok(None)
}

/// Prints the table and its reasons; whether every cell holds.
fn show(columns: &[Column]) -> Result<bool> {
    let mut out = io::stdout().lock();
    table::write(columns, out.is_terminal(), &mut out)?;
    table::write_reasons(columns, &mut out)?;
    let (good, bad) = table::count(columns);
    writeln!(out, "\ncells: {good} passed, {bad} failed")?;
    Ok(bad == 0)
}
