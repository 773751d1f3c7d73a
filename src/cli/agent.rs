//! The options of `kerno agent`.

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

It closes a window every 10 s, puts older ones together to minutes, and keeps as many as
--memory has room for; what is older is forgotten, and nothing is kept over a restart.
It answers over HTTP on its Unix socket: /v1/doctor, /v1/history, /v1/windows, /v1/status.
Each option is taken from the variable that stands beside it where the command line does not
have it.";

/// `kerno agent`.
#[derive(Args, Debug)]
pub struct AgentArgs {
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
