//! `make bpf-verify`: kerno on every kernel that is promised, really booted.
//!
//! The stations, in order: `machine` is what is booted, `image` has the kernels and `root` what
//! guests are made of; `guest` boots one and `here` takes the running one, `matrix` does so
//! side by side; `reported` reads what the job left, `judge`, `counters` and
//! `figures` hold it against `promise`; `table` shows it; `budget` and `document` hold the
//! records in the repository against it; `selftest` sees that a failure would be
//! seen. `session` calls them.
//!
//! Usage: kernels --kerno STATIC_BINARY [--kernel IMAGE] [--record]
//!        kernels --kerno STATIC_BINARY --arm64 BUSYBOX    (both for arm64, and static)
//!        kernels --kernel IMAGE           (says whether it is a kernel image)

mod broken;
mod budget;
mod column;
mod counters;
mod cpio;
mod document;
mod figures;
mod guest;
mod here;
mod image;
mod judge;
mod machine;
mod matrix;
mod promise;
mod reported;
mod root;
mod selftest;
mod session;
mod table;

use std::env;
use std::fs;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::machine::Machine;

fn main() -> ExitCode {
    match Arguments::read().and_then(|arguments| run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    kerno: Option<PathBuf>,
    kernel: Option<PathBuf>,
    arm64: Option<PathBuf>,
    record: bool,
}

impl Arguments {
    fn read() -> Result<Self> {
        let (mut kerno, mut kernel, mut arm64, mut record) = (None, None, None, false);
        let mut words = env::args_os().skip(1);
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--kerno") => kerno = words.next().map(PathBuf::from),
                Some("--kernel") => kernel = words.next().map(PathBuf::from),
                Some("--arm64") => arm64 = words.next().map(PathBuf::from),
                Some("--record") => record = true,
                _ => bail!("{} is not understood: use make bpf-verify", word.display()),
            }
        }
        Ok(Self {
            kerno,
            kernel,
            arm64,
            record,
        })
    }
}

/// Whether everything holds.
fn run(arguments: &Arguments) -> Result<bool> {
    if let Some(image) = &arguments.kernel {
        image::check(image, Machine::Amd64)?;
        ensure!(
            !arguments.record,
            "only promised kernels are recorded: leave KERNEL or RECORD out"
        );
        if arguments.kerno.is_none() {
            return Ok(true);
        }
    }
    let kerno = arguments.kerno.as_deref();
    let kerno = kerno.context("--kerno is missing: use make bpf-verify")?;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).context("cannot clear what an earlier run left")?;
    }
    let roots = root::Roots::make(kerno, arguments.arm64.as_deref(), &scratch)?;
    match (&arguments.kernel, &arguments.arm64) {
        (_, Some(_)) => session::another_machine(Machine::Arm64, &roots, &scratch),
        (Some(image), None) => session::one_kernel(image, &roots, &scratch),
        (None, None) => session::every_kernel(&roots, &scratch, arguments.record),
    }
}

/// One line on stderr. If nobody can read it, there is nobody to tell.
fn say(message: &str) {
    let _unread = writeln!(io::stderr(), "kerno: {message}");
}
