//! kerno at work, and what the kernel says of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use nix::pty::Winsize;
use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;

use crate::site::DNS_PORT;
use crate::site::Site;

/// How long it may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// For the programs to be all attached, where nothing tells it.
const SETTLED: Duration = Duration::from_millis(700);

/// Looked at so often.
const TICK: Duration = Duration::from_millis(5);

/// What threads of one name have done since they began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// Nanoseconds on a CPU.
    pub(crate) cpu_ns: f64,
    /// Times that it went to sleep by itself, as often as it was woken.
    pub(crate) sleeps: f64,
}

/// A running kerno. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Kerno {
    child: Child,
    /// Where its report is, or its socket.
    place: PathBuf,
    /// From the start of the process until it watched.
    pub(crate) started_in: Duration,
}

impl Kerno {
    /// `kerno doctor`, watching.
    pub(crate) fn doctor(site: &Site, options: &[&str]) -> Result<Self> {
        let place = site.folder().join("report.json");
        let mut command = site.kerno()?;
        command
            .args(["-v", "doctor", "--duration", "1h", "--output", "json"])
            .stdout(File::create(&place)?);
        Self::start(command, options, place, "watching for")
    }

    /// `kerno agent`, watching; metrics at an address, or `none`.
    pub(crate) fn agent(site: &Site, listen: &str, options: &[&str]) -> Result<Self> {
        let place = site.folder().join("kerno.sock");
        let mut command = site.kerno()?;
        command.args(["agent", "--listen", listen, "--socket"]);
        command.arg(&place).stdout(Stdio::null());
        Self::start(command, options, place, "watching; ask")
    }

    fn start(mut command: Command, options: &[&str], place: PathBuf, says: &str) -> Result<Self> {
        command
            .args(["--port", &DNS_PORT.to_string()])
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let begin = Instant::now();
        let mut child = command.spawn().context("kerno does not start")?;
        let messages = child.stderr.take().context("its messages are piped")?;
        let (ready, is_ready) = mpsc::channel();
        let says = says.to_owned();
        thread::spawn(move || {
            // To the end, or it would wait for room.
            for line in BufReader::new(messages).lines().map_while(Result::ok) {
                if line.contains(&says) {
                    let _nobody_waits = ready.send(begin.elapsed());
                }
            }
        });
        let mut kerno = Self {
            child,
            place,
            started_in: Duration::ZERO,
        };
        let ready = is_ready.recv_timeout(PATIENCE);
        kerno.started_in = ready.context("kerno does not come to watch")?;
        Ok(kerno)
    }

    /// `kerno watch`, whose records nobody reads.
    pub(crate) fn watch(site: &Site) -> Result<Self> {
        let mut command = site.kerno()?;
        command
            .args(["watch", "--port", &DNS_PORT.to_string()])
            .stdin(Stdio::null())
            .stdout(File::create("/dev/null")?)
            .stderr(Stdio::null());
        Self::once_loaded(&mut command)
    }

    /// Of one that tells nobody when it watches.
    fn once_loaded(command: &mut Command) -> Result<Self> {
        let begin = Instant::now();
        let kerno = Self {
            child: command.spawn().context("kerno does not start")?,
            place: "/dev/null".into(),
            started_in: Duration::ZERO,
        };
        while kerno.programs()?.is_empty() {
            if begin.elapsed() > PATIENCE {
                bail!("kerno does not load its programs");
            }
            thread::sleep(TICK);
        }
        thread::sleep(SETTLED);
        Ok(kerno)
    }

    /// `kerno top`, on a terminal of so many columns and lines that is read all the time.
    pub(crate) fn top(site: &Site, (columns, lines): (u16, u16)) -> Result<Self> {
        let (screen, side) = terminal(columns, lines)?;
        thread::spawn(move || {
            // It fails when the other end is closed.
            let _octets = std::io::copy(&mut &screen, &mut std::io::sink());
        });
        let mut command = site.kerno()?;
        command
            .args(["top", "--port", &DNS_PORT.to_string()])
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .current_dir(site.folder())
            .stdin(side.try_clone()?)
            .stdout(side)
            .stderr(Stdio::null());
        Self::once_loaded(&mut command)
    }

