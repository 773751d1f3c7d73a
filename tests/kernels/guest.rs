//! Boots a kernel in qemu, in software, and brings back what its guest wrote.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;

use crate::machine::Machine;
use crate::reported::Files;
use crate::say;

/// What a guest gets, in MiB: kerno's maps and a kernel need a third of it.
pub(crate) const GUEST_MEMORY: u64 = 512;

/// How often a kernel is booted that dies before its first process: that says nothing about
/// kerno. Seen once with Linux 7.3: a processor met what another was just patching in the
/// kernel's code (`Oops: int3`), which the emulator, a thread for each, may get wrong.
const BOOTS_MAX: usize = 3;

/// What init.sh says first.
const FIRST_WORDS: &str = "kerno: the job begins";

/// Lines of the console that are shown of a boot that failed.
const CONSOLE_LINES: usize = 15;

/// How often it is looked whether qemu has ended.
const TICK: Duration = Duration::from_millis(100);

/// Boots the machine's kernel with that initramfs, and waits for its end. What it wrote is
/// kept in `folder`.
///
/// # Errors
///
/// One sentence and the console's last lines: it did not end within `limit`, or
/// it ended before it had written everything.
pub(crate) fn boot(
    machine: Machine,
    kernel: &Path,
    root: &Path,
    limit: Duration,
    folder: &Path,
) -> Result<Files> {
    fs::create_dir_all(folder)?;
    let console = folder.join("console");
    let result = match machine.result() == machine.console() {
        true => console.clone(),
        false => folder.join("result"),
    };
    fs::write(&result, "")?;
    let tail = || last_lines(&console);
    let mut boots = 0;
    let status = loop {
        fs::write(&console, "")?;
        let mut qemu = Qemu::start(machine, kernel, root, [&console, &result])?;
        let status = qemu.wait(limit)?;
        boots += 1;
        let is_dead = status.is_some() && !is_said(&console, FIRST_WORDS);
        if !is_dead || boots == BOOTS_MAX {
            break status;
        }
        say(&format!(
            "{} died before its first process and is booted once more; its console's last lines:\n{}",
            kernel.display(),
            tail()
        ));
    };
    let Some(status) = status else {
        bail!(
            "it did not end within {} s and was stopped; its console's last lines:\n{}",
            limit.as_secs(),
            tail()
        );
    };
    if !status.success() {
        bail!(
            "{} ended with {status}; the console's last lines:\n{}",
            machine.qemu().0,
            tail()
        );
    }
    let written = fs::read(&result)?;
    parse(&String::from_utf8_lossy(&written)).with_context(|| {
        format!(
            "it ended before its job was done; its console's last lines:\n{}",
            tail()
        )
    })
}

/// A qemu that does not outlive this thread.
struct Qemu(Child);

impl Qemu {
    /// The console's file and the result's may be the same.
    fn start(
        machine: Machine,
        kernel: &Path,
        root: &Path,
        [console, result]: [&Path; 2],
    ) -> Result<Self> {
        let port = |path: &Path| format!("file:{}", path.display());
        let (program, package) = machine.qemu();
        let words = format!(
            "console={} result={} panic=-1 no_timer_check",
            machine.console(),
            machine.result()
        );
        let mut command = Command::new(program);
        command
            .args(["-accel", "tcg"])
            .args(machine.options())
            .args(["-smp", "2", "-m"])
            .arg(GUEST_MEMORY.to_string())
            .args([
                "-nodefaults",
                "-no-user-config",
                "-no-reboot",
                "-display",
                "none",
            ])
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(root)
            .arg("-serial")
            .arg(port(console))
            // A panic reboots, and a reboot ends qemu. On a busy machine the ticks of an
            // emulated timer come too late for the kernel's test of it, which panics.
            .args(["-append", &words])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if result != console {
            command.arg("-serial").arg(port(result));
        }
        // SAFETY: between fork and exec only a system call with plain numbers
        // is made.
        unsafe { command.pre_exec(|| die_with_the_parent(libc::SIGKILL)) };
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                anyhow!("{program} is not installed: make setup (Debian's {package})")
            }
            _ => anyhow!("{program} does not start: {error}"),
        })?;
        Ok(Self(child))
    }

    /// `None` if the time is over.
    fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(TICK);
        }
        Ok(None)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail only for a child that has ended.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Whatever ends the harness ends what it started as well.
pub(crate) fn die_with_the_parent(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: a system call with plain numbers.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The files between the lines `=== NAME`; none if `=== end` is missing.
fn parse(written: &str) -> Option<Files> {
    let mut files = Files::new();
    let mut current: Option<(String, String)> = None;
    for line in written.lines() {
        let line = line.trim_end_matches('\r');
        match (line.strip_prefix("=== "), &mut current) {
            (Some("end"), _) => {
                files.extend(current);
                return Some(files);
            }
            (Some(name), _) => files.extend(current.replace((name.to_owned(), String::new()))),
            (None, Some((_, content))) => {
                content.push_str(line);
                content.push('\n');
            }
            (None, None) => {}
        }
    }
    None
}

fn is_said(console: &Path, words: &str) -> bool {
    let text = fs::read(console).unwrap_or_default();
    String::from_utf8_lossy(&text).contains(words)
}

fn last_lines(console: &Path) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let clean = |line: &str| {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        format!("  | {}", line.trim_end())
    };
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(clean)
        .collect();
    if lines.is_empty() {
        return "  | (nothing)".to_owned();
    }
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
}
