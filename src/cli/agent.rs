//! The options of `kerno agent`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::ValueEnum;

use super::WatchedArgs;
use crate::agent::Bounds;
use crate::agent::HISTORY;
use crate::agent::SOCKET;
use crate::window::Names;

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo kerno agent                           in the foreground; systemd runs it so
  sudo kerno doctor --last 10m               the report about the ten minutes behind us
  sudo kerno doctor --since 03:05 --until 03:20
  sudo kerno history                         when something was wrong
  sudo kerno agent --listen 0.0.0.0:9553     for a Prometheus on another host
  curl http://127.0.0.1:9553/metrics         every metric is described in docs/metrics.md

It closes a window every 10 s, puts older ones together to minutes, keeps as many as --memory
has room for, and writes each minute that is over to disk (--history), where later runs find
it. Of names of queries it writes those that failed (--history-names).
It answers over HTTP on its Unix socket: /v1/doctor, /v1/history, /v1/windows, /v1/watch,
/v1/status.
Each option is taken from the variable that stands beside it where the command line does not
have it.";

/// `kerno agent`.
#[derive(Args, Debug)]
pub struct AgentArgs {
    /// Where metrics and health are told over TCP: /metrics, /healthz and /readyz. An address
    /// alone has port 9553; `none` for nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9553", value_parser = listen)]
    pub listen: Listen,
    /// Memory for windows that are over, as 24MiB.
    #[arg(long, value_name = "SIZE", default_value = "24MiB", value_parser = size)]
    pub memory: usize,
    /// Tell what the kernel counts beside DNS, too, as metrics of each workload: memory, CPUs,
    /// connections, as `kerno counters` has them but for system calls.
    #[arg(long)]
    pub counters: bool,
    /// How log lines are written to stderr: text, or one JSON object each.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log: LogFormat,
    /// Run this with the shell when a finding opens, gets critical or is over, with the finding
    /// as JSON on its standard input: 4 at a time for 30 s each, 60 a minute.
    #[arg(long, value_name = "CMD")]
    pub on_finding: Option<String>,
    /// What is kept on disk.
    #[command(flatten)]
    pub history: HistoryOptions,
    /// Where it is asked.
    #[command(flatten)]
    pub socket: SocketArg,
    /// What to watch.
    #[command(flatten)]
    pub watched: WatchedArgs,
}

/// Where metrics are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `None` for nowhere.
    pub address: Option<SocketAddr>,
}

/// Where an address has none.
const PORT: u16 = 9553;

fn listen(text: &str) -> Result<Listen, String> {
    let address = match text {
        "none" => None,
        text => {
            // Kubernetes tells a pod its address alone (`status.podIP`).
            let alone = text.parse().map(|ip| SocketAddr::new(ip, PORT));
            Some(text.parse().or(alone).map_err(|_| {
                "write an address as 127.0.0.1:9553, 10.0.0.5 (port 9553) or [::]:9553, or none"
                    .to_owned()
            })?)
        }
    };
    Ok(Listen { address })
}

/// What an agent keeps on disk.
#[derive(Args, Debug)]
pub struct HistoryOptions {
    /// The folder where minutes that are over are written.
    #[arg(long, value_name = "DIR", default_value = HISTORY)]
    pub history: PathBuf,
    /// What all of it takes on disk, at most, from 4MiB.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = history_size)]
    pub history_size: u64,
    /// What is older is forgotten.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = keep)]
    pub history_keep: Duration,
    /// Which names of queries are written: none, those of queries that failed or were answered
    /// with an error, or all.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Names::Failed)]
    pub history_names: Names,
    /// Write nothing to disk.
    #[arg(long)]
    pub no_history: bool,
}

impl HistoryOptions {
    /// Where and how much, and which names; `None` if nothing is to be written.
    pub fn bounds(&self) -> Option<(Bounds, Names)> {
        let bounds = Bounds {
            folder: self.history.clone(),
            octets_max: self.history_size,
            keep: self.history_keep,
        };
        (!self.no_history).then_some((bounds, self.history_names))
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person, or systemd's journal.
    Text,
    /// For a program.
    Json,
}

/// The agent's socket.
#[derive(Args, Debug)]
pub struct SocketArg {
    /// The agent's Unix socket.
    #[arg(long, value_name = "PATH", default_value = SOCKET, env = "KERNO_SOCKET")]
    pub socket: PathBuf,
}

/// How long history is kept.
fn keep(text: &str) -> Result<Duration, String> {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 3_600);
    let keep = humantime::parse_duration(text);
    let keep = keep
        .ok()
        .filter(|keep| (Duration::from_secs(60)..=YEAR).contains(keep));
    keep.ok_or_else(|| "write a time from 1m to 366d, as 7d".to_owned())
}

/// Octets, as 256MiB. A busy minute may take a MiB, and the log as much again.
fn history_size(text: &str) -> Result<u64, String> {
    let octets = size(text).ok().filter(|octets| *octets >= 4 << 20);
    let octets = octets.ok_or("write a size from 4MiB to 16GiB, as 256MiB")?;
    Ok(octets as u64)
}

/// Octets, as 24MiB; at least a MiB.
fn size(text: &str) -> Result<usize, String> {
    let how = || "write a size from 1MiB to 16GiB, as 24MiB".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: usize = match &text[digits.len()..] {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(how()),
    };
    let number: usize = digits.parse().map_err(|_| how())?;
    let octets = number.checked_mul(unit).ok_or_else(how)?;
    match (1 << 20..=16 << 30).contains(&octets) {
        true => Ok(octets),
        false => Err(how()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_that_of_kerno() {
        let at = |text: &str| listen(text).map(|it| it.address.map(|it| it.to_string()));
        assert_eq!(at("none"), Ok(None));
        for address in ["127.0.0.1:9553", "[::]:9553", "10.0.0.5:1"] {
            assert_eq!(at(address), Ok(Some(address.to_owned())));
        }
        for (alone, address) in [
            ("10.0.0.5", "10.0.0.5:9553"),
            ("fd00::5", "[fd00::5]:9553"),
            ("::", "[::]:9553"),
        ] {
            assert_eq!(at(alone), Ok(Some(address.to_owned())));
        }
        for nonsense in [
            "",
            "9553",
            ":9553",
            "localhost:9553",
            "[fd00::5]",
            "10.0.0.5:",
            "None",
            "1.2.3.4:99999",
        ] {
            assert!(at(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn history_is_kept_within_sensible_bounds() {
        assert_eq!(keep("7d"), Ok(Duration::from_secs(7 * 24 * 3_600)));
        assert_eq!(history_size("4MiB"), Ok(4 << 20));
        for nonsense in ["", "7", "0d", "1s", "10years", "-1d"] {
            assert!(keep(nonsense).is_err(), "{nonsense}");
        }
        assert!(history_size("3MiB").is_err());
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(size("24MiB"), Ok(24 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        for nonsense in [
            "24",
            "0MiB",
            "-1MiB",
            "24MB",
            "1KiB",
            "99999999999999999999GiB",
            "MiB",
        ] {
            assert!(size(nonsense).is_err(), "{nonsense}");
        }
    }
}
