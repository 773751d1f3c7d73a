//! `kerno fleet`.

use std::env;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::cli::FleetArgs;
use crate::fleet::Report;
use crate::fleet::Secrets;
use crate::fleet::Source;
use crate::fleet::read_secret;

const TOKEN: &str = "KERNO_PROMETHEUS_TOKEN";
const PASSWORD: &str = "KERNO_PROMETHEUS_PASSWORD";
const HEADERS: &str = "KERNO_PROMETHEUS_HEADERS";

/// Asks a Prometheus, and prints the report.
pub(super) fn run(args: &FleetArgs) -> Result<ExitCode> {
    args.output.must_fit_stdout()?;
    let source = Source {
        url: args.prometheus.clone(),
        secrets: secrets(args)?,
        ca_file: args.ca_file.clone(),
        timeout: args.timeout,
    };
    let now = SystemTime::now();
    let at = args.at.unwrap_or(now);
    if at > now {
        bail!("--at must not be in the future");
    }
    let report = Report::ask(&source, at, args.last)?;
    let written = report.write(args.output.form(), &mut io::stdout().lock());
    let code = report.verdict().exit_code();
    super::reported(written, args.exit_code.then_some(code))
}

/// Who asks: from files, else from the environment.
fn secrets(args: &FleetArgs) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    if let Some(tenant) = &args.tenant {
        secrets = secrets.with("X-Scope-OrgID", tenant)?;
    }
    let token = from(args.token_file.as_deref(), TOKEN)?;
    match (&args.user, token) {
        (Some(user), _) => {
            let password = from(args.password_file.as_deref(), PASSWORD)?;
            let password = password.with_context(|| {
                format!("--user needs a password: give --password-file, or set {PASSWORD}")
            })?;
            secrets = secrets.with_password(user, &password)?;
        }
        (None, Some(token)) => secrets = secrets.with_token(&token)?,
        (None, None) => {}
    }
    match from(args.headers_file.as_deref(), HEADERS)? {
        Some(lines) => secrets.with_lines(&lines),
        None => Ok(secrets),
    }
}

fn from(file: Option<&Path>, variable: &str) -> Result<Option<String>> {
    match (file, env::var_os(variable)) {
        (Some(file), _) => Ok(Some(read_secret(file)?)),
        (None, Some(value)) if !value.is_empty() => match value.into_string() {
            Ok(value) => Ok(Some(value)),
            Err(_) => bail!("{variable} is no text"),
        },
        (None, _) => Ok(None),
    }
}
