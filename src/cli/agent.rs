//! The options of `kerno agent`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::WatchedArgs;
use crate::agent::SOCKET;

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo kerno agent                           in the foreground; systemd runs it so
  sudo kerno doctor --last 10m               the report about the ten minutes behind us
  sudo kerno doctor --since 03:05 --until 03:20
  sudo kerno history                         when something was wrong
  sudo kerno agent --listen 0.0.0.0:9553     for a Prometheus on another host
  curl http://127.0.0.1:9553/metrics         every metric is described in docs/metrics.md

It closes a window every 10 s, puts older ones together to minutes, and keeps as many as
--memory has room for; what is older is forgotten, and nothing is kept over a restart.
It answers over HTTP on its Unix socket: /v1/doctor, /v1/history, /v1/windows, /v1/status.
Each option is taken from the variable that stands beside it where the command line does not
have it.";

/// `kerno agent`.
#[derive(Args, Debug)]
pub struct AgentArgs {
    /// Where metrics and health are told over TCP: /metrics, /healthz and /readyz; `none` for
    /// nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9553", value_parser = listen)]
    pub listen: Listen,
    /// Memory for windows that are over, as 24MiB.
    #[arg(long, value_name = "SIZE", default_value = "24MiB", value_parser = size)]
    pub memory: usize,
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

fn listen(text: &str) -> Result<Listen, String> {
    let address = match text {
        "none" => None,
        address => Some(address.parse().map_err(|_| {
            "write an address and a port as 127.0.0.1:9553 or [::]:9553, or none".to_owned()
        })?),
    };
    Ok(Listen { address })
}

/// The agent's socket.
#[derive(Args, Debug)]
pub struct SocketArg {
    /// The agent's Unix socket.
    #[arg(long, value_name = "PATH", default_value = SOCKET, env = "KERNO_SOCKET")]
    pub socket: PathBuf,
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
    fn an_address_has_a_port() {
        let at = |text: &str| listen(text).map(|it| it.address.map(|it| it.to_string()));
        assert_eq!(at("none"), Ok(None));
        for address in ["127.0.0.1:9553", "[::]:9553", "10.0.0.5:1"] {
            assert_eq!(at(address), Ok(Some(address.to_owned())));
        }
        for nonsense in [
            "",
            "9553",
            ":9553",
            "localhost:9553",
            "127.0.0.1",
            "None",
            "1.2.3.4:99999",
        ] {
            assert!(at(nonsense).is_err(), "{nonsense}");
        }
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
