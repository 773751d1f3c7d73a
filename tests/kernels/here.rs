//! The same job on the running kernel, in a network namespace of its own.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::reported::Files;

/// How often it is looked whether the job has ended.
const TICK: Duration = Duration::from_millis(100);

/// Does the job with that kerno and returns what it left in `folder`.
///
/// # Errors
///
/// It can't be started as root, fails or takes longer than `limit`.
pub(crate) fn run(kerno: &Path, limit: Duration, folder: &Path) -> Result<Files> {
    fs::create_dir_all(folder)?;
    let mut command = Command::new("scripts/as-root");
    command
        .args(["unshare", "--net", "sh", "-c"])
        .args(["ip link set lo up && exec \"$@\"", "sh"])
        .arg(fs::canonicalize("tests/kernels/job.sh")?)
        .args([&fs::canonicalize(kerno)?, &fs::canonicalize(folder)?])
        .arg("own")
        .stdin(Stdio::inherit());
    // SAFETY: between fork and exec only a system call with plain numbers is
    // made. The job has a trap for SIGTERM and ends what it started.
    unsafe { command.pre_exec(|| crate::guest::die_with_the_parent(libc::SIGTERM)) };
    let mut job = command.spawn().context("scripts/as-root does not start")?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = job.try_wait()? {
            break status;
        }
        if begin.elapsed() > limit {
            let id = nix::unistd::Pid::from_raw(job.id() as i32);
            // It may have ended just now.
            let _ended = nix::sys::signal::kill(id, nix::sys::signal::SIGTERM);
            job.wait()?;
            bail!("the job did not end within {} s", limit.as_secs());
        }
        thread::sleep(TICK);
    };
    if !status.success() {
        bail!("the job cannot be run as root in a network namespace: {status}");
    }
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let content = fs::read(entry.path())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, String::from_utf8_lossy(&content).into_owned());
    }
    Ok(files)
}
