//! Tests of the harness itself: it must see what it is there to see.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;

use crate::broken;
use crate::budget::Budget;
use crate::column::Cell;
use crate::column::Column;
use crate::column::Mark;
use crate::column::Section;
use crate::image;
use crate::machine::Machine;
use crate::matrix::Job;
use crate::promise::PROMISED;
use crate::reported::Reported;
use crate::root::Roots;
use crate::say;

/// The program that is broken: one without which most of kerno would work, so
/// that a harness which looks only at the whole would miss it.
pub(crate) const PROGRAM: &str = "dns_socket_error";

/// Where the broken one is tried: a kernel that has its hook, one that has not,
/// and the running one.
pub(crate) const BROKEN_ON: [&str; 3] = ["6.12", "5.10", "running"];

/// The first process of a guest that never ends.
pub(crate) const HANGING_INIT: &str =
    "#!/bin/busybox sh\necho 'kerno: this init hangs'\nexec /bin/busybox sleep 1000\n";
const HANGING_WORDS: &str = "kerno: this init hangs";

/// Long enough for a kernel to come to its first process beside two others.
const HANGING_LIMIT: Duration = Duration::from_secs(60);

/// The jobs with the broken program.
pub(crate) fn jobs(images: &[PathBuf], roots: &Roots) -> Vec<Job> {
    let job = |name| {
        let title = format!("{name} with a broken program");
        match PROMISED.iter().position(|promise| promise.series == name) {
            Some(index) => Job::guest(Machine::Amd64, &title, &images[index], &roots.broken),
            None => Job::here(&title, &roots.broken_kerno),
        }
    };
    BROKEN_ON.into_iter().map(job).collect()
}

/// The job that never ends.
pub(crate) fn hanging_job(image: &Path, roots: &Roots) -> Job {
    Job {
        limit: HANGING_LIMIT,
        ..Job::guest(Machine::Amd64, "hanging", image, &roots.hanging)
    }
}

/// Says of each test whether it passed. `broken` is what came of [`jobs`].
pub(crate) fn check(whole: &[Column], broken: &[Column], hung: &Result<Reported>) -> bool {
    let mut passed = true;
    let mut tell = |test: &str, result: Result<()>| match result {
        Ok(()) => say(&format!("test of the harness: {test}: passed")),
        Err(error) => {
            say(&format!("test of the harness: {test}: FAILED: {error:#}"));
            passed = false;
        }
    };
    for broken in broken {
        let name = &broken.name;
        let test = format!("a broken {PROGRAM} on {name} turns its cells red and no others");
        let whole = whole.iter().find(|column| column.name == *name);
        let result = whole.context("the kernel has no column");
        tell(&test, result.and_then(|whole| check_broken(whole, broken)));
    }
    tell(
        "a file that is no kernel is refused in one sentence",
        check_no_kernel(),
    );
    tell("a program may grow by a quarter, not more", check_budget());
    tell(
        "a boot that hangs is stopped and told with its console",
        check_hanging(hung),
    );
    passed
}

/// Where the program is loaded, its cell is red with the verifier's last lines,
/// and the job's, because kerno does not start with a program rejected. No other
/// cell differs, and none at all where its hook is missing.
fn check_broken(whole: &Column, broken: &Column) -> Result<()> {
    let row = |column: &Column| column.cell(Section::Programs, PROGRAM).cloned();
    let before = row(whole).with_context(|| format!("{PROGRAM} is not in the table"))?;
    let after = row(broken).with_context(|| format!("{PROGRAM} left the table"))?;
    let expected: &[&str] = match before.mark {
        Mark::Absent => &[],
        _ => &[PROGRAM, "dns-mix"],
    };
    let before = whole.red();
    let mut turned = broken.red();
    turned.retain(|row| !before.contains(row));
    ensure!(turned == expected, "these turned red: {turned:?}");
    let shown = after.why.contains(broken::VERDICT);
    ensure!(
        shown || expected.is_empty(),
        "the verifier's last lines are not shown, but {:?}",
        after.why
    );
    // The job's figures are measured anew each time.
    let fixed = |cell: &&Cell| cell.section != Section::Job && cell.mark != Mark::Bad;
    for cell in broken.cells.iter().filter(fixed) {
        let before = whole.cell(cell.section, &cell.row);
        ensure!(
            before == Some(cell),
            "{} was {before:?} and is {cell:?}",
            cell.row
        );
    }
    Ok(())
}

/// A boot that hangs is stopped and told with the console's last lines.
fn check_hanging(result: &Result<Reported>) -> Result<()> {
    let said = match result {
        Ok(_) => "that all is well".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    ensure!(
        said.contains("did not end within") && said.contains(HANGING_WORDS),
        "it was told {said}"
    );
    Ok(())
}

/// The harness's own source is none.
fn check_no_kernel() -> Result<()> {
    for file in [file!(), "no/such/file"] {
        let said = match image::check(Path::new(file), Machine::Amd64) {
            Ok(()) => "that it is one".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        ensure!(
            said.contains(file) && said.contains("kernel") && said.lines().count() == 1,
            "of {file} it was told {said}"
        );
    }
    Ok(())
}

fn check_budget() -> Result<()> {
    let mut budget = Budget::default();
    budget.set("6.1", PROGRAM, 1_000);
    let within = [1, 1_000, 1_250].map(|insns| budget.complaint("6.1", PROGRAM, insns));
    ensure!(within == [None, None, None], "{within:?}");
    let over = budget
        .complaint("6.1", PROGRAM, 1_251)
        .context("1,251 of 1,000 passed")?;
    let unknown = budget
        .complaint("6.12", PROGRAM, 1)
        .context("an unknown one passed")?;
    for (_, said) in [over, unknown] {
        ensure!(
            said.contains("RECORD=yes"),
            "it does not say what to do: {said}"
        );
    }
    Ok(())
}
