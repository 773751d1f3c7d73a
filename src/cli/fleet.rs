//! The options of `kerno fleet`.

use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use clap::Args;

use super::Format;
use super::duration;
use super::past::moment;

pub(super) const EXAMPLES: &str = "\
Examples:
  kerno fleet --prometheus http://prometheus:9090
  kerno fleet --prometheus https://mimir/prometheus --tenant shop --token-file /run/token --last 1h
  kerno fleet --prometheus http://localhost:9090 --at 03:20 --output json | jq '.findings[].place'
  kerno fleet --prometheus http://prometheus:9090 --output html >fleet.html
  kerno fleet --prometheus http://prometheus:9090 --exit-code
                     for monitoring: 0 healthy, 1 warning or unknown, 2 critical, 3 could not run

Needs no rights on any node: it asks the Prometheus that scrapes the agents (docs/fleet.md).
Secrets come from files or the environment: KERNO_PROMETHEUS_TOKEN, KERNO_PROMETHEUS_PASSWORD,
KERNO_PROMETHEUS_HEADERS (lines of `Name: value`).";

/// `kerno fleet`.
#[derive(Args, Debug)]
pub struct FleetArgs {
    /// Where Prometheus is, or what has its HTTP API: Thanos, Mimir, VictoriaMetrics.
    #[arg(long, value_name = "URL", env = "KERNO_PROMETHEUS")]
    pub prometheus: String,
    /// The time that is looked at, as 15m or 2h, up to 7 days.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = span)]
    pub last: Duration,
    /// When it ends: 03:20, "yesterday 03:20" or RFC 3339 [default: now]
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub at: Option<SystemTime>,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub output: Format,
    /// Tell the verdict by the exit code: 0 healthy or no traffic, 1 warning or unknown,
    /// 2 critical.
    #[arg(long)]
    pub exit_code: bool,
    /// How long all questions together may take.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// A file with a bearer token.
    #[arg(
        long,
        value_name = "FILE",
        env = "KERNO_PROMETHEUS_TOKEN_FILE",
        conflicts_with = "user"
    )]
    pub token_file: Option<PathBuf>,
    /// Who asks, with a password.
    #[arg(long, value_name = "NAME", env = "KERNO_PROMETHEUS_USER")]
    pub user: Option<String>,
    /// A file with that password.
    #[arg(
        long,
        value_name = "FILE",
        env = "KERNO_PROMETHEUS_PASSWORD_FILE",
        requires = "user"
    )]
    pub password_file: Option<PathBuf>,
    /// Whose data is asked for, where there are several tenants (the header X-Scope-OrgID).
    #[arg(long, value_name = "NAME", env = "KERNO_PROMETHEUS_TENANT")]
    pub tenant: Option<String>,
    /// A file with more headers, lines of `Name: value`.
    #[arg(long, value_name = "FILE", env = "KERNO_PROMETHEUS_HEADERS_FILE")]
    pub headers_file: Option<PathBuf>,
    /// A file with the certificates (PEM) that are trusted [default: the system's]
    #[arg(long, value_name = "FILE", env = "KERNO_PROMETHEUS_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

/// No longer than a Prometheus keeps what an agent says by default, half of it.
const SPAN_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Shorter than this, there are not two scrapes in it.
const SPAN_MIN: Duration = Duration::from_secs(30);

fn span(text: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    match (SPAN_MIN..=SPAN_MAX).contains(&span) {
        true => Ok(span),
        false => Err("write a time from 30s to 7d".to_owned()),
    }
}