    /// What its threads have done, by name.
    pub(crate) fn threads(&self) -> Result<BTreeMap<String, Work>> {
        let mut threads = BTreeMap::<String, Work>::new();
        for task in fs::read_dir(self.file("task"))? {
            let task = task?.path();
            let read = |file| fs::read_to_string(task.join(file));
            // One that has just ended is left out.
            let (Ok(name), Ok(times), Ok(status)) =
                (read("comm"), read("schedstat"), read("status"))
            else {
                continue;
            };
            let work = threads.entry(name.trim().to_owned()).or_default();
            let ran = times.split_whitespace().next();
            work.cpu_ns += ran.and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
            work.sleeps += field(&status, "voluntary_ctxt_switches:").unwrap_or(0.0);
        }
        Ok(threads)
    }

    /// What all threads have done.
    pub(crate) fn work(&self) -> Result<Work> {
        let threads = self.threads()?;
        Ok(Work {
            cpu_ns: threads.values().map(|work| work.cpu_ns).sum(),
            sleeps: threads.values().map(|work| work.sleeps).sum(),
        })
    }

    /// Resident memory in MiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(self.file("status"))?;
        let resident = field(&status, "VmRSS:").context("no VmRSS")?;
        Ok(resident / 1024.0)
    }

    /// Kernel memory of its maps in MiB.
    pub(crate) fn maps(&self) -> Result<f64> {
        let maps = self
            .descriptors(|text| Some((field(text, "map_id:")? as u64, field(text, "memlock:")?)))?;
        let maps: BTreeMap<u64, f64> = maps.into_iter().collect();
        Ok(maps.values().sum::<f64>() / f64::from(1 << 20))
    }

    /// Ids of its programs.
    pub(crate) fn programs(&self) -> Result<BTreeSet<u32>> {
        let ids = self.descriptors(|text| Some(field(text, "prog_id:")? as u32))?;
        Ok(ids.into_iter().collect())
    }

    /// Where an agent is asked.
    pub(crate) fn socket(&self) -> &Path {
        &self.place
    }

    /// Asks an agent.
    pub(crate) fn ask(&self, path: &str) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.place).context("the agent's socket")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: kerno\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        let body = body.with_context(|| format!("{path}: {answer}"))?;
        serde_json::from_str(body).with_context(|| format!("{path}: {body}"))
    }

    /// Ends it as Ctrl-C does. Its report, if it makes one.
    pub(crate) fn end(mut self) -> Result<Value> {
        self.end_by(Signal::SIGINT)?;
        let report = fs::read(&self.place).unwrap_or_default();
        Ok(serde_json::from_slice(&report).unwrap_or(Value::Null))
    }

    /// Ends it as a service manager does. How long it took.
    pub(crate) fn terminate(mut self) -> Result<Duration> {
        self.end_by(Signal::SIGTERM)
    }

    fn end_by(&mut self, signal: Signal) -> Result<Duration> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let begin = Instant::now();
        kill(pid, signal).context("kerno is gone")?;
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > PATIENCE {
                bail!("kerno does not end");
            }
            thread::sleep(TICK);
        }
        Ok(begin.elapsed())
    }

    /// What the kernel says of each of its descriptors.
    fn descriptors<T>(&self, told: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
        let folder = fs::read_dir(self.file("fdinfo"))?;
        let texts = folder.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        Ok(texts.filter_map(|text| told(&text)).collect())
    }

    /// A file of its process.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

impl Drop for Kerno {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Both ends of a new terminal: of whoever looks, and of the program.
fn terminal(columns: u16, lines: u16) -> Result<(File, File)> {
    let size = Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let ends = openpty(&size, None).context("no terminal can be opened")?;
    Ok((ends.master.into(), ends.slave.into()))
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
